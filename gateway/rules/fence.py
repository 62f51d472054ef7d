"""Raises when a wearer has left a fence: `geofence.tracker` over each of the wearer's fences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.fences import shape_of
from gateway.model import Alarm, Envelope, FenceView, Fix, WearerView, Why
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.moment import happened_at, milliseconds
from gateway.rules.position import is_position
from geofence.shape import FenceShape
from geofence.tracker import Act, Limits, Track, on_fix, on_timer

TIMER = "dwell:"
"""The timer of a fence is this and the fence's id."""


class FenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.fence]; a fence's own exit_margin_m above zero wins over the one here.

    exit_margin_m: metres beyond the border that count as left.
    hysteresis_m: metres nearer than that to count as back.
    dwell_s: seconds it must last, out or back.
    max_accuracy_m: fixes vaguer than this are not judged; one that names no accuracy is.
    max_event_age_s: older fixes fill the history only.
    """

    exit_margin_m: Annotated[float, msgspec.Meta(ge=0, le=5_000)] = 20.0
    hysteresis_m: Annotated[float, msgspec.Meta(ge=0, le=5_000)] = 10.0
    dwell_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 10.0
    max_accuracy_m: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 60.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The last fix outside a fence: degrees, and metres beyond the border."""

    lat: float
    lon: float
    distance_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceState:
    """By fence id: the track, and where the wearer was last seen while leaving."""

    tracks: dict[str, Track] = field(default_factory=dict)
    sightings: dict[str, Sighting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One fence made ready: its view, its shape and its limits."""

    view: FenceView
    shape: FenceShape
    limits: Limits


class FenceRule:
    """Watches every fence of one wearer; raises ValueError when built with a fence that is no shape."""

    name: ClassVar[str] = "fence"
    Settings: ClassVar[type[FenceSettings]] = FenceSettings
    State: ClassVar[type[FenceState]] = FenceState

    def __init__(self, wearer: WearerView, settings: FenceSettings) -> None:
        self._wearer = wearer.wearer
        self._max_accuracy_m = settings.max_accuracy_m
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        self._dwell = timedelta(seconds=settings.dwell_s)
        self._watched = tuple(self._watch(view, settings) for view in wearer.fences)

    def _watch(self, view: FenceView, settings: FenceSettings) -> Watched:
        margin_m = view.exit_margin_m if view.exit_margin_m > 0 else settings.exit_margin_m
        limits = Limits(exit_margin_m=margin_m, hysteresis_m=settings.hysteresis_m, dwell=self._dwell)
        near_m = margin_m + settings.hysteresis_m + 1.0
        return Watched(view=view, shape=shape_of(view, near_m=near_m), limits=limits)

    def initial(self) -> FenceState:
        """Give the state of a wearer never seen: where they are is unknown."""
        return FenceState()

    def step(
        self, state: FenceState, event: RuleEvent, now: datetime
    ) -> tuple[FenceState, tuple[Effect, ...]]:
        """Judge a frame's fixes, or a dwell that is over."""
        del now  # the frame and the timer carry their own times, so that a replay gives the same
        if not self._watched:
            return state, ()
        if isinstance(event, TimerDue):
            return self._on_timer(state, event)
        if event.uplink.backlog:
            return state, ()
        effects: list[Effect] = []
        for reading in event.uplink.readings:
            if type(reading) is Fix:
                state = self._on_fix(state, reading, event, effects)
        return state, tuple(effects)

    def _on_fix(self, state: FenceState, fix: Fix, event: Envelope, effects: list[Effect]) -> FenceState:
        lat, lon, heard_at = fix.lat, fix.lon, event.received_at
        if not is_position(fix) or (fix.accuracy_m is not None and fix.accuracy_m > self._max_accuracy_m):
            return state
        at = happened_at(fix.at, heard_at)
        if heard_at - at > self._max_age:
            return state
        for watched in self._watched:
            fence = watched.view.fence
            old = state.tracks.get(fence) or UNSEEN
            seen = watched.limits.judge(watched.shape.signed_distance_m(lat, lon))
            new, act = on_fix(old, seen, at=at, heard_at=heard_at, dwell=self._dwell)
            if new is old:
                continue
            sightings = state.sightings
            if seen == "beyond" and (new.place == "leaving" or act == "raise"):
                distance_m = round(watched.shape.exact_distance_m(lat, lon), 1)
                sightings = {**sightings, fence: Sighting(lat=lat, lon=lon, distance_m=distance_m)}
            state = FenceState(tracks={**state.tracks, fence: new}, sightings=sightings)
            effects.extend(self._order(watched, state, act, at))
        return state

    def _on_timer(self, state: FenceState, event: TimerDue) -> tuple[FenceState, tuple[Effect, ...]]:
        for watched in self._watched:
            fence = watched.view.fence
            old = state.tracks.get(fence)
            if old is None or event.name != TIMER + fence:
                continue
            new, act = on_timer(old, event.due_at)
            if new is not old:
                state = FenceState(tracks={**state.tracks, fence: new}, sightings=state.sightings)
                return state, self._order(watched, state, act, event.due_at)
        return state, ()

    def _order(self, watched: Watched, state: FenceState, act: Act, at: datetime) -> tuple[Effect, ...]:
        """Turn what the table says into orders."""
        timer = TIMER + watched.view.fence
        track = state.tracks[watched.view.fence]
        if act == "start" and track.due_at is not None:
            return (SetTimer(name=timer, due_at=track.due_at),)
        if act in ("stop", "back"):
            return (ClearTimer(name=timer),)
        if act == "raise":
            return (ClearTimer(name=timer), RaiseAlarm(alarm=self._alarm(watched, state, at)))
        return ()

    def _alarm(self, watched: Watched, state: FenceState, at: datetime) -> Alarm:
        fence = watched.view.fence
        sighting = state.sightings[fence]
        began = state.tracks[fence].since or at
        return Alarm(
            alarm_id=f"fence.{self._wearer}.{fence}.{milliseconds(began)}",
            wearer=self._wearer,
            kind="fence",
            severity="critical",
            why=Why(
                code="fence_exit",
                value=sighting.distance_m,
                limit=watched.limits.exit_margin_m,
                unit="m",
                place=watched.view.name,
            ),
            at=at,
            lat=sighting.lat,
            lon=sighting.lon,
        )


UNSEEN = Track()


RULE = FenceRule
