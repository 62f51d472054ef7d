"""Fences and limits tried over what the portal stored of a wearer: the gateway's own rules, run here.

This module alone may know the rules, and only by their one door, `gateway.backtest` (docs/adr/0019).
It knows nobody's rights: whoever calls it has asked the policy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from markupsafe import Markup
from sqlalchemy.orm import Session

from gateway.backtest import (
    RuleTrial,
    Suspended,
    Trial,
    charts,
    fence_map,
    fences_of_tables,
    settings_in_force,
    settings_with,
    try_fences,
    try_rule,
    warm_up,
)
from gateway.errors import Problem
from gateway.model import FenceView, WearerView
from portal.care.models import Wearer
from portal.care.profile import versions as profiles
from portal.care.trial import history as trial_history

MOST_DAYS = 90
MOST_READINGS = 60_000
"""The newest so many readings are tried; older ones are cut off, and that is said."""
MOST_LOOKS = 300_000
"""Fixes times fences, as far as a trial looks; many fences, or fences of many corners, cut it sooner."""
CORNERS_A_LOOK = 8
"""So many corners cost as much as a circle does, where a vague fix near them is measured exactly."""
TRIED_HERE = ("vitals", "trend", "baseline")
"""The rules whose whole history the portal has: the others rest on frames and presses it does not store."""
AT_ONCE = 2
PHONE_WIDTH = 360
Lang = Literal["zh", "en"]

_running = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """So many trials run already that one more would make everybody wait."""


class Wrong(ValueError):
    """What was to be tried cannot be: everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A trial, the settings it was held to, and where its history was cut short (None: it was not)."""

    trial: Any
    settings: Any
    days: float
    cut_at: datetime | None


def rules_of(session: Session, wearer: Wearer) -> Mapping[str, Mapping[str, Any]]:
    """The wearer's own tables of rules, of the profile in force; none where the gateway told of none."""
    row = profiles.in_force(session, wearer)
    told = {} if row is None else msgspec.json.decode(row.body).get("rules", {})
    return told if isinstance(told, dict) else {}


def in_force(session: Session, wearer: Wearer, rule: str, community: Mapping[str, Any]) -> Any:
    """A rule's settings for a wearer as far as the portal knows them.

    `community` are the tables `[rules.*]` of the portal's own configuration file.
    """
    return settings_in_force(rule, community.get(rule, {}), rules_of(session, wearer).get(rule, {}))


def fences_in_force(wearer: Wearer) -> list[dict[str, Any]]:
    """The wearer's fences of today as tables that may be changed and tried."""
    views = [msgspec.convert(one, FenceView) for one in wearer.fences]
    tables: list[dict[str, Any]] = [msgspec.to_builtins(view) for view in views]
    return [{"id": table.pop("fence"), **table} for table in tables]


