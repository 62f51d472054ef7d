"""What an incident does next by itself, and when: the escalation clock of the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext

from gateway.told import IncidentView
from portal.words import span

WORDS: Mapping[str, tuple[object, object]] = {
    "call": (lazy_gettext("%(lasting)s后开始打电话"), lazy_gettext("马上开始打电话")),
    "next_person": (lazy_gettext("%(lasting)s内没有人接手就拨下一位"), lazy_gettext("马上拨下一位")),
    "again": (lazy_gettext("%(lasting)s后从头再次拨打"), lazy_gettext("马上从头再次拨打")),
    "unresolved": (
        lazy_gettext("%(lasting)s内没有处理完，会重新拨打所有人"),
        lazy_gettext("马上重新拨打所有人"),
    ),
}
"""What is said while there is time, and once it is up; by `gateway.told.NextStep`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A step to come: when, in words now, and the words a page counts down with (`%s` is the time left)."""

    at: datetime
    words: str
    within: str
    due: str


def next_step(view: IncidentView, now: datetime) -> Next | None:
    """What comes next, None where nothing does by itself (it is over, or its gateway does not say)."""
    if view.next_at is None or view.next_step is None:
        return None
    within, due = WORDS[view.next_step]
    left_s = (view.next_at - now).total_seconds()
    words = str(within) % {"lasting": span(max(1, round(left_s)) + 0.0)} if left_s > 0 else str(due)
    return Next(at=view.next_at, words=words, within=str(within) % {"lasting": "%s"}, due=str(due))
