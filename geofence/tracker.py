"""Where a wearer stands towards one fence: one literal, total table; pure.

A fence to keep in and a fence to keep out are one rule: the distance is counted from the border
towards where the wearer should not be, so `breach_m` is positive where it is wrong to be.
(The words "outside" and "beyond" below mean that side, also where the fence is a pond to keep out of.)

In words:

- A fix is `beyond` when the wearer is surely more than the exit margin past the border,
  `farther` when it is so and surely past a threshold of the escalation that no fix has passed before,
  `within` when the wearer surely is not, and nearer than the margin less the hysteresis,
  `near` when that is so and the border is nearer than the approach distance, `edge` between the two limits.
- "Surely" is a probability (see `geofence.certainty`); a fix that allows neither is `unsure`,
  and like one that is invalid it never moves anything: it never alarms, and it never hides.
- The first `beyond` starts `leaving`; when the dwell has passed and no fix came `within`,
  the wearer is `outside` and the exit is raised, once. `farther` while outside escalates, once a threshold.
- The first `within` after that starts `returning`; when the dwell has passed and no fix came `beyond`,
  the return is told and the next exit can be raised.
- Coming `near` from farther inside warns once; the next warning needs a fix well inside again.
- `dwelt` says that the dwell has passed: a later fix shows it by its own time,
  or the durable timer set at the start does, so a band that falls silent outside still raises.
- A wearer first seen outside is `leaving` like any other, so an initial outside raises after the dwell.
- A fix that is not newer than the last one used is a duplicate or came late, and is ignored.
- While a fence does not count (its schedule, a suspension) it is `off` and raises nothing.
  Of a wearer who was outside by then (`away`) the return is still told, at the first fix within.
  When it counts again (`on`) nothing is known of the wearer:
  whoever is outside then is first seen outside, and raised after the dwell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, get_args

import msgspec
from msgspec.structs import replace

from geofence.certainty import Certainty

Place = Literal["unknown", "inside", "near", "leaving", "outside", "returning", "off", "away"]
Seen = Literal["unsure", "within", "near", "edge", "beyond", "farther", "dwelt", "off", "on"]
Act = Literal["ignore", "note", "start", "stop", "raise", "escalate", "back", "warn"]
"""ignore: nothing; note: remember this fix; start: the dwell begins; stop: it was nothing, the dwell ends;
raise: the wearer has left; escalate: and is farther away now; back: the wearer has come back;
warn: the wearer is about to leave."""

PLACES: tuple[Place, ...] = get_args(Place)
SEEN: tuple[Seen, ...] = get_args(Seen)
SETTLED = frozenset({"unknown", "inside", "near", "outside", "off", "away"})
"""Where no dwell runs."""
UNCOUNTED = frozenset({"off", "away"})

NO_POSITION = "no position to judge"
NO_DWELL = "no dwell is running"
STEADY = "nothing new"
UNDECIDED = "between the two limits"
COUNTS = "it counts already"
ASLEEP = "the fence does not count now"

TABLE: MappingProxyType[tuple[Place, Seen], tuple[Place, Act, str]] = MappingProxyType(
    {
        ("unknown", "unsure"): ("unknown", "ignore", NO_POSITION),
        ("unknown", "within"): ("inside", "note", "first seen at home"),
        ("unknown", "near"): ("near", "note", "first seen near the border"),
        ("unknown", "edge"): ("unknown", "ignore", UNDECIDED),
        ("unknown", "beyond"): ("leaving", "start", "first seen outside"),
        ("unknown", "farther"): ("leaving", "start", "first seen far outside"),
        ("unknown", "dwelt"): ("unknown", "ignore", NO_DWELL),
        ("unknown", "off"): ("off", "note", "stops counting"),
        ("unknown", "on"): ("unknown", "ignore", COUNTS),
        ("inside", "unsure"): ("inside", "ignore", NO_POSITION),
        ("inside", "within"): ("inside", "ignore", STEADY),
        ("inside", "near"): ("near", "warn", "nears the border"),
        ("inside", "edge"): ("inside", "ignore", UNDECIDED),
        ("inside", "beyond"): ("leaving", "start", "past the exit margin"),
        ("inside", "farther"): ("leaving", "start", "far past the exit margin"),
        ("inside", "dwelt"): ("inside", "ignore", NO_DWELL),
        ("inside", "off"): ("off", "note", "stops counting"),
        ("inside", "on"): ("inside", "ignore", COUNTS),
        ("near", "unsure"): ("near", "ignore", NO_POSITION),
        ("near", "within"): ("inside", "note", "well inside again"),
        ("near", "near"): ("near", "ignore", STEADY),
        ("near", "edge"): ("near", "ignore", UNDECIDED),
        ("near", "beyond"): ("leaving", "start", "past the exit margin"),
        ("near", "farther"): ("leaving", "start", "far past the exit margin"),
        ("near", "dwelt"): ("near", "ignore", NO_DWELL),
        ("near", "off"): ("off", "note", "stops counting"),
        ("near", "on"): ("near", "ignore", COUNTS),
        ("leaving", "unsure"): ("leaving", "ignore", NO_POSITION),
        ("leaving", "within"): ("inside", "stop", "back before the dwell was over"),
        ("leaving", "near"): ("near", "stop", "back before the dwell was over"),
        ("leaving", "edge"): ("leaving", "ignore", UNDECIDED),
        ("leaving", "beyond"): ("leaving", "note", "still outside"),
        ("leaving", "farther"): ("leaving", "note", "still outside, and farther"),
        ("leaving", "dwelt"): ("outside", "raise", "outside for the whole dwell"),
        ("leaving", "off"): ("off", "stop", "stops counting before the dwell was over"),
        ("leaving", "on"): ("leaving", "ignore", COUNTS),
        ("outside", "unsure"): ("outside", "ignore", NO_POSITION),
        ("outside", "within"): ("returning", "start", "inside by the hysteresis"),
        ("outside", "near"): ("returning", "start", "inside by the hysteresis"),
        ("outside", "edge"): ("outside", "ignore", UNDECIDED),
        ("outside", "beyond"): ("outside", "ignore", STEADY),
        ("outside", "farther"): ("outside", "escalate", "past the next threshold"),
        ("outside", "dwelt"): ("outside", "ignore", NO_DWELL),
        ("outside", "off"): ("away", "note", "stops counting, the exit stands"),
        ("outside", "on"): ("outside", "ignore", COUNTS),
        ("returning", "unsure"): ("returning", "ignore", NO_POSITION),
        ("returning", "within"): ("returning", "note", "still inside"),
        ("returning", "near"): ("returning", "note", "still inside"),
        ("returning", "edge"): ("returning", "ignore", UNDECIDED),
        ("returning", "beyond"): ("outside", "stop", "out again before the dwell was over"),
        ("returning", "farther"): ("outside", "stop", "out again before the dwell was over"),
        ("returning", "dwelt"): ("near", "back", "inside for the whole dwell"),
        ("returning", "off"): ("away", "stop", "stops counting, the exit stands"),
        ("returning", "on"): ("returning", "ignore", COUNTS),
        ("off", "unsure"): ("off", "ignore", NO_POSITION),
        ("off", "within"): ("off", "ignore", ASLEEP),
        ("off", "near"): ("off", "ignore", ASLEEP),
        ("off", "edge"): ("off", "ignore", ASLEEP),
        ("off", "beyond"): ("off", "ignore", ASLEEP),
        ("off", "farther"): ("off", "ignore", ASLEEP),
        ("off", "dwelt"): ("off", "ignore", NO_DWELL),
        ("off", "off"): ("off", "ignore", STEADY),
        ("off", "on"): ("unknown", "note", "counts again"),
        ("away", "unsure"): ("away", "ignore", NO_POSITION),
        ("away", "within"): ("off", "back", "back, though nobody counts"),
        ("away", "near"): ("off", "back", "back, though nobody counts"),
        ("away", "edge"): ("away", "ignore", ASLEEP),
        ("away", "beyond"): ("away", "ignore", ASLEEP),
        ("away", "farther"): ("away", "ignore", ASLEEP),
        ("away", "dwelt"): ("away", "ignore", NO_DWELL),
        ("away", "off"): ("away", "ignore", STEADY),
        ("away", "on"): ("unknown", "note", "counts again"),
    }
)

NOTE_EVERY = timedelta(seconds=60)
"""While nothing changes, the time of the last fix is rewritten only this often, to spare the disk.

