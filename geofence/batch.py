"""Signed distances of many places from one shape at once, with numpy: the same as asking one by one."""

from __future__ import annotations

from typing import Any

from geofence.ellipsoid import AXIS_M, SQUASH, mean_radius_m, place_m
from geofence.plane import on_plane
from geofence.shape import Circle, Corridor, FenceShape, Parts, Polygon

MOST_AT_ONCE = 32_768
"""Places times edges worked on at once, so that they stay in the processor's cache."""

Floats = Any
"""A numpy array of float64."""


def signed_distances(shape: FenceShape, lats: Floats, lons: Floats) -> Floats:
    """Give the metres from the border to each place, as `shape.signed_distance_m` does, in an array.

    `lats` and `lons` are arrays of one length, in degrees.
    """
    import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)

    if isinstance(shape, Circle):
        return _from_circle(shape, lats, lons)
    if isinstance(shape, Parts):
        return np.minimum.reduce([signed_distances(part, lats, lons) for part in shape.parts])
    south, north, west, east = shape.box(shape.near_m)
    told = np.full(len(lats), shape.near_m)
    (near,) = np.nonzero((lats > south) & (lats < north) & (lons > west) & (lons < east))
    edges = np.array(shape.drawn()).T
    step = max(1, MOST_AT_ONCE // edges.shape[1])
    for start in range(0, len(near), step):
        some = near[start : start + step]
        told[some] = _from_edges(shape, edges, lats[some], lons[some])
    return told


def _from_circle(shape: Circle, lats: Floats, lons: Floats) -> Floats:
    """The chord, bent onto the ground; see `Circle.signed_distance_m`."""
    import numpy as np  # noqa: PLC0415 (as above)

    out0_m, _, up0_m = place_m(shape.lat, 0.0)
    diameter_m = 2 * mean_radius_m(shape.lat)
    sine, cosine = np.sin(np.radians(lats)), np.cos(np.radians(lats))
    across_m = AXIS_M / np.sqrt(1 - SQUASH * sine * sine)
    turn = np.sin(np.radians(lons - shape.lon) / 2)
    out_m = across_m * cosine
    square = (out_m - out0_m) ** 2 + (across_m * (1 - SQUASH) * sine - up0_m) ** 2
    square += 4 * out_m * out0_m * turn * turn
    return diameter_m * np.arcsin(np.minimum(np.sqrt(square) / diameter_m, 1.0)) - shape.radius_m


def _from_edges(shape: Polygon | Corridor, edges: Floats, lats: Floats, lons: Floats) -> Floats:
    """The nearest edge of all, every place against every edge; the side by a ray to the east."""
    import numpy as np  # noqa: PLC0415 (as above)

    xs: Any
    ys: Any
    xs, ys, shrink = on_plane(shape.plane(), lats, lons)
    from_x, from_y, to_y, run_x, run_y, per_square, slope = edges
    off_x, off_y = xs[:, None] - from_x, ys[:, None] - from_y
    along = off_x * (run_x * per_square)
    along += off_y * (run_y * per_square)
    np.clip(along, 0.0, 1.0, out=along)
    away_x, away_y = off_x - along * run_x, off_y - along * run_y
    border_m = np.sqrt((away_x * away_x + away_y * away_y).min(axis=1)) * shrink
    if isinstance(shape, Corridor):
        return border_m - shape.half_width_m
    crossed = ((off_y < 0.0) != (ys[:, None] < to_y)) & (off_x < off_y * slope)
    return np.where(np.count_nonzero(crossed, axis=1) % 2, -border_m, border_m)
