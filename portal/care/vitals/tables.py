"""Vital signs as tables: the twin of every chart, and the whole period for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.care.vitals.chart import Chart, Series, Steps
from portal.care.vitals.history import Reading
from portal.care.vitals.measures import STEPS
from portal.care.vitals.period import Period
from portal.care.vitals.stats import Bucket
from portal.i18n import gettext
from portal.words import local

MOST_SHOWN = 400
"""So many rows a page shows, the newest; the exported table has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A real table; `more` is how many rows it leaves out."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


def table_of(chart: Chart) -> Table:
    """Give the twin of a chart, newest first: the readings of a day, or the figures of each hour or day."""
    return _readings(chart) if chart.one_by_one else _figures(chart)


def steps_table(steps: Steps, period: Period) -> Table:
    """Give the twin of the steps, newest first."""
    rows = [
        (_stretch(begin_ms, period), "–" if made is None else str(made))
        for begin_ms, made in zip(steps.begins_ms, steps.made, strict=True)
    ]
    return Table(heads=(gettext("时间"), gettext("步数")), rows=tuple(reversed(rows)))


def sheet(charts: Sequence[Chart], steps: Steps) -> Iterator[tuple[object, ...]]:
    """Give every reading of a period, a row a value, with a row of heads first."""
    yield (
        gettext("时间（北京时间）"),
        gettext("项目"),
        gettext("数值"),
        gettext("单位"),
        gettext("存疑"),
        gettext("补传"),
        gettext("收到时间"),
    )
    yes = gettext("是")
    for chart in charts:
        for one in chart.readings:
            for series in chart.series:
                yield (
                    _stamp(one.at_ms),
                    str(series.measure.name),
                    round(series.value(one), 2),
                    str(series.measure.unit),
                    yes if one.doubtful else "",
                    yes if one.backlog else "",
                    _stamp(one.received_ms),
                )
    for begin_ms, made in zip(steps.begins_ms, steps.made, strict=True):
        if made is not None:
            yield _stamp(begin_ms), str(STEPS.name), made, str(STEPS.unit), "", "", ""


def remark(reading: Reading, all_series: Sequence[Series]) -> str:
    """Say what is special about a reading: beyond a limit, doubtful, sent later."""
    said = []
    if reading.doubtful:
        said.append(gettext("存疑"))
    elif any(series.limits.beyond(series.value(reading)) for series in all_series):
        said.append(gettext("超出限值"))
    if reading.backlog:
        said.append(gettext("补传"))
    return gettext("、").join(said)


def _readings(chart: Chart) -> Table:
    names = [_with_unit(str(series.measure.name), series) for series in chart.series]
    newest = chart.readings[-MOST_SHOWN:]
    rows = [
        (
            f"{local(_time(one.at_ms)):%H:%M:%S}",
            *(series.measure.figure(series.value(one)) for series in chart.series),
            remark(one, chart.series),
        )
        for one in reversed(newest)
    ]
    return Table(
        heads=(gettext("时间"), *names, gettext("说明")),
        rows=tuple(rows),
        more=len(chart.readings) - len(newest),
    )


def _figures(chart: Chart) -> Table:
    heads = [gettext("时间"), gettext("测量次数")]
    many = len(chart.series) > 1
    for series in chart.series:
        figures = (gettext("低（第 10 百分位）"), gettext("中间值"), gettext("高（第 90 百分位）"))
        name = f"{series.measure.name} " if many else ""
        heads += [_with_unit(f"{name}{figure}", series) for figure in figures]
    rows = [
        _figure_row(slot, chart)
        for slot in zip(*(series.buckets for series in chart.series), strict=True)
        if slot[0].spread is not None
    ]
    return Table(heads=tuple(heads), rows=tuple(reversed(rows)))


def _figure_row(slot: Sequence[Bucket], chart: Chart) -> tuple[str, ...]:
    cells = [_stretch(slot[0].begin_ms, chart.period), str(slot[0].spread.count if slot[0].spread else 0)]
    for bucket, series in zip(slot, chart.series, strict=True):
        spread, figure = bucket.spread, series.measure.figure
        cells += ["–"] * 3 if spread is None else [figure(spread.p10), figure(spread.p50), figure(spread.p90)]
    return tuple(cells)


def _with_unit(words: str, series: Series) -> str:
    return gettext("%(what)s（%(unit)s）", what=words, unit=str(series.measure.unit))


def _stretch(begin_ms: int, period: Period) -> str:
    begin = local(_time(begin_ms))
    if period.span == "day":
        return f"{begin:%H:%M}"
    return f"{begin:%m-%d}" if period.span == "month" else f"{begin:%m-%d %H:%M}"


def _stamp(at_ms: int) -> str:
    return f"{local(_time(at_ms)):%Y-%m-%d %H:%M:%S}"


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
