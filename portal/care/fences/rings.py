"""What a map draws of a fence while it is edited: its ground, and the lines where it alarms and is back.

Pure. A margin is drawn as the rule counts it (`gateway.rules.fence`): metres from the border towards
where the wearer should not be, so beyond a fence to keep in, and inside one to keep out of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from gateway.fences import shape_of, view_of
from gateway.profile import FenceTable
from geofence.outline import QUARTER_CORNERS
from geofence.plane import Plane, off_plane, on_plane, plane_at
from geofence.shape import Circle, Corridor, FenceShape, Parts, Polygon

PLACES = 7
"""Decimals of a degree: a centimetre."""
Geometry = dict[str, Any]


def ground_of(fence: FenceTable) -> dict[str, Any]:
    """Give the ground of a fence in WGS-84 as an editor takes it up; a fence of parts is no such ground."""
    view = view_of(fence)
    if view.polygon:
        return {"kind": "polygon", "polygon": view.polygon, "holes": view.holes}
    if view.line:
        return {"kind": "corridor", "line": view.line, "half_width_m": view.half_width_m}
    if view.centre is not None:
        return {"kind": "circle", "centre": view.centre, "radius_m": view.radius_m}
    return {"kind": "parts"}


def rings_of(fence: FenceTable, standards: Mapping[str, float]) -> dict[str, Geometry]:
    """Give the areas of a fence as GeoJSON MultiPolygons in WGS-84, by what they are.

    `area`: the fence itself; `leave`: whoever passes its edge has left (or entered, of a fence to keep out);
    `back`: whoever passes its edge has come back; `approach`: a notice is given at its edge.
    One that equals the fence, or of which nothing is left, is not there.
    Raises ValueError for a fence that is no shape.
    """
    shape = shape_of(view_of(fence))
    middle = _middle(shape)
    side = 1.0 if fence.keep == "in" else -1.0
    leave_m, back_m = limits_m(fence, standards)
    metres = {"area": 0.0, "leave": side * leave_m, "back": side * back_m}
    if fence.approach_m:
        metres["approach"] = -side * fence.approach_m
    found = {}
    for name, grown_m in metres.items():
        if grown_m or name == "area":
            grown = _grown(shape, grown_m, middle)
            if not grown.is_empty:
                found[name] = _in_degrees(grown, middle)
    return found


def limits_m(fence: FenceTable, standards: Mapping[str, float]) -> tuple[float, float]:
    """Give how many metres beyond the border is left, and how many is back again; negative: before it."""
    margin_m = fence.exit_margin_m
    if margin_m <= 0:
        margin_m = standards.get("exit_margin_m", 0.0) if fence.keep == "in" else 0.0
    hysteresis_m = fence.hysteresis_m
    if hysteresis_m is None:
        hysteresis_m = standards.get("hysteresis_m", 0.0)
    return margin_m, margin_m - hysteresis_m


def _middle(shape: FenceShape) -> Plane:
    """The plane that touches at the middle of a shape's box."""
    south, north, west, east = shape.box(0.0)
    return plane_at((south + north) / 2, (west + east) / 2)


def _grown(shape: FenceShape, metres: float, middle: Plane) -> BaseGeometry:
    """The ground up to so many metres beyond the border, on a plane, as the shapes measure: part by part."""
    parts = shape.parts if isinstance(shape, Parts) else (shape,)
    return shapely.union_all([_grown_part(part, metres, middle) for part in parts])


def _grown_part(part: Circle | Polygon | Corridor, metres: float, middle: Plane) -> BaseGeometry:
    def laid(ring: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        return [on_plane(middle, lat, lon)[:2] for lat, lon in ring]

    if isinstance(part, Polygon):
        ground = shapely.Polygon(laid(part.corners), [laid(hole) for hole in part.holes])
        return ground.buffer(metres, quad_segs=QUARTER_CORNERS) if metres else ground
    if isinstance(part, Circle):
        core, reach_m = shapely.Point(laid([(part.lat, part.lon)])[0]), part.radius_m + metres
    else:
        core, reach_m = shapely.LineString(laid(part.line)), part.half_width_m + metres
    return core.buffer(reach_m, quad_segs=QUARTER_CORNERS) if reach_m > 0 else shapely.Polygon()


def _in_degrees(ground: BaseGeometry, middle: Any) -> Geometry:
    """A ground on a plane as a MultiPolygon in longitude and latitude."""

    def turned(ring: Any) -> list[list[float]]:
        places = (off_plane(middle, x, y) for x, y in ring.coords)
        return [[round(lon, PLACES), round(lat, PLACES)] for lat, lon in places]

    areas: Any = getattr(ground, "geoms", (ground,))
    return {
        "type": "MultiPolygon",
        "coordinates": [[turned(ring) for ring in (area.exterior, *area.interiors)] for area in areas],
    }
