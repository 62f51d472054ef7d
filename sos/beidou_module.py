"""The BeiDou module of this box: kept open, card and signal watched, its line lent to whoever sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic as _now_s

from sos.beidou import BODY_BYTES
from sos.beidou_line import BeidouLine, LineError, LineLost, LineSilent
from sos.beidou_sentence import LEVEL_BYTES, Beams, Card, Coding, Generation, Heard, ask_card, ask_signal

log = logging.getLogger(__name__)

USUAL_PERIOD_S = 60.0
MARGIN_S = 1.0
"""Between the card's clock and ours."""
ASKED_CARD = 3
FRESH_S = 5.0
"""A signal measured so long ago still counts."""
NO_CARD = "there is no card in the module"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[carriers.rdss]`: the module, what its card may do, and how patient to be.

    `period_s` and `max_bytes` of 0 are what the card says;
    `least_power` is the beam needed with BDS-2, `least_dbhz` with BDS-3.
    """

    path: str
    baud: int = 115200
    generation: Generation = "bds3"
    frequency: int = 2
    coding: Coding = "a4"
    period_s: float = 0
    max_bytes: int = 0
    least_power: int = 2
    least_dbhz: float = 36
    answer_s: float = 3
    feedback_s: float = 8
    health_s: float = 30
    reopen_min_s: float = 1
    reopen_max_s: float = 30
    data_dir: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.frequency <= 5:  # noqa: PLR2004 - Lf0 to Lf4
            raise ValueError("frequency must be 1 to 5, for Lf0 to Lf4")
        if self.period_s < 0 or self.max_bytes < 0:
            raise ValueError("period_s and max_bytes must not be negative; 0 is what the card says")
        if min(self.answer_s, self.feedback_s, self.health_s, self.reopen_min_s, self.reopen_max_s) <= 0:
            raise ValueError("every wait must be longer than 0 s")


class BeidouModule:
    """`run` keeps it open; `heard` gets every sentence.

    `changed` is called when the module comes, goes, or tells its card.
    """

    def __init__(
        self, settings: Settings, *, heard: Callable[[Heard], None], changed: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._heard = heard
        self._changed = changed
        self._line: BeidouLine | None = None
        self._card: Card | None = None
        self._beams: Beams | None = None
        self._beams_at_s = 0.0
        self._wake = asyncio.Event()
        self._was_ready = True
        self.ready = asyncio.Event()
        """Set while there is a module with a card."""
        self.trouble = "not started"
        """Why nothing can be sent now, empty when it can."""

    # ------------------------------------------------------------------ for ever

    async def run(self) -> None:
        """Keep the port open until cancelled."""
        pause_s = self._settings.reopen_min_s
        while True:
            try:
                await self._serve()
            except LineError as error:
                if self._was_ready:
                    log.warning("the BeiDou module is lost: %s; trying again until it is back", error)
                    pause_s = self._settings.reopen_min_s
                self._was_ready = False
                self.lost(error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._settings.reopen_max_s)

    def lost(self, error: LineError) -> None:
        """The line cannot be used any more: close it; `run` opens a new one."""
        line, self._line = self._line, None
        self._beams = None
        self.trouble = str(error)
        self.ready.clear()
        if line is not None:
            line.close()
        self._changed()

    def look_soon(self) -> None:
        """Somebody doubts that the module is well: ask it now."""
        self._wake.set()

    async def _serve(self) -> None:
        """Open, ask for card and signal, and watch until the line is lost. Raises LineError."""
        line = BeidouLine(path=self._settings.path, baud=self._settings.baud, heard=self._hear)
        try:
            await self._look(line)
            self._line = line
            self._was_ready = True
            self.ready.set()
            self._changed()
            log.info("the BeiDou module is ready")
            while not line.closed.is_set():
                self._wake.clear()
                await self._woken(line)
                if not line.closed.is_set():
                    await self._look(line)
            raise LineLost("the port was lost", written=True)
        finally:
            self._line = None
            self.ready.clear()
            line.close()

    async def _woken(self, line: BeidouLine) -> None:
        """Wait for the health check, for somebody in doubt, or for the loss of the port."""
        waiters = [asyncio.ensure_future(event.wait()) for event in (self._wake, line.closed)]
        try:
            await asyncio.wait(waiters, timeout=self._settings.health_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()

    async def _look(self, line: BeidouLine) -> None:
        """Ask for the card and the signal. Raises LineError when nobody answers, or there is no card."""
        self._card = await self._ask_card(line)
        if not self._card.present:
            raise LineError(NO_CARD)
        self._changed()
        try:
            await self._ask_signal(line)
        except LineSilent:
            self._beams = None  # a module that never says: its feedback will
        self.trouble = self._why_not()

    # ------------------------------------------------------------------ what it says

    def _hear(self, heard: Heard) -> None:
        if isinstance(heard, Beams):
            self._beams, self._beams_at_s = heard, _now_s()
        self._heard(heard)

    async def _ask_card(self, line: BeidouLine) -> Card:
        question = ask_card(self._settings.generation)
        for _ in range(ASKED_CARD):
            try:
                heard = await line.ask(question, _is_card, deadline_s=self._settings.answer_s)
            except LineSilent:
                continue
            assert isinstance(heard, Card)
            return heard
        raise LineSilent("the module does not answer")

    async def _ask_signal(self, line: BeidouLine) -> None:
        if self._beams is None or _now_s() - self._beams_at_s > FRESH_S:
            question = ask_signal(self._settings.generation)
            await line.ask(question, _is_beams, deadline_s=self._settings.answer_s)

    def _why_not(self) -> str:
        """Why nothing can be sent now, as far as card and signal say; empty when it can."""
        beams, settings = self._beams, self._settings
        if self.too_short:
            return self.too_short
        if beams is not None:
            least = settings.least_power if beams.unit == "power" else settings.least_dbhz
            if beams.best < least:
                unit = "" if beams.unit == "power" else " dB-Hz"
                return f"no signal: the best beam has {beams.best:g}{unit}, {least:g}{unit} are needed"
        return ""

    @property
    def too_short(self) -> str:
        """Why an alarm does not fit into what the card sends at a time; empty when it does."""
        level = self._card.level if self._card is not None else 0
        room = self._settings.max_bytes or LEVEL_BYTES.get(level, LEVEL_BYTES[3])
        needed = BODY_BYTES + (self._settings.coding == "a4")
        return f"the card sends {room} bytes at a time, an alarm has {needed}" if room < needed else ""

    @property
    def period_s(self) -> float:
        """The pause between two messages: as configured, else the card's and a margin."""
        said = self._card.rate_s if self._card is not None else USUAL_PERIOD_S
        return self._settings.period_s or said + MARGIN_S

    # ------------------------------------------------------------------ for whoever sends

    def line(self) -> BeidouLine:
        """The open line to a module with a card. Raises LineError when there is none."""
        if self._line is None:
            raise LineError(self.trouble or "it is being opened")
        return self._line

    async def measured(self) -> BeidouLine:
        """The line, the signal measured just now; `trouble` says whether it is enough. Raises LineError."""
        line = self.line()
        try:
            try:
                await self._ask_signal(line)
            except LineSilent:
                self._beams = None
                await self._ask_card(line)  # alive, and only silent about its signal?
        except LineError as error:
            self.lost(error)
            raise
        self.trouble = self._why_not()
        return line


def _is_card(heard: Heard) -> bool:
    return isinstance(heard, Card)


def _is_beams(heard: Heard) -> bool:
    return isinstance(heard, Beams)
