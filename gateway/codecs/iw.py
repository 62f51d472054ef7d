"""IW and TRV bracelets: lines of text ending in `#`, over TCP; the band says who it is once, at its login.

`IWAP01…#`: maker, type, arguments; docs/protocols/iw.md has the whole story.
There is no checksum and no secret. An alarm (AP10) is never refused for what stands in its position.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, ClassVar, Literal

import msgspec

from gateway.codecs import vitals
from gateway.codecs.band_text import text_of
from gateway.codecs.base import Bands, Order, settings_of
from gateway.codecs.device_clock import Now, OffsetS, device_time, press_number
from gateway.codecs.framing import FrameBuffer, Framed, Tally, next_or_begun
from gateway.codecs.iw_cutter import HEADER, IwCutter
from gateway.errors import FrameError
from gateway.model import BandAlarm, BandAlarmKind, DownAnswer, DownCommand, Fix, Reading, Uplink

MIN_INTERVAL_S, MAX_INTERVAL_S = 30, 65535
SERIALS = 1_000_000
KMH_PER_MPS = 3.6
DETAIL_CHARS = 40

_FRAME = re.compile(HEADER + rb"(.*)#", re.DOTALL)
_ALARM_HEAD = re.compile(rb"(?:IW|TRV)AP10")
_LOGIN = re.compile(rb",?([0-9]{10,17})(?:[,;].*)?", re.DOTALL)
_POSITION = re.compile(
    rb",?(\d{6}),?([AV])(\d\d)(\d\d\.\d+)([NS]),?(\d{3})(\d\d\.\d+)([EW]),?(\d{3}\.\d),?"  # day to speed
    rb"(\d{6}),?([\d.]{6}),?(\d{3})(\d{3})(\d{3})\d{5}(?:\d{3,5})?,(.*)",  # time to battery; cell
    re.DOTALL,
)
_STATUS = re.compile(rb",?\d{6}(\d{3})\d{5}")
_POSITIONS = frozenset({"AP01", "AP10", "YP03", "YP14"})
_HEARTBEATS = frozenset({"AP03", "CP01"})
_NO_READING = frozenset({"AP02", "AP05", "AP06", "AP07", "AP42", "AP97", "APHD", "APWT"})
_ALARM_AFTER_CELL, _ALARM_FIELD = 4, 5
_NO_ALARM = b"00"
_ALARMS: dict[bytes, BandAlarmKind] = {
    b"01": "sos",
    b"02": "low_battery",
    b"03": "removed",
    b"04": "removed",
    b"05": "fall",
    b"06": "fall",
}
_ORDERS = frozenset(
    {"12", "14", "15", "16", "17", "18", "19", "20", "25", "26", "28", "31", "33", "34", "40", "43", "46"}
    | {"60", "76", "77", "82", "84", "85", "86", "87", "88"}
    | {"JZ", "MC", "PH", "SM", "TF", "XL", "XT", "XY", "XZ"}
)
"""Orders. From a band they are its answers to us, and answering one could give the order again."""


class IwSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from make to make.

    `time_offset_s`: what the band's clock is ahead of UTC (28800 where it sends Beijing time).
    `zone_h`: the time zone told to a band that logs in, hours east; the time beside it is always UTC.
    `text_encoding`: how the words of a message become the bytes behind its hex.
    `earliest_year`, `max_ahead_s`: a device time outside is no time at all.
    """

    time_offset_s: OffsetS = 0.0
    zone_h: float = 8.0
    text_encoding: Literal["utf-16-be", "gbk"] = "utf-16-be"
    earliest_year: int = 2010
    max_ahead_s: float = 600.0
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=64, le=65536)] = 16384


