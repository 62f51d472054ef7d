"""Gives docs/drift.md: how often a receiver with real noise alarms at a border, by our rule and a naive one.

The noise is that of the receiver logs of tests/vectors/nmea, decoded by our codec.
"""

# ruff: noqa: INP001 - a program of the docs, in no package
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from math import cos, hypot, radians
from pathlib import Path

import msgspec

from gateway.backtest import replay
from gateway.codecs.decode import decode_lines
from gateway.model import Envelope, FenceView, Fix, Uplink, WearerView
from gateway.rules.fence import RULE, FenceSettings
from geofence.certainty import certainty
from geofence.shape import Polygon

LOGS = Path(__file__).parents[1] / "tests" / "vectors" / "nmea"
RECEIVERS = {"quectel-l76k-nmea": "Quectel L76K", "ublox-neo-m9n-nmea": "u-blox NEO-M9N"}
CHECKSUMMED = re.compile(rb"^ ?\$.*\*[0-9A-F]{2}\s*$")
PLAYED_S = 600
OFFSETS_M = tuple(step * 0.25 for step in range(-12, 13))
TURNS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""The noise turned by quarters, as if the border lay in four directions."""
LAT, LON = 31.155, 121.105
LAT_M = 110_860.0
LON_M = 111_320.0 * cos(radians(LAT))
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
WALK_M_S = 1.0
LEG_S = 120
"""So long one way, then back."""
HALF_M = 1_000.0
SETTINGS = FenceSettings()

HEAD = """# Drift: a real receiver at the border of a fence

Generated (`make docs`) from the receiver logs of `tests/vectors/nmea` and compared by a test.
Each log is played to and fro for 10 minutes, a fix a second, with its noise and the accuracy it named.
It is placed at 25 distances (3 m to either side, 0.25 m apart) from the line where a rule decides,
with the noise turned to four sides: 100 placements a row.
The naive rule asks whether the point lies in the polygon, and alarms whenever it has just left.
Ours (defaults: margin 20 m, hysteresis 10 m, dwell 10 s) decides farther out, where the fix is 95 % sure;
so it is placed at that line too, where it is weakest.
"Walking" goes to and fro along the border at 1 m/s with the noise added.

These two receivers had a free view of the sky and stood still; the noise among houses is larger.
The largest deviation of each from its own middle stands in the table.

| receiver | largest noise | moves | line | naive: alarms | most in 10 min | ours: alarms | most in 10 min |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """One fix of a log against the middle of its log, in metres, and the radius it named."""

    east_m: float
    north_m: float
    accuracy_m: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How often both rules alarmed: by placement, in the order of the placements."""

    receiver: str
    noise_m: float
    walking: bool
    line: str
    naive: tuple[int, ...]
    ours: tuple[int, ...]


def noise_of(log: str) -> tuple[Noise, ...]:
    """Give the noise of a log, one fix a second."""
    lines = [line for line in (LOGS / f"{log}.log").read_bytes().splitlines() if CHECKSUMMED.match(line)]
    kind = dict[str, msgspec.Raw]
    fixes: dict[datetime, Fix] = {}
    for answer in decode_lines("nmea", lines, hex_lines=False):
        readings = msgspec.json.decode(answer, type=kind).get("readings", msgspec.Raw(b"[]"))
        for fix in msgspec.json.decode(readings, type=list[Fix]):
            if fix.valid and fix.at is not None:
                fixes[fix.at.replace(microsecond=0)] = fix
    lat = sum(fix.lat for fix in fixes.values()) / len(fixes)
    lon = sum(fix.lon for fix in fixes.values()) / len(fixes)
    per_lon_m = 111_320.0 * cos(radians(lat))
    return tuple(
        Noise(
            east_m=(fix.lon - lon) * per_lon_m,
            north_m=(fix.lat - lat) * LAT_M,
            accuracy_m=fix.accuracy_m,
        )
        for _, fix in sorted(fixes.items())
    )


def played(noise: Sequence[Noise], *, past_m: float, turn: tuple[int, int], walking: bool) -> Iterator[Fix]:
    """Give 10 minutes of fixes of a receiver `past_m` east of the border of `fence`."""
    to_and_fro = cycle((*noise, *noise[-2:0:-1]))
    for second, one in enumerate(islice(to_and_fro, PLAYED_S)):
        leg_s = second % LEG_S
        there = second % (2 * LEG_S) < LEG_S
        along_m = WALK_M_S * (leg_s if there else LEG_S - leg_s) if walking else 0.0
        east_m = past_m + turn[0] * one.east_m - turn[1] * one.north_m
        north_m = along_m + turn[1] * one.east_m + turn[0] * one.north_m
        yield Fix(
            lat=LAT + north_m / LAT_M,
            lon=LON + east_m / LON_M,
            valid=True,
            accuracy_m=one.accuracy_m,
            at=BEGAN + timedelta(seconds=second),
        )


def fence() -> FenceView:
    """A square whose eastern border runs through (LAT, LON)."""
    south, north = LAT - HALF_M / LAT_M, LAT + HALF_M / LAT_M
    west = LON - 2 * HALF_M / LON_M
    corners = ((south, west), (south, LON), (north, LON), (north, west))
    return FenceView(fence="square", name="方", polygon=corners)


def naive(shape: Polygon, fixes: Sequence[Fix]) -> int:
    """How often the point has just left the polygon."""
    alarms, inside = 0, True
    for fix in fixes:
        now_inside = shape.exact_distance_m(fix.lat, fix.lon) <= 0
        alarms += inside and not now_inside
        inside = now_inside
    return alarms


def ours(fixes: Sequence[Fix]) -> int:
    """How often our rule raises."""
    heard = [
        Envelope(
            uplink=Uplink(device="b", readings=(fix,), raw=b""),
            wire="nmea",
            device="b",
            wearer="w",
            received_at=fix.at or BEGAN,
        )
        for fix in fixes
    ]
    rule = RULE(WearerView(wearer="w", name="w", fences=(fence(),)), SETTINGS)
    return sum(1 for _ in replay(rule, heard, until=BEGAN + timedelta(hours=1)))


def measured() -> list[Row]:
    """Play every log at every line and placement."""
    found = []
    for log, receiver in RECEIVERS.items():
        noise = noise_of(log)
        named = [one.accuracy_m for one in noise if one.accuracy_m is not None]
        reach_m = certainty(sum(named) / len(named)).reach_m
        noise_m = max(hypot(one.east_m, one.north_m) for one in noise)
        for walking in (False, True):
            for line, line_m in (("border", 0.0), ("ours", SETTINGS.exit_margin_m + reach_m)):
                shape = Polygon(corners=fence().polygon)
                walks = [
                    tuple(played(noise, past_m=line_m + offset_m, turn=turn, walking=walking))
                    for offset_m in OFFSETS_M
                    for turn in TURNS
                ]
                found.append(
                    Row(
                        receiver=receiver,
                        noise_m=noise_m,
                        walking=walking,
                        line=line,
                        naive=tuple(naive(shape, fixes) for fixes in walks),
                        ours=tuple(ours(fixes) for fixes in walks),
                    )
                )
    return found


def page(rows: Sequence[Row] | None = None) -> str:
    """docs/drift.md."""
    text = HEAD
    for row in measured() if rows is None else rows:
        moves = "walking" if row.walking else "still"
        line = "the border" if row.line == "border" else "where ours decides"
        text += (
            f"| {row.receiver} | {row.noise_m:.1f} m | {moves} | {line} |"
            f" {sum(row.naive)} | {max(row.naive)} | {sum(row.ours)} | {max(row.ours)} |\n"
        )
    return text
