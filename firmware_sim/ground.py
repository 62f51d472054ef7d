"""The ground bands walk on: a metre grid over the sample community, its roads and places by name.

Pure but for `load_ground`, which reads the GeoJSON files of the seed folder.
A point is (east_m, north_m) from the grid's origin.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Point = tuple[float, float]

FILES = ("buildings", "gates", "places", "roads")


@dataclass(frozen=True, slots=True)
class Grid:
    """A flat grid that touches WGS-84 at (lat, lon).

    Metres per degree are the usual series of the WGS-84 ellipsoid;
    over a neighbourhood (1 km) the error is below 1 cm.
    """

    lat: float
    lon: float

    @property
    def metres_per_degree(self) -> tuple[float, float]:
        """Of latitude and of longitude, at the origin."""
        phi = math.radians(self.lat)
        north = 111132.954 - 559.822 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
        east = 111412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
        return north, east

    def to_wgs84(self, point: Point) -> tuple[float, float]:
        """(lat, lon) in degrees of a point."""
        north, east = self.metres_per_degree
        return self.lat + point[1] / north, self.lon + point[0] / east

    def to_metres(self, lat: float, lon: float) -> Point:
        """The point at (lat, lon)."""
        north, east = self.metres_per_degree
        return (lon - self.lon) * east, (lat - self.lat) * north


@dataclass(frozen=True, slots=True)
class Ground:
    """What scenarios may name: `roads` as lines, `places` (gates, buildings, gardens) as points."""

    grid: Grid
    roads: Mapping[str, tuple[Point, ...]]
    places: Mapping[str, Point]


def load_ground(seed_dir: Path, origin: tuple[float, float]) -> Ground:
    """Read roads and places of a seed folder; `origin` is (lat, lon).

    Raises OSError for a missing file and ValueError for one that is no GeoJSON of the expected kind.
    """
    grid = Grid(*origin)
    roads: dict[str, tuple[Point, ...]] = {}
    places: dict[str, Point] = {}
    for name in FILES:
        path = seed_dir / f"{name}.geojson"
        try:
            for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
                title, shape = feature["properties"]["name"], feature["geometry"]
                if shape["type"] == "LineString":
                    roads[title] = tuple(grid.to_metres(lat, lon) for lon, lat in shape["coordinates"])
                else:
                    places[title] = _middle(grid, shape)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            message = f"{path}: not the GeoJSON expected: {error!r}"
            raise ValueError(message) from error
    return Ground(grid, roads, places)


def _middle(grid: Grid, shape: Mapping[str, Any]) -> Point:
    """A point's own place, or the middle of a polygon's corners."""
    if shape["type"] == "Point":
        lon, lat = shape["coordinates"]
        return grid.to_metres(lat, lon)
    corners = [grid.to_metres(lat, lon) for lon, lat in shape["coordinates"][0][:-1]]
    return sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)
