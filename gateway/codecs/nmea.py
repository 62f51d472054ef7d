"""NMEA 0183 from a receiver on a serial line: the sentences of one epoch become one fix.

Sentences: RMC, GGA, GLL, GSA, GST, VTG, ZDA of any two-letter talker (BD, GB, GN, GP, GL, GA, GQ ...).
An epoch ends when a sentence of another time of day arrives, or at the end of the message.
What else the receiver says (GSV, TXT, GNS, makers' own sentences) is counted and passed over.
The checksum is strict: a sentence without a right one is a FrameError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

import msgspec

from gateway.codecs.base import Bands
from gateway.codecs.checksum import xor8
from gateway.codecs.framing import FrameBuffer, Framed, LineCutter, Tally
from gateway.errors import FrameError
from gateway.model import DownCommand, Fix, Uplink

Now = Callable[[], datetime]
MAX_SENTENCE_BYTES = 256
"""NMEA 0183 says 82; receivers send longer ones."""
MAX_EPOCH_BYTES = 2048
MPS_PER_KNOT = 1852 / 3600
DAY_S = 86400.0
TWO_DIGIT_CENTURY = 2000

_SENTENCE = re.compile(rb"\$([A-Z]{2})([A-Z]{3}),([\x20-\x7e]*)\*([0-9A-Fa-f]{2})\s*")
_QUALITY_NONE = frozenset({b"0", b"7", b"8"})
"""GGA: no fix; manual input; simulator. None of them is a place somebody is at."""
_QUALITY_ESTIMATED = b"6"


class NmeaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fixes are made.

    `interval_s`: at most one fix in so many seconds of fix time; 0 gives all.
    `uere_m`: user equivalent range error; accuracy is this times HDOP where the receiver has no better (GST).
    `earliest_year`: an earlier date is a lost week count: the fix is then not valid and has no time.
    `max_ahead_s`: the same for a date so far in the future, where the gateway's time is known.
    """

    interval_s: float = 1.0
    uere_m: float = 5.0
    earliest_year: int = 2020
    max_ahead_s: float = 86400.0


class _Epoch:
    """What the sentences of one time of day have said so far; None is "not said"."""

    __slots__ = (
        "alt_m",
        "course_deg",
        "gsa_modes",
        "gsa_used",
        "hdop",
        "position",
        "quality",
        "raw",
        "satellites",
        "sigma_m",
        "speed_m_s",
        "status",
        "time_s",
        "told_position",
    )

    def __init__(self) -> None:
        self.time_s: float | None = None
        self.status: bytes | None = None
        self.quality: bytes | None = None
        self.position: tuple[float, float] | None = None
        self.told_position = False
        self.alt_m: float | None = None
        self.speed_m_s: float | None = None
        self.course_deg: float | None = None
        self.satellites: int | None = None
        self.hdop: float | None = None
        self.sigma_m: float | None = None
        self.gsa_modes: set[bytes] = set()
        self.gsa_used = 0
        self.raw = bytearray()

    def has_fix(self) -> bool:
        """Whether everything that was said agrees that this is a fix.

        RMC's field 2 counts, not its last one: the navigation status of NMEA 4.1 says V even with a good fix.
        """
        if self.position is None or self.quality in _QUALITY_NONE:
            return False
        if self.gsa_modes and self.gsa_modes <= {b"1"}:
            return False
        if self.status is not None:
            return self.status == b"A"
        return self.quality is not None and self.quality != _QUALITY_ESTIMATED


