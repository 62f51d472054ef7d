"""What the dispatcher does with sirens and BeiDou messages, and whom it asks when a carrier is ill."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bench.proof.loop import VirtualClock, VirtualLoop, clear_away
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused
from sos.dispatcher import Dispatcher
from sos.events import (
    Channel,
    HangUp,
    Leg,
    LegReported,
    LegState,
    PlaceCall,
    SendBeidou,
    SendText,
    SoundSiren,
)

LEG = Leg(
    leg_id="i1.1.son.call.1",
    incident="i1",
    contact="son",
    name="李建国",
    phone="+8613800138001",
    role="family",
    channel=Channel.CALL,
    round=1,
    attempt=1,
)
SIREN = replace(LEG, leg_id="i1.1.siren.siren.1", contact="siren", phone="", channel=Channel.SIREN)
BEIDOU = replace(LEG, leg_id="i1.1.hq.beidou.1", contact="hq", phone="123456", channel=Channel.BEIDOU)


class Line:
    """A carrier whose next answers are in `says`; `asked` is what it was asked to place."""

    channels = frozenset(Channel)

    def __init__(self, name: str, *, says=(), state=LegState.PLACED, **more) -> None:
        self.name, self.says, self.state = name, list(says), state
        self.asked, self.hung_up, self.polls = [], [], 0
        self.trouble = ""
        for key, value in more.items():
            setattr(self, key, value)

    async def run(self, _report):
        await asyncio.Event().wait()

    async def place(self, leg, message):
        self.asked.append((leg.leg_id, message.body))
        says = self.says.pop(0) if self.says else None
        if says == "hangs":
            await asyncio.sleep(1000)
        if says is not None:
            raise says
        return f"{self.name}-{len(self.asked)}"

    async def hang_up(self, reference):
        self.hung_up.append(reference)

    async def find(self, _leg, *, since, owned):  # noqa: ARG002  the carrier's list is empty
        return None

    async def status(self, _reference):
        self.polls += 1
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


class Book:
    """A ledger that only remembers what was reported."""

    def __init__(self):
        self.states = []

    async def intend(self, *_args, **_more):
        return True

    async def repoint(self, *_args, **_more):
        return True

    async def bind(self, *_args, **_more):
        pass

    async def report(self, event):
        if isinstance(event, LegReported):
            self.states.append((event.leg_id, event.state))

    def owned(self, _carrier):
        return frozenset()


def run(story, *lines, **settings):
    """Run `await story(dispatcher, book)` on the virtual clock."""

    async def main():
        book = Book()
        clock = VirtualClock(loop)
        dispatcher = Dispatcher(ledger=book, carriers=lines, now=clock.now, **settings)
        running = asyncio.create_task(dispatcher.run())
        try:
            await story(dispatcher, book)
            assert not running.done()
        finally:
            await clear_away()

    loop = VirtualLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_a_siren_sounds_until_it_is_hung_up_however_long_that_takes():
    line = Line("siren")

    async def story(dispatcher, book):
        dispatcher.execute(SoundSiren(leg=SIREN, script="请帮忙"))
        await asyncio.sleep(4000)
        assert (line.asked, line.hung_up, dispatcher.underway) == ([(SIREN.leg_id, "请帮忙")], [], 1)
        dispatcher.execute(HangUp(leg_id=SIREN.leg_id))
        await asyncio.sleep(1)
        assert line.hung_up == ["siren-1"]
        assert book.states[-1] == (SIREN.leg_id, LegState.HUNG_UP)
        assert dispatcher.underway == 0

    run(story, line)


def test_a_beidou_message_is_followed_for_ten_minutes_or_until_it_is_there():
    line = Line("rdss")

    async def story(dispatcher, book):
        dispatcher.execute(SendBeidou(leg=BEIDOU, body="00" * 20))
        await asyncio.sleep(590)
        assert (line.asked, dispatcher.underway) == ([(BEIDOU.leg_id, "00" * 20)], 1)
        await asyncio.sleep(30)
        assert dispatcher.underway == 0
        line.state = LegState.DELIVERED
        dispatcher.execute(SendBeidou(leg=replace(BEIDOU, leg_id="i1.2"), body="00" * 20))
        await asyncio.sleep(20)
        assert book.states[-1] == ("i1.2", LegState.DELIVERED)

    run(story, line)


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ((CarrierDown("no route"),) * 9, LegState.UNREACHED),
        ((CarrierRefused("no such number"),), LegState.FAILED),
        ((CarrierRefused("no such number"), *(CarrierDown("no route"),) * 9), LegState.FAILED),
    ],
)
def test_unreached_is_what_could_not_leave_the_house_and_nothing_else(says, state):
    async def story(dispatcher, book):
        dispatcher.execute(PlaceCall(leg=LEG, script="", ring_timeout_s=25))
        await asyncio.sleep(20)
        assert book.states == [(LEG.leg_id, state)]

    run(story, Line("one", says=says))


def test_a_channel_no_carrier_has_is_a_failure_at_once():
    async def story(dispatcher, book):
        dispatcher.execute(SoundSiren(leg=SIREN, script=""))
        await asyncio.sleep(0.1)
        assert book.states == [(SIREN.leg_id, LegState.FAILED)]

    run(story, Line("one", channels=frozenset({Channel.TEXT})))


@pytest.mark.parametrize(
    ("first", "relay", "order"),
    [
        ({}, True, ["first"]),
        ({"trouble": "no network"}, True, ["second"]),
        ({"needs_relay": True}, False, ["second"]),
        ({"needs_relay": True}, True, ["first"]),
    ],
)
def test_a_call_goes_by_the_carrier_that_works_and_whose_keys_come_back(first, relay, order):
    lines = [Line("first", **first), Line("second")]

    async def story(dispatcher, _book):
        dispatcher.execute(PlaceCall(leg=LEG, script="", ring_timeout_s=25))
        await asyncio.sleep(0.1)
        assert [one.name for one in lines if one.asked] == order

    run(story, *lines, relay_up=lambda: relay)


def test_without_the_relay_texts_still_go_the_usual_way():
    lines = [Line("first", needs_relay=True), Line("second")]

    async def story(dispatcher, _book):
        dispatcher.execute(SendText(leg=replace(LEG, channel=Channel.TEXT), body="求救"))
        await asyncio.sleep(0.1)
        assert lines[0].asked

    run(story, *lines, relay_up=lambda: False)


@pytest.mark.parametrize("says", ["hangs", CarrierAmbiguous("503")])
def test_a_carrier_that_left_a_leg_in_doubt_does_not_get_the_next_and_is_forgiven_when_it_works(says):
    lines = [Line("first", says=[says]), Line("second")]

    async def story(dispatcher, book):
        dispatcher.execute(PlaceCall(leg=LEG, script="", ring_timeout_s=25))
        await asyncio.sleep(5.1)
        assert book.states == [(LEG.leg_id, LegState.AMBIGUOUS)]
        assert [one.healthy for one in dispatcher.carrier_health()] == [False, True]
        dispatcher.execute(PlaceCall(leg=replace(LEG, leg_id="i1.2"), script="", ring_timeout_s=25))
        await asyncio.sleep(0.1)
        assert [leg_id for leg_id, _ in lines[1].asked] == ["i1.2"]
        await asyncio.sleep(40)
        dispatcher.execute(PlaceCall(leg=replace(LEG, leg_id="i1.3"), script="", ring_timeout_s=25))
        await asyncio.sleep(0.1)
        assert [leg_id for leg_id, _ in lines[0].asked] == [LEG.leg_id, "i1.3"]
        assert all(one.healthy for one in dispatcher.carrier_health())

    run(story, *lines)


@pytest.mark.parametrize(("others", "state"), [(1, LegState.FAILED), (0, LegState.PLACED)])
def test_a_call_is_given_up_when_it_is_lost_sight_of_and_another_carrier_can_go_on(others, state):
    lines = [Line("first", state=CarrierDown("no route")), *[Line("second")] * others]

    async def story(dispatcher, book):
        dispatcher.execute(PlaceCall(leg=LEG, script="", ring_timeout_s=25))
        await asyncio.sleep(10)
        assert book.states[-1] == (LEG.leg_id, state)
        assert dispatcher.counters.lost_sight == others

    run(story, *lines)


def test_a_leg_that_waited_its_turn_passes_a_carrier_that_stopped_answering_meanwhile():
    lines = [Line("first", says=["hangs"] * 2, concurrent=1), Line("second")]

    async def story(dispatcher, _book):
        for number in (1, 2, 3):
            leg = replace(LEG, leg_id=f"i1.{number}", phone=f"+861380013800{number}")
            dispatcher.execute(PlaceCall(leg=leg, script="", ring_timeout_s=25))
        await asyncio.sleep(5.1)
        assert [leg_id for leg_id, _ in lines[0].asked] == ["i1.1"]
        assert [leg_id for leg_id, _ in lines[1].asked] == ["i1.2", "i1.3"]

    run(story, *lines)
