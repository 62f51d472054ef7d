# ruff: noqa: PLR2004 - the bare numbers are ASCII codes and the bit fields of RFC 8949, named in the docstrings
"""Finding frames in a stream: one bounded buffer, and one cutter for each way a frame shows its end.

A cutter looks at the front of the buffer and says what stands there:
a frame, bytes to skip, bytes that are wrong, or "not enough yet".
It remembers how far it looked, so a frame that arrives byte by byte is scanned once.
The buffer owns the bounds, the counters and the errors.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from gateway.errors import FrameError

MAX_BUFFER_BYTES = 1 << 20
MAX_SKIPPED_KEPT_BYTES = 256
MAX_NAMES = 64


CUT_BY_NEXT, CUT_BY_END = "frame cut off by the next", "frame cut off by the end"
"""Reasons of a frame that began and has no end; what stands in it can still be a cry for help."""


class Cut(NamedTuple):
    """What stands at the front of the buffer.

    `used` bytes are to be taken away; the first `frame` of them are the frame (0: they are only skipped);
    a `reason` makes the frame an error.
    """

    used: int
    frame: int = 0
    reason: str = ""


class Cutter(Protocol):
    """Finds the end of the frame at the front of a buffer; stateful until it gives a cut."""

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """Give what stands at the front, None when more bytes are needed. Never raises.

        `ended` says that no more bytes will come for what is in the buffer.
        """
        ...

    def restart(self) -> None:
        """Forget how far it looked: the front of the buffer is a new place. Idempotent."""
        ...


class Tally:
    """Counts by name, at most 64 names; what comes after them is counted as "(more)"."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, name: str) -> None:
        """Count one more of this name (its first 32 characters)."""
        counts = self.counts
        key = name[:32]
        if key not in counts and len(counts) >= MAX_NAMES:
            key = "(more)"
        counts[key] = counts.get(key, 0) + 1


class FrameBuffer:
    """Bytes waiting for their frame to be whole.

    Bounds: a frame is at most `max_frame_bytes`
    (longer: FrameError, and as many bytes and one are gone, however they came);
    the buffer holds at most 1 MiB not yet read out (the newest bytes are refused, counted in
    `refused_bytes` and reported as one FrameError).
    `skipped_bytes` counts what stood between frames; a message that ends in such bytes ends in a FrameError,
    unless they are white space.
    """

    __slots__ = (
        "_buffer",
        "_cutter",
        "_ended",
        "_refused",
        "_skipped",
        "max_frame_bytes",
        "refused_bytes",
        "skipped_bytes",
    )

    def __init__(self, cutter: Cutter, *, max_frame_bytes: int) -> None:
        self._cutter = cutter
        self._buffer = bytearray()
        self._skipped = bytearray()
        self._ended = False
        self._refused = b""
        self.max_frame_bytes = max_frame_bytes
        self.skipped_bytes = 0
        self.refused_bytes = 0

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def is_fresh(self) -> bool:
        """True while nothing waits: no byte, and none left out that the end would report."""
        return not (self._buffer or self._skipped or self._refused)

    def feed(self, data: bytes) -> None:
        """Take more bytes; what does not fit is refused and reported by `next`."""
        self._ended = False
        room = MAX_BUFFER_BYTES - len(self._buffer)
        if len(data) > room:
            self.refused_bytes += len(data) - room
            self._refused = self._refused or bytes(data[room : room + MAX_SKIPPED_KEPT_BYTES])
            data = data[:room]
        self._buffer += data

    def end(self) -> None:
        """Say that the message or the connection ends here."""
        self._ended = True

    def next(self) -> bytes | None:
        """Give the next whole frame, None when more bytes are needed.

        Raises FrameError for a frame that is wrong, too long, or cut off by the end;
        the buffer is then past it.
        """
        buffer = self._buffer
        while buffer:
            cut = self._cutter.cut(buffer, ended=self._ended)
            if cut is None:
                if len(buffer) > self.max_frame_bytes:
                    self._restart(self.max_frame_bytes + 1, "frame too long")
                if self._refused:
                    self._refused = b""
                    self._restart(len(buffer), "buffer full")
                if self._ended:
                    self._restart(len(buffer), CUT_BY_END)
                return None
            if cut.frame == 0:
                self._skip(cut.used)
                continue
            if cut.frame > self.max_frame_bytes:
                self._restart(self.max_frame_bytes + 1, "frame too long")
            if cut.reason:
                self._restart(cut.used, cut.reason)
            frame = bytes(buffer[: cut.frame])
            del buffer[: cut.used]
            self._skipped.clear()
            return frame
        self._dry()
        return None

    def _dry(self) -> None:
        """The buffer is empty: report refused bytes, and bytes skipped at the end of a message."""
        if self._refused:
            raw, self._refused = self._refused, b""
            raise FrameError("buffer full", raw=raw)
        if self._ended and self._skipped:
            raw = bytes(self._skipped)
            self._skipped.clear()
            if raw.strip():
                raise FrameError("no frame here", raw=raw)

    def _skip(self, count: int) -> None:
        self.skipped_bytes += count
        room = MAX_SKIPPED_KEPT_BYTES - len(self._skipped)
        if room > 0:
            self._skipped += self._buffer[: min(count, room)]
        del self._buffer[:count]

    def _restart(self, count: int, reason: str) -> None:
        raw = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._skipped.clear()
        self._cutter.restart()
        raise FrameError(reason, offset=max(len(raw) - 1, 0), raw=raw)


