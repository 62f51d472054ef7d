"""Fences tried over what was heard of a wearer: what would have alarmed, beside what was raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from gateway.backtest.compared import Compared, compare
from gateway.backtest.stage import Suspended, replay
from gateway.backtest.track import Position, fence_of, out_s, positions
from gateway.model import Alarm, Envelope, FenceView, Fix, WearerView
from gateway.rules.fence import FenceRule, FenceSettings, Watched, watch
from gateway.sieve import fixes_of, may_alarm, sure_of

WEEK = timedelta(days=7)
WARM_UP = timedelta(days=1)
"""So much before the asked time is heard too, so that the rule knows where the wearer was when it begins."""
OWN_KEYS = ("exit_margin_m", "hysteresis_m", "dwell_s")
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
class Trial:
    """Everything a trial of fences found, for the screen, a picture or another program."""

    wearer: str
    name: str
    since: datetime
    until: datetime
    fences: tuple[Watched, ...]
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
    view: WearerView,
    frames: Sequence[Envelope | Suspended],
    raised: Iterable[Alarm],
    *,
    today: FenceSettings,
    since: datetime,
    until: datetime,
    fences: tuple[FenceView, ...] | None = None,
    changed: Mapping[str, float],
) -> Trial:
    """Run the fence rule over [since, until) of a wearer's history.

    `frames` are what was heard from `WARM_UP` before `since` on, `raised` what was raised in [since, until);
    `fences` stand in for the wearer's own; `changed` are keys of `[rules.fence]` tried instead of `today`'s.
    Raises ValueError when a fence is no shape, or a setting is out of its range.
    """
    settings = changed_settings(today, changed)
    fenced = tuple(
        watch(without_own(one, changed), settings) for one in (view.fences if fences is None else fences)
    )
    heard = tuple(positions(frames))
    track = tuple(sorted((place for place in heard if place.at >= since), key=lambda place: place.at))
    kept = may_alarm(fenced, fixes_of((place.fix for place in heard), settings))
    tried = FenceRule(msgspec.structs.replace(view, fences=tuple(one.view for one in kept)), settings)
    would = tuple(one for one in replay(tried, suspending(frames, kept), until=until) if one.at >= since)
    was = [one for one in raised if one.kind == "fence"]
    compared = compare(would, was, other_fences=fences is not None)
    both = {one.alarm_id for one, _ in compared.both}
    return Trial(
        wearer=view.wearer,
        name=view.name,
        since=since,
        until=until,
        fences=fenced,
        changed=changed,
        track=track,
        seen=tuple(_seen(place.fix, fenced, settings) for place in track),
        found=tuple(
            _found(number, one, fenced, track, was=one.alarm_id in both)
            for number, one in enumerate(would, start=1)
        ),
        compared=compared,
    )


def suspending(
    heard: Iterable[Envelope | Suspended], fences: Sequence[Watched]
) -> Iterator[Envelope | Suspended]:
    """Give what was heard, with those suspensions alone that are of these fences, or of all."""
    known = {"", *(one.view.fence for one in fences)} if fences else set()
    for one in heard:
        if isinstance(one, Suspended):
            kept = tuple(each for each in one.suspensions if each.fence in known)
            yield Suspended(at=one.at, suspensions=kept)
        else:
            yield one


def changed_settings(today: FenceSettings, changed: Mapping[str, float]) -> FenceSettings:
    """Give a wearer's rule settings with some keys changed; raises ValueError for a value out of range."""
    plain: dict[str, Any] = msgspec.structs.asdict(today) | dict(changed)
    return msgspec.convert(plain, FenceSettings)


def without_own(view: FenceView, changed: Mapping[str, float]) -> FenceView:
    """The fence without what it says itself of a setting that is changed."""
    own = {key: _default(key) for key in OWN_KEYS if key in changed}
    return msgspec.structs.replace(view, **own)


def _default(key: str) -> Any:
    return next(one.default for one in msgspec.structs.fields(FenceView) if one.name == key)


def _seen(fix: Fix, fences: tuple[Watched, ...], settings: FenceSettings) -> Seen:
    """Where a fix shows the wearer towards the fences: outside where it surely is past one of them.

    Hours and suspensions are left aside: this is where the wearer was, not what it was worth.
    """
    sure = sure_of(fix, settings)
    if sure is None:
        return "unsure"
    seen = {one.limits.judge(one.breach_m(fix, sure), sure) for one in fences}
    return "outside" if "beyond" in seen else "unsure" if "unsure" in seen else "inside"


def _found(
    number: int, alarm: Alarm, fences: tuple[Watched, ...], track: tuple[Position, ...], *, was: bool
) -> Found:
    view = fence_of(alarm, [one.view for one in fences])
    watched = next((one for one in fences if one.view is view), None)
    return Found(
        number=number,
        alarm=alarm,
        fence=alarm.why.place or "",
        distance_m=alarm.why.value or 0.0,
        out_s=None if watched is None else out_s(alarm, track, watched.exact_breach_m),
        was=was,
    )
