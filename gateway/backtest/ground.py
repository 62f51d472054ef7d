"""The map of a trial as inline SVG: streets, fences with their margin, the track, the would-be alarms.

Made here from the community's own map layers; nothing is fetched, and no colour is in it:
`fence`, `margin`, `way`, `dot`, `alarm` and the layers' names are classes for whoever shows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from itertools import pairwise
from typing import Any, Literal

import shapely

from gateway.backtest.fences import Found, Seen, Trial
from gateway.backtest.track import Position
from gateway.fences import shape_of
from gateway.model import FenceView
from gateway.places import METRES_A_DEGREE
from geofence.outline import outline
from sos.shifts import CHINA

WIDTH = 960
PHONE_WIDTH = 380
LEAST_SHARE, MOST_SHARE = 0.5, 1.15
"""The height of a map, as a share of its width, at least and at most."""
PADDING = 0.07
GAP = timedelta(minutes=10)
"""Fixes farther apart than this are joined by a thin broken line: nobody knows the way between."""
MOST_POINTS = 20_000
FAR_M = 3_000.0
FAR_SHARE = 0.01
"""Where the fixes span more than FAR_M, this share of them may lie outside the picture:
one wild fix must not shrink the neighbourhood."""
NUMBERS_SHOWN = 6
NEAR_PX = 34.0
WORDS_PX = 150.0
"""Marks nearer than NEAR_PX share one; a time needs WORDS_PX beside its mark, and none is on a small map."""
LAYERS = ("boundary", "places", "buildings", "roads")
BARS_M = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture's plane: its middle in degrees, pixels a metre, and its size in pixels."""

    lat: float
    lon: float
    scale: float
    middle: Point
    width: float
    height: float

    def point(self, lat: float, lon: float) -> Point:
        """Pixels from the upper left corner."""
        return self.pixels(metres(self.lat, self.lon, lat, lon))

    def pixels(self, place: Point) -> Point:
        """Pixels of a point given in metres east and north of the middle."""
        x = self.width / 2 + (place[0] - self.middle[0]) * self.scale
        return x, self.height / 2 - (place[1] - self.middle[1]) * self.scale


def metres(lat0: float, lon0: float, lat: float, lon: float) -> Point:
    """Metres east and north of (lat0, lon0), as good as a picture of a neighbourhood needs them."""
    return (lon - lon0) * METRES_A_DEGREE * math.cos(math.radians(lat0)), (lat - lat0) * METRES_A_DEGREE


def fence_map(
    trial: Trial,
    layers: Mapping[str, Sequence[dict[str, Any]]],
    lang: Literal["zh", "en"],
    *,
    width: int = WIDTH,
    kind: str = "map",
) -> str:
    """The whole map; empty where there is neither a fence nor a fix.

    `layers` are the GeoJSON features of the community's map by layer (`LAYERS`); `width` in pixels;
    `kind` is the class of the whole.
    """
    lat0, lon0 = _origin(trial)
    grounds = [
        (_ground(one.view, lat0, lon0), one.side * one.limits.exit_margin_m, _name_at(one.view, lang))
        for one in trial.fences
    ]
    frame = _frame(trial, grounds, lat0, lon0, width)
    if frame is None:
        return ""
    parts = [
        *_streets(layers, frame, lang),
        *(
            _fence(ground, margin_m, frame, keep_out=one.side < 0)
            for one, (ground, margin_m, _) in zip(trial.fences, grounds, strict=True)
        ),
        *_track(trial.track, trial.seen, frame),
        *(_fence_name(ground, margin_m, name, frame) for ground, margin_m, name in grounds),
        *_alarms(trial.found, frame),
        _scale_bar(frame, lang),
        _north(lang, frame),
    ]
    label = "轨迹、围栏和会报警的位置" if lang == "zh" else "track, fences and would-be alarms"
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {frame.height:.0f}" role="img" aria-label="{label}">'
        f'<rect class="paper" width="{width}" height="{frame.height:.0f}"/>{"".join(parts)}</svg>'
    )


def _origin(trial: Trial) -> Point:
    for one in trial.fences:
        return outline(shape_of(one.view))[0][0][0]
    return (trial.track[0].lat, trial.track[0].lon) if trial.track else (0.0, 0.0)


def _ground(view: FenceView, lat0: float, lon0: float) -> Any:
    """The ground of a fence in metres around the origin, as a shapely geometry."""
    areas = [
        [[metres(lat0, lon0, lat, lon) for lat, lon in ring] for ring in area]
        for area in outline(shape_of(view))
    ]
    return shapely.union_all([shapely.Polygon(outer, holes) for outer, *holes in areas])


