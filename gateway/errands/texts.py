"""Plain texts the portal orders: one at a time, behind every alarm, at most once after an unclear outcome.

1. An order is judged and journalled whole (`PlainText`), or refused; its `CommandDone` comes at its end.
2. One is under way at a time, codes first; that it is under way is on the disk before its leg is begun,
   and the leg goes the way of all legs (`sos.delivery`): intent, carrier, reference.
3. Its end is one record: the answer for the portal, the state gone, its words and number wiped from its legs.

While somebody calls for help a carrier with a single line takes none of them; they wait, until `until`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from gateway.errands.bounds import Allowance, ErrandsTable
from gateway.errands.slips import LATER, OWNERS, Later, answer, errand_of, leg_of
from gateway.journal.records import LegWipe, Record, to_ms
from gateway.outbox import Journal
from gateway.timers import TimerBook
from gateway.told import PortalCommand
from gateway.told_orders import RefusedText, TextPurpose
from sos.events import Channel, LegReported, LegState, SendText
from sos.plan import Contact, diallable

MOST_CHARACTERS = 500
MOST_WAITING = 200
LONGEST = timedelta(days=1)
"""A text waits at most this long, whatever its `until`."""
USUAL = timedelta(minutes=10)
"""How long one without `until` waits."""
LINE_PAUSE = timedelta(seconds=20)
"""Before a text that could not leave the house is tried again."""
LAST_WORD = timedelta(minutes=5)
"""How long what becomes of a text under way is waited for: longer than a modem and the settling take."""
CODE_ATTEMPTS = 2
OWNER: Final = OWNERS + "text/"
ALLOWANCE: Final = OWNERS + "allowance"

log = logging.getLogger(__name__)


class PlainText(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text as it stands; `attempt` is the newest leg's, `unclear` counts outcomes that got lost.

    `state`: "waiting" for its turn; "begun": its leg is being placed; "unclear": the leg is being settled.
    `held` and `unreached` say why it had to wait, for the reason it is refused with in the end.
    """

    command: str
    phone: str
    text: str
    purpose: TextPurpose
    ordered_at: datetime
    until: datetime
    state: Literal["waiting", "begun", "unclear"] = "waiting"
    attempt: int = 0
    unclear: int = 0
    held: bool = False
    unreached: bool = False
    not_before: datetime | None = None

    @property
    def errand(self) -> str:
        """The id its legs go under."""
        return errand_of(self.command)

    @property
    def owner(self) -> str:
        """The owner of its state and timer."""
        return OWNER + self.errand

    def order(self) -> SendText:
        """Its newest leg, as the dispatcher is told."""
        person = Contact(contact="number", name="", phone=self.phone, role="errand")
        leg = leg_of(self.errand, person, Channel.TEXT, purpose=self.purpose, attempt=self.attempt)
        return SendText(leg=leg, body=self.text)


