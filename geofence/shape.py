"""Shapes on the ground and how far a point is from their border; pure Python, no I/O.

Every shape answers `signed_distance_m`, quick and exact near the border, and `exact_distance_m`,
exact everywhere; both are negative inside.
Against geodesics on WGS-84 (pyproj.Geod) both are within 0.1 m while the point is within 30 km
of the place on the border it is measured to; farther away the exact one stays within 0.5 %.
An edge is the geodesic between its corners.

Not for shapes that touch a pole or the 180th meridian: these are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import asin, atan, cos, hypot, radians, sin, sqrt

from geofence.ellipsoid import AXIS_M, SQUASH, arc_m, check_place, mean_radius_m, place_m
from geofence.plane import Plane, around, on_plane, plane_at
from geofence.ring import MAX_CORNERS, Corner, Edge, clean, deepest, edges, named, to_line, to_rings

MAX_REACH_M = 50_000.0
MAX_HALF_WIDTH_M = 5_000.0
MAX_PARTS = 50
NEAR_M = 200.0
SURE_M = 2_000.0
"""Lengths up to this, measured on a shape's own plane, are within 4 cm; others are seen from the place."""
HALF_DEGREE = radians(0.5)
DEGREE = radians(1.0)

Box = tuple[float, float, float, float]
"""South, north, west and east in degrees: outside it a shape is farther than its `near_m`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Everything within `radius_m` metres of (`lat`, `lon`), in degrees.

    Raises ValueError when the centre is out of range or the radius is not 1 m to 50 km.
    """

    lat: float
    lon: float
    radius_m: float
    _centre: tuple[float, float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_place(self.lat, self.lon, "the centre")
        if not (1.0 <= self.radius_m <= MAX_REACH_M):
            raise ValueError(f"a circle's radius_m is 1 to {MAX_REACH_M:.0f}, not {self.radius_m}")
        out_m, _, up_m = place_m(self.lat, 0.0)
        object.__setattr__(self, "_centre", (out_m, up_m, 2 * mean_radius_m(self.lat)))

    def box(self, grown_m: float) -> Box:
        """Give a box in degrees that holds all within `grown_m` of the shape."""
        return _box(((self.lat, self.lon),), self.radius_m + grown_m)

    def signed_distance_m(self, lat: float, lon: float) -> float:
        """Give the metres from the border to (lat, lon) in degrees: negative inside, always exact.

        The straight line through the earth, from how far both places are from its axis and from the
        equator, bent onto the ground.
        """
        out0_m, up0_m, diameter_m = self._centre
        sine = sin(lat * DEGREE)
        across_m = AXIS_M / sqrt(1 - SQUASH * sine * sine)
        out_m = across_m * cos(lat * DEGREE)
        turn = sin((lon - self.lon) * HALF_DEGREE)
        rise_m = across_m * (1 - SQUASH) * sine - up0_m
        square = (out_m - out0_m) ** 2 + rise_m * rise_m + 4 * out_m * out0_m * turn * turn
        half = sqrt(square) / diameter_m
        return diameter_m * asin(half if half < 1.0 else 1.0) - self.radius_m  # noqa: FURB136 (min is a call)

    def exact_distance_m(self, lat: float, lon: float) -> float:
        """Give the same as `signed_distance_m`, so that every shape can be asked alike."""
        return self.signed_distance_m(lat, lon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """The ground inside a ring of (lat, lon) corners, in degrees, less its `holes`, rings like it.

    A ring goes in either direction, closed or not.
    `near_m`: how near the border `signed_distance_m` has to be exact, in metres.
    Raises ValueError, saying which ring and corner, when a corner is out of range, fewer than three differ,
    there are more than 1,000, a ring crosses or touches itself or another, a hole is not inside,
    or a corner is 50 km from the middle.
    """

    corners: tuple[tuple[float, float], ...]
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()
    near_m: float = field(default=NEAR_M, compare=False)
    _frame: tuple[Box, Plane, tuple[float, float, float]] = field(init=False, repr=False, compare=False)
    _edges: tuple[Edge, ...] = field(init=False, repr=False, compare=False)
    _places: tuple[tuple[tuple[float, float, float], ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        given = (self.corners, *self.holes)
        if sum(map(len, given)) > MAX_CORNERS:
            raise ValueError(f"a polygon has at most {MAX_CORNERS} corners, not {sum(map(len, given))}")
        rings = [clean(ring, closed=True, what=named(place)) for place, ring in enumerate(given)]
        plane = _middle(rings[0])
        points = [_laid_out(plane, ring, named(place)) for place, ring in enumerate(rings)]
        core = deepest(points, [[number for number, _, _ in ring] for ring in rings])
        drawn = tuple(edge for ring in points for edge in edges(ring, closed=True))
        places = tuple(tuple(place_m(lat, lon) for _, lat, lon in ring) for ring in rings)
        object.__setattr__(self, "_frame", (self.box(self.near_m), plane, core))
        object.__setattr__(self, "_edges", drawn)
        object.__setattr__(self, "_places", places)

    def box(self, grown_m: float) -> Box:
        """Give a box in degrees that holds all within `grown_m` of the shape."""
        return _box(self.corners, grown_m)

    def signed_distance_m(self, lat: float, lon: float) -> float:
        """Give the metres from the border to (lat, lon) in degrees: negative inside.

        Exact while the true distance is at most `near_m`.
        Farther away the sign is right and the amount is between `near_m` and the true one:
        outside the bounding box it is `near_m`, inside the largest inner circle the depth in that.
        """
        (south, north, west, east), plane, (core_x, core_y, core_m) = self._frame
        if not (south < lat < north and west < lon < east):
            return self.near_m
        x, y, shrink = on_plane(plane, lat, lon)
        depth = core_m - hypot(x - core_x, y - core_y)
        if depth > self.near_m:
            return -depth * shrink
        return to_rings(self._edges, x, y) * shrink

    def exact_distance_m(self, lat: float, lon: float) -> float:
        """Give the exact metres from the border to (lat, lon) in degrees, however far: negative inside."""
        (south, north, west, east), plane, _ = self._frame
        if south < lat < north and west < lon < east:
            x, y, shrink = on_plane(plane, lat, lon)
            told = to_rings(self._edges, x, y) * shrink
            if abs(told) <= SURE_M:
                return told
        seen = [around(lat, lon, ring) for ring in self._places]
        drawn = tuple(edge for ring in seen if ring is not None for edge in edges(ring, closed=True))
        if len(drawn) < len(self._edges):
            return _far(lat, lon, self._places[0])
        return _along(lat, to_rings(drawn, 0.0, 0.0))

    def plane(self) -> Plane:
        """Give the plane the edges are drawn on."""
        return self._frame[1]

    def drawn(self) -> tuple[Edge, ...]:
        """Give the edges on that plane."""
        return self._edges


@dataclass(frozen=True, slots=True, kw_only=True)
class Corridor:
    """Everything within `half_width_m` metres of a line of (lat, lon) corners, in degrees: a usual walk.

    Its ends are round; the line may cross itself.
    `near_m`: how near the border `signed_distance_m` has to be exact, in metres.
    Raises ValueError, saying which corner, when one is out of range or 50 km from the middle,
    fewer than two differ, there are more than 1,000, or the half width is not 1 m to 5 km.
    """

    line: tuple[tuple[float, float], ...]
    half_width_m: float
    near_m: float = field(default=NEAR_M, compare=False)
    _frame: tuple[Box, Plane] = field(init=False, repr=False, compare=False)
    _edges: tuple[Edge, ...] = field(init=False, repr=False, compare=False)
    _places: tuple[tuple[float, float, float], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (1.0 <= self.half_width_m <= MAX_HALF_WIDTH_M):
            raise ValueError(
                f"a corridor's half_width_m is 1 to {MAX_HALF_WIDTH_M:.0f}, not {self.half_width_m}"
            )
        if len(self.line) > MAX_CORNERS:
            raise ValueError(f"a line has at most {MAX_CORNERS} corners, not {len(self.line)}")
        corners = clean(self.line, closed=False, what="line: ")
        plane = _middle(corners)
        points = _laid_out(plane, corners, "line: ")
        object.__setattr__(self, "_frame", (self.box(self.near_m), plane))
        object.__setattr__(self, "_edges", tuple(edges(points, closed=False)))
        object.__setattr__(self, "_places", tuple(place_m(lat, lon) for _, lat, lon in corners))

    def box(self, grown_m: float) -> Box:
        """Give a box in degrees that holds all within `grown_m` of the shape."""
        return _box(self.line, self.half_width_m + grown_m)

    def signed_distance_m(self, lat: float, lon: float) -> float:
        """Give the metres from the border to (lat, lon) in degrees: negative inside.

        Exact inside the bounding box grown by `near_m`; outside that it is `near_m`.
        """
        (south, north, west, east), plane = self._frame
        if not (south < lat < north and west < lon < east):
            return self.near_m
        x, y, shrink = on_plane(plane, lat, lon)
        return to_line(self._edges, x, y) * shrink - self.half_width_m

    def exact_distance_m(self, lat: float, lon: float) -> float:
        """Give the exact metres from the border to (lat, lon) in degrees, however far: negative inside."""
        seen = around(lat, lon, self._places)
        if seen is None:
            return _far(lat, lon, self._places) - self.half_width_m
        return _along(lat, to_line(tuple(edges(seen, closed=False)), 0.0, 0.0)) - self.half_width_m

    def plane(self) -> Plane:
        """Give the plane the edges are drawn on."""
        return self._frame[1]

    def drawn(self) -> tuple[Edge, ...]:
        """Give the edges on that plane."""
        return self._edges


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The ground of one part or another: home and the park and the way between them.

    Where parts overlap, the depth is that in the part where it is deepest.
    Raises ValueError when there are none, or more than 50.
    """

    parts: tuple[Circle | Polygon | Corridor, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.parts) <= MAX_PARTS:
            raise ValueError(f"a fence has 1 to {MAX_PARTS} parts, not {len(self.parts)}")

    def box(self, grown_m: float) -> Box:
        """Give a box in degrees that holds all within `grown_m` of the shape."""
        souths, norths, wests, easts = zip(*(part.box(grown_m) for part in self.parts), strict=True)
        return min(souths), max(norths), min(wests), max(easts)

    def signed_distance_m(self, lat: float, lon: float) -> float:
        """Give the least of the parts' distances, exact near the border as theirs are."""
        return min(part.signed_distance_m(lat, lon) for part in self.parts)

    def exact_distance_m(self, lat: float, lon: float) -> float:
        """Give the least of the parts' exact distances, in metres."""
        return min(part.exact_distance_m(lat, lon) for part in self.parts)


FenceShape = Circle | Polygon | Corridor | Parts


def _middle(corners: list[Corner]) -> Plane:
    """The plane that touches at the middle of the corners' box."""
    lats = [lat for _, lat, _ in corners]
    lons = [lon for _, _, lon in corners]
    return plane_at((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)


def _laid_out(plane: Plane, corners: list[Corner], what: str) -> list[tuple[float, float]]:
    """The corners on the plane, each within reach of its middle."""
    lat0, lon0, *_ = plane
    middle = Circle(lat=lat0, lon=lon0, radius_m=MAX_REACH_M)
    points = []
    for number, lat, lon in corners:
        if middle.signed_distance_m(lat, lon) > 0:
            raise ValueError(f"{what}corner {number} is more than {MAX_REACH_M:.0f} m from the middle")
        x, y, _ = on_plane(plane, lat, lon)
        points.append((x, y))
    return points


def _box(corners: tuple[tuple[float, float], ...], grown_m: float) -> Box:
    """The box in degrees, grown by some metres and by what the edges bulge over their corners' parallels."""
    lats, lons = zip(*corners, strict=True)
    south, north, west, east = min(lats), max(lats), min(lons), max(lons)
    steepest = max(abs(south), abs(north))
    wide = radians(east - west)
    bulge_m = AXIS_M * sin(radians(steepest)) * wide * wide / 8
    lat_deg = (grown_m + bulge_m + 1.0) / 110_000
    lon_deg = (grown_m + 1.0) * 1.01 / (111_000 * cos(radians(min(steepest + lat_deg, 89.0))))
    return south - lat_deg, north + lat_deg, west - lon_deg, east + lon_deg


def _along(lat: float, plane_m: float) -> float:
    """A length from the middle of a plane at this latitude, as it is on the ground."""
    radius_m = mean_radius_m(lat)
    return radius_m * atan(plane_m / radius_m)


def _far(lat: float, lon: float, places_m: tuple[tuple[float, float, float], ...]) -> float:
    """To the nearest corner round the earth: a shape is small from so far away."""
    x, y, z = place_m(lat, lon)
    chord_m = min(hypot(px - x, py - y, pz - z) for px, py, pz in places_m)
    return arc_m(chord_m, mean_radius_m(lat))
