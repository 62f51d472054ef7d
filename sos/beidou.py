"""An alarm in twenty bytes: what a BeiDou short message carries when nothing else goes out, and its answer.

A card may send about 78 bytes a minute and the service gives no receipt,
so the body is small, carries a number of its own, and the station answers with the same number.

| bytes | field | coding (big-endian) |
|---|---|---|
| 1 | version | 1 |
| 3 | elder's number | 0 to 16 777 215, agreed between gateway and station |
| 1 | kind | low 5 bits: index in `KINDS`; bit 5: drill; bits 6-7: 0 alarm, 1 received, 2 taken by a person |
| 4 | time | Unix seconds, unsigned (until 2106) |
| 4 | latitude | signed, 1e-7 degrees WGS-84; `NOWHERE` where unknown |
| 4 | longitude | as latitude |
| 1 | heart rate | 1/min; 0 unknown; above 254 stands as 254 |
| 1 | battery | per cent; 255 unknown |
| 1 | number | of this alarm; (elder, time, number) names it |
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Answer = Literal["", "received", "taken"]

VERSION = 1
BODY_BYTES = 20
KINDS = (
    "sos",
    "fall",
    "fence",
    "vitals",
    "silence",
    "low_battery",
    "removed",
    "band",
    "system",
    "inactivity",
)
"""`gateway.model.AlarmKind`, in the order of the wire; append only."""
ANSWERS: tuple[Answer, ...] = ("", "received", "taken")
NOWHERE = -(2**31)
MOST_NUMBER = 2**24 - 1
MOST_TIME_S = 2**32 - 1
UNKNOWN_BATTERY = 255
MOST_HEART_RATE = 254
FULL_PCT = 100

_LAYOUT = struct.Struct(">B3sBIiiBBB")
_DRILL = 0x20
_KIND = 0x1F
_ANSWER_SHIFT = 6
_SCALE = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class BeidouAlarm:
    """One alarm, or the station's answer to it.

    `number` is the elder's, `seq` the alarm's (0 to 255); `at` is aware UTC, whole seconds;
    `lat`, `lon` are WGS-84 degrees or both None.
    """

    number: int
    kind: str
    at: datetime
    seq: int
    lat: float | None = None
    lon: float | None = None
    heart_rate_bpm: float | None = None
    battery_pct: float | None = None
    drill: bool = False
    answer: Answer = ""

    @property
    def name(self) -> tuple[int, datetime, int]:
        """What an alarm and its answers have in common."""
        return (self.number, self.at.replace(microsecond=0), self.seq)


def pack(alarm: BeidouAlarm) -> bytes:
    """The twenty bytes of an alarm.

    A value that cannot be true (a position off the Earth, a gauge that is not a number) stands as unknown:
    an alarm is not lost for what its band measured.
    Raises ValueError for a number, kind, seq or time that does not fit.
    """
    if not 0 <= alarm.number <= MOST_NUMBER or not 0 <= alarm.seq <= 0xFF:  # noqa: PLR2004 - one byte
        raise ValueError("the elder's number has 24 bits, the alarm's has 8")
    if alarm.kind not in KINDS:
        raise ValueError(f"no alarm kind {alarm.kind!r}")
    kind = KINDS.index(alarm.kind) | (_DRILL if alarm.drill else 0)
    kind |= ANSWERS.index(alarm.answer) << _ANSWER_SHIFT
    if alarm.at.tzinfo is None or not 0 <= (at_s := int(alarm.at.timestamp())) <= MOST_TIME_S:
        raise ValueError("the alarm's time is aware and of 1970 to 2106")
    lat, lon = _position(alarm.lat, alarm.lon)
    rate = _whole(alarm.heart_rate_bpm, most=MOST_HEART_RATE)
    battery = _whole(alarm.battery_pct, most=FULL_PCT)
    return _LAYOUT.pack(
        VERSION,
        alarm.number.to_bytes(3, "big"),
        kind,
        at_s,
        lat,
        lon,
        rate or 0,
        UNKNOWN_BATTERY if battery is None else battery,
        alarm.seq,
    )


def _position(lat: float | None, lon: float | None) -> tuple[int, int]:
    """Both in 1e-7 degrees, or both unknown."""
    if lat is None or lon is None or not (abs(lat) <= 90 and abs(lon) <= 180):  # noqa: PLR2004 - nan is neither
        return NOWHERE, NOWHERE
    return round(lat * _SCALE), round(lon * _SCALE)


def _whole(value: float | None, *, most: int) -> int | None:
    """The nearest whole number from 0 to `most`, None where it is not known."""
    if value is None or not math.isfinite(value):
        return None
    return min(most, max(0, round(value)))


def unpack(body: bytes) -> BeidouAlarm:
    """Read twenty bytes; an impossible position or gauge is unknown, for the alarm must come through.

    Raises ValueError saying what is wrong with them.
    """
    if len(body) != BODY_BYTES:
        raise ValueError(f"{len(body)} bytes, not {BODY_BYTES}")
    version, number, kind, at_s, lat, lon, rate, battery, seq = _LAYOUT.unpack(body)
    if version != VERSION:
        raise ValueError(f"version {version}, not {VERSION}")
    if (kind & _KIND) >= len(KINDS) or (kind >> _ANSWER_SHIFT) >= len(ANSWERS):
        raise ValueError(f"kind {kind} is unknown")
    known = NOWHERE not in (lat, lon) and abs(lat) <= 90 * _SCALE and abs(lon) <= 180 * _SCALE
    return BeidouAlarm(
        number=int.from_bytes(number, "big"),
        kind=KINDS[kind & _KIND],
        at=datetime.fromtimestamp(at_s, UTC),
        seq=seq,
        lat=lat / _SCALE if known else None,
        lon=lon / _SCALE if known else None,
        heart_rate_bpm=rate if 0 < rate <= MOST_HEART_RATE else None,
        battery_pct=battery if battery <= FULL_PCT else None,
        drill=bool(kind & _DRILL),
        answer=ANSWERS[kind >> _ANSWER_SHIFT],
    )
