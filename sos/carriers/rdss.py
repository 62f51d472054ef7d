"""BeiDou short messages to a station: twenty bytes by satellite, when every line on the ground is gone.

The service has no receipt, so the station answers with the same bytes marked "received" or "taken".
A card sends once a period, through our restarts too: the time of the last message is on disk before it goes.
What waits is sent by urgency, an SOS before everything.
The sentences are in `sos.beidou_sentence`, the twenty bytes in `sos.beidou`; see docs/protocols/rdss.md.
"""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic as _now_s
from time import time as _wall_s
from typing import ClassVar

from sos.beidou import BeidouAlarm, unpack
from sos.beidou_line import BeidouLine, LineError, LineLost
from sos.beidou_module import NO_CARD, USUAL_PERIOD_S, BeidouModule, Settings
from sos.beidou_sends import SendBook, Sent
from sos.beidou_sentence import Feedback, Heard, Obstacle, Received, send, sends
from sos.beidou_turns import PeriodTurns, Urgency
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused, Message, Report
from sos.events import Channel, KeyPressed, Leg, LegReported, LegState

log = logging.getLogger(__name__)

QUESTIONS_S = 30.0
"""For what is asked of the module before and after a message."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 4.0, 120.0
"""After a refusal without a told wait: doubled each time, until a message goes out."""
MOST_WAITS = 3
WRITE_DEADLINE_S = 2.0
"""A disk that hangs does not hold up an alarm."""
_CARD = re.compile(r"[0-9]{1,10}", re.ASCII)
_WORDS: dict[Obstacle, str] = {
    "inhibited": "the network forbids the card to send",
    "silence": "the module is set to radio silence",
    "power": "the module's transmitter has no power or no lock",
    "no card": NO_CARD,
    "checksum": "the module read us wrong",
    "other": "the module refused without a reason",
}


class Rdss:
    """Messages by the box's own BeiDou module; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "rdss"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.BEIDOU})
    concurrent: ClassVar[int] = 1
    place_deadline_s: float = 2.0 * USUAL_PERIOD_S + QUESTIONS_S
    """A whole period, a wait the module tells of, and the questions; grows with the card's period."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._report: Report | None = None
        self._module = BeidouModule(settings, heard=self._hear, changed=self._module_changed)
        folder = settings.data_dir
        self._book = SendBook(Path(folder) / "rdss.json" if folder else None)
        self._loaded = False
        self._writing: asyncio.Future[None] | None = None
        self._disk_failed = False
        self._turns = PeriodTurns()
        self._pause_s = FIRST_PAUSE_S
        self._asking = False
        self._unsure: Sent | None = None
        self.strangers = 0
        """Messages that answer nothing of ours."""

    @property
    def ready(self) -> asyncio.Event:
        """Set while there is a module with a card."""
        return self._module.ready

    @property
    def trouble(self) -> str:
        """Why nothing can be sent now, empty when it can."""
        return self._module.trouble

    async def run(self, report: Report) -> None:
        """Keep the module's line open until cancelled and report what the station answers."""
        self._report = report
        self._load()
        await self._module.run()

    def _module_changed(self) -> None:
        self._turns.period_s = self._module.period_s
        self.place_deadline_s = 2.0 * self._turns.period_s + QUESTIONS_S
        self._turns.changed()

    # ------------------------------------------------------------------ the book

    def _load(self) -> None:
        """Read the book once; a wall clock that went backwards means a whole period of waiting."""
        if self._loaded:
            return
        self._loaded = True
        if why := self._book.load():
            log.warning("%s; after a restart the first message may come too soon for the card", why)
        if self._book.sent_at is not None:
            self._turns.last_s = _now_s() - max(0.0, _wall_s() - self._book.sent_at)

    async def _keep_book(self) -> None:
        """Put the book on disk; what fails or hangs is said once, and the alarm goes out all the same."""
        if self._writing is not None and not self._writing.done():
            return
        writing = asyncio.ensure_future(asyncio.to_thread(self._book.put, self._book.page()))
        self._writing = writing
        try:
            await asyncio.wait_for(asyncio.shield(writing), WRITE_DEADLINE_S)
        except (OSError, TimeoutError) as error:
            writing.add_done_callback(lambda late: late.cancelled() or late.exception())
            if not self._disk_failed:
                log.error("the time of the last message cannot be kept: %s", type(error).__name__)  # noqa: TRY400  the stack says nothing
            self._disk_failed = True
        else:
            self._disk_failed = False

    # ------------------------------------------------------------------ what the module says

    def _hear(self, heard: Heard) -> None:
        if isinstance(heard, Received):
            self._answer(heard)
        elif self._is_feedback(heard) and isinstance(heard, Feedback) and not self._asking:
            self._late_feedback(heard)

    def _late_feedback(self, feedback: Feedback) -> None:
        """What the module says of a message whose feedback was given up."""
        unsure, self._unsure = self._unsure, None
        if unsure is None:
            return
        if feedback.done:
            unsure.certain = True
        elif not unsure.certain:
            self._book.strike(unsure.leg_id)

    def _answer(self, message: Received) -> None:
        """Take the station's answer to the legs that carried the alarm it names."""
        try:
            answer = unpack(message.body)
        except ValueError:
            self.strangers += 1
            return
        legs = self._book.answered(message.sender, answer.name)
        if not legs or not answer.answer:
            self.strangers += 1
            return
        for sent in legs:
            sent.certain = True
            if answer.answer == "received" and sent.state is LegState.PLACED:
                sent.state = LegState.DELIVERED
                self._tell(LegReported(leg_id=sent.leg_id, state=sent.state, at=_now(), carrier=self.name))
        newest = legs[-1]
        if answer.answer == "taken" and newest.state is not LegState.CONFIRMED:
            newest.state = LegState.CONFIRMED
            self._tell(KeyPressed(leg_id=newest.leg_id, digit="1", at=_now(), via="beidou"))

    def _tell(self, event: LegReported | KeyPressed) -> None:
        if self._report is not None:
            self._report(event)

    # ------------------------------------------------------------------ what the dispatcher asks

    async def place(self, leg: Leg, message: Message) -> str:
        """Wait for the card's turn and send the twenty bytes once; see `Carrier.place`."""
        alarm, body = _alarm_of(leg, message)
        self._check_line()
        if self._module.too_short:
            raise CarrierRefused(self._module.too_short)
        await self._measured()
        for _ in range(MOST_WAITS):
            async with self._turns.turn(_urgency(leg, alarm), check=self._check_line):
                line = await self._measured()
                reference = await self._send(line, leg, alarm, body)
            if reference is not None:
                return reference
        raise CarrierDown("the card may not send yet")

    def _check_line(self) -> None:
        """Raises CarrierDown when there is no module with a card."""
        try:
            self._module.line()
        except LineError as error:
            raise _down(error) from None

    async def _measured(self) -> BeidouLine:
        """The line, with a signal that is good enough just now. Raises CarrierDown."""
        try:
            line = await self._module.measured()
        except LineError as error:
            raise _down(error) from None
        if self._module.trouble:
            raise CarrierDown(self._module.trouble)
        return line

    async def _send(self, line: BeidouLine, leg: Leg, alarm: BeidouAlarm, body: bytes) -> str | None:
        """Send once, the book written before; the reference, or None when the card may not send yet.

        Raises CarrierError.
        """
        settings, before = self._settings, (self._book.sent_at, self._turns.last_s)
        sentence = send(
            settings.generation, leg.phone, body, frequency=settings.frequency, coding=settings.coding
        )
        sent = self._book.add(leg.leg_id, leg.phone, alarm.name)
        self._book.sent_at = _wall_s()
        await self._keep_book()
        self._turns.last_s = _now_s()
        self._asking, self._unsure = True, None
        try:
            heard = await line.ask(sentence, self._is_feedback, deadline_s=settings.feedback_s)
        except LineError as error:
            if isinstance(error, LineLost) and not error.written:
                await self._undo(sent, before)
                self._module.lost(error)
                raise _down(error) from None
            self._unsure = sent
            self._module.look_soon()
            raise CarrierAmbiguous("the module did not say whether it sent the message") from None
        finally:
            self._asking = False
        assert isinstance(heard, Feedback)
        if heard.done or sent.certain:  # where the station has it, it went out, whatever the module says
            sent.certain = True
            self._pause_s = FIRST_PAUSE_S
            return sent.reference
        await self._undo(sent, before)
        self._refused(heard)
        return None

    async def _undo(self, sent: Sent, before: tuple[float | None, float | None]) -> None:
        """It certainly did not go out: neither the leg nor the time counts."""
        self._book.strike(sent.leg_id)
        self._book.sent_at, self._turns.last_s = before
        await self._keep_book()

    def _refused(self, feedback: Feedback) -> None:
        """Wait as the module tells; raises CarrierRefused or CarrierDown for what no short wait will mend."""
        wait_s = float(feedback.wait_s)
        if not wait_s:
            wait_s = self._turns.period_s if feedback.obstacle == "rate" else self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._turns.told_not_before_s = _now_s() + min(wait_s, self._turns.period_s + LONGEST_PAUSE_S)
        if feedback.obstacle == "rate":
            return
        if feedback.obstacle == "no right":
            raise CarrierRefused("the card has no right to send such messages")
        why = _WORDS[feedback.obstacle or "other"]
        if feedback.obstacle == "no card":
            self._module.lost(LineError(why))
        self._module.trouble = why
        raise CarrierDown(why)

    def _is_feedback(self, heard: Heard) -> bool:
        return isinstance(heard, Feedback) and heard.command == sends(self._settings.generation)

    async def hang_up(self, reference: str) -> None:
        """Nothing: a message that went out cannot be taken back."""

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:  # noqa: ARG002
        """Whether the station has answered to this leg, or the module told late that it went out.

        The sky keeps no list: `since` has nothing to choose from, and our references name their leg.
        """
        sent = self._book.of_leg(leg.leg_id)
        return sent.reference if sent is not None and sent.certain else None

    async def status(self, reference: str) -> LegState:
        """What the station has answered, as far as this start has heard; placed until then.

        Raises CarrierError for a reference that is none of ours.
        """
        sent = self._book.recall(reference)
        if sent is None:
            raise CarrierError("no reference of this carrier")
        return sent.state


def _alarm_of(leg: Leg, message: Message) -> tuple[BeidouAlarm, bytes]:
    """What is to be sent. Raises CarrierRefused for what is no message, or goes to no card."""
    if not _CARD.fullmatch(leg.phone):
        raise CarrierRefused("not the number of a BeiDou card")
    try:
        body = bytes.fromhex(message.body)
        return unpack(body), body
    except ValueError as error:
        raise CarrierRefused(f"not a BeiDou message: {error}") from None


def _urgency(leg: Leg, alarm: BeidouAlarm) -> Urgency:
    """Alarms before news, real ones before drills, an SOS or a fall before the rest."""
    return (leg.purpose != "alarm", alarm.drill, alarm.kind not in {"sos", "fall"}, alarm.kind != "sos")


def _down(error: LineError) -> CarrierDown:
    return CarrierDown(f"the BeiDou module is not ready: {error}")


def _now() -> datetime:
    return datetime.now(UTC)


CARRIER = Rdss
