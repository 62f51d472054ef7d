"""A band under OSCORE: aiocoap's own client, and a relay whose recorded datagrams can be said again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiocoap import POST, Context, Message

from gateway.bands import keys
from gateway.transports.coap_contexts import SERVER_ID


class Relay(asyncio.DatagramProtocol):
    """Stands between a band and the server, keeps what the band sent, and can say it again from elsewhere."""

    def __init__(self) -> None:
        self.recorded: list[bytes] = []
        self.server: asyncio.DatagramTransport | None = None
        self.band: asyncio.DatagramTransport | None = None
        self.band_address: object = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.band = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: object) -> None:
        self.recorded.append(data)
        self.band_address = address
        assert self.server is not None
        self.server.sendto(data)


class Back(asyncio.DatagramProtocol):
    """The server's side of a relay."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def datagram_received(self, data: bytes, _address: object) -> None:
        assert self.relay.band is not None
        self.relay.band.sendto(data, self.relay.band_address)


class Raw(asyncio.DatagramProtocol):
    """A socket of its own, and what came back to it."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Message] = asyncio.Queue()

    def datagram_received(self, data: bytes, _address: object) -> None:
        self.answers.put_nowait(Message.decode(data))


@dataclass
class Band:
    """aiocoap's own client with a context of its own, speaking through a relay."""

    client: Context
    relay: Relay
    base: str

    async def ask(self, path: str, *, code: object = POST, data: bytes = b"[]", **options: object) -> Message:
        if code is POST:
            options.setdefault("content_format", 110)
        request = Message(code=code, uri=f"{self.base}/sw/xinhe/{path}", payload=data, **options)
        return await self.client.request(request).response

    async def post(self, data: bytes = b"[]") -> str:
        return (await self.ask("band-1/up", data=data)).code.dotted


def flash(folder: Path, device: str, key: str) -> None:
    """Put a key into a band, unless it has one and its numbers already."""
    if not folder.exists():
        folder.mkdir()
        secret = {
            "secret_hex": keys.derive(key).oscore_secret.hex(),
            "sender-id_hex": keys.key_id(device).hex(),
            "recipient-id_hex": SERVER_ID.hex(),
        }
        (folder / "secret.json").write_text(json.dumps(secret))


@contextlib.asynccontextmanager
async def band(port: int, folder: Path, device: str = "band-1", key: str = "key one") -> AsyncIterator[Band]:
    """`folder` is where the band keeps its numbers, as a band does in its flash."""
    flash(folder, device, key)
    loop = asyncio.get_running_loop()
    relay = Relay()
    front, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
    relay.server, _ = await loop.create_datagram_endpoint(
        lambda: Back(relay), remote_addr=("127.0.0.1", port)
    )
    base = f"coap://127.0.0.1:{front.get_extra_info('sockname')[1]}"
    client = await Context.create_client_context(transports=["oscore", "udp6"])
    client.client_credentials.load_from_dict({f"{base}/*": {"oscore": {"basedir": str(folder)}}})
    yield Band(client, relay, base)
    await client.shutdown()
    client.client_credentials[f"{base}/*"]._destroy()
    front.close()
    relay.server.close()


async def said_again(port: int, datagram: bytes) -> Message:
    """The server's answer to recorded bytes that come again from another socket."""
    endpoint, raw = await asyncio.get_running_loop().create_datagram_endpoint(
        Raw, remote_addr=("127.0.0.1", port)
    )
    endpoint.sendto(datagram)
    answer = await raw.answers.get()
    endpoint.close()
    return answer
