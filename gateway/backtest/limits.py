"""Limits tried over what was heard of a wearer: any rule but the fences, beside the settings in force."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway import plugins
from gateway.backtest.compared import compare
from gateway.backtest.readings import Measured, measured, quantity_of
from gateway.backtest.stage import Suspended, replay
from gateway.model import Alarm, Envelope, WearerView
from gateway.rules.fence import FenceRule
from gateway.rules.vitals_settings import VitalsSettings, quantities

WEEK = timedelta(days=7)
WARM_UPS = {"baseline": timedelta(days=11), "vitals_missing": timedelta(days=8)}
"""What these learn from: so much before the asked time is heard too; of the others a day."""
A_DAY = timedelta(days=1)
NOT_TRIED = frozenset({FenceRule.name, "sos"})
"""Fences have a trial of their own, and what a band itself raises is never weighed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One alarm: whether the settings in force would have raised it too, and whether it really was raised.

    `number` is None for one the tried settings would not have raised.
    `lasted_s`: from the first reading beyond the limit to the first that was not; None where none was seen.
    """

    number: int | None
    alarm: Alarm
    lasted_s: float | None
    in_force: bool
    was: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One limit as a line of a chart: `tried`, or what is in force where that is another value."""

    code: str
    value: float
    critical: bool
    tried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrial:
    """What a rule would have raised with the settings tried, and with those in force.

    `changed`: by key the value in force and the one tried.
    `found` are the would-be alarms, `gone` those of the settings in force, or really raised, that are not
    among them; both in order.
    `raised` counts what was really raised by this rule, `in_force` what its settings of today would have.
    """

    wearer: str
    name: str
    rule: str
    since: datetime
    until: datetime
    changed: Mapping[str, tuple[Any, Any]]
    frames: int
    first_at: datetime | None
    readings: Mapping[str, tuple[Measured, ...]]
    lines: Mapping[str, tuple[Line, ...]]
    found: tuple[Episode, ...]
    gone: tuple[Episode, ...]
    in_force: int
    raised: int

    @property
    def weeks(self) -> float:
        """How many weeks the trial covers."""
        return (self.until - self.since) / WEEK


def warm_up(rule: str) -> timedelta:
    """How much before the asked time a rule must hear to judge as the gateway's own does."""
    return WARM_UPS.get(rule, A_DAY)


def rules_to_try() -> tuple[str, ...]:
    """The names of the rules `try_rule` knows."""
    return tuple(name for name in plugins.names("rule") if name not in NOT_TRIED)


def try_rule(
    view: WearerView,
    rule: str,
    frames: Sequence[Envelope | Suspended],
    raised: Iterable[Alarm],
    *,
    today: Any,
    tried: Any,
    since: datetime,
    until: datetime,
) -> RuleTrial:
    """Run a rule with `tried`, and with `today`, over [since, until) of a wearer's history.

    `frames` are what was heard from `warm_up` before `since` on.
    `raised` is what was raised in [since, until), mere notices too; alarms of other rules are passed over.
    Raises KeyError for a rule that is not tried here (`rules_to_try`).
    """
    if rule not in rules_to_try():
        raise KeyError(rule)
    would = _alarms(view, rule, frames, tried, since=since, until=until)
    now = would if tried == today else _alarms(view, rule, frames, today, since=since, until=until)
    was = [one for one in raised if raised_by(rule, one) and not one.drill]
    readings = measured(frames, since=since)
    to_now, to_was = compare(would, now), compare(would, was)
    of_now, of_was = ({one.alarm_id for one, _ in each.both} for each in (to_now, to_was))
    found = tuple(
        Episode(
            number=number,
            alarm=one,
            lasted_s=_lasted_s(one, readings),
            in_force=one.alarm_id in of_now,
            was=one.alarm_id in of_was,
        )
        for number, one in enumerate(would, start=1)
    )
    heard = [one for one in frames if not isinstance(one, Suspended) and one.received_at >= since]
    return RuleTrial(
        wearer=view.wearer,
        name=view.name,
        rule=rule,
        since=since,
        until=until,
        changed=changes(today, tried),
        frames=len(heard),
        first_at=heard[0].received_at if heard else None,
        readings=readings,
        lines=lines(today, tried),
        found=found,
        gone=_gone(to_now.only_raised, to_was.only_raised, readings),
        in_force=len(now),
        raised=len(was),
    )


