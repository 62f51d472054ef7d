"""A siren on the spot: a relay on a serial port, a loud sound from this box, or both.

Driven by level, not by order: every open siren leg wants it on, and it is on while any leg does.
So a repeated order changes nothing, a relay that was unplugged or lost its power is put right again,
and a second incident keeps it on when the first is over.
By law it may not go on for ever at night:
after `max_on_s` it is silent for `pause_s`, and then begins again, until it is hung up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import monotonic as _now_s
from typing import ClassVar

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message, Report
from sos.events import Channel, Leg, LegReported, LegState
from sos.loudspeaker import Loudspeaker
from sos.relay_line import Line, RelayLine, RelayLost

log = logging.getLogger(__name__)

MAX_OVER = 256
SHIPPED_SOUND = "alarm.wav"
UNKNOWN_WORDS = "有人按下了求助,请附近的人帮忙,并告诉值班室。"
"""Said for a leg of before the start: its own words are not known any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[carriers.siren]`: a relay (`path`), a sound (`player`, `voice`), or both.

    `on` and `off` are in hexadecimal; the defaults are those of the common LCUS-1 relay.
    `sound` is a WAV of one's own; without it the shipped one is made in `data_dir`.
    Raises ValueError when it could never sound.
    """

    path: str = ""
    line: Line = "data"
    on: str = "A00101A2"
    off: str = "A00100A1"
    baud: int = 9600
    player: tuple[str, ...] = ()
    voice: tuple[str, ...] = ()
    sound: str = ""
    max_on_s: float = 180.0
    pause_s: float = 120.0
    refresh_s: float = 5.0
    data_dir: str = "."

    def __post_init__(self) -> None:
        if not (self.path or self.player or self.voice):
            raise ValueError("needs a relay (path), a sound (player) or a voice; it has none")
        for name in ("on", "off"):
            try:
                octets = bytes.fromhex(getattr(self, name))
            except ValueError:
                raise ValueError(f"{name} is not hexadecimal") from None
            if not octets:
                raise ValueError(f"{name} is empty")
        for name, least in (("max_on_s", 0), ("pause_s", 0), ("refresh_s", 0.01)):
            if not least <= getattr(self, name) < inf:
                raise ValueError(f"{name} is {getattr(self, name)}: at least {least}")


class Siren:
    """Sounds while a leg wants it; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "siren"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SIREN})
    concurrent: ClassVar[int] = 4
    place_deadline_s: ClassVar[float] = 15.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._relay = _relay_of(settings) if settings.path else None
        self._speaker = _speaker_of(settings) if settings.player or settings.voice else None
        self._relay_trouble = ""
        self._report: Report | None = None
        self._wanted: OrderedDict[str, str] = OrderedDict()
        """What is said, by the reference of the leg that wants it on."""
        self._over: OrderedDict[str, None] = OrderedDict()
        self._began_s = 0.0
        self._ended = False
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self.ready = asyncio.Event()
        """Set while it could sound."""
        self.trouble = ""
        """Why it cannot sound now, empty while one of its parts can."""

    # ------------------------------------------------------------------ the level

    async def run(self, report: Report) -> None:
        """Hold the siren at its level until cancelled; then it is silent."""
        self._report, self._ended = report, False
        try:
            while True:
                self._wake.clear()
                await self._drive()
                try:
                    async with asyncio.timeout(self._next_look_s()):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            self._ended = True
            if self._relay is not None:
                self._relay.release()
            if self._speaker is not None:
                await self._speaker.stop()

    def _is_on(self) -> bool:
        """Whether it sounds now: wanted, and not in a pause."""
        return bool(self._wanted) and not self._ended and self._in_round_s() < self._on_s()

    def _on_s(self) -> float:
        """Seconds of noise in a round; 0 in the settings is without end."""
        return self._settings.max_on_s or float("inf")

    def _in_round_s(self) -> float:
        """Seconds since this round of noise and pause began."""
        since_s = _now_s() - self._began_s
        return since_s if not self._settings.max_on_s else since_s % (self._on_s() + self._settings.pause_s)

    def _next_look_s(self) -> float:
        """Seconds until the level may change by itself, or is due to be written again."""
        if not self._wanted:
            return self._settings.refresh_s
        in_round_s = self._in_round_s()
        due_s = self._on_s() if in_round_s < self._on_s() else self._on_s() + self._settings.pause_s
        return max(0.0, min(self._settings.refresh_s, due_s - in_round_s))

    async def _drive(self) -> RelayLost | None:
        """Put both parts to the level of now; gives what was wrong with the relay."""
        async with self._turn:
            lost = await self._drive_relay()
            if self._speaker is not None:
                self._speaker.script = next(reversed(self._wanted.values()), "")
                await (self._speaker.start() if self._is_on() else self._speaker.stop())
            troubles = [self._relay_trouble] if self._relay is not None else []
            troubles += [self._speaker.trouble] if self._speaker is not None else []
            self.trouble = "" if "" in troubles else "; ".join(troubles)
            (self.ready.clear if self.trouble else self.ready.set)()
            return lost

    async def _drive_relay(self) -> RelayLost | None:
        if self._relay is None:
            return None
        lost = None
        try:
            await asyncio.to_thread(self._relay.drive, self._is_on)
        except RelayLost as error:
            lost = error
        trouble = "" if lost is None else f"the relay is away: {lost.reason}"
        if bool(trouble) != bool(self._relay_trouble):
            log.log(
                logging.WARNING if trouble else logging.INFO,
                "the siren's relay: %s",
                trouble or "it is there again",
            )
        self._relay_trouble = trouble
        return lost

    # ------------------------------------------------------------------ what the dispatcher asks

    async def place(self, leg: Leg, message: Message) -> str:
        """Sound it until the leg is hung up; see `Carrier.place`."""
        if leg.channel is not Channel.SIREN:
            raise CarrierRefused(f"a siren carries no {leg.channel.value}")
        reference = f"siren/{leg.leg_id}"
        self._want(reference, message.body, incident=leg.incident)
        lost = await self._drive()
        if not self.trouble:
            return reference
        if lost is not None and lost.written:
            raise CarrierAmbiguous(f"the siren was switched and its relay was gone: {lost.reason}")
        self._wanted.pop(reference, None)
        self._wake.set()
        raise CarrierDown(self.trouble)

    def _want(self, reference: str, words: str, *, incident: str) -> None:
        """Add a leg; another incident than those it sounds for begins a new round of noise."""
        if not any(_incident(other) == incident for other in self._wanted):
            self._began_s = _now_s()
        self._wanted[reference] = words
        self._over.pop(reference, None)
        self._wake.set()

    async def hang_up(self, reference: str) -> None:
        """Sound it no longer for this leg; quiet when it is over already."""
        if self._wanted.pop(reference, None) is None:
            return
        self._over[reference] = None
        if len(self._over) > MAX_OVER:
            self._over.popitem(last=False)
        await self._drive()
        if self._report is not None:
            state, now = LegState.HUNG_UP, datetime.now(UTC)
            leg_id = reference.partition("/")[2]
            self._report(LegReported(leg_id=leg_id, state=state, at=now, carrier=self.name))

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:  # noqa: ARG002
        """Whether it sounds for this leg; references name their leg, so none is `owned` by another."""
        reference = f"siren/{leg.leg_id}"
        return reference if reference in self._wanted or reference in self._over else None

    async def status(self, reference: str) -> LegState:
        """How a leg stands; one of before this start is sounded again, for nobody has silenced it."""
        if reference in self._over:
            return LegState.HUNG_UP
        if reference not in self._wanted:
            self._want(reference, UNKNOWN_WORDS, incident=_incident(reference))
        return LegState.PLACED


def _incident(reference: str) -> str:
    """The incident in a reference: `siren/<incident>.<round>.<contact>.<channel>.<attempt>`."""
    return reference.partition("/")[2].split(".", 1)[0]


def _relay_of(settings: Settings) -> RelayLine:
    return RelayLine(
        path=settings.path,
        baud=settings.baud,
        line=settings.line,
        on=bytes.fromhex(settings.on),
        off=bytes.fromhex(settings.off),
    )


def _speaker_of(settings: Settings) -> Loudspeaker:
    sound = Path(settings.sound) if settings.sound else Path(settings.data_dir) / SHIPPED_SOUND
    return Loudspeaker(player=settings.player, voice=settings.voice, sound=sound)


CARRIER = Siren
