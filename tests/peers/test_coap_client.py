"""libcoap's own client against our server: another implementation of the same standard."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import cbor2
import pytest

from gateway.bands import keys
from gateway.transports import coap
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site

CLIENT = shutil.which("coap-client-notls") or shutil.which("coap-client")

assert CLIENT, "Debian's libcoap3-bin is not installed (make test installs it)"
pytestmark = pytest.mark.slow


@dataclass
class StoringSink:
    """Stores at once."""

    got: list[bytes] = field(default_factory=list)
    congested: bool = False

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound.data)
        inbound.settle(Settlement(Outcome.STORED))

    def admits(self, device: str, secret: bytes) -> bool:
        return (device, secret) == ("band-1", b"s3cret")

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        return ("band-1", keys.derive("s3cret").oscore_secret) if key_id == keys.key_id("band-1") else None

    def closed(self, link: Link) -> None:
        """Nothing to forget."""

    async def uncongested(self) -> None:
        await asyncio.get_running_loop().create_future()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[coap.CoapTransport, StoringSink]]:
    sink = StoringSink()
    site = Site(gateway="g", community="xinhe", data_dir=tmp_path)
    transport = coap.CoapTransport(coap.CoapSettings(port=0), sink, site)
    ready = asyncio.Event()
    task = asyncio.create_task(transport.run(lambda _: ready.set()))
    await ready.wait()
    yield transport, sink
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def client(transport: coap.CoapTransport, path: str, *arguments: str) -> str:
    """What the real client prints: the payload of a success, or the code of an error."""
    assert CLIENT is not None
    process = await asyncio.create_subprocess_exec(
        CLIENT,
        *arguments,
        "-B",
        "10",
        f"coap://{transport.address}{path}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode().strip()


async def test_it_posts_senml_json_and_is_told_nothing_is_wrong(
    server: tuple[coap.CoapTransport, StoringSink],
) -> None:
    transport, sink = server
    pack = '[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","vs":"p1"}]'
    said = await client(transport, "/sw/xinhe/band-1/up?k=s3cret", "-m", "post", "-t", "110", "-e", pack)
    assert said == ""
    assert sink.got == [pack.encode()]
    assert transport.counts["2.04"] == 1


async def test_it_posts_a_long_cbor_pack_in_blocks(
    server: tuple[coap.CoapTransport, StoringSink], tmp_path: Path
) -> None:
    transport, sink = server
    pack = cbor2.dumps([{0: "hr", 1: "beat/min", 2: 60 + number % 40, 6: -number} for number in range(180)])
    (tmp_path / "pack").write_bytes(pack)
    arguments = ("-m", "post", "-t", "112", "-b", "256", "-f", str(tmp_path / "pack"))
    assert await client(transport, "/sw/xinhe/band-1/up?k=s3cret", *arguments) == ""
    assert len(pack) > 2048
    assert sink.got == [pack]


async def test_it_is_told_that_its_key_is_wrong(server: tuple[coap.CoapTransport, StoringSink]) -> None:
    transport, sink = server
    said = await client(transport, "/sw/xinhe/band-1/up?k=guess", "-m", "post", "-t", "110", "-e", "[]")
    assert said.startswith("4.03")
    assert sink.got == []


async def test_it_fetches_an_order(server: tuple[coap.CoapTransport, StoringSink]) -> None:
    transport, _ = server
    down = "/sw/xinhe/band-1/down?k=s3cret"
    assert await client(transport, down, "-m", "get") == ""
    done: list[str] = []
    assert transport.send("band-1", b'[{"n":"cmd","vs":"find"}]', lambda: done.append("find"))
    assert await client(transport, down, "-m", "get") == '[{"n":"cmd","vs":"find"}]'
    assert done == ["find"]


async def observing(transport: coap.CoapTransport, seconds: int) -> asyncio.subprocess.Process:
    """The real client as an observer, once it is registered."""
    assert CLIENT is not None
    heard = transport.counts["2.05"]
    process = await asyncio.create_subprocess_exec(
        CLIENT,
        *("-m", "get", "-w", "-s", str(seconds), "-B", str(seconds + 3)),
        f"coap://{transport.address}/sw/xinhe/band-1/down?k=s3cret",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(10):
        while transport.counts["2.05"] == heard:  # noqa: ASYNC110 - another process registers
            await asyncio.sleep(0.01)
    return process


async def test_it_observes_its_orders_and_gives_the_observation_up_at_the_end(
    server: tuple[coap.CoapTransport, StoringSink],
) -> None:
    transport, _ = server
    process = await observing(transport, 2)
    done: list[bytes] = []
    orders = [b'[{"n":"cmd","vs":"help_is_coming"}]', b'[{"n":"cmd","vs":"find"}]']
    for order in orders:
        assert transport.send("band-1", order, lambda order=order: done.append(order))
    output, _ = await process.communicate()
    assert output.split() == orders
    assert done == orders
    late = b'[{"n":"cmd","vs":"locate"}]'
    assert transport.send("band-1", late, lambda: done.append(late))
    assert await client(transport, "/sw/xinhe/band-1/down?k=s3cret", "-m", "get") == late.decode()


async def test_it_fetches_and_observes_long_orders_in_blocks(
    server: tuple[coap.CoapTransport, StoringSink],
) -> None:
    transport, _ = server
    down = "/sw/xinhe/band-1/down?k=s3cret"
    assert await client(transport, down, "-m", "get") == ""
    done: list[str] = []
    fences = "[" + ",".join(f'{{"n":"fence{number}","vs":"31.15,121.10"}}' for number in range(90)) + "]"
    assert len(fences) > 3 * 1024
    assert transport.send("band-1", fences.encode(), lambda: done.append("polled"))
    assert await client(transport, down, "-m", "get") == fences
    assert transport.send("band-1", fences.encode(), lambda: done.append("polled small"))
    assert await client(transport, down, "-m", "get", "-b", "64") == fences
    process = await observing(transport, 2)
    assert transport.send("band-1", fences.encode(), lambda: done.append("observed"))
    output, _ = await process.communicate()
    assert output.strip() == fences.encode()
    assert done == ["polled", "polled small", "observed"]
