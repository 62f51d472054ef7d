"""A chart of vital signs as SVG: for a page without JavaScript, and for paper.

Colours are classes on a page (the strict policy allows no inline style) and attributes on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, floor, log10

from markupsafe import Markup, escape

from portal.care.vitals.chart import Chart, Series
from portal.care.vitals.chart import Steps as StepsMade
from portal.care.vitals.marks import Mark
from portal.care.vitals.period import Period
from portal.care.vitals.stats import HOUR_MS, Bucket, day_begins_ms, runs

LEFT, RIGHT, TOP, BOTTOM = 40.0, 10.0, 20.0, 24.0
LABELS = 5
"""About so many lines across."""
NARROW = 500
NUMBER_WIDTH = 14.0
HALF_DAY_HOURS = 12
PAPER: Mapping[str, str] = {
    "grid": 'stroke="#d5dfde" stroke-width="0.6"',
    "scale": 'fill="#33454d" font-size="10.5"',
    "usual": 'fill="#dfe9e6"',
    "limit": 'fill="none" stroke="#855000" stroke-width="1" stroke-dasharray="5 3"',
    "limit-name": 'fill="#855000" font-size="10.5"',
    "band0": 'fill="#a9cdd3"',
    "band1": 'fill="#e2d3ea"',
    "line0": 'fill="none" stroke="#0b5a69" stroke-width="1.5" stroke-linejoin="round"',
    "line1": 'fill="none" stroke="#7d3f92" stroke-width="1.5" stroke-linejoin="round"',
    "dot0": 'fill="#0b5a69"',
    "dot1": 'fill="#7d3f92"',
    "doubt": 'fill="#ffffff" stroke="#4a5c64" stroke-width="1.2"',
    "late": 'fill="#ffffff" stroke="#0b5a69" stroke-width="1.2"',
    "mark": 'stroke="#b3261e" stroke-width="1"',
    "mark-drill": 'stroke="#4a5c64" stroke-width="1" stroke-dasharray="3 3"',
    "number": 'fill="#b3261e" font-size="10.5" font-weight="700"',
    "number-drill": 'fill="#4a5c64" font-size="10.5"',
    "bar": 'fill="#0b5a69"',
}
"""How each class looks on paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where a value and a time lie in a picture."""

    width: float
    height: float
    since_ms: int
    until_ms: int
    low: float
    high: float
    paper: bool = False

    def x(self, at_ms: float) -> float:
        """How far right a time is."""
        share = (at_ms - self.since_ms) / (self.until_ms - self.since_ms)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """How far down a value is."""
        share = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def text(self, name: str, x: float, y: float, words: object, anchor: str = "middle") -> str:
        """Some words or a number at a place."""
        spot = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        return f"<text {self.look(name)} {spot}>{escape(words)}</text>"

    def look(self, name: str) -> str:
        """How something called so looks: a class, or the attributes of paper."""
        return PAPER[name] if self.paper else f'class="{name}"'


def scale_of(chart: Chart) -> tuple[float, float]:
    """Give the lowest and highest value a chart shows: all that is drawn, and the limits, with some air."""
    shown: list[float] = []
    for series in chart.series:
        shown += [value for value in (series.limits.low, series.limits.high) if value is not None]
        shown += [value for _, value in series.good]
        shown += [series.value(one) for one in series.points]
        shown += [value for one in series.usual for value in (one.low, one.high)]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    air = max((high - low) * 0.06, 0.5)
    return low - air, high + air


def ticks(low: float, high: float) -> list[float]:
    """Give about `LABELS` round values from low to high."""
    rough = (high - low) / LABELS
    power = 10.0 ** floor(log10(rough))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
    return [step * n for n in range(ceil(low / step), floor(high / step) + 1)]


def time_labels(period: Period, *, narrow: bool) -> list[tuple[int, str]]:
    """Give where hours or days are written below a chart."""
    if period.span == "day":
        hours = range(0, 25, 6 if narrow else 3)
        return [(period.since_ms + hour * HOUR_MS, f"{hour:02d}:00") for hour in hours]
    every = {"week": 1, "month": 10 if narrow else 5}[period.span]
    days = [period.first + timedelta(days=n) for n in range(0, period.days, every)]
    noon_ms = HALF_DAY_HOURS * HOUR_MS
    return [(day_begins_ms(day) + noon_ms, f"{day.month}/{day.day}") for day in days]


def drawing(
    chart: Chart,
    marks: Sequence[Mark],
    title: str,
    *,
    width: int = 720,
    height: int = 220,
    paper: bool = False,
) -> Markup:
    """Give the picture of one chart; `title` is what it is called for whoever does not see it."""
    low, high = scale_of(chart)
    period = chart.period
    frame = Frame(
        width=width,
        height=height,
        since_ms=period.since_ms,
        until_ms=period.until_ms,
        low=low,
        high=high,
        paper=paper,
    )
    parts = [*_usual(frame, chart.series), *_axes(frame, period), *_limits(frame, chart.series)]
    parts += _marks(frame, marks)
    for n, series in enumerate(chart.series):
        parts += _points(frame, chart, series, n) if chart.one_by_one else _bands(frame, series, n)
    return _svg(frame, title, parts)


def steps_drawing(
    steps: StepsMade, period: Period, title: str, *, width: int = 720, height: int = 150, paper: bool = False
) -> Markup:
    """Give the picture of the steps: a bar an hour, or a day."""
    most = max((made for made in steps.made if made is not None), default=0)
    frame = Frame(
        width=width,
        height=height,
        since_ms=period.since_ms,
        until_ms=period.until_ms,
        low=0.0,
        high=max(most * 1.08, 10.0),
        paper=paper,
    )
    parts = _axes(frame, period)
    for begin_ms, end_ms, made in zip(steps.begins_ms, steps.ends_ms, steps.made, strict=True):
        if made:
            left, right = frame.x(begin_ms) + 1, frame.x(end_ms) - 1
            top, ground = frame.y(made), frame.y(0)
            parts.append(
                f'<rect {frame.look("bar")} x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(1.0, right - left):.1f}" height="{ground - top:.1f}"/>'
            )
    return _svg(frame, title, parts)


def _svg(frame: Frame, title: str, parts: Iterable[str]) -> Markup:
    family = ' font-family="sans-serif"' if frame.paper else ""
    narrow = " narrow" if frame.width < NARROW else " wide"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="vitals-chart{narrow}" role="img"{family} '
        f'width="{frame.width:g}" height="{frame.height:g}" '
        f'viewBox="0 0 {frame.width:g} {frame.height:g}" aria-label="{escape(title)}">'
    )
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704  # numbers of ours, words escaped above


def _axes(frame: Frame, period: Period) -> list[str]:
    right = frame.width - RIGHT
    parts = []
    for value in ticks(frame.low, frame.high):
        y = frame.y(value)
        parts.append(f'<path {frame.look("grid")} d="M{LEFT:g} {y:.1f}H{right:g}"/>')
        parts.append(frame.text("scale", LEFT - 6, y + 4, f"{value:g}", "end"))
    for at_ms, words in time_labels(period, narrow=frame.width < NARROW):
        x = frame.x(at_ms)
        anchor = "end" if x > right - 12 else "start" if x < LEFT + 1 else "middle"
        parts.append(frame.text("scale", x, frame.height - 7, words, anchor))
    return parts


def _usual(frame: Frame, all_series: Sequence[Series]) -> list[str]:
    return [
        f'<rect {frame.look("usual")} x="{frame.x(one.begin_ms):.1f}" y="{frame.y(one.high):.1f}" '
        f'width="{frame.x(one.end_ms) - frame.x(one.begin_ms):.1f}" '
        f'height="{max(1.0, frame.y(one.low) - frame.y(one.high)):.1f}"/>'
        for series in all_series
        for one in series.usual
    ]


def _limits(frame: Frame, all_series: Sequence[Series]) -> list[str]:
    right = frame.width - RIGHT
    parts = []
    for series in all_series:
        for value in (series.limits.low, series.limits.high):
            if value is None:
                continue
            y = frame.y(value)
            parts.append(f'<path {frame.look("limit")} d="M{LEFT:g} {y:.1f}H{right:g}"/>')
            parts.append(frame.text("limit-name", right, y - 3, f"{value:g}", "end"))
    return parts


def _marks(frame: Frame, marks: Sequence[Mark]) -> list[str]:
    parts = []
    numbered = float("-inf")
    for mark in marks:
        x, drill = frame.x(mark.at_ms), "-drill" if mark.drill else ""
        look = frame.look(f"mark{drill}")
        parts.append(f'<path {look} d="M{x:.1f} {TOP - 4:g}V{frame.height - BOTTOM:g}"/>')
        if x - numbered > NUMBER_WIDTH:
            parts.append(frame.text(f"number{drill}", x, TOP - 7, mark.number))
            numbered = x
    return parts


def _points(frame: Frame, chart: Chart, series: Series, n: int) -> list[str]:
    """Lines within which there is no gap, a dot where a reading stands alone, and what is special."""
    good = series.good
    parts = []
    for begin, end in runs([at_ms for at_ms, _ in good], chart.pause_ms):
        spots = thinned([(frame.x(at_ms), frame.y(value)) for at_ms, value in good[begin:end]])
        if len(spots) == 1:
            spot = f'cx="{spots[0][0]:.1f}" cy="{spots[0][1]:.1f}"'
            parts.append(f'<circle {frame.look(f"dot{n}")} {spot} r="2.6"/>')
            continue
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        parts.append(f'<path {frame.look(f"line{n}")} d="M{way}"/>')
    for one in series.points:
        x, y = frame.x(one.at_ms), frame.y(series.value(one))
        if one.doubtful:
            parts.append(f'<circle {frame.look("doubt")} cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        elif one.backlog:
            parts.append(
                f'<rect {frame.look("late")} x="{x - 2.6:.1f}" y="{y - 2.6:.1f}" width="5.2" height="5.2"/>'
            )
    return parts


def _bands(frame: Frame, series: Series, n: int) -> list[str]:
    """From the 10th to the 90th percentile a band, the median a line; an empty hour or day parts them."""
    parts = []
    for row in _unbroken(series.buckets):
        spreads = [(_middle(one), one.spread) for one in row if one.spread is not None]
        xs = [frame.x(at_ms) for at_ms, _ in spreads]
        if len(xs) == 1:
            half = max(1.5, (frame.x(row[0].end_ms) - frame.x(row[0].begin_ms)) / 2 - 1)
            xs, spreads = [xs[0] - half, xs[0] + half], [spreads[0], spreads[0]]
        there = [f"{x:.1f} {frame.y(one.p90):.1f}" for x, (_, one) in zip(xs, spreads, strict=True)]
        back = [f"{x:.1f} {frame.y(one.p10):.1f}" for x, (_, one) in zip(xs, spreads, strict=True)]
        parts.append(f'<path {frame.look(f"band{n}")} d="M{"L".join([*there, *back[::-1]])}Z"/>')
        middle = "L".join(f"{x:.1f} {frame.y(one.p50):.1f}" for x, (_, one) in zip(xs, spreads, strict=True))
        parts.append(f'<path {frame.look(f"line{n}")} d="M{middle}"/>')
    return parts


def _middle(bucket: Bucket) -> float:
    return (bucket.begin_ms + bucket.end_ms) / 2


def _unbroken(all_buckets: Iterable[Bucket]) -> Iterable[list[Bucket]]:
    """The rows of buckets in which nothing is missing."""
    row: list[Bucket] = []
    for bucket in all_buckets:
        if bucket.spread is not None:
            row.append(bucket)
        elif row:
            yield row
            row = []
    if row:
        yield row


def thinned(spots: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Give a line that looks the same: of each pixel column its ends and extremes."""
    kept: list[tuple[float, float]] = []
    columns: list[list[tuple[float, float]]] = []
    for spot in spots:
        if columns and floor(spot[0]) == floor(columns[-1][0][0]):
            columns[-1].append(spot)
        else:
            columns.append([spot])
    for column in columns:
        ends = (column[0], min(column, key=_down), max(column, key=_down), column[-1])
        ordered = sorted({*ends}, key=column.index)
        kept += ordered
    return kept


def _down(spot: tuple[float, float]) -> float:
    return spot[1]
