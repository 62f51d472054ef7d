"""Degrees of Chinese maps (GCJ-02, BD-09) to and from those of the satellites (WGS-84, CGCS2000).

CGCS2000 is WGS-84 here: what parts them is the drift of the plate since 2000, under a metre.
GCJ-02 (国测局 02) is what AMap, Tencent and Google draw in China, some 100 to 700 m off;
BD-09 is Baidu's, another 1 km or so off.
Neither is officially published.
The formulas are the ones found in public since 2010, GCJ-02 on the Krasovsky 1940 ellipsoid
(as in googollee/eviltransform) and Baidu's on top of it (as in wandergis/coordtransform);
they agree with the maps to about a metre.
The ways back are solved by iteration and return to within 1e-6 degrees (0.1 m).

Outside the box of China both are WGS-84, as the maps have it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, hypot, pi, radians, sin, sqrt
from typing import Literal

Datum = Literal["wgs84", "gcj02", "bd09"]
"""What a fence's degrees are of; CGCS2000 is written wgs84."""

BOX = (0.8293, 55.8271, 72.004, 137.8347)
"""South, north, west and east of where the maps shift."""
AXIS_M = 6378245.0
SQUASH = 0.00669342162296594323
"""The ellipsoid of Krasovsky 1940: semi-major axis and first eccentricity squared."""
SWING = pi * 3000.0 / 180.0
CLOSE_DEG = 1e-9
MOST_STEPS = 30

Place = tuple[float, float]


def from_wgs84(lat: float, lon: float, *, datum: Datum) -> Place:
    """Give (lat, lon) of WGS-84, in degrees, as `datum` writes it."""
    if datum == "wgs84" or not shifts(lat, lon):
        return lat, lon
    there = _gcj02(lat, lon)
    return there if datum == "gcj02" else _bd09(*there)


def to_wgs84(lat: float, lon: float, *, datum: Datum) -> Place:
    """Give (lat, lon) of `datum`, in degrees, in WGS-84."""
    if datum == "wgs84" or not shifts(lat, lon):
        return lat, lon
    if datum == "bd09":
        lat, lon = _back(_bd09, lat, lon)
    return _back(_gcj02, lat, lon)


def shifts(lat: float, lon: float) -> bool:
    """Whether the maps shift at (lat, lon): it lies in the box of China."""
    south, north, west, east = BOX
    return south <= lat <= north and west <= lon <= east


def _gcj02(lat: float, lon: float) -> Place:
    """The public formula: two polynomials with waves, in metres, laid on Krasovsky's ellipsoid."""
    x, y = lon - 105.0, lat - 35.0
    waves = 20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    north_m += (waves + 20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north_m += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y / 30.0 * pi)) * 2.0 / 3.0
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    east_m += (waves + 20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east_m += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    sine = sin(radians(lat))
    bulge = 1 - SQUASH * sine * sine
    across_m = AXIS_M / sqrt(bulge)
    north_deg = north_m / radians(across_m * (1 - SQUASH) / bulge)
    return lat + north_deg, lon + east_m / radians(across_m * cos(radians(lat)))


def _bd09(lat: float, lon: float) -> Place:
    """Baidu's step: a turn and a stretch of GCJ-02 as if degrees were a plane, then a shift."""
    radius = hypot(lat, lon) + 2e-5 * sin(lat * SWING)
    angle = atan2(lat, lon) + 3e-6 * cos(lon * SWING)
    return radius * sin(angle) + 0.006, radius * cos(angle) + 0.0065


def _back(forward: Callable[[float, float], Place], lat: float, lon: float) -> Place:
    """The place that `forward` moves to (lat, lon): the shift changes little over its own length."""
    guess_lat, guess_lon = lat, lon
    for _ in range(MOST_STEPS):
        there_lat, there_lon = forward(guess_lat, guess_lon)
        off_lat, off_lon = lat - there_lat, lon - there_lon
        guess_lat, guess_lon = guess_lat + off_lat, guess_lon + off_lon
        if abs(off_lat) < CLOSE_DEG and abs(off_lon) < CLOSE_DEG:
            break
    return guess_lat, guess_lon
