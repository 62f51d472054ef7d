"""Shapes as rings of (lat, lon) corners, for maps: circles and round ends become corners too."""

from __future__ import annotations

from typing import Any

from geofence.plane import off_plane, on_plane, plane_at
from geofence.shape import Circle, Corridor, FenceShape, Parts, Polygon

QUARTER_CORNERS = 12
"""A quarter of a circle is drawn with so many corners: off by 0.2 % of its radius."""

Ring = tuple[tuple[float, float], ...]
Area = tuple[Ring, ...]
"""The outer ring, then its holes; each closed, its last corner the first again."""


def outline(shape: FenceShape) -> tuple[Area, ...]:
    """Give the areas of a shape in (lat, lon) degrees, parts that overlap joined into one."""
    import shapely  # noqa: PLC0415 (90 ms and 29 MiB: only who draws pays)

    parts = shape.parts if isinstance(shape, Parts) else (shape,)
    ground = shapely.union_all([_area(part) for part in parts])
    areas = getattr(ground, "geoms", (ground,))
    return tuple(tuple(map(_turned, (area.exterior.coords, *_holes(area)))) for area in areas)


def _area(shape: Circle | Polygon | Corridor) -> Any:
    """A shapely polygon with longitude as x and latitude as y; the edges of its grown ones made in metres."""
    import shapely  # noqa: PLC0415 (as above)

    if isinstance(shape, Polygon):
        return shapely.Polygon(_turned(shape.corners), [_turned(hole) for hole in shape.holes])
    if isinstance(shape, Circle):
        plane = plane_at(shape.lat, shape.lon)
        grown = shapely.Point(0, 0).buffer(shape.radius_m, quad_segs=QUARTER_CORNERS)
    else:
        plane = plane_at(*shape.line[len(shape.line) // 2])
        walk = shapely.LineString([on_plane(plane, lat, lon)[:2] for lat, lon in shape.line])
        grown = walk.buffer(shape.half_width_m, quad_segs=QUARTER_CORNERS)

    def in_degrees(coords: Any) -> Ring:
        return _turned(off_plane(plane, x, y) for x, y in coords)

    return shapely.Polygon(in_degrees(grown.exterior.coords), [in_degrees(hole) for hole in _holes(grown)])


def _holes(area: Any) -> list[Any]:
    return [ring.coords for ring in area.interiors]


def _turned(corners: Any) -> Ring:
    """(lat, lon) as x, y of a map, or back."""
    return tuple((float(second), float(first)) for first, second in corners)
