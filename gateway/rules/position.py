"""Whether a fix is a position at all, by one rule for all rules."""

from __future__ import annotations

from gateway.model import Fix

MAX_LAT_DEG = 90.0
MAX_LON_DEG = 180.0


def is_position(fix: Fix) -> bool:
    """Say whether a fix tells where the wearer is: valid, on the earth, not the zeros of an empty field."""
    lat, lon = fix.lat, fix.lon
    return (
        fix.valid
        and -MAX_LAT_DEG <= lat <= MAX_LAT_DEG
        and -MAX_LON_DEG <= lon <= MAX_LON_DEG
        and not (lat == 0.0 and lon == 0.0)
    )
