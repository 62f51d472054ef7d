"""A fence tried over what the journal remembers: what would have alarmed, beside what was raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway import history
from gateway.backtest import Compared, Position, compare, fence_of, out_s, positions, replay
from gateway.config import Settings
from gateway.fences import shape_of
from gateway.journal.reader import JournalReader
from gateway.model import Alarm, FenceView, WearerView
from gateway.rules.fence import FenceRule, FenceSettings
from geofence.shape import FenceShape

WEEK = timedelta(days=7)
WARM_UP = timedelta(days=1)
"""So much before the asked time is heard too, so that the rule knows where the wearer was when it begins."""
OWN_KEYS = ("exit_margin_m",)
"""What a fence may say itself; a changed setting counts for every fence, also those that do."""

Seen = Literal["inside", "unsure", "outside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One would-be alarm; `was` says that it was really raised too.

    `distance_m`: metres beyond the border; `out_s`: None when the wearer was not back by the end.
    """

    number: int
    alarm: Alarm
    fence: str
    distance_m: float
    out_s: float | None
    was: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """One fence of the trial: its view, its shape, and the metres beyond its border that count as left."""

    view: FenceView
    shape: FenceShape
    margin_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Everything a trial found, for the screen, a picture or another program."""

    wearer: str
    name: str
    since: datetime
    until: datetime
    fences: tuple[Fenced, ...]
    changed: Mapping[str, float]
    track: tuple[Position, ...]
    seen: tuple[Seen, ...]
    found: tuple[Found, ...]
    compared: Compared

    @property
    def weeks(self) -> float:
        """How many weeks the trial covers."""
        return (self.until - self.since) / WEEK


def try_fences(
    reader: JournalReader,
    settings: Settings,
    view: WearerView,
    *,
    since: datetime,
    until: datetime,
    fences: tuple[FenceView, ...] | None = None,
    changed: Mapping[str, float],
) -> Trial:
    """Run the fence rule over [since, until) of a wearer's history.

    `fences` stand in for the wearer's own; `changed` are keys of `[rules.fence]` tried instead of today's.
    Raises ValueError when a fence is no shape, or a setting is out of its range.
    """
    rule_settings = changed_settings(settings.wearer_rules[view.wearer, FenceRule.name], changed)
    views = tuple(_without_own(one, changed) for one in (view.fences if fences is None else fences))
    tried = FenceRule(msgspec.structs.replace(view, fences=views), rule_settings)
    frames = tuple(history.heard(reader, view.wearer, since=since - WARM_UP, until=until))
    fenced = tuple(_fenced(one, rule_settings) for one in views)
    track = tuple(place for place in positions(frames) if place.at >= since)
    would = tuple(one for one in replay(tried, frames, until=until) if one.at >= since)
    was = [
        one
        for one in history.raised(reader, wearer=view.wearer, since=since, until=until)
        if one.kind == "fence"
    ]
    compared = compare(would, was)
    both = {one.alarm_id for one, _ in compared.both}
    return Trial(
        wearer=view.wearer,
        name=view.name,
        since=since,
        until=until,
        fences=fenced,
        changed=changed,
        track=track,
        seen=tuple(_seen(place, fenced, rule_settings.max_accuracy_m) for place in track),
        found=tuple(
            _found(number, one, fenced, track, was=one.alarm_id in both)
            for number, one in enumerate(would, start=1)
        ),
        compared=compared,
    )


def fences_of(path: Path) -> tuple[FenceView, ...]:
    """Give the fences of a map file; raises OSError or ValueError, in words, when one of them is none."""
    from gateway.fence_files import view_of_drawn
    from geofence.files import read
    from geofence.judging import judge

    reading = read(path)
    judged = judge(reading.features, site=None)
    wrong = [one for one in (*reading.findings, *judged.findings) if one.weight == "error"]
    if wrong:
        raise ValueError(f"{path}\n" + "\n".join(map(str, wrong)))
    return tuple(view_of_drawn(fence) for fence in judged.fences)


def changed_settings(today: FenceSettings, changed: Mapping[str, float]) -> FenceSettings:
    """Give a wearer's rule settings with some keys changed; raises ValueError for a value out of range."""
    plain: dict[str, Any] = msgspec.structs.asdict(today) | dict(changed)
    return msgspec.convert(plain, FenceSettings)


def _without_own(view: FenceView, changed: Mapping[str, float]) -> FenceView:
    """The fence without what it says itself of a setting that is changed."""
    own = {key: _default(key) for key in OWN_KEYS if key in changed}
    return msgspec.structs.replace(view, **own)


def _default(key: str) -> Any:
    return next(one.default for one in msgspec.structs.fields(FenceView) if one.name == key)


def _fenced(view: FenceView, settings: FenceSettings) -> Fenced:
    margin_m = view.exit_margin_m if view.exit_margin_m > 0 else settings.exit_margin_m
    return Fenced(view=view, shape=shape_of(view), margin_m=margin_m)


def _seen(place: Position, fences: tuple[Fenced, ...], max_accuracy_m: float) -> Seen:
    """Where a fix shows the wearer towards the fences: outside where it is of one of them."""
    if place.accuracy_m is not None and place.accuracy_m > max_accuracy_m:
        return "unsure"
    beyond_m = [one.shape.signed_distance_m(place.lat, place.lon) - one.margin_m for one in fences]
    return "outside" if any(metres > 0 for metres in beyond_m) else "inside"


def _found(
    number: int, alarm: Alarm, fences: tuple[Fenced, ...], track: tuple[Position, ...], *, was: bool
) -> Found:
    view = fence_of(alarm, [one.view for one in fences])
    shape = next((one.shape for one in fences if one.view is view), None)
    return Found(
        number=number,
        alarm=alarm,
        fence=alarm.why.place or "",
        distance_m=alarm.why.value or 0.0,
        out_s=None if shape is None else out_s(alarm, track, shape.signed_distance_m),
        was=was,
    )
