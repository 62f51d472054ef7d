"""Fences that do not count for a while: who may order it, what it holds back, what it never touches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.config import load
from gateway.desk.fence_suspend import time_of
from gateway.model import Fix
from gateway.told import PortalCommand
from shouwang import main
from sos.events import PlaceCall, SendText

SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'
OUT = Fix(lat=31.165, lon=121.105, valid=True, accuracy_m=5)
"""A kilometre north of the fence of 王."""


def order(house, name="suspend_fences", number=0, **fields):
    """Order it on the box (or, with a number, from the portal); gives the reason when it is refused."""
    fields = {"wearer": "wang", "by": "王芳", **fields}
    command = PortalCommand(number=number, command=f"c{number}", name=name, **fields)
    if number:
        house.engine.ordered(command)
        house.journal.commit()
        return None
    refusal = house.engine.ordered_here(command, lambda _: None)
    house.journal.commit()
    return refusal


def walk(house, watch, *fixes: Fix, every_s=60):
    for fix in fixes:
        house.advance(every_s)
        house.hear("4700186508 " + msgspec.json.encode([fix]).decode(), watch)
        house.journal.commit()
    house.advance(30)


def raised(house):
    return [told.alarm.why.code for told in house.events("alarm")]


def in_an_hour(house):
    return house.clock.now() + timedelta(hours=1)


async def test_a_suspended_fence_rings_nobody_and_the_portal_knows_until_when(house, watch):
    until = in_an_hour(house)
    assert order(house, until=until, note="和女儿出去") is None
    walk(house, watch, OUT, OUT, OUT)
    assert raised(house) == []
    (told,) = house.events("suspensions")
    (one,) = told.suspensions
    assert (told.wearer, one.fence, one.until, one.by, one.note) == ("wang", "", until, "王芳", "和女儿出去")


async def test_it_ends_by_itself_and_the_next_fix_judges(house, watch):
    order(house, until=in_an_hour(house))
    walk(house, watch, OUT)
    house.advance(3600)
    assert raised(house) == []
    walk(house, watch, OUT)
    assert raised(house) == ["fence_exit"]


async def test_an_order_of_the_portal_is_answered_done_or_with_the_reason(house):
    order(house, number=1, until=in_an_hour(house), fence="home")
    order(house, number=2, until=in_an_hour(house), fence="gone")
    done, refused = house.events("command")
    assert (done.done, refused.done, refused.reason) == (
        True,
        False,
        "there is no fence gone; known: home",
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"until": None}, "needs an end"),
        ({"wearer": "nobody"}, "there is no wearer nobody"),
        ({"wearer": "zhang"}, "this wearer has no fence"),
        ({"by": ""}, "needs the name"),
        ({"name": "resume_fences"}, "nothing of this wearer's is suspended"),
    ],
)
async def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(house, fields, words):
    refusal = order(house, **{"until": in_an_hour(house), **fields})
    assert words in refusal
    assert house.journal.records == []


async def test_resumed_by_hand_the_portal_is_told_that_nothing_is_suspended(house, watch):
    order(house, until=in_an_hour(house))
    assert order(house, "resume_fences") is None
    assert house.events("suspensions")[-1].suspensions == ()
    walk(house, watch, OUT, OUT)
    assert raised(house) == ["fence_exit"]


async def test_an_sos_rings_as_ever(house, band, watch):
    order(house, until=in_an_hour(house))
    walk(house, watch, OUT, OUT)
    house.hear(SOS, band)
    house.journal.commit()
    assert raised(house) == ["sos_pressed"]
    assert any(isinstance(one, PlaceCall) for _, one, _ in house.carried_out)


async def test_it_survives_a_restart(house, make_house, watch):
    until = in_an_hour(house)
    order(house, until=until)
    states, timers = {}, {}
    for record in house.journal.records:
        states |= record.states
        timers |= record.timers
    after = make_house(house.settings)
    after.clock.advance((house.clock.now() - after.clock.now()).total_seconds())
    after.engine.restore(states)
    after.timers.restore(
        (*key, datetime.fromtimestamp(due_ms / 1000, UTC)) for key, due_ms in timers.items() if due_ms
    )
    walk(after, watch, OUT, OUT)
    assert raised(after) == []
    after.advance(3600)
    walk(after, watch, OUT, OUT)
    assert raised(after) == ["fence_exit"]


# ------------------------------------------------------------------ what is told and rings nobody


async def test_the_return_is_written_into_the_open_incident_and_rings_nobody(house, watch):
    walk(house, watch, OUT, OUT)
    before = len(house.carried_out)
    home = Fix(lat=31.155, lon=121.105, valid=True, accuracy_m=5)
    walk(house, watch, home, home)
    assert raised(house) == ["fence_exit", "fence_return"]
    exits, back = house.events("alarm")
    assert back.incident == exits.incident is not None
    new = [one for _, one, _ in house.carried_out[before:] if isinstance(one, PlaceCall | SendText)]
    assert all(getattr(one.leg, "purpose", "") == "position" for one in new if isinstance(one, SendText))
    assert [change.incident.presses for change in house.events("incident")][-1] == 1


async def test_farther_and_farther_joins_the_one_incident(make_house, small_config, watch):
    house = make_house(load(small_config(("radius_m = 100", "radius_m = 100\nescalate_m = [300, 900]"))))
    near = Fix(lat=31.157, lon=121.105, valid=True, accuracy_m=5)
    middle = Fix(lat=31.16, lon=121.105, valid=True, accuracy_m=5)
    walk(house, watch, near, near, middle, OUT, OUT)
    assert raised(house) == ["fence_exit", "fence_farther", "fence_farther"]
    assert len({told.incident for told in house.events("alarm")}) == 1
    assert len({told.alarm.alarm_id for told in house.events("alarm")}) == 3
    story = [line.what for change in house.events("incident") for line in change.story]
    assert story.count("raised_again") == 2
    assert "pressed_again" not in story
    calls = [one.leg.leg_id for _, one, _ in house.carried_out if isinstance(one, PlaceCall)]
    assert len(calls) == len(set(calls))


# ------------------------------------------------------------------ the command

NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)  # 12:00 in China


@pytest.mark.parametrize(
    ("text", "hours"),
    [("18:00", 6), ("11:30", 23.5), ("2026-03-01 18:00", 6), ("2026-03-02T01:00+00:00", 21), ("12:00", 24)],
)
def test_a_clock_time_is_the_next_one_in_china(text, hours):
    assert time_of(text, NOON) - NOON == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "6pm", "25:00", "18:60", "tomorrow"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        time_of(text, NOON)


def test_the_command_says_when_no_gateway_runs_here_and_when_the_time_is_none(small_config, capsys):
    base = ["fence", "suspend", "--config", str(small_config()), "--wearer", "wang", "--by", "王芳"]
    assert main([*base, "--until", "18:00"]) == 1
    assert "no gateway answers" in capsys.readouterr().out
    assert main([*base, "--until", "soon"]) == 2
    assert "is not a time" in capsys.readouterr().out
