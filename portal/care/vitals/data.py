"""A chart of vital signs as plain numbers, for the script that draws it in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.care.vitals.chart import Chart, Series, Steps
from portal.care.vitals.marks import Mark
from portal.care.vitals.period import Period
from portal.care.vitals.stats import MS, Bucket
from portal.care.vitals.svg import scale_of


def chart_data(chart: Chart, marks: Sequence[Mark]) -> dict[str, Any]:
    """Give one chart: `x` in seconds, a list of values a line; None parts what has a gap in between."""
    low, high = scale_of(chart)
    common = {
        **_frame(chart.period, low, high, marks),
        "unit": str(chart.panel.measures[0].unit),
        "decimals": chart.panel.measures[0].decimals,
        "names": [str(one.measure.name) for one in chart.series],
        "limits": [
            [value for value in (one.limits.low, one.limits.high) if value is not None]
            for one in chart.series
        ],
        "usual": [
            [one.begin_ms / MS, one.end_ms / MS, one.low, one.high]
            for series in chart.series
            for one in series.usual
        ],
    }
    return common | (_readings(chart) if chart.one_by_one else _figures(chart))


def steps_data(steps: Steps, period: Period, marks: Sequence[Mark], unit: str) -> dict[str, Any]:
    """Give the steps as bars."""
    most = max((made for made in steps.made if made is not None), default=0)
    spans = zip(steps.begins_ms, steps.ends_ms, strict=True)
    return {
        **_frame(period, 0.0, max(most * 1.08, 10.0), marks),
        "form": "bars",
        "unit": unit,
        "decimals": 0,
        "names": [unit],
        "limits": [],
        "usual": [],
        "x": [(begin + end) / 2 / MS for begin, end in spans],
        "y": [list(steps.made)],
    }


def _frame(period: Period, low: float, high: float, marks: Sequence[Mark]) -> dict[str, Any]:
    return {
        "span": period.span,
        "since": period.since_ms / MS,
        "until": period.until_ms / MS,
        "low": low,
        "high": high,
        "marks": [[one.at_ms / MS, one.number, one.drill] for one in marks],
    }


def _readings(chart: Chart) -> dict[str, Any]:
    """Every reading of a day; doubtful ones stand beside the line, not in it."""
    good = [one for one in chart.readings if not one.doubtful]
    x: list[float] = []
    lines: list[list[float | None]] = [[] for _ in chart.series]
    last_ms: int | None = None
    for one in good:
        if last_ms is not None and one.at_ms - last_ms > chart.pause_ms:
            x.append((one.at_ms + last_ms) / 2 / MS)
            for line in lines:
                line.append(None)
        x.append(one.at_ms / MS)
        for line, series in zip(lines, chart.series, strict=True):
            line.append(series.value(one))
        last_ms = one.at_ms
    return {
        "form": "lines",
        "x": x,
        "y": lines,
        "doubtful": _beside(chart, [one for one in chart.readings if one.doubtful]),
        "late": _beside(chart, [one for one in good if one.backlog]),
    }


def _beside(chart: Chart, readings: Sequence[Any]) -> list[list[float]]:
    return [[one.at_ms / MS, *(series.value(one) for series in chart.series)] for one in readings]


def _figures(chart: Chart) -> dict[str, Any]:
    """The 10th, 90th and 50th percentile of every hour or day, the line last, on top of its band."""
    all_buckets = chart.series[0].buckets
    return {
        "form": "bands",
        "x": [(one.begin_ms + one.end_ms) / 2 / MS for one in all_buckets],
        "y": [row for series in chart.series for row in _rows(series)],
    }


def _rows(series: Series) -> list[list[float | None]]:
    def row(name: str) -> list[float | None]:
        return [_share(one, name) for one in series.buckets]

    return [row("p10"), row("p90"), row("p50")]


def _share(bucket: Bucket, name: str) -> float | None:
    value: float | None = None if bucket.spread is None else getattr(bucket.spread, name)
    return None if value is None else round(value, 2)