def days_of(given: Any) -> float:
    """A number of days; raises Wrong for one that is none, or too many."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 1 <= given <= MOST_DAYS:
        shown = "(missing)" if given is None else repr(given)[:60]
        raise Wrong((Problem("days", shown, f"a number of days from 1 to {MOST_DAYS}"),))
    return float(given)


def fences_tried(
    session: Session, wearer: Wearer, body: Any, community: Mapping[str, Any], now: datetime
) -> Told:
    """Try the fences of `{"fences": [tables], "days": n}`; raises Wrong or Busy."""
    body = _only(body, ("fences", "days"))
    settings = in_force(session, wearer, "fence", community)
    views, problems = fences_of_tables(body.get("fences"), settings)
    days = _days(body, problems)
    since = now - timedelta(days=days)
    with _one_of_few():
        heard = trial_history.heard(
            session,
            wearer,
            since=since - warm_up("fence"),
            until=now,
            most=most_fixes(views),
            vitals=False,
        )
        since = since if heard.cut_at is None else max(since, heard.cut_at)
        changes = ((at, Suspended(at=at, suspensions=kept)) for at, kept in _suspended(session, wearer, now))
        trial = try_fences(
            WearerView(wearer=wearer.code, name=wearer.name),
            tuple(trial_history.merged(heard.frames, changes)),
            trial_history.raised(session, wearer, since=since, until=now),
            today=settings,
            since=since,
            until=now,
            fences=views,
            changed={},
        )
    return Told(trial=trial, settings=settings, days=days, cut_at=_cut(heard.cut_at, since))


def limits_tried(
    session: Session, wearer: Wearer, body: Any, community: Mapping[str, Any], now: datetime
) -> Told:
    """Try the limits of `{"vitals": {...}, "days": n}`, or of another rule; raises Wrong or Busy."""
    body = _only(body, (*TRIED_HERE, "days"))
    named = [name for name in TRIED_HERE if name in body]
    if len(named) != 1:
        raise Wrong((Problem("vitals", "(missing)", "one table of limits: " + ", ".join(TRIED_HERE)),))
    rule = named[0]
    today = in_force(session, wearer, rule, community)
    tried, problems = settings_with(rule, today, body[rule])
    days = _days(body, problems)
    since = now - timedelta(days=days)
    with _one_of_few():
        heard = trial_history.heard(
            session, wearer, since=since - warm_up(rule), until=now, most=MOST_READINGS, vitals=True
        )
        since = since if heard.cut_at is None else max(since, heard.cut_at)
        trial = try_rule(
            WearerView(wearer=wearer.code, name=wearer.name),
            rule,
            heard.frames,
            trial_history.raised(session, wearer, since=since, until=now),
            today=today,
            tried=tried,
            since=since,
            until=now,
        )
    return Told(trial=trial, settings=tried, days=days, cut_at=_cut(heard.cut_at, since))


def most_fixes(views: tuple[FenceView, ...]) -> int:
    """How many fixes these fences may be held against in good time."""
    looks = sum(1 + _corners(view) / CORNERS_A_LOOK for view in views)
    return min(MOST_READINGS, int(MOST_LOOKS / max(looks, 1)))


def map_of(trial: Trial, layers: Mapping[str, Any], lang: Lang, *, phone: bool) -> Markup:
    """The map of a trial of fences as SVG; its words are escaped where they are drawn."""
    width = {"width": PHONE_WIDTH} if phone else {}
    kind = "trial-map narrow" if phone else "trial-map wide"
    return Markup(fence_map(trial, layers, lang, kind=kind, **width))  # noqa: S704 (drawn here, escaped there)


def charts_of(trial: RuleTrial, lang: Lang, *, phone: bool) -> Markup:
    """The charts of a trial of limits as SVG."""
    width = {"width": PHONE_WIDTH} if phone else {}
    kind = "trial-chart narrow" if phone else "trial-chart wide"
    return Markup("".join(charts(trial, lang, kind=kind, **width)))  # noqa: S704 (numbers and our own words)


def _suspended(session: Session, wearer: Wearer, until: datetime) -> Iterator[tuple[datetime, Any]]:
    return trial_history.suspended(session, wearer, until=until)


def _cut(cut_at: datetime | None, since: datetime) -> datetime | None:
    """A cut only counts where it shortened what was asked for, not the day before it."""
    return cut_at if cut_at is not None and cut_at >= since else None


def _days(body: dict[str, Any], problems: tuple[Problem, ...]) -> float:
    """The days, or Wrong with their problem after the others."""
    try:
        days = days_of(body.get("days"))
    except Wrong as error:
        raise Wrong((*problems, *error.problems)) from None
    if problems:
        raise Wrong(problems)
    return days


def _only(body: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Wrong((Problem("(body)", repr(body)[:60], "a JSON object"),))
    unknown = [key for key in body if key not in keys]
    if unknown:
        expected = "no such key; known: " + ", ".join(keys)
        raise Wrong(tuple(Problem(str(key)[:60], repr(body[key])[:60], expected) for key in unknown))
    return body


def _corners(view: FenceView) -> int:
    return sum(len(part.polygon) + len(part.line) + sum(map(len, part.holes)) for part in (view, *view.parts))


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _running.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _running.release()