A fix that comes late by less than this, and was never seen, may therefore still be used.
"""
TIMER_SLACK = timedelta(seconds=1)
"""A timer this much before the wanted one is still the wanted one (stores round times)."""
SET_BACK = timedelta(hours=1)
"""A last fix so far in the future was heard under a clock of ours that was wrong: time begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Metres past the border that count as left, metres to come back by, and how long either must last.

    `approach_m`: metres before the border that warn, 0 for no warning.
    `escalate_m`: metres past the border that raise again, rising.
    """

    exit_margin_m: float
    hysteresis_m: float
    dwell: timedelta
    approach_m: float = 0.0
    escalate_m: tuple[float, ...] = ()

    def judge(self, breach_m: float, sure: Certainty, *, place: Place = "unknown") -> Seen:
        """Give what a good fix shows of a wearer so far in `place`; `breach_m` is positive past the border.

        Of what is past the margin only `beyond`: `passed` says what it escalates.
        """
        past_m, reach_m = breach_m - self.exit_margin_m, sure.reach_m
        if past_m > reach_m:
            return "beyond"
        if past_m > -reach_m:
            return "unsure"
        if past_m > -self.hysteresis_m:
            return "edge"
        if self.approach_m:
            if sure.past(breach_m, -self.approach_m):
                return "near"
            if place == "near" and not sure.before(breach_m, -self.approach_m - self.hysteresis_m):
                return "near"
        return "within"

    def passed(self, breach_m: float, sure: Certainty) -> int:
        """Give how many thresholds of the escalation a fix is surely past."""
        return sum(sure.past(breach_m, threshold_m) for threshold_m in self.escalate_m)


class Track(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wearer and one fence; a Struct, because one is made at every few fixes and written.

    `since` is the fix time at which the present place began, `last_at` that of the last fix used,
    `due_at` when the running dwell ends at the latest, by the gateway's clock;
    `steps` how many thresholds of the escalation were passed since the wearer left.
    """

    place: Place = "unknown"
    since: datetime | None = None
    last_at: datetime | None = None
    due_at: datetime | None = None
    steps: int = 0


