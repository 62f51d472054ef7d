"""A small drawing of the streets around a position, for paper: SVG made here from the community's own map."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from portal.care.places import METRES_A_DEGREE, read_layer
from portal.people.language import chosen_language

HALF_WIDTH_M = 150.0
HALF_HEIGHT_M = 90.0
DRAWN = ("boundary", "roads", "places", "buildings")
LABELLED = frozenset({"buildings", "places"})


def sketch(folder: str, lat: float | None, lon: float | None) -> Markup | None:
    """The surroundings of a WGS-84 position, 300 m by 180 m, north up; None without position or map."""
    if lat is None or lon is None:
        return None
    shapes, labels = [], []
    for name in DRAWN:
        for feature in layer(folder, name)["features"]:
            rings = rings_of(feature["geometry"], lat, lon)
            near = [ring for ring in rings if _touches(ring)]
            if not near:
                continue
            closed = "Z" if "Polygon" in feature["geometry"]["type"] else ""
            path = "".join(path_of(ring) + closed for ring in near)
            shapes.append(Markup('<path class="sketch-{}" d="{}"/>').format(name, path))
            if name in LABELLED and closed:
                labels.append(_label(feature["properties"], near[0]))
    if not shapes:
        return None
    box = f"{-HALF_WIDTH_M} {-HALF_HEIGHT_M} {2 * HALF_WIDTH_M} {2 * HALF_HEIGHT_M}"
    mark = Markup('<circle class="sketch-halo" r="12"/><circle class="sketch-here" r="5"/>')
    return Markup(
        '<svg class="sketch" viewBox="{}" aria-hidden="true" focusable="false">{}{}{}</svg>'
    ).format(box, Markup().join(shapes), Markup().join(labels), mark)


@lru_cache(maxsize=16)
def layer(folder: str, name: str) -> dict[str, Any]:
    """Give one layer of a community's map, read once."""
    return read_layer(Path(folder), name)


def rings_of(geometry: dict[str, Any], lat: float, lon: float) -> list[list[tuple[float, float]]]:
    """The outlines of a geometry in metres east and south of the position; points have none."""
    corners: list[Any] = geometry["coordinates"]
    match geometry["type"]:
        case "Polygon":
            outlines = corners[:1]
        case "MultiPolygon":
            outlines = [polygon[0] for polygon in corners]
        case "LineString":
            outlines = [corners]
        case "MultiLineString":
            outlines = corners
        case _:
            outlines = []
    east_m = METRES_A_DEGREE * math.cos(math.radians(lat))
    return [
        [((corner[0] - lon) * east_m, (lat - corner[1]) * METRES_A_DEGREE) for corner in outline]
        for outline in outlines
    ]


def _touches(ring: list[tuple[float, float]]) -> bool:
    """Whether the outline's box meets the drawing."""
    xs, ys = [x for x, _y in ring], [y for _x, y in ring]
    return (
        min(xs) < HALF_WIDTH_M
        and max(xs) > -HALF_WIDTH_M
        and min(ys) < HALF_HEIGHT_M
        and max(ys) > -HALF_HEIGHT_M
    )


def path_of(ring: list[tuple[float, float]]) -> str:
    """Give an outline as the `d` of an SVG path, open."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring)


def _label(properties: dict[str, Any], ring: list[tuple[float, float]]) -> Markup:
    chinese = properties.get("name") or ""
    name = chinese if chosen_language() == "zh" else properties.get("name_en") or chinese
    xs, ys = [x for x, _y in ring], [y for _x, y in ring]
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    if not name or abs(x) > HALF_WIDTH_M - 10 or abs(y) > HALF_HEIGHT_M - 6:
        return Markup()
    return Markup('<text class="sketch-name" x="{}" y="{}">{}</text>').format(
        f"{x:.1f}", f"{y:.1f}", escape(name)
    )
