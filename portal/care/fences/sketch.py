"""A small picture of one fence over the community's own map: SVG made here, north up."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from portal.care.fences.areas import fence_areas
from portal.care.places import METRES_A_DEGREE
from portal.care.sketch import DRAWN, layer, path_of, rings_of

SHAPE = 4 / 3
"""Width to height of the picture."""
ROOM = 1.3
"""So much wider than the fence is what the picture shows."""
LEAST_HALF_M = 60.0


def fence_sketch(folder: str, fence: dict[str, Any]) -> Markup | None:
    """The picture of a `FenceView` as plain data, filled where its ground is; None where it is no shape."""
    areas = fence_areas([fence])
    if not areas:
        return None
    polygons = areas[0]["area"]["coordinates"]
    corners = [corner for rings in polygons for corner in rings[0]]
    lons, lats = [corner[0] for corner in corners], [corner[1] for corner in corners]
    lat, lon = (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2
    east_m = METRES_A_DEGREE * math.cos(math.radians(lat))
    tall = max((max(lats) - min(lats)) * METRES_A_DEGREE / 2, LEAST_HALF_M) * ROOM
    wide = max((max(lons) - min(lons)) * east_m / 2 * ROOM, tall * SHAPE)
    tall = max(tall, wide / SHAPE)
    ground = "".join(
        path_of([((x - lon) * east_m, (lat - y) * METRES_A_DEGREE) for x, y in ring]) + "Z"
        for rings in polygons
        for ring in rings
    )
    shapes = [
        Markup('<path class="sketch-{}" d="{}"/>').format(name, path)
        for name in DRAWN
        for path in _paths(folder, name, lat, lon, wide)
    ]
    kind = "fence-out" if fence.get("keep") == "out" else "fence-in"
    box = f"{-wide:.1f} {-tall:.1f} {2 * wide:.1f} {2 * tall:.1f}"
    return Markup(
        '<svg class="sketch fence-sketch" viewBox="{}" aria-hidden="true" focusable="false">{}'
        '<path class="{}" fill-rule="evenodd" vector-effect="non-scaling-stroke" d="{}"/></svg>'
    ).format(box, Markup().join(shapes), kind, ground)


def _paths(folder: str, name: str, lat: float, lon: float, reach_m: float) -> list[str]:
    """The outlines of a layer that come into the picture, in metres east and south of its middle."""
    found = []
    for feature in layer(folder, name)["features"]:
        closed = "Z" if "Polygon" in feature["geometry"]["type"] else ""
        near = [ring for ring in rings_of(feature["geometry"], lat, lon) if _comes_near(ring, reach_m)]
        if near:
            found.append("".join(path_of(ring) + closed for ring in near))
    return found


def _comes_near(ring: list[tuple[float, float]], reach_m: float) -> bool:
    return all(min(sides) < reach_m and max(sides) > -reach_m for sides in zip(*ring, strict=True))