class NmeaCodec(Framed):
    """Joins sentences into fixes; the device is the link's, a receiver knows no id.

    `now` is only asked to recognise dates in the future.
    """

    name: ClassVar[str] = "nmea"
    Settings: ClassVar[type] = NmeaSettings

    def __init__(
        self, settings: NmeaSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        del bands  # the port names its one receiver
        self.settings = settings or NmeaSettings()
        self.unused_sentences = Tally()
        self.decimated_fixes = 0
        self._now = now
        self._frames = FrameBuffer(LineCutter(b"$"), max_frame_bytes=MAX_SENTENCE_BYTES)
        self._epoch = _Epoch()
        self._date: date | None = None
        self._last_s: float | None = None
        self._ended = False

    def feed(self, data: bytes) -> None:
        """See `Codec.feed`."""
        self._ended = False
        super().feed(data)

    def end_of_message(self) -> None:
        """See `Codec.end_of_message`; the epoch heard so far is then whole."""
        self._ended = True
        super().end_of_message()

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`."""
        while (line := self._frames.next()) is not None:
            uplink = self._sentence(line)
            if uplink is not None:
                return uplink
        if self._ended:
            return self._close_epoch()
        return None

    def encode_down(self, command: DownCommand, device: str) -> None:
        """None: a receiver has no words for orders."""

    def _sentence(self, line: bytes) -> Uplink | None:
        """Add one sentence to the epoch; give the fix of the epoch before, when this begins a new one."""
        _verify(line)
        found = _SENTENCE.fullmatch(line)
        take = _TAKES.get(found[2]) if found else None
        if found is None or take is None:
            self.unused_sentences.add(line[1:7].split(b",")[0].decode("latin-1"))
            return None
        fields = found[3].split(b",")
        time_at = _TIME_FIELD.get(found[2])
        time_s = None if time_at is None or time_at >= len(fields) else _time_of_day(fields[time_at])
        done = None
        if time_s is not None:
            if self._epoch.time_s is not None and time_s != self._epoch.time_s:
                done = self._close_epoch()
            self._epoch.time_s = time_s
        epoch = self._epoch
        if len(epoch.raw) < MAX_EPOCH_BYTES:
            epoch.raw += line
        try:
            day = take(epoch, fields)
        except (ValueError, IndexError):
            if done is None:
                raise FrameError("field unreadable", raw=line) from None
            self.unused_sentences.add("(unreadable)")
            return done
        if day is not None:
            self._date = day
        return done

    def _close_epoch(self) -> Uplink | None:
        """Begin a new epoch; give the fix of the old one, None when it has none or one came a moment ago."""
        epoch, self._epoch = self._epoch, _Epoch()
        if not epoch.told_position:
            return None
        at = self._instant(epoch.time_s)
        if epoch.time_s is not None and not self._is_due(epoch.time_s):
            self.decimated_fixes += 1
            return None
        lat, lon = epoch.position or (0.0, 0.0)
        dated_wrongly = self._date is not None and at is None and epoch.time_s is not None
        accuracy_m = epoch.sigma_m
        if accuracy_m is None and epoch.hdop is not None:
            accuracy_m = round(epoch.hdop * self.settings.uere_m, 2)
        fix = Fix(
            lat=lat,
            lon=lon,
            valid=epoch.has_fix() and not dated_wrongly,
            alt_m=epoch.alt_m,
            speed_m_s=epoch.speed_m_s,
            course_deg=epoch.course_deg,
            accuracy_m=accuracy_m,
            satellites=epoch.gsa_used or None if epoch.satellites is None else epoch.satellites,
            source="gnss",
            at=at,
        )
        return Uplink(device=None, readings=(fix,), raw=bytes(epoch.raw))

    def _is_due(self, time_s: float) -> bool:
        """Whether `interval_s` of fix time has gone by since the last fix given.

        Counted round the clock: midnight is no jump, and a step back looks like almost a day.
        """
        if self._last_s is not None:
            passed_s = (time_s - self._last_s) % DAY_S
            if passed_s < self.settings.interval_s - 0.0005:
                return False
        self._last_s = time_s
        return True

    def _instant(self, time_s: float | None) -> datetime | None:
        """The fix's own time, None when the receiver does not know the date or knows a wrong one."""
        day = self._date
        if day is None or time_s is None or day.year < self.settings.earliest_year:
            return None
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=time_s)
        if self._now is not None and (at - self._now()).total_seconds() > self.settings.max_ahead_s:
            return None
        return at


def _verify(line: bytes) -> None:
    """Check `$...*HH`. Raises FrameError."""
    body = line.rstrip()
    star = len(body) - 3
    if star < 1 or body[star] != ord("*"):
        raise FrameError("checksum missing", offset=len(body), raw=line)
    try:
        said = int(body[star + 1 :], 16)
    except ValueError:
        raise FrameError("checksum missing", offset=star + 1, raw=line) from None
    if said != xor8(body[1:star]):
        raise FrameError("checksum wrong", offset=star + 1, raw=line)


def _number(field: bytes) -> float | None:
    """A finite number, None for an empty field. Raises ValueError."""
    if not field:
        return None
    value = float(field)
    if not math.isfinite(value):
        message = "not finite"
        raise ValueError(message)
    return value


def _time_of_day(field: bytes) -> float | None:
    """Seconds since midnight UTC of `hhmmss.sss`, None when there is none (or it is no time)."""
    if len(field) < 6 or not field[:6].isdigit():  # noqa: PLR2004 - hhmmss
        return None
    try:
        seconds = float(field[4:])
    except ValueError:
        return None
    hours, minutes = int(field[:2]), int(field[2:4])
    if hours > 23 or minutes > 59 or not 0 <= seconds < 61:  # noqa: PLR2004 - a clock's limits, leap second allowed
        return None
    return hours * 3600 + minutes * 60 + seconds


def _position(fields: list[bytes]) -> tuple[float, float] | None:
    """Degrees from `ddmm.mmmm, N|S, dddmm.mmmm, E|W`, None when empty. Raises ValueError, IndexError."""
    if not fields[0] or not fields[2]:
        return None
    lat = int(fields[0][:2]) + float(fields[0][2:]) / 60
    lon = int(fields[2][:3]) + float(fields[2][3:]) / 60
    if not (0 <= lat <= 90 and 0 <= lon <= 180):  # noqa: PLR2004 - degrees
        message = "outside the earth"
        raise ValueError(message)
    return (-lat if fields[1] == b"S" else lat, -lon if fields[3] == b"W" else lon)


def _take_rmc(epoch: _Epoch, fields: list[bytes]) -> date | None:
    epoch.told_position = True
    epoch.status = fields[1]
    epoch.position = _position(fields[2:6]) or epoch.position
    knots = _number(fields[6])
    if knots is not None:
        epoch.speed_m_s = knots * MPS_PER_KNOT
    course = _number(fields[7])
    epoch.course_deg = epoch.course_deg if course is None else course
    day = fields[8]
    return _day(day[:2], day[2:4], day[4:6]) if day else None


def _take_gga(epoch: _Epoch, fields: list[bytes]) -> date | None:
    epoch.told_position = True
    epoch.position = epoch.position or _position(fields[1:5])
    epoch.quality = fields[5] or b"0"
    satellites = _number(fields[6])
    epoch.satellites = None if satellites is None else int(satellites)
    hdop = _number(fields[7])
    epoch.hdop = epoch.hdop if hdop is None else hdop
    epoch.alt_m = _number(fields[8])
    return None


def _take_gll(epoch: _Epoch, fields: list[bytes]) -> date | None:
    epoch.told_position = True
    epoch.position = epoch.position or _position(fields[0:4])
    if epoch.status is None:
        epoch.status = fields[5]
    return None


def _take_gsa(epoch: _Epoch, fields: list[bytes]) -> date | None:
    epoch.gsa_modes.add(fields[1])
    epoch.gsa_used += sum(1 for number in fields[2:14] if number)
    hdop = _number(fields[15])
    epoch.hdop = hdop if epoch.hdop is None else epoch.hdop
    return None


def _take_gst(epoch: _Epoch, fields: list[bytes]) -> date | None:
    sigma_lat_m, sigma_lon_m = _number(fields[5]), _number(fields[6])
    if sigma_lat_m is not None and sigma_lon_m is not None:
        epoch.sigma_m = round(math.hypot(sigma_lat_m, sigma_lon_m), 2)
    return None


def _take_vtg(epoch: _Epoch, fields: list[bytes]) -> date | None:
    knots = _number(fields[4])
    if epoch.speed_m_s is None and knots is not None:
        epoch.speed_m_s = knots * MPS_PER_KNOT
    if epoch.course_deg is None:
        epoch.course_deg = _number(fields[0])
    return None


def _take_zda(epoch: _Epoch, fields: list[bytes]) -> date | None:
    del epoch
    return _day(fields[1], fields[2], fields[3]) if fields[3] else None


def _day(day: bytes, month: bytes, year: bytes) -> date:
    """A date; two digits of a year from 80 on are of the last century.

    A date no calendar has (000000 before the first fix) is given as one that is too early. Raises ValueError.
    """
    number = int(year)
    if len(year) == 2:  # noqa: PLR2004 - yy
        number += TWO_DIGIT_CENTURY if number < 80 else TWO_DIGIT_CENTURY - 100  # noqa: PLR2004 - GPS began in 1980
    try:
        return date(number, int(month), int(day))
    except (ValueError, OverflowError):
        return date.min


_TAKES: dict[bytes, Callable[[_Epoch, list[bytes]], date | None]] = {
    b"RMC": _take_rmc,
    b"GGA": _take_gga,
    b"GLL": _take_gll,
    b"GSA": _take_gsa,
    b"GST": _take_gst,
    b"VTG": _take_vtg,
    b"ZDA": _take_zda,
}
_TIME_FIELD = {b"RMC": 0, b"GGA": 0, b"GLL": 4, b"GST": 0, b"ZDA": 0}

CODEC = NmeaCodec
