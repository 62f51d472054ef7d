"""Requests a second of the CoAP server, plain and under OSCORE in one run, and what its numbers on disk cost.

`python -m bench.coap`: the server on uvloop with a sink that stores at once; datagrams of 64 bands,
made beforehand, 32 on the way at a time. Counted is the time of the processor, so neighbours do not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from aiocoap import POST, Message

from firmware_sim.links.oscore import BandSecurity
from gateway.bands import keys
from gateway.transports.base import Inbound, Outcome, Settlement, Site
from gateway.transports.coap import CoapSettings, CoapTransport
from gateway.transports.coap_contexts import STRIDE, Contexts, State

BANDS = 64
REQUESTS = 6000
ON_THE_WAY = 32
WRITES = 50
PACK = b'[{"bn":"urn:dev:sw:band-0000:","n":"hr","u":"beat/min","v":72}]'


class Sink:
    """Knows every band, stores at once."""

    congested = False

    def __init__(self) -> None:
        derived = {f"band-{number}": keys.derive(f"key {number}") for number in range(BANDS)}
        self._keys = derived
        self._by_id = {keys.key_id(name): (name, one.oscore_secret) for name, one in derived.items()}

    def receive(self, inbound: Inbound) -> None:
        """Store it."""
        inbound.settle(Settlement(Outcome.STORED))

    def admits(self, device: str, secret: bytes) -> bool:
        """As the registry does."""
        return self._keys[device].fits(secret)

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        """As the registry does."""
        return self._by_id.get(key_id)

    def closed(self, _link: object) -> None:
        """Nothing to forget."""


class Client(asyncio.DatagramProtocol):
    """Sends what it was given, the next one for each answer; `done` when all were answered."""

    def __init__(self, datagrams: list[bytes]) -> None:
        self._left = iter(datagrams)
        self._open = len(datagrams)
        self.codes: dict[int, int] = {}
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        for _ in range(ON_THE_WAY):
            self._next()

    def _next(self) -> None:
        datagram = next(self._left, None)
        if datagram is not None:
            self._transport.sendto(datagram)

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Count it and go on."""
        self.codes[data[1]] = self.codes.get(data[1], 0) + 1
        self._open -= 1
        if self._open:
            self._next()
        else:
            self.done.set_result(None)


def _post(device: str, mid: int, query: tuple[str, ...]) -> Message:
    message = Message(code=POST, payload=PACK, content_format=110)
    message.opt.uri_path = ("sw", "bench", device, "up")
    message.opt.uri_query = query
    message.mtype, message.mid, message.token = 0, mid, mid.to_bytes(2, "big")
    return message


def _plain() -> list[bytes]:
    return [_post(f"band-{mid % BANDS}", mid, (f"k=key {mid % BANDS}",)).encode() for mid in range(REQUESTS)]


def _sealed() -> list[bytes]:
    bands = [BandSecurity(f"band-{number}", f"key {number}") for number in range(BANDS)]
    datagrams = []
    for mid in range(REQUESTS):
        inner = _post(f"band-{mid % BANDS}", mid, ())
        outer, _ = bands[mid % BANDS].protect(inner)
        outer.mtype, outer.mid, outer.token = 0, mid, mid.to_bytes(2, "big")
        datagrams.append(outer.encode())
    return datagrams


async def _measure(transport: CoapTransport, datagrams: list[bytes]) -> tuple[float, dict[int, int]]:
    """Requests in a second of the processor, client and all, and how often each code was answered."""
    port = int(transport.address.rsplit(":", 1)[1])
    began = time.process_time()
    endpoint, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Client(datagrams), remote_addr=("127.0.0.1", port)
    )
    await client.done
    took_s = time.process_time() - began
    endpoint.close()
    return len(datagrams) / took_s, client.codes


async def _run(folder: Path, plain_datagrams: list[bytes], sealed_datagrams: list[bytes]) -> None:
    site = Site(gateway="bench", community="bench", data_dir=folder)
    transport = CoapTransport(CoapSettings(port=0), Sink(), site)
    ready = asyncio.Event()
    serving = asyncio.create_task(transport.run(lambda _: ready.set()))
    await ready.wait()
    for key_id in transport.sink._by_id:  # noqa: SLF001 - bands that have proved to be fresh
        context = transport.contexts.get(key_id)
        assert context is not None
        context.recipient_replay_window.initialize_empty()
    plain, codes = await _measure(transport, plain_datagrams)
    print(f"plain   {plain:7.0f} requests a CPU second  {codes}")
    sealed, codes = await _measure(transport, sealed_datagrams)
    print(f"OSCORE  {sealed:7.0f} requests a CPU second  {codes}  {sealed / plain:.2f} of plain")
    print(f"writes of the numbers during {2 * REQUESTS} requests: {transport.contexts.writes - 1}")
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _write_cost(folder: Path) -> None:
    contexts = Contexts(folder / "oscore" / "cost.json", lambda _: None)
    contexts.open()
    began = time.perf_counter()
    for number in range(WRITES):
        contexts._write(State(next=number))  # noqa: SLF001 - what is measured
    each_ms = (time.perf_counter() - began) / WRITES * 1000
    share_us = each_ms / STRIDE * 1000
    print(f"one write of the numbers {each_ms:.2f} ms, {share_us:.2f} us for each of {STRIDE} messages")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(Path(folder), _plain(), _sealed()))
        _write_cost(Path(folder))


if __name__ == "__main__":
    main()
