"""One TCP connection: its pieces in order, its replies in order, and what bounds it.

A line keeps no timer of its own: the transport's sweep asks every line `overdue`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink
from gateway.transports.tcp_door import Listener, Newcomers, network_of

MAX_UNSETTLED = 32
MAX_UNSETTLED_BYTES = 256 * 1024
MAX_FRAMELESS_BYTES = 1024 * 1024
MAX_FRAMELESS_UNKNOWN_BYTES = 128 * 1024
STALLED_S = 30.0


class Owner(Protocol):
    """What a line needs of its transport."""

    sink: Sink
    counts: Counter[str]

    def opened(self, line: Line) -> str | None:
        """Take a line in; the reason when it is refused."""
        ...

    def gone(self, line: Line) -> None:
        """Forget a line that had been taken in."""
        ...

    def heard(self, line: Line) -> None:
        """Note that the sink has taken a piece of this line; `hold_on` is called when it has to wait."""
        ...

    def holds(self, *, unsettled: int = 0, unfinished: int = 0) -> None:
        """Note that a line has so many bytes more (or fewer) not settled, or in a frame without an end."""
        ...

    def say(self, line: Line, reason: str) -> None:
        """Count and log why a line ends."""
        ...


@dataclass(slots=True, eq=False)
class Door:
    """A listener and the lines that came through it; `unknown` ones, the oldest first, are among `lines`."""

    listener: Listener
    newcomers: Newcomers
    lines: dict[Line, None] = field(default_factory=dict)
    unknown: dict[Line, None] = field(default_factory=dict)
    by_network: Counter[str] = field(default_factory=Counter)


class Line(asyncio.Protocol):
    """One connection; `link` is None until it is taken in.

    `unfinished_bytes` is how much of it the codec may keep at most, in a frame without an end.
    `known_at` is when the intake pinned it to a device.
    """

    __slots__ = (
        "_bad_run",
        "_congested",
        "_ending",
        "_sent",
        "_slots",
        "_stalled_at",
        "_unsettled_bytes",
        "_wire",
        "door",
        "heard_at",
        "is_gone",
        "known_at",
        "link",
        "network",
        "opened_at",
        "owner",
        "unfinished_bytes",
    )

    def __init__(self, owner: Owner, door: Door) -> None:
        self.owner = owner
        self.door = door
        self.network = ""
        self.link: Link | None = None
        self.opened_at = self.heard_at = 0.0
        self.known_at: float | None = None
        self._wire: asyncio.Transport | None = None
        self._slots: list[_Slot] = []
        self._unsettled_bytes = self.unfinished_bytes = self._bad_run = 0
        self._congested = self._ending = self.is_gone = False
        self._stalled_at: float | None = None
        self._sent: tuple[Callable[[], None], ...] = ()

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be taken in; a refused line costs nothing more."""
        transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclass
        host, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
        self.network = network_of(host)
        self.opened_at = self.heard_at = asyncio.get_running_loop().time()
        if self.owner.opened(self) is not None:
            transport.abort()
            return
        self._wire = transport
        self.link = Link(
            wire="tcp",
            protocol=self.door.listener.protocol,
            peer=f"{host}:{port}",
            codec_settings=self.door.listener.codec,
            streaming=True,
        )
        transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Hand a piece over."""
        link = self.link
        if link is None or self._ending:
            return
        self.heard_at = asyncio.get_running_loop().time()
        slot = _Slot(self, len(data))
        self._slots.append(slot)
        self._unsettled_bytes += slot.size
        self.owner.holds(unsettled=slot.size)
        self.owner.sink.receive(Inbound(link, data, slot.settle))
        self.owner.heard(self)
        self._regulate()

    def eof_received(self) -> bool:
        """The peer says no more; what it said is still answered before we close."""
        self._ending = True
        return bool(self._slots)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever counted on this line."""
        if self.link is None:
            return
        self._wire = None
        self._stalled_at = None
        self._sent = ()
        if exc is not None:
            self.owner.counts["lost"] += 1
        self._leave()
        self.owner.sink.closed(self.link)

    def pause_writing(self) -> None:
        """The peer does not take what we say: hear no more of it."""
        self._stalled_at = asyncio.get_running_loop().time()
        self._regulate()

    def resume_writing(self) -> None:
        """It has taken everything."""
        self._stalled_at = None
        self._tell_sent()
        self._regulate()

    # ------------------------------------------------------------------ settling, sending, ending

    def settled(self) -> None:
        """Write the replies of every settled piece at the head of the queue, in the order received."""
        while self._slots and (settlement := self._slots[0].settlement) is not None:
            size = self._slots.pop(0).size
            self._unsettled_bytes -= size
            self.owner.holds(unsettled=-size)
            if self._wire is None or self.is_gone:
                self.owner.counts["settled after the line was gone"] += 1
                continue
            self._judge(settlement, size)
            if settlement.outcome is Outcome.FORBIDDEN:
                self._finish("forbidden")
            elif settlement.replies and not self._wire.is_closing():
                self._wire.write(b"".join(settlement.replies))
            if self._bad_run >= self.door.listener.max_bad_frames:
                self._finish("cut: talks rubbish")
        if self._ending and not self._slots and self._wire is not None:
            self._wire.close()
        self._regulate()

    def _judge(self, settlement: Settlement, size: int) -> None:
        """Count bad frames in a row, and how much may still wait for the end of its frame.

        The transport does not look into bytes: what ended a frame leaves at most itself waiting.
        """
        bad = settlement.bad or int(settlement.outcome is Outcome.QUARANTINED)
        self._bad_run = 0 if settlement.stored else self._bad_run + bad
        before = self.unfinished_bytes
        self.unfinished_bytes = size if settlement.stored or bad else before + size
        self.owner.holds(unfinished=self.unfinished_bytes - before)
        bound = MAX_FRAMELESS_UNKNOWN_BYTES if self.known_at is None else MAX_FRAMELESS_BYTES
        if self.unfinished_bytes > bound:
            self.cut("cut: no frame in so many bytes")

    def send(self, data: bytes, done: Callable[[], None]) -> bool:
        """Write an order; False when the line ends or its last bytes still wait."""
        wire = self._wire
        if wire is None or wire.is_closing() or self._ending or wire.get_write_buffer_size() > 0:
            return False
        wire.write(data)
        self._sent += (done,)
        if wire.get_write_buffer_size() == 0:
            asyncio.get_running_loop().call_soon(self._tell_sent)
        return True

    def hold_on(self) -> None:
        """Read nothing more until `let_go`."""
        self._congested = True
        self._regulate()

    def let_go(self) -> None:
        """There is room again."""
        self._congested = False
        self._regulate()

    def overdue(self, now_s: float) -> str | None:
        """Why this line has to end by now, None when it may stay."""
        if self._stalled_at is not None and now_s - self._stalled_at >= STALLED_S:
            return "cut: takes nothing"
        if self._slots or self._congested:
            return None
        if self.known_at is None and now_s - self.opened_at >= self.door.listener.unknown_timeout_s:
            return "cut: nobody we know"
        return "idle" if now_s - self.heard_at >= self.door.listener.idle_timeout_s else None

    def cut(self, reason: str) -> None:
        """End the line now; its place is free at once."""
        if self._wire is not None and not self.is_gone:
            self.owner.say(self, reason)
            self._ending = True
            self._wire.abort()
            self._leave()

    def _finish(self, reason: str) -> None:
        """End the line after what is already written."""
        if self._wire is not None and not self._wire.is_closing():
            self.owner.say(self, reason)
            self._ending = True
            self._wire.close()

    def _leave(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self.owner.holds(unfinished=-self.unfinished_bytes)
            self.unfinished_bytes = 0
            self.owner.gone(self)

    def _tell_sent(self) -> None:
        if self._wire is None or self._wire.get_write_buffer_size() > 0:
            return
        told, self._sent = self._sent, ()
        for done in told:
            done()

    def _regulate(self) -> None:
        wire = self._wire
        if wire is None or wire.is_closing() or self._ending:
            return
        full = len(self._slots) >= MAX_UNSETTLED or self._unsettled_bytes >= MAX_UNSETTLED_BYTES
        if full or self._congested or self._stalled_at is not None:
            if wire.is_reading():
                self.owner.counts["reading paused"] += 1
                wire.pause_reading()
        elif not wire.is_reading():
            wire.resume_reading()


class _Slot:
    """One received piece waiting for its settlement."""

    __slots__ = ("line", "settlement", "size")

    def __init__(self, line: Line, size: int) -> None:
        self.line = line
        self.size = size
        self.settlement: Settlement | None = None

    def settle(self, settlement: Settlement) -> None:
        self.settlement = settlement
        self.line.settled()
