"""The frame of a BeiDou module's sentences: `$NAME,field,field*HH`, carriage return, line feed. Pure.

HH is the XOR of what stands between `$` and `*`, in upper-case hexadecimal.
The body of a message may hold raw GBK, so everything stays bytes until the checksum was right;
no byte of GBK is a comma, an asterisk, a dollar sign or an end of line.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

MAX_SENTENCE_BYTES = 8192
"""A BDS-3 message has at most 14 000 bits: 3 500 hexadecimal digits and a head."""

_SENTENCE = re.compile(rb"\$([A-Z]{2}[A-Z0-9]{2,6})(?:,(.*))?\*([0-9A-Fa-f]{2})", re.DOTALL)
_PART = re.compile(rb"[\x20-\x7e\x80-\xff]*")


class SentenceError(ValueError):
    """Bytes that are no sentence; `reason` is a constant phrase, `offset` where reading stopped."""

    def __init__(self, reason: str, *, offset: int = 0) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset


class SentenceBuffer:
    """Cuts a stream of bytes into lines; a line longer than `most` is dropped and counted.

    A `$` inside a line means that the sentence before it was cut off: what stands there is a line of its own.
    """

    def __init__(self, *, most: int = MAX_SENTENCE_BYTES) -> None:
        self._most = most
        self._rest = b""
        self._skipping = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._rest)

    def feed(self, received: bytes) -> list[bytes]:
        """Give the lines that these bytes complete, in order, without their end and without empty ones."""
        *whole, rest = (self._rest + received).split(b"\r\n")
        lines = []
        for line in whole:
            if self._skipping:
                self._skipping = False
            elif len(line) > self._most:
                self.dropped += 1
            else:
                lines += [piece for piece in re.split(rb"(?=\$)", line) if piece]
        if self._skipping or len(rest) - rest.endswith(b"\r") > self._most:
            self.dropped += not self._skipping
            self._skipping = True
            rest = rest[-1:] if rest.endswith(b"\r") else b""
        self._rest = rest
        return lines


def checksum(body: bytes) -> int:
    """The XOR of all bytes: of what stands between `$` and `*`."""
    return reduce(xor, body, 0)


def split(line: bytes) -> tuple[str, bytes]:
    """The name of a sentence and the rest of it behind the first comma, the checksum verified.

    Raises SentenceError.
    """
    found = _SENTENCE.fullmatch(line.rstrip(b"\r\n"))
    if found is None:
        raise SentenceError("no sentence" if b"*" in line[-5:] else "checksum missing", offset=len(line))
    name, rest, said = found.groups()
    if checksum(line[1 : found.start(3) - 1]) != int(said, 16):
        raise SentenceError("checksum wrong", offset=found.start(3))
    return name.decode("ascii"), rest or b""


def build(name: str, *fields: str | bytes) -> bytes:
    """A whole sentence with its checksum and its end. Raises ValueError for what a sentence cannot hold."""
    parts = [field if isinstance(field, bytes) else field.encode("ascii") for field in (name, *fields)]
    body = b",".join(parts)
    if not name.isalnum() or not _PART.fullmatch(body) or b"*" in body or b"$" in body:
        raise ValueError("a sentence holds no control characters, no * and no $")
    return b"$%b*%02X\r\n" % (body, checksum(body))
