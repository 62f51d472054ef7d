"""A TCP peer of ours, and a sink that pins each line to the first word it hears."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.transports import tcp
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site

NOTHING = Settlement(Outcome.STORED)


@dataclass
class PinningSink:
    """Pins a line to the first word it hears; keeps inbounds for the test to settle."""

    got: list[Inbound] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False
    knows: bool = True
    settles: Settlement | None = None
    unsettled: list[Inbound] = field(default_factory=list)
    doubles: list[tuple[Link, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        if self.knows:
            inbound.link.pinned = inbound.link.pinned or inbound.data.decode().split()[0]
        if self.settles is not None:
            inbound.settle(self.settles)
        else:
            self.unsettled.append(inbound)
        self.changed.set()

    def doubled(self, link: Link, other: str) -> None:
        self.doubles.append((link, other))

    def heard(self) -> bytes:
        return b"".join(inbound.data for inbound in self.got)

    def admits(self, device: str, secret: bytes) -> bool:  # noqa: ARG002 - the shape of a sink
        return False

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)
        self.changed.set()

    async def uncongested(self) -> None:
        if self.congested:
            await asyncio.get_running_loop().create_future()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@contextlib.asynccontextmanager
async def listening(sink: PinningSink, **options: object) -> AsyncIterator[tuple[tcp.TcpTransport, str, int]]:
    total = {"max_buffered_mb": options.pop("max_buffered_mb")} if "max_buffered_mb" in options else {}
    settings = tcp.TcpSettings(listeners=(tcp.Listener(port=0, **options),), **total)  # type: ignore[arg-type]
    transport = tcp.TcpTransport(settings, sink, Site(gateway="g", community="c", data_dir=Path()))
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(transport.run(address.set_result))
    host, port = (await address).rsplit(":", 1)
    try:
        yield transport, host, int(port)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def dial(host: str, port: int, words: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(host, port)
    if words:
        writer.write(words)
        await writer.drain()
    return reader, writer


def settle_all(sink: PinningSink) -> bool:
    """Settle whatever is not settled yet; true, to stand in a condition."""
    while sink.unsettled:
        sink.unsettled.pop().settle(NOTHING)
    return True


async def dribble(writer: asyncio.StreamWriter, sink: PinningSink) -> None:
    """Say one letter whenever the last one was heard."""
    for heard in itertools.count(1):
        writer.write(b"x")
        await sink.until(lambda heard=heard: len(sink.got) >= heard)
        settle_all(sink)


def replying(*replies: bytes) -> Settlement:
    return Settlement(Outcome.STORED, replies, stored=1)
