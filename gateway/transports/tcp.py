"""TCP: bands and watches that keep a line open.

Owns the sockets, the order of replies and the limits of a listener; knows nothing of frames.
A line has no login, so `link.device` stays None and the intake pins the first id it admits;
until then the line is unknown, and whatever is short is taken from unknown lines first.

What bounds what:

- bytes not yet settled: at `MAX_UNSETTLED` pieces or `MAX_UNSETTLED_BYTES` nothing more is read from it;
- bytes without the end of a frame: past `MAX_FRAMELESS_BYTES` (unknown: less) the line is cut;
- such bytes of all lines: past `max_buffered_mb` the fattest are cut, unknown ones first;
- bytes of all lines not yet settled: past `max_buffered_mb` nothing more is read from any line;
- bytes not yet taken by the peer: while one waits, nothing more is read from that line,
  and a peer that takes nothing for `STALLED_S` is cut off;
- lines: `max_connections` a listener, then a newcomer takes the place of the oldest unknown line, if any;
  `max_connections_per_peer` and `new_connections_per_peer_per_s` a network, more are refused;
- silence: `idle_timeout_s` after the last byte the line is closed, a half-open socket is not kept for ever;
- strangers: a line is cut `unknown_timeout_s` after its beginning, and after `max_bad_frames` in a row.

The rooms: `tcp_door` settings and newcomers, `tcp_line` one connection, `tcp_claims` who speaks for a device.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import msgspec

from gateway.transports import tcp_line
from gateway.transports.base import Link, Once, Sink, Site
from gateway.transports.tcp_claims import Claims
from gateway.transports.tcp_door import Listener, Newcomers
from gateway.transports.tcp_line import Door, Line

BACKLOG = 1024
KERNEL_BYTES = 64 * 1024
LEAST_SWEEP_S, MOST_SWEEP_S = 0.005, 5.0
SWEEPS_A_TIMEOUT = 8
ROOM_AGAIN = 0.75
SAME_WORDS_S = 10.0
"""The same reason is logged once in so long; the counter has the rest."""

log = logging.getLogger(__name__)


class TcpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.tcp]`; `max_buffered_mb` is for all lines of all listeners together."""

    listeners: tuple[Listener, ...] = ()
    max_buffered_mb: float = 32

    def __post_init__(self) -> None:
        if self.max_buffered_mb <= 0:
            raise ValueError("max_buffered_mb must be above 0")


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
        self.unsettled_bytes = 0
        self.unfinished_bytes = 0
        self._bound_bytes = settings.max_buffered_mb * 1024 * 1024
        self._claims = Claims()
        self._doors = tuple(Door(one, _newcomers(one)) for one in settings.listeners)
        self._held: set[Line] = set()
        self._held_some = asyncio.Event()
        self._uncrowded = asyncio.Event()
        self._uncrowded.set()
        self._said_at: dict[str, float] = {}

    async def run(self, ready: Callable[[str], None]) -> None:
        """Listen on every port until cancelled; `ready` is called once a port."""
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        try:
            for door in self._doors:
                listener = door.listener
                server = await loop.create_server(
                    partial(Line, self, door), listener.host, listener.port, backlog=BACKLOG
                )
                servers.append(server)
                _bound_kernel_buffers(server)
                host, port = server.sockets[0].getsockname()[:2]
                self.addresses = (*self.addresses, f"{host}:{port}")
                ready(f"{host}:{port}")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._let_held_lines_go(), name="tcp held lines")
                group.create_task(self._sweep_for_ever(), name="tcp sweep")
        finally:
            for server in servers:
                server.close()
            for door in self._doors:
                for line in tuple(door.lines):
                    line.cut("shutdown")

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Write to every line of this device; False when it has none or the last bytes still wait on each."""
        lines = self._claims.of(device)
        once = done if len(lines) == 1 else Once(done)
        taken = [line.send(data, once) for line in lines]
        return any(taken)

    def withdraw(self, device: str, data: bytes) -> None:
        """Nothing to take back: bytes that were taken have left."""

    def forget(self, device: str) -> None:
        """Cut every line of a device that is not admitted any more."""
        for line in self._claims.of(device):
            line.cut("not admitted any more")

    async def _let_held_lines_go(self) -> None:
        while True:
            await self._held_some.wait()
            await self.sink.uncongested()
            await self._uncrowded.wait()
            held, self._held = self._held, set()
            self._held_some.clear()
            for line in held:
                line.let_go()

    async def _sweep_for_ever(self) -> None:
        """End what is overdue: one walk over all lines, instead of timers in every line."""
        limits_s = [
            limit for one in self.settings.listeners for limit in (one.idle_timeout_s, one.unknown_timeout_s)
        ]
        shortest_s = min([tcp_line.STALLED_S, *limits_s])
        pause_s = min(max(shortest_s / SWEEPS_A_TIMEOUT, LEAST_SWEEP_S), MOST_SWEEP_S)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(pause_s)
            now_s = loop.time()
            for door in self._doors:
                door.newcomers.forget_full(now_s)
                overdue = [(line, why) for line in door.lines if (why := line.overdue(now_s)) is not None]
                for line, why in overdue:
                    line.cut(why)

    # ------------------------------------------------------------------ called by lines

    def opened(self, line: Line) -> str | None:
        """Take a new line in; the reason when it is one too many."""
        door = line.door
        refused = self._refusal(door, line)
        if refused is not None:
            self.say(line, refused)
            return refused
        door.lines[line] = None
        door.unknown[line] = None
        door.by_network[line.network] += 1
        self.counts["accepted"] += 1
        return None

    def _refusal(self, door: Door, line: Line) -> str | None:
        if door.by_network.get(line.network, 0) >= door.listener.max_connections_per_peer:
            return "refused: too many from one peer"
        if not door.newcomers.take(line.network, line.opened_at):
            return "refused: too many at once from one peer"
        if len(door.lines) >= door.listener.max_connections:
            oldest = next(iter(door.unknown), None)
            if oldest is None:
                return "refused: listener full"
            oldest.cut("cut: a newcomer took the place")
        return None

    def gone(self, line: Line) -> None:
        """Forget a line that had been taken in."""
        door = line.door
        door.lines.pop(line, None)
        door.unknown.pop(line, None)
        door.by_network[line.network] -= 1
        if door.by_network[line.network] <= 0:
            del door.by_network[line.network]
        self._held.discard(line)
        if line.link is not None and line.link.pinned is not None:
            self._claims.gone(line.link.pinned, line)

    def heard(self, line: Line) -> None:
        """Note who speaks on a line, and let it wait while the journal is behind."""
        if line.is_gone or line.link is None:
            return
        if line.link.pinned is not None:
            self._spoke(line, line.link, line.link.pinned)
        if self.sink.congested or not self._uncrowded.is_set():
            self.counts["held: journal behind"] += 1
            self._hold(line)

    def _spoke(self, line: Line, link: Link, device: str) -> None:
        if line.known_at is None:
            line.known_at = line.heard_at
            line.door.unknown.pop(line, None)
        verdict = self._claims.spoke(device, line, line.heard_at)
        if verdict.cut is not None:
            verdict.cut.cut("cut: a third line of one device")
        if verdict.double is not None and verdict.double.link is not None:
            self.counts["an id on two connections"] += 1
            self.sink.doubled(link, verdict.double.link.peer)

    def _hold(self, line: Line) -> None:
        line.hold_on()
        self._held.add(line)
        self._held_some.set()

    def holds(self, *, unsettled: int = 0, unfinished: int = 0) -> None:
        """Keep both sums below `max_buffered_mb`: wait for the journal, cut whoever never ends a frame."""
        self.unsettled_bytes += unsettled
        self.unfinished_bytes += unfinished
        if self.unsettled_bytes > self._bound_bytes and self._uncrowded.is_set():
            self.counts["held: too much waits for the journal"] += 1
            self._uncrowded.clear()
            for door in self._doors:
                for line in door.lines:
                    self._hold(line)
        elif self.unsettled_bytes <= self._bound_bytes * ROOM_AGAIN:
            self._uncrowded.set()
        if unfinished > 0 and self.unfinished_bytes > self._bound_bytes:
            self._cut_the_fattest()

    def _cut_the_fattest(self) -> None:
        lines = [line for door in self._doors for line in door.lines]
        lines.sort(key=lambda line: (line.known_at is not None, -line.unfinished_bytes))
        for line in lines:
            if self.unfinished_bytes <= self._bound_bytes * ROOM_AGAIN:
                return
            line.cut("cut: too much waits for its end")

    def say(self, line: Line, reason: str) -> None:
        """Count why a line ends; say it once in a while."""
        self.counts[reason] += 1
        now_s = asyncio.get_running_loop().time()
        if now_s - self._said_at.get(reason, -SAME_WORDS_S) >= SAME_WORDS_S:
            self._said_at[reason] = now_s
            peer, device = (line.link.peer, line.link.pinned) if line.link else (line.network, None)
            log.info("line %s (%s): %s (%d so far)", peer, device, reason, self.counts[reason])


def _bound_kernel_buffers(server: asyncio.Server) -> None:
    """Let the kernel keep no more of a line than `KERNEL_BYTES`, not the megabytes it would give a fast one.

    Accepted sockets inherit it. The sockets of uvloop's server cannot be set up, a twin of each can.
    """
    for one in server.sockets:
        with socket.socket(fileno=os.dup(one.fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)


def _newcomers(listener: Listener) -> Newcomers:
    """All lines of a network may come back at once, while their old ones are still dying."""
    return Newcomers(
        rate_s=listener.new_connections_per_peer_per_s, burst=2 * listener.max_connections_per_peer
    )


TRANSPORT = TcpTransport
