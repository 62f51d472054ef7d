"""A tiny driver: an incident, a clock that is moved by hand, and every order that came out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sos.cascade import open_incident, step
from sos.events import (
    Channel,
    ClearTimer,
    HangUp,
    KeyPressed,
    LegReported,
    LegState,
    Opened,
    PlaceCall,
    SendText,
    SetTimer,
    TellBand,
    TimerDue,
)
from sos.plan import Contact, Plan
from sos.subject import Subject

NIGHT = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)  # 20:03 in Shanghai
SON = Contact(contact="son", name="李建国", phone="+8613800138001", relation="儿子")
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002", relation="女儿")
DESK = Contact(contact="desk", name="值班 周敏", phone="+8613800138090", role="staff")
SUBJECT = Subject(name="张桂兰", kind="sos", code="sos", where="3栋东门附近")


class Story:
    """One incident from the press on; every step is checked against what must always hold."""

    def __init__(self, plan: Plan, **changes) -> None:
        self.now = NIGHT
        given = {
            "incident_id": "i1",
            "ref": "A7K2",
            "wearer": "zhang-guilan",
            "subject": SUBJECT,
            "plan": plan,
            "at": NIGHT,
            "lat": 31.1553,
            "lon": 121.1050,
        }
        self.incident = open_incident(**(given | changes))
        self.orders = []
        self.timers = {}
        self.calls = []

    def tell(self, event):
        before = self.incident
        self.incident, orders = step(before, event, self.now)
        assert step(before, event, self.now) == (self.incident, orders), "the same question has one answer"
        for order in orders:
            if isinstance(order, SetTimer):
                self.timers[order.name] = order.due_at
            elif isinstance(order, ClearTimer):
                self.timers.pop(order.name, None)
            elif isinstance(order, PlaceCall):
                self.calls.append(order.leg)
        assert self.timers == {timer.name: timer.due_at for timer in self.incident.timers}
        self.orders += orders
        return orders

    def opened(self):
        self.tell(Opened())
        return self

    def wait(self, seconds):
        end = self.now + timedelta(seconds=seconds)
        while self.timers and min(self.timers.values()) <= end:
            name = min(self.timers, key=self.timers.get)
            due_at = self.timers.pop(name)
            self.now = max(self.now, due_at)
            self.tell(TimerDue(name=name, due_at=due_at))
        self.now = end
        return self

    def report(self, leg_id, *states, **more):
        for state in states:
            self.tell(LegReported(leg_id=leg_id, state=state, at=self.now, **more))
        return self

    def press(self, leg_id, digit="1", via="call"):
        self.tell(KeyPressed(leg_id=leg_id, digit=digit, at=self.now, via=via))
        return self

    def call_ends(self, state=LegState.NO_ANSWER, after_s=25):
        leg_id = self.incident.calling
        self.report(leg_id, LegState.INTENDED, LegState.PLACED, LegState.RINGING)
        self.wait(after_s)
        return self.report(leg_id, state)

    @property
    def phase(self):
        return self.incident.phase.value

    @property
    def ringing(self):
        facts = self.incident.leg(self.incident.calling or "")
        return facts.leg.contact if facts else None

    @property
    def rung(self):
        return [f"{leg.contact} {leg.round}.{leg.attempt}" for leg in self.calls]

    def texts(self, purpose="alarm"):
        return [
            order.leg.contact
            for order in self.orders
            if isinstance(order, SendText) and order.leg.purpose == purpose
        ]

    def bodies(self, purpose):
        return [
            order.body
            for order in self.orders
            if isinstance(order, SendText) and order.leg.purpose == purpose
        ]

    def hung_up(self):
        return [order.leg_id for order in self.orders if isinstance(order, HangUp)]

    def band(self):
        return [order.command for order in self.orders if isinstance(order, TellBand)]

    def text_leg(self, contact, purpose="alarm"):
        return next(
            facts.leg.leg_id
            for facts in reversed(self.incident.legs)
            if facts.leg.channel is Channel.TEXT
            and (facts.leg.contact, facts.leg.purpose) == (contact, purpose)
        )


@pytest.fixture
def make_story():
    def make(*, family=(SON, DAUGHTER), staff=(DESK,), subject=SUBJECT, **more):
        plan_keys = set(Plan.__dataclass_fields__)
        plan = Plan(
            family=family, staff=staff, **{key: more.pop(key) for key in list(more) if key in plan_keys}
        )
        return Story(plan, subject=subject, **more)

    return make


@pytest.fixture
def story(make_story):
    """An SOS that was just opened: son and daughter, then the duty desk."""
    return make_story().opened()
