"""The simulated carrier says that it is one."""

from __future__ import annotations

import logging

import pytest

from sos.carriers import simulated
from sos.carriers.base import Message
from sos.events import Channel, Leg, LegState

PHONE = "+8613800138001"


def course(answer: str, **more) -> list:
    return list(simulated.course(answer, settings=simulated.Settings(**more), ring_timeout_s=25))


def test_a_call_takes_the_course_that_is_configured():
    ringing, answered = (0, LegState.RINGING), (3.0, LegState.ANSWERED)
    assert course("busy") == [(0, LegState.BUSY)]
    assert course("no_answer") == [ringing, (25, LegState.NO_ANSWER)]
    assert course("presses", ring_s=30) == [ringing, (25, LegState.NO_ANSWER)]
    assert course("holds") == [ringing, answered]
    assert course("answers") == [ringing, answered, (7.0, LegState.NO_KEY)]
    assert course("presses") == [ringing, answered, (7.0, "key"), (7.0, LegState.CONFIRMED)]
    assert course("presses", key="2")[-1] == (7.0, LegState.NO_KEY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"answer": "sings"}, "answer is 'sings'"),
        ({"answers": {PHONE: "sings"}}, "answers"),
        ({"key": "11"}, "key is '11'"),
        ({"ring_s": -1}, "ring_s is -1"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(wrong, said):
    with pytest.raises(ValueError, match=said):
        simulated.Settings(**wrong)


async def test_it_is_for_the_demo_only_and_no_number_is_logged(caplog):
    caplog.set_level(logging.INFO)
    assert simulated.CARRIER.demo_only
    carrier = simulated.CARRIER(simulated.Settings())
    text = Leg(
        leg_id="inc1.1.anna.text.1",
        incident="inc1",
        contact="anna",
        name="x",
        phone=PHONE,
        role="family",
        channel=Channel.TEXT,
        round=1,
        attempt=1,
    )
    reference = await carrier.place(text, Message(body="求救"))
    assert await carrier.status(reference) is LegState.PLACED
    assert await carrier.status("simulated-of-before") is LegState.ABSENT
    assert "nobody gets it" in caplog.text
    assert PHONE[3:] not in caplog.text
