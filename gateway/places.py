"""Where is that, in words: the nearest building, gate or place of the community map."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METRES_A_DEGREE = 111_320.0
AT_M = 25.0
NEAR_M = 150.0
DIRECTIONS = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")


@dataclass(frozen=True, slots=True)
class Place:
    """A named point: lat, lon in WGS-84 degrees."""

    name: str
    lat: float
    lon: float


class Places:
    """The named things of a community, read once at start; GeoJSON files of Points and Polygons.

    A missing folder or file gives fewer names, never an error: a text without a place is still sent.
    """

    def __init__(self, folder: Path) -> None:
        self._places = tuple(
            place for name in ("buildings", "gates", "places") for place in _read(folder / f"{name}.geojson")
        )

    def words(self, lat: float | None, lon: float | None) -> str:
        """Such as "3栋附近" or "东门东北约80米"; empty when nothing named is near."""
        if lat is None or lon is None or not self._places:
            return ""
        metres = METRES_A_DEGREE * math.cos(math.radians(lat))
        distance_m, place = min(
            (
                (math.hypot((lat - place.lat) * METRES_A_DEGREE, (lon - place.lon) * metres), place)
                for place in self._places
            ),
            key=lambda found: found[0],
        )
        if distance_m <= AT_M:
            return f"{place.name}附近"
        if distance_m > NEAR_M:
            return ""
        angle = math.atan2((lon - place.lon) * metres, (lat - place.lat) * METRES_A_DEGREE)
        return f"{place.name}{DIRECTIONS[round(angle / (math.pi / 4)) % 8]}约{round(distance_m, -1):.0f}米"


def _read(path: Path) -> list[Place]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found = []
    for feature in document.get("features", []):
        name = feature.get("properties", {}).get("name")
        corners = list(_corners(feature.get("geometry", {}).get("coordinates")))
        if name and corners:
            lons, lats = [corner[0] for corner in corners], [corner[1] for corner in corners]
            found.append(Place(name, (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2))
    return found


def _corners(coordinates: Any) -> list[tuple[float, float]]:
    """Every (lon, lat) pair of a GeoJSON geometry, however deep."""
    if not isinstance(coordinates, list) or not coordinates:
        return []
    if isinstance(coordinates[0], int | float):
        return [(float(coordinates[0]), float(coordinates[1]))]
    return [corner for part in coordinates for corner in _corners(part)]
