"""Fences as they are configured and stored, made into shapes; pure."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from gateway.model import FencePart, FenceView
from geofence.datum import Datum, to_wgs84
from geofence.shape import Circle, Corridor, FenceShape, Parts, Polygon

Corners = tuple[tuple[float, float], ...]
Ground = TypeVar("Ground", bound=FencePart)


def view_of(table: Any) -> FenceView:
    """Give the fence of a `[[wearers.fences]]` table as everybody sees it: in WGS-84."""
    plain = {
        name: getattr(table, name)
        for name in FenceView.__struct_fields__
        if name != "fence" and hasattr(table, name)
    }
    return in_wgs84(FenceView(fence=table.id, **plain), table.datum)


def in_wgs84(view: FenceView, datum: Datum) -> FenceView:
    """Give a fence whose degrees are of `datum` in WGS-84."""
    if datum == "wgs84":
        return view
    parts = tuple(_ground(part, datum) for part in view.parts)
    return msgspec.structs.replace(_ground(view, datum), parts=parts)


def shape_of(view: FenceView, *, near_m: float = 200.0) -> FenceShape:
    """Build the shape of a fence.

    `near_m`: how near its border distances must be exact, in metres.
    Raises ValueError, in words for the installer, when it is no shape, two at once, or a bad one.
    """
    if not view.parts:
        return _shape(view, near_m)
    if _kinds(view):
        raise ValueError(f"a fence is {_kinds(view)[0]}, or parts, not both")
    if view.holes:
        raise ValueError("holes belong to a polygon")
    shapes = []
    for number, part in enumerate(view.parts, start=1):
        try:
            shapes.append(_shape(part, near_m))
        except ValueError as error:
            raise ValueError(f"part {number}: {error}") from error
    return Parts(parts=tuple(shapes))


def view_for(shape: FenceShape, *, fence: str, name: str) -> FenceView:
    """Give the fence of a shape, which `shape_of` makes into the same shape."""
    if isinstance(shape, Parts):
        return FenceView(fence=fence, name=name, parts=tuple(map(_part, shape.parts)))
    return FenceView(fence=fence, name=name, **msgspec.structs.asdict(_part(shape)))


def _part(shape: Circle | Polygon | Corridor) -> FencePart:
    if isinstance(shape, Circle):
        return FencePart(centre=(shape.lat, shape.lon), radius_m=shape.radius_m)
    if isinstance(shape, Polygon):
        return FencePart(polygon=shape.corners, holes=shape.holes)
    return FencePart(line=shape.line, half_width_m=shape.half_width_m)


def _shape(part: FencePart, near_m: float) -> Circle | Polygon | Corridor:
    kinds = _kinds(part)
    if len(kinds) > 1:
        raise ValueError(f"a fence is {' or '.join(kinds)}, not both")
    if part.holes and not part.polygon:
        raise ValueError("holes belong to a polygon")
    if part.polygon:
        return Polygon(corners=part.polygon, holes=part.holes, near_m=near_m)
    if part.line and part.half_width_m is not None:
        return Corridor(line=part.line, half_width_m=part.half_width_m, near_m=near_m)
    if part.centre is not None and part.radius_m is not None:
        return Circle(lat=part.centre[0], lon=part.centre[1], radius_m=part.radius_m)
    if not kinds:
        raise ValueError(
            "a fence needs a polygon, a centre and a radius_m, a line and a half_width_m, or parts"
        )
    raise ValueError(f"a fence needs both of {kinds[0]}")


def _kinds(part: FencePart) -> list[str]:
    """What a table begins to describe; a good one describes one thing."""
    told = {
        "a polygon": bool(part.polygon),
        "a centre and a radius_m": part.centre is not None or part.radius_m is not None,
        "a line and a half_width_m": bool(part.line) or part.half_width_m is not None,
    }
    return [kind for kind, there in told.items() if there]


def _ground(part: Ground, datum: Datum) -> Ground:
    """The same piece of ground with its degrees in WGS-84."""
    return msgspec.structs.replace(
        part,
        polygon=_moved(part.polygon, datum),
        holes=tuple(_moved(hole, datum) for hole in part.holes),
        line=_moved(part.line, datum),
        centre=None if part.centre is None else to_wgs84(*part.centre, datum=datum),
    )


def _moved(corners: Corners, datum: Datum) -> Corners:
    return tuple(to_wgs84(lat, lon, datum=datum) for lat, lon in corners)
