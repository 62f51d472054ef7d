"""YX wristbands: one line of text between a binary head and tail, over TCP.

`00 01 02`, a length in two bytes, `YX<imei>|V1.0|1|{F02#…}`, CR LF, `ff fe fc`; see docs/protocols/yx.md.
The text is ASCII, so head and tail never stand inside it and the length need not be trusted.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

import msgspec

from gateway.codecs import vitals
from gateway.codecs.base import Bands, Order, settings_of
from gateway.codecs.device_clock import Now, OffsetS, device_time
from gateway.codecs.framing import CUT_BY_NEXT, Cut, FrameBuffer, Framed, Tally
from gateway.errors import FrameError
from gateway.model import DownCommand, Fix, Reading, Uplink

HEAD, TAIL = b"\x00\x01\x02", b"\xff\xfe\xfc"
TEXT_FROM = len(HEAD) + 2
KMH_PER_MPS = 3.6
FIX_FIELDS = 4
STATUS, POSITIONS, WIFI, CELLS, PING, WHERE, HELLO = 1, 2, 3, 4, 64, 90, 91

_MARK = re.compile(re.escape(HEAD) + b"|" + re.escape(TAIL))
_TEXT = re.compile(
    rb"YX([0-9]{10,17})\|([vV][0-9]+\.[0-9]+)\|[0-9]+\|\{F([0-9]{1,3})(?:#(.*))?\}\r\n", re.DOTALL
)


class YxSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from make to make.

    `time_offset_s`: what the band's clock is ahead of UTC (28800 where it sends Beijing time).
    `server`: "address,port" told to a band that asks where to report; empty leaves the question unanswered.
    `earliest_year`, `max_ahead_s`: a device time outside is no time at all.
    """

    time_offset_s: OffsetS = 0.0
    server: str = ""
    earliest_year: int = 2010
    max_ahead_s: float = 600.0
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=64, le=32768)] = 4096


class YxCutter:
    """Frames from head to tail; a new head inside a frame ends the old one just before it."""

    __slots__ = ("_looked",)

    def __init__(self) -> None:
        self._looked = 0

    def restart(self) -> None:
        """See `Cutter.restart`."""
        self._looked = 0

    def cut(self, buffer: bytearray, *, ended: bool) -> Cut | None:
        """See `Cutter.cut`."""
        if not buffer.startswith(HEAD):
            self.restart()
            start = buffer.find(HEAD)
            if start < 0:
                begun = 0 if ended else next((n for n in (2, 1) if buffer.endswith(HEAD[:n])), 0)
                start = len(buffer) - begun
            return Cut(start) if start else None
        mark = _MARK.search(buffer, max(self._looked, TEXT_FROM))
        if mark is None:
            self._looked = max(len(buffer) - len(TAIL) + 1, 0)
            return None
        self.restart()
        if mark[0] == HEAD:
            return Cut(mark.start(), mark.start(), CUT_BY_NEXT)
        return Cut(mark.end(), mark.end())


class YxCodec(Framed):
    """Decodes one connection. `now` is needed for the time told to a band that says hello."""

    name: ClassVar[str] = "yx"
    Settings: ClassVar[type] = YxSettings

    def __init__(
        self, settings: YxSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        self.settings = settings or YxSettings()
        self.unknown_functions = Tally()
        self.wrong_lengths = 0
        self._now = now
        self._bands = bands
        self._frames = FrameBuffer(YxCutter(), max_frame_bytes=self.settings.max_frame_bytes)

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`."""
        raw = self._frames.next()
        if raw is None:
            return None
        text = raw[TEXT_FROM : -len(TAIL)]
        found = _TEXT.fullmatch(text)
        if found is None:
            raise FrameError("no YX message", offset=min(TEXT_FROM, len(raw) - 1), raw=raw)
        if int.from_bytes(raw[len(HEAD) : TEXT_FROM], "big") != len(text):
            self.wrong_lengths += 1
        device, version, function, data = found[1].decode(), found[2].decode(), int(found[3]), found[4] or b""
        settings = settings_of(device, self._bands, self.settings)
        try:
            readings = self._read(function, data, settings)
        except ValueError as error:
            raise FrameError(str(error), offset=TEXT_FROM + found.start(4), raw=raw) from None
        answer = self._answer(function, data.decode("latin-1"), settings)
        reply = None if answer is None else _frame(f"YX{device}|{version}|0|{{F{function:02d}#{answer}}}\r\n")
        return Uplink(device=device, readings=tuple(readings), raw=raw, reply=reply)

    def encode_down(self, command: DownCommand, device: str) -> Order | None:  # noqa: ARG002 - see below
        """None: no order to these bands is known."""
        return None

    def _read(self, function: int, data: bytes, settings: YxSettings) -> list[Reading]:
        """The readings of one message. Raises ValueError with a short constant reason."""
        if function == STATUS:
            return vitals.battery(data.partition(b",")[0])
        if function == POSITIONS:
            return [self._fix(part.split(b","), settings) for part in data.split(b"|")]
        if function not in {WIFI, CELLS, PING, WHERE, HELLO}:
            self.unknown_functions.add(f"F{function:02d}")
        return []

    def _fix(self, fields: list[bytes], settings: YxSettings) -> Fix:
        """`longitude,latitude,yyyyMMddHHmm,km/h`: longitude first."""
        if len(fields) < FIX_FIELDS:
            raise ValueError("position too short")
        lon, lat, speed_kmh = (vitals.number(fields[place]) for place in (0, 1, 3))
        if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:  # noqa: PLR2004 - degrees
            raise ValueError("position unreadable")
        valid = not lat == lon == 0
        return Fix(
            lat=lat,
            lon=lon,
            valid=valid,
            speed_m_s=None if speed_kmh is None else speed_kmh / KMH_PER_MPS,
            source="gnss" if valid else None,
            at=device_time(fields[2][2:] + b"00", settings, self._now),
        )

    def _answer(self, function: int, data: str, settings: YxSettings) -> str | None:
        """What the band wants to hear: its own number back, or the time and where to report."""
        if function == STATUS:
            return data.split(",")[1] if "," in data else None
        if function == PING:
            return data
        if function == WHERE:
            return settings.server or None
        if function == HELLO and settings.server and self._now is not None:
            return f"{self._now():%Y-%m-%d-%H-%M-%S}|{settings.server}"
        return None


def _frame(text: str) -> bytes:
    data = text.encode("latin-1")
    return HEAD + len(data).to_bytes(2, "big") + data + TAIL


CODEC = YxCodec
