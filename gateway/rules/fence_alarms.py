"""What the fence rule tells of one fence: the alarms, with the fixes they rest on."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec

from gateway.model import WHY_READINGS, Alarm, FenceView, Severity, Why, WhyReading
from gateway.rules.moment import milliseconds
from geofence.tracker import Track

Told = Literal["raise", "escalate", "back", "warn"]

CODES: MappingProxyType[str, MappingProxyType[Told, str]] = MappingProxyType(
    {
        "in": MappingProxyType(
            {
                "raise": "fence_exit",
                "escalate": "fence_farther",
                "back": "fence_return",
                "warn": "fence_approach",
            }
        ),
        "out": MappingProxyType(
            {
                "raise": "fence_enter",
                "escalate": "fence_deeper",
                "back": "fence_clear",
                "warn": "fence_approach",
            }
        ),
    }
)
"""What is told, by the side to keep to: left, farther, back, about to leave; or the same of entering."""
PREFIXES: MappingProxyType[Told, str] = MappingProxyType(
    {"raise": "fence", "escalate": "fence", "back": "fence_return", "warn": "fence_approach"}
)


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last fix past a fence: degrees, metres past the border, and the newest fixes since it was left.

    `count` is how many there were.
    """

    lat: float
    lon: float
    distance_m: float
    readings: tuple[WhyReading, ...] = ()
    count: int = 1

    def then(self, before: Sighting | None) -> Sighting:
        """Give the same with what was seen before it."""
        if before is None:
            return self
        readings = (*before.readings, *self.readings)[-WHY_READINGS:]
        return Sighting(
            lat=self.lat,
            lon=self.lon,
            distance_m=self.distance_m,
            readings=readings,
            count=before.count + self.count,
        )


def alarm(
    told: Told,
    view: FenceView,
    track: Track,
    sighting: Sighting | None,
    *,
    wearer: str,
    at: datetime,
    limit_m: float,
) -> Alarm:
    """Give the alarm of what is told; its id is made from the fence and the time it began.

    `limit_m` is what was passed: the margin, the threshold, the approach; `at` the time of the fix.
    """
    began = track.since or at
    name = f"{PREFIXES[told]}.{wearer}.{view.fence}.{milliseconds(began)}"
    severity: Severity = "critical" if told in ("raise", "escalate") else "notice"
    why = Why(
        code=CODES[view.keep][told],
        value=None if sighting is None else sighting.distance_m,
        limit=limit_m,
        unit="m",
        place=view.name,
        readings=() if sighting is None else sighting.readings,
        count=None if sighting is None else sighting.count,
        since=began if told == "raise" else None,
    )
    return Alarm(
        alarm_id=f"{name}.{track.steps}" if told == "escalate" else name,
        wearer=wearer,
        kind="fence",
        severity=severity,
        why=why,
        at=at,
        lat=None if sighting is None else sighting.lat,
        lon=None if sighting is None else sighting.lon,
    )
