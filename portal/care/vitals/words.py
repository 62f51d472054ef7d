"""Vital signs in sentences: what was measured, against what is usual; never what it may mean.

A measurement is told beside other measurements of the same person; what follows from it a doctor says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from portal.care.vitals.chart import Chart, Series, Steps
from portal.care.vitals.history import Reading
from portal.care.vitals.measures import Measure
from portal.care.vitals.period import COMPARED_DAYS, Period
from portal.i18n import gettext, ngettext
from portal.words import clock, day, local, span

LEAST_COMPARED = 10
"""Nothing is compared with fewer measurements."""
CLEARLY = 2.5
"""So many times the least difference is no longer a slight one."""
SHOWN_GAPS = 6
LEAST_SHOWN_GAP_MS = 3_600_000
FEW = 5
"""Of fewer measurements the lowest and the highest are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure a reader sees without touching anything: what it is, the value, and when."""

    name: str
    value: str
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a card says of one chart beside the picture."""

    sentence: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    beyond: tuple[str, ...]


def dates_words(period: Period) -> str:
    """Say which days: "11月22日", "11月17日至11月23日"."""
    if period.span == "day":
        return day(period.last)
    return gettext("%(first)s至%(last)s", first=day(period.first), last=day(period.last))


def period_words(period: Period, today: date) -> str:
    """Say which stretch of time it is: "今天", "11月22日", "11月17日至11月23日"."""
    if period.span == "day":
        if period.last == today:
            return gettext("今天")
        return gettext("昨天") if period.last == today - timedelta(days=1) else day(period.last)
    if period.last == today:
        return ngettext("最近 %(num)s 天", "最近 %(num)s 天", period.days)
    return dates_words(period)


def summary(charts: Sequence[Chart], steps: Steps, period: Period, today: date) -> str:
    """Say the whole page in one sentence: "今天：心率 62–91，平时 58–95；血压 132/84，比前 7 天略高。"."""
    parts = [chart_words(chart) for chart in charts if not chart.empty]
    if steps.total is not None:
        parts.append(steps_words(steps, period))
    parts += _same(charts, period)
    when = period_words(period, today)
    if not parts:
        return gettext("%(when)s没有测量。", when=when)
    return gettext("%(when)s：%(what)s。", when=when, what=gettext("；").join(parts))


def chart_words(chart: Chart) -> str:
    """Say one chart in half a sentence."""
    first = chart.series[0]
    name = str(chart.panel.name)
    if first.figures is None:
        return gettext("%(what)s只有存疑的测量", what=name)
    if len(chart.series) > 1:
        values = "/".join(_value(one.measure, one.figures.p50) for one in chart.series if one.figures)
        said = f"{name} {values}"
        usually = ""
    else:
        said = f"{name} {_range(first.measure, *_bounds(first))}"
        usually = "" if first.usually is None else _range(first.measure, *first.usually)
    compared = max((_compared(one, chart.period) for one in chart.series), key=lambda one: one[0])[1]
    if usually:
        said = gettext("%(what)s，平时 %(usually)s", what=said, usually=usually)
    return gettext("%(what)s，%(compared)s", what=said, compared=compared) if compared else said


def _same(charts: Sequence[Chart], period: Period) -> list[str]:
    """Say of everything together that it is as it was; what differs said so itself."""
    differs = [_differs(chart) for chart in charts]
    days = COMPARED_DAYS[period.span]
    if False not in differs:
        return []
    if True in differs:
        return [ngettext("其余和前 %(num)s 天差不多", "其余和前 %(num)s 天差不多", days)]
    return [ngettext("都和前 %(num)s 天差不多", "都和前 %(num)s 天差不多", days)]


def _differs(chart: Chart) -> bool | None:
    """Whether a chart differs from the days before; None where that is not known."""
    shares = [_compared(one, chart.period)[0] for one in chart.series]
    return None if max(shares) < 0 else max(shares) >= 1


def steps_words(steps: Steps, period: Period) -> str:
    """Say how many steps were made, beside how many a day are usual."""
    total = steps.total or 0
    said = ngettext("走了 %(num)s 步", "走了 %(num)s 步", total)
    if steps.usually is None:
        return said
    if period.span == "day":
        return gettext("%(what)s，平时一天 %(usually)s 步", what=said, usually=steps.usually)
    counted = sum(made is not None for made in steps.made) or 1
    daily = round(total / counted)
    return gettext(
        "%(what)s，一天 %(daily)s 步，平时 %(usually)s 步", what=said, daily=daily, usually=steps.usually
    )


def told(chart: Chart) -> Told:
    """Say everything of one chart that its picture shows."""
    return Told(
        sentence="" if chart.empty else chart_words(chart),
        figures=_figures(chart),
        notes=tuple(_notes(chart)),
        beyond=tuple(filter(None, (_beyond(one) for one in chart.series))),
    )


def gap_words(begin_ms: int, end_ms: int, *, dated: bool) -> str:
    """Say when nothing was measured: "10:20–13:05（2 小时 45 分）", `dated` with the day before."""
    begin, end = local(_time(begin_ms)), local(_time(end_ms))
    lasting = span((end_ms - begin_ms) / 1000)
    if begin.date() == end.date() or (end - begin <= timedelta(days=1) and end.hour == end.minute == 0):
        clocks = f"{begin:%H:%M}–{'24:00' if end.date() != begin.date() else f'{end:%H:%M}'}"
        clocks = f"{day(begin)} {clocks}" if dated else clocks
        return gettext("%(when)s（%(lasting)s）", when=clocks, lasting=lasting)
    both = gettext("%(first)s至%(last)s", first=clock(begin), last=clock(end))
    return gettext("%(when)s（%(lasting)s）", when=both, lasting=lasting)


