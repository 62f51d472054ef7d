"""Carries the state of the fence rule over to other fences; pure.

A fence that is gone takes its track, its sighting, its suspension and its timers with it.
A fence that is drawn otherwise, or has other limits, keeps what is known of the wearer as far as that
does not rest on the old border:

- `inside`, `near`, `outside`, `away` and the like stay; the next fix judges by the new border.
- `leaving` begins anew: a wearer whose last fix is surely past the new margin too is leaving from now on,
  for a whole new dwell; of anybody else nothing is known until the next fix. Either way nothing is raised
  from what was seen past the old border.
- Steps of the escalation that were told stay told as far as they are still steps that were passed.
- `returning` is `outside` again: the exit stands, and the next fix within the new border starts the return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol
from zlib import crc32

import msgspec
from msgspec.structs import replace

from gateway.effects import ClearTimer, Effect, SetTimer
from gateway.model import FenceSuspension, FenceView, WhyReading
from gateway.rules.fence_alarms import Sighting
from gateway.rules.fence_suspensions import TIMER as RESUME
from geofence.certainty import certainty
from geofence.shape import FenceShape
from geofence.tracker import Limits, Track

DWELL = "dwell:"


class Fence(Protocol):
    """What is asked of a fence made ready (`gateway.rules.fence.Watched`)."""

    @property
    def view(self) -> FenceView:
        """Its view."""
        ...

    @property
    def shape(self) -> FenceShape:
        """Its shape."""
        ...

    @property
    def limits(self) -> Limits:
        """Its limits."""
        ...

    @property
    def side(self) -> float:
        """1 for a fence to keep in, -1 for one to keep out of."""
        ...


def drawn(fence: Fence) -> int:
    """Give a number that is another when its border or its limits are others; its name and hours are not."""
    view = fence.view
    ground = (view.polygon, view.holes, view.centre, view.radius_m, view.line, view.half_width_m, view.parts)
    limits = fence.limits
    metres = (limits.exit_margin_m, limits.hysteresis_m, limits.approach_m, limits.escalate_m)
    return crc32(msgspec.json.encode((ground, view.keep, metres, limits.dwell.total_seconds())))


def adopted(state: Any, fences: Iterable[Fence], now: datetime) -> tuple[Any, tuple[Effect, ...]]:
    """Give a `FenceState` as these fences have it; the same object where nothing changed."""
    watched = {fence.view.fence: fence for fence in fences}
    now_drawn = {name: drawn(fence) for name, fence in watched.items()}
    suspensions, effects = _suspended(state.suspensions, watched)
    tracks: dict[str, Track] = {}
    sightings: dict[str, Sighting] = {}
    for name, track in state.tracks.items():
        fence = watched.get(name)
        before, sighting = state.drawn.get(name), state.sightings.get(name)
        new: Track | None = None
        if fence is not None:
            new = track
            if before not in (None, now_drawn[name]):
                new, sighting = _anew(track, fence, sighting, now)
            tracks[name] = new
            if sighting is not None:
                sightings[name] = sighting
        effects += _timers(DWELL + name, track, new)
    new_state = replace(state, tracks=tracks, sightings=sightings, suspensions=suspensions, drawn=now_drawn)
    return (state, ()) if new_state == state else (new_state, tuple(effects))


def _suspended(
    known: tuple[FenceSuspension, ...], watched: Mapping[str, Fence]
) -> tuple[tuple[FenceSuspension, ...], list[Effect]]:
    """Keep the suspensions of fences there are, and of all fences together."""
    gone = [one for one in known if one.fence and one.fence not in watched]
    kept = tuple(one for one in known if one not in gone)
    return kept, [ClearTimer(name=RESUME + one.fence) for one in gone]


def _anew(
    track: Track, fence: Fence, sighting: Sighting | None, now: datetime
) -> tuple[Track, Sighting | None]:
    """Give the track and the sighting of a fence that is another now."""
    limits = fence.limits
    steps = _steps(track, fence, sighting)
    if track.place == "returning":
        return replace(track, place="outside", due_at=None, steps=steps), sighting
    if track.place != "leaving":
        return (track if steps == track.steps else replace(track, steps=steps)), sighting
    seen = None if sighting is None else _seen(sighting, fence)
    if seen is None:
        return Track(last_at=track.last_at), None
    return Track(place="leaving", since=now, last_at=track.last_at, due_at=now + limits.dwell), seen


def _steps(track: Track, fence: Fence, sighting: Sighting | None) -> int:
    """Give how many of the new steps were told: those the last fix that was told of lies past, and no more.

    A step that was moved away is told again by whoever comes past it there.
    """
    if not track.steps or sighting is None:
        return 0
    breach_m = fence.side * fence.shape.exact_distance_m(sighting.lat, sighting.lon)
    return min(track.steps, sum(breach_m > step_m for step_m in fence.limits.escalate_m))


def _seen(sighting: Sighting, fence: Fence) -> Sighting | None:
    """Give the last fix past the old border as one past the new; None where it is not surely so.

    A fix that names no error is sure of nothing here, for its source is not remembered.
    """
    last = sighting.readings[-1] if sighting.readings else None
    if last is None or last.accuracy_m is None or not last.accuracy_m > 0:
        return None
    breach_m = fence.side * fence.shape.exact_distance_m(sighting.lat, sighting.lon)
    if fence.limits.judge(breach_m, certainty(last.accuracy_m)) != "beyond":
        return None
    distance_m = round(breach_m, 1)
    reading = WhyReading(at=last.at, value=distance_m, accuracy_m=last.accuracy_m)
    return Sighting(lat=sighting.lat, lon=sighting.lon, distance_m=distance_m, readings=(reading,))


def _timers(name: str, before: Track, after: Track | None) -> list[Effect]:
    due_at = None if after is None else after.due_at
    if due_at == before.due_at:
        return []
    return [ClearTimer(name=name)] if due_at is None else [SetTimer(name=name, due_at=due_at)]
