"""TCP: bands and watches that keep a line open.

Owns the sockets, the order of replies and the limits of a listener; knows nothing of frames.
A line has no login, so `link.device` stays None and the intake pins the first id it admits.

What bounds what:

- bytes not yet settled: at `MAX_UNSETTLED` pieces or `MAX_UNSETTLED_BYTES` nothing more is read from it;
- bytes not yet taken by the peer: while one waits, nothing more is read from that line,
  and a peer that takes nothing for `STALLED_S` is cut off;
- lines: `max_connections` a listener and `max_connections_per_peer` an address, more are refused;
- silence: `idle_timeout_s` after the last byte the line is closed, a half-open socket is not kept for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, cast

import msgspec

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink, Site

MAX_UNSETTLED = 32
MAX_UNSETTLED_BYTES = 256 * 1024
STALLED_S = 30.0
BACKLOG = 1024

log = logging.getLogger(__name__)


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port: `codec` is the table handed to the protocol's codec as it is."""

    host: str = "127.0.0.1"
    port: int
    protocol: str = "watch"
    max_connections: int = 5000
    max_connections_per_peer: int = 1000
    idle_timeout_s: float = 900
    codec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_port(self.port)
        if self.max_connections < 1 or self.max_connections_per_peer < 1:
            raise ValueError("max_connections and max_connections_per_peer must be at least 1")
        if self.idle_timeout_s <= 0:
            raise ValueError("idle_timeout_s must be above 0")


class TcpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.tcp]`."""

    listeners: tuple[Listener, ...] = ()


class TcpTransport:
    """All TCP listeners of a gateway.

    `counts` holds what was accepted, refused and cut off, by reason.
    """

    name: ClassVar[str] = "tcp"
    Settings: ClassVar[type] = TcpSettings

    def __init__(self, settings: TcpSettings, sink: Sink, site: Site) -> None:
        self.settings = settings
        self.sink = sink
        self.site = site
        self.counts: Counter[str] = Counter()
        self.addresses: tuple[str, ...] = ()
        self._lines: dict[str, _Line] = {}
        self._doors = tuple(_Door(listener) for listener in settings.listeners)
        self._held: set[_Line] = set()
        self._held_some = asyncio.Event()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Listen on every port until cancelled; `ready` is called once a port."""
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        try:
            for door in self._doors:
                server = await loop.create_server(
                    partial(_Line, self, door), door.listener.host, door.listener.port, backlog=BACKLOG
                )
                servers.append(server)
                host, port = server.sockets[0].getsockname()[:2]
                self.addresses = (*self.addresses, f"{host}:{port}")
                ready(f"{host}:{port}")
            await self._let_held_lines_go()
        finally:
            for server in servers:
                server.close()
            for door in self._doors:
                for line in tuple(door.lines):
                    line.cut("shutdown")

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Write to the newest line of this device; False when it has none or its last bytes still wait."""
        line = self._lines.get(device)
        return line is not None and line.send(data, done)

    def forget(self, device: str) -> None:
        """Cut the line of a device that is not admitted any more."""
        line = self._lines.get(device)
        if line is not None:
            line.cut("not admitted any more")

    async def _let_held_lines_go(self) -> None:
        while True:
            await self._held_some.wait()
            await self.sink.uncongested()
            held, self._held = self._held, set()
            self._held_some.clear()
            for line in held:
                line.let_go()

    # ------------------------------------------------------------------ called by lines

    def opened(self, line: _Line) -> str | None:
        """Take a new line in; the reason when it is one too many."""
        door = line.door
        if len(door.lines) >= door.listener.max_connections:
            return "refused: listener full"
        if door.by_address[line.address] >= door.listener.max_connections_per_peer:
            return "refused: too many from one peer"
        door.lines.add(line)
        door.by_address[line.address] += 1
        self.counts["accepted"] += 1
        return None

    def gone(self, line: _Line) -> None:
        """Forget a line that had been taken in."""
        door = line.door
        door.lines.discard(line)
        door.by_address[line.address] -= 1
        if door.by_address[line.address] == 0:
            del door.by_address[line.address]
        self._held.discard(line)
        device = line.link.pinned
        if device is not None and self._lines.get(device) is line:
            del self._lines[device]

    def pinned(self, line: _Line, device: str) -> None:
        """The intake pinned a line to a device: the newest line wins, the older one is closed."""
        older = self._lines.get(device)
        if older is line:
            return
        self._lines[device] = line
        if older is not None:
            older.cut("takeover")

    def hold(self, line: _Line) -> None:
        """Remember a line that stopped reading because the journal is behind."""
        self._held.add(line)
        self._held_some.set()


@dataclass(slots=True, eq=False)
class _Door:
    """A listener and the lines that came through it."""

    listener: Listener
    lines: set[_Line] = field(default_factory=set)
    by_address: Counter[str] = field(default_factory=Counter)


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, owner: TcpTransport, door: _Door) -> None:
        self.owner = owner
        self.door = door
        self.address = ""
        self.link = Link(wire=TcpTransport.name, protocol=door.listener.protocol, peer="")
        self._wire: asyncio.Transport | None = None
        self._slots: deque[_Slot] = deque()
        self._unsettled_bytes = 0
        self._congested = False
        self._writing_paused = False
        self._ending = False
        self._admitted = False
        self._heard_at = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._sent: list[Callable[[], None]] = []

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclass
        self._wire = transport
        host, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
        self.address = host
        self.link = Link(
            wire=TcpTransport.name,
            protocol=self.door.listener.protocol,
            peer=f"{host}:{port}",
            codec_settings=self.door.listener.codec,
            streaming=True,
        )
        transport.set_write_buffer_limits(high=0)
        refused = self.owner.opened(self)
        if refused is not None:
            self.cut(refused)
            return
        self._admitted = True
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        self._idle = loop.call_later(self.door.listener.idle_timeout_s, self._check_idle)

    def data_received(self, data: bytes) -> None:
        if not self._admitted or self._ending:
            return
        self._heard_at = asyncio.get_running_loop().time()
        slot = _Slot(self, len(data))
        self._slots.append(slot)
        self._unsettled_bytes += slot.size
        self.owner.sink.receive(Inbound(self.link, data, slot.settle))
        self._note_pin()
        if self.owner.sink.congested:
            self._congested = True
            self.owner.counts["held: journal behind"] += 1
            self.owner.hold(self)
        self._regulate()

    def eof_received(self) -> bool:
        """The peer says no more; what it said is still answered before we close."""
        self._ending = True
        return bool(self._slots)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._idle, self._stalled):
            if timer is not None:
                timer.cancel()
        self._idle = self._stalled = None
        self._wire = None
        self._sent.clear()
        if exc is not None:
            self.owner.counts["lost"] += 1
        if self._admitted:
            self.owner.gone(self)
            self.owner.sink.closed(self.link)

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._stalled = asyncio.get_running_loop().call_later(STALLED_S, self.cut, "cut: takes nothing")
        self._regulate()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self._tell_sent()
        self._regulate()

    # ------------------------------------------------------------------ settling, sending, ending

    def settled(self) -> None:
        """Write the replies of every settled piece at the head of the queue, in the order received."""
        self._note_pin()
        while self._slots and self._slots[0].settlement is not None:
            slot = self._slots.popleft()
            self._unsettled_bytes -= slot.size
            settlement = slot.settlement
            assert settlement is not None
            if self._wire is None:
                self.owner.counts["settled after the line was gone"] += 1
            elif settlement.outcome is Outcome.FORBIDDEN:
                self._finish("forbidden")
            elif settlement.replies and not self._wire.is_closing():
                self._wire.write(b"".join(settlement.replies))
        if self._ending and not self._slots and self._wire is not None:
            self._wire.close()
        self._regulate()

    def send(self, data: bytes, done: Callable[[], None]) -> bool:
        wire = self._wire
        if wire is None or wire.is_closing() or self._ending or wire.get_write_buffer_size() > 0:
            return False
        wire.write(data)
        self._sent.append(done)
        if wire.get_write_buffer_size() == 0:
            asyncio.get_running_loop().call_soon(self._tell_sent)
        return True

    def let_go(self) -> None:
        """The journal has room again."""
        self._congested = False
        self._regulate()

    def cut(self, reason: str) -> None:
        """End the line now."""
        if self._wire is not None and not self._wire.is_closing():
            self.owner.counts[reason] += 1
            log.info("line %s (%s) ended: %s", self.link.peer, self.link.pinned, reason)
            self._wire.abort()

    def _finish(self, reason: str) -> None:
        """End the line after what is already written."""
        if self._wire is not None and not self._wire.is_closing():
            self.owner.counts[reason] += 1
            log.warning("line %s (%s) closed: %s", self.link.peer, self.link.pinned, reason)
            self._ending = True
            self._wire.close()

    def _tell_sent(self) -> None:
        if self._wire is None or self._wire.get_write_buffer_size() > 0:
            return
        told, self._sent = self._sent, []
        for done in told:
            done()

    def _note_pin(self) -> None:
        if self.link.pinned is not None and self._wire is not None:
            self.owner.pinned(self, self.link.pinned)

    def _regulate(self) -> None:
        wire = self._wire
        if wire is None or wire.is_closing() or self._ending:
            return
        full = len(self._slots) >= MAX_UNSETTLED or self._unsettled_bytes >= MAX_UNSETTLED_BYTES
        if full or self._congested or self._writing_paused:
            if wire.is_reading():
                self.owner.counts["reading paused"] += 1
                wire.pause_reading()
        elif not wire.is_reading():
            wire.resume_reading()

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        due_at = self._heard_at + self.door.listener.idle_timeout_s
        if loop.time() >= due_at and not self._slots and not self._congested:
            self.cut("idle")
        else:
            self._idle = loop.call_at(max(due_at, loop.time() + 1.0), self._check_idle)


class _Slot:
    """One received piece waiting for its settlement."""

    __slots__ = ("line", "settlement", "size")

    def __init__(self, line: _Line, size: int) -> None:
        self.line = line
        self.size = size
        self.settlement: Settlement | None = None

    def settle(self, settlement: Settlement) -> None:
        self.settlement = settlement
        self.line.settled()


def _check_port(port: int) -> None:
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of a TCP port
        raise ValueError("port must be 0 to 65535")


TRANSPORT = TcpTransport
