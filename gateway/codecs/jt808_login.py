"""Who speaks on a JT/T 808 connection: its number, registration (0x0100), authentication (0x0102). Pure.

A terminal registers once and is given an authentication code, which it sends first on every connection after.
Here the code is the band's own (`gateway.bands.keys`), so that knowing a telephone number is not enough
for who cannot register: where the terminal id is written down, that takes the id as well.
JT/T 808-2013 and -2019, 8.5 to 8.8.
"""

from __future__ import annotations

import hmac
import re
import struct
from itertools import pairwise
from typing import NamedTuple

from gateway.codecs.base import Known
from gateway.codecs.jt808_frame import PHONE_BYTES, PHONE_BYTES_2019, Frame

REGISTER, REGISTERED, AUTHENTICATE, LOGOUT, ANSWER = 0x0100, 0x8100, 0x0102, 0x0003, 0x8001
DONE, FAILED, WRONG, UNSUPPORTED, ALARM_HANDLED = range(5)
"""Results of 0x8001."""
TERMINAL_TAKEN, NO_TERMINAL = 3, 4
"""Results of 0x8100; 0 is well registered."""
BODY_2013_BYTES = 37
"""A shorter registration is one of 2011, whose model has 8 bytes, not 20."""


_DIGITS = re.compile(r"[0-9]+")
_WIRE_BYTES = re.compile(r"(?:[0-9a-f]{12}|[0-9a-f]{20})")
IMEI_DIGITS = 15


class Answer(NamedTuple):
    """What to say to a frame of the login; `refusal` is why it is not believed, empty when it is."""

    message: int
    body: bytes
    refusal: str = ""


class Registration(NamedTuple):
    """What a terminal says of itself in 0x0100."""

    maker: str
    model: str
    terminal: str


def names(phone: bytes) -> tuple[str, ...]:
    """The names a terminal's number may have on the list, that on the wire first.

    Digits may be written without their leading zeros, or with those of the other header:
    a band whose new firmware speaks 2019 is still the same band.
    Six bytes that are no digits are an IMEI in binary, and may be written as its 15 digits.
    """
    wire = phone.hex()
    if wire.isdigit():
        short = wire.lstrip("0") or wire
        written = (wire, short, short.zfill(2 * PHONE_BYTES), short.zfill(2 * PHONE_BYTES_2019))
        return tuple(dict.fromkeys(written))
    if len(phone) != PHONE_BYTES:
        return (wire,)
    digits = str(int.from_bytes(phone, "big"))
    return wire, digits + luhn_digit(digits)


def address(wire_id: str, version: int | None) -> tuple[bytes, int | None] | None:
    """The number and the header's version of a terminal that was not heard yet; None for what is no number.

    The reverse of `names`; `version` is None before 2019.
    """
    if version is None and len(wire_id) == IMEI_DIGITS and _DIGITS.fullmatch(wire_id):
        return int(wire_id[:-1]).to_bytes(PHONE_BYTES, "big"), None
    size = PHONE_BYTES if version is None else PHONE_BYTES_2019
    text = wire_id.zfill(2 * size) if _DIGITS.fullmatch(wire_id) else wire_id
    if not _WIRE_BYTES.fullmatch(text):
        return None
    phone = bytes.fromhex(text)
    return phone, (version or 1) if len(phone) == PHONE_BYTES_2019 else None


def luhn_digit(digits: str) -> str:
    """The check digit of ISO/IEC 7812-1 annex B, by which an IMEI ends."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the two digits of a doubled one, added
    return str(-total % 10)


def registration(frame: Frame) -> Registration:
    """Read 0x0100; fields that are cut off are empty."""
    if frame.version is not None:
        maker, model, terminal = 11, 30, 30
    elif len(frame.body) >= BODY_2013_BYTES:
        maker, model, terminal = 5, 20, 7
    else:
        maker, model, terminal = 5, 8, 7
    starts = (4, 4 + maker, 4 + maker + model, 4 + maker + model + terminal)
    return Registration(*(_text(frame.body[a:b]) for a, b in pairwise(starts)))


def codes(frame: Frame) -> tuple[bytes, ...]:
    """The authentication code as 0x0102 may mean it: the whole body, or after one byte of length (2019)."""
    body = frame.body
    whole = body.rstrip(b"\0 ")
    if frame.version is None or not body or len(body) < 1 + body[0]:
        return (whole,)
    return body[1 : 1 + body[0]], whole


class Gate:
    """Believes a connection once it has shown its code, or was registered on it.

    Every frame is judged anew, so that a band that is taken off the list, or given a new key, is out at once.
    """

    __slots__ = ("_shown",)

    def __init__(self) -> None:
        self._shown: tuple[bytes, str] | None = None

    def judge(self, frame: Frame, wire_id: str, known: Known | None, *, authenticates: bool) -> Answer | None:
        """The answer to a frame of the login, or to one that is not believed; None for one that is."""
        if known is None:
            if frame.message == REGISTER:
                return Answer(REGISTERED, _registered(frame, NO_TERMINAL), "unknown terminal")
            return Answer(ANSWER, result(frame, FAILED), "unknown terminal")
        if frame.message == REGISTER:
            terminal = registration(frame).terminal
            if known.serial and terminal.upper() != known.serial.strip().upper():
                return Answer(REGISTERED, _registered(frame, TERMINAL_TAKEN), "terminal id is another")
            self._shown = frame.phone, known.login_code
            code = (known.login_code or wire_id).encode()
            return Answer(REGISTERED, _registered(frame, DONE) + code)
        needs_code = authenticates and bool(known.login_code)
        if frame.message == AUTHENTICATE:
            if needs_code and not any(
                hmac.compare_digest(code, known.login_code.encode()) for code in codes(frame)
            ):
                self._shown = None
                return Answer(ANSWER, result(frame, FAILED), "wrong authentication code")
            self._shown = frame.phone, known.login_code
            return Answer(ANSWER, result(frame, DONE))
        if needs_code and self._shown != (frame.phone, known.login_code):
            return Answer(ANSWER, result(frame, FAILED), "not authenticated")
        if frame.message == LOGOUT:
            self._shown = None
        return None


def result(frame: Frame, code: int) -> bytes:
    """The body of 0x8001: the serial and id of the frame that is answered, and the result."""
    return struct.pack(">HHB", frame.serial, frame.message, code)


def _registered(frame: Frame, code: int) -> bytes:
    return struct.pack(">HB", frame.serial, code)


def _text(data: bytes) -> str:
    return data.decode("gbk", "replace").strip("\0 ")
