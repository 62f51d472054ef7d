"""Would-be alarms held against those that were raised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from gateway.model import Alarm

SAME_CAUSE = timedelta(minutes=30)
"""Alarms of one fence, or of one limit, this near each other are held against each other as one cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Would-be alarms held against those that were raised: in both (would, was), only in one."""

    both: tuple[tuple[Alarm, Alarm], ...]
    only_would: tuple[Alarm, ...]
    only_raised: tuple[Alarm, ...]


def compare(would: Iterable[Alarm], raised: Iterable[Alarm], *, other_fences: bool = False) -> Compared:
    """Pair alarms of the same cause: the same id, else the same code and place within `SAME_CAUSE`.

    `other_fences`: other fences were tried than those that raised, so their places say nothing.
    """
    left = {alarm.alarm_id: alarm for alarm in raised}
    both: list[tuple[Alarm, Alarm]] = []
    unpaired: list[Alarm] = []
    for alarm in would:
        same = left.pop(alarm.alarm_id, None)
        if same is None:
            unpaired.append(alarm)
        else:
            both.append((alarm, same))
    only_would: list[Alarm] = []
    for alarm in unpaired:
        near = [
            one
            for one in left.values()
            if one.why.code == alarm.why.code
            and (other_fences or one.why.place == alarm.why.place)
            and abs(one.at - alarm.at) <= SAME_CAUSE
        ]
        if near:
            nearest = min(near, key=lambda one: abs(one.at - alarm.at))
            both.append((alarm, left.pop(nearest.alarm_id)))
        else:
            only_would.append(alarm)
    both.sort(key=lambda pair: pair[0].at)
    return Compared(both=tuple(both), only_would=tuple(only_would), only_raised=tuple(left.values()))