class IwCodec(Framed):
    """Decodes one connection; remembers whom its login named, for later frames name nobody.

    Before a login the `device` of an uplink is None.
    `now` is needed for the answer to a login, which carries the time.
    """

    name: ClassVar[str] = "iw"
    Settings: ClassVar[type] = IwSettings

    def __init__(
        self, settings: IwSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        self.settings = settings or IwSettings()
        self.unknown_types = Tally()
        self.unreadable_positions = 0
        self._now = now
        self._bands = bands
        self._device: str | None = None
        self._unclaimed: tuple[str, bytes] | None = None
        self._maker = "IW"
        self._serial = 0 if now is None else int(f"{now():%H%M%S}")
        self._frames = FrameBuffer(IwCutter(), max_frame_bytes=self.settings.max_frame_bytes)

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`."""
        raw = next_or_begun(self._frames, _ALARM_HEAD)
        if raw is None:
            return None
        found = _FRAME.fullmatch(raw) or _FRAME.fullmatch(raw + b"#")
        if found is None:
            raise FrameError("no IW header", raw=raw)
        self._maker, type_, rest = found[1].decode(), found[2].decode(), found[3]
        readings: list[Reading] = []
        answers: tuple[DownAnswer, ...] = ()
        reply: bytes | None = None
        try:
            if type_ == "AP00":
                reply = self._login(rest)
                readings = self._claimed()
            elif type_[:2] == "AP" and type_[2:] in _ORDERS and (self._maker, type_) != ("TRV", "AP14"):
                answers = self._answers(type_, rest)
            else:
                readings = self._read(type_, rest)
                if self._device is None and any(isinstance(one, BandAlarm) for one in readings):
                    self._unclaimed = type_, rest
                reply = self._reply(type_, rest)
        except ValueError as error:
            raise FrameError(str(error), offset=min(found.start(3), len(raw) - 1), raw=raw) from None
        return Uplink(device=self._device, readings=tuple(readings), raw=raw, reply=reply, answers=answers)

    def encode_down(self, command: DownCommand, device: str) -> Order | None:
        """Translate to BP40 (the text in hex), BP88 (find), BP16 (locate) or BP15 (interval).

        None without its text or interval, and for TRV bands, whose orders nobody could show us.
        """
        words = {"find": "BP88", "locate_now": "BP16"}.get(command.name, "")
        tail = ""
        if command.name == "interval" and command.interval_s is not None:
            words, tail = "BP15", f",{min(max(command.interval_s, MIN_INTERVAL_S), MAX_INTERVAL_S)}"
        if text := text_of(command):
            settings = settings_of(device, self._bands, self.settings)
            words = "BP40"
            tail = "," + text.encode(settings.text_encoding, errors="replace").hex().upper()
        if not words or self._maker != "IW":
            return None
        self._serial = (self._serial + 1) % SERIALS
        serial = f"{self._serial:06d}"
        return Order(f"IW{words},{device},{serial}{tail}#".encode(), f"{words},{serial}")

    def _login(self, rest: bytes) -> bytes | None:
        """Remember who this is; the answer sets the band's clock. Raises ValueError without an IMEI."""
        found = _LOGIN.fullmatch(rest)
        if found is None:
            raise ValueError("login without an id")
        self._device = found[1].decode()
        settings = settings_of(self._device, self._bands, self.settings)
        if self._maker != "IW":
            return f"{self._maker}BP00#".encode()
        if self._now is None:
            return None
        return f"IWBP00,{self._now():%Y%m%d%H%M%S},{settings.zone_h:g}#".encode()

    def _claimed(self) -> list[Reading]:
        """The last alarm from before the login, read anew now that its band's model is known."""
        unclaimed, self._unclaimed = self._unclaimed, None
        return [] if unclaimed is None else self._read(*unclaimed)

    def _answers(self, type_: str, rest: bytes) -> tuple[DownAnswer, ...]:
        """`serial[,1|0 …]`, in some makes after the band's own id."""
        fields = rest.decode("latin-1").strip(",").split(",")
        if fields[0] == self._device:
            fields = fields[1:]
        serial, *more = fields or [""]
        done = not (more and more[0] == "0")
        detail = "" if done else ",".join(more)[:DETAIL_CHARS]
        return (DownAnswer(tag=f"B{type_[1:]},{serial}", done=done, detail=detail),)

    def _reply(self, type_: str, rest: bytes) -> bytes:
        """The type with its first letter raised by one; a voice packet's names the packet."""
        tail = ""
        if type_ in {"AP07", "AP42"}:
            when, total, packet = [*rest.decode("latin-1").split(",")[1:4], "", "", ""][:3]
            tail = f",{when},{total},{packet},1"
        elif type_ == "AP14":
            tail = ",0.000,0.000"
        return f"{self._maker}{chr(ord(type_[0]) + 1)}{type_[1:]}{tail}#".encode("latin-1")

    def _read(self, type_: str, rest: bytes) -> list[Reading]:
        """The readings of one frame. Raises ValueError with a short constant reason."""
        if type_ in _POSITIONS:
            return self._position(rest, is_alarm=type_ == "AP10")
        fields = rest.removeprefix(b",").split(b",")
        if type_ in _HEARTBEATS:
            return _heartbeat(rest, fields)
        match type_:
            case "AP49":
                return vitals.pulse(vitals.number(fields[0]))
            case "AP50":
                return _temperature_and_battery(fields)
            case "APHT" | "APHP":
                return _panel(fields)
            case "AP04":
                return [BandAlarm(alarm="low_battery"), *vitals.battery(fields[0])]
            case "APFD":
                return [BandAlarm(alarm="fall", press_id=fields[-1][:DETAIL_CHARS].decode("latin-1") or None)]
        if type_ not in _NO_READING:
            self.unknown_types.add(type_)
        return []

    def _position(self, rest: bytes, *, is_alarm: bool) -> list[Reading]:
        """The fix, the battery and, of an AP10, its alarm."""
        found = _POSITION.fullmatch(rest)
        fix = None
        at: datetime | None = None
        if found is not None:
            settings = settings_of(self._device or "", self._bands, self.settings)
            at = device_time(found[1] + found[10], settings, self._now)
            fix = _fix(found, at)
        if fix is None:
            self.unreadable_positions += 1
            if not is_alarm:
                raise ValueError("position unreadable")
        readings: list[Reading] = [] if fix is None else [fix]
        if is_alarm:
            readings += _alarm(rest, found, at, None if self._now is None else self._now())
        return readings if found is None else [*readings, *vitals.battery(found[14], at)]


def _fix(found: re.Match[bytes], at: datetime | None) -> Fix | None:
    """The position of a frame, None where its degrees are none."""
    lat, lon = int(found[3]) + float(found[4]) / 60, int(found[6]) + float(found[7]) / 60
    if max(float(found[4]), float(found[7])) >= 60 or lat > 90 or lon > 180:  # noqa: PLR2004 - minutes, degrees
        return None
    valid = found[2] == b"A" and not lat == lon == 0
    return Fix(
        lat=-lat if found[5] == b"S" else lat,
        lon=-lon if found[8] == b"W" else lon,
        valid=valid,
        speed_m_s=float(found[9]) / KMH_PER_MPS,
        course_deg=vitals.number(found[11]),
        satellites=int(found[13]),
        source="gnss" if valid else None,
        at=at,
    )


def _alarm(
    rest: bytes, found: re.Match[bytes] | None, at: datetime | None, now: datetime | None
) -> list[Reading]:
    """The alarm that stands behind the cell; one nobody can name is `general`.

    00 is none, where the frame is sound: in a broken one it may be anything's.
    A press is known again by its time, in a broken frame by its bytes.
    """
    fields, place, stamp = rest.split(b","), _ALARM_FIELD, ""
    if found is not None:
        fields, place, stamp = found[15].split(b","), _ALARM_AFTER_CELL, (found[1] + found[10]).decode()
    code = fields[place] if len(fields) > place else b""
    if code == _NO_ALARM and found is not None:
        return []
    kind = _ALARMS.get(code, "general")
    number = press_number(stamp, at, rest, now)
    press = None if number is None else f"{number}-{code[:8].decode('latin-1')}"
    return [BandAlarm(alarm=kind, press_id=press, at=at)]


def _heartbeat(rest: bytes, fields: list[bytes]) -> list[Reading]:
    """`status[,steps,rolls]`: the battery is the third number of the status."""
    status = _STATUS.match(rest)
    if status is None:
        return []
    return [*vitals.battery(status[1]), *vitals.steps(fields[1] if len(fields) > 1 else b"")]


def _temperature_and_battery(fields: list[bytes]) -> list[Reading]:
    """`celsius,battery`; a battery of 0 is one the band did not measure."""
    celsius, battery = [*fields, b""][:2]
    measured = vitals.battery(battery) if battery.strip(b"0") else []
    return [*vitals.temperature(vitals.number(celsius)), *measured]


def _panel(fields: list[bytes]) -> list[Reading]:
    """`bpm,systolic,diastolic[,oxygen,sugar,celsius …]`, empty where nothing was measured.

    A band that is off the wrist sends 0 beats and a made-up oxygen beside them, so 0 beats void the frame.
    """
    bpm, systolic, diastolic, oxygen, _, celsius = [
        vitals.number(field) for field in [*fields, *[b""] * 6][:6]
    ]
    if bpm in vitals.NO_HEART_RATE:
        return vitals.pulse(bpm)
    return [
        *vitals.pulse(bpm),
        *(vitals.pressure(systolic, diastolic) if systolic and diastolic else []),
        *vitals.oxygen(oxygen),
        *vitals.temperature(celsius),
    ]


CODEC = IwCodec
