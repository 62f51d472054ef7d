"""The bodies of the journal's steps: what is written is what is read, to the microsecond."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.incident_rows import Stored
from gateway.model import Alarm, Why
from gateway.steps import Opening, Step, UnreadableStep, decode, encode_opening, encode_step
from sos import events
from sos.cascade import open_incident
from sos.plan import Contact, Plan
from sos.shifts import Shift
from sos.subject import Subject

AT = datetime(2026, 3, 1, 12, 3, 1, 123457, tzinfo=UTC)
TIMES = st.integers(min_value=-(10**15), max_value=10**15).map(
    lambda micros: AT + timedelta(microseconds=micros)
)
DEGREES = st.floats(min_value=-180, max_value=180)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
OF = {
    "datetime": TIMES,
    "str": TEXT,
    "float": DEGREES,
    "float | None": st.none() | DEGREES,
    "str | None": st.none() | TEXT,
    "int | None": st.none() | st.integers(min_value=0, max_value=2**40),
    "Verdict | None": st.none() | st.sampled_from(get_args(events.Verdict)),
    "LegState": st.sampled_from(events.LegState),
}


def of_kind(kind):
    return st.builds(kind, **{one.name: OF[one.type] for one in fields(kind)})


OF["Subject | None"] = st.none() | of_kind(Subject)
EVERY_EVENT = st.one_of([of_kind(kind) for kind in get_args(events.Event)])


def an_incident():
    contact = Contact(
        contact="son",
        name="李建国",
        phone="+8613800138001",
        shifts=(Shift(days=(0, 6), begin_min=1200, end_min=480),),
    )
    return open_incident(
        incident_id="i1",
        ref="A7K2",
        wearer="zhang-guilan",
        subject=Subject(
            name="张桂兰", kind="sos", where="3栋东门附近", where_en="the east gate of building 3", value=76.5
        ),
        plan=Plan(family=(contact,), staff=(), acks_wanted=2),
        at=AT,
        lat=31.1553,
        lon=121.105,
    )


AN_ALARM = Alarm(
    alarm_id="a1", wearer="zhang-guilan", kind="sos", severity="critical", why=Why(code="sos"), at=AT
)


@given(now=TIMES, event=EVERY_EVENT)
def test_every_event_is_read_as_it_was_written(now, event):
    assert decode(encode_step(now, event)) == Step(now=now, event=event)


@pytest.mark.parametrize("kind", get_args(events.Event), ids=lambda kind: kind.__name__)
def test_the_bytes_of_an_event_are_the_same_after_reading_it(kind):
    hints = get_type_hints(kind)
    given_ = {
        name: AT if hint is datetime else events.LegState.RINGING if hint is events.LegState else "x"
        for name, hint in hints.items()
        if hint in {datetime, str, events.LegState}
    }
    given_ |= {name: 31.1 for name, hint in hints.items() if hint is float}
    body = encode_step(AT, kind(**given_))
    found = decode(body)
    assert encode_step(found.now, found.event) == body
    assert type(found.event) is kind


def test_a_time_of_another_zone_keeps_its_zone():
    at = AT.astimezone(timezone(timedelta(hours=8)))
    event = events.CancelPressed(at=at)
    body = encode_step(AT, event)
    assert b"+08:00" in body
    assert encode_step(AT, decode(body).event) == body


def test_an_opening_is_read_as_it_was_written():
    incident = an_incident()
    found = decode(encode_opening(incident, AN_ALARM))
    assert found == Opening(incident=incident, alarm=AN_ALARM)
    written = msgspec.json.encode(Stored(incident=incident, alarm=AN_ALARM))
    assert msgspec.json.encode(Stored(incident=found.incident, alarm=found.alarm)) == written


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"step":"Shaken","now":"2026-03-01T12:03:01Z","event":{}}',
        b'{"step":"Opened"}',
        b'{"step":"opening"}',
        b'{"step":"Moved","now":"2026-03-01T12:03:01Z","event":{"lat":"north"}}',
    ],
)
def test_a_body_that_is_not_ours_is_refused_with_a_reason(body):
    with pytest.raises(UnreadableStep) as caught:
        decode(body)
    assert caught.value.reason


@given(body=st.binary(max_size=200))
def test_any_bytes_give_a_step_or_a_refusal(body):
    with suppress(UnreadableStep):
        assert isinstance(decode(body), Opening | Step)
