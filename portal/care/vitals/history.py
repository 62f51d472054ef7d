"""A wearer's stored measurements of some days, oldest first, each with what is doubtful about it.

It knows nobody's rights: whoever calls it has asked the policy.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.care.models import FixHistory, VitalHistory
from portal.care.vitals.measures import KINDS, Measure, possible
from portal.care.vitals.quality import MOVING_M_S, Doubts, doubts
from portal.care.vitals.stats import Sample

MOST_READINGS = 100_000
"""The newest so many of a kind are read; older ones are cut off, and that is said."""
REPEATED_PRESSURE_MS = 240_000
"""The same pressure again within this is the same measurement (docs/rules.md, `repeated_pressure_s`)."""
STEPS_BEFORE_MS = 36 * 3_600_000
"""So far back a count of steps is looked for, from which the first one of a stretch goes on."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement: `second` is the diastolic pressure of a blood pressure, None of anything else.

    `backlog`: it came out of the band's own store, later than measured.
    """

    at_ms: int
    value: float
    second: float | None
    backlog: bool
    received_ms: int
    doubtful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was measured in [since, until) by kind, oldest first; every kind has its entry.

    `cut_ms`: where there was too much of something, when the oldest kept was measured.
    """

    since_ms: int
    until_ms: int
    readings: Mapping[str, tuple[Reading, ...]]
    steps: tuple[Sample, ...] = ()
    steps_before: Sample | None = None
    cut_ms: int | None = None

    def between(self, since_ms: int, until_ms: int) -> History:
        """The part of it in [since, until)."""
        first = bisect_left(self.steps, since_ms, key=_when)
        last = bisect_left(self.steps, until_ms, key=_when)
        return History(
            since_ms=since_ms,
            until_ms=until_ms,
            readings={
                kind: rows[bisect_left(rows, since_ms, key=_at) : bisect_left(rows, until_ms, key=_at)]
                for kind, rows in self.readings.items()
            },
            steps=self.steps[first:last],
            steps_before=self.steps[first - 1] if first else self.steps_before,
            cut_ms=self.cut_ms if self.cut_ms is not None and self.cut_ms > since_ms else None,
        )


def _at(reading: Reading) -> int:
    return reading.at_ms


def _when(count: Sample) -> int:
    return count[0]


def samples(readings: Sequence[Reading], measure: Measure, *, doubtful: bool = False) -> list[Sample]:
    """The values of one measure with their times; doubtful ones only where they are asked for."""
    found: list[Sample] = []
    for one in readings:
        value = one.second if measure.second else one.value
        if value is not None and (doubtful or not one.doubtful):
            found.append((one.at_ms, value))
    return found


def read(
    session: Session, wearer_id: int, since_ms: int, until_ms: int, *, most: int = MOST_READINGS
) -> History:
    """Give what was measured in [since, until), the newest `most` of each kind."""
    steps = _rows(session, wearer_id, "steps", since_ms - STEPS_BEFORE_MS, until_ms, most=most)
    counts = [(row[0], row[1]) for row in steps]
    found = _doubts(session, wearer_id, since_ms, until_ms, counts)
    cut_ms: int | None = None
    readings: dict[str, tuple[Reading, ...]] = {}
    for kind in KINDS:
        rows = _rows(session, wearer_id, kind, since_ms, until_ms, most=most + 1)
        if len(rows) > most:
            rows = rows[-most:]
            cut_ms = max(cut_ms or 0, rows[0][0])
        if kind == "blood_pressure":
            rows = once(rows)
        readings[kind] = tuple(_reading(kind, row, doubtful=found.doubtful(row[0])) for row in rows)
    before = [one for one in counts if one[0] < since_ms]
    return History(
        since_ms=since_ms,
        until_ms=until_ms,
        readings=readings,
        steps=tuple(one for one in counts if one[0] >= since_ms),
        steps_before=before[-1] if before else None,
        cut_ms=cut_ms,
    )


def _reading(kind: str, row: tuple[Any, ...], *, doubtful: bool) -> Reading:
    at_ms, value, second, backlog, received_ms = row
    doubtful = doubtful or not possible(kind, value, second)
    return Reading(at_ms, value, second, backlog, received_ms, doubtful)


def once(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out a pressure that is the last one sent again: bands send theirs with every frame."""
    kept: list[tuple[Any, ...]] = []
    for row in rows:
        same = bool(kept) and kept[-1][1:3] == row[1:3] and row[0] - kept[-1][0] <= REPEATED_PRESSURE_MS
        if not same:
            kept.append(row)
    return kept


def _rows(
    session: Session, wearer_id: int, kind: str, since_ms: int, until_ms: int, *, most: int
) -> list[tuple[Any, ...]]:
    columns = (
        VitalHistory.at_ms,
        VitalHistory.value,
        VitalHistory.second,
        VitalHistory.backlog,
        VitalHistory.received_ms,
    )
    query = sa.select(*columns).where(
        VitalHistory.wearer_id == wearer_id,
        VitalHistory.kind == kind,
        VitalHistory.at_ms >= since_ms,
        VitalHistory.at_ms < until_ms,
    )
    newest: Any = query.order_by(VitalHistory.at_ms.desc(), VitalHistory.id.desc()).limit(most)
    rows = [tuple(row) for row in session.execute(newest)]
    rows.reverse()
    return rows


def _doubts(
    session: Session, wearer_id: int, since_ms: int, until_ms: int, steps: Sequence[Sample]
) -> Doubts:
    """When the band was off or the wearer moving, as far as the newest of it is kept."""
    off = sa.select(VitalHistory.at_ms).where(
        VitalHistory.wearer_id == wearer_id,
        VitalHistory.kind == "worn",
        VitalHistory.at_ms >= since_ms,
        VitalHistory.at_ms < until_ms,
        VitalHistory.value == 0,
    )
    fast = sa.select(FixHistory.at_ms).where(
        FixHistory.wearer_id == wearer_id,
        FixHistory.at_ms >= since_ms,
        FixHistory.at_ms < until_ms,
        FixHistory.valid,
        FixHistory.speed_m_s.between(*MOVING_M_S),
    )
    off_ms = session.scalars(off.order_by(VitalHistory.at_ms.desc()).limit(MOST_READINGS)).all()
    fast_ms = session.scalars(fast.order_by(FixHistory.at_ms.desc()).limit(MOST_READINGS)).all()
    return doubts(off_ms[::-1], fast_ms[::-1], steps)
