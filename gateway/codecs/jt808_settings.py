"""What differs from model to model of JT/T 808 terminals: clocks, logins, and where a maker put its readings.

The standard has no place for a heart rate or a battery, so every maker invented its own;
a model's file in `data/models` says where they stand.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from gateway.codecs.device_clock import OffsetS
from gateway.model import BandAlarmKind

FieldType = Literal["u8", "i8", "u16", "i16", "u32", "i32", "bcd", "ascii"]
FieldName = Literal[
    "heart_rate_bpm",
    "systolic_mmhg",
    "diastolic_mmhg",
    "spo2_pct",
    "body_temp_c",
    "battery_pct",
    "steps",
    "worn",
    "alarm",
]
Bit = Annotated[int, msgspec.Meta(ge=0, le=31)]


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading inside an item of additional information, a transparent message or a heartbeat.

    `id`: the item (TLV) or sub-type; an entry of a nested item is `(id << 16) | entry`; 0 in a heartbeat.
    `type`: how `offset` bytes into the value the number stands; `scale` multiplies it, then `add` is added.
    `min_length`: a shorter value is somebody else's item; `length`, when above 0, is the only length taken.
    `invalid`: numbers that mean "not measured".
    `mask` and `equals`, for `worn` and `alarm`: it is so when `number & mask` equals `equals`,
    or is not zero where `equals` is left out. `alarm` says which alarm.
    """

    name: FieldName
    id: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFF)] = 0
    offset: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    type: FieldType = "u8"
    scale: float = 1.0
    add: float = 0.0
    invalid: tuple[int, ...] = ()
    min_length: int = 0
    length: int = 0
    mask: int = 0xFFFFFFFF
    equals: int | None = None
    alarm: BandAlarmKind = "other"


class AlarmBit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bit of the alarm word means on this model."""

    bit: Bit
    alarm: BandAlarmKind


class Jt808Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from model to model.

    `time_offset_s`: what the terminal's clock is ahead of UTC; by the standard it shows Beijing time.
    `lenient`: take frames with a wrong checksum.
    `authenticates`: whether it sends its authentication code (0x0102); false believes its number alone.
    `confirms_sos`: answer an SOS with result 4 (alarm handled), by which terminals clear it.
    `acks_parts`: answer each part of a long message, for terminals that wait for it; by default only the
    whole is answered, so that nothing is acknowledged before it is stored.
    `latched_s`: how long an alarm bit that stays set is one and the same press.
    `alarm_bits`: bits of the alarm word, beside or instead of the standard's; `ignored_bits` mean nothing.
    `tlvs`, `transparent`, `heartbeat`: where the readings stand in 0x0200, 0x0900 and 0x0002.
    `nested`: items whose value is a list of entries, each (length 2, id 2, value).
    `text_flags`: the flag byte of a text (bit 0 urgent, 2 display, 3 speak).
    `interval_by`: the order that sets the interval: parameters (0x8103) or tracking (0x8202).
    `find_control`: the command word of 0x8105 that makes it ring; without one it gets a text to speak.
    `version`: of the header, for orders before its first frame was heard (1: JT/T 808-2019).
    """

    time_offset_s: OffsetS = 28800.0
    lenient: bool = False
    authenticates: bool = True
    confirms_sos: bool = True
    acks_parts: bool = False
    latched_s: Annotated[float, msgspec.Meta(ge=0)] = 600.0
    alarm_bits: tuple[AlarmBit, ...] = ()
    ignored_bits: tuple[Bit, ...] = ()
    tlvs: tuple[Field, ...] = ()
    transparent: tuple[Field, ...] = ()
    heartbeat: tuple[Field, ...] = ()
    nested: tuple[int, ...] = ()
    text_flags: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0x0C
    interval_by: Literal["parameters", "tracking"] = "parameters"
    find_control: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    version: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    earliest_year: int = 2010
    max_ahead_s: float = 600.0
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=64, le=65536)] = 4096
