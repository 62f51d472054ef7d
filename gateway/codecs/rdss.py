"""The receiving end of the BeiDou alarms: a short-message module at the committee, on a serial port.

Another gateway's twenty bytes (`sos.beidou`) become the uplink of the band `beidou-<number>`,
and "received" goes back to the card they came from once the uplink is committed.
When help is coming, the same alarm is answered "taken".

The module's own card sends once a period too, so an answer may be refused for now.
The codec keeps what was refused and gives it again with a sentence heard later:
every answer therefore orders the module to tell its beams every `tick_s`, which is the clock of this codec.
What else the module says is counted and passed over.
Texts of other people go to quarantine, where they are kept.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from gateway.codecs.base import Bands, Order
from gateway.codecs.framing import FrameBuffer, Framed, LineCutter, Tally
from gateway.errors import FrameError
from gateway.model import BandAlarm, BandAlarmKind, Battery, DownCommand, Fix, HeartRate, Reading, Uplink
from sos.beidou import Answer, BeidouAlarm, pack, unpack
from sos.beidou_frame import MAX_SENTENCE_BYTES, SentenceError
from sos.beidou_sentence import Coding, Feedback, Generation, Received, ask_signal, parse, send

Now = Callable[[], datetime]
MOST_REMEMBERED = 256
"""Elders whose last alarm can still be answered; the oldest is forgotten first."""
MOST_OWED = 64
MOST_FLYING = 8
MOST_TRIES = 15
FEEDBACK = timedelta(seconds=15)
"""An answer the module said nothing of for so long counts as sent."""

_DEVICE = re.compile(r"beidou-([0-9]{1,8})", re.ASCII)
_KINDS: dict[str, BandAlarmKind] = {
    "sos": "sos",
    "fall": "fall",
    "fence": "geofence_exit",
    "removed": "removed",
    "low_battery": "low_battery",
}
"""Kinds of `sos.beidou` as a band would say them; the others are "general"."""


class RdssSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How answers are sent, and who is believed.

    `frequency` (BDS-3 only) and `coding` are those of the module, see `sos.beidou_sentence.send`.
    `cards`: card numbers whose alarms count; empty takes alarms from every card.
    `tick_s`: how often the module tells its beams once something was answered.
    `retry_s`: how long a refused answer waits where the module does not tell.
    """

    frequency: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2
    coding: Coding = "a4"
    cards: tuple[str, ...] = ()
    tick_s: Annotated[int, msgspec.Meta(ge=1, le=600)] = 10
    retry_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0

    def __post_init__(self) -> None:
        if any(not card.isdigit() for card in self.cards):
            raise ValueError("cards must be card numbers, digits only")


@dataclass(slots=True, kw_only=True)
class _Told:
    """One answer on its way; `since` is when the module was last ordered to send it."""

    alarm: BeidouAlarm
    card: str
    generation: Generation
    tries: int = 0
    since: datetime | None = None


