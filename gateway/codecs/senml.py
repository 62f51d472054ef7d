"""SenML (RFC 8428), JSON and CBOR in one codec: the house format.

Names and units: docs/protocols/senml.md.

A pack is taken whole or not at all: one impossible value and nothing of it is emitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from gateway.codecs.base import Bands, Order
from gateway.codecs.framing import FrameBuffer, PackCutter, Tally
from gateway.codecs.senml_pack import (
    Base,
    Record,
    SpoiledError,
    cbor_records,
    json_records,
    press_of,
    records,
    refuse_unknown_musts,
)
from gateway.codecs.senml_rescue import pieces, rescued
from gateway.errors import FrameError
from gateway.model import (
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    DownCommand,
    Fix,
    HeartRate,
    Reading,
    SpO2,
    Steps,
    Uplink,
    Worn,
)

Now = Callable[[], datetime]
PA_PER_MMHG = 133.322387415
"""Pascals in a conventional millimetre of mercury (ISO 80000-4)."""
RELATIVE_BELOW_S = 2.0**28
"""A time below this is counted from now, not from 1970 (RFC 8428, 4.5.3)."""
EARLIEST_S = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
LATEST_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
NO_HEART_RATE = (0.0, 255.0)
NO_WORDS = frozenset({"fences", "call_back"})
"""Orders these bands do not know."""


class SenmlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How packs are judged.

    `backlog_after_s`: a pack whose times are all older than this is backlog.
    `max_ahead_s`: a device time further in the future than this is no time at all.
    `max_pack_bytes`: a longer pack is a FrameError.
    """

    backlog_after_s: float = 600.0
    max_ahead_s: float = 300.0
    max_pack_bytes: int = 65536


# Places of the values of one moment.
_LAT, _LON, _ALT, _ACC, _SPEED, _COURSE, _SATS = range(7)
_HR, _SYS, _DIA, _SPO2, _TEMP, _BATT, _STEPS = range(7, 14)
_WORN, _SOS, _FALL, _PRESS, _CANCEL = range(14, 19)
_EMPTY: list[Any] = [None] * 19

_Units = dict[str | None, tuple[float, float] | None]
_PLAIN = None
_UNKNOWN_UNIT = (math.nan, math.nan)
_PRESSURE: _Units = {
    "Pa": (1 / PA_PER_MMHG, 0.0),
    "hPa": (100 / PA_PER_MMHG, 0.0),
    "mmHg": _PLAIN,
    "mm[Hg]": _PLAIN,
}
_SHARE: _Units = {"/": (100.0, 0.0), "/100": _PLAIN, "%": _PLAIN, "%EL": _PLAIN}
_FLAG: _Units = {}

FIELDS: dict[str, tuple[int, _Units, float, float]] = {
    "hr": (_HR, {None: _PLAIN, "beat/min": _PLAIN, "/min": _PLAIN, "bpm": _PLAIN}, 0, 300),
    "bp/sys": (_SYS, _PRESSURE, 0, 400),
    "bp/dia": (_DIA, _PRESSURE, 0, 300),
    "spo2": (_SPO2, _SHARE, 0, 100),
    "temp": (_TEMP, {None: _PLAIN, "Cel": _PLAIN, "K": (1.0, -273.15)}, 0, 60),
    "lat": (_LAT, {None: _PLAIN, "lat": _PLAIN, "deg": _PLAIN}, -90, 90),
    "lon": (_LON, {None: _PLAIN, "lon": _PLAIN, "deg": _PLAIN}, -180, 180),
    "alt": (_ALT, {None: _PLAIN, "m": _PLAIN}, -1000, 20000),
    "acc": (_ACC, {None: _PLAIN, "m": _PLAIN, "km": (1000.0, 0.0)}, 0, 1e6),
    "speed": (_SPEED, {None: _PLAIN, "m/s": _PLAIN, "km/h": (1 / 3.6, 0.0)}, 0, 500),
    "course": (_COURSE, {None: _PLAIN, "deg": _PLAIN, "rad": (180 / math.pi, 0.0)}, 0, 360),
    "sats": (_SATS, {None: _PLAIN, "count": _PLAIN}, 0, 255),
    "batt": (_BATT, _SHARE, 0, 100),
    "steps": (_STEPS, {None: _PLAIN, "count": _PLAIN}, 0, 1e7),
    "worn": (_WORN, _FLAG, 0, 0),
    "sos": (_SOS, _FLAG, 0, 0),
    "fall": (_FALL, _FLAG, 0, 0),
    "press": (_PRESS, _FLAG, 0, 0),
    "cancel": (_CANCEL, _FLAG, 0, 0),
}
"""Name -> (place, unit -> scale and offset to our unit, lowest, highest value in our unit)."""


