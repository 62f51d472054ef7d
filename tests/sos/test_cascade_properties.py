"""What must hold for every incident, whatever happens to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sos.cascade import TABLE, as_diagram, as_markdown, open_incident, step
from sos.draft import RANK
from sos.events import (
    LEG_ENDS,
    Acknowledged,
    CancelPressed,
    Channel,
    Event,
    KeyPressed,
    LegReported,
    LegState,
    Moved,
    Opened,
    Order,
    PlaceCall,
    PressedAgain,
    Resolved,
    SendBeidou,
    SendText,
    SoundSiren,
    TimerDue,
)
from sos.incident import PHASE_ENDS, Incident, Phase
from sos.last_resort import BEIDOU_AGAIN_S, STUCK_S
from sos.moves import TIMERS
from sos.plan import Contact, Plan
from sos.shifts import parse_shift
from sos.subject import Subject
from sos.telling import USEFUL
from sos.texts import PURPOSES

PAGE = Path(__file__).parents[2] / "docs" / "sos.md"
EVENTS = Event.__args__
ORDERS = {order.__name__: order for order in Order.__args__}
PEOPLE = tuple(
    Contact(contact=f"c{number}", name=f"人{number}", phone=f"+861380013800{number}") for number in range(3)
)
STAFF = tuple(
    Contact(contact=f"s{number}", name=f"班{number}", phone=f"+861380013809{number}", role="staff")
    for number in range(3)
)
TWIN = Contact(contact="twin", name="同机", phone=PEOPLE[0].phone)
STATIONS = tuple(
    Contact(contact=f"b{number}", name=f"站{number}", phone=f"12345{number}", role="station")
    for number in range(2)
)
SHIFTS = (
    (),
    (parse_shift("daily 08:00-20:00"),),
    (parse_shift("daily 20:00-08:00"),),
    (parse_shift("mon 0:00-1:00"),),
)
NOT_PLACED = {
    LegState.ORDERED,
    LegState.INTENDED,
    LegState.AMBIGUOUS,
    LegState.ABSENT,
    LegState.FAILED,
    LegState.UNREACHED,
}


def test_the_table_has_an_answer_for_every_phase_and_event():
    assert set(TABLE) == {(phase, event) for phase in Phase for event in EVENTS}
    assert all(cell.says for cell in TABLE.values())


def test_every_state_of_a_leg_has_a_rank_and_every_purpose_its_words():
    assert set(RANK) == set(LegState)
    assert set(USEFUL) == set(PURPOSES)


def test_only_the_two_ends_have_no_way_to_ring_again():
    for phase in Phase:
        leads = {to for (start, _), cell in TABLE.items() if start is phase for to in cell.to}
        assert bool(leads) == (phase is not Phase.RESOLVED)
    assert {Phase.RESOLVED, Phase.CANCELLED} == PHASE_ENDS


@pytest.mark.parametrize("made", [as_markdown, as_diagram])
def test_the_page_shows_the_table_as_it_is(made):
    assert made() in PAGE.read_text("utf-8")


# --------------------------------------------------------------------------- a world to run in


class World:
    """Carriers and people that do anything at all, but know what they did."""

    def __init__(self, plan, at, *, drill=False, incident_id="i1"):
        self.now = at
        self.incident = open_incident(
            incident_id=incident_id,
            ref="A7K2",
            wearer="w",
            subject=Subject(name="张桂兰", kind="sos", beidou_number=7),
            plan=plan,
            at=at,
            lat=31.15,
            lon=121.10,
            drill=drill,
        )
        self.calls = {}
        self.legs = []
        self.ids = set()
        self.placed = set()
        self.history = []
        self.stations = {}
        self.tell(Opened())

    def tell(self, event):
        before = self.incident
        after, orders = step(before, event, self.now)
        self._survives_the_disk(before, event, after, orders)
        cell = TABLE[before.phase, type(event)]
        assert after.phase in {before.phase, *cell.to}, f"{before.phase} {event} led to {after.phase}"
        self.incident = after
        self.history.append(event)
        for order in orders:
            if isinstance(order, PlaceCall | SendText | SendBeidou | SoundSiren):
                assert order.leg.leg_id not in self.ids, f"{order.leg.leg_id} is ordered twice"
                self.ids.add(order.leg.leg_id)
                self.legs.append(order.leg)
            if isinstance(order, PlaceCall):
                self._dialled(order.leg)
            elif isinstance(order, SendBeidou):
                self._sent_to_a_station(order)
        self._is_alive()
        self._is_as_loud_as_it_should_be(before)
        if isinstance(event, KeyPressed) and event.digit == "1" and event not in self.history[:-1]:
            assert after.takers or after.phase in PHASE_ENDS

    def _survives_the_disk(self, before, event, after, orders):
        """What a restarted gateway reads decides exactly as what was in memory."""
        read = msgspec.json.decode(msgspec.json.encode(before), type=Incident)
        assert read == before
        assert step(read, event, self.now) == (after, orders)
        for order in orders:
            assert msgspec.json.decode(msgspec.json.encode(order), type=type(order)) == order

    def _dialled(self, leg):
        incident = self.incident
        assert incident.phase is Phase.NOTIFYING
        assert not incident.has_taken(incident.contact(leg.contact)), f"{leg.contact} has it and is rung"
        key = (leg.round, leg.contact)
        for earlier in self.calls.get(key, []):
            assert earlier.leg_id not in self.placed, f"{leg.leg_id} dials {leg.contact} twice in one round"
            assert earlier.attempt < leg.attempt
        self.calls.setdefault(key, []).append(leg)

    def _sent_to_a_station(self, order):
        assert not self.incident.takers
        assert len(bytes.fromhex(order.body)) == 20
        last = self.stations.get(order.leg.contact)
        assert last is None or self.now - last >= timedelta(seconds=BEIDOU_AGAIN_S - 1)
        self.stations[order.leg.contact] = self.now

    def _is_alive(self):
        incident = self.incident
        names = {timer.name for timer in incident.timers}
        calling = incident.leg(incident.calling or "")
        if incident.phase is Phase.NOTIFYING:
            assert (calling is not None and calling.is_open and "guard" in names) or names & {
                "calls",
                "settle",
                "pause",
            }
        elif incident.phase is Phase.EXHAUSTED:
            assert "repeat" in names
        elif incident.phase is Phase.ACKNOWLEDGED:
            assert "ack" in names
        elif incident.phase is Phase.RESOLVED:
            assert names <= ({"texts"} if incident.drill else set())
        if incident.calling is not None:
            assert incident.phase is Phase.NOTIFYING
        assert len(incident.legs) <= 150 or incident.open_calls()

    def _is_as_loud_as_it_should_be(self, before):
        incident = self.incident
        if incident.phase in {Phase.ACKNOWLEDGED, Phase.RESOLVED, Phase.CANCELLED}:
            assert not incident.open_calls() or incident.phase is before.phase
        if incident.phase is Phase.EXHAUSTED:
            assert not incident.takers
            assert not incident.drill
            if before.phase is not Phase.EXHAUSTED and incident.plan.siren:
                assert incident.open_sirens(), "everybody was rung in vain"
        if incident.phase is Phase.ACKNOWLEDGED:
            assert incident.takers
        if incident.open_sirens():
            assert incident.phase in {Phase.NOTIFYING, Phase.EXHAUSTED}
            assert not incident.takers
            assert not incident.drill
            assert len(incident.open_sirens()) == 1

    def report(self, leg, state):
        """The world is honest: what was placed is never called absent, and the other way round."""
        if state in {LegState.ABSENT, LegState.UNREACHED} and leg.leg_id in self.placed:
            state = LegState.RINGING
        if state not in NOT_PLACED:
            gone = {LegState.ABSENT, LegState.UNREACHED}
            heard = [e for e in self.history if isinstance(e, LegReported) and e.leg_id == leg.leg_id]
            if any(event.state in gone for event in heard):
                state = LegState.ABSENT
            else:
                self.placed.add(leg.leg_id)
        self.tell(LegReported(leg_id=leg.leg_id, state=state, at=self.now))


def _with_shifts(count, shifts):
    return tuple(replace(one, shifts=hours) for one, hours in zip(STAFF[:count], shifts, strict=False))


PLANS = st.builds(
    Plan,
    family=st.sampled_from([(), PEOPLE[:1], PEOPLE[:2], PEOPLE, (*PEOPLE[:2], TWIN)]),
    staff=st.builds(_with_shifts, st.integers(0, 3), st.tuples(*[st.sampled_from(SHIFTS)] * 3)),
    stations=st.integers(0, 2).map(lambda count: STATIONS[:count]),
    acks_wanted=st.integers(1, 3),
    siren=st.booleans(),
    call_back=st.booleans(),
    texts=st.booleans(),
    calls=st.sampled_from([True, True, True, False]),
    calls_after_s=st.sampled_from([0, 0, 60]),
    rounds=st.integers(1, 3),
    repeat_after_s=st.sampled_from([10, 300]),
    position_text_interval_s=st.sampled_from([0, 120]),
)
ACT = st.tuples(
    st.sampled_from(
        ["report"] * 8
        + ["timer"] * 4
        + ["dead"] * 3
        + ["again", "press", "move", "key1", "key2", "key3", "ack", "cancel", "resolve"]
    ),
    st.integers(0, 10_000),
    st.sampled_from([*LegState]),
    st.integers(0, 90),
)
ACTS = st.one_of(*(st.lists(ACT, min_size=least, max_size=60) for least in (0, 20, 40)))
"""Long ones on purpose: hypothesis prefers lists of five, and rounds need more."""


def play(world, acts):  # noqa: C901 - one arm for each kind of thing that can happen
    for what, pick, state, seconds in acts:
        world.now += timedelta(seconds=seconds)
        legs, timers = world.legs, sorted(world.incident.timers, key=lambda timer: timer.due_at)
        match what:
            case "report" if legs:
                world.report(legs[-1 - pick % min(len(legs), 6)], state)
            case "timer" if timers:
                timer = timers[pick % len(timers)]
                world.now = max(world.now, timer.due_at)
                world.tell(TimerDue(name=timer.name, due_at=timer.due_at))
            case "again" if world.history:
                world.tell(world.history[pick % len(world.history)])
            case "press":
                lat, worse = 31.15 + pick * 1e-6, world.incident.subject if pick % 2 else None
                world.tell(PressedAgain(at=world.now, lat=lat, lon=121.10, worse=worse))
            case "move":
                world.tell(Moved(at=world.now, lat=31.15 + pick * 1e-6, lon=121.10))
            case "dead" if legs:
                world.report(legs[-1 - pick % min(len(legs), 6)], LegState.UNREACHED)
            case "key1" | "key2" | "key3" if legs:
                world.tell(KeyPressed(leg_id=legs[pick % len(legs)].leg_id, digit=what[-1], at=world.now))
            case "ack":
                contact = (*world.incident.plan.family, *world.incident.plan.staff, *STATIONS)[
                    pick % 2
                ].contact
                world.tell(Acknowledged(by="周敏", at=world.now, contact=contact if pick % 3 else ""))
            case "cancel" if pick % 3 == 0:
                world.tell(CancelPressed(at=world.now))
            case "resolve" if pick % 5 == 0:
                world.tell(Resolved(by="周敏", at=world.now))


STARTS = st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 8)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware at once


@settings(max_examples=300, deadline=None)
@given(plan=PLANS, acts=ACTS, at=STARTS, drill=st.sampled_from([False, False, False, True]))
def test_whatever_happens_nobody_is_dialled_twice_and_nothing_is_forgotten(plan, acts, at, drill):
    play(World(plan, at, drill=drill), acts)


@settings(max_examples=80, deadline=None)
@given(plan=PLANS.filter(lambda plan: plan.calls and (plan.family or plan.staff)), acts=ACTS, at=STARTS)
def test_left_alone_every_open_incident_rings_somebody_again(plan, acts, at):
    world = World(plan, at)
    play(world, acts)
    calls = sum(leg.channel is Channel.CALL for leg in world.legs)
    for _ in range(200):
        if world.incident.is_over:
            return
        timer = min(world.incident.timers, key=lambda one: one.due_at)
        world.now = max(world.now, timer.due_at)
        world.tell(TimerDue(name=timer.name, due_at=timer.due_at))
    assert sum(leg.channel is Channel.CALL for leg in world.legs) > calls


@settings(max_examples=60, deadline=None)
@given(plan=PLANS, acts=ACTS, at=STARTS)
def test_left_alone_every_drill_comes_to_its_end(plan, acts, at):
    world = World(plan, at, drill=True)
    play(world, acts)
    for _ in range(300):
        if world.incident.phase in PHASE_ENDS:
            return
        timer = min(world.incident.timers, key=lambda one: one.due_at)
        world.now = max(world.now, timer.due_at)
        world.tell(TimerDue(name=timer.name, due_at=timer.due_at))
    raise AssertionError(world.incident)


@settings(max_examples=25, deadline=None)
@given(plan=PLANS.filter(lambda plan: plan.stations and (plan.texts or plan.calls)), at=STARTS)
def test_while_no_telephone_works_the_stations_hear_of_it_and_the_ladder_goes_on(plan, at):
    """Nothing ever leaves the house: every leg ends unreached, for twenty-five minutes."""
    world = World(plan, at)
    end, reported = at + timedelta(minutes=25), 0
    while world.now < end:
        if reported < len(world.legs):
            leg, reported = world.legs[reported], reported + 1
            if leg.channel in {Channel.TEXT, Channel.CALL}:
                world.now += timedelta(seconds=1)
                world.report(leg, LegState.UNREACHED)
        else:
            timer = min(world.incident.timers, key=lambda one: one.due_at)
            world.now = max(world.now, timer.due_at)
            world.tell(TimerDue(name=timer.name, due_at=timer.due_at))
    someone = plan.family or plan.staff
    sent = [leg for leg in world.legs if leg.channel is Channel.BEIDOU]
    assert not someone or len(sent) >= len(plan.stations)
    silent_s = max((world.now - at).total_seconds() for at in world.stations.values()) if sent else 0
    assert silent_s <= max(STUCK_S, BEIDOU_AGAIN_S) + plan.repeat_after_s + 120
    if plan.siren:
        assert not someone or world.incident.open_sirens()


def test_every_timer_the_cascade_knows_has_a_phase_that_honours_it():
    assert all(phases for phases, _ in TIMERS.values())
    assert {state for state in LegState if state in LEG_ENDS} >= {LegState.ABSENT, LegState.CONFIRMED}
