"""Raises when a wearer has left a fence: `geofence.tracker` over each of the wearer's fences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.fences import shape_of
from gateway.model import FenceSuspension, FenceView, Fix, WearerView, WhyReading
from gateway.rules import fence_adopt, fence_alarms, fence_suspensions
from gateway.rules.base import NOTHING, RuleEvent, TimerDue
from gateway.rules.fence_alarms import Sighting
from gateway.rules.fence_calm import NOWHERE, UNQUIET, Quiet, calm_around, quiet_in
from gateway.rules.moment import happened_at
from gateway.rules.position import is_position
from geofence.certainty import Certainty, certainty
from geofence.schedule import Line, counts, parse_line
from geofence.shape import Box, FenceShape
from geofence.tracker import NOTE_EVERY, Act, Limits, Seen, Track, noted, on_fix, on_timer, switch_off

TIMER = "dwell:"
"""The timer of a fence is this and the fence's id."""
NEAR_REACH_M = 15.0
"""Fixes that need more metres than this to be sure are measured exactly, however far they are."""

Metres = Annotated[float, msgspec.Meta(ge=0, le=5_000)]
Accuracy = Annotated[float, msgspec.Meta(gt=0, le=10_000)]


class FenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.fence]; what a fence says of itself wins over what stands here.

    exit_margin_m: metres beyond the border that count as left (of a fence to keep out: 0 unless its own).
    hysteresis_m: metres nearer than that to count as back.
    dwell_s: seconds it must last, out or back.
    gnss_accuracy_m, wifi_accuracy_m, cell_accuracy_m: 68 % radius of fixes that name none, by their source.
    max_accuracy_m: fixes vaguer than this are not judged at all.
    max_event_age_s: older fixes fill the history only.
    holidays: public days off, for schedules that name them; `data/holidays.toml` where left out.
    """

    exit_margin_m: Metres = 20.0
    hysteresis_m: Metres = 10.0
    dwell_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 10.0
    gnss_accuracy_m: Accuracy = 10.0
    wifi_accuracy_m: Accuracy = 40.0
    cell_accuracy_m: Accuracy = 500.0
    max_accuracy_m: Accuracy = 1_000.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    holidays: tuple[date, ...] = ()


class FenceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By fence id: the track, and where the wearer was last seen past the border; what is suspended.

    `drawn`: the border and limits the tracks are of, a number a fence (`gateway.rules.fence_adopt`).
    """

    tracks: dict[str, Track] = {}
    sightings: dict[str, Sighting] = {}
    suspensions: tuple[FenceSuspension, ...] = ()
    drawn: dict[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One fence made ready: its view, its shape with the box around it, its limits and when it counts.

    `side` is 1 for a fence to keep in, -1 for one to keep out of;
    beyond `far_m` from the border, to either side, lies no line of its limits.
    """

    view: FenceView
    shape: FenceShape
    limits: Limits
    schedule: tuple[Line, ...]
    side: float
    far_m: float
    box: Box

    def breach_m(self, fix: Fix, sure: Certainty) -> float:
        """Give the metres past the border: exact where it makes a difference to a fix so sure."""
        breach_m = self.side * self.shape.signed_distance_m(fix.lat, fix.lon)
        if sure.reach_m > NEAR_REACH_M and abs(breach_m) < self.far_m + sure.reach_m:
            return self.exact_breach_m(fix)
        return breach_m

    def exact_breach_m(self, fix: Fix) -> float:
        """Give the exact metres past the border."""
        return self.side * self.shape.exact_distance_m(fix.lat, fix.lon)


class FenceRule:
    """Watches every fence of one wearer; raises ValueError when built with a fence that is none."""

    name: ClassVar[str] = "fence"
    Settings: ClassVar[type[FenceSettings]] = FenceSettings
    State: ClassVar[type[FenceState]] = FenceState
    hears: frozenset[type] | None = frozenset({Fix})

    def __init__(self, wearer: WearerView, settings: FenceSettings) -> None:
        self._wearer = wearer.wearer
        self._max_accuracy_m = settings.max_accuracy_m
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        self._holidays = frozenset(settings.holidays)
        self._accuracy_of = {
            None: settings.gnss_accuracy_m,
            "gnss": settings.gnss_accuracy_m,
            "wifi": settings.wifi_accuracy_m,
            "cell": settings.cell_accuracy_m,
        }
        self._watched = tuple(watch(view, settings) for view in wearer.fences)
        self._calm, self._quiet = NOWHERE, UNQUIET
        if not self._watched:
            self.hears = NOTHING

    def initial(self) -> FenceState:
        """Give the state of a wearer never seen: where they are is unknown."""
        return FenceState()

    def step(
        self, state: FenceState, event: RuleEvent, now: datetime
    ) -> tuple[FenceState, tuple[Effect, ...]]:
        """Judge a frame's fixes in the order they were taken, or a dwell or a suspension that is over."""
        del now  # the frame and the timer carry their own times, so that a replay gives the same
        if isinstance(event, TimerDue):
            return self._on_timer(state, event)
        if not self._watched or event.uplink.backlog:
            return state, ()
        heard_at = event.received_at
        fixes = [reading for reading in event.uplink.readings if type(reading) is Fix]
        if len(fixes) == 1 and (after := self._at_once(state, fixes[0], heard_at)) is not None:
            return after, ()
        taken = [(happened_at(fix.at, heard_at), fix) for fix in fixes if is_position(fix)]
        if len(taken) > 1:
            taken.sort(key=lambda one: one[0])
        effects: list[Effect] = []
        for at, fix in taken:
            if heard_at - at <= self._max_age:
                state = self._on_fix(state, fix, at, heard_at, effects)
        return state, tuple(effects)

    def _at_once(self, state: FenceState, fix: Fix, heard_at: datetime) -> FenceState | None:
        """Give the state after a fix that tells no fence anything new; None when that has to be looked at."""
        known, since, until, seen, lasting = self._quiet
        told_m = fix.accuracy_m
        if known is not state or not fix.valid or (told_m is not None and told_m > self._max_accuracy_m):
            return None
        at, calm = happened_at(fix.at, heard_at), self._calm
        if at < since or seen != calm.seen or not calm.holds(fix, self._accuracy_m(fix)):
            return None
        if at < until:
            return state
        return self._noted(state, at) if lasting and heard_at - at <= self._max_age else None

    def _noted(self, state: FenceState, at: datetime) -> FenceState:
        """Give the state with the time of a fix that tells nothing else, where it is due to be written."""
        tracks, oldest = dict(state.tracks), at
        for watched in self._watched:
            track = tracks[watched.view.fence]
            tracks[watched.view.fence] = new = noted(track, at)
            if new is track and track.last_at is not None:
                oldest = min(oldest, track.last_at)
        state = replace(state, tracks=tracks)
        self._quiet = Quiet(state, at, oldest + NOTE_EVERY, self._quiet.seen, lasting=True)
        return state

    def _accuracy_m(self, fix: Fix) -> float:
        """Give the radius that holds the wearer with 68 %, also of a fix that names none."""
        told_m = fix.accuracy_m
        return told_m if told_m is not None and told_m > 0 else self._accuracy_of[fix.source]

    # ------------------------------------------------------------------ other fences

    def adopt(self, state: FenceState, now: datetime) -> tuple[FenceState, tuple[Effect, ...]]:
        """Carry over what was known of the wearer under other fences, as far as it holds under these."""
        return fence_adopt.adopted(state, self._watched, now)

    # ------------------------------------------------------------------ suspensions

    def suspend(
        self, state: FenceState, order: FenceSuspension, now: datetime
    ) -> tuple[FenceState, tuple[Effect, ...]]:
        """Let fences not count until a time; an order for the same fences before is replaced.

        Raises ValueError, in words, when there is no such fence or time.
        """
        fence_suspensions.check(order, self._fences(), now)
        suspensions = fence_suspensions.added(state.suspensions, order)
        tracks = dict(state.tracks)
        effects: list[Effect] = [fence_suspensions.timer(order)]
        for fence, track in state.tracks.items():
            if order.fence in ("", fence):
                tracks[fence], act = switch_off(track, now)
                if act == "stop":
                    effects.append(ClearTimer(name=TIMER + fence))
        return replace(state, tracks=tracks, suspensions=suspensions), tuple(effects)

    def resume(self, state: FenceState, fence: str, now: datetime) -> tuple[FenceState, tuple[Effect, ...]]:
        """Let a fence, or all of them (""), count again before its time.

        Raises ValueError, in words, when it is not suspended.
        """
        ended = fence_suspensions.named(state.suspensions, fence)
        effects = tuple(ClearTimer(name=fence_suspensions.TIMER + one.fence) for one in ended)
        return self._counts_again(state, ended, now), effects

    def _fences(self) -> tuple[str, ...]:
        return tuple(watched.view.fence for watched in self._watched)

    def _counts_again(
        self, state: FenceState, ended: tuple[FenceSuspension, ...], at: datetime
    ) -> FenceState:
        """End suspensions; what was seen before `at` is history, so the next fix taken after it judges."""
        names = {one.fence for one in ended}
        tracks = {
            fence: replace(track, last_at=max(track.last_at or at, at))
            if names & {"", fence} and track.place in ("off", "away")
            else track
            for fence, track in state.tracks.items()
        }
        left = tuple(one for one in state.suspensions if one not in ended)
        return replace(state, tracks=tracks, suspensions=left)

    # ------------------------------------------------------------------ fixes and timers

    def _counts(self, state: FenceState, watched: Watched, at: datetime) -> bool:
        fence = watched.view.fence
        if state.suspensions and fence_suspensions.suspended(state.suspensions, fence, at):
            return False
        return not watched.schedule or counts(watched.schedule, at, self._holidays)

    def _on_fix(
        self, state: FenceState, fix: Fix, at: datetime, heard_at: datetime, effects: list[Effect]
    ) -> FenceState:
        if fix.accuracy_m is not None and fix.accuracy_m > self._max_accuracy_m:
            return state
        accuracy_m = self._accuracy_m(fix)
        if not self._calm.holds(fix, accuracy_m):
            self._calm = calm_around(self._watched, fix, accuracy_m)
        if not self._quiet.holds(state, self._calm.seen, at):
            state = self._judged(state, fix, at, heard_at, effects)
            self._quiet = quiet_in(
                self._calm, self._watched, state, at, lambda watched: self._counts(state, watched, at)
            )
        return state

    def _judged(
        self, state: FenceState, fix: Fix, at: datetime, heard_at: datetime, effects: list[Effect]
    ) -> FenceState:
        """Give the state after a fix that is held against every fence."""
        sure, steady = certainty(self._accuracy_m(fix)), self._calm.seen
        tracks, sightings = state.tracks, state.sightings
        for number, watched in enumerate(self._watched):
            fence, limits = watched.view.fence, watched.limits
            old = tracks.get(fence) or UNSEEN
            seen: Seen
            if steady:
                seen = steady[number]
            else:
                seen = limits.judge(watched.breach_m(fix, sure), sure, place=old.place)
            steps = 0
            if seen == "beyond" and limits.escalate_m:
                steps = limits.passed(watched.exact_breach_m(fix), sure)
            new, acts = on_fix(
                old,
                seen,
                at=at,
                heard_at=heard_at,
                dwell=limits.dwell,
                steps=steps,
                counts=not (watched.schedule or state.suspensions) or self._counts(state, watched, at),
            )
            if new is old:
                continue
            tracks = {**tracks, fence: new}
            if seen == "beyond" and (new.place == "leaving" or "raise" in acts or "escalate" in acts):
                before = None if "start" in acts or old.place != "leaving" else sightings.get(fence)
                sighting = _sighting(fix, at, watched.exact_breach_m(fix)).then(before)
                sightings = {**sightings, fence: sighting}
            for act in acts:
                told = sightings.get(fence)
                if act in ("warn", "back"):
                    told = _sighting(fix, at, watched.exact_breach_m(fix))
                effects.extend(self._order(watched, new, told, act, at))
        if tracks is not state.tracks:
            state = replace(state, tracks=tracks, sightings=sightings)
        return state

    def _on_timer(self, state: FenceState, event: TimerDue) -> tuple[FenceState, tuple[Effect, ...]]:
        ended = fence_suspensions.due(state.suspensions, event)
        if ended:
            return self._counts_again(state, ended, ended[0].until), ()
        for watched in self._watched:
            fence = watched.view.fence
            old = state.tracks.get(fence)
            if old is None or event.name != TIMER + fence:
                continue
            new, act = on_timer(old, event.due_at, counts=self._counts(state, watched, event.due_at))
            if new is not old:
                state = replace(state, tracks={**state.tracks, fence: new})
                sighting = None if act in ("warn", "back") else state.sightings.get(fence)
                return state, self._order(watched, new, sighting, act, event.due_at)
        return state, ()

    def _order(
        self, watched: Watched, track: Track, sighting: Sighting | None, act: Act, at: datetime
    ) -> tuple[Effect, ...]:
        """Turn what the table says into orders; `sighting` is what an alarm or a notice rests on."""
        view, limits = watched.view, watched.limits
        timer, limit_m = TIMER + view.fence, limits.exit_margin_m
        match act:
            case "ignore" | "note":
                return ()
            case "start":
                return () if track.due_at is None else (SetTimer(name=timer, due_at=track.due_at),)
            case "stop":
                return (ClearTimer(name=timer),)
            case "escalate":
                limit_m = limits.escalate_m[track.steps - 1]
            case "warn":
                limit_m = limits.approach_m
        told = fence_alarms.alarm(act, view, track, sighting, wearer=self._wearer, at=at, limit_m=limit_m)
        clear = (ClearTimer(name=timer),) if act in ("raise", "back") else ()
        return (*clear, RaiseAlarm(alarm=told))


def watch(view: FenceView, settings: FenceSettings) -> Watched:
    """Make a fence ready; raises ValueError, in words for the installer, when something in it is wrong."""
    if not all(before < after for before, after in pairwise((0.0, *view.escalate_m))):
        raise ValueError("escalate_m are metres that rise, such as [300, 1000]")
    margin_m = view.exit_margin_m
    if margin_m <= 0:
        margin_m = settings.exit_margin_m if view.keep == "in" else 0.0
    hysteresis_m = settings.hysteresis_m if view.hysteresis_m is None else view.hysteresis_m
    limits = Limits(
        exit_margin_m=margin_m,
        hysteresis_m=hysteresis_m,
        dwell=timedelta(seconds=settings.dwell_s if view.dwell_s is None else view.dwell_s),
        approach_m=view.approach_m,
        escalate_m=view.escalate_m,
    )
    far_m = max(margin_m, view.approach_m) + hysteresis_m
    shape = shape_of(view, near_m=far_m + NEAR_REACH_M + 1.0)
    return Watched(
        view=view,
        shape=shape,
        limits=limits,
        schedule=tuple(map(parse_line, view.schedule)),
        side=1.0 if view.keep == "in" else -1.0,
        far_m=far_m,
        box=shape.box(0.0),
    )


def _sighting(fix: Fix, at: datetime, breach_m: float) -> Sighting:
    distance_m = round(breach_m, 1)
    reading = WhyReading(at=at, value=distance_m, accuracy_m=fix.accuracy_m)
    return Sighting(lat=fix.lat, lon=fix.lon, distance_m=distance_m, readings=(reading,))


UNSEEN = Track()


RULE = FenceRule