class SenmlCodec:
    """Decodes packs; `now` resolves times counted from now, without it they read as "no device time"."""

    name: ClassVar[str] = "senml"
    Settings: ClassVar[type] = SenmlSettings

    def __init__(
        self, settings: SenmlSettings | None = None, *, now: Now | None = None, bands: Bands | None = None
    ) -> None:
        del bands  # the wire has the login, and a pack has no dialects
        self.settings = settings or SenmlSettings()
        self.unknown_names = Tally()
        self.spoiled_alarms = 0
        self._now = now
        self._whole: bytes | None = None
        self._frames = FrameBuffer(PackCutter(), max_frame_bytes=self.settings.max_pack_bytes)

    def feed(self, data: bytes) -> None:
        """See `Codec.feed`. A payload fed whole is not copied."""
        if self._whole is None and self._frames.is_fresh:
            self._whole = data
            return
        self._spill()
        self._frames.feed(data)

    def end_of_message(self) -> None:
        """See `Codec.end_of_message`."""
        self._spill()
        self._frames.end()

    def next_event(self) -> Uplink | None:
        """See `Codec.next_event`."""
        whole = self._whole
        if whole is not None:
            found = None
            if len(whole) <= self.settings.max_pack_bytes:
                if whole[:1] == b"[":
                    found = json_records(whole)
                    whole = whole.rstrip(b" \t\r\n")
                elif b"\x80" <= whole[:1] <= b"\x9f":
                    found = self._whole_cbor(whole)
            if found is not None:
                self._whole = None
                return self._uplink(whole, found)
            self._spill()
        pack = self._frames.next()
        return None if pack is None else self.read_pack(pack)

    def read_pack(self, pack: bytes) -> Uplink:
        """The uplink of bytes that are exactly one pack, past the stream. Raises FrameError."""
        return self._uplink(pack)

    def encode_down(self, command: DownCommand, device: str) -> Order | None:  # noqa: ARG002 - named by the topic
        """A JSON pack: `cmd`, then `text` and `interval_s` where the order has them; None for `NO_WORDS`."""
        if command.name in NO_WORDS:
            return None
        records: list[dict[str, Any]] = [{"n": "cmd", "vs": command.name}]
        if command.text is not None:
            records.append({"n": "text", "vs": command.text})
        if command.interval_s is not None:
            records.append({"n": "interval_s", "u": "s", "v": command.interval_s})
        return Order(msgspec.json.encode(records))

    def _whole_cbor(self, whole: bytes) -> list[Record] | None:
        try:
            return cbor_records(whole)
        except FrameError:
            return None

    def _spill(self) -> None:
        """Give the payload that was not one whole JSON pack to the buffer that finds packs in bytes."""
        whole, self._whole = self._whole, None
        if whole is not None:
            self._frames.feed(whole)

    def _uplink(self, raw: bytes, found: list[Record] | None = None) -> Uplink:
        """The uplink of a pack, `found` in it; of a spoiled one, its cry for help. Raises FrameError."""
        try:
            return self._believed(raw, records(raw) if found is None else found)
        except FrameError:
            cry = rescued(pieces(raw), raw)
            if cry is None:
                raise
            self.spoiled_alarms += 1
            return cry

    def _believed(self, raw: bytes, found: list[Record]) -> Uplink:
        if b'_"' in raw and raw[:1] == b"[":
            refuse_unknown_musts(raw)
        try:
            device, moments = self._moments(found)
            if len(moments) == 1 and 0.0 in moments:
                return Uplink(device=device, readings=tuple(_readings(moments[0.0], None)), raw=raw)
            return self._timed(raw, device, moments)
        except SpoiledError as spoiled:
            at = raw.find(spoiled.name.encode())
            raise FrameError(spoiled.reason, offset=max(at, 0), raw=raw) from None

    def _moments(  # noqa: C901 - the hot loop: a call a record would cost as much as the decoding
        self, found: list[Record]
    ) -> tuple[str | None, dict[float, list[Any]]]:
        """Resolve names, times and units (RFC 8428, 4.6): the device, and the values by time.

        The hot loop of the house: attributes are read once, and only what a record has is looked at.
        """
        base = Base()
        moments: dict[float, list[Any]] = {}
        values: list[Any] = _EMPTY
        last_s = math.nan
        for record in found:
            if (
                record.bn is not None
                or record.bt is not None
                or record.bu is not None
                or record.bv is not None
                or record.bver is not None
            ):
                base.take(record)
            name = record.n
            field = FIELDS.get(name) if not base.prefix else None
            if field is None:
                field = FIELDS.get(base.full_name(name))
                if field is None:
                    if name:
                        self.unknown_names.add(name)
                    continue
            time_s = base.t + record.t
            if time_s != last_s:
                if not math.isfinite(time_s):
                    raise SpoiledError("time not finite", name)
                last_s = time_s
                values = moments.setdefault(time_s, _EMPTY.copy())
            place, units, lowest, highest = field
            if place >= _WORN:
                values[place] = press_of(record) if place == _PRESS else _flag(record, base.v)
                continue
            value = record.v
            if value is None:
                raise SpoiledError("value missing or of the wrong type", name)
            unit = record.u
            if unit is None:
                unit = base.u
            scale = units.get(unit, _UNKNOWN_UNIT)
            if scale is not None:
                value = _scaled(value + base.v, scale, unit, name)
            else:
                value += base.v
            if not lowest <= value <= highest:
                raise SpoiledError("value impossible", name)
            values[place] = value
        return base.device, moments

    def _timed(self, raw: bytes, device: str | None, moments: dict[float, list[Any]]) -> Uplink:
        """Build readings that carry times of their own, oldest first, and judge whether all are old."""
        now = self._now() if self._now is not None else None
        dated: list[tuple[float, datetime | None, list[Any]]] = []
        youngest_s = math.inf
        for time_s, values in moments.items():
            age_s, at = self._dated(time_s, now)
            youngest_s = min(youngest_s, age_s)
            dated.append((-age_s, at, values))
        dated.sort(key=lambda moment: moment[0])
        readings = [reading for _, at, values in dated for reading in _readings(values, at)]
        backlog = math.inf > youngest_s > self.settings.backlog_after_s
        return Uplink(device=device, readings=tuple(readings), raw=raw, backlog=backlog)

    def _dated(self, time_s: float, now: datetime | None) -> tuple[float, datetime | None]:
        """Age in seconds and the moment; age 0 and None where the device's time cannot be believed."""
        now_s = None if now is None else now.timestamp()
        if time_s < RELATIVE_BELOW_S:
            age_s = -time_s
            if now is None or time_s == 0:
                return max(age_s, 0.0), None
            time_s += now.timestamp()
        else:
            age_s = 0.0 if now_s is None else now_s - time_s
        latest_s = LATEST_S if now_s is None else now_s + self.settings.max_ahead_s
        if not EARLIEST_S <= time_s <= latest_s:
            return 0.0, None
        return age_s, datetime.fromtimestamp(0, UTC) + timedelta(seconds=time_s)


