"""The SeTracker watch protocol (makers 3G, SG, CS, ZJ ...): text frames in brackets over TCP.

`[MM*ID*LLLL*CONTENT]` or `[MM*ID*IIII*LLLL*CONTENT]`; docs/protocols/watch.md has the whole story.
The protocol has no checksum, lies about lengths and knows no login, so much is counted and little refused;
an alarm frame (AL) is never refused for what stands in its position.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

import msgspec

from gateway.codecs import vitals
from gateway.codecs.band_text import text_of
from gateway.codecs.base import Bands, Order, settings_of
from gateway.codecs.device_clock import Now, OffsetS, device_time, press_number
from gateway.codecs.framing import FrameBuffer, Framed, Tally, next_or_begun
from gateway.codecs.watch_cutter import BracketCutter
from gateway.errors import FrameError
from gateway.model import BandAlarm, BandAlarmKind, DownAnswer, DownCommand, Fix, Reading, Uplink, Worn

DEFAULT_MAKER = "3G"
MIN_INTERVAL_S, MAX_INTERVAL_S = 10, 65535
KMH_PER_MPS = 3.6

_FRAME = re.compile(
    rb"\[([0-9A-Za-z]{2})\*([0-9]{1,20})\*(?:([0-9A-Fa-f]{4})\*(?=[0-9A-Fa-f]{4}\*))?([0-9A-Fa-f]{4})\*(.*)\]",
    re.DOTALL,
)
_ALARM_HEAD = re.compile(
    rb"\[[0-9A-Za-z]{2}\*[0-9]{1,20}\*(?:[0-9A-Fa-f]{4}\*)?[0-9A-Fa-f]{4}\*AL[0-9A-Z_]*,", re.IGNORECASE
)
_ESCAPE = re.compile(rb"\x7d(.?)", re.DOTALL)
_ESCAPED = {b"\x01": b"\x7d", b"\x02": b"\x5b", b"\x03": b"\x5d", b"\x04": b"\x2c", b"\x05": b"\x2a"}
_ALARM_BITS: tuple[tuple[int, BandAlarmKind], ...] = (
    (1 << 16, "sos"),
    (1 << 21 | 1 << 22, "fall"),
    (1 << 20, "removed"),
    (1 << 1 | 1 << 18, "geofence_exit"),
    (1 << 2 | 1 << 19, "geofence_enter"),
    (1 << 14, "power_cut"),
    (1 << 0 | 1 << 17, "low_battery"),
)
"""Status bits by what they mean, most severe first (the order of `BAND_ALARM_ORDER`)."""
_STRAP_BIT = 1 << 3
_STORED = ("UD2", "UD3")
_CRIES = frozenset({"sos", "fall"})
"""Alarms for which a frame is never refused."""
_BINARY = frozenset({"TK", "IMG", "JXTK"})
_ANSWERS = {"INIT": "INIT,1", "JXTK": "JXTKR,1", "TK": None, "IMG": None}
_OUR_OWN_WORDS = frozenset(
    {"APN", "CALL", "CENTER", "CR", "FACTORY", "FIND", "FLOWER", "HRSETAL", "HRTSTART", "IP", "LOWBAT", "LZ"}
    | {"MESSAGE", "MONITOR", "PHB", "PHB2", "POWEROFF", "PW", "RCAPTURE", "REMOVE", "RESET", "SILENCETIME"}
    | {"SLAVE", "SOS", "SOS1", "SOS2", "SOS3", "SOSSMS", "TEMPSETAL", "TEMPSTART", "TS", "UPLOAD", "VERNO"}
)
"""Orders. From a watch they are its answers to us, and echoing one would give the order again, for ever."""


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from make to make.

    `time_offset_s`: what the watch's clock is ahead of UTC (28800 where it sends Beijing time).
    `lk_with_time`: answer LK with the date and time, by which newer 4G firmware sets its clock.
    `zone_h`: the time zone told to a watch that asks (LGZONE), hours east.
    `echo_positions`: also echo UD, for firmware that waits for it.
    `strap_bit`: what bit 3 of the status says of the strap; makers disagree, so nothing by default.
    `earliest_year`, `max_ahead_s`: a device time outside is no time at all.
    """

    time_offset_s: OffsetS = 0.0
    lk_with_time: bool = False
    zone_h: float = 8.0
    echo_positions: bool = False
    strap_bit: Literal["ignored", "set_means_off", "set_means_on"] = "ignored"
    earliest_year: int = 2010
    max_ahead_s: float = 600.0
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=64, le=65536)] = 65536


