"""Readings over time as inline SVG: the limits as lines, the would-be alarms as numbered marks.

No colour is in it: `reading`, `beyond`, `limit`, `today`, `crisis`, `alarm` and `gone` are classes
for whoever shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from gateway.backtest.limits import Episode, Line, RuleTrial
from gateway.backtest.readings import QUANTITIES, Measured, quantity_of
from sos.shifts import CHINA

Lang = Literal["zh", "en"]

WIDTH, PHONE_WIDTH = 960, 360
LEFT, RIGHT, TOP, BOTTOM = 44.0, 14.0, 34.0, 28.0
GAP = timedelta(hours=1)
"""Readings farther apart than this are not joined: nobody knows what was between."""
DENSE = 1.5
"""More readings than this for each pixel are drawn as a band from the least to the most of each."""
NEAR_PX, TALL_PX = 30.0, 24.0
"""Marks nearer than this share one."""
NUMBERS_SHOWN = 4
WORDS_TALL_PX, WORDS_WIDE_PX = 26.0, 76.0
TICK_PX = 64.0
STEPS_H = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336)
ROUND = (0.2, 0.5, 1, 2, 5, 10, 20, 50)
NAMES = {
    "heart_rate": ("心率", "Heart rate", "次/分", "bpm"),
    "systolic": ("收缩压", "Systolic pressure", "mmHg", "mmHg"),
    "diastolic": ("舒张压", "Diastolic pressure", "mmHg", "mmHg"),
    "spo2": ("血氧", "Blood oxygen", "%", "%"),
    "body_temp": ("体温", "Temperature", "℃", "°C"),
    "battery": ("电量", "Charge", "%", "%"),
}
LEAST_SPAN = {"body_temp": 2.0, "spo2": 8.0}
USUAL_SPAN = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The picture's plane: its times and values, and its size in pixels."""

    since: datetime
    until: datetime
    low: float
    high: float
    width: float
    height: float

    def x(self, at: datetime) -> float:
        """Pixels from the left."""
        share = (at - self.since) / (self.until - self.since)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        share = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def charts(trial: RuleTrial, lang: Lang, *, width: int = WIDTH, kind: str = "chart") -> tuple[str, ...]:
    """A chart of each quantity that was measured, those with alarms first; `width` in pixels.

    `kind` is the class of each.
    """
    told = {name: _about(name, (*trial.found, *trial.gone)) for name in QUANTITIES}
    lines = trial.lines
    shown = [name for name in QUANTITIES if trial.readings[name] and (told[name] or name in lines)]
    shown.sort(key=lambda name: not told[name])
    return tuple(_chart(trial, name, told[name], lang, width=width, kind=kind) for name in shown)


def _about(name: str, episodes: Sequence[Episode]) -> tuple[Episode, ...]:
    return tuple(one for one in episodes if quantity_of(one.alarm.why.code) == name)


def _chart(
    trial: RuleTrial, name: str, episodes: tuple[Episode, ...], lang: Lang, *, width: int, kind: str
) -> str:
    readings, lines = trial.readings[name], trial.lines.get(name, ())
    plane = _plane(trial, name, readings, lines, width)
    english = lang == "en"
    title, unit = NAMES[name][english], NAMES[name][2 + english]
    said = f"{title}: readings, limits and alarms" if english else f"{title}：读数、限值和报警"
    parts = [
        f'<text class="title" x="{LEFT:.0f}" y="20">{title} <tspan class="unit">{unit}</tspan></text>',
        *_values(plane),
        *_times(plane),
        *_drawn(plane, readings, lines),
        *_limits(plane, lines, english=english),
        *_marks(plane, episodes),
    ]
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {plane.height:.0f}" role="img" aria-label="{said}">'
        f'<rect class="paper" width="{width}" height="{plane.height:.0f}"/>{"".join(parts)}</svg>'
    )


def _plane(
    trial: RuleTrial, name: str, readings: Sequence[Measured], lines: Sequence[Line], width: int
) -> Plane:
    """All readings and plain limits are seen, a crisis limit only where the readings come near it."""
    values = [one.value for one in readings]
    low, high = min(values), max(values)
    seen = [one.value for one in lines if not one.critical]
    if name == "body_temp":
        seen = [value for value in seen if value >= low - LEAST_SPAN[name]]
    low, high = min((low, *seen)), max((high, *seen))
    near = (high - low) * 0.15
    crises = [one.value for one in lines if one.critical and low - near <= one.value <= high + near]
    low, high = min((low, *crises)), max((high, *crises))
    short = LEAST_SPAN.get(name, USUAL_SPAN) - (high - low)
    room = max(short / 2, (high - low) * 0.06)
    return Plane(
        since=trial.since,
        until=trial.until,
        low=low - room,
        high=high + room,
        width=width,
        height=300 if width > PHONE_WIDTH else 240,
    )