def _scaled(value: float, scale: tuple[float, float], unit: str | None, name: str) -> float:
    """Convert to the house unit. Raises SpoiledError for a unit the name cannot have."""
    if scale is _UNKNOWN_UNIT:
        raise SpoiledError("unit missing" if unit is None else "unit unknown", name)
    return value * scale[0] + scale[1]


def _flag(record: Record, base_v: float) -> bool:
    if record.vb is not None:
        return record.vb
    if record.v is None:
        raise SpoiledError("value missing or of the wrong type", record.n)
    return record.v + base_v != 0


def _readings(  # noqa: C901, PLR0912 - one plain branch a kind of reading
    values: list[Any], at: datetime | None
) -> list[Reading]:
    """Turn the values of one moment into readings, alarms first.

    Raises SpoiledError for half a position or half a blood pressure.
    """
    (lat, lon, alt, acc, speed, course, sats, hr, sys, dia, spo2, temp, batt, steps) = values[:14]
    worn, sos, fall, press, cancel = values[14:]
    readings: list[Reading] = []
    if sos:
        readings.append(BandAlarm(alarm="sos", press_id=press, at=at))
    if cancel:
        readings.append(BandAlarm(alarm="cancel", at=at))
    if fall:
        readings.append(BandAlarm(alarm="fall", at=at))
    if lat is not None and lon is not None:
        readings.append(
            Fix(
                lat=lat,
                lon=lon,
                valid=True,
                alt_m=alt,
                speed_m_s=speed,
                course_deg=course,
                accuracy_m=acc,
                satellites=None if sats is None else int(sats),
                source="gnss",
                at=at,
            )
        )
    elif lat is not lon:
        raise SpoiledError("half a position", "lat" if lon is None else "lon")
    if hr is not None:
        if hr not in NO_HEART_RATE:
            readings.append(HeartRate(heart_rate_bpm=hr, at=at))
        elif worn is None:
            worn = False
    if sys is not None and dia is not None:
        if dia > sys:
            raise SpoiledError("diastolic above systolic", "bp/dia")
        if sys and dia:
            readings.append(BloodPressure(systolic_mmhg=sys, diastolic_mmhg=dia, at=at))
    elif sys is not dia:
        raise SpoiledError("half a blood pressure", "bp/sys" if dia is None else "bp/dia")
    if spo2:
        readings.append(SpO2(spo2_pct=spo2, at=at))
    if temp:
        readings.append(BodyTemp(body_temp_c=temp, at=at))
    if batt is not None:
        readings.append(Battery(battery_pct=batt, at=at))
    if steps is not None:
        readings.append(Steps(steps=int(steps), at=at))
    if worn is not None:
        readings.append(Worn(worn=worn, at=at))
    return readings


CODEC = SenmlCodec
