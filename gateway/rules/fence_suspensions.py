"""Fences that do not count until a time somebody named: "out with the daughter till six"."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from gateway.effects import SetTimer
from gateway.model import FenceSuspension
from sos.events import TimerDue

TIMER = "resume:"
"""The timer of a suspension is this and its fence's id, or this alone where all fences are suspended."""
LONGEST = timedelta(days=7)
"""A longer absence is a change of the fences, not a suspension."""

Suspensions = tuple[FenceSuspension, ...]


def check(order: FenceSuspension, fences: Collection[str], now: datetime) -> None:
    """Raise ValueError, in words, unless such a fence can be suspended until that time."""
    if not fences:
        raise ValueError("this wearer has no fence")
    if order.fence and order.fence not in fences:
        raise ValueError(f"there is no fence {order.fence}; known: {', '.join(sorted(fences))}")
    if order.until.tzinfo is None or order.until <= now:
        raise ValueError("the end of a suspension lies in the future")
    if order.until - now > LONGEST:
        raise ValueError(f"a suspension lasts at most {LONGEST.days} days")
    if not order.by:
        raise ValueError("a suspension needs the name of who orders it")


def added(known: Suspensions, order: FenceSuspension) -> Suspensions:
    """Give the suspensions with one more; the one before it of the same fence, or of all, is replaced."""
    return (*(one for one in known if one.fence != order.fence), order)


def suspended(known: Suspensions, fence: str, at: datetime) -> bool:
    """Whether a fence does not count at a time."""
    return any(one.fence in ("", fence) and at < one.until for one in known)


def named(known: Suspensions, fence: str) -> Suspensions:
    """Give the suspensions of a fence, of every fence for ""; raises ValueError when there is none."""
    found = tuple(one for one in known if fence in ("", one.fence))
    if not found:
        everything = any(not one.fence for one in known)
        raise ValueError(
            "all fences are suspended together: resume them together"
            if everything
            else "nothing of this wearer's is suspended"
        )
    return found


def due(known: Suspensions, event: TimerDue) -> Suspensions:
    """Give the suspension whose timer rang; none when it was ended or moved since."""
    slack = timedelta(seconds=1)  # stores round times
    return tuple(
        one for one in known if event.name == TIMER + one.fence and one.until <= event.due_at + slack
    )


def timer(order: FenceSuspension) -> SetTimer:
    """Give the timer that ends a suspension."""
    return SetTimer(name=TIMER + order.fence, due_at=order.until)
