"""How far a wearer can go before a fix could be seen otherwise by any fence: until then nothing is measured.

A signed distance changes by no more than the wearer moves.
So where every fence is seen `within` or `beyond` with metres to spare, every fix within these metres
that is at least as accurate is seen the same, and asking that costs a tenth of measuring.
The metres are on the small side: by 2 % and one metre, which is more than the distances can be off.

Pure, standard library only.
"""

from __future__ import annotations

from math import cos, radians
from typing import Literal

from geofence.certainty import Certainty
from geofence.shape import Box, FenceShape
from geofence.tracker import Limits

MOST_M = 2_000.0
LEAST_M = 10.0
"""A smaller leeway is left at the next step and not worth its making."""
SPARE_M = 1.0
SHARE = 0.98
LEAST_DEGREE_M = 110_000.0
"""A degree of latitude, or of longitude at the equator, is longer than this on WGS-84 ..."""
MOST_DEGREE_M = 111_700.0
"""... and shorter than this; a degree of longitude is that times the cosine of the latitude."""
HIGHEST_LAT_DEG = 85.0
FARTHEST_LON_DEG = 179.0
"""Nearer to a pole or to the 180th meridian nothing is made easy."""

Steady = Literal["within", "beyond"]


def at_least_m(shape: FenceShape, box: Box, lat: float, lon: float) -> float:
    """Give signed metres from the border whose amount is never more than the true one.

    `box`: that of the shape; outside it the way to the box is known without measuring.
    """
    told_m = shape.signed_distance_m(lat, lon)
    return told_m if told_m <= 0 else max(told_m, _to_box_m(box, lat, lon))


def leeway_m(limits: Limits, breach_m: float, sure: Certainty) -> tuple[Steady, float] | None:
    """Give what fixes show, and by how many metres `breach_m` may be another with it still being so.

    True for every place of the table and every fix at least as sure; None where there are no such metres.
    `breach_m` may be nearer to the border than the true one, but not where it is above zero and below the
    exit margin: there the shape has to measure exactly, with a `near_m` beyond it, as every rule makes it.
    """
    reach_m = sure.reach_m
    most_m = limits.exit_margin_m - max(reach_m, limits.hysteresis_m)
    if limits.approach_m:
        most_m = min(most_m, -limits.approach_m - limits.hysteresis_m - reach_m)
    within_m = (most_m - breach_m) * SHARE - SPARE_M
    if within_m >= LEAST_M:
        return "within", within_m
    beyond_m = (breach_m - limits.exit_margin_m - reach_m) * SHARE - SPARE_M
    if beyond_m >= LEAST_M and not limits.escalate_m:
        return "beyond", beyond_m
    return None


def scales_m(lat: float, lon: float) -> tuple[float, float] | None:
    """Give how many metres a degree of latitude and one of longitude are at most within `MOST_M` of a place.

    None near a pole or the 180th meridian, where nothing can be said so simply.
    """
    if abs(lat) > HIGHEST_LAT_DEG or abs(lon) > FARTHEST_LON_DEG:
        return None
    nearest_lat = max(abs(lat) - MOST_M / LEAST_DEGREE_M, 0.0)
    return MOST_DEGREE_M, MOST_DEGREE_M * cos(radians(nearest_lat))


def _to_box_m(box: Box, lat: float, lon: float) -> float:
    """The metres to a box at least; 0 inside."""
    if abs(lat) > HIGHEST_LAT_DEG or abs(lon) > FARTHEST_LON_DEG:
        return 0.0
    south, north, west, east = box
    up_deg = max(south - lat, lat - north, 0.0)
    along_deg = min(max(west - lon, lon - east, 0.0), 1.0)
    return max(up_deg, along_deg * cos(radians(lat))) * LEAST_DEGREE_M