def _name_at(view: FenceView, lang: Literal["zh", "en"]) -> str:
    if view.keep == "out":
        return f"不宜进入：{view.name}" if lang == "zh" else f"Keep out: {view.name}"
    return f"围栏：{view.name}" if lang == "zh" else f"Fence: {view.name}"


def _frame(
    trial: Trial, grounds: Sequence[tuple[Any, float, str]], lat0: float, lon0: float, width: int
) -> Frame | None:
    """What must be seen: the fences with their margins, the alarms, and all but the wildest fixes."""
    places = [
        metres(lat0, lon0, one.lat, one.lon)
        for one, word in zip(trial.track, trial.seen, strict=True)
        if word != "unsure"
    ]
    spots = [
        metres(lat0, lon0, one.alarm.lat, one.alarm.lon)
        for one in trial.found
        if one.alarm.lat is not None and one.alarm.lon is not None
    ]
    boxes = [ground.buffer(max(margin_m, 0.0)).bounds for ground, margin_m, _ in grounds]
    xs = [x for x, _ in spots] + [x for left, _, right, _ in boxes for x in (left, right)]
    ys = [y for _, y in spots] + [y for _, low, _, high in boxes for y in (low, high)]
    xs += _most([x for x, _ in places])
    ys += _most([y for _, y in places])
    if not xs:
        return None
    wide, high = max(max(xs) - min(xs), 60.0), max(max(ys) - min(ys), 60.0)
    wide, high = wide * (1 + 2 * PADDING), high * (1 + 2 * PADDING)
    height = min(max(width * high / wide, LEAST_SHARE * width), MOST_SHARE * width)
    scale = min(width / wide, height / high)
    return Frame(lat0, lon0, scale, ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2), width, height)


def _most(values: list[float]) -> list[float]:
    """The ends of what they span, where that is far without the outermost `FAR_SHARE` on either side."""
    if not values:
        return []
    ordered = sorted(values)
    off = int(len(ordered) * FAR_SHARE) if ordered[-1] - ordered[0] > FAR_M else 0
    return [ordered[off], ordered[-1 - off]]


# --------------------------------------------------------------------------- the ground


def _streets(
    layers: Mapping[str, Sequence[dict[str, Any]]], frame: Frame, lang: Literal["zh", "en"]
) -> Iterator[str]:
    labels: list[str] = []
    for layer in LAYERS:
        for feature in layers.get(layer, ()):
            about = feature["properties"]
            outlines = [
                [frame.point(lat, lon) for lon, lat, *_ in ring] for ring in _rings(feature["geometry"])
            ]
            if not outlines:
                continue
            closed = "Polygon" in feature["geometry"]["type"]
            width = (
                f' stroke-width="{float(about.get("width_m") or 4) * frame.scale:.1f}"' if not closed else ""
            )
            drawn = "".join(_path(ring, closed=closed) for ring in outlines)
            yield f'<path class="{layer}"{width} d="{drawn}"/>'
            if closed and layer != "boundary":
                labels.append(_label(about, outlines[0], lang))
    yield from labels


def _rings(geometry: dict[str, Any]) -> list[Any]:
    corners: list[Any] = geometry["coordinates"]
    match geometry["type"]:
        case "Polygon" | "MultiLineString":
            return corners
        case "MultiPolygon":
            return [ring for polygon in corners for ring in polygon]
        case "LineString":
            return [corners]
        case _:
            return []


def _label(about: dict[str, Any], ring: Sequence[Point], lang: Literal["zh", "en"]) -> str:
    chinese = about.get("name") or ""
    name = chinese if lang == "zh" else about.get("name_en") or chinese
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    if max(xs) - min(xs) < 12 + 6 * len(name):  # the name would be wider than what it names
        return ""
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return f'<text class="name" x="{x:.1f}" y="{y + 4:.1f}">{escape(name)}</text>'


def _path(points: Iterable[Point], *, closed: bool) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")


# --------------------------------------------------------------------------- the fences


def _fence(ground: Any, margin_m: float, frame: Frame, *, keep_out: bool) -> str:
    left = f'<path class="margin" d="{_outline(ground.buffer(margin_m), frame)}"/>' if margin_m else ""
    kind = "fence keep-out" if keep_out else "fence"
    return f'{left}<path class="{kind}" fill-rule="evenodd" d="{_outline(ground, frame)}"/>'


