"""Whether what somebody drew can be a fence, and what is put right with their consent; needs shapely.

The steps for each polygon and line:

1. a ring of fewer than three corners, or of less than 1 m², is no ground;
2. a ring that crosses itself, or holes that cross or touch: repaired on consent, saying how many m²
   are inside now and were outside before, or the other way, counting as a line is read without repair
   (inside is where a way out crosses it an odd number of times);
3. more corners than a shape may have: thinned out on consent, moving the border 0.5 m at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geofence.features import LEAST_RING, Geometry
from geofence.findings import Finding
from geofence.flat import Flat
from geofence.ring import MAX_CORNERS, MIN_AREA_M2

THIN_M = 0.5
"""How far the border may move, in metres, when corners are thinned out."""

CROSSINGS = {
    "holes_crossing": "a hole crosses or touches the border or another hole",
    "self_crossing": "the border crosses itself",
}


def put_right(parts: Sequence[Geometry], *, repair: bool) -> tuple[tuple[Geometry, ...], tuple[Finding, ...]]:
    """Give the parts, repaired on `repair`, and what was found; with an error they are no fence."""
    found: list[Finding] = []
    good: list[Geometry] = []
    for part in parts:
        if part["type"] == "Point":
            good.append(part)
        elif part["type"] == "LineString":
            good.append(_thinned(part, found, repair=repair))
        else:
            good += [_thinned(one, found, repair=repair) for one in _simple(part, found, repair=repair)]
    return tuple(good), tuple(found)


def _simple(part: Geometry, found: list[Finding], *, repair: bool) -> list[Geometry]:
    """The polygon when it is one, what its repair gives, or nothing."""
    import shapely  # noqa: PLC0415 (90 ms and 29 MiB: only who judges a drawing pays)

    rings = part["coordinates"]
    if not rings or any(len(ring) < LEAST_RING for ring in rings):
        found.append(Finding(code="zero_area", weight="error", words="a ring of fewer than three corners"))
        return []
    flat, ground = _on_the_ground(part)
    mended = [
        one
        for one in shapely.get_parts(shapely.make_valid(ground, method="structure", keep_collapsed=False))
        if one.geom_type == "Polygon" and one.area >= MIN_AREA_M2
    ]
    if not mended:
        found.append(Finding(code="zero_area", weight="error", words=f"less than {MIN_AREA_M2:.0f} m²"))
        return []
    if ground.is_valid:
        return [part]
    simple = all(ring.is_simple for ring in (ground.exterior, *ground.interiors))
    code = "holes_crossing" if simple else "self_crossing"
    reason = shapely.is_valid_reason(ground).split("[")[0]
    if not repair:
        found.append(Finding(code=code, weight="error", words=f"{CROSSINGS[code]} ({reason})"))
        return []
    plain = shapely.make_valid(ground, method="linework")
    changed_m2 = shapely.symmetric_difference(plain, shapely.union_all(mended)).area
    now_m2 = sum(one.area for one in mended)
    words = f"{code}: now {now_m2:.1f} m² in {len(mended)} part(s); {changed_m2:.1f} m² changed sides"
    found.append(Finding(code="repaired", weight="warning", words=words, value=round(changed_m2, 1)))
    return [_as_geometry(flat.up(one)) for one in mended]


def _thinned(part: Geometry, found: list[Finding], *, repair: bool) -> Geometry:
    import shapely  # noqa: PLC0415 (the same)

    flat, ground = _on_the_ground(part)
    count = shapely.get_num_coordinates(ground)
    if count <= MAX_CORNERS:
        return part
    thin = shapely.simplify(ground, THIN_M, preserve_topology=True) if repair else ground
    left = shapely.get_num_coordinates(thin)
    if left > MAX_CORNERS:
        words = f"{count} corners, at most {MAX_CORNERS}" + f"; {left} when thinned out" * repair
        found.append(Finding(code="too_many_corners", weight="error", words=words, value=float(count)))
        return part
    moved_m = shapely.hausdorff_distance(ground, thin)
    words = f"{count} corners, now {left}; the border moved {moved_m:.2f} m at most"
    found.append(Finding(code="simplified", weight="warning", words=words, value=round(moved_m, 2)))
    return _as_geometry(flat.up(thin))


def _on_the_ground(part: Geometry) -> tuple[Flat, Any]:
    import shapely.geometry  # noqa: PLC0415 (the same)

    drawn = shapely.force_2d(shapely.geometry.shape(part))
    west, south, east, north = drawn.bounds
    flat = Flat((south + north) / 2, (west + east) / 2)
    return flat, flat.down(drawn)


def _as_geometry(drawn: Any) -> Geometry:
    import shapely.geometry  # noqa: PLC0415 (the same)

    found: Geometry = shapely.geometry.mapping(drawn)
    return found