class WatchCodec(Framed):
    """Decodes one connection; remembers the maker and frame form, to speak to the watch in its own.

    `now` is needed for replies that carry the time, and to recognise device times in the future.
    """

    name: ClassVar[str] = "watch"
    Settings: ClassVar[type] = WatchSettings
    calls_back: ClassVar[bool] = True

    def __init__(
        self, settings: WatchSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        self.settings = settings or WatchSettings()
        self.unknown_commands = Tally()
        self.wrong_lengths = 0
        self.unreadable_positions = 0
        self._now = now
        self._bands = bands
        self._maker = DEFAULT_MAKER
        self._indexed = False
        self._frames = FrameBuffer(BracketCutter(), max_frame_bytes=self.settings.max_frame_bytes)

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`."""
        raw = next_or_begun(self._frames, _ALARM_HEAD)
        if raw is None:
            return None
        found = _FRAME.fullmatch(raw) or _FRAME.fullmatch(raw.rpartition(b",")[0] + b"]")
        if found is None:
            raise FrameError("no watch header", raw=raw)
        maker, device, index, length, content = found.groups()
        if int(length, 16) not in (len(content), len(_ESCAPE.sub(b"}", content))):
            self.wrong_lengths += 1
        command, _, rest = content.partition(b",")
        if not command or not command.isascii():
            raise FrameError("no command", offset=found.start(5), raw=raw)
        self._maker, self._indexed = maker.decode(), index is not None
        name, wire_id = command.decode().upper(), device.decode()
        settings = settings_of(wire_id, self._bands, self.settings)
        try:
            readings, answer = self._decode(command.decode(), rest, settings)
        except ValueError as error:
            raise FrameError(
                str(error), offset=min(found.start(5) + len(command) + 1, len(raw)), raw=raw
            ) from None
        return Uplink(
            device=wire_id,
            readings=tuple(readings),
            raw=raw,
            backlog=name.startswith(_STORED),
            reply=None if answer is None else _frame(self._maker, wire_id, answer, index),
            answers=(DownAnswer(tag=name, done=True),) if name in _OUR_OWN_WORDS else (),
        )

    def encode_down(self, command: DownCommand, device: str) -> Order | None:
        """Translate to MESSAGE (UTF-16BE in hex), FIND, CR, UPLOAD or CALL.

        None without its text, interval or telephone number.
        """
        words = {"find": "FIND", "locate_now": "CR"}.get(command.name)
        if command.name == "call_back" and command.phone is not None:
            words = f"CALL,{command.phone.removeprefix('+86')}"
        if command.name == "interval" and command.interval_s is not None:
            words = f"UPLOAD,{min(max(command.interval_s, MIN_INTERVAL_S), MAX_INTERVAL_S)}"
        if text := text_of(command):
            words = "MESSAGE," + text.encode("utf-16-be").hex().upper()
        if words is None:
            return None
        data = _frame(self._maker, device, words, b"0001" if self._indexed else None)
        return Order(data, words.partition(",")[0])

    def _decode(self, command: str, rest: bytes, settings: WatchSettings) -> tuple[list[Reading], str | None]:
        """The readings of one command and what to answer. Raises ValueError with a short constant reason."""
        name = command.upper()
        if name[:2] in {"UD", "AL", "WT"}:
            is_alarm = name[:2] == "AL"
            is_echoed = settings.echo_positions and not name.startswith(_STORED)
            answer = "AL" if is_alarm else command if is_echoed else None
            return self._position(name, rest, settings), answer
        health = _HEALTH.get(name)
        if health is not None:
            return health([vitals.number(field) for field in rest.split(b",")]), command
        if name == "LK":
            return _heartbeat(rest), self._link_answer(settings)
        if name == "LGZONE":
            return [], self._zone_answer(settings)
        if name in _BINARY:
            unescape(rest)
        return [], self._plain_answer(name, command)

    def _plain_answer(self, name: str, command: str) -> str | None:
        """The answer to a command without a reading: its own name, unless the protocol says otherwise."""
        if name in _ANSWERS:
            return _ANSWERS[name]
        if name in _OUR_OWN_WORDS:
            return None
        if name not in {"TKQ", "TKQ2", "SLEEP"}:
            self.unknown_commands.add(command)
        return command

    def _position(self, name: str, rest: bytes, settings: WatchSettings) -> list[Reading]:
        """Read a position string: the fix, alarms and strap of the status word, battery and steps."""
        fields, is_alarm = rest.split(b","), name.startswith("AL")
        if len(fields) < _LON + 2 and not is_alarm:
            raise ValueError("position too short")
        fields += [b""] * (_STATUS + 1 - len(fields))
        day, time = fields[0], fields[1]
        at = device_time(day[4:] + day[2:4] + day[:2] + time, settings, self._now)
        status = int(fields[_STATUS], 16) if _HEX.fullmatch(fields[_STATUS]) else 0
        kinds: list[BandAlarmKind] = [kind for bits, kind in _ALARM_BITS if status & bits]
        if is_alarm and not kinds:
            kinds = ["general"]
        readings: list[Reading] = []
        fix = _fix(fields, at)
        if fix is not None:
            readings.append(fix)
        else:
            self.unreadable_positions += 1
            if not _CRIES.intersection(kinds) and not is_alarm:
                raise ValueError("position unreadable")
        if kinds:
            stamp, state = (day + time)[:20].decode("latin-1"), fields[_STATUS][:20].decode("latin-1")
            now = None if self._now is None or name.startswith(_STORED) else self._now()
            number = press_number(stamp, at, rest, now)
            press = None if number is None else f"{number}-{state}"
            readings += [BandAlarm(alarm=kind, press_id=press, at=at) for kind in kinds]
        if settings.strap_bit != "ignored" and _HEX.fullmatch(fields[_STATUS]):
            is_set = bool(status & _STRAP_BIT)
            readings.append(Worn(worn=is_set is (settings.strap_bit == "set_means_on"), at=at))
        return [*readings, *vitals.battery(fields[_BATTERY], at), *vitals.steps(fields[_STEPS], at)]

    def _link_answer(self, settings: WatchSettings) -> str:
        if settings.lk_with_time and self._now is not None:
            return f"LK,{self._now():%Y-%m-%d,%H:%M:%S}"
        return "LK"

    def _zone_answer(self, settings: WatchSettings) -> str | None:
        """The local time, in the zone of the settings; None (no answer) where the time is not known."""
        if self._now is None:
            return None
        local = self._now() + timedelta(hours=settings.zone_h)
        return f"LGZONE,{settings.zone_h:+g},{local:%H:%M:%S,%Y-%m-%d}"


_VALID, _LAT, _LON, _SPEED, _COURSE, _ALT, _SATELLITES = 2, 3, 5, 7, 8, 9, 10
_BATTERY, _STEPS, _STATUS = 12, 13, 15
_HEX = re.compile(rb"[0-9A-Fa-f]{1,8}")
_ACCURACY = re.compile(rb"[0-9]+\.[0-9]+")


def unescape(data: bytes) -> bytes:
    """Undo the escapes of binary content: 7D 01 to 05. Raises ValueError for any other byte after 7D."""

    def plain(found: re.Match[bytes]) -> bytes:
        byte = _ESCAPED.get(found[1])
        if byte is None:
            raise ValueError("escape unknown")
        return byte

    return _ESCAPE.sub(plain, data)


def _frame(maker: str, device: str, content: str, index: bytes | None) -> bytes:
    middle = f"{index.decode()}*" if index is not None else ""
    return f"[{maker}*{device}*{middle}{len(content):04X}*{content}]".encode()


def _coordinate(field: bytes, hemisphere: bytes, *, limit: float) -> float | None:
    """Degrees: S or W make it negative; else the sign stands, for some makes send both."""
    degrees = vitals.number(field)
    if degrees is None or abs(degrees) > limit:
        return None
    return -abs(degrees) if hemisphere in {b"S", b"W"} else degrees


def _fix(fields: list[bytes], at: datetime | None) -> Fix | None:
    """The position of a position string, None when there are no coordinates in it."""
    lat = _coordinate(fields[_LAT], fields[_LAT + 1], limit=90)
    lon = _coordinate(fields[_LON], fields[_LON + 1], limit=180)
    if lat is None or lon is None:
        return None
    speed_kmh = vitals.number(fields[_SPEED])
    satellites = vitals.number(fields[_SATELLITES])
    accuracy_m = float(fields[-1]) if len(fields) > _STATUS + 1 and _ACCURACY.fullmatch(fields[-1]) else None
    valid = fields[_VALID] == b"A" and not lat == lon == 0
    return Fix(
        lat=lat,
        lon=lon,
        valid=valid,
        alt_m=vitals.number(fields[_ALT]),
        speed_m_s=None if speed_kmh is None else speed_kmh / KMH_PER_MPS,
        course_deg=vitals.number(fields[_COURSE]),
        accuracy_m=accuracy_m or None,
        satellites=None if satellites is None else int(satellites),
        source="gnss" if valid else None,
        at=at,
    )


def _heartbeat(rest: bytes) -> list[Reading]:
    """`steps,rolls,battery%`, or nothing."""
    fields = rest.split(b",")
    if len(fields) < 3:  # noqa: PLR2004 - three fields
        return []
    return [*vitals.battery(fields[2]), *vitals.steps(fields[0])]


def _pulse(values: list[float | None]) -> list[Reading]:
    """`bpm`."""
    return vitals.pulse(values[0])


def _pressure(values: list[float | None]) -> list[Reading]:
    """`systolic,diastolic[,bpm ...]`."""
    systolic, diastolic, bpm = [*values, None, None][:3]
    return vitals.pressure(systolic, diastolic, bpm)


def _oxygen(values: list[float | None]) -> list[Reading]:
    """`type,percent`: the second value."""
    return vitals.oxygen(values[1] if len(values) > 1 else None)


def _temperature(values: list[float | None]) -> list[Reading]:
    """`celsius`."""
    return vitals.temperature(values[0])


def _typed_temperature(values: list[float | None]) -> list[Reading]:
    """`type,celsius`: measured only when the type is above 0."""
    kind, celsius = [*values, None][:2]
    return vitals.temperature(celsius) if kind and kind > 0 else []


_HEALTH: dict[str, Callable[[list[float | None]], list[Reading]]] = {
    "HEART": _pulse,
    "PULSE": _pulse,
    "BPHRT": _pressure,
    "BLOOD": _pressure,
    "OXYGEN": _oxygen,
    "TEMP": _temperature,
    "BTEMP2": _typed_temperature,
}

CODEC = WatchCodec
