"""Where a frame of the watch protocol ends: brackets that may hold brackets, and lengths that lie. Pure."""

from __future__ import annotations

import re

from gateway.codecs.framing import CUT_BY_NEXT, Cut

CLOSING = ord("]")
_BRACKETS = re.compile(rb"[\[\]]")
_WATCH_HEADER = re.compile(rb"\[[0-9A-Za-z]{2}\*[0-9]{1,20}\*")
_WATCH_HEADER_BEGUN = re.compile(rb"\[(?:[0-9A-Za-z]{0,2}|[0-9A-Za-z]{2}\*[0-9]{0,20})")
_WATCH_LENGTH = re.compile(rb"\[[0-9A-Za-z]{2}\*[0-9]{1,20}\*(?:[0-9A-Fa-f]{4}\*)?([0-9A-Fa-f]{4})\*")


class BracketCutter:
    """Frames in square brackets that may hold brackets (the watch protocol: names of wifi networks do).

    Brackets are counted. Two things mend a count that a lone bracket upset:
    a `]` exactly where the declared length puts it ends the frame,
    and a new frame's header inside a frame ends the old one just before it.
    """

    __slots__ = ("_declared_end", "_depth", "_looked")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._depth = 0
        self._looked = 0
        self._declared_end = -1

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """See `Cutter.cut`."""
        start = buffer.find(b"[")
        if start:
            return Cut(len(buffer) if start < 0 else start)
        while (found := _BRACKETS.search(buffer, self._looked)) is not None:
            here = found.start()
            if buffer[here] == CLOSING:
                self._depth -= 1
                if self._depth == 0 or here == self._declared(buffer):
                    self.restart()
                    return Cut(here + 1, here + 1)
            else:
                if here > 0 and _WATCH_HEADER.match(buffer, here):
                    whole = buffer[here - 1] == CLOSING
                    self.restart()
                    return Cut(here, here, "" if whole else CUT_BY_NEXT)
                if here > 0 and not ended and _WATCH_HEADER_BEGUN.fullmatch(buffer, here):
                    return None
                self._depth += 1
            self._looked = here + 1
        self._looked = len(buffer)
        return None

    def _declared(self, buffer: bytearray) -> int:
        """Where the header says the closing bracket stands, 0 when it says nothing."""
        if self._declared_end < 0:
            length = _WATCH_LENGTH.match(buffer)
            self._declared_end = length.end() + int(length[1], 16) if length else 0
        return self._declared_end
