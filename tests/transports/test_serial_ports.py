"""Serial ports: unplugged, replugged, late, shared and full."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from gateway.transports import serial, serial_port
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site


@dataclass
class KeepingSink:
    """Keeps what it hears; settles at once unless told to wait."""

    got: list[Inbound] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False
    waits: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        if not self.waits:
            inbound.settle(Settlement(Outcome.STORED))
        self.changed.set()

    def admits(self, device: str, secret: bytes) -> bool:  # noqa: ARG002 - the shape of a sink
        return False

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)
        self.changed.set()

    async def uncongested(self) -> None:
        await asyncio.get_running_loop().create_future()

    def heard(self) -> bytes:
        return b"".join(inbound.data for inbound in self.got)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


async def counted(transport: serial.SerialTransport, what: str, times: int) -> None:
    while transport.counts[what] < times:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.001)


class Adapter:
    """A USB adapter on a pseudo-terminal, behind a symbolic link as udev makes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: tuple[int, int] | None = None

    def plug(self) -> None:
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.ends = (ours, theirs)
        self.path.symlink_to(os.ttyname(theirs))

    def unplug(self) -> None:
        if self.ends is not None:
            self.path.unlink()
            for end in self.ends:
                os.close(end)
            self.ends = None

    def speak(self, data: bytes) -> None:
        assert self.ends is not None
        os.write(self.ends[0], data)


@pytest.fixture
def adapter(tmp_path: Path):
    built = Adapter(tmp_path / "gnss0")
    yield built
    built.unplug()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "BACKOFF_FIRST_S", 0.005)
    monkeypatch.setattr(serial, "BACKOFF_MOST_S", 0.02)
    monkeypatch.setattr(serial_port, "LISTEN_S", 0.02)


@contextlib.asynccontextmanager
async def running(
    path: Path, sink: KeepingSink
) -> AsyncIterator[tuple[serial.SerialTransport, asyncio.Queue[str]]]:
    settings = serial.SerialSettings(ports=(serial.Port(path=str(path), baud=115200, device="gnss-1"),))
    transport = serial.SerialTransport(settings, sink, Site(gateway="g", community="c", data_dir=Path()))
    ready: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(transport.run(ready.put_nowait))
    try:
        yield transport, ready
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_port_that_appears_later_is_opened_then(adapter: Adapter) -> None:
    sink = KeepingSink()
    async with running(adapter.path, sink) as (transport, ready):
        await counted(transport, "open failed", 3)
        assert ready.empty()
        adapter.plug()
        assert await ready.get() == str(adapter.path)
        adapter.speak(b"$GNGGA")
        await sink.until(lambda: sink.heard() == b"$GNGGA")
    link = sink.got[0].link
    assert (link.device, link.protocol, link.streaming) == ("gnss-1", "nmea", True)


async def test_an_unplugged_port_is_found_again_with_a_fresh_link(adapter: Adapter) -> None:
    sink = KeepingSink()
    adapter.plug()
    async with running(adapter.path, sink) as (transport, ready):
        await ready.get()
        adapter.speak(b"before")
        await sink.until(lambda: sink.heard() == b"before")
        adapter.unplug()
        await sink.until(lambda: len(sink.closed_links) == 1)
        assert not transport.send("gnss-1", b"anyone?", lambda: None)
        adapter.plug()
        await counted(transport, "opened", 2)
        adapter.speak(b"after")
        await sink.until(lambda: sink.heard() == b"beforeafter")
    assert sink.got[0].link is not sink.got[-1].link
    assert sink.closed_links == [sink.got[0].link, sink.got[-1].link]
    assert transport.counts["lost"] == 1
    assert ready.empty()


async def test_a_port_in_use_by_another_program_is_left_alone(adapter: Adapter) -> None:
    sink = KeepingSink()
    adapter.plug()
    with serial.Serial(str(adapter.path), exclusive=True):
        async with running(adapter.path, sink) as (transport, ready):
            await counted(transport, "open failed", 2)
            assert ready.empty()


async def test_with_too_much_unsettled_the_port_is_read_no_more_until_some_is(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_port, "MAX_UNSETTLED", 2)
    sink = KeepingSink(waits=True)
    adapter.plug()
    async with running(adapter.path, sink) as (_, ready):
        await ready.get()
        for number in (1, 2):
            adapter.speak(b"%d" % number)
            await sink.until(lambda number=number: len(sink.got) == number)
        adapter.speak(b"3")
        for _ in range(20):
            await asyncio.sleep(0)
        assert sink.heard() == b"12"
        sink.got[0].settle(Settlement(Outcome.STORED))
        await sink.until(lambda: sink.heard() == b"123")


async def test_a_full_port_refuses_an_order_instead_of_waiting(adapter: Adapter) -> None:
    sink = KeepingSink()
    adapter.plug()
    async with running(adapter.path, sink) as (transport, ready):
        await ready.get()
        done: list[str] = []
        taken = [transport.send("gnss-1", b"x" * 1024, lambda: done.append("sent")) for _ in range(200)]
    assert taken[0]
    assert not taken[-1]
    assert len(done) == sum(taken)


@pytest.mark.parametrize(
    "ports",
    [
        [{"path": "/dev/a", "device": "a", "baud": 12345}],
        [{"path": "/dev/a", "device": "a", "baud": "fast"}],
        [{"path": "/dev/a", "device": "a", "baud": "auto", "bauds": []}],
        [{"path": "/dev/a", "device": "a", "baud": "auto", "bauds": [9600, 7]}],
        [{"path": "", "device": "a"}],
        [{"path": "/dev/a", "device": "a"}, {"path": "/dev/a", "device": "b"}],
        [{"path": "/dev/a", "device": "a"}, {"path": "/dev/b", "device": "a"}],
    ],
)
def test_impossible_settings_are_refused(ports: list[dict[str, object]]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"ports": ports}, serial.SerialSettings)
