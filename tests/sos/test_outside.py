"""What belongs to no incident gives way to everything that does."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sos.carriers import simulated
from sos.carriers.base import Message
from sos.events import OUTSIDE, Channel, Leg
from sos.switchboard import Lane, Switchboard, urgency_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALARM = Leg(
    leg_id="i1.1.son.text.1",
    incident="i1",
    contact="son",
    name="李建国",
    phone="+8613800138001",
    role="family",
    channel=Channel.TEXT,
    round=1,
    attempt=1,
)
NEWS = replace(ALARM, purpose="taken")
PLAIN = replace(ALARM, leg_id="errand-1.0.number.text.1", incident="errand-1", role=OUTSIDE, purpose="code")
TEST_CALL = replace(PLAIN, channel=Channel.CALL, purpose="test")


class Way:
    """A carrier of texts and calls with so many lines."""

    channels = frozenset({Channel.TEXT, Channel.CALL})
    trouble = ""

    def __init__(self, name: str, lines: int) -> None:
        self.name, self.concurrent = name, lines


@pytest.fixture
def board():
    """A modem in front of a wide carrier, and whether somebody calls for help."""
    world = {"alarm": False}
    made = Switchboard(
        [Way("modem", 1), Way("twilio", 8)], now=lambda: NOW, down_s=30, alarm=lambda: world["alarm"]
    )
    return made, world


def names(board, leg):
    return [one.name for one in board.order_for(leg)]


def test_while_somebody_calls_for_help_a_single_line_is_for_them_alone(board):
    made, world = board
    assert names(made, PLAIN) == names(made, ALARM) == ["modem", "twilio"]
    world["alarm"] = True
    assert names(made, PLAIN) == names(made, TEST_CALL) == ["twilio"]
    assert names(made, ALARM) == names(made, NEWS) == ["modem", "twilio"]


def test_a_house_with_a_single_line_takes_nothing_beside_an_alarm():
    world = {"alarm": True}
    made = Switchboard([Way("modem", 1)], now=lambda: NOW, down_s=30, alarm=lambda: world["alarm"])
    assert names(made, PLAIN) == []
    assert (made.takes(Channel.TEXT), made.takes(Channel.TEXT, outside=True)) == (True, False)
    world["alarm"] = False
    assert made.takes(Channel.TEXT, outside=True)
    assert not made.takes(Channel.SIREN)


def test_every_leg_of_an_incident_is_more_urgent():
    for outside in (PLAIN, TEST_CALL):
        assert all(urgency_of(outside) > urgency_of(one) for one in (ALARM, NEWS))


async def test_an_alarm_that_comes_last_overtakes_the_texts_that_wait():
    lane, order = Lane(1), []

    async def take(name, leg):
        async with lane.turn(urgency_of(leg)):
            order.append(name)
            await asyncio.sleep(0)

    begun = [("code", PLAIN), ("code 2", PLAIN), ("news", NEWS), ("alarm", ALARM)]
    await asyncio.gather(*(take(name, leg) for name, leg in begun))
    assert order == ["code", "alarm", "news", "code 2"]


async def test_the_words_of_a_plain_text_are_not_in_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    seen = []
    carrier = simulated.CARRIER(simulated.Settings())
    carrier.network.watch = lambda *what: seen.append(what)
    await carrier.place(PLAIN, Message(body="您的登录码是 482913"))
    await carrier.place(ALARM, Message(body="张桂兰按下求救"))
    assert "482913" not in caplog.text
    assert "张桂兰按下求救" in caplog.text
    assert seen[0] == (PLAIN.phone, "text", "您的登录码是 482913")
