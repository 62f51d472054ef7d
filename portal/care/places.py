"""Where a position is, in the community's own words: "3栋附近", "小区外,离北门约 120 米".

Reads the community's GeoJSON once; shapes are kept in metres on a plane through the estate's middle,
which is exact to centimetres over a kilometre.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import shapely
from shapely import STRtree
from shapely.geometry import Point, shape
from shapely.geometry.base import BaseGeometry

LAYERS = ("boundary", "roads", "places", "buildings", "gates")
"""The files of a community's map, in drawing order."""
METRES_A_DEGREE = 111_195.0
"""Of latitude, on the mean sphere (6,371,009 m)."""
NEAR_M = 60.0
OUTSIDE_M = 15.0
"""A position is outside only beyond the edge by more than this: receivers are not that exact."""
LANDMARKS = frozenset({"building", "clinic", "market", "committee", "garden", "square", "gate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A position in words to be: near a named place, somewhere in the estate, or outside it."""

    kind: Literal["near", "inside", "outside"]
    name: str = ""
    name_en: str = ""
    distance_m: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A named feature of the map; `outline` in metres on the estate's plane."""

    name: str
    name_en: str
    kind: str
    outline: BaseGeometry


class Gazetteer:
    """The named places of one community."""

    def __init__(self, folder: Path) -> None:
        layers = {name: read_layer(folder, name) for name in LAYERS}
        boundary = layers["boundary"]["features"]
        middle = shape(boundary[0]["geometry"]).centroid if boundary else Point(0, 0)
        self._lat, self._lon = middle.y, middle.x
        features = [feature for name in LAYERS for feature in layers[name]["features"]]
        named = [self._landmark(feature) for feature in features if feature["properties"].get("name")]
        self._landmarks = [place for place in named if place.kind in LANDMARKS]
        self._gates = [place for place in named if place.kind == "gate"]
        self._edge = self._plane(shape(boundary[0]["geometry"])) if boundary else None
        self._tree = STRtree([place.outline for place in self._landmarks])

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the estate, (lat, lon) in degrees of WGS-84; (0, 0) where no boundary is known."""
        return self._lat, self._lon

    def where(self, lat: float, lon: float) -> Where | None:
        """Say where a WGS-84 position is; None when the map knows nothing to say."""
        point = self._plane(Point(lon, lat))
        if self._edge is not None and self._edge.distance(point) > OUTSIDE_M:
            return self._outside(point)
        if not self._landmarks:
            return None if self._edge is None else Where(kind="inside")
        nearest = self._landmarks[int(self._tree.nearest(point))]
        distance_m = nearest.outline.distance(point)
        if distance_m > NEAR_M:
            return Where(kind="inside")
        return Where(kind="near", name=nearest.name, name_en=nearest.name_en, distance_m=distance_m)

    def _outside(self, point: BaseGeometry) -> Where:
        if not self._gates:
            return Where(kind="outside")
        gate = min(self._gates, key=lambda place: place.outline.distance(point))
        return Where(
            kind="outside",
            name=gate.name,
            name_en=gate.name_en,
            distance_m=gate.outline.distance(point),
        )

    def _landmark(self, feature: dict[str, Any]) -> Landmark:
        properties = feature["properties"]
        return Landmark(
            name=properties["name"],
            name_en=properties.get("name_en") or properties["name"],
            kind=properties.get("kind", ""),
            outline=self._plane(shape(feature["geometry"])),
        )

    def _plane(self, geometry: BaseGeometry) -> BaseGeometry:
        middle = (self._lon, self._lat)
        metres = (METRES_A_DEGREE * math.cos(math.radians(self._lat)), METRES_A_DEGREE)
        plane: BaseGeometry = shapely.transform(geometry, lambda corners: (corners - middle) * metres)
        return plane


def read_layer(folder: Path, name: str) -> dict[str, Any]:
    """One layer of the community's map as GeoJSON; an empty one where the file is missing."""
    path = folder / f"{name}.geojson"
    if name not in LAYERS or not path.exists():
        return {"type": "FeatureCollection", "features": []}
    layer: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return layer


@lru_cache(maxsize=4)
def gazetteer(folder: str) -> Gazetteer:
    """The gazetteer of a folder, read once a process."""
    return Gazetteer(Path(folder))
