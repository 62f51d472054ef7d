"""Where a wearer stands towards one fence: one literal, total table; pure, standard library only.

In words:

- A fix is `beyond` when it lies farther outside than the exit margin,
  `within` when it is nearer than the margin less the hysteresis, and `edge` between the two.
- A fix that is invalid, too vague or impossible is `unsure` and never moves anything.
- The first `beyond` starts `leaving`; when the dwell has passed and no fix came `within`,
  the wearer is `outside` and the exit is raised, once.
- The first `within` after that starts `returning`; when the dwell has passed and no fix came `beyond`,
  the wearer is `inside` again and the next exit can be raised.
- `dwelt` says that the dwell has passed: a later fix shows it by its own time,
  or the durable timer set at the start does, so a band that falls silent outside still raises.
- A wearer first seen outside is `leaving` like any other, so an initial outside raises after the dwell.
- A fix that is not newer than the last one used is a duplicate or came late, and is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, get_args

Place = Literal["unknown", "inside", "leaving", "outside", "returning"]
Seen = Literal["unsure", "within", "edge", "beyond", "dwelt"]
Act = Literal["ignore", "note", "start", "stop", "raise", "back"]
"""ignore: nothing; note: remember this fix; start: the dwell begins; stop: it was nothing, the dwell ends;
raise: the wearer has left; back: the wearer has come back."""

PLACES: tuple[Place, ...] = get_args(Place)
SEEN: tuple[Seen, ...] = get_args(Seen)

NO_POSITION = "no position to judge"
NO_DWELL = "no dwell is running"
STEADY = "nothing new"
UNDECIDED = "between the two limits"

TABLE: MappingProxyType[tuple[Place, Seen], tuple[Place, Act, str]] = MappingProxyType(
    {
        ("unknown", "unsure"): ("unknown", "ignore", NO_POSITION),
        ("unknown", "within"): ("inside", "note", "first seen at home"),
        ("unknown", "edge"): ("unknown", "ignore", UNDECIDED),
        ("unknown", "beyond"): ("leaving", "start", "first seen outside"),
        ("unknown", "dwelt"): ("unknown", "ignore", NO_DWELL),
        ("inside", "unsure"): ("inside", "ignore", NO_POSITION),
        ("inside", "within"): ("inside", "ignore", STEADY),
        ("inside", "edge"): ("inside", "ignore", UNDECIDED),
        ("inside", "beyond"): ("leaving", "start", "past the exit margin"),
        ("inside", "dwelt"): ("inside", "ignore", NO_DWELL),
        ("leaving", "unsure"): ("leaving", "ignore", NO_POSITION),
        ("leaving", "within"): ("inside", "stop", "back before the dwell was over"),
        ("leaving", "edge"): ("leaving", "ignore", UNDECIDED),
        ("leaving", "beyond"): ("leaving", "note", "still outside"),
        ("leaving", "dwelt"): ("outside", "raise", "outside for the whole dwell"),
        ("outside", "unsure"): ("outside", "ignore", NO_POSITION),
        ("outside", "within"): ("returning", "start", "inside by the hysteresis"),
        ("outside", "edge"): ("outside", "ignore", UNDECIDED),
        ("outside", "beyond"): ("outside", "ignore", STEADY),
        ("outside", "dwelt"): ("outside", "ignore", NO_DWELL),
        ("returning", "unsure"): ("returning", "ignore", NO_POSITION),
        ("returning", "within"): ("returning", "note", "still inside"),
        ("returning", "edge"): ("returning", "ignore", UNDECIDED),
        ("returning", "beyond"): ("outside", "stop", "out again before the dwell was over"),
        ("returning", "dwelt"): ("inside", "back", "inside for the whole dwell"),
    }
)

NOTE_EVERY = timedelta(seconds=60)
"""While nothing changes, the time of the last fix is rewritten only this often, to spare the disk.

A fix that comes late by less than this, and was never seen, may therefore still be used.
"""
TIMER_SLACK = timedelta(seconds=1)
"""A timer this much before the wanted one is still the wanted one (stores round times)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Metres beyond the border that count as left, metres to come back by, and how long either must last."""

    exit_margin_m: float
    hysteresis_m: float
    dwell: timedelta

    def judge(self, distance_m: float) -> Seen:
        """Give what a good fix shows; `distance_m` is signed, negative inside."""
        if distance_m > self.exit_margin_m:
            return "beyond"
        return "within" if distance_m <= self.exit_margin_m - self.hysteresis_m else "edge"


SET_BACK = timedelta(hours=1)
"""A last fix so far in the future was heard under a clock of ours that was wrong: time begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One wearer and one fence.

    `since` is the fix time at which the present place began, `last_at` that of the last fix used,
    `due_at` when the running dwell ends at the latest, by the gateway's clock.
    """

    place: Place = "unknown"
    since: datetime | None = None
    last_at: datetime | None = None
    due_at: datetime | None = None


def on_fix(
    track: Track, seen: Seen, *, at: datetime, heard_at: datetime, dwell: timedelta
) -> tuple[Track, Act]:
    """Judge one fix taken `at` and heard by the gateway `heard_at`.

    Gives the same track, and "ignore", when nothing worth remembering changed.
    """
    if track.last_at is not None and track.last_at - heard_at > SET_BACK:
        due_at = None if track.due_at is None else heard_at + dwell
        track = Track(place=track.place, since=at, due_at=due_at)
    last_at = track.last_at
    if seen == "unsure" or (last_at is not None and at <= last_at):
        return track, "ignore"
    place, act, _ = TABLE[track.place, seen]
    if act == "ignore" and place not in {"leaving", "returning"}:
        if last_at is None or at - last_at >= NOTE_EVERY:
            track = Track(place=place, since=track.since, last_at=at)
        return track, "ignore"
    if act == "start":
        track = Track(place=place, since=at, last_at=at, due_at=heard_at + dwell)
    elif place == track.place:
        track = replace(track, last_at=at)
    else:
        track = Track(place=place, since=at, last_at=at)
    if track.due_at is not None and track.since is not None and at - track.since >= dwell:
        return _dwelt(track)
    return track, act


def on_timer(track: Track, due_at: datetime) -> tuple[Track, Act]:
    """The dwell timer set for `due_at` rang; a timer of an earlier dwell is ignored."""
    if track.due_at is None or due_at < track.due_at - TIMER_SLACK:
        return track, "ignore"
    return _dwelt(track)


def _dwelt(track: Track) -> tuple[Track, Act]:
    place, act, _ = TABLE[track.place, "dwelt"]
    if act == "ignore":
        return track, act
    return replace(track, place=place, due_at=None), act


def diagram() -> str:
    """Draw the table as a Mermaid state diagram; every row that is not ignored is an arrow."""
    lines = ["stateDiagram-v2", "    [*] --> unknown"]
    lines += [
        f"    {place} --> {after}: {seen} / {act} ({why})"
        for (place, seen), (after, act, why) in TABLE.items()
        if act != "ignore"
    ]
    return "\n".join(lines)
