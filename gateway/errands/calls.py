"""Test calls: one person is rung, and texted where that was ordered, and nobody else, whatever happens.

It begins only while nobody calls for help, and makes room the moment somebody does.
It ends when the call has ended, or nothing was heard of it for `GUARD`; nothing is ever rung a second time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.downlink.rows import Pending
from gateway.errands.slips import OWNERS, errand_of, leg_of
from gateway.journal.records import EventRow, OutboxRow, Record, to_ms
from gateway.timers import TimerBook
from gateway.told import PortalCommand
from gateway.told_orders import CallState, TestCallChanged, TextState
from sos.events import Channel, HangUp, KeyPressed, Leg, LegReported, LegState, PlaceCall, SendText
from sos.plan import Contact, diallable
from sos.trial_words import spoken, written

OWNER: Final = OWNERS + "test/"
RING_TIMEOUT_S = 25
GUARD = timedelta(minutes=5)
PURPOSE = "test"
TAKES_IT = frozenset({"1", "3"})

CALLS: Mapping[LegState, CallState] = MappingProxyType(
    {
        LegState.RINGING: "ringing",
        LegState.ANSWERED: "answered",
        LegState.CONFIRMED: "confirmed",
        LegState.NO_KEY: "no_key",
        LegState.NO_ANSWER: "no_answer",
        LegState.BUSY: "busy",
        LegState.VOICEMAIL: "voicemail",
        LegState.FAILED: "failed",
        LegState.UNREACHED: "failed",
        LegState.ABSENT: "failed",
        LegState.HUNG_UP: "cancelled",
    }
)
TEXTS: Mapping[LegState, TextState] = MappingProxyType(
    {
        LegState.PLACED: "sent",
        LegState.DELIVERED: "delivered",
        LegState.CONFIRMED: "delivered",
        LegState.FAILED: "failed",
        LegState.UNREACHED: "failed",
        LegState.ABSENT: "failed",
    }
)
RANKS: Mapping[CallState, int] = MappingProxyType({"waiting": 0, "ringing": 1, "answered": 2})
ENDED = 3
"""The rank of every other state: what has ended stays as it is, but for a 1 that comes late."""

log = logging.getLogger(__name__)


class TestCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A test call as it stands; `about` is whom it speaks of."""

    __test__ = False  # no test class, whatever its name suggests

    command: str
    person: Contact
    about: str
    ordered_at: datetime
    wearer: str = ""
    by: str = ""
    call: CallState = "waiting"
    text: TextState = "none"
    digit: str = ""

    @property
    def errand(self) -> str:
        """The id its legs go under."""
        return errand_of(self.command)

    @property
    def owner(self) -> str:
        """The owner of its state and timer."""
        return OWNER + self.errand

    @property
    def is_over(self) -> bool:
        """Nothing more is waited for: a text that a carrier has is enough."""
        return RANKS.get(self.call, ENDED) == ENDED and self.text != "waiting"

    def leg(self, channel: Channel) -> Leg:
        """Its call or its text."""
        return leg_of(self.errand, self.person, channel, purpose=PURPOSE, attempt=1)


