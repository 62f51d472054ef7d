"""The position of JT/T 808 (0x0200), alone, in a batch (0x0704) and in the short batch (0x0210). Pure.

28 bytes: alarm word, status word, latitude, longitude (1e-6 degree, the sign in the status), altitude m,
speed 0.1 km/h, course, time in BCD (JT/T 808-2013 tables 23 to 27); then items of additional information.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from gateway.codecs import jt808_alarms, jt808_fields
from gateway.codecs.device_clock import Now, device_time
from gateway.codecs.framing import Tally
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.model import BandAlarmKind, Battery, Fix, Reading

BODY_BYTES = 28
TIME_BYTES = 6
ALARM_BYTES = 4
SHORT_BODY_BYTES = 7
"""A record of the short batch that is no position: battery and time."""
KMH_PER_MPS = 3.6
SATELLITES, AREA = 0x31, 0x12
STANDARD_ITEMS = frozenset(
    {0x01, 0x02, 0x03, 0x04, 0x11, AREA, 0x13, 0x25, 0x2A, 0x2B, 0x30, SATELLITES, 0xE0}
)
_FIXED = struct.Struct(">IIIIhHH")
_FIX_BIT, _SOUTH_BIT, _WEST_BIT = 1 << 1, 1 << 2, 1 << 3
MAX_LAT_E6, MAX_LON_E6, MAX_COURSE_DEG = 90_000_000, 180_000_000, 360


class Position(NamedTuple):
    """One position record: its fix, where it is whole, and gauges, its alarms, its time and that as sent."""

    readings: list[Reading]
    alarms: set[BandAlarmKind]
    at: datetime | None
    stamp: str
    is_whole: bool


def position(body: bytes, settings: Jt808Settings, now: Now | None, unknown: Tally) -> Position:
    """Read a position record; `unknown` counts the items nobody knows.

    A record that is cut short still says what alarm it is about.
    """
    stamp = body[BODY_BYTES - TIME_BYTES : BODY_BYTES].hex()
    at = device_time(stamp.encode(), settings, now)
    alarms: set[BandAlarmKind] = set()
    readings: list[Reading] = []
    word = int.from_bytes(body[:ALARM_BYTES], "big") if len(body) >= ALARM_BYTES else 0
    found = list(jt808_fields.items(body[BODY_BYTES:], settings.nested))
    alarms |= jt808_alarms.of_bits(word, settings)
    if not _is_own(jt808_alarms.AREA_BIT, settings):
        alarms |= jt808_alarms.of_area(word, _value(found, AREA))
    fix = _fix(body, found, at)
    if fix is not None:
        readings.append(fix)
    gauges, more = jt808_fields.read(found, settings.tlvs, at)
    mapped = {field.id for field in settings.tlvs}
    for name, _ in found:
        if name not in mapped and name not in STANDARD_ITEMS and name not in settings.nested:
            unknown.add(f"{name:02x}")
    return Position(readings + gauges, alarms | more, at, stamp, fix is not None)


def batch(body: bytes) -> Iterator[bytes]:
    """The records of 0x0704, after its count and type; the count is not trusted, the last may be cut off."""
    at = 3
    while at + 2 <= len(body):
        length = int.from_bytes(body[at : at + 2], "big")
        yield body[at + 2 : at + 2 + length]
        at += 2 + length


def short_batch(body: bytes) -> Iterator[bytes]:
    """The records of 0x0210, each after one byte of length."""
    at = 0
    while at < len(body):
        yield body[at + 1 : at + 1 + body[at]]
        at += 1 + body[at]


def short_record(body: bytes, settings: Jt808Settings, now: Now | None) -> list[Reading]:
    """A record of 7 bytes in a short batch: battery in per cent, and its time."""
    at = device_time(body[1:].hex().encode(), settings, now)
    return [Battery(battery_pct=body[0], at=at)] if body[0] <= 100 else []  # noqa: PLR2004 - per cent


def _is_own(bit: int, settings: Jt808Settings) -> bool:
    return bit in settings.ignored_bits or any(entry.bit == bit for entry in settings.alarm_bits)


def _value(found: list[jt808_fields.Item], name: int) -> bytes | None:
    return next((value for item, value in found if item == name), None)


def _fix(body: bytes, found: list[jt808_fields.Item], at: datetime | None) -> Fix | None:
    """The fix of a record, None when it is cut short or its coordinates are impossible."""
    if len(body) < BODY_BYTES:
        return None
    _, status, lat_e6, lon_e6, alt_m, speed, course_deg = _FIXED.unpack_from(body)
    if lat_e6 > MAX_LAT_E6 or lon_e6 > MAX_LON_E6:
        return None
    valid = bool(status & _FIX_BIT) and not lat_e6 == lon_e6 == 0
    satellites = _value(found, SATELLITES)
    return Fix(
        lat=(-lat_e6 if status & _SOUTH_BIT else lat_e6) / 1e6,
        lon=(-lon_e6 if status & _WEST_BIT else lon_e6) / 1e6,
        valid=valid,
        alt_m=float(alt_m),
        speed_m_s=speed / 10 / KMH_PER_MPS,
        course_deg=float(course_deg) if course_deg <= MAX_COURSE_DEG else None,
        satellites=satellites[0] if satellites else None,
        source="gnss" if valid else None,
        at=at,
    )