def on_fix(
    track: Track,
    seen: Seen,
    *,
    at: datetime,
    heard_at: datetime,
    dwell: timedelta,
    steps: int = 0,
    counts: bool = True,
) -> tuple[Track, tuple[Act, ...]]:
    """Judge one fix taken `at` and heard by the gateway `heard_at`; gives what is to be done, in order.

    `steps`: how many thresholds of the escalation it is past; `counts`: whether the fence counts then.
    Gives the same track, and nothing to do, when nothing worth remembering changed.
    """
    if track.last_at is not None and track.last_at - heard_at > SET_BACK:
        due_at = None if track.due_at is None else heard_at + dwell
        track = Track(place=track.place, since=at, due_at=due_at, steps=track.steps)
    if seen == "unsure" or (track.last_at is not None and at <= track.last_at):
        return track, ()
    acts: tuple[Act, ...] = ()
    if counts is (track.place in UNCOUNTED):
        track, act = _switch(track, counts=counts, at=at)
        acts = _done(act)
    track, act = _moved(track, seen, at=at, heard_at=heard_at, dwell=dwell, steps=steps)
    return track, acts if act == "ignore" else acts + _done(act)


def changes_nothing(track: Track, seen: Seen, *, counts: bool) -> bool:
    """Whether a fix that shows this changes nothing but, now and then, the time of the last one."""
    place = track.place
    return place in SETTLED and counts is (place not in UNCOUNTED) and TABLE[place, seen][1] == "ignore"


def _done(act: Act) -> tuple[Act, ...]:
    return () if act in ("ignore", "note") else (act,)


def _switch(track: Track, *, counts: bool, at: datetime) -> tuple[Track, Act]:
    if counts is (track.place not in UNCOUNTED):
        return track, "ignore"
    place, act, _ = TABLE[track.place, "on" if counts else "off"]
    since = track.since if place == "away" else at
    last_at = at if track.last_at is None else max(at, track.last_at)  # what was before is history now
    return Track(place=place, since=since, last_at=last_at, steps=0 if counts else track.steps), act


def _moved(
    track: Track, seen: Seen, *, at: datetime, heard_at: datetime, dwell: timedelta, steps: int
) -> tuple[Track, Act]:
    if seen == "beyond" and steps > track.steps:
        seen = "farther"
    place, act, _ = TABLE[track.place, seen]
    if act == "ignore" and track.place in SETTLED:
        return noted(track, at), act
    most = max(steps, track.steps)
    if act == "start":
        track = Track(place=place, since=at, last_at=at, due_at=heard_at + dwell, steps=most)
    elif place == track.place:
        track = replace(track, last_at=at, steps=most)
    else:
        track = Track(place=place, since=at, last_at=at, steps=most if place == "outside" else 0)
    if track.due_at is not None and track.since is not None and at - track.since >= dwell:
        return _dwelt(track)
    return track, act


def noted(track: Track, at: datetime) -> Track:
    """Give the track of a wearer of whom nothing is new after a fix taken `at`: the same but now and then."""
    if track.last_at is not None and at - track.last_at < NOTE_EVERY:
        return track
    return replace(track, last_at=at)


def on_timer(track: Track, due_at: datetime, *, counts: bool = True) -> tuple[Track, Act]:
    """The dwell timer set for `due_at` rang; a timer of an earlier dwell is ignored.

    A fence that does not count by then (`counts`) is switched off instead.
    """
    if track.due_at is None or due_at < track.due_at - TIMER_SLACK:
        return track, "ignore"
    return _dwelt(track) if counts else _switch(track, counts=False, at=due_at)


def switch_off(track: Track, at: datetime) -> tuple[Track, Act]:
    """The fence stops counting `at` that time, whether a fix comes or not."""
    return _switch(track, counts=False, at=at)


def _dwelt(track: Track) -> tuple[Track, Act]:
    place, act, _ = TABLE[track.place, "dwelt"]
    if act == "ignore":
        return track, act
    return replace(track, place=place, due_at=None, steps=track.steps if act == "raise" else 0), act


def diagram() -> str:
    """Draw the table as a Mermaid state diagram; every row that is not ignored is an arrow."""
    lines = ["stateDiagram-v2", "    [*] --> unknown"]
    lines += [
        f"    {place} --> {after}: {seen} / {act} ({why})"
        for (place, seen), (after, act, why) in TABLE.items()
        if act != "ignore"
    ]
    return "\n".join(lines)
