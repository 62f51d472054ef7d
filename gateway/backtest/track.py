"""Where a wearer was: the fixes a rule judges, whose fence an alarm is about, how long somebody was out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.backtest.stage import Suspended
from gateway.model import Alarm, Envelope, FenceView, Fix
from gateway.rules.moment import happened_at
from gateway.rules.position import is_position


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A fix that can be judged: when it was taken, and the fix itself."""

    at: datetime
    fix: Fix

    @property
    def lat(self) -> float:
        """Degrees, WGS-84."""
        return self.fix.lat

    @property
    def lon(self) -> float:
        """Degrees, WGS-84."""
        return self.fix.lon


def positions(heard: Iterable[Envelope | Suspended]) -> Iterator[Position]:
    """Give the positions of what was heard live, in its order: stored ones move no rule."""
    for envelope in heard:
        if isinstance(envelope, Suspended) or envelope.uplink.backlog:
            continue
        for reading in envelope.uplink.readings:
            if type(reading) is Fix and is_position(reading):
                yield Position(at=happened_at(reading.at, envelope.received_at), fix=reading)


def fence_of(alarm: Alarm, fences: Iterable[FenceView]) -> FenceView | None:
    """Give the fence an alarm is about; None for one that is about none of these."""
    if alarm.kind != "fence":
        return None
    fits = [one for one in fences if alarm.alarm_id.startswith(f"fence.{alarm.wearer}.{one.fence}.")]
    return max(fits, key=lambda one: len(one.fence), default=None)


def out_s(alarm: Alarm, track: Sequence[Position], wrong_m: Callable[[Fix], float]) -> float | None:
    """Give how many seconds a wearer was on the wrong side: from the first fix there until one that is not.

    `track` is in the order of time; `wrong_m(fix)`: metres beyond the border, positive on the wrong side.
    None when they were not back by the end of the track.
    """
    began = alarm.why.since or alarm.at
    later = range(bisect_right(track, alarm.at, key=lambda one: one.at), len(track))
    back_at = next((track[number].at for number in later if wrong_m(track[number].fix) <= 0), None)
    return None if back_at is None else (back_at - began).total_seconds()
