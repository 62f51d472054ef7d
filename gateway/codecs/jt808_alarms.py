"""Alarm bits of JT/T 808, and which press a bit that stays set belongs to. Pure.

A terminal keeps an alarm bit set in every position until the platform has answered, some keep it for ever.
Such a repeat is no new press. So a press is numbered by the terminal's own time of the frame in which its bit
was first set, and every later frame of the same connection repeats that number and that time,
until the bit was seen clear or `latched_s` have gone by.

It is narrow on purpose, for a wrong "the same press" would lose a cry for help:

- a bit that was clear in between is a new press, even if the terminal's clock stands still;
- a clock that is wrong by more than 10 minutes numbers nothing: the rule then goes by when it was heard;
- a new connection knows of no press before it, but the same frame sent again on it has the same number,
  and so has the same record sent later out of the terminal's store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from gateway.codecs.device_clock import press_number
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.model import BAND_ALARM_ORDER, BandAlarm, BandAlarmKind

STANDARD_BITS: tuple[tuple[int, BandAlarmKind], ...] = (
    (0, "sos"),
    (7, "low_battery"),
    (8, "power_cut"),
    (29, "other"),
    (30, "other"),
)
"""JT/T 808-2013 table 24, as far as a person is meant: not speeding, aerials and stolen fuel."""
AREA_BIT = 20


def of_bits(word: int, settings: Jt808Settings) -> set[BandAlarmKind]:
    """The alarms of an alarm word. The way through a fence (bit 20) stands elsewhere: see `of_area`."""
    own = {entry.bit for entry in settings.alarm_bits} | set(settings.ignored_bits)
    kinds: set[BandAlarmKind] = {kind for bit, kind in STANDARD_BITS if word >> bit & 1 and bit not in own}
    return kinds | {entry.alarm for entry in settings.alarm_bits if word >> entry.bit & 1}


def of_area(word: int, value: bytes | None) -> set[BandAlarmKind]:
    """In or out of a fence of the terminal: item 0x12 (type 1, id 4, direction 1) says which, else out."""
    if not word >> AREA_BIT & 1:
        return set()
    is_in = value is not None and len(value) >= 6 and value[5] == 0  # noqa: PLR2004 - the direction's place
    return {"geofence_enter" if is_in else "geofence_exit"}


@dataclass(frozen=True, slots=True)
class _Press:
    began_at: datetime | None
    heard_at: datetime | None
    press_id: str | None

    def is_over(self, at: datetime | None, now: datetime | None, latched: timedelta) -> bool:
        """Whether the bit is set for longer than one press would be; by our clock where there is one."""
        if self.heard_at is not None and now is not None:
            return now - self.heard_at > latched
        if self.began_at is not None and at is not None:
            return abs(at - self.began_at) > latched
        return False


class Latches:
    """What is set on one connection, by kind of alarm: at most as many as there are kinds."""

    __slots__ = ("_open", "_stamps")

    def __init__(self) -> None:
        self._open: dict[BandAlarmKind, _Press] = {}
        self._stamps: dict[BandAlarmKind, str] = {}

    def live(
        self,
        kinds: set[BandAlarmKind],
        *,
        at: datetime | None,
        stamp: str,
        raw: bytes,
        now: datetime | None,
        latched_s: float,
    ) -> list[BandAlarm]:
        """The alarms of a live position, most severe first; what is not among them is clear now.

        `at` is the position's time where it can be true, `stamp` the same as it was sent, `raw` its frame.
        """
        latched = timedelta(seconds=latched_s)
        self._open = {
            kind: press
            for kind, press in self._open.items()
            if kind in kinds and not press.is_over(at, now, latched)
        }
        alarms = []
        for kind in ordered(kinds):
            press = self._open.get(kind)
            if press is None:
                number = press_number(stamp, at, raw, now)
                if self._stamps.get(kind) == stamp:
                    number = f"{stamp}-{crc32(raw):08x}"  # a clock that stands still
                press = self._open[kind] = _Press(at, now, number)
                self._stamps[kind] = stamp
            alarms.append(BandAlarm(alarm=kind, press_id=press.press_id, at=press.began_at))
        return alarms


def undated(kinds: set[BandAlarmKind], *, name: str, raw: bytes) -> list[BandAlarm]:
    """The alarms of a frame without a time, most severe first, numbered by its bytes."""
    number = f"{name}-{crc32(raw):08x}"
    return [BandAlarm(alarm=kind, press_id=number) for kind in ordered(kinds)]


def ordered(kinds: Iterable[BandAlarmKind]) -> list[BandAlarmKind]:
    """Most severe first."""
    return sorted(kinds, key=BAND_ALARM_ORDER.index)
