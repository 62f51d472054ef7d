"""One limit of one quantity, and the row of readings beyond it: sustained, hysteresis, cool-down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from gateway.effects import RaiseAlarm
from gateway.model import WHY_READINGS, Alarm, Severity, Why, WhyReading
from gateway.rules.moment import milliseconds
from gateway.rules.quality import SET_BACK

NEVER = 1_000_000
"""No number of readings suffices, only their time."""
JUMP_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of one quantity: `sign` +1 for an upper one, -1 for a lower one.

    `needed` readings in a row raise, or at least two that are `sustained` apart (0: the first one).
    Farther apart than `gap` they are not in a row.
    A value back inside that differs from the last by more than `jump` within a minute must be repeated.
    """

    code: str
    sign: int
    limit: float
    hysteresis: float
    unit: str
    needed: int
    sustained: timedelta
    gap: timedelta
    jump: float
    severity: Severity = "warning"


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of one limit while it is not simply fine.

    `count` readings beyond it since `since`, the last reading judged at `last_at`;
    `armed` is false from raising until the value came back; `raised_at` starts the cooldown.
    `readings` are the newest beyond it; `jumped` says that the last reading was too good to be believed.
    """

    count: int = 0
    since: datetime | None = None
    last_at: datetime | None = None
    raised_at: datetime | None = None
    armed: bool = True
    readings: tuple[WhyReading, ...] = ()
    jumped: bool = False


FRESH = Run()


def counted(run: Run, limit: Limit, value: float, when: datetime, cooldown: timedelta) -> Run | None:
    """Give the run after a plausible value, or None when there is nothing left to remember.

    It raises when `raised_at` of the new run is `when`.
    """
    beyond = (value - limit.limit) * limit.sign
    cooling = run.raised_at is not None and when - run.raised_at < cooldown
    if beyond <= 0:
        return _back(run, limit, value, when, beyond, cooling=cooling)
    if not run.armed:
        return run
    broken = run.since is None or (run.last_at is not None and when - run.last_at > limit.gap)
    since = when if broken or run.since is None else run.since
    count = 1 if broken else min(run.count + 1, NEVER)
    readings = (*(() if broken else run.readings), WhyReading(at=when, value=value))[-WHY_READINGS:]
    sustained = count >= limit.needed or (
        when - since >= limit.sustained and (count > 1 or not limit.sustained)
    )
    return Run(
        count=count,
        since=since,
        last_at=when,
        raised_at=when if sustained and not cooling else run.raised_at,
        armed=cooling or not sustained,
        readings=readings,
    )


def _back(
    run: Run, limit: Limit, value: float, when: datetime, beyond: float, *, cooling: bool
) -> Run | None:
    """Give the run after a value within the limit."""
    if run.count and run.armed and run.readings and not run.jumped:
        last = run.readings[-1]
        if when - last.at <= JUMP_WITHIN and abs(value - last.value) > limit.jump:
            return replace(run, last_at=when, jumped=True)
    armed = run.armed or beyond <= -limit.hysteresis
    if armed and not cooling:
        return None
    if armed == run.armed and not run.count:
        return run
    return Run(raised_at=run.raised_at, armed=armed, last_at=when)


def held(
    runs: dict[str, Run], limit: Limit, value: float, when: datetime, heard_at: datetime, cooldown: timedelta
) -> tuple[dict[str, Run], Run | None]:
    """Give the runs after one value, the same object when none changed, and the run that raises, if one does.

    A value that is not newer than the last one is ignored; a last one from a wrong future is forgotten.
    """
    old = runs.get(limit.code, FRESH)
    if old.last_at is not None and old.last_at - heard_at > SET_BACK:
        old = FRESH
    if old.last_at is not None and when <= old.last_at:
        return runs, None
    new = counted(old, limit, value, when, cooldown)
    if new is None:
        if limit.code not in runs:
            return runs, None
        return {code: run for code, run in runs.items() if code != limit.code}, None
    if new == old:
        return runs, None
    return {**runs, limit.code: new}, new if new.raised_at == when else None


def raising(rule: str, wearer: str, limit: Limit, run: Run, value: float, when: datetime) -> RaiseAlarm:
    """Give the order of the rule of this name to raise; the id is made from the beginning of the run."""
    since = run.since or when
    alarm = Alarm(
        alarm_id=f"{rule}.{wearer}.{limit.code}.{milliseconds(since)}",
        wearer=wearer,
        kind="vitals",
        severity=limit.severity,
        why=Why(
            code=limit.code,
            value=value,
            limit=limit.limit,
            unit=limit.unit,
            readings=run.readings,
            count=run.count,
            since=since,
        ),
        at=when,
    )
    return RaiseAlarm(alarm=alarm)