def limits_words(series: Series) -> str:
    """Say the limits in force: "45–125 次/分"; empty where there are none."""
    low, high = series.limits.low, series.limits.high
    if low is None and high is None:
        return ""
    unit = str(series.measure.unit)
    if low is None:
        return gettext("不高于 %(value)s", value=f"{high:g} {unit}")
    if high is None:
        return gettext("不低于 %(value)s", value=f"{low:g} {unit}")
    return f"{low:g}–{high:g} {unit}"


def _figures(chart: Chart) -> tuple[Figure, ...]:
    """The newest, the lowest, the middle and the highest; of a pressure those of the systolic one."""
    good = [one for one in chart.readings if not one.doubtful]
    if not good:
        return ()
    least, most = min(good, key=_first), max(good, key=_first)
    middle = "/".join(_value(one.measure, one.figures.p50) for one in chart.series if one.figures)
    return (
        Figure(name=gettext("最近"), value=_values(chart, good[-1]), when=_when(chart, good[-1])),
        Figure(name=gettext("最低"), value=_values(chart, least), when=_when(chart, least)),
        Figure(name=gettext("中间"), value=middle),
        Figure(name=gettext("最高"), value=_values(chart, most), when=_when(chart, most)),
    )


def _first(reading: Reading) -> float:
    return reading.value


def _values(chart: Chart, reading: Reading) -> str:
    return "/".join(_value(one.measure, one.value(reading)) for one in chart.series)


def _when(chart: Chart, reading: Reading) -> str:
    at = _time(reading.at_ms)
    return f"{local(at):%H:%M}" if chart.one_by_one else clock(at)


def _notes(chart: Chart) -> list[str]:
    """How many were measured, what is doubtful or came late, and when nothing was."""
    if chart.empty:
        return []
    said = [ngettext("测量 %(num)s 次", "测量 %(num)s 次", len(chart.readings))]
    if chart.doubtful:
        said.append(
            ngettext(
                "%(num)s 次存疑（没戴好、走动中或读数不合理），不算进统计",
                "%(num)s 次存疑（没戴好、走动中或读数不合理），不算进统计",
                chart.doubtful,
            )
        )
    if chart.backlog:
        said.append(ngettext("%(num)s 次是后来补传的", "%(num)s 次是后来补传的", chart.backlog))
    long = sorted(
        (gap for gap in chart.gaps if gap[1] - gap[0] >= LEAST_SHOWN_GAP_MS), key=lambda gap: gap[0] - gap[1]
    )
    if long:
        dated = not chart.one_by_one
        shown = [gap_words(*gap, dated=dated) for gap in sorted(long[:SHOWN_GAPS])]
        more = len(long) - len(shown)
        words = gettext("、").join(shown)
        said.append(
            ngettext(
                "没有测量的时段：%(gaps)s，另有 %(num)s 段",
                "没有测量的时段：%(gaps)s，另有 %(num)s 段",
                more,
                gaps=words,
            )
            if more > 0
            else gettext("没有测量的时段：%(gaps)s", gaps=words)
        )
    return said


def _beyond(series: Series) -> str:
    """Say how often a limit was passed; empty where it was not."""
    beyond = series.beyond
    if not beyond:
        return ""
    return ngettext(
        "%(what)s有 %(num)s 次超出限值（%(limits)s）",
        "%(what)s有 %(num)s 次超出限值（%(limits)s）",
        len(beyond),
        what=str(series.measure.name),
        limits=limits_words(series),
    )


def _bounds(series: Series) -> tuple[float, float]:
    """Between which values most of it lies."""
    figures = series.figures
    if figures is None:
        return 0.0, 0.0
    if figures.count < FEW:
        return figures.least, figures.most
    return figures.p10, figures.p90


def _compared(series: Series, period: Period) -> tuple[float, str]:
    """How many least differences the middle value lies from that of the days before, and that in words.

    Below one there is nothing to say; -1 where it is not known.
    """
    now, before = series.figures, series.compared
    if now is None or before is None or before.count < LEAST_COMPARED:
        return -1.0, ""
    days = COMPARED_DAYS[period.span]
    difference = now.p50 - before.p50
    times = abs(difference) / series.measure.differs
    if times < 1:
        return times, ""
    if difference > 0:
        if times < CLEARLY:
            return times, ngettext("比前 %(num)s 天略高", "比前 %(num)s 天略高", days)
        return times, ngettext("比前 %(num)s 天高", "比前 %(num)s 天高", days)
    if times < CLEARLY:
        return times, ngettext("比前 %(num)s 天略低", "比前 %(num)s 天略低", days)
    return times, ngettext("比前 %(num)s 天低", "比前 %(num)s 天低", days)


def _range(measure: Measure, low: float, high: float) -> str:
    said = (_value(measure, low), _value(measure, high))
    words = said[0] if said[0] == said[1] else "–".join(said)
    unit = str(measure.unit)
    return f"{words}%" if unit == "%" else f"{words} ℃" if unit == "℃" else words


def _value(measure: Measure, value: float) -> str:
    return measure.figure(value)


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
