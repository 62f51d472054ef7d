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
"""Distances below are said to ten metres, those above to a hundred."""
FAR_M = 3000.0
"""Beyond this the nearest name of the community says nothing any more."""
DIRECTIONS = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")
DIRECTIONS_EN = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")


@dataclass(frozen=True, slots=True)
class Place:
    """A named point: lat, lon in WGS-84 degrees."""

    name: str
    name_en: str
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

    def words(self, lat: float | None, lon: float | None) -> tuple[str, str]:
        """Such as ("3栋附近", "building 3") or ("东门东北约80米", "about 80 m north-east of the East Gate").

        Both are empty when nothing named is near.
        """
        if lat is None or lon is None or not self._places:
            return "", ""
        metres = METRES_A_DEGREE * math.cos(math.radians(lat))
        distance_m, place = min(
            (
                (math.hypot((lat - place.lat) * METRES_A_DEGREE, (lon - place.lon) * metres), place)
                for place in self._places
            ),
            key=lambda found: found[0],
        )
        if distance_m <= AT_M:
            return f"{place.name}附近", place.name_en
        if distance_m > FAR_M:
            return "", ""
        angle = math.atan2((lon - place.lon) * metres, (lat - place.lat) * METRES_A_DEGREE)
        point = round(angle / (math.pi / 4)) % 8
        rounded_m = round(distance_m, -1 if distance_m < NEAR_M else -2)
        return (
            f"{place.name}{DIRECTIONS[point]}约{rounded_m:.0f}米",
            f"about {rounded_m:.0f} m {DIRECTIONS_EN[point]} of {place.name_en}",
        )


def _read(path: Path) -> list[Place]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found = []
    for feature in document.get("features", []):
        properties = feature.get("properties", {})
        name = properties.get("name")
        corners = list(_corners(feature.get("geometry", {}).get("coordinates")))
        if name and corners:
            lons, lats = [corner[0] for corner in corners], [corner[1] for corner in corners]
            found.append(
                Place(
                    name,
                    properties.get("name_en") or name,
                    (min(lats) + max(lats)) / 2,
                    (min(lons) + max(lons)) / 2,
                )
            )
    return found


def _corners(coordinates: Any) -> list[tuple[float, float]]:
    """Every (lon, lat) pair of a GeoJSON geometry, however deep."""
    if not isinstance(coordinates, list) or not coordinates:
        return []
    if isinstance(coordinates[0], int | float):
        return [(float(coordinates[0]), float(coordinates[1]))]
    return [corner for part in coordinates for corner in _corners(part)]
