"""Bodies of the orders to a JT/T 808 terminal. Pure.

JT/T 808-2013, chapter 8: 0x8103, 0x8105, 0x8201, 0x8202, 0x8300, 0x8400, 0x8600, 0x8604;
2019 adds a type to a text and a name to a fence.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gateway.codecs.jt808_frame import MAX_BODY_BYTES

TEXT, CALL_BACK, LOCATE, TRACK, PARAMETERS, CONTROL = 0x8300, 0x8400, 0x8201, 0x8202, 0x8103, 0x8105
CIRCLES, POLYGON = 0x8600, 0x8604
MAX_TEXT_BYTES = 800
MAX_PHONE_CHARS = 20
MIN_INTERVAL_S, MAX_INTERVAL_S = 10, 65535
TRACKED_S = 86400
"""How long a terminal that knows only tracking keeps the interval it was given."""
NOTICE = 1
"""The type of a text (2019): a notice."""
INTERVAL_PARAMETER = 0x0029
REPLACE_ALL = 0
TELL_OF_BOTH_WAYS = 1 << 3 | 1 << 5
"""Of a fence's properties: tell the platform who goes in and who goes out."""
SOUTH, WEST = 1 << 6, 1 << 7
MAX_CORNERS = 100


def text(words: str, *, flags: int, version: int | None) -> bytes:
    """0x8300: words to show or speak, in GBK: what it has not becomes a question mark, too much is cut."""
    data = words.encode("gbk", "replace")[:MAX_TEXT_BYTES]
    whole = data.decode("gbk", "ignore").encode("gbk")
    return bytes([flags]) + (b"" if version is None else bytes([NOTICE])) + whole


def call_back(phone: str) -> bytes:
    """0x8400: ring this number, both sides speaking."""
    return b"\0" + phone[:MAX_PHONE_CHARS].encode("ascii", "ignore")


def interval(seconds: int) -> bytes:
    """0x8103: report a position every so many seconds."""
    return struct.pack(">BIBI", 1, INTERVAL_PARAMETER, 4, _clamped(seconds))


def track(seconds: int) -> bytes:
    """0x8202: the same for a day, for terminals without that parameter."""
    return struct.pack(">HI", _clamped(seconds), TRACKED_S)


def circles(fences: Sequence[tuple[int, str, float, float, float]], *, version: int | None) -> bytes:
    """0x8600: circles `(id, name, lat, lon, radius_m)` in place of all the terminal had.

    Raises ValueError for more than one message holds, and for a place that is on no map.
    """
    body = bytes([REPLACE_ALL, len(fences)])
    for number, name, lat, lon, radius_m in fences:
        body += struct.pack(">IH", number, _properties(lat, lon))
        body += _place(lat, lon) + struct.pack(">I", max(round(radius_m), 1)) + _name(name, version)
    if len(body) > MAX_BODY_BYTES:
        raise ValueError("too many circles")
    return body


def polygon(number: int, name: str, corners: Sequence[tuple[float, float]], *, version: int | None) -> bytes:
    """0x8604: a polygon with `(lat, lon)` corners. Between 3 and 100.

    Raises ValueError for fewer or more, and for a place that is on no map.
    """
    if not 3 <= len(corners) <= MAX_CORNERS:  # noqa: PLR2004 - a triangle
        raise ValueError("a polygon has 3 to 100 corners")
    body = struct.pack(">IHH", number, _properties(*corners[0]), len(corners))
    return body + b"".join(_place(lat, lon) for lat, lon in corners) + _name(name, version)


def _clamped(seconds: int) -> int:
    return min(max(seconds, MIN_INTERVAL_S), MAX_INTERVAL_S)


def _properties(lat: float, lon: float) -> int:
    return TELL_OF_BOTH_WAYS | (SOUTH if lat < 0 else 0) | (WEST if lon < 0 else 0)


def _place(lat: float, lon: float) -> bytes:
    if not (abs(lat) <= 90 and abs(lon) <= 180):  # noqa: PLR2004 - degrees
        raise ValueError("no such place")
    return struct.pack(">II", round(abs(lat) * 1e6), round(abs(lon) * 1e6))


def _name(name: str, version: int | None) -> bytes:
    """A fence has a name since 2019."""
    if version is None:
        return b""
    data = name.encode("gbk", "replace")[:60]
    return struct.pack(">H", len(data)) + data
