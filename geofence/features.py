"""Fences as features of a map: a shape to a GeoJSON geometry and back; pure, standard library only.

Geometries are mappings as RFC 7946 section 3.1 has them: longitude before latitude, WGS-84 degrees.

| a fence that is | is drawn as |
|---|---|
| a circle | a Point with `radius_m` |
| a corridor | a LineString with `half_width_m` |
| a polygon, holes too | a Polygon |
| several parts of one kind | a MultiPoint, MultiLineString or MultiPolygon |
| several parts of several kinds | a GeometryCollection |

Parts that differ in radius_m or half_width_m have one number each, in the order of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from geofence.fields import Value
from geofence.shape import Circle, Corridor, FenceShape, Parts, Polygon

SINGLE = {"Point": "MultiPoint", "LineString": "MultiLineString", "Polygon": "MultiPolygon"}
LEAST_RING = 4
"""Points of a GeoJSON ring: three corners and the first again."""

Geometry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row of a map file: its number from 1, its columns as they stand there, its geometry in WGS-84."""

    number: int
    columns: Mapping[str, Any]
    geometry: Geometry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFence:
    """One fence of a file: its id and name, its shape, and whatever else its columns say of it."""

    id: str
    name: str
    shape: FenceShape
    extra: Mapping[str, Value] = field(default_factory=dict)


def flat(geometry: Geometry) -> Iterator[Geometry]:
    """Give the Points, LineStrings and Polygons of a geometry, however deep, in their order.

    Raises ValueError for a kind of geometry that GeoJSON does not know.
    """
    kind = geometry["type"]
    if kind in SINGLE:
        yield geometry
    elif kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from flat(part)
    elif kind in SINGLE.values():
        single = kind.removeprefix("Multi")
        for coordinates in geometry["coordinates"]:
            yield {"type": single, "coordinates": coordinates}
    else:
        raise ValueError(f"a {kind} is no fence")


def together(parts: Sequence[Geometry]) -> Geometry:
    """Give one geometry of Points, LineStrings and Polygons; the other way of `flat`."""
    if len(parts) == 1:
        return parts[0]
    kinds = {part["type"] for part in parts}
    if len(kinds) > 1:
        return {"type": "GeometryCollection", "geometries": list(parts)}
    return {"type": SINGLE[kinds.pop()], "coordinates": [part["coordinates"] for part in parts]}


def moved(geometry: Geometry, change: Callable[[float, float], tuple[float, float]]) -> Geometry:
    """Give the geometry with every place changed: (lat, lon) in degrees to (lat, lon); heights are lost."""
    if geometry["type"] == "GeometryCollection":
        return {
            "type": "GeometryCollection",
            "geometries": [moved(g, change) for g in geometry["geometries"]],
        }

    def walk(coordinates: Any) -> Any:
        if coordinates and isinstance(coordinates[0], int | float):
            lat, lon = change(coordinates[1], coordinates[0])
            return [lon, lat]
        return [walk(inner) for inner in coordinates]

    return {"type": geometry["type"], "coordinates": walk(geometry["coordinates"])}


def shape_of_parts(
    parts: Sequence[Geometry], *, radii_m: Sequence[float], widths_m: Sequence[float]
) -> FenceShape:
    """Give the shape of Points, LineStrings and Polygons with their radii and half widths.

    One radius or half width is for all of its kind, else there is one for each, in order.
    Raises ValueError in words when there are not so many, or when a part is no good shape.
    """
    radii = iter(_each(parts, "Point", radii_m, "radius_m"))
    widths = iter(_each(parts, "LineString", widths_m, "half_width_m"))
    shapes: list[Circle | Polygon | Corridor] = []
    for part in parts:
        coordinates = part["coordinates"]
        if part["type"] == "Point":
            lon, lat, *_ = coordinates
            shapes.append(Circle(lat=float(lat), lon=float(lon), radius_m=next(radii)))
        elif part["type"] == "LineString":
            shapes.append(Corridor(line=_places(coordinates), half_width_m=next(widths)))
        else:
            outer, *holes = (_places(ring) for ring in coordinates)
            shapes.append(Polygon(corners=outer, holes=tuple(holes)))
    if not shapes:
        raise ValueError("nothing is drawn")
    return shapes[0] if len(shapes) == 1 else Parts(parts=tuple(shapes))


def _each(parts: Sequence[Geometry], kind: str, sizes_m: Sequence[float], column: str) -> Sequence[float]:
    count: int = sum(part["type"] == kind for part in parts)
    if len(sizes_m) == 1:
        return (sizes_m[0],) * count
    if len(sizes_m) != count:
        raise ValueError(
            f"{count} parts of kind {kind} have {len(sizes_m)} of {column}: one for all, or one each"
        )
    return sizes_m


def shape_of_geometry(geometry: Geometry, values: Mapping[str, Value]) -> FenceShape:
    """Give the shape of a geometry with the `radius_m` and `half_width_m` of its columns.

    Raises ValueError in words for whatever is no fence.
    """
    return shape_of_parts(
        list(flat(geometry)),
        radii_m=numbers(values.get("radius_m")),
        widths_m=numbers(values.get("half_width_m")),
    )


def numbers(value: Value | None) -> tuple[float, ...]:
    """Give the numbers of a column that holds one, several or none."""
    if isinstance(value, tuple):
        return tuple(float(one) for one in value)
    return () if value is None else (float(value),)


def geometry_of(shape: FenceShape) -> tuple[Geometry, dict[str, Value]]:
    """Give the geometry of a shape, and the radius_m and half_width_m that belong to it."""
    shapes = tuple(_leaves(shape))
    sizes: dict[str, Value] = {}
    for column, found in (
        ("radius_m", tuple(one.radius_m for one in shapes if isinstance(one, Circle))),
        ("half_width_m", tuple(one.half_width_m for one in shapes if isinstance(one, Corridor))),
    ):
        if found:
            sizes[column] = found[0] if len(set(found)) == 1 else found
    return together([_drawn(one) for one in shapes]), sizes


def _leaves(shape: FenceShape) -> Iterator[Circle | Polygon | Corridor]:
    if isinstance(shape, Parts):
        for part in shape.parts:
            yield from _leaves(part)
    else:
        yield shape


def _drawn(shape: Circle | Polygon | Corridor) -> Geometry:
    if isinstance(shape, Circle):
        return {"type": "Point", "coordinates": [shape.lon, shape.lat]}
    if isinstance(shape, Corridor):
        return {"type": "LineString", "coordinates": _pairs(shape.line)}
    rings = (shape.corners, *shape.holes)
    return {
        "type": "Polygon",
        "coordinates": [_pairs(ring if ring[0] == ring[-1] else (*ring, ring[0])) for ring in rings],
    }


def _pairs(places: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[lon, lat] for lat, lon in places]


def _places(coordinates: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(lat), float(lon)) for lon, lat, *_ in coordinates)