def raised_by(rule: str, alarm: Alarm) -> bool:
    """Whether a rule raised an alarm: the alarm's id begins with the rule's name, or with its kind."""
    begins = {"battery": "low_battery"}.get(rule, rule)
    return alarm.alarm_id.startswith(f"{begins}.")


def changes(today: Any, tried: Any) -> dict[str, tuple[Any, Any]]:
    """Give every key in which two settings of a rule differ, with both values."""
    before, after = msgspec.structs.asdict(today), msgspec.structs.asdict(tried)
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def lines(today: Any, tried: Any) -> dict[str, tuple[Line, ...]]:
    """Give the limits of the vitals rule as lines by quantity; no other rule's are constant."""
    if not isinstance(tried, VitalsSettings) or not isinstance(today, VitalsSettings):
        return {}
    drawn: dict[str, tuple[Line, ...]] = {}
    for name, after, before in zip(VITALS, quantities(tried), quantities(today), strict=True):
        old = {one.code: one.limit for one in before.limits}
        made = [
            Line(code=one.code, value=one.limit, critical=one.severity == "critical", tried=True)
            for one in after.limits
        ]
        new = {one.code: one.value for one in made}
        made += [
            Line(code=one.code, value=one.limit, critical=one.severity == "critical", tried=False)
            for one in before.limits
            if new.get(one.code) != old[one.code]
        ]
        drawn[name] = tuple(made)
    return drawn


VITALS = ("heart_rate", "systolic", "diastolic", "spo2", "body_temp")
"""The quantities of `gateway.rules.vitals_settings.Quantities`, in its order."""


def _alarms(
    view: WearerView,
    rule: str,
    frames: Sequence[Envelope | Suspended],
    settings: Any,
    *,
    since: datetime,
    until: datetime,
) -> tuple[Alarm, ...]:
    built = plugins.get("rule", rule)(view, settings)
    return tuple(one for one in replay(built, frames, until=until, notices=True) if one.at >= since)


def _gone(
    of_now: Iterable[Alarm], of_was: Sequence[Alarm], readings: Mapping[str, tuple[Measured, ...]]
) -> tuple[Episode, ...]:
    """What the settings tried would not have raised: of those in force, and of what was really raised."""
    both = compare(of_now, of_was)
    pairs = [(one, True, True) for one, _ in both.both]
    pairs += [(one, True, False) for one in both.only_would]
    pairs += [(one, False, True) for one in both.only_raised]
    return tuple(
        Episode(number=None, alarm=one, lasted_s=_lasted_s(one, readings), in_force=now, was=was)
        for one, now, was in sorted(pairs, key=lambda pair: pair[0].at)
    )


def _lasted_s(alarm: Alarm, readings: Mapping[str, tuple[Measured, ...]]) -> float | None:
    """Seconds from the first reading beyond the limit to the first one that was not."""
    why, quantity = alarm.why, quantity_of(alarm.why.code)
    if why.limit is None or not quantity or alarm.why.since is None:
        return None
    low = why.code.endswith(("_low", "_fall"))
    values = readings[quantity]
    later = range(bisect_right(values, alarm.at, key=lambda one: one.at), len(values))
    back = (
        values[number].at
        for number in later
        if (values[number].value >= why.limit if low else values[number].value <= why.limit)
    )
    back_at = next(back, None)
    return None if back_at is None else (back_at - alarm.why.since).total_seconds()
