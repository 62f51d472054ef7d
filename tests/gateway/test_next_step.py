"""What an incident does next by itself, as the portal is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.incident_view import as_view
from gateway.model import Alarm, Why
from sos.cascade import open_incident, step
from sos.events import Acknowledged, Opened, Resolved
from sos.plan import Contact, Plan
from sos.subject import Subject

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SON = Contact(contact="li-jianguo", name="李建国", phone="+8613800138001")
ALARM = Alarm(alarm_id="a1", wearer="zhang", kind="sos", severity="critical", why=Why(code="sos"), at=NOW)


def opened(**plan):
    incident = open_incident(
        incident_id="i1",
        ref="A7K2",
        wearer="zhang",
        subject=Subject(name="张桂兰", kind="sos", severity="critical"),
        plan=Plan(family=(SON,), **plan),
        at=NOW,
        lat=None,
        lon=None,
    )
    return step(incident, Opened(), NOW)[0]


def test_a_gentle_alarm_says_when_it_will_begin_to_ring():
    view = as_view(opened(calls_after_s=60), ALARM)
    assert (view.next_step, view.next_at) == ("call", NOW + timedelta(seconds=60))


def test_a_ringing_one_says_when_the_next_person_is_rung():
    view = as_view(opened(), ALARM)
    assert view.next_step == "next_person"
    assert view.next_at > NOW


def test_one_that_is_taken_says_until_when_it_must_be_closed_and_a_closed_one_nothing():
    taken, _ = step(opened(ack_timeout_s=900), Acknowledged(by="周敏", at=NOW, via="portal"), NOW)
    view = as_view(taken, ALARM)
    assert (view.next_step, view.next_at) == ("unresolved", NOW + timedelta(seconds=900))
    over, _ = step(taken, Resolved(by="周敏", at=NOW, note="", verdict=None), NOW)
    view = as_view(over, ALARM)
    assert (view.next_step, view.next_at) == (None, None)
