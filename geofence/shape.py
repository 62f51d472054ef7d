"""Shapes on the ground and how far a point is from their border; pure Python, no I/O.

A shape is projected once onto a plane that touches the WGS-84 ellipsoid at its middle,
and a point is projected the same way when it is asked about.
The plane is the equirectangular one with its two second-order terms
(meridians converge, parallels bend; see `_plane`).
Against geodesics on the ellipsoid (pyproj.Geod) the error stays under 0.1 m while shape and point
are within 10 km of each other; at 50 km it is about 3 m.
A shape that reaches farther from its middle than that is refused.

Not for shapes that touch a pole or the 180th meridian: these are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, hypot, inf, radians, sin, sqrt

AXIS_M = 6378137.0
"""Semi-major axis of WGS-84, in metres (NIMA TR8350.2)."""
FLATTENING = 1 / 298.257223563
"""Flattening of WGS-84 (NIMA TR8350.2)."""

MAX_LAT_DEG = 85.0
MAX_LON_DEG = 180.0
MAX_REACH_M = 50_000.0
MAX_CORNERS = 1_000
MIN_CORNERS = 3
MIN_AREA_M2 = 1.0
NEAR_M = 200.0

Plane = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Everything within `radius_m` metres of (`lat`, `lon`), in degrees.

    Raises ValueError when the centre is out of range or the radius is not 1 m to 50 km.
    """

    lat: float
    lon: float
    radius_m: float
    _plane: Plane = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_place(self.lat, self.lon, "the centre")
        if not (1.0 <= self.radius_m <= MAX_REACH_M):
            raise ValueError(f"a circle's radius_m is 1 to {MAX_REACH_M:.0f}, not {self.radius_m}")
        object.__setattr__(self, "_plane", _plane(self.lat, self.lon))

    def signed_distance_m(self, lat: float, lon: float) -> float:
        """Give the metres from the border to (lat, lon) in degrees: negative inside, always exact."""
        lat0, lon0, per_lat_m, per_lon_m, converge, bend = self._plane
        north_deg = lat - lat0
        east_deg = lon - lon0
        return (
            hypot(
                east_deg * (per_lon_m - converge * north_deg),
                north_deg * per_lat_m + bend * east_deg * east_deg,
            )
            - self.radius_m
        )

    def exact_distance_m(self, lat: float, lon: float) -> float:
        """Give the same as `signed_distance_m`, so that every shape can be asked alike."""
        return self.signed_distance_m(lat, lon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """The ground inside a ring of (lat, lon) corners, in degrees; either direction, closed or not.

    `near_m`: how near the border `signed_distance_m` has to be exact, in metres.
    Raises ValueError, saying which corner, when a corner is out of range, fewer than three differ,
    there are more than 1,000, the ring crosses or touches itself, or a corner is 50 km from the middle.
    """

    corners: tuple[tuple[float, float], ...]
    near_m: float = field(default=NEAR_M, compare=False)
    _frame: tuple[Plane, tuple[float, float, float, float], tuple[float, float, float]] = field(
        init=False, repr=False, compare=False
    )
    _edges: tuple[tuple[float, float, float, float, float, float, float], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        ring = _ring(self.corners)
        lats = [lat for lat, _ in ring]
        lons = [lon for _, lon in ring]
        plane = _plane((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)
        points = [_project(plane, lat, lon) for lat, lon in ring]
        xs = [x for x, _ in points]
        ys = [y for _, y in points]
        for number, (x, y) in enumerate(points, start=1):
            if hypot(x, y) > MAX_REACH_M:
                raise ValueError(f"corner {number} is more than {MAX_REACH_M:.0f} m from the middle")
        box = (min(xs), min(ys), max(xs), max(ys))
        object.__setattr__(self, "_frame", (plane, box, _deepest(points)))
        object.__setattr__(self, "_edges", _edges(points))

    def signed_distance_m(self, lat: float, lon: float) -> float:
        """Give the metres from the border to (lat, lon) in degrees: negative inside.

        Exact while the true distance is at most `near_m`.
        Farther away the sign is right and the amount is between `near_m` and the true one:
        outside it is the distance to the bounding box, inside the depth in the largest inner circle.
        """
        (
            (lat0, lon0, per_lat_m, per_lon_m, converge, bend),
            (left, bottom, right, top),
            (core_x, core_y, core_m),
        ) = self._frame
        north_deg = lat - lat0
        east_deg = lon - lon0
        x = east_deg * (per_lon_m - converge * north_deg)
        y = north_deg * per_lat_m + bend * east_deg * east_deg
        near_m = self.near_m
        beside = left - x if x < left else x - right
        above = bottom - y if y < bottom else y - top
        if beside > near_m or above > near_m:
            return hypot(max(beside, 0.0), max(above, 0.0))
        depth = core_m - hypot(x - core_x, y - core_y)
        if depth > near_m:
            return -depth
        return _to_ring(self._edges, x, y)

    def exact_distance_m(self, lat: float, lon: float) -> float:
        """Give the exact metres from the border to (lat, lon) in degrees, however far: negative inside."""
        x, y = _project(self._frame[0], lat, lon)
        return _to_ring(self._edges, x, y)


FenceShape = Circle | Polygon


def _to_ring(
    edges: tuple[tuple[float, float, float, float, float, float, float], ...], x: float, y: float
) -> float:
    """Signed metres from the ring: the nearest edge, and a ray to the east for the side."""
    best = inf
    inside = False
    for from_x, from_y, to_y, run_x, run_y, per_square, slope in edges:
        off_x = x - from_x
        off_y = y - from_y
        along = (off_x * run_x + off_y * run_y) * per_square
        if along <= 0.0:
            square = off_x * off_x + off_y * off_y
        elif along >= 1.0:
            off_x -= run_x
            square = off_x * off_x + (y - to_y) ** 2
        else:
            across = off_x * run_y - off_y * run_x
            square = across * across * per_square
        if square < best:  # noqa: PLR1730 (a call of min costs more than the whole comparison)
            best = square
        if (from_y > y) is not (to_y > y) and x < from_x + (y - from_y) * slope:
            inside = not inside
    return -sqrt(best) if inside else sqrt(best)


def _plane(lat: float, lon: float) -> Plane:
    """Metres per degree around (lat, lon), to the second order.

    With M the meridian radius of curvature and N the prime vertical one (both in metres):
    east = dlon * (N cos(lat) - M sin(lat) dlat), north = M dlat + dlon^2 N sin(lat) cos(lat) / 2.
    """
    squash = FLATTENING * (2 - FLATTENING)
    sine, cosine = sin(radians(lat)), cos(radians(lat))
    bulge = 1 - squash * sine * sine
    meridian_m = AXIS_M * (1 - squash) / (bulge * sqrt(bulge))
    vertical_m = AXIS_M / sqrt(bulge)
    degree = radians(1.0)
    return (
        lat,
        lon,
        meridian_m * degree,
        vertical_m * cosine * degree,
        meridian_m * sine * degree * degree,
        vertical_m * sine * cosine * degree * degree / 2,
    )


def _project(plane: Plane, lat: float, lon: float) -> tuple[float, float]:
    lat0, lon0, per_lat_m, per_lon_m, converge, bend = plane
    north_deg = lat - lat0
    east_deg = lon - lon0
    return (
        east_deg * (per_lon_m - converge * north_deg),
        north_deg * per_lat_m + bend * east_deg * east_deg,
    )


def _check_place(lat: float, lon: float, what: str) -> None:
    if not (-MAX_LAT_DEG <= lat <= MAX_LAT_DEG and -MAX_LON_DEG < lon < MAX_LON_DEG):
        raise ValueError(f"{what} ({lat}, {lon}) is no (lat, lon): lat -85 to 85 and lon -180 to 180 degrees")


def _ring(corners: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """The corners without a closing one and without immediate repeats, each in range."""
    if len(corners) > MAX_CORNERS:
        raise ValueError(f"a polygon has at most {MAX_CORNERS} corners, not {len(corners)}")
    ring: list[tuple[float, float]] = []
    for number, (lat, lon) in enumerate(corners, start=1):
        _check_place(lat, lon, f"corner {number}")
        if not ring or ring[-1] != (lat, lon):
            ring.append((lat, lon))
    while len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    if len(ring) < MIN_CORNERS:
        raise ValueError(f"a polygon has at least {MIN_CORNERS} different corners, not {len(ring)}")
    return ring


def _edges(
    points: list[tuple[float, float]],
) -> tuple[tuple[float, float, float, float, float, float, float], ...]:
    """Each edge with what the distance loop would otherwise compute every time."""
    found = []
    for (from_x, from_y), (to_x, to_y) in zip(points, [*points[1:], points[0]], strict=True):
        run_x, run_y = to_x - from_x, to_y - from_y
        slope = run_x / run_y if run_y else 0.0
        found.append((from_x, from_y, to_y, run_x, run_y, 1 / (run_x * run_x + run_y * run_y), slope))
    return tuple(found)


def _deepest(points: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Check that the ring is simple and give its largest inner circle: x, y, radius in metres."""
    import shapely  # noqa: PLC0415 (90 ms and 29 MiB: only who has a polygon pays)

    ground = shapely.Polygon(points)
    if not ground.is_valid or ground.area < MIN_AREA_M2:
        reason = shapely.is_valid_reason(ground).split("[")[0]
        if ground.is_valid or not ground.area:
            reason = "no area"
        raise ValueError(f"the corners, in this order, make no simple polygon: {reason}")
    radius = shapely.maximum_inscribed_circle(ground, tolerance=1.0)
    (core_x, core_y), _ = radius.coords
    return core_x, core_y, -_to_ring(_edges(points), core_x, core_y)