def next_or_begun(frames: FrameBuffer, alarm_head: re.Pattern[bytes]) -> bytes | None:
    """`frames.next()`, or what there is of a frame that is cut off, where it begins as an alarm.

    Raises FrameError for any other frame that is wrong.
    """
    try:
        return frames.next()
    except FrameError as error:
        if error.reason in {CUT_BY_NEXT, CUT_BY_END} and alarm_head.match(error.raw):
            return error.raw
        raise


class Framed:
    """What every codec of a stream does alike: bytes go into its frame buffer, and it is told of the end."""

    _frames: FrameBuffer

    @property
    def skipped_bytes(self) -> int:
        """Bytes that stood between frames and belonged to none."""
        return self._frames.skipped_bytes

    def feed(self, data: bytes) -> None:
        """See `Codec.feed`."""
        self._frames.feed(data)

    def end_of_message(self) -> None:
        """See `Codec.end_of_message`."""
        self._frames.end()


class LineCutter:
    """Lines that begin with a mark and end with a line feed (NMEA 0183: `$`, carriage return, line feed).

    A second mark inside a line means that the first line was cut off; it is then an error of its own.
    """

    __slots__ = ("_looked", "_mark")

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._looked = 0

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._looked = 0

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """See `Cutter.cut`."""
        start = buffer.find(self._mark)
        if start:
            return Cut(len(buffer) if start < 0 else start)
        end = buffer.find(b"\n", self._looked)
        again = buffer.find(self._mark, max(self._looked, 1), end if end >= 0 else len(buffer))
        self._looked = 0
        if again > 0:
            return Cut(again, again, "line cut off by the next")
        if end >= 0:
            return Cut(end + 1, end + 1)
        if ended:
            return Cut(len(buffer), len(buffer))
        self._looked = len(buffer)
        return None


_JSON_MARKS = re.compile(rb'["\[\]{}]')
_STRING_END = re.compile(rb'"|\\(?s:.)')


class PackCutter:
    """JSON arrays and CBOR arrays, told apart by the first byte (0x5B; 0x80 to 0x9F, RFC 8949 major type 4).

    JSON: brackets outside strings are counted. CBOR: items are skipped by their heads (RFC 8949 appendix C);
    after bytes that are no CBOR there is no place to go on from, so the rest of the buffer goes with them.
    """

    __slots__ = ("_depth", "_in_string", "_looked", "_open")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._looked = 0
        self._depth = 0
        self._in_string = False
        self._open: list[int] = []

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:  # noqa: ARG002 - only brackets end a pack
        """See `Cutter.cut`."""
        first = buffer[0]
        if first == 0x5B:
            return self._cut_json(buffer)
        if 0x80 <= first <= 0x9F:
            return self._cut_cbor(buffer)
        start = _PACK_START.search(buffer)
        return Cut(start.start() if start else len(buffer))

    def _cut_json(self, buffer: bytearray) -> Cut | None:
        while True:
            if self._in_string:
                found = _STRING_END.search(buffer, self._looked)
                if found is None:
                    lone = buffer.endswith(b"\\", self._looked)
                    self._looked = len(buffer) - lone
                    return None
                self._in_string = buffer[found.start()] != 0x22
            else:
                found = _JSON_MARKS.search(buffer, self._looked)
                if found is None:
                    self._looked = len(buffer)
                    return None
                mark = buffer[found.start()]
                if mark == 0x22:
                    self._in_string = True
                else:
                    self._depth += 1 if mark in b"[{" else -1
                    if self._depth == 0:
                        self.restart()
                        return Cut(found.end(), found.end())
            self._looked = found.end()

    def _cut_cbor(self, buffer: bytearray) -> Cut | None:
        items = self._open or [1]
        self._open = items
        at = self._looked
        while items:
            if at >= len(buffer):
                self._looked = at
                return None
            after = _cbor_head(buffer, at, items)
            if after is None:
                self._looked = at
                return None
            if after < 0 or len(items) > MAX_CBOR_DEPTH:
                self.restart()
                return Cut(len(buffer), len(buffer), "malformed CBOR")
            at = after
            while items and items[-1] == 0:
                items.pop()
        self.restart()
        return Cut(at, at)


_PACK_START = re.compile(rb"[\[\x80-\x9f]")
MAX_CBOR_DEPTH = 16
_UNTIL_BREAK = -1


def _cbor_head(buffer: bytearray, at: int, items: list[int]) -> int | None:  # noqa: C901 - one case a major type
    """Step over one CBOR head at `at`, with the string behind it.

    `items` is the stack of items still owed by each open container (-1: until a break).
    Gives the next position, None when bytes are missing, -1 when this is no CBOR.
    """
    major, minor = buffer[at] >> 5, buffer[at] & 31
    if buffer[at] == 0xFF:
        if items[-1] != _UNTIL_BREAK:
            return -1
        items.pop()
        return at + 1
    if 28 <= minor <= 30 or (minor == 31 and major in (0, 1, 6)):
        return -1
    width = 1 << (minor - 24) if 24 <= minor <= 27 else 0
    if at + 1 + width > len(buffer):
        return None
    value = int.from_bytes(buffer[at + 1 : at + 1 + width], "big") if width else minor
    after = at + 1 + width
    if major in (2, 3) and minor != 31:
        if after + value > len(buffer):
            return None
        after += value
    if items[-1] > 0:
        items[-1] -= 1
    if minor == 31:
        items.append(_UNTIL_BREAK)
    elif major in (4, 5):
        items.append(value * (major - 3))
    elif major == 6:
        items.append(1)
    return after
