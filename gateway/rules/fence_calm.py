"""Where a wearer may be, and until when, with no fence having anything to say; pure.

Most fixes are like the one before: the wearer is at home, far from every border.
Two things are remembered beside the state, both made from it and from the fences alone:

- `Calm`: so many metres around a fix every fence sees the same (`geofence.leeway`);
- `Quiet`: that a fix seen so leaves this very state as it is, from a time on and until another.

So what is answered from them is what measuring would answer; without them it only takes longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from gateway.model import Fix
from geofence.certainty import certainty
from geofence.leeway import MOST_M, Steady, at_least_m, leeway_m, scales_m
from geofence.tracker import NOTE_EVERY, changes_nothing

if TYPE_CHECKING:
    from gateway.rules.fence import FenceState, Watched

ROUGH_M = 15.0
"""A calm is made for fixes of this accuracy, in metres, where the one at hand is better."""
MINUTE = timedelta(minutes=1)
"""Schedules change on the minute."""
NEVER = datetime.min.replace(tzinfo=UTC)


class Calm(NamedTuple):
    """Around a place in degrees, what each fence sees of fixes of `accuracy_m` metres or better.

    Within the root of `square_m2` metres of it, where a degree is so many metres at most.
    """

    lat: float
    lon: float
    lat_m: float
    lon_m: float
    square_m2: float
    accuracy_m: float
    seen: tuple[Steady, ...]

    def holds(self, fix: Fix, accuracy_m: float) -> bool:
        """Whether a fix lies in it."""
        lat, lon, lat_m, lon_m, square_m2, rough_m, _ = self
        up_m, along_m = (fix.lat - lat) * lat_m, (fix.lon - lon) * lon_m
        return up_m * up_m + along_m * along_m < square_m2 and accuracy_m <= rough_m


NOWHERE = Calm(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ())


class Quiet(NamedTuple):
    """Fixes that show `seen`, taken from `since` on and before `until`, leave this very `state` as it is.

    `lasting`: after `until` too, but for the time of the last fix.
    """

    state: FenceState | None
    since: datetime
    until: datetime
    seen: tuple[Steady, ...]
    lasting: bool = False

    def holds(self, state: FenceState, seen: tuple[Steady, ...], at: datetime) -> bool:
        """Whether a fix leaves a state as it is."""
        return self.state is state and self.since <= at < self.until and self.seen == seen


UNQUIET = Quiet(None, NEVER, NEVER, ())


def calm_around(fences: Sequence[Watched], fix: Fix, accuracy_m: float) -> Calm:
    """Give the calm around a fix; `NOWHERE` when a border is too near, or the fix too vague."""
    rough_m = max(accuracy_m, ROUGH_M)
    sure = certainty(rough_m)
    seen: list[Steady] = []
    least_m = float("inf")
    for watched in fences:
        away_m = at_least_m(watched.shape, watched.box, fix.lat, fix.lon)
        found = leeway_m(watched.limits, watched.side * away_m, sure)
        if found is None:
            return NOWHERE
        seen.append(found[0])
        least_m = min(least_m, found[1])
    scales = scales_m(fix.lat, fix.lon)
    if scales is None or max(abs(fix.lat), abs(fix.lon)) < 1.0:  # (0, 0) is no position
        return NOWHERE
    return Calm(fix.lat, fix.lon, *scales, min(least_m, MOST_M) ** 2, rough_m, tuple(seen))


def quiet_in(
    calm: Calm, fences: Sequence[Watched], state: FenceState, at: datetime, counts: Callable[[Watched], bool]
) -> Quiet:
    """Give how long fixes in the calm leave a state as it is, after a fix taken `at`.

    `counts`: whether a fence counts at that time.
    `UNQUIET` when something runs: a dwell, a suspension, a fence never judged.
    """
    if calm is NOWHERE or state.suspensions:
        return UNQUIET
    used: list[datetime] = []
    scheduled = False
    for watched, seen in zip(fences, calm.seen, strict=True):
        track = state.tracks.get(watched.view.fence)
        if track is None or track.last_at is None or not changes_nothing(track, seen, counts=counts(watched)):
            return UNQUIET
        used.append(track.last_at)
        scheduled = scheduled or bool(watched.schedule)
    since, until = max(used), min(used) + NOTE_EVERY
    if scheduled:
        since = max(since, at)
        until = min(until, at.replace(second=0, microsecond=0) + MINUTE)
    return Quiet(state, since, until, calm.seen, not scheduled)