def _values(plane: Plane) -> Iterator[str]:
    """The scale at the left."""
    lines = (plane.height - TOP - BOTTOM) / 40
    step = next((one for one in ROUND if (plane.high - plane.low) / one <= lines), ROUND[-1])
    value = -(-plane.low // step) * step
    while value <= plane.high:
        y = plane.y(value)
        yield f'<path class="grid" d="M{LEFT:.0f} {y:.1f}H{plane.width - RIGHT:.0f}"/>'
        yield f'<text class="scale" x="{LEFT - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        value = round(value + step, 3)


def _times(plane: Plane) -> Iterator[str]:
    """The days or hours below, of the clocks of the community."""
    hours = (plane.until - plane.since) / timedelta(hours=1)
    most = max(1, int((plane.width - LEFT - RIGHT) / TICK_PX))
    step_h = next((one for one in STEPS_H if hours / one <= most), None) or int(hours / most) + 1
    at = plane.since.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    base = plane.height - BOTTOM
    while at <= plane.until:
        if at >= plane.since:
            words = f"{at:%m-%d}" if step_h >= 24 or at.hour == 0 else f"{at:%H:%M}"  # noqa: PLR2004 (a day)
            x = plane.x(at)
            yield f'<path class="grid" d="M{x:.1f} {TOP:.0f}V{base + 5:.0f}"/>'
            if x < plane.width - RIGHT - 16:
                below = f'x="{x:.1f}" y="{base + 20:.0f}" text-anchor="middle"'
                yield f'<text class="scale" {below}>{words}</text>'
        at += timedelta(hours=step_h)


def _drawn(plane: Plane, readings: Sequence[Measured], lines: Sequence[Line]) -> Iterator[str]:
    """The readings, joined where they are near; those past a limit that is tried are drawn once more."""
    if len(readings) > DENSE * plane.width:
        columns: dict[int, list[float]] = {}
        for one in readings:
            columns.setdefault(round(plane.x(one.at)), []).append(plane.y(one.value))
        band = "".join(f"M{x} {min(ys):.1f}V{max(ys) + 1:.1f}" for x, ys in columns.items())
        yield f'<path class="reading" d="{band}"/>'
    else:
        spots = [(plane.x(one.at), plane.y(one.value), one.at) for one in readings]
        joined = (
            f"M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"
            for (x, y, at), (to_x, to_y, then) in pairwise(spots)
            if then - at <= GAP
        )
        yield f'<path class="reading thin" d="{"".join(joined)}"/>'
        yield f'<path class="reading dot" d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y, _ in spots)}"/>'
    limits = [one for one in lines if one.tried]
    beyond = {
        (round(plane.x(one.at)), round(plane.y(one.value)))
        for one in readings
        if any(one.value < each.value if _low(each) else one.value > each.value for each in limits)
    }
    if beyond:
        yield f'<path class="beyond dot" d="{"".join(f"M{x} {y}h0" for x, y in sorted(beyond))}"/>'


def _low(line: Line) -> bool:
    return line.code.endswith("_low")


def _limits(plane: Plane, lines: Sequence[Line], *, english: bool) -> Iterator[str]:
    """The limits that are in the picture; words that would cover others stand beside them."""
    placed: list[tuple[float, bool]] = []
    for line in sorted(lines, key=lambda one: one.critical):
        if plane.low <= line.value <= plane.high:
            y = plane.y(line.value)
            crowd = sum(tried == line.tried and abs(other - y) < WORDS_TALL_PX for other, tried in placed)
            placed.append((y, line.tried))
            yield _limit(plane, line, crowd * WORDS_WIDE_PX, english=english)


def _limit(plane: Plane, line: Line, aside_px: float, *, english: bool) -> str:
    """A limit that is tried has its words at the right end, one in force that differs at the left."""
    y = plane.y(line.value)
    kind = ("limit" if line.tried else "limit today") + (" crisis" if line.critical else "")
    if line.critical:
        words = "crisis" if english else "危急"
    else:
        low = _low(line)
        words = ("low" if low else "high") if english else ("下限" if low else "上限")
    if not line.tried:
        words = f"{words} today" if english else f"现行{words}"
    right = plane.width - RIGHT - 4 - aside_px
    x, anchor = (right, "end") if line.tried else (LEFT + 6 + aside_px, "start")
    below = _low(line) == line.tried
    return (
        f'<path class="{kind}" d="M{LEFT:.0f} {y:.1f}H{plane.width - RIGHT:.0f}"/>'
        f'<text class="{kind}" x="{x:.0f}" y="{y + (15 if below else -5):.1f}" text-anchor="{anchor}">'
        f"{words} {line.value:g}</text>"
    )


def _marks(plane: Plane, episodes: Sequence[Episode]) -> Iterator[str]:
    """A numbered mark an alarm, one for those that would cover each other; a ring where none would be."""
    groups: list[tuple[float, float, list[int]]] = []
    for one in episodes:
        value = one.alarm.why.value or plane.low
        x, y = plane.x(one.alarm.at), plane.y(min(max(value, plane.low), plane.high))
        if one.number is None:
            yield f'<circle class="gone" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
            continue
        near = next(
            (each for each in groups if abs(each[0] - x) < NEAR_PX and abs(each[1] - y) < TALL_PX), None
        )
        if near is None:
            groups.append((x, y, [one.number]))
        else:
            near[2].append(one.number)
    for at_x, y, numbers in groups:
        words = " ".join(map(str, numbers[:NUMBERS_SHOWN])) + ("…" if len(numbers) > NUMBERS_SHOWN else "")
        half = max(11.0, 7 + 4 * len(words))
        x = min(max(at_x, LEFT + half), plane.width - RIGHT - half)
        yield (
            f'<g class="alarm" transform="translate({x:.1f} {y:.1f})">'
            f'<rect x="{-half:.0f}" y="-11" width="{2 * half:.0f}" height="22" rx="11"/>'
            f'<text class="number" y="4.5">{words}</text></g>'
        )
