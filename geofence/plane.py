"""A plane that touches the ellipsoid at a shape's middle, on which geodesics are straight lines.

It is the gnomonic projection: the ground seen from the centre of curvature below the middle.
Its scale grows with the distance r from the middle, by r^2/R^2 outward and r^2/2R^2 across;
what is measured on it near r is divided by the mean of the two (`Plane` gives the factor's make).
Within 60 km of the middle a place is off by less than 2 cm,
and a length of 1 km measured there by less than 2.5 cm after the division.
"""

from __future__ import annotations

from math import cos, radians, sin

from geofence.ellipsoid import SQUASH, mean_radius_m, place_m, radii_m

Plane = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float, float, float
]
"""lat, lon of the middle; p0 to p3; q1 to q3; s0, s1; v0, v1; half the curvature. See `plane_at`."""

BACK_STEPS = 6


def plane_at(lat: float, lon: float) -> Plane:
    """Give the plane that touches at (lat, lon) in degrees.

    A place n degrees farther north and e degrees farther east, seen straight from above, lies

    - p sin(e) metres east, with p the distance from the earth's axis there,
    - q + p (1 - cos(e)) sin(lat) metres north, with q what n alone moves it.

    p and q are their Taylor series in n to the third order (dp/dn = -M sin, dq/dn = M cos(n),
    with M the meridian radius of curvature), sine and cosine of e theirs to the fourth.
    """
    along_m, across_m = radii_m(lat)
    sine, cosine = sin(radians(lat)), cos(radians(lat))
    bulge = 1 - SQUASH * sine * sine
    change = 3 * along_m * SQUASH * sine * cosine / bulge
    bend = 3 * along_m * SQUASH * (cosine * cosine - sine * sine) / bulge
    degree = radians(1.0)
    return (
        lat,
        lon,
        across_m * cosine,
        -along_m * sine * degree,
        -(change * sine + along_m * cosine) * degree**2 / 2,
        (along_m * sine - 2 * change * cosine - bend * sine) * degree**3 / 6,
        along_m * degree,
        change * degree**2 / 2,
        (bend - along_m) * degree**3 / 6,
        degree,
        degree**3 / 6,
        sine * degree**2 / 2,
        sine * degree**4 / 24,
        1 / (2 * along_m * across_m),
    )


def on_plane(plane: Plane, lat: float, lon: float) -> tuple[float, float, float]:
    """Give the x (east) and y (north) in metres of a place, and what a length measured there is times too.

    Not for places farther than a degree or two from the middle: the series end.
    """
    lat0, lon0, p0, p1, p2, p3, q1, q2, q3, s0, s1, v0, v1, curl = plane
    n = lat - lat0
    e = lon - lon0
    ee = e * e
    p = p0 + n * (p1 + n * (p2 + n * p3))
    x = p * e * (s0 - s1 * ee)
    y = n * (q1 + n * (q2 + n * q3)) + p * ee * (v0 - v1 * ee)
    rise = (x * x + y * y) * curl
    return x + x * rise, y + y * rise, 1 - 1.5 * rise


def off_plane(plane: Plane, x: float, y: float) -> tuple[float, float]:
    """Give the (lat, lon) in degrees of a place on the plane: the way back, by steps, to 1 mm."""
    lat, lon, per_lat_m, per_lon_m = plane[0], plane[1], plane[6], plane[2] * plane[9]
    for _ in range(BACK_STEPS):
        there_x, there_y, _ = on_plane(plane, lat, lon)
        lat += (y - there_y) / per_lat_m
        lon += (x - there_x) / per_lon_m
    return lat, lon


def around(
    lat: float, lon: float, places_m: tuple[tuple[float, float, float], ...]
) -> list[tuple[float, float]] | None:
    """Give earth-centred places as x, y metres on the plane that touches at (lat, lon) in degrees.

    None when one of them is too far round the earth to be seen so (about 2,000 km).
    """
    here_x, here_y, here_z = place_m(lat, lon)
    sine, cosine = sin(radians(lat)), cos(radians(lat))
    east = radians(lon)
    sin_lon, cos_lon = sin(east), cos(east)
    radius_m = mean_radius_m(lat)
    lowest_m = -radius_m / 20
    points = []
    for x, y, z in places_m:
        dx, dy, dz = x - here_x, y - here_y, z - here_z
        outward = dx * cos_lon + dy * sin_lon
        up = outward * cosine + dz * sine
        if up < lowest_m:
            return None
        scale = radius_m / (radius_m + up)
        points.append(((dy * cos_lon - dx * sin_lon) * scale, (dz * cosine - outward * sine) * scale))
    return points
