"""Which measurements of a body are doubtful: the band was off the wrist, or the wearer was moving.

The same bounds as the gateway judges by (docs/rules.md, "What is worth judging"), over what was stored.
A doubtful measurement is shown as one, and counts in no percentile.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from portal.care.vitals.stats import Sample

MOVING_STEPS_PER_MIN = 60.0
"""A slow walk has 60 to 79 steps a minute, moderate effort begins at 100 (Tudor-Locke et al. 2018)."""
MOVING_M_S = (1.5, 6.0)
"""From a brisk walk up to a slow bicycle; what is faster is a vehicle, in which one sits."""
MOTION_SETTLES_MS = 120_000
OFF_WRIST_MS = 60_000
STEPS_APART_MS = 60_000
STEPS_FRESH_MS = 300_000
MINUTE_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """When the band said that it is not worn, and when the wearer moved; both rise."""

    off_ms: tuple[int, ...] = ()
    moving_ms: tuple[int, ...] = ()

    def doubtful(self, at_ms: int) -> bool:
        """Whether what was measured then says little of the body."""
        return _near(self.off_ms, at_ms, OFF_WRIST_MS) or _near(self.moving_ms, at_ms, MOTION_SETTLES_MS)


def doubts(off_ms: Sequence[int], fast_ms: Sequence[int], steps: Sequence[Sample]) -> Doubts:
    """Give the doubts of some time.

    `off_ms`: when the band said "not worn"; `fast_ms`: fixes of a speed within `MOVING_M_S`;
    `steps`: the counts. All rise in time.
    """
    return Doubts(off_ms=tuple(off_ms), moving_ms=tuple(sorted([*fast_ms, *_walking(steps)])))


def _walking(steps: Sequence[Sample]) -> list[int]:
    """When the count rose as fast as in a brisk walk."""
    found = []
    base: Sample | None = None
    for at_ms, count in steps:
        if base is None or count < base[1]:
            base = (at_ms, count)
            continue
        passed = at_ms - base[0]
        if passed < STEPS_APART_MS or count == base[1]:
            continue
        if (count - base[1]) * MINUTE_MS / min(passed, STEPS_FRESH_MS) >= MOVING_STEPS_PER_MIN:
            found.append(at_ms)
        base = (at_ms, count)
    return found


def _near(times: Sequence[int], at_ms: int, within_ms: int) -> bool:
    place = bisect_left(times, at_ms - within_ms)
    return place < len(times) and times[place] <= at_ms + within_ms
