"""SLIP (RFC 1055) with a checksum: frames on a serial line, told apart by a byte that stands nowhere else.

A frame is END, the escaped packet with its CRC-16 (two bytes, high byte first) behind it, END.
END is 0xC0; inside a frame it is written as ESC 0xDC, and ESC (0xDB) itself as ESC 0xDD.
One END may close a frame and open the next.
RFC 1055 has no checksum; without one, a bit that a radio module's cable turned would be believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.codecs.checksum import crc16_ccitt_false
from gateway.codecs.framing import Cut
from gateway.errors import FrameError

END, ESC = 0xC0, 0xDB
CRC_BYTES = 2
_END = bytes((END,))
_ESC = bytes((ESC,))
_ESCAPED_END = b"\xdb\xdc"
_ESCAPED_ESC = b"\xdb\xdd"
_LONE_ESC = re.compile(rb"\xdb(?![\xdc\xdd])")


def wrap(packet: bytes) -> bytes:
    """Give the frame of a packet: END, packet and CRC escaped, END."""
    body = packet + crc16_ccitt_false(packet).to_bytes(CRC_BYTES, "big")
    return _END + body.replace(_ESC, _ESCAPED_ESC).replace(_END, _ESCAPED_END) + _END


def unwrap(frame: bytes) -> tuple[bytes, int]:
    """Give the packet of a frame (with or without its ENDs) and its CRC.

    Raises FrameError for a wrong escape, a frame without a packet, and a CRC that does not fit.
    """
    body = frame.strip(_END)
    lone = _LONE_ESC.search(body)
    if lone is not None:
        raise FrameError("bad escape", offset=frame.find(body) + lone.start(), raw=frame)
    body = body.replace(_ESCAPED_END, _END).replace(_ESCAPED_ESC, _ESC)
    packet, tail = body[:-CRC_BYTES], body[-CRC_BYTES:]
    if not packet:
        raise FrameError("frame too short", raw=frame)
    crc = int.from_bytes(tail, "big")
    if crc16_ccitt_false(packet) != crc:
        raise FrameError("checksum wrong", offset=len(frame) - 1, raw=frame)
    return packet, crc


class SlipCutter:
    """Cuts a stream at its ENDs.

    `begins` says whether a packet can begin with this byte: what stands between two ENDs and begins otherwise
    (line noise, the words of a receiver that starts) is skipped, as is everything before the first END.
    """

    __slots__ = ("_at_start", "_begins", "_looked")

    def __init__(self, begins: Callable[[int], bool]) -> None:
        self._begins = begins
        self.restart()

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._at_start = False
        self._looked = 0

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """See `Cutter.cut`."""
        if buffer[0] == END:
            if len(buffer) > 1 and buffer[1] != END and self._begins(buffer[1]):
                return self._cut_at_end(buffer, 1)
            if len(buffer) == 1 and not ended:
                return None
            self._at_start = True
            return Cut(1)
        if self._at_start and self._begins(buffer[0]):
            return self._cut_at_end(buffer, 0)
        self._at_start = False
        end = buffer.find(_END)
        return Cut(len(buffer) if end < 0 else end)

    def _cut_at_end(self, buffer: bytearray, start: int) -> Cut | None:
        """Give the frame whose packet begins at `start`, with its ENDs; None while it is not whole."""
        end = buffer.find(_END, max(self._looked, start))
        if end < 0:
            self._looked = len(buffer)
            return None
        self._looked = 0
        self._at_start = True
        return Cut(end + 1, end + 1)
