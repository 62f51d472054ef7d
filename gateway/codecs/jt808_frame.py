"""JT/T 808 frames: flags, escapes, checksum and header. Pure.

`7e | header | body | xor | 7e`; between the flags 7e is 7d 02 and 7d is 7d 01 (JT/T 808-2013 and -2019, 4.4).
Two frames may share one flag. The header's length is not trusted: the flags say where a frame ends.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from gateway.codecs.checksum import xor8
from gateway.codecs.framing import Cut
from gateway.errors import FrameError

FLAG = 0x7E
ESCAPE = 0x7D
_VARIANT_ENDS = {0x28: re.compile(rb"[\x7e)]"), 0xE7: re.compile(rb"[\x7e\xe7]")}
"""First byte of what some makes send beside standard frames (`(text)`, frames with e7 flags), and its end."""
_STARTS = re.compile(rb"[\x7e(\xe7]")
LENGTH_BITS = 0x03FF
ENCRYPTION_BITS = 0x1C00
PARTS_BIT = 0x2000
VERSION_BIT = 0x4000
PHONE_BYTES = 6
PHONE_BYTES_2019 = 10
MAX_BODY_BYTES = LENGTH_BITS
MIN_FRAME_BYTES = 13
"""From message id to checksum, without a body: what is shorter between two frames is a line end or noise."""


class FlagCutter:
    """Frames between flags, where the flag that ends one frame may begin the next.

    A text in round brackets and a frame between e7 flags are errors of their own, to be kept and counted.
    """

    __slots__ = ("_looked", "_shared")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._looked = 0
        self._shared = False

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:  # noqa: ARG002 - only a flag ends a frame
        """See `Cutter.cut`."""
        first = buffer[0]
        if first == FLAG:
            if buffer[1:2] == b"\x7e":
                return Cut(1)
        elif first in _VARIANT_ENDS:
            return self._cut_variant(buffer, _VARIANT_ENDS[first])
        elif not self._shared:
            start = _STARTS.search(buffer)
            return Cut(start.start() if start else len(buffer))
        end = buffer.find(FLAG, max(self._looked, 1))
        if end < 0:
            self._looked = len(buffer)
            return None
        self._looked = 0
        if first != FLAG and end < MIN_FRAME_BYTES:
            return Cut(end)
        self._shared = True
        return Cut(end + 1, end + 1)

    def _cut_variant(self, buffer: bytearray, ends: re.Pattern[bytes]) -> Cut | None:
        """A variant ends at its own last byte, or just before a flag: it never swallows a frame."""
        end = ends.search(buffer, max(self._looked, 1))
        if end is None:
            self._looked = len(buffer)
            return None
        self._looked = 0
        used = end.start() if end[0] == b"\x7e" else end.end()
        return Cut(used, used, "not a standard frame")


class Frame(NamedTuple):
    """One frame, unescaped.

    `phone` are the bytes of the terminal's number as sent (BCD, or what a make puts there instead);
    `version` is that of the header, None before 2019; `part` of `parts` counts from 1, both 0 if whole;
    `declared_bytes` is the body length the header claims;
    `fault` is what is wrong with it (a constant reason), empty for a sound frame.
    """

    message: int
    phone: bytes
    serial: int
    body: bytes
    version: int | None = None
    parts: int = 0
    part: int = 0
    encrypted: bool = False
    declared_bytes: int = 0
    fault: str = ""
    raw: bytes = b""


def parse(raw: bytes) -> Frame:
    """Read a frame as the cutter gave it. Raises FrameError when it is too short to be one."""
    plain, fault = unescape(raw)
    try:
        message, properties = struct.unpack_from(">HH", plain)
        at, version = 4, None
        if properties & VERSION_BIT:
            version, at = plain[4], 5
        phone = plain[at : at + (PHONE_BYTES if version is None else PHONE_BYTES_2019)]
        at += PHONE_BYTES if version is None else PHONE_BYTES_2019
        (serial,) = struct.unpack_from(">H", plain, at)
        at += 2
        parts = part = 0
        if properties & PARTS_BIT:
            parts, part = struct.unpack_from(">HH", plain, at)
            at += 4
    except (struct.error, IndexError):
        raise FrameError("frame too short", offset=max(len(raw) - 1, 0), raw=raw) from None
    if at >= len(plain):
        raise FrameError("frame too short", offset=max(len(raw) - 1, 0), raw=raw)
    return Frame(
        message=message,
        phone=phone,
        serial=serial,
        body=plain[at:-1],
        version=version,
        parts=parts,
        part=part,
        encrypted=bool(properties & ENCRYPTION_BITS),
        declared_bytes=properties & LENGTH_BITS,
        fault=fault or ("checksum wrong" if xor8(plain) else ""),
        raw=raw,
    )


def unescape(raw: bytes) -> tuple[bytes, str]:
    """What stands between the flags, escapes undone, and what is wrong with it.

    A 7d that begins no escape is kept as it stands.
    """
    plain = raw.removeprefix(b"\x7e").removesuffix(b"\x7e")
    if ESCAPE not in plain:
        return plain, ""
    first, *rest = plain.split(b"\x7d")
    pieces, fault = [first], ""
    for piece in rest:
        if piece[:1] == b"\x01":
            pieces.append(b"\x7d" + piece[1:])
        elif piece[:1] == b"\x02":
            pieces.append(b"\x7e" + piece[1:])
        else:
            pieces.append(b"\x7d" + piece)
            fault = "escape unknown"
    return b"".join(pieces), fault


def build(
    message: int,
    body: bytes,
    *,
    phone: bytes,
    serial: int,
    version: int | None = None,
    parts: int = 0,
    part: int = 0,
) -> bytes:
    """A whole frame as it goes on the wire; with `parts`, it is number `part` of so many.

    `phone` has 6 bytes, or 10 where there is a `version`; the body has at most 1023.
    Raises ValueError otherwise.
    """
    if len(phone) != (PHONE_BYTES if version is None else PHONE_BYTES_2019) or len(body) > MAX_BODY_BYTES:
        raise ValueError("phone or body of a wrong length")
    properties = len(body) | (PARTS_BIT if parts else 0) | (0 if version is None else VERSION_BIT)
    plain = struct.pack(">HH", message, properties) + (b"" if version is None else bytes([version]))
    plain += phone + struct.pack(">H", serial) + (struct.pack(">HH", parts, part) if parts else b"") + body
    plain += bytes([xor8(plain)])
    return b"\x7e" + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"
