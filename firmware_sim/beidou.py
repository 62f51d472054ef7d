"""A sky with BeiDou short-message modules under it: what one card sends, another receives.

A module is on a pseudo-terminal, as a real one is on a serial port; any program may open its path.
A station is a card whose keeper answers by itself, as the committee's gateway does.
The satellite keeps each card to its period, loses and delays what it is told to, and writes everything down.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from firmware_sim.beidou_words import Words
from sos.beidou import pack as pack_alarm
from sos.beidou import unpack
from sos.beidou_frame import SentenceBuffer, SentenceError, split
from sos.beidou_sentence import MIXED_MARK, Generation

FEEDBACK_S = 0.02
"""From a command to what the module says of it."""
_ENTRIES = 10_000

Kind = Literal["sent", "refused", "lost", "arrived", "unheard"]
_SENTENCES: dict[Kind, str] = {
    "sent": "sends to",
    "refused": "may not send to",
    "lost": "is not heard by the satellite, for",
    "arrived": "reaches",
    "unheard": "finds nobody at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """One thing that happened to one message; `body` is without the mark A4, `at` is UTC."""

    at: datetime
    kind: Kind
    sender: str
    to: str
    body: bytes

    def sentence(self) -> str:
        """Say it in words, for whoever watches the demo."""
        return f"BeiDou card {self.sender} {_SENTENCES[self.kind]} card {self.to} ({len(self.body)} bytes)"


@dataclass(slots=True, kw_only=True)
class CardFaults:
    """What goes wrong with one module: states that last while set, and `armed` faults that each strike once.

    `inhibit` is what its feedback gives as the reason: the network forbids, no power, radio silence.
    `weak` makes every beam too weak; `deaf` keeps what is sent to it from arriving; `mute_signal` keeps it
    from ever telling its beams.
    armed: "lost_feedback" (sent, nothing said), "late_feedback" (said after `late_s`),
    "lost_message" (the module says sent, the satellite hears nothing), "no_right", "checksum",
    "refused" (no, without a reason), "busy" (no, without a wait).
    """

    no_card: bool = False
    inhibit: Literal["", "inhibited", "power", "silence"] = ""
    weak: bool = False
    deaf: bool = False
    hang: bool = False
    mute_signal: bool = False
    late_s: float = 0.5
    armed: list[str] = field(default_factory=list)

    def strikes(self, *faults: str) -> str:
        """The next armed fault, if it is one of these; it is used up."""
        return self.armed.pop(0) if self.armed and self.armed[0] in faults else ""


class Sky:
    """The satellite; build it with modules and stations under it, then `run` it.

    `delay_s` is how long a message takes, `say` hears every flight as a sentence.
    The newest 10,000 flights are kept; `dropped` counts the others.
    """

    def __init__(
        self,
        *under: SimModule | SimStation,
        delay_s: float = 0.1,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.delay_s = delay_s
        self.dropped = 0
        self._say = say
        self._under: dict[int, SimModule | SimStation] = {int(one.card): one for one in under}
        if len(self._under) != len(under):
            raise ValueError("a card number twice under one sky")
        self._free_at: dict[int, float] = {}
        self._flights: deque[Flight] = deque(maxlen=_ENTRIES)
        self._changed = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, ready: Callable[[str], None]) -> None:
        """Be there until cancelled; `ready` is called with the path of each module once it can be opened."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for one in self._under.values():
                    one.join(self)
                    if isinstance(one, SimModule):
                        one.plug()
                        ready(str(one.path))
                await asyncio.Event().wait()
            finally:
                for one in self._under.values():
                    if isinstance(one, SimModule):
                        one.unplug()

    # ------------------------------------------------------------------ the transcript

    @property
    def flights(self) -> tuple[Flight, ...]:
        """Everything so far, oldest first."""
        return tuple(self._flights)

    def of(self, kind: Kind, *, to: str = "", sender: str = "") -> tuple[Flight, ...]:
        """The flights of one kind, to or from one card where that is given."""
        return tuple(
            one
            for one in self._flights
            if one.kind == kind
            and (not to or int(one.to) == int(to))
            and (not sender or int(one.sender) == int(sender))
        )

    async def seen(self, kind: Kind, *, to: str = "", sender: str = "", times: int = 1) -> tuple[Flight, ...]:
        """Wait until it happened so often, and give the flights."""
        while len(found := self.of(kind, to=to, sender=sender)) < times:
            await self._changed.wait()
        return found

    def _note(self, kind: Kind, sender: str, to: str, body: bytes) -> None:
        self.dropped += len(self._flights) == _ENTRIES
        flight = Flight(at=datetime.now(UTC), kind=kind, sender=sender, to=to, body=body)
        self._flights.append(flight)
        if self._say is not None:
            self._say(flight.sentence())
        self._changed.set()
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------ the satellite

    def wait_s(self, card: str) -> float:
        """How long this card must still wait."""
        loop = asyncio.get_running_loop()
        return max(0.0, self._free_at.get(int(card), 0.0) - loop.time())

    def refuse(self, sender: str, to: str, body: bytes) -> None:
        """Write down that a card was not allowed to send."""
        self._note("refused", sender, to, body)

    def carry(self, sender: str, to: str, body: bytes, *, period_s: float, lose: bool = False) -> None:
        """Take a message up: the card's period begins, the message comes down after `delay_s`."""
        self._free_at[int(sender)] = asyncio.get_running_loop().time() + period_s
        self._note("lost" if lose else "sent", sender, to, body)
        if not lose:
            self.spawn(self._down(sender, to, body))

    async def _down(self, sender: str, to: str, body: bytes) -> None:
        await asyncio.sleep(self.delay_s)
        there = self._under.get(int(to))
        heard = there is not None and there.receive(sender, body)
        self._note("arrived" if heard else "unheard", sender, to, body)

    def spawn(self, life: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let something go on for as long as the sky is there."""
        assert self._tasks is not None
        return self._tasks.create_task(life)


class SimModule:
    """One module with a card; `path` becomes a symbolic link to its pseudo-terminal."""

    def __init__(
        self,
        *,
        path: Path,
        card: str,
        generation: Generation = "bds3",
        period_s: float = 60.0,
        level: int = 3,
        faults: CardFaults | None = None,
    ) -> None:
        self.path = path
        self.card = card
        self.period_s = period_s
        self.faults = faults or CardFaults()
        self._words = Words(generation=generation, card=card, period_s=period_s, level=level)
        self._lines = SentenceBuffer()
        self._sky: Sky | None = None
        self._master: int | None = None
        self._slave: int | None = None
        self._reporting: asyncio.Task[None] | None = None
        self.questions: list[str] = []
        """The names of the sentences it was sent, the newest 1,000."""

    def join(self, sky: Sky) -> None:
        """Come under this sky."""
        self._sky = sky

    def plug(self) -> None:
        """Be at the path; harmless when already there."""
        if self._master is not None:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """Be gone from the path, as when the cable is pulled; its card's period goes on in the air."""
        if self._master is None or self._slave is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = None
        self._lines = SentenceBuffer()
        if self._reporting is not None:
            self._reporting.cancel()
        self.path.unlink(missing_ok=True)

    def receive(self, sender: str, body: bytes) -> bool:
        """A message comes down; False when there is nobody to hear it."""
        if self._master is None or self.faults.hang or self.faults.deaf or self.faults.no_card:
            return False
        self._write(self._words.received(sender, body))
        return True

    # ------------------------------------------------------------------ the serial line

    def _readable(self) -> None:
        assert self._master is not None
        try:
            received = os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        if self.faults.hang:
            return
        for line in self._lines.feed(received):
            try:
                name, rest = split(line)
            except SentenceError:
                continue  # a real module says nothing to what it cannot read
            self.questions = [*self.questions[-999:], name]
            self._take(name, rest.decode("latin-1").split(","))

    def _take(self, name: str, fields: list[str]) -> None:
        if name == self._words.card_question:
            self._write(self._words.here_is_the_card(present=not self.faults.no_card))
        elif name == "CCRMO" and fields[0] == self._words.signal_question and not self.faults.mute_signal:
            self._report_signal(float(fields[2]))
        elif name == self._words.send_order:
            self._send(*self._words.ordered(fields))

    def _write(self, octets: bytes) -> None:
        """Write to whoever has the port open; what nobody reads is lost, as on a serial line."""
        if self._master is None or self.faults.hang:
            return
        try:
            os.write(self._master, octets)
        except BlockingIOError:
            return

    def _report_signal(self, every_s: float) -> None:
        assert self._sky is not None
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None
        self._write(self._words.beams(weak=self.faults.weak))
        if every_s:
            self._reporting = self._sky.spawn(self._report_again(every_s))

    async def _report_again(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._write(self._words.beams(weak=self.faults.weak))

    # ------------------------------------------------------------------ sending

    def _send(self, to: str, data: bytes) -> None:
        """Judge one order to send, and say what became of it."""
        assert self._sky is not None
        body = data.removeprefix(bytes([MIXED_MARK]))
        why, wait_s = self._obstacle(data)
        if why:
            self._sky.refuse(self.card, to, body)
            self._sky.spawn(self._feed_back(FEEDBACK_S, why, wait_s))
            return
        lost = bool(self.faults.strikes("lost_message"))
        silent = self.faults.strikes("lost_feedback", "late_feedback")
        self._sky.carry(self.card, to, body, period_s=self.period_s, lose=lost)
        if silent != "lost_feedback":
            pause_s = self.faults.late_s if silent else FEEDBACK_S
            self._sky.spawn(self._feed_back(pause_s, "", 0))

    def _obstacle(self, data: bytes) -> tuple[str, float]:
        """Why the card may not send now, and how long it must wait as far as the module tells."""
        assert self._sky is not None
        if self.faults.no_card:
            return "no card", 0
        if self.faults.inhibit:
            return self.faults.inhibit, 0
        if fault := self.faults.strikes("no_right", "checksum", "refused", "busy"):
            return {"no_right": "no right", "refused": "other", "busy": "rate"}.get(fault, fault), 0
        if self.faults.weak or len(data) > self._words.room_bytes:
            return "other", 0
        wait_s = self._sky.wait_s(self.card)
        return ("rate", wait_s) if wait_s else ("", 0)

    async def _feed_back(self, pause_s: float, why: str, wait_s: float) -> None:
        await asyncio.sleep(pause_s)
        self._write(self._words.feedback(why, wait_s))


class SimStation:
    """A card whose keeper answers our twenty bytes: "received" at once, "taken" after `taken_after_s`.

    Anything else that arrives is kept in `texts`, the newest 1,000.
    Unlike the card of a module, a station's is not held to a period.
    """

    def __init__(self, *, card: str, receives: bool = True, taken_after_s: float | None = None) -> None:
        self.card = card
        self.receives = receives
        self.taken_after_s = taken_after_s
        self.texts: list[bytes] = []
        self._sky: Sky | None = None

    def join(self, sky: Sky) -> None:
        """Come under this sky."""
        self._sky = sky

    def receive(self, sender: str, body: bytes) -> bool:
        """A message comes down; always heard."""
        assert self._sky is not None
        try:
            alarm = unpack(body)
        except ValueError:
            self.texts = [*self.texts[-999:], body]
            return True
        if self.receives and not alarm.answer:
            answer = pack_alarm(replace(alarm, answer="received"))
            self._sky.carry(self.card, sender, answer, period_s=0)
        if self.taken_after_s is not None and not alarm.answer:
            self._sky.spawn(self._take(sender, pack_alarm(replace(alarm, answer="taken"))))
        return True

    async def _take(self, sender: str, answer: bytes) -> None:
        assert self.taken_after_s is not None
        assert self._sky is not None
        await asyncio.sleep(self.taken_after_s)
        self._sky.carry(self.card, sender, answer, period_s=0)
