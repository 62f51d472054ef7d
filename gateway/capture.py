"""Records what passes over one wire of the running gateway, for as long as somebody listens.

The tap stands between the wires and the intake, behind the login of a wire:
it sees the payloads bands send, the replies they get and the orders they are given, no password of a wire.
While nobody records it costs one test of an attribute a message.

Bounds: one capture at a time; at most `WAITING_BYTES` wait for whoever listens.
What is more is left out, counted, and said in the capture itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from typing import Literal

from gateway.capture_format import VERSION, Header, Piece
from gateway.clock import Clock
from gateway.intake import Intake
from gateway.local_orders import Capture
from gateway.told import ControlAnswer
from gateway.transports.base import Link, Site, TakesOrders

WAITING_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 200
"""About what a piece takes beside its own bytes."""


class Tap:
    """One capture of one transport while it runs."""

    def __init__(self, transport: str) -> None:
        self.transport = transport
        self._now_s = asyncio.get_running_loop().time
        self._began_s = self._now_s()
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._some = asyncio.Event()

    def up(self, link: Link, data: bytes) -> None:
        """These bytes came over the link."""
        if link.wire == self.transport:
            self._add(self._of(link, "up", data))

    def replied(self, link: Link, replies: Iterable[bytes]) -> None:
        """These frames answer what came over the link; a wire whose connection is gone cannot send them."""
        if link.wire == self.transport:
            for reply in replies:
                self._add(self._of(link, "reply", reply))

    def closed(self, link: Link) -> None:
        """The link ended."""
        if link.wire == self.transport:
            self._add(self._of(link, "closed", b""))

    def down(self, device: str, data: bytes) -> None:
        """The transport took this order for the band of this wire id."""
        self._add(Piece(at_s=self._at_s(), what="down", device=device, hex=data.hex()))

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Give every piece as it comes, for ever."""
        while True:
            await self._some.wait()
            while self._waiting:
                piece = self._waiting.popleft()
                self._waiting_bytes -= len(piece.hex) + PIECE_BYTES
                yield piece
            self._some.clear()

    def _of(self, link: Link, what: Literal["up", "reply", "closed"], data: bytes) -> Piece:
        return Piece(
            at_s=self._at_s(),
            what=what,
            link=link.number,
            peer=link.peer,
            protocol=link.protocol,
            device=link.device or link.pinned,
            hex=data.hex(),
        )

    def _at_s(self) -> float:
        return round(self._now_s() - self._began_s, 6)

    def _add(self, piece: Piece) -> None:
        if self._waiting_bytes >= WAITING_BYTES:
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self._add(Piece(at_s=piece.at_s, what="lost", count=lost))
        self._waiting.append(piece)
        self._waiting_bytes += len(piece.hex) + PIECE_BYTES
        self._some.set()


class Captures:
    """Carries out `Capture`: one at a time."""

    def __init__(self, intake: Intake, site: Site, clock: Clock, transports: Collection[str]) -> None:
        self._intake = intake
        self._site = site
        self._clock = clock
        self._transports = transports
        self._tap: Tap | None = None
        self.counts: Counter[str] = Counter()

    async def record(self, order: Capture) -> AsyncGenerator[ControlAnswer | Header | Piece, None]:
        """Answer with the capture, line by line, until whoever asked hangs up."""
        if order.transport not in self._transports:
            known = ", ".join(self._transports)
            yield ControlAnswer(
                done=False, reason=f"no transport {order.transport!r} here, there are: {known}"
            )
            return
        if self._tap is not None:
            yield ControlAnswer(done=False, reason="somebody is recording already")
            return
        tap = self._tap = self._intake.tap = Tap(order.transport)
        self.counts["captures"] += 1
        try:
            yield ControlAnswer(done=True)
            yield Header(
                shouwang_capture=VERSION,
                gateway=self._site.gateway,
                community=self._site.community,
                transport=order.transport,
                at=self._clock.now(),
            )
            async with contextlib.aclosing(tap.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._tap = self._intake.tap = None

    def wires(self, transports: Iterable[TakesOrders]) -> Iterable[TakesOrders]:
        """The transports as orders go through them: as they are, or with the tap in between."""
        tap = self._tap
        if tap is None:
            return transports
        return [_Heard(wire, tap) if wire.name == tap.transport else wire for wire in transports]


class _Heard:
    """A transport whose orders are recorded."""

    def __init__(self, wire: TakesOrders, tap: Tap) -> None:
        self.name = wire.name
        self._wire = wire
        self._tap = tap

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """See `TakesOrders.send`; what was taken is recorded."""
        taken = self._wire.send(device, data, done)
        if taken:
            self._tap.down(device, data)
        return taken

    def withdraw(self, device: str, data: bytes) -> None:
        """See `TakesOrders.withdraw`."""
        self._wire.withdraw(device, data)
