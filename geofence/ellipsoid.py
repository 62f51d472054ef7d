"""The WGS-84 ellipsoid in metres: how it curves at a place, and how far apart two places are."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

AXIS_M = 6378137.0
"""Semi-major axis of WGS-84, in metres (NIMA TR8350.2)."""
FLATTENING = 1 / 298.257223563
"""Flattening of WGS-84 (NIMA TR8350.2)."""
SQUASH = FLATTENING * (2 - FLATTENING)
"""The first eccentricity squared."""

MAX_LAT_DEG = 85.0
MAX_LON_DEG = 180.0


def check_place(lat: float, lon: float, what: str) -> None:
    """Raise ValueError, naming `what`, unless (lat, lon) in degrees is where a fence may lie."""
    if not (-MAX_LAT_DEG <= lat <= MAX_LAT_DEG and -MAX_LON_DEG < lon < MAX_LON_DEG):
        raise ValueError(f"{what} ({lat}, {lon}) is no (lat, lon): lat -85 to 85 and lon -180 to 180 degrees")


def radii_m(lat: float) -> tuple[float, float]:
    """Give the radii of curvature at a latitude in degrees: along the meridian, and across it."""
    sine = sin(radians(lat))
    bulge = 1 - SQUASH * sine * sine
    across_m = AXIS_M / sqrt(bulge)
    return across_m * (1 - SQUASH) / bulge, across_m


def mean_radius_m(lat: float) -> float:
    """Give the Gaussian radius of curvature at a latitude in degrees."""
    along_m, across_m = radii_m(lat)
    return sqrt(along_m * across_m)


def place_m(lat: float, lon: float) -> tuple[float, float, float]:
    """Give the earth-centred x, y, z of (lat, lon) in degrees, on the ellipsoid."""
    sine, cosine = sin(radians(lat)), cos(radians(lat))
    across_m = AXIS_M / sqrt(1 - SQUASH * sine * sine)
    around = radians(lon)
    return (
        across_m * cosine * cos(around),
        across_m * cosine * sin(around),
        across_m * (1 - SQUASH) * sine,
    )


def arc_m(chord_m: float, radius_m: float) -> float:
    """Give the length along the ground of a straight line through it, where the ground has this radius."""
    half = chord_m / (2 * radius_m)
    return 2 * radius_m * asin(half if half < 1.0 else 1.0)  # noqa: FURB136 (min costs a call)