class TestCalls:
    """The test under way, one at a time.

    `who(wearer, contact)` finds a person of a wearer's family, or of the staff where the wearer is empty,
    and gives whom the call is about; `alarm()` says whether somebody calls for help.
    """

    __test__ = False

    def __init__(
        self,
        *,
        timers: TimerBook,
        who: Callable[[str, str], tuple[Contact, str] | None],
        takes: Callable[..., bool],
        alarm: Callable[[], bool],
    ) -> None:
        self._timers = timers
        self._who = who
        self._takes = takes
        self._alarm = alarm
        self._all: dict[str, TestCall] = {}

    def __len__(self) -> int:
        return len(self._all)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over what was under way."""
        for owner, body in states.items():
            if owner.startswith(OWNER):
                try:
                    test = msgspec.json.decode(body, type=TestCall)
                except msgspec.DecodeError:
                    log.exception("%s cannot be read and is left out", owner)
                else:
                    self._all[test.errand] = test

    def wants(self, leg: Leg) -> bool:
        """Whether an order of the last run for this leg is still to be carried out."""
        return leg.incident in self._all

    # ------------------------------------------------------------------ what comes in

    def order(self, command: PortalCommand, record: Record, pending: Pending, now: datetime) -> str | None:
        """Begin a test within this record, or say why not."""
        if errand_of(command.command) in self._all:
            return None
        if self._alarm():
            return "alarm"
        if self._all:
            return "busy"
        found = self._who(command.wearer or "", command.contact or "")
        if found is None:
            return "no_contact"
        person, about = found
        if not diallable(person.phone):
            return "bad_number"
        if not self._takes(Channel.CALL):
            return "no_carrier"
        with_text = command.with_text and self._takes(Channel.TEXT)
        test = TestCall(
            command=command.command,
            person=person,
            about=about,
            ordered_at=now,
            wearer=command.wearer or "",
            by=command.by or "",
            text="waiting" if with_text else "none",
        )
        call = PlaceCall(
            leg=test.leg(Channel.CALL), script=spoken(about, person.lang), ring_timeout_s=RING_TIMEOUT_S
        )
        _order(call, record, pending)
        if with_text:
            _order(SendText(leg=test.leg(Channel.TEXT), body=written(about, person.lang)), record, pending)
        record.timers[test.owner, "guard"] = to_ms(now + GUARD)
        self._timers.set(test.owner, "guard", now + GUARD)
        self._change(test, record, now)
        return None

    def leg_known(self, event: LegReported | KeyPressed, record: Record, now: datetime) -> bool:
        """What became known of a leg; gives whether a test was still waiting for it."""
        test = self._all.get(event.leg_id.partition(".")[0])
        if test is None:
            return False
        after = _after_key(test, event.digit) if isinstance(event, KeyPressed) else _after(test, event)
        if after != test:
            self._change(after, record, now)
        return True

    def timer_due(self, owner: str, record: Record, pending: Pending, now: datetime) -> None:
        """Nothing was heard in time: it is ended, and what is known by then is what it came to."""
        test = self._all.get(owner.removeprefix(OWNER))
        if test is None:
            return
        if RANKS.get(test.call, ENDED) < ENDED:
            _order(HangUp(leg_id=test.leg(Channel.CALL).leg_id), record, pending)
            test = msgspec.structs.replace(test, call="no_key" if test.call == "answered" else "failed")
        test = msgspec.structs.replace(test, text="failed" if test.text == "waiting" else test.text)
        self._change(test, record, now)

    def make_room(self, record: Record, pending: Pending, now: datetime) -> None:
        """Somebody calls for help: the telephones are needed."""
        for test in tuple(self._all.values()):
            if RANKS.get(test.call, ENDED) < ENDED:
                _order(HangUp(leg_id=test.leg(Channel.CALL).leg_id), record, pending)
                test = msgspec.structs.replace(test, call="cancelled")  # noqa: PLW2901  it goes on as that
            text: TextState = "failed" if test.text == "waiting" else test.text
            self._change(msgspec.structs.replace(test, text=text), record, now)

    # ------------------------------------------------------------------ inside

    def _change(self, test: TestCall, record: Record, now: datetime) -> None:
        """Write down how it stands and tell the portal; one that is over is forgotten."""
        if test.is_over:
            self._all.pop(test.errand, None)
            self._timers.clear(test.owner, "guard")
            record.timers[test.owner, "guard"] = None
            record.states.pop(test.owner, None)
            record.rest.forgotten.append(test.owner)
        else:
            self._all[test.errand] = test
            record.states[test.owner] = msgspec.json.encode(test)
        told = TestCallChanged(
            test=test.command,
            contact=test.person.contact,
            name=test.person.name,
            call=test.call,
            text=test.text,
            at=now,
            ordered_at=test.ordered_at,
            wearer=test.wearer,
            by=test.by,
            digit=test.digit,
            final=test.is_over,
        )
        at_ms, body = to_ms(now), msgspec.json.encode(told)
        record.events.append(EventRow(at_ms, at_ms, "test_call", None, test.wearer or None, None, body, None))


def _order(order: PlaceCall | SendText | HangUp, record: Record, pending: Pending) -> None:
    kind = type(order).__name__
    record.rest.outbox.append(OutboxRow(kind, msgspec.json.encode(order)))
    pending.orders.append((kind, order))


def _after_key(test: TestCall, digit: str) -> TestCall:
    """A key, of the call or texted back: a 1 counts whenever it comes."""
    if digit in TAKES_IT:
        return msgspec.structs.replace(test, call="confirmed", digit=digit)
    return test if test.call == "confirmed" else msgspec.structs.replace(test, digit=digit)


def _after(test: TestCall, event: LegReported) -> TestCall:
    """A report of its call or of its text; late and doubled ones change nothing."""
    if event.leg_id == test.leg(Channel.TEXT).leg_id:
        text = TEXTS.get(event.state)
        if text is None or test.text in ("delivered", "failed"):
            return test
        return msgspec.structs.replace(test, text=text)
    call = CALLS.get(event.state)
    if call is None or RANKS.get(call, ENDED) <= RANKS.get(test.call, ENDED):
        return test
    return msgspec.structs.replace(test, call=call)