class PlainTexts:
    """All texts under way; `pump` begins the next one when it may begin now.

    `execute` hands a leg to the dispatcher; `takes(channel, outside=…)` asks it whether any carrier would;
    `known(leg)` says whether a leg's intent is on the disk already.
    """

    def __init__(
        self,
        *,
        bounds: ErrandsTable,
        journal: Journal,
        timers: TimerBook,
        execute: Callable[[SendText], None],
        takes: Callable[..., bool],
        now: Callable[[], datetime],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._bounds = bounds
        self._journal = journal
        self._timers = timers
        self._execute = execute
        self._takes = takes
        self._now = now
        self._all: dict[str, PlainText] = {}
        self._allowance = Allowance()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def waiting(self) -> bool:
        """Whether any waits for its turn."""
        return any(text.state == "waiting" for text in self._all.values())

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over the texts of the last run."""
        for owner, body in states.items():
            try:
                if owner.startswith(OWNER):
                    text = msgspec.json.decode(body, type=PlainText)
                    self._all[text.errand] = text
                elif owner == ALLOWANCE:
                    self._allowance = msgspec.json.decode(body, type=Allowance)
            except msgspec.DecodeError:
                log.exception("%s cannot be read and is left out", owner)

    def resume(self, known: Callable[[SendText], bool]) -> None:
        """Begin again what was begun and never came as far as an intent; the dispatcher has the others."""
        for text in self._all.values():
            if text.state == "begun" and not known(text.order()):
                self._execute(text.order())

    # ------------------------------------------------------------------ what comes in

    def order(self, command: PortalCommand, record: Record, now: datetime) -> RefusedText | Later:
        """Take a text within this record, or say why not."""
        if errand_of(command.command) in self._all:
            return LATER
        until = min(command.until or now + USUAL, now + LONGEST)
        refusal = self._refusal(command, until, now)
        allowed = None if refusal else self._allowance.after(command.phone or "", now, self._bounds)
        if allowed is None:
            refusal = refusal or "too_many"
            self.counts[f"refused: {refusal}"] += 1
            return refusal
        self._allowance = allowed
        record.states[ALLOWANCE] = msgspec.json.encode(allowed)
        text = PlainText(
            command=command.command,
            phone=command.phone or "",
            text=command.text or "",
            purpose=command.purpose or "notice",
            ordered_at=now,
            until=until,
        )
        self._keep(text, record)
        self._set_timer(text, "until", until, record)
        self.counts["taken"] += 1
        return LATER

    def _refusal(self, command: PortalCommand, until: datetime, now: datetime) -> RefusedText | None:
        words = command.text or ""
        if not diallable(command.phone or ""):
            return "bad_number"
        if not words.strip() or len(words) > MOST_CHARACTERS:
            return "bad_text"
        if until <= now:
            return "expired"
        if not self._takes(Channel.TEXT):
            return "no_carrier"
        return "busy" if len(self._all) >= MOST_WAITING else None

    def pump(self) -> None:
        """Begin the next text, if none is being placed and it may go now; call it often."""
        texts = self._all.values()
        if any(text.state == "begun" for text in texts):
            return
        now = self._now()
        ready = [
            text for text in texts if text.state == "waiting" and (text.not_before or now) <= now < text.until
        ]
        if not ready:
            return
        if not self._takes(Channel.TEXT, outside=True):
            for text in ready:
                self._all[text.errand] = msgspec.structs.replace(text, held=True)
            return
        text = min(ready, key=lambda one: (one.purpose != "code", one.ordered_at))
        text = msgspec.structs.replace(text, state="begun", attempt=text.attempt + 1)
        record = Record(committed=lambda _: self._begun(text))
        self._keep(text, record)
        self._set_timer(text, "guard", now + LAST_WORD, record)
        self._journal.append(record)

    def _begun(self, text: PlainText) -> None:
        """It is on the disk that it is under way."""
        if self._all.get(text.errand) == text:
            self._execute(text.order())

    def leg_known(self, event: LegReported, record: Record, now: datetime) -> None:
        """What became known of a leg; one of an errand that has ended changes nothing."""
        text = self._all.get(event.leg_id.partition(".")[0])
        if text is None:
            return
        match event.state:
            case LegState.PLACED | LegState.DELIVERED:
                self._end(text, record, now)
            case _ if event.leg_id != text.order().leg.leg_id:
                return
            case LegState.AMBIGUOUS:
                doubt = msgspec.structs.replace(text, state="unclear", unclear=text.unclear + 1)
                self._keep(doubt, record)
            case LegState.ABSENT if text.purpose == "code" and text.attempt < CODE_ATTEMPTS:
                self._again(text, record, now)
            case LegState.ABSENT:
                self._end(text, record, now, reason="unclear")
            case LegState.UNREACHED:
                self._again(msgspec.structs.replace(text, unreached=True), record, now, pause=LINE_PAUSE)
            case LegState.FAILED if not self._takes(Channel.TEXT, outside=True):
                self._again(msgspec.structs.replace(text, held=True), record, now)
            case LegState.FAILED | LegState.HUNG_UP:
                self._end(text, record, now, reason="no_carrier")

    def _again(
        self, text: PlainText, record: Record, now: datetime, *, pause: timedelta = timedelta()
    ) -> None:
        """It certainly did not go out: it waits for another turn, or its time is over."""
        if now >= text.until:
            self._end(text, record, now, reason=_reason(text))
        else:
            later = msgspec.structs.replace(text, state="waiting", not_before=now + pause)
            self._clear_timer(text, "guard", record)
            self._keep(later, record)

    def timer_due(self, owner: str, name: str, record: Record, now: datetime) -> None:
        """Its time is over, or nothing was heard of what is under way."""
        text = self._all.get(owner.removeprefix(OWNER))
        if text is None:
            return
        if name == "until" and text.state == "waiting":
            self._end(text, record, now, reason=_reason(text))
        elif name == "guard" and text.state != "waiting":
            self._end(text, record, now, reason="unclear")

    # ------------------------------------------------------------------ inside

    def _end(
        self, text: PlainText, record: Record, now: datetime, *, reason: RefusedText | None = None
    ) -> None:
        del self._all[text.errand]
        for name in ("until", "guard"):
            self._clear_timer(text, name, record)
        record.states.pop(text.owner, None)
        record.rest.forgotten.append(text.owner)
        record.rest.wiped.append(LegWipe(text.errand))
        answer(text.command, record, now, reason=reason or "")
        self.counts[f"ended: {reason or 'sent'}"] += 1
        log.info("a text (%s) to …%s: %s", text.purpose, text.phone[-4:], reason or "with a carrier")

    def _keep(self, text: PlainText, record: Record) -> None:
        self._all[text.errand] = text
        record.states[text.owner] = msgspec.json.encode(text)

    def _set_timer(self, text: PlainText, name: str, due_at: datetime, record: Record) -> None:
        record.timers[text.owner, name] = to_ms(due_at)
        self._timers.set(text.owner, name, due_at)

    def _clear_timer(self, text: PlainText, name: str, record: Record) -> None:
        record.timers[text.owner, name] = None
        self._timers.clear(text.owner, name)


def _reason(text: PlainText) -> RefusedText:
    """Why a text that never went out did not."""
    return "no_carrier" if text.unreached else "busy" if text.held else "expired"