class RdssCodec(Framed):
    """Decodes one port; remembers each elder's last alarm, to answer it, and the answers still owed.

    `now` is needed to wait as long as the module tells; without it a refused answer goes out again at once.
    """

    name: ClassVar[str] = "rdss"
    Settings: ClassVar[type] = RdssSettings

    def __init__(
        self, settings: RdssSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        del bands  # the twenty bytes have no dialects
        self.settings = settings or RdssSettings()
        self.quiet_sentences = Tally()
        self.given_up_answers = 0
        self._now = now
        self._cards = {int(card) for card in self.settings.cards}
        self._frames = FrameBuffer(LineCutter(b"$"), max_frame_bytes=MAX_SENTENCE_BYTES)
        self._last: OrderedDict[int, _Told] = OrderedDict()
        self._flying: deque[_Told] = deque(maxlen=MOST_FLYING)
        self._owed: OrderedDict[tuple[int, datetime, int], _Told] = OrderedDict()
        self._not_before: datetime | None = None

    @property
    def owed(self) -> int:
        """Answers the module would not send yet."""
        return len(self._owed)

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`; an uplink without a device carries nothing but an owed answer to send."""
        while (line := self._frames.next()) is not None:
            try:
                heard = parse(line)
            except SentenceError as error:
                raise FrameError(error.reason, offset=min(error.offset, len(line)), raw=line) from None
            if isinstance(heard, Received):
                return self._received(heard, line)
            self.quiet_sentences.add(line[1:6].decode("latin-1"))
            if isinstance(heard, Feedback) and heard.command in {"TXA", "TCQ"}:
                self._fed_back(heard)
            elif (owed := self._due()) is not None:
                return Uplink(device=None, readings=(), raw=line, reply=self._order(owed))
        return None

    def encode_down(self, command: DownCommand, device: str) -> Order | None:
        """Answer the elder's last alarm "taken" when help is coming; None for whatever else."""
        found = _DEVICE.fullmatch(device)
        told = self._last.get(int(found[1])) if found else None
        if command.name != "help_is_coming" or told is None:
            return None
        told.alarm = replace(told.alarm, answer="taken")
        self._owed.pop(told.alarm.name, None)
        return Order(self._order(replace(told, tries=0)))

    # ------------------------------------------------------------------ alarms

    def _received(self, message: Received, line: bytes) -> Uplink:
        """The uplink of an alarm. Raises FrameError for any other message."""
        try:
            alarm = unpack(message.body)
        except ValueError:
            raise FrameError("a text, no alarm of ours", raw=line) from None
        if alarm.answer:
            raise FrameError("an answer, no alarm", raw=line)
        if self._cards and int(message.sender) not in self._cards:
            raise FrameError("alarm from a card that is not listed", raw=line)
        known = self._last.get(alarm.number)
        is_taken = known is not None and known.alarm.name == alarm.name and known.alarm.answer == "taken"
        answer: Answer = "taken" if is_taken else "received"
        told = _Told(alarm=replace(alarm, answer=answer), card=message.sender, generation=message.generation)
        if known is None or known.alarm.at <= alarm.at:
            self._last.pop(alarm.number, None)
            self._last[alarm.number] = told
            while len(self._last) > MOST_REMEMBERED:
                self._last.popitem(last=False)
        return Uplink(
            device=f"beidou-{alarm.number}",
            readings=_readings(alarm),
            raw=line,
            reply=self._order(replace(told)),
        )

    # ------------------------------------------------------------------ answers

    def _order(self, told: _Told) -> bytes:
        """The sentences that send an answer and keep this codec's clock ticking."""
        told.tries += 1
        told.since = self._now() if self._now is not None else None
        self._flying.append(told)
        order = send(
            told.generation,
            told.card,
            pack(told.alarm),
            frequency=self.settings.frequency,
            coding=self.settings.coding,
        )
        return order + ask_signal(told.generation, every_s=self.settings.tick_s)

    def _fed_back(self, feedback: Feedback) -> None:
        """The module has judged the answer that was ordered first: a refused one is owed."""
        self._forget_silent()
        if not self._flying:
            return
        told = self._flying.popleft()
        if feedback.done:
            return
        if self._now is not None:
            self._not_before = self._now() + timedelta(seconds=feedback.wait_s or self.settings.retry_s)
        newer = self._last.get(told.alarm.number)
        is_outdone = (
            newer is not None and newer.alarm.name == told.alarm.name and newer.alarm.answer == "taken"
        )
        if told.tries >= MOST_TRIES or (is_outdone and told.alarm.answer != "taken"):
            self.given_up_answers += told.tries >= MOST_TRIES
            return
        self._owed[told.alarm.name] = told
        while len(self._owed) > MOST_OWED:
            self._owed.popitem(last=False)
            self.given_up_answers += 1

    def _forget_silent(self) -> None:
        if self._now is None:
            return
        limit = self._now() - FEEDBACK
        while self._flying and (self._flying[0].since or limit) < limit:
            self._flying.popleft()

    def _due(self) -> _Told | None:
        """The answer to give again now: what somebody has taken before what was only received."""
        self._forget_silent()
        if not self._owed or self._flying:
            return None
        if self._now is not None and self._not_before is not None and self._now() < self._not_before:
            return None
        name = next(
            (name for name, told in self._owed.items() if told.alarm.answer == "taken"),
            next(iter(self._owed)),
        )
        return self._owed.pop(name)


def _readings(alarm: BeidouAlarm) -> tuple[Reading, ...]:
    """What the twenty bytes say. A drill proves the way and raises nothing: it has no alarm in it."""
    readings: list[Reading] = []
    if alarm.lat is not None and alarm.lon is not None:
        readings.append(Fix(lat=alarm.lat, lon=alarm.lon, valid=True, at=alarm.at))
    if not alarm.drill:
        kind = _KINDS.get(alarm.kind, "general")
        press = f"{int(alarm.at.timestamp())}.{alarm.seq}"
        readings.append(BandAlarm(alarm=kind, press_id=press, at=alarm.at))
    if alarm.heart_rate_bpm is not None:
        readings.append(HeartRate(heart_rate_bpm=alarm.heart_rate_bpm, at=alarm.at))
    if alarm.battery_pct is not None:
        readings.append(Battery(battery_pct=alarm.battery_pct, at=alarm.at))
    return tuple(readings)


CODEC = RdssCodec
