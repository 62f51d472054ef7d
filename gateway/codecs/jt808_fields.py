"""Readings out of a maker's own bytes, by the map of its model. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from gateway.codecs.jt808_settings import Field
from gateway.model import (
    BandAlarmKind,
    Battery,
    BloodPressure,
    BodyTemp,
    HeartRate,
    Reading,
    SpO2,
    Steps,
    Worn,
)

Item = tuple[int, bytes]
"""An item of additional information: its id, and its value."""

_STRUCTS = {
    "u8": struct.Struct(">B"),
    "i8": struct.Struct(">b"),
    "u16": struct.Struct(">H"),
    "i16": struct.Struct(">h"),
    "u32": struct.Struct(">I"),
    "i32": struct.Struct(">i"),
}
_GAUGES: dict[str, tuple[float, float, Callable[[float, datetime | None], Reading]]] = {
    "heart_rate_bpm": (1, 300, lambda value, at: HeartRate(heart_rate_bpm=value, at=at)),
    "spo2_pct": (1, 100, lambda value, at: SpO2(spo2_pct=value, at=at)),
    "body_temp_c": (20, 50, lambda value, at: BodyTemp(body_temp_c=value, at=at)),
    "battery_pct": (0, 100, lambda value, at: Battery(battery_pct=value, at=at)),
    "steps": (0, 9_999_999, lambda value, at: Steps(steps=int(value), at=at)),
}
"""Lowest and highest value that can be true, and what is made of it."""
_PRESSURE = ("systolic_mmhg", "diastolic_mmhg")
MAX_SYSTOLIC_MMHG = 400


def items(data: bytes, nested: tuple[int, ...] = ()) -> Iterator[Item]:
    """The items of additional information (id 1, length 1, value), as far as they are whole.

    The entries (length 2, id 2, value) of a `nested` item come after it, with the id `(item << 16) | entry`.
    """
    at = 0
    while at + 2 <= len(data):
        name, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        if len(value) < length:
            return
        yield name, value
        if name in nested:
            yield from _entries(name, value)
        at += 2 + length


def _entries(name: int, value: bytes) -> Iterator[Item]:
    """The entries of a nested item; the length of an entry counts its id too."""
    at = 0
    while at + 4 <= len(value):
        length, entry = struct.unpack_from(">HH", value, at)
        if length < 2 or at + 2 + length > len(value):  # noqa: PLR2004 - the two bytes of the id
            return
        yield (name << 16) | entry, value[at + 4 : at + 2 + length]
        at += 2 + length


def read(
    found: Iterable[Item], fields: tuple[Field, ...], at: datetime | None
) -> tuple[list[Reading], set[BandAlarmKind]]:
    """The readings and alarms of these items. What is missing, marked invalid or impossible gives nothing."""
    readings: list[Reading] = []
    alarms: set[BandAlarmKind] = set()
    pressure: dict[str, float] = {}
    by_id: dict[int, list[Field]] = {}
    for field in fields:
        by_id.setdefault(field.id, []).append(field)
    for name, value in found:
        for field in by_id.get(name, ()):
            number = _number(value, field)
            if number is None:
                continue
            if field.name == "alarm":
                alarms |= {field.alarm} if _is_set(number, field) else set()
            elif field.name in _PRESSURE:
                pressure[field.name] = number * field.scale + field.add
            else:
                readings += _reading(number, field, at)
    return readings + _blood_pressure(pressure, at), alarms


def _reading(number: int, field: Field, at: datetime | None) -> list[Reading]:
    if field.name == "worn":
        return [Worn(worn=_is_set(number, field), at=at)]
    lowest, highest, make = _GAUGES[field.name]
    value = round(number * field.scale + field.add, 6)
    return [make(value, at)] if lowest <= value <= highest else []


def _blood_pressure(pressure: dict[str, float], at: datetime | None) -> list[Reading]:
    """Both halves of it, or none."""
    systolic, diastolic = (pressure.get(name, 0.0) for name in _PRESSURE)
    if 0 < diastolic <= systolic <= MAX_SYSTOLIC_MMHG:
        return [BloodPressure(systolic_mmhg=systolic, diastolic_mmhg=diastolic, at=at)]
    return []


def _is_set(number: int, field: Field) -> bool:
    masked = number & field.mask
    return masked != 0 if field.equals is None else masked == field.equals


def _number(value: bytes, field: Field) -> int | None:
    """The number where the map says it stands; None when it is not there or means nothing."""
    if len(value) < field.min_length or (field.length and len(value) != field.length):
        return None
    if field.type in _STRUCTS:
        kind = _STRUCTS[field.type]
        if field.offset + kind.size > len(value):
            return None
        number: int = kind.unpack_from(value, field.offset)[0]
    else:
        text = value[field.offset :].hex() if field.type == "bcd" else _text(value[field.offset :])
        if not (text.isascii() and text.isdigit()):
            return None
        number = int(text[:18])
    return None if number in field.invalid else number


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")
