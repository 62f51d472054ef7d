"""Which of many fences could have alarmed over many fixes: what is left out cannot have; pure.

A fence raises only after a fix that is surely past its margin (`geofence.tracker`), and fences know nothing
of each other: a fence that no fix was past raises nothing, whatever the order of the fixes.
So the rule needs to be stepped for the fences kept here alone, and gives exactly the same alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.model import Fix
from gateway.rules.fence import NEAR_REACH_M, FenceSettings, Watched
from geofence.certainty import Certainty, certainty
from geofence.index import Index

SLACK_M = 0.01
"""Fixes this much short of the line are kept too: numpy rounds otherwise than the rule."""

Floats = Any
"""A numpy array of float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixes:
    """Fixes the rule judges, as arrays of one length: degrees, and the metres each needs to be sure."""

    lats: Floats
    lons: Floats
    reach_m: Floats


def sure_of(fix: Fix, settings: FenceSettings) -> Certainty | None:
    """Give how sure the rule takes a fix to be; None for one it does not judge."""
    if fix.accuracy_m is None or not fix.accuracy_m > 0:
        return certainty(getattr(settings, f"{fix.source or 'gnss'}_accuracy_m"))
    return certainty(fix.accuracy_m) if fix.accuracy_m <= settings.max_accuracy_m else None


def fixes_of(fixes: Iterable[Fix], settings: FenceSettings) -> Fixes:
    """Give the fixes that are judged; they must be positions (`gateway.rules.position`)."""
    rows = [(fix.lat, fix.lon, sure.reach_m) for fix in fixes if (sure := sure_of(fix, settings)) is not None]
    lats, lons, reach_m = np.array(rows, dtype=float).reshape(-1, 3).T.copy()
    return Fixes(lats=lats, lons=lons, reach_m=reach_m)


def may_alarm(fences: Sequence[Watched], fixes: Fixes) -> tuple[Watched, ...]:
    """Give the fences some fix may be past the margin of, in their order."""
    if not fences or not len(fixes.lats):
        return ()
    out = [number for number, one in enumerate(fences) if one.side < 0]
    kept = _entered(fences, out, fixes) if out else set()
    kept |= {number for number, one in enumerate(fences) if one.side > 0 and _left(one, fixes)}
    return tuple(fences[number] for number in sorted(kept))


def _entered(fences: Sequence[Watched], out: Sequence[int], fixes: Fixes) -> set[int]:
    """The fences to keep out of that some fix may be in by more than the margin."""
    index = Index([fences[number].shape for number in out], near_m=1.0)
    margins_m = np.array([fences[number].limits.exit_margin_m for number in out])
    kept: set[int] = set()
    for places, numbers in index.near(fixes.lats, fixes.lons):
        deep_m = -index.signed_distances(fixes.lats, fixes.lons, (places, numbers))
        past = deep_m > margins_m[numbers] + _reach_m(fixes)[places] - SLACK_M
        kept |= {out[number] for number in np.unique(numbers[past]).tolist()}
    return kept


def _left(fence: Watched, fixes: Fixes) -> bool:
    """Whether some fix may be outside a fence by more than the margin."""
    lats, lons, margin_m = fixes.lats, fixes.lons, fence.limits.exit_margin_m
    south, north, west, east = fence.shape.box(margin_m + NEAR_REACH_M)
    if lats.min() <= south or lats.max() >= north or lons.min() <= west or lons.max() >= east:
        return True
    index = Index([fence.shape])
    pairs = np.arange(len(lats)), np.zeros(len(lats), dtype=np.int64)
    away_m = index.signed_distances(lats, lons, pairs)
    return bool((away_m > margin_m + _reach_m(fixes) - SLACK_M).any())


def _reach_m(fixes: Fixes) -> Floats:
    """What a fix needs to be sure, as far as a shape's distances can be relied on."""
    return np.minimum(fixes.reach_m, NEAR_REACH_M)
