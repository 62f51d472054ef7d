"""For trying a site without any provider: nobody is texted or rung, the log says what would have been.

Refused unless `mode = "demo"` (`demo_only`): on a live site a stub that reports success loses alarms.
A call rings and ends as `[carriers.simulated]` says; a text is "placed" and never more,
because it was delivered to nobody.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from time import monotonic as _now_s
from typing import ClassVar, Final, Literal

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message, Report
from sos.events import LEG_ENDS, OUTSIDE, Channel, KeyPressed, Leg, LegReported, LegState

log = logging.getLogger(__name__)

ANSWERS = ("no_answer", "busy", "answers", "holds", "presses")
MAX_REMEMBERED = 1_000
SHOWN_DIGITS = 4
NEVER_S = float("inf")
KEY: Final = "key"
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[carriers.simulated]`: how the telephones behave; `answers` gives single numbers another behaviour."""

    answer: str = "presses"
    answers: dict[str, str] = field(default_factory=dict)
    ring_s: float = 3.0
    key_s: float = 4.0
    key: str = "1"

    def __post_init__(self) -> None:
        single = {f"answers.{phone}": answer for phone, answer in self.answers.items()}
        for name, answer in {"answer": self.answer, **single}.items():
            if answer not in ANSWERS:
                raise ValueError(f"{name} is {answer!r}: expected one of {', '.join(ANSWERS)}")
        if len(self.key) != 1 or self.key not in "0123456789*#":
            raise ValueError(f"key is {self.key!r}: expected one of 0 to 9, * and #")
        for name in ("ring_s", "key_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected seconds, 0 or more")


Step = tuple[float, LegState | Literal["key"]]
"""Seconds after the call was placed, and what happens then."""


def course(answer: str, *, settings: Settings, ring_timeout_s: float) -> tuple[Step, ...]:
    """What a call does, in order: a busy line at once, else ringing, and what the answer makes of it."""
    if answer == "busy":
        return ((0, LegState.BUSY),)
    if answer == "no_answer" or settings.ring_s >= ring_timeout_s:
        return ((0, LegState.RINGING), (ring_timeout_s, LegState.NO_ANSWER))
    answered: tuple[Step, ...] = ((0, LegState.RINGING), (settings.ring_s, LegState.ANSWERED))
    ends_s = settings.ring_s + settings.key_s
    if answer == "holds":
        return answered
    if answer == "answers":
        return (*answered, (ends_s, LegState.NO_KEY))
    end = LegState.CONFIRMED if settings.key == "1" else LegState.NO_KEY
    return (*answered, (ends_s, KEY), (ends_s, end))


@dataclass(slots=True)
class _Placed:
    """A leg on the simulated network; `done` counts the steps that were told."""

    leg: Leg
    body: str
    at_s: float
    steps: tuple[Step, ...] = ()
    done: int = 0

    def state(self, now_s: float) -> LegState:
        """How it stands."""
        past = [what for after_s, what in self.steps if self.at_s + after_s <= now_s and what != KEY]
        return LegState(past[-1]) if past else LegState.PLACED

    @property
    def next_s(self) -> float:
        """When the next step is due that was not told."""
        return self.at_s + self.steps[self.done][0] if self.done < len(self.steps) else NEVER_S

    def hang_up(self, now_s: float) -> None:
        """Cut its course off; nothing when it is over."""
        if self.state(now_s) not in LEG_ENDS:
            past = tuple(step for step in self.steps if self.at_s + step[0] <= now_s)
            self.steps = (*past, (now_s - self.at_s, LegState.HUNG_UP))


@dataclass(slots=True)
class SimulatedNetwork:
    """The network behind the carrier, in this process: what can go wrong with it, and who looks at it.

    `away` makes it unreachable, `refuse` and `lose_answers` count requests that are refused,
    and those that are carried out though their answer is lost.
    `watch(phone, kind, words)` hears everything that happens at a telephone:
    text, ringing, picked_up, heard, pressed, hung_up.
    """

    away: bool = False
    refuse: int = 0
    lose_answers: int = 0
    watch: Callable[[str, str, str], None] = field(default=lambda _phone, _kind, _words: None)


