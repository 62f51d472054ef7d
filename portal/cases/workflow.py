"""How a case goes from "received" to "done": one literal table, who may do what, and the clock. Pure.

    received -> accepted -> forwarded (community | street | department) -> in_progress -> done -> closed
                                      waiting for the reporter pauses the clock        or reopened

Every (state, action) stands in the table; None means the action changes nothing there and is refused.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Final, Literal


class State(StrEnum):
    """Where a case stands."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    FORWARDED = "forwarded"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    """For the reporter's answer; the clock is paused."""
    DONE = "done"
    REOPENED = "reopened"
    CLOSED = "closed"
    """Done, and the reporter has rated it."""
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    """What can be done with a case."""

    ACCEPT = "accept"
    FORWARD = "forward"
    START = "start"
    ASK = "ask"
    ANSWER = "answer"
    REPLY = "reply"
    FINISH = "finish"
    DECLINE = "decline"
    RATE = "rate"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


Side = Literal["staff", "reporter"]
LEVELS: Final = ("community", "street", "department")
"""Who a case can be forwarded to, nearest first."""

SIDE: Final[dict[Action, Side]] = {
    Action.ACCEPT: "staff",
    Action.FORWARD: "staff",
    Action.START: "staff",
    Action.ASK: "staff",
    Action.ANSWER: "reporter",
    Action.REPLY: "staff",
    Action.FINISH: "staff",
    Action.DECLINE: "staff",
    Action.RATE: "reporter",
    Action.REOPEN: "reporter",
    Action.WITHDRAW: "reporter",
}

NEEDS_NOTE: Final = frozenset(
    {Action.ASK, Action.ANSWER, Action.REPLY, Action.FINISH, Action.DECLINE, Action.REOPEN}
)
"""Actions that say nothing without words."""

ENDS: Final = frozenset({State.DONE, State.CLOSED, State.DECLINED, State.WITHDRAWN})
"""States in which nobody of the staff owes anything; no clock runs."""

NO: Final = None
_S = State
_ORDER: Final = tuple(Action)
# fmt: off
_ROWS: Final[dict[State, tuple[State | None, ...]]] = {
    # state           accept       forward       start           ask         answer          reply           finish   decline      rate       reopen       withdraw  # noqa: E501  # one row a state
    _S.RECEIVED: (    _S.ACCEPTED, _S.FORWARDED, _S.IN_PROGRESS, _S.WAITING, NO,             _S.RECEIVED,    _S.DONE, _S.DECLINED, NO,        NO,          _S.WITHDRAWN),  # noqa: E501  # one row a state
    _S.ACCEPTED: (    NO,          _S.FORWARDED, _S.IN_PROGRESS, _S.WAITING, NO,             _S.ACCEPTED,    _S.DONE, _S.DECLINED, NO,        NO,          _S.WITHDRAWN),  # noqa: E501  # one row a state
    _S.FORWARDED: (   _S.ACCEPTED, _S.FORWARDED, _S.IN_PROGRESS, _S.WAITING, NO,             _S.FORWARDED,   _S.DONE, _S.DECLINED, NO,        NO,          _S.WITHDRAWN),  # noqa: E501  # one row a state
    _S.IN_PROGRESS: ( NO,          _S.FORWARDED, NO,             _S.WAITING, NO,             _S.IN_PROGRESS, _S.DONE, _S.DECLINED, NO,        NO,          _S.WITHDRAWN),  # noqa: E501  # one row a state
    _S.WAITING: (     NO,          NO,           _S.IN_PROGRESS, NO,         _S.IN_PROGRESS, _S.WAITING,     _S.DONE, _S.DECLINED, NO,        NO,          _S.WITHDRAWN),  # noqa: E501  # one row a state
    _S.DONE: (        NO,          NO,           NO,             NO,         NO,             _S.DONE,        NO,      NO,          _S.CLOSED, _S.REOPENED, NO),  # noqa: E501  # one row a state
    _S.REOPENED: (    _S.ACCEPTED, _S.FORWARDED, _S.IN_PROGRESS, _S.WAITING, NO,             _S.REOPENED,    _S.DONE, _S.DECLINED, NO,        NO,          _S.WITHDRAWN),  # noqa: E501  # one row a state
    _S.CLOSED: (      NO,          NO,           NO,             NO,         NO,             _S.CLOSED,      NO,      NO,          NO,        _S.REOPENED, NO),  # noqa: E501  # one row a state
    _S.DECLINED: (    NO,          NO,           NO,             NO,         NO,             _S.DECLINED,    NO,      NO,          NO,        _S.REOPENED, NO),  # noqa: E501  # one row a state
    _S.WITHDRAWN: (   NO,          NO,           NO,             NO,         NO,             NO,             NO,      NO,          NO,        NO,          NO),  # noqa: E501  # one row a state
}
# fmt: on
TABLE: Final[dict[tuple[State, Action], State | None]] = {
    (state, action): to for state, row in _ROWS.items() for action, to in zip(_ORDER, row, strict=True)
}


def actions(state: State, side: Side) -> tuple[Action, ...]:
    """Give what one side can do now, in the order of `Action`."""
    return tuple(action for action in Action if SIDE[action] == side and TABLE[state, action] is not None)


def next_due(
    *,
    to: State,
    was: State,
    limit_h: float | None,
    due_at: dt.datetime | None,
    left_s: float | None,
    now: dt.datetime,
) -> tuple[dt.datetime | None, float | None]:
    """Give the new deadline and the seconds kept for later, when a case goes from `was` to `to`.

    1. An end has no deadline.
    2. Waiting for the reporter stops the clock and keeps what was left of it.
    3. Coming back from waiting starts it again with what was kept.
    4. Staying in a state changes nothing.
    5. Entering a state starts the limit of that state (hours), if it has one.
    """
    if to in ENDS:
        return None, None
    if to is was:
        return due_at, left_s
    if to is State.WAITING:
        return None, (due_at - now).total_seconds() if due_at is not None else None
    if was is State.WAITING:
        return (now + dt.timedelta(seconds=left_s), None) if left_s is not None else (None, None)
    if limit_h is None:
        return due_at, None
    return now + dt.timedelta(hours=limit_h), None
