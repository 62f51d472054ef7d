"""Frames of a JT/T 808-2013 terminal, made from captured ones. Pure.

The layout, the item E4 (charge) and the item F8 (steps) are those of the C5L watches in
`tests/vectors/jt808.jsonl` (traccar test suite, Apache-2.0); the maker and model of the registration are
those of a captured 0x0100. The gateway's model for it is `data/models/c5l.toml`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from firmware_sim.report import Report
from gateway.codecs.framing import FrameBuffer
from gateway.codecs.jt808_frame import FlagCutter, Frame, build, parse
from gateway.errors import FrameError

REGISTER, AUTHENTICATE, HEARTBEAT, POSITION, BATCH, CONFIRM = 0x0100, 0x0102, 0x0002, 0x0200, 0x0704, 0x0001
ANSWER, REGISTERED, TEXT = 0x8001, 0x8100, 0x8300
BAND_ORDERS = MappingProxyType(
    {
        0x8103: "interval",
        0x8105: "find",
        0x8201: "locate_now",
        0x8202: "interval",
        0x8400: "call_back",
        0x8600: "fences",
        0x8604: "fences",
    }
)
GOOD_RESULTS = frozenset({0, 4})
"""Done, and "alarm handled"."""
MAKER, MODEL, TERMINAL = b"70111", b"BSJ-A6-BD", b"0567872"
SOS_BIT = 1 << 0
FIX_BIT, SOUTH_BIT, WEST_BIT, BEIDOU_BIT = 1 << 1, 1 << 2, 1 << 3, 1 << 19
BEIJING = timedelta(hours=8)
STORED = 1
BATTERY, STEPS, SATELLITES = 0xE4, 0xF8, 0x31
MAX_FRAME_BYTES = 4096


class Result(NamedTuple):
    """What the platform answered: to which serial and message, with what result."""

    serial: int
    message: int
    result: int


class Terminal:
    """Numbers the frames of one terminal; `phone` are its 12 digits."""

    def __init__(self, phone: str, serial: int = 0) -> None:
        self._phone = bytes.fromhex(phone.zfill(12))
        self.serial = serial

    def frame(self, message: int, body: bytes = b"") -> bytes:
        """A whole frame with the next serial."""
        self.serial = (self.serial + 1) & 0xFFFF
        return build(message, body, phone=self._phone, serial=self.serial)

    def register(self, terminal: bytes = TERMINAL) -> bytes:
        """0x0100 of 2013: no province, no plate."""
        body = bytes(4) + MAKER + MODEL.ljust(20, b"\0") + terminal.ljust(7, b"\0") + b"\0"
        return self.frame(REGISTER, body)

    def authenticate(self, code: bytes) -> bytes:
        """0x0102 of 2013: the code alone."""
        return self.frame(AUTHENTICATE, code)

    def report(self, report: Report) -> bytes:
        """0x0200 for a live report, with the SOS bit while pressed; a batch of one for a stored one."""
        body = position(report)
        if not report.stored:
            return self.frame(POSITION, body)
        return self.frame(BATCH, struct.pack(">HBH", 1, STORED, len(body)) + body)

    def confirm(self, order: Frame) -> bytes:
        """0x0001: the order was carried out."""
        return self.frame(CONFIRM, struct.pack(">HHB", order.serial, order.message, 0))


def position(report: Report) -> bytes:
    """The body of 0x0200."""
    sample = report.sample
    at = report.press.at if report.press is not None else report.at
    status = FIX_BIT | BEIDOU_BIT
    status |= (SOUTH_BIT if sample.lat < 0 else 0) | (WEST_BIT if sample.lon < 0 else 0)
    fixed = struct.pack(
        ">IIIIhHH",
        SOS_BIT if report.press is not None else 0,
        status,
        round(abs(sample.lat) * 1e6),
        round(abs(sample.lon) * 1e6),
        round(sample.alt_m),
        round(sample.speed_m_s * 36),
        round(sample.course_deg) % 360,
    )
    return (
        fixed
        + bcd_time(at)
        + item(SATELLITES, bytes([sample.satellites]))
        + item(BATTERY, bytes([1, round(sample.battery_pct)]))
        + item(STEPS, struct.pack(">H", sample.steps & 0xFFFF))
    )


def item(name: int, value: bytes) -> bytes:
    """One item of additional information."""
    return bytes([name, len(value)]) + value


def bcd_time(at: datetime) -> bytes:
    """A moment as a terminal has it: Beijing time in BCD."""
    return bytes.fromhex(f"{at + BEIJING:%y%m%d%H%M%S}")


def result_of(frame: Frame) -> Result | None:
    """What 0x8001 says; None for anything else."""
    if frame.message != ANSWER or len(frame.body) < 5:  # noqa: PLR2004 - serial, id, result
        return None
    return Result(*struct.unpack_from(">HHB", frame.body))


def code_of(frame: Frame) -> bytes | None:
    """The authentication code of a good 0x8100; None for anything else."""
    return frame.body[3:] if frame.message == REGISTERED and frame.body[2:3] == b"\0" else None


class FromPlatform:
    """Cuts what comes down into frames; what is no frame is passed over."""

    def __init__(self) -> None:
        self._frames = FrameBuffer(FlagCutter(), max_frame_bytes=MAX_FRAME_BYTES)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Every whole frame there is now."""
        self._frames.feed(data)
        while True:
            try:
                raw = self._frames.next()
                if raw is None:
                    return
                frame = parse(raw)
            except FrameError:
                continue
            if not frame.fault:
                yield frame


def words_of(frame: Frame) -> str:
    """The words of a text order (2013): after its flags, in GBK."""
    return frame.body[1:].decode("gbk", "replace")
