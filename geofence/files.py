"""Fences from and to map files (GeoJSON, GeoPackage, Shapefile, KML ... whatever geopandas opens).

geopandas costs 0.4 s and 85 MiB, so it is imported only when a file is read or written.
A fence is a polygon without holes, or a point with a property `radius_m`;
its `name` property is its name.
Files in another coordinate system than WGS-84 are converted; one that names none is taken as WGS-84.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geofence.shape import Circle, FenceShape, Polygon

WGS84 = "EPSG:4326"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShape:
    """One fence of a file: its name, empty when the file gives none, and its shape."""

    name: str
    shape: FenceShape


def read_fences(path: Path) -> tuple[NamedShape, ...]:
    """Give every fence of the file, in its order.

    Raises OSError when the file cannot be read as a map,
    ValueError, naming the feature by its number from 1, when one of them is no fence.
    """
    import geopandas  # noqa: PLC0415 (0.4 s and 85 MiB: only who reads a file pays)

    try:
        frame = geopandas.read_file(path)
    except RuntimeError as error:  # pyogrio's DataSourceError is one, and pyogrio has no types
        raise OSError(f"{path} is no map file that can be read: {error}") from error
    if frame.crs is not None and frame.crs != WGS84:
        frame = frame.to_crs(WGS84)
    fences = []
    for number, (_, row) in enumerate(frame.iterrows(), start=1):
        name = row.get("name")
        label = name if isinstance(name, str) else ""
        try:
            fences.append(NamedShape(name=label, shape=_shape(row.geometry, row.get("radius_m"))))
        except ValueError as error:
            raise ValueError(f"feature {number} {label}: {error}") from error
    return tuple(fences)


def write_fences(path: Path, fences: tuple[NamedShape, ...]) -> None:
    """Write the fences as GeoJSON, which `read_fences` reads back.

    Raises OSError when the file cannot be written.
    """
    import geopandas  # noqa: PLC0415 (0.4 s and 85 MiB: only who writes a file pays)
    import shapely  # noqa: PLC0415 (the same)

    geometries: list[Any] = []
    radii_m: list[float | None] = []
    for fence in fences:
        shape = fence.shape
        if isinstance(shape, Circle):
            geometries.append(shapely.Point(shape.lon, shape.lat))
            radii_m.append(shape.radius_m)
        elif not isinstance(shape, Polygon):
            raise TypeError(
                f"{fence.name}: only circles and polygons are written, not {type(shape).__name__}"
            )
        else:
            geometries.append(shapely.Polygon([(lon, lat) for lat, lon in shape.corners]))
            radii_m.append(None)
    columns = {"name": [fence.name for fence in fences], "radius_m": radii_m}
    frame = geopandas.GeoDataFrame(columns, geometry=geometries, crs=WGS84)
    path.write_text(frame.to_json(drop_id=True), encoding="utf-8")


def _shape(geometry: Any, radius_m: Any) -> FenceShape:
    kind = getattr(geometry, "geom_type", "nothing")
    if kind == "MultiPolygon" and len(geometry.geoms) == 1:
        (geometry,) = geometry.geoms
        kind = "Polygon"
    if kind == "Polygon":
        if len(geometry.interiors):
            raise ValueError("a fence has no holes")
        return Polygon(corners=tuple((float(lat), float(lon)) for lon, lat, *_ in geometry.exterior.coords))
    if kind == "Point" and isinstance(radius_m, int | float):
        return Circle(lat=float(geometry.y), lon=float(geometry.x), radius_m=float(radius_m))
    raise ValueError(f"a fence is a Polygon, or a Point with radius_m, not {kind}")