class Simulated:
    """Texts and calls that reach nobody; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "simulated"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TEXT, Channel.CALL})
    concurrent: ClassVar[int] = 8
    place_deadline_s: ClassVar[float] = 5.0
    demo_only: ClassVar[bool] = True
    """The configuration refuses it unless `mode = "demo"`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._placed: OrderedDict[str, _Placed] = OrderedDict()
        self._numbers = count(1)
        self._wake = asyncio.Event()
        self.network = SimulatedNetwork()
        self.trouble = ""
        """Why the network could not be used the last time, empty when it could."""

    async def run(self, report: Report) -> None:
        """Let the calls ring, be answered and end, until cancelled."""
        log.warning("the simulated carrier is in use: nobody is texted and nobody is rung")
        while True:
            self._wake.clear()
            now_s, due_s = _now_s(), NEVER_S
            for one in tuple(self._placed.values()):
                while one.next_s <= now_s:
                    what = one.steps[one.done][1]
                    one.done += 1
                    self._happens(one, what, report)
                due_s = min(due_s, one.next_s)
            try:
                async with asyncio.timeout(None if due_s == NEVER_S else max(due_s - _now_s(), 0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _happens(self, one: _Placed, what: LegState | Literal["key"], report: Report) -> None:
        """One step of a call: whoever looks sees it, and it is reported."""
        leg, at, watch = one.leg, datetime.now(UTC), self.network.watch
        if what == KEY:
            watch(leg.phone, "pressed", self._settings.key)
            report(KeyPressed(leg_id=leg.leg_id, digit=self._settings.key, at=at))
            return
        state = LegState(what)
        if state is LegState.RINGING:
            watch(leg.phone, "ringing", "")
        elif state is LegState.ANSWERED:
            watch(leg.phone, "picked_up", "")
            watch(leg.phone, "heard", one.body)
        else:
            watch(leg.phone, "hung_up", "")
        log.info("simulated call of leg %s: %s", leg.leg_id, state.value)
        if state is not LegState.CONFIRMED:  # told by its key
            report(LegReported(leg_id=leg.leg_id, state=state, at=at, carrier=self.name, detail="simulated"))

    async def place(self, leg: Leg, message: Message) -> str:
        """Say in the log what would be sent, and let it happen here."""
        if not _E164.fullmatch(leg.phone):
            raise CarrierRefused("not an E.164 number")
        network = self.network
        if network.away:
            self.trouble = "the simulated network is away"
            raise CarrierDown(self.trouble)
        self.trouble = ""
        if network.refuse > 0:
            network.refuse -= 1
            raise CarrierRefused("the simulated network refuses")
        reference = self._take(leg, message)
        if network.lose_answers > 0:
            network.lose_answers -= 1
            raise CarrierAmbiguous("the simulated answer was lost")
        return reference

    def _take(self, leg: Leg, message: Message) -> str:
        settings = self._settings
        one = _Placed(leg=leg, body=message.body, at_s=_now_s())
        if leg.channel is Channel.CALL:
            answer = settings.answers.get(leg.phone, settings.answer)
            one.steps = course(answer, settings=settings, ring_timeout_s=message.ring_timeout_s)
        else:
            self.network.watch(leg.phone, "text", message.body)
        reference = f"simulated-{next(self._numbers)}"
        self._placed[reference] = one
        if len(self._placed) > MAX_REMEMBERED:
            self._placed.popitem(last=False)
        log.info(
            "simulated %s to …%s (nobody gets it): %s",
            leg.channel.value,
            leg.phone[-SHOWN_DIGITS:],
            "(its words may be a secret)" if leg.role == OUTSIDE else message.body,
        )
        self._wake.set()
        return reference

    async def hang_up(self, reference: str) -> None:
        """End the call; quiet when it is over, and for a text."""
        one = self._placed.get(reference)
        if one is not None and one.leg.channel is Channel.CALL:
            one.hang_up(_now_s())
            self._wake.set()

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:  # noqa: ARG002
        """Look for the leg by its own id: `since` has nothing to choose from."""
        if self.network.away:
            raise CarrierDown("the simulated network is away")
        for reference, one in self._placed.items():
            if one.leg.leg_id == leg.leg_id and reference not in owned:
                return reference
        return None

    async def status(self, reference: str) -> LegState:
        """How a leg stands; one of before the start was never heard of, and is absent."""
        one = self._placed.get(reference)
        return LegState.ABSENT if one is None else one.state(_now_s())


CARRIER = Simulated
