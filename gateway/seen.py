"""Where a wearer was last, and how: what the texts of an alarm say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Seen:
    """The newest known of a wearer, for the texts: degrees WGS-84, 1/min, per cent."""

    lat: float | None = None
    lon: float | None = None
    heart_rate_bpm: float | None = None
    battery_pct: float | None = None
