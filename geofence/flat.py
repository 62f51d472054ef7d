"""A flat piece of ground around a place, for areas and overlaps of what somebody drew; needs shapely.

Metres east and north of a middle, with one scale for each axis, so that the way back is exact.
Areas are right to 1 % within 30 km; distances that decide an alarm are `geofence.shape`'s, not these.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from typing import Any

METRES_A_DEGREE = 111_195.0
"""Of latitude, on the mean sphere of the Earth (6 371 km, IUGG)."""


@dataclass(frozen=True, slots=True)
class Flat:
    """The ground around (lat, lon), in degrees."""

    lat: float
    lon: float

    def down(self, degrees: Any) -> Any:
        """Give a shapely geometry of (lon, lat) degrees in metres."""
        import shapely  # noqa: PLC0415 (90 ms and 29 MiB: only who judges a drawing pays)

        return shapely.transform(degrees, lambda places: (places - self._middle()) * self._scale())

    def up(self, metres: Any) -> Any:
        """Give a shapely geometry of metres in (lon, lat) degrees."""
        import shapely  # noqa: PLC0415 (the same)

        return shapely.transform(metres, lambda places: places / self._scale() + self._middle())

    def _middle(self) -> tuple[float, float]:
        return self.lon, self.lat

    def _scale(self) -> tuple[float, float]:
        return METRES_A_DEGREE * cos(radians(self.lat)), METRES_A_DEGREE
