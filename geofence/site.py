"""Whether the fences of a file lie where the site is, or would if it were read otherwise; needs shapely.

A reading fits when the fence and the site share ground, or when it lies on one of the site's buildings.
One that does not fit as given, but does with latitude and longitude exchanged
or taken as GCJ-02 or BD-09 (500 m and more off in China), was written that way:
it is suspected, never changed.
A fence that lies elsewhere in both readings is only far away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from geofence.datum import from_wgs84, to_wgs84
from geofence.features import Geometry, moved, numbers
from geofence.fields import Value
from geofence.findings import Finding
from geofence.flat import Flat

Change = Callable[[float, float], tuple[float, float]]

FITS = 0.8
"""Share of the smaller of fence and site that they have in common, from which on a reading fits."""
FITS_NOT = 0.5
"""The same, under which the reading as given does not."""
ON_A_BUILDING = 0.6
"""Ground in common with one building over the ground of both together, from which on it is that building."""
ON_NONE = 0.3
POINT_M = 1.0
FAR_M = 20_000.0

TO_WGS84: Mapping[str, Change] = MappingProxyType(
    {"gcj02": partial(to_wgs84, datum="gcj02"), "bd09": partial(to_wgs84, datum="bd09")}
)


def _swapped(lat: float, lon: float) -> tuple[float, float]:
    return lon, lat


OTHERWISE: Mapping[str, Mapping[str, tuple[Change, str]]] = MappingProxyType(
    {
        "": {
            "axes_swapped": (_swapped, "it fits the site when latitude and longitude are exchanged"),
            "gcj02_suspected": (TO_WGS84["gcj02"], "it fits the site when it is taken as GCJ-02"),
            "bd09_suspected": (TO_WGS84["bd09"], "it fits the site when it is taken as BD-09"),
        },
        "wgs84": {"axes_swapped": (_swapped, "it fits the site when latitude and longitude are exchanged")},
        "gcj02": {
            "datum_doubtful": (
                partial(from_wgs84, datum="gcj02"),
                "as GCJ-02 it lies beside the site, as WGS-84 on it",
            )
        },
        "bd09": {},
    }
)
"""By the datum the installer named (empty: none): what else a file may be, and what is said then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a site is: its ground, and a shapely.STRtree of its buildings, in metres on `flat`."""

    flat: Flat
    ground: Any
    buildings: Any

    def finding(self, parts: Sequence[Geometry], values: Mapping[str, Value], datum: str) -> Finding | None:
        """Give what is odd about where a fence lies, or None; `datum` is what the installer named."""
        shared, like = self._fit(parts, values)
        suspected: list[tuple[float, Finding]] = []
        for code, (change, words) in OTHERWISE[datum].items():
            now_shared, now_like = self._fit([moved(part, change) for part in parts], values)
            if (shared < FITS_NOT and now_shared >= FITS) or (like < ON_NONE and now_like >= ON_A_BUILDING):
                finding = Finding(code=code, weight="error", words=words)
                suspected.append((now_shared + now_like, finding))
        if suspected:
            return max(suspected, key=lambda one: one[0])[1]
        away_m = self._drawn(parts, values).distance(self.ground)
        if away_m > FAR_M:
            words = f"about {away_m / 1000:.0f} km from the site"
            return Finding(code="too_far", weight="warning", words=words, value=round(away_m))
        return None

    def _fit(self, parts: Sequence[Geometry], values: Mapping[str, Value]) -> tuple[float, float]:
        """The share in common with the site, and the likeness to the building most like it: 0 to 1 each."""
        drawn = self._drawn(parts, values)
        shared = drawn.intersection(self.ground).area / min(drawn.area, self.ground.area)
        if not len(self.buildings):
            return shared, 1.0
        near = self.buildings.geometries.take(self.buildings.query(drawn, predicate="intersects"))
        like = max((drawn.intersection(one).area / drawn.union(one).area for one in near), default=0.0)
        return shared, like

    def _drawn(self, parts: Sequence[Geometry], values: Mapping[str, Value]) -> Any:
        """The ground of a fence; every point and line as wide as the widest."""
        import shapely.geometry  # noqa: PLC0415 (90 ms and 29 MiB: only who judges a drawing pays)

        sizes_m = {
            "Point": max(numbers(values.get("radius_m")), default=POINT_M),
            "LineString": max(numbers(values.get("half_width_m")), default=POINT_M),
            "Polygon": 0.0,
        }
        grounds = [
            self.flat.down(shapely.force_2d(shapely.geometry.shape(part))).buffer(sizes_m[part["type"]])
            for part in parts
        ]
        return shapely.union_all(grounds)


def read_site(folder: Path) -> Site | None:
    """Give the site of a map folder: `boundary.geojson`, else the hull of `buildings.geojson`.

    None when there is neither. Raises OSError or ValueError when a file there cannot be read.
    """
    import shapely  # noqa: PLC0415 (the same)

    boundary, buildings = (_polygons(folder / f"{name}.geojson") for name in ("boundary", "buildings"))
    drawn = shapely.union_all(boundary) if boundary else shapely.union_all(buildings).convex_hull
    if drawn.is_empty:
        return None
    flat = Flat(drawn.centroid.y, drawn.centroid.x)
    tree = shapely.STRtree([flat.down(one) for one in buildings])
    return Site(flat=flat, ground=flat.down(drawn), buildings=tree)


def _polygons(path: Path) -> list[Any]:
    import shapely.geometry  # noqa: PLC0415 (the same)

    if not path.exists():
        return []
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    drawn = [shapely.geometry.shape(feature["geometry"]) for feature in features if feature["geometry"]]
    return [one for one in drawn if one.area > 0 and one.is_valid]
