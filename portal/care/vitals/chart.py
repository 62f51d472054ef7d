"""Vital signs ready to be drawn and told: points or percentiles, limits, what is usual, gaps, figures.

Pure: from a `History` and the limits in force to charts, which a page, a picture, a table and paper share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.care.vitals.history import History, Reading, samples
from portal.care.vitals.measures import PANELS, Limits, Measure, Panel
from portal.care.vitals.period import Period
from portal.care.vitals.stats import (
    HOUR_MS,
    HOURS,
    Bucket,
    Sample,
    Spread,
    borders,
    buckets,
    by_hour,
    day_number,
    gaps,
    longest_pause_ms,
    percentile,
    spread,
    steps_made,
)

USUAL_READINGS, USUAL_DAYS = 20, 3
"""What is usual is not said of fewer readings, or of fewer days."""
HOUR_READINGS = 10
"""Nor at an hour of the day, of it and its two neighbours together."""
USUAL_LOW, USUAL_HIGH = 10.0, 90.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one time to another a value lies usually between two others."""

    begin_ms: int
    end_ms: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One quantity in a chart: its readings on a day, or its figures an hour or a day.

    `good` are its samples that count, `usual` what to draw behind, `usually` what to say.
    `compared` are the figures of the days it is compared with.
    """

    measure: Measure
    limits: Limits
    points: tuple[Reading, ...]
    buckets: tuple[Bucket, ...]
    good: tuple[Sample, ...]
    figures: Spread | None
    usual: tuple[Stretch, ...]
    usually: tuple[float, float] | None
    compared: Spread | None

    def value(self, reading: Reading) -> float:
        """What a reading says of this quantity."""
        return (reading.second or 0.0) if self.measure.second else reading.value

    @property
    def beyond(self) -> tuple[Sample, ...]:
        """The measurements beyond a limit."""
        return tuple(one for one in self.good if self.limits.beyond(one[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One picture: a panel over a period; a longer pause than `pause_ms` is a gap."""

    panel: Panel
    period: Period
    readings: tuple[Reading, ...]
    series: tuple[Series, ...]
    pause_ms: int
    gaps: tuple[tuple[int, int], ...]

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return not self.readings

    @property
    def doubtful(self) -> int:
        """How many measurements are doubtful."""
        return sum(one.doubtful for one in self.readings)

    @property
    def backlog(self) -> int:
        """How many measurements came later, out of the band's own store."""
        return sum(one.backlog for one in self.readings)

    @property
    def one_by_one(self) -> bool:
        """Whether every reading is drawn."""
        return self.period.span == "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Steps an hour or a day, how many in all, and how many a day before; None where not counted."""

    begins_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]
    made: tuple[int | None, ...]
    total: int | None
    usually: int | None


def charts(history: History, period: Period, limits: Mapping[str, Limits], until_ms: int) -> list[Chart]:
    """Give every chart of a period; `history` reaches back to `period.usual_ms`.

    `until_ms`: now, where the period is not over: after it nothing can have been measured.
    """
    within = history.between(period.since_ms, period.until_ms)
    before = history.between(period.usual_ms, period.since_ms)
    return [_chart(panel, within, before, period, limits, until_ms) for panel in PANELS]


def _chart(
    panel: Panel,
    within: History,
    before: History,
    period: Period,
    limits: Mapping[str, Limits],
    until_ms: int,
) -> Chart:
    readings = within.readings[panel.kind]
    times = [one.at_ms for one in readings]
    pause_ms = longest_pause_ms(times)
    series = tuple(
        _series(measure, readings, before.readings[panel.kind], period, limits[measure.key])
        for measure in panel.measures
    )
    end_ms = min(period.until_ms, max(until_ms, period.since_ms))
    return Chart(
        panel=panel,
        period=period,
        readings=readings,
        series=series,
        pause_ms=pause_ms,
        gaps=tuple(gaps(times, pause_ms, period.since_ms, end_ms)) if times else (),
    )


def _series(
    measure: Measure, readings: Sequence[Reading], before: Sequence[Reading], period: Period, limits: Limits
) -> Series:
    good = samples(readings, measure)
    past = samples(before, measure)
    usually = usual(past)
    compared_ms = period.compared_ms
    return Series(
        measure=measure,
        limits=limits,
        points=tuple(readings) if period.span == "day" else (),
        buckets=() if period.span == "day" else tuple(buckets(good, period.first, period.days, period.size)),
        good=tuple(good),
        figures=spread(value for _, value in good),
        usual=_usual_drawn(past, usually, period),
        usually=usually,
        compared=spread(value for at_ms, value in past if at_ms >= compared_ms),
    )


def usual(past: Sequence[Sample]) -> tuple[float, float] | None:
    """Give between which values eight of ten measurements lay; None where that is not known well enough."""
    if len(past) < USUAL_READINGS or len({day_number(at_ms) for at_ms, _ in past}) < USUAL_DAYS:
        return None
    ordered = sorted(value for _, value in past)
    return percentile(ordered, USUAL_LOW), percentile(ordered, USUAL_HIGH)


def _usual_drawn(
    past: Sequence[Sample], usually: tuple[float, float] | None, period: Period
) -> tuple[Stretch, ...]:
    """Hour by hour on a day, each with its neighbours; one band over longer periods."""
    if usually is None:
        return ()
    if period.span != "day":
        return (Stretch(period.since_ms, period.until_ms, *usually),)
    hours = by_hour(past)
    drawn = []
    for hour in range(HOURS):
        values = sorted([*hours[hour - 1], *hours[hour], *hours[(hour + 1) % HOURS]])
        if len(values) >= HOUR_READINGS:
            begin_ms = period.since_ms + hour * HOUR_MS
            low, high = percentile(values, USUAL_LOW), percentile(values, USUAL_HIGH)
            drawn.append(Stretch(begin_ms, begin_ms + HOUR_MS, low, high))
    return tuple(drawn)


def steps(history: History, period: Period) -> Steps:
    """Give the steps of a period, and how many a day were made in the days it is compared with."""
    made = steps_made(history.steps, history.steps_before)
    since_ms, until_ms, compared_ms = period.since_ms, period.until_ms, period.compared_ms
    edges = borders(period.first, period.days, "hour" if period.span == "day" else "day")
    slots: dict[int, int] = defaultdict(int)
    place = 0
    for at_ms, count in made:
        if not since_ms <= at_ms < until_ms:
            continue
        while at_ms >= edges[place + 1]:
            place += 1
        slots[place] += count
    days: dict[int, int] = defaultdict(int)
    for at_ms, count in made:
        if compared_ms <= at_ms < since_ms:
            days[day_number(at_ms)] += count
    return Steps(
        begins_ms=tuple(edges[:-1]),
        ends_ms=tuple(edges[1:]),
        made=tuple(slots.get(n) for n in range(len(edges) - 1)),
        total=sum(slots.values()) if slots else None,
        usually=round(sum(days.values()) / len(days)) if len(days) >= USUAL_DAYS else None,
    )
