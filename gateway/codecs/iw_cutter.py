"""Where the frames of IW and TRV bracelets begin and end (docs/protocols/iw.md). Pure."""

from __future__ import annotations

import re

from gateway.codecs.framing import CUT_BY_NEXT, Cut

HEADER = rb"(IW|TRV)([A-Y]P[0-9A-Z]{2})"
LONGEST_HEADER = 7
LONGEST_VOICE_HEAD = 64

_HEADER = re.compile(HEADER)
_HEADER_BEGUN = re.compile(rb"(?:I|IW[A-Y]?|IW[A-Y]P[0-9A-Z]?|T|TR|TRV[A-Y]?|TRV[A-Y]P[0-9A-Z]?)$")
_VOICE = re.compile(rb"(?:IW|TRV)AP(?:07|42),[^,#]{0,20},[0-9]{1,6},[0-9]{1,6},([0-9]{1,4}),")
_VOICE_BEGUN = re.compile(rb"(?:IW|TRV)AP(?:07|42)[^#]*")


class IwCutter:
    """Frames from `IW` or `TRV` to `#`.

    A voice packet (AP07, AP42) says how long its sound is (at most 9999 bytes), for that may hold `#`.
    A new header inside any other frame ends the old one just before it.
    """

    __slots__ = ("_looked",)

    def __init__(self) -> None:
        self._looked = 0

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._looked = 0

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """See `Cutter.cut`."""
        header = _HEADER.match(buffer)
        if header is None:
            return self._to_header(buffer, ended=ended)
        voice = _VOICE.match(buffer)
        if voice is not None:
            end = buffer.find(b"#", max(self._looked, voice.end() + int(voice[1])))
        elif not ended and len(buffer) < LONGEST_VOICE_HEAD and _VOICE_BEGUN.fullmatch(buffer):
            return None
        else:
            start = max(self._looked, header.end())
            end = buffer.find(b"#", start)
            inside = max(header.end(), start - LONGEST_HEADER)
            again = _HEADER.search(buffer, inside, end if end >= 0 else len(buffer))
            if again is not None:
                self.restart()
                return Cut(again.start(), again.start(), CUT_BY_NEXT)
        if end >= 0:
            self.restart()
            return Cut(end + 1, end + 1)
        self._looked = len(buffer)
        return None

    def _to_header(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """Skip to the next header, or to what may be the beginning of one."""
        self.restart()
        found = _HEADER.search(buffer) or (None if ended else _HEADER_BEGUN.search(buffer))
        start = len(buffer) if found is None else found.start()
        return Cut(start) if start else None