def _outline(ground: Any, frame: Frame) -> str:
    pieces = getattr(ground, "geoms", [ground])
    rings = [ring for piece in pieces for ring in (piece.exterior, *piece.interiors) if not piece.is_empty]
    return "".join(_path((frame.pixels(spot) for spot in ring.coords), closed=True) for ring in rings)


def _fence_name(ground: Any, margin_m: float, name: str, frame: Frame) -> str:
    left, _, right, top = ground.buffer(max(margin_m, 0.0)).bounds
    x, y = frame.pixels(((left + right) / 2, top))
    y = max(y - 8, 18)
    return f'<text class="fence-name" x="{x:.1f}" y="{y:.1f}">{escape(name)}</text>'


# --------------------------------------------------------------------------- where the wearer was


def _track(track: Sequence[Position], seen: Sequence[Seen], frame: Frame) -> Iterator[str]:
    """The way from fix to fix, then the fixes; at most `MOST_POINTS`, evenly left out."""
    stride = max(1, math.ceil(len(track) / MOST_POINTS))
    spots = [
        (frame.point(place.lat, place.lon), place.at, word)
        for place, word in zip(track[::stride], seen[::stride], strict=True)
    ]
    ways: dict[str, list[str]] = {}
    for (before, at, _), (after, then, word) in pairwise(spots):
        kind = "gap" if then - at > GAP * stride else word
        ways.setdefault(kind, []).append(_path((before, after), closed=False))
    for kind in ("gap", "inside", "unsure", "outside"):
        if kind in ways:
            yield f'<path class="way {kind}" d="{"".join(ways[kind])}"/>'
    for kind in ("inside", "unsure", "outside"):
        dots = {(round(x), round(y)) for (x, y), _, word in spots if word == kind}
        if dots:
            drawn = "".join(f"M{x} {y}h0" for x, y in sorted(dots))
            yield f'<path class="dot {kind}" d="{drawn}"/>'


def _alarms(found: Sequence[Found], frame: Frame) -> Iterator[str]:
    """A numbered mark an alarm; those that would cover each other share one."""
    groups: list[tuple[Point, list[Found]]] = []
    for one in found:
        if one.alarm.lat is None or one.alarm.lon is None:
            continue
        spot = frame.point(one.alarm.lat, one.alarm.lon)
        near = next((group for at, group in groups if math.dist(at, spot) < NEAR_PX), None)
        if near is None:
            groups.append((spot, [one]))
        else:
            near.append(one)
    for (x, y), group in groups:
        crowded = any(0 < other - x < WORDS_PX and abs(below - y) < NEAR_PX for (other, below), _ in groups)
        timed = frame.width > PHONE_WIDTH
        yield _mark(x, y, group, left=crowded or x > frame.width - WORDS_PX, timed=timed)


def _mark(x: float, y: float, group: Sequence[Found], *, left: bool, timed: bool) -> str:
    first = group[0]
    number = " ".join(str(one.number) for one in group[:NUMBERS_SHOWN])
    number += "…" if len(group) > NUMBERS_SHOWN else ""
    half = max(13, 8 + 5 * len(number))
    when = f"{first.alarm.at.astimezone(CHINA):%m-%d %H:%M}"
    side, anchor = (-half - 6, "end") if left else (half + 6, "start")
    words = f'<text class="when" x="{side}" y="5" text-anchor="{anchor}">{when}</text>' if timed else ""
    return (
        f'<g class="alarm" transform="translate({x:.1f} {y:.1f})">'
        f'<rect x="{-half}" y="-13" width="{2 * half}" height="26" rx="13"/>'
        f'<text class="number" y="5">{number}</text>{words}</g>'
    )


# --------------------------------------------------------------------------- how to read it


def _scale_bar(frame: Frame, lang: Literal["zh", "en"]) -> str:
    length_m = max((one for one in BARS_M if one * frame.scale <= frame.width / 4), default=BARS_M[0])
    words = f"{length_m} 米" if lang == "zh" else f"{length_m} m"
    y, right = frame.height - 22, 24 + length_m * frame.scale
    return (
        f'<g class="bar"><path d="M24 {y - 6}V{y}H{right:.1f}V{y - 6}"/>'
        f'<text x="{(24 + right) / 2:.1f}" y="{y - 8}">{words}</text></g>'
    )


def _north(lang: Literal["zh", "en"], frame: Frame) -> str:
    word = "北" if lang == "zh" else "N"
    return (
        f'<g class="north" transform="translate({frame.width - 34} 40)"><path d="M0-22L8 2L0-4L-8 2Z"/>'
        f'<text y="18">{word}</text></g>'
    )
