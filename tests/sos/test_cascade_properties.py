"""What must hold for every incident, whatever happens to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

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
    PlaceCall,
    PressedAgain,
    Resolved,
    SendText,
    TimerDue,
)
from sos.incident import PHASE_ENDS, Phase, Subject
from sos.moves import TIMERS
from sos.plan import Contact, Plan
from sos.telling import USEFUL
from sos.texts import PURPOSES

PAGE = Path(__file__).parents[2] / "docs" / "sos.md"
EVENTS = Event.__args__
PEOPLE = tuple(
    Contact(contact=f"c{number}", name=f"人{number}", phone=f"+861380013800{number}") for number in range(5)
)


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

    def __init__(self, plan, at):
        self.now = at
        self.incident = open_incident(
            incident_id="i1",
            ref="A7K2",
            wearer="w",
            subject=Subject(name="张桂兰", kind="sos"),
            plan=plan,
            at=at,
            lat=31.15,
            lon=121.10,
        )
        self.calls = {}
        self.legs = []
        self.placed = set()
        self.history = []
        self.keyed = False
        self.tell(Opened())

    def tell(self, event):
        before = self.incident
        after, orders = step(before, event, self.now)
        assert step(before, event, self.now) == (after, orders)
        cell = TABLE[before.phase, type(event)]
        assert after.phase in {before.phase, *cell.to}, f"{before.phase} {event} led to {after.phase}"
        self.incident = after
        self.history.append(event)
        for order in orders:
            if isinstance(order, PlaceCall):
                self._dialled(order.leg)
            elif isinstance(order, SendText):
                self.legs.append(order.leg)
        self._is_alive()
        if isinstance(event, KeyPressed) and event.digit == "1" and event not in self.history[:-1]:
            assert after.phase in {Phase.ACKNOWLEDGED, *PHASE_ENDS}

    def _dialled(self, leg):
        assert self.incident.phase is Phase.NOTIFYING
        key = (leg.round, leg.contact)
        for earlier in self.calls.get(key, []):
            assert earlier.leg_id not in self.placed, f"{leg.leg_id} dials {leg.contact} twice in one round"
            assert earlier.attempt < leg.attempt
        self.calls.setdefault(key, []).append(leg)
        self.legs.append(leg)

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
            assert not incident.open_calls() or all(
                facts.leg.leg_id != incident.calling for facts in incident.open_calls()
            )
        elif incident.phase is Phase.RESOLVED:
            assert not names
        assert len(incident.legs) <= 150 or incident.open_calls()
        if incident.calling is not None:
            assert incident.phase is Phase.NOTIFYING

    def report(self, leg, state):
        """The world is honest: what was placed is never called absent, and the other way round."""
        if state is LegState.ABSENT and leg.leg_id in self.placed:
            state = LegState.RINGING
        if state not in {
            LegState.ORDERED,
            LegState.INTENDED,
            LegState.AMBIGUOUS,
            LegState.ABSENT,
            LegState.FAILED,
        }:
            if any(
                isinstance(e, LegReported) and e.leg_id == leg.leg_id and e.state is LegState.ABSENT
                for e in self.history
            ):
                state = LegState.ABSENT
            else:
                self.placed.add(leg.leg_id)
        self.tell(LegReported(leg_id=leg.leg_id, state=state, at=self.now))


PLANS = st.builds(
    Plan,
    family=st.integers(0, 3).map(lambda count: PEOPLE[:count]),
    staff=st.integers(0, 2).map(lambda count: PEOPLE[3 : 3 + count]),
    texts=st.booleans(),
    calls=st.sampled_from([True, True, True, False]),
    calls_after_s=st.sampled_from([0, 0, 60]),
    rounds=st.integers(1, 3),
    repeat_after_s=st.sampled_from([10, 300]),
    position_text_interval_s=st.sampled_from([0, 120]),
)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["report"] * 8
            + ["timer"] * 4
            + ["again", "press", "move", "key1", "key2", "ack", "cancel", "resolve"]
        ),
        st.integers(0, 10_000),
        st.sampled_from([*LegState]),
        st.integers(0, 90),
    ),
    max_size=60,
)


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
                world.tell(PressedAgain(at=world.now, lat=31.15 + pick * 1e-6, lon=121.10))
            case "move":
                world.tell(Moved(at=world.now, lat=31.15 + pick * 1e-6, lon=121.10))
            case "key1" | "key2" if legs:
                world.tell(KeyPressed(leg_id=legs[pick % len(legs)].leg_id, digit=what[-1], at=world.now))
            case "ack":
                world.tell(Acknowledged(by="周敏", at=world.now))
            case "cancel":
                world.tell(CancelPressed(at=world.now))
            case "resolve" if pick % 5 == 0:
                world.tell(Resolved(by="周敏", at=world.now))


@settings(max_examples=250, deadline=None)
@given(plan=PLANS, acts=ACTS)
def test_whatever_happens_nobody_is_dialled_twice_and_nothing_is_forgotten(plan, acts):
    play(World(plan, datetime(2026, 3, 1, 12, 3, tzinfo=UTC)), acts)


@settings(max_examples=60, deadline=None)
@given(plan=PLANS.filter(lambda plan: plan.calls and (plan.family or plan.staff)), acts=ACTS)
def test_left_alone_every_open_incident_rings_somebody_again(plan, acts):
    world = World(plan, datetime(2026, 3, 1, 12, 3, tzinfo=UTC))
    play(world, acts)
    calls = sum(leg.channel is Channel.CALL for leg in world.legs)
    for _ in range(80):
        if world.incident.is_over:
            return
        timer = min(world.incident.timers, key=lambda one: one.due_at)
        world.now = max(world.now, timer.due_at)
        world.tell(TimerDue(name=timer.name, due_at=timer.due_at))
    assert sum(leg.channel is Channel.CALL for leg in world.legs) > calls


def test_every_timer_the_cascade_knows_has_a_phase_that_honours_it():
    assert all(phases for phases, _ in TIMERS.values())
    assert {state for state in LegState if state in LEG_ENDS} >= {LegState.ABSENT, LegState.CONFIRMED}
