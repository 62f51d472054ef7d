"""Figures of a series of measurements: percentiles, gaps, hours and days of the community, steps.

Times are epoch milliseconds; hours and days are those of Asia/Shanghai.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
MS = 1000
HOUR_MS = 3_600_000
HOURS = 24
DAY_MS = HOURS * HOUR_MS
AHEAD_MS = 8 * HOUR_MS
"""How far China is ahead of UTC; its last summer time was in 1991, before any band."""
LEAST_GAP_MS = 15 * 60 * MS
"""A pause this short is none, however often a band usually measures."""
GAP_PAUSES = 3
"""So many usual pauses without a measurement are a gap."""
LOW, MIDDLE, HIGH = 10.0, 50.0, 90.0
"""The percentiles that are shown: eight of ten measurements lie between the first and the last."""

Sample = tuple[int, float]
"""When something was measured, in milliseconds, and the value."""
Size = Literal["hour", "day"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Some measurements in a few figures."""

    count: int
    least: float
    p10: float
    p50: float
    p90: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An hour or a day, and what was measured in [begin, end); None where nothing was."""

    begin_ms: int
    end_ms: int
    spread: Spread | None


def percentile(ordered: Sequence[float], share: float) -> float:
    """Give the value below which `share` per cent of `ordered` (rising, not empty) lies.

    Linear between the two closest ranks: definition 7 of Hyndman and Fan,
    "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996).
    """
    rank = (len(ordered) - 1) * share / 100
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    # one product and a sum that cannot leave the two ranks, where a weighted mean of equals can by rounding
    step = (ordered[above] - ordered[below]) * (rank - below)
    return min(ordered[below] + step, ordered[above])


def spread(values: Iterable[float]) -> Spread | None:
    """Give the figures of some measurements, None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Spread(
        count=len(ordered),
        least=ordered[0],
        p10=percentile(ordered, LOW),
        p50=percentile(ordered, MIDDLE),
        p90=percentile(ordered, HIGH),
        most=ordered[-1],
    )


def day_begins_ms(day: dt.date) -> int:
    """Give the first millisecond of a day in the community."""
    return round(dt.datetime.combine(day, dt.time(), SHANGHAI).timestamp()) * MS


def day_number(at_ms: int) -> int:
    """Give a number that is the same for all times of one day in the community, and one more the next day."""
    return (at_ms + AHEAD_MS) // DAY_MS


def hour_of(at_ms: int) -> int:
    """Give the hour of the day in the community at a time, 0 to 23."""
    return (at_ms + AHEAD_MS) // HOUR_MS % HOURS


def borders(first: dt.date, days: int, size: Size) -> list[int]:
    """Give where the hours or days of `days` days from `first` begin, and last where the last one ends."""
    begins = [day_begins_ms(first + dt.timedelta(days=n)) for n in range(days + 1)]
    if size == "day":
        return begins
    hours = [at for begin, end in pairwise(begins) for at in range(begin, end, HOUR_MS)]
    return [*hours, begins[-1]]


def buckets(samples: Sequence[Sample], first: dt.date, days: int, size: Size) -> list[Bucket]:
    """Give every hour or day of `days` days from `first` with its figures; samples rise in time."""
    edges = borders(first, days, size)
    times = [at_ms for at_ms, _ in samples]
    places = [bisect_left(times, edge) for edge in edges]
    return [
        Bucket(
            begin_ms=edges[n],
            end_ms=edges[n + 1],
            spread=spread(value for _, value in samples[places[n] : places[n + 1]]),
        )
        for n in range(len(edges) - 1)
    ]


def by_hour(samples: Iterable[Sample]) -> list[list[float]]:
    """Give the values of each hour of the day, 24 lists."""
    hours: list[list[float]] = [[] for _ in range(HOURS)]
    for at_ms, value in samples:
        hours[hour_of(at_ms)].append(value)
    return hours


def longest_pause_ms(times: Sequence[int]) -> int:
    """Give how long a pause between measurements at rising `times` may be before it is a gap."""
    pauses = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return max(LEAST_GAP_MS, round(GAP_PAUSES * median(pauses))) if pauses else LEAST_GAP_MS


def gaps(times: Sequence[int], pause_ms: int, since_ms: int, until_ms: int) -> list[tuple[int, int]]:
    """Give the stretches of [since, until) longer than a pause in which nothing was measured, in order."""
    edges = [since_ms, *times, until_ms]
    return [(earlier, later) for earlier, later in pairwise(edges) if later - earlier > pause_ms]


def runs(times: Sequence[int], pause_ms: int) -> Iterator[tuple[int, int]]:
    """Give the places [begin, end) of measurements with no gap among them; a line joins only these."""
    begin = 0
    for n in range(1, len(times)):
        if times[n] - times[n - 1] > pause_ms:
            yield begin, n
            begin = n
    if times:
        yield begin, len(times)


def steps_made(counts: Sequence[Sample], before: Sample | None) -> list[tuple[int, int]]:
    """Give the steps made up to each of some counts, from the count before them.

    A band counts from its own midnight: a count below the last one begins anew.
    Without any count before, the first one is what was made on that day.
    """
    made, last = [], before
    for at_ms, count in counts:
        fresh = last is None or count < last[1]
        made.append((at_ms, round(count if fresh or last is None else count - last[1])))
        last = (at_ms, count)
    return made
