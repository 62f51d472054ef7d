"""How a case goes: the table, the sides, the clock."""

from __future__ import annotations

import datetime as dt
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from portal.cases.workflow import ENDS, SIDE, TABLE, Action, State, actions, next_due

NOW = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)


def test_the_table_knows_every_action_in_every_state():
    assert set(TABLE) == set(product(State, Action))
    assert set(SIDE) == set(Action)


def test_every_state_can_be_reached_and_every_open_one_can_end():
    reached = {State.RECEIVED}
    for _ in State:
        reached |= {to for (state, _), to in TABLE.items() if state in reached and to is not None}
    assert reached == set(State)
    for state in set(State) - ENDS:
        assert TABLE[state, Action.FINISH] is State.DONE
        assert TABLE[state, Action.DECLINE] is State.DECLINED


def test_the_way_of_a_report_from_received_to_rated():
    state = State.RECEIVED
    for action in (Action.ACCEPT, Action.FORWARD, Action.START, Action.FINISH, Action.RATE):
        state = TABLE[state, action]
    assert state is State.CLOSED


def test_a_reporter_who_is_not_satisfied_sends_it_back():
    assert TABLE[State.DONE, Action.REOPEN] is State.REOPENED
    assert TABLE[State.REOPENED, Action.ACCEPT] is State.ACCEPTED


def test_what_was_withdrawn_stays_withdrawn():
    assert {TABLE[State.WITHDRAWN, action] for action in Action} == {None}


def test_each_side_has_only_its_own_actions():
    for state in State:
        assert not set(actions(state, "staff")) & set(actions(state, "reporter"))
    assert actions(State.DONE, "reporter") == (Action.RATE, Action.REOPEN)
    assert Action.FINISH not in actions(State.RECEIVED, "reporter")


def test_waiting_for_the_reporter_stops_the_clock_and_the_answer_starts_it_again():
    due_at, left_s = next_due(
        to=State.WAITING,
        was=State.IN_PROGRESS,
        limit_h=None,
        due_at=NOW + dt.timedelta(hours=5),
        left_s=None,
        now=NOW,
    )
    assert (due_at, left_s) == (None, 5 * 3600)
    later = NOW + dt.timedelta(days=9)
    due_at, left_s = next_due(
        to=State.IN_PROGRESS, was=State.WAITING, limit_h=72, due_at=None, left_s=left_s, now=later
    )
    assert (due_at, left_s) == (later + dt.timedelta(hours=5), None)


@given(st.sampled_from(State), st.sampled_from(State), st.floats(0, 1000) | st.none())
def test_an_end_owes_nothing(to, was, limit_h):
    due_at, left_s = next_due(to=to, was=was, limit_h=limit_h, due_at=NOW, left_s=None, now=NOW)
    if to in ENDS:
        assert (due_at, left_s) == (None, None)
    elif to is was:
        assert due_at == NOW
    elif limit_h is not None and State.WAITING not in {to, was}:
        assert due_at == NOW + dt.timedelta(hours=limit_h)
