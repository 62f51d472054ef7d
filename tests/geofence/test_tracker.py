"""The table is total, and what it does over whole walks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.certainty import certainty
from geofence.tracker import (
    PLACES,
    SEEN,
    TABLE,
    UNCOUNTED,
    Limits,
    Track,
    diagram,
    on_fix,
    on_timer,
    switch_off,
)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LIMITS = Limits(exit_margin_m=20, hysteresis_m=10, dwell=timedelta(seconds=10))
WATCHFUL = Limits(
    exit_margin_m=20,
    hysteresis_m=10,
    dwell=timedelta(seconds=10),
    approach_m=30,
    escalate_m=(300, 1000),
)
EXACT = certainty(0)
DOCS = Path(__file__).parents[2] / "docs" / "rules.md"


def walk(
    breaches_m: list[float | None],
    *,
    every_s: float = 5,
    track: Track | None = None,
    limits: Limits = LIMITS,
    sure=EXACT,
    off: frozenset[int] = frozenset(),
):
    """Fixes `every_s` apart, None for an unsure one, the fence not counting at the steps of `off`.

    Gives the tracks, and what was done at each.
    """
    track = track or Track()
    tracks, acts = [], []
    for step, breach_m in enumerate(breaches_m):
        at = START + timedelta(seconds=every_s * step)
        seen = "unsure" if breach_m is None else limits.judge(breach_m, sure, place=track.place)
        steps = limits.passed(breach_m, sure) if seen == "beyond" else 0
        track, done = on_fix(
            track, seen, at=at, heard_at=at, dwell=limits.dwell, steps=steps, counts=step not in off
        )
        tracks.append(track)
        acts.append(" ".join(done))
    return tracks, acts


def test_the_table_answers_every_place_and_every_sight():
    assert set(TABLE) == {(place, seen) for place in PLACES for seen in SEEN}
    for (place, _), (after, act, why) in TABLE.items():
        assert after in PLACES
        assert why
        assert act != "ignore" or after == place


def test_every_place_can_be_reached_and_left():
    steps = {(place, after) for (place, _), (after, _, _) in TABLE.items() if after != place}
    assert {after for _, after in steps} | {"unknown"} == set(PLACES)
    assert {place for place, _ in steps} == set(PLACES)


def test_an_unsure_fix_never_moves_anything():
    for place in PLACES:
        assert TABLE[place, "unsure"][:2] == (place, "ignore")


def test_nothing_is_raised_while_the_fence_does_not_count():
    for place in UNCOUNTED:
        acts = {act for (here, _), (_, act, _) in TABLE.items() if here == place}
        assert acts <= {"ignore", "note", "back"}


def test_the_diagram_in_the_docs_is_drawn_from_the_table():
    assert f"```mermaid\n{diagram()}\n```" in DOCS.read_text(encoding="utf-8")


def test_leaving_raises_once_after_the_dwell():
    tracks, acts = walk([-50, 30, 35, 40, 400, 900])
    assert acts == ["", "start", "", "raise", "", ""]
    assert [track.place for track in tracks][-3:] == ["outside"] * 3
    assert tracks[-1].since == START + timedelta(seconds=5)


def test_first_seen_outside_raises_after_the_dwell():
    assert walk([300, 300, 300])[1] == ["start", "", "raise"]


def test_coming_back_within_the_dwell_raises_nothing():
    assert walk([-50, 30, 5, 30, 5])[1] == ["", "start", "stop", "start", "stop"]


def test_between_the_two_limits_the_dwell_goes_on():
    assert walk([-50, 30, 15, 15])[1] == ["", "start", "", "raise"]


def test_coming_back_needs_the_hysteresis_and_the_dwell():
    _, acts = walk([-50, 30, 30, 30, 15, 9, 30, 9, 9, 9, 30])
    assert acts[4:] == ["", "start", "stop", "start", "", "back", "start"]


def test_a_dwell_of_zero_raises_with_the_first_fix_outside():
    zero = timedelta(0)
    track, acts = on_fix(Track(), "beyond", at=START, heard_at=START, dwell=zero)
    assert (track.place, track.due_at, acts) == ("outside", None, ("raise",))
    track, acts = on_fix(track, "within", at=START + timedelta(seconds=1), heard_at=START, dwell=zero)
    assert (track.place, acts) == ("near", ("back",))


def test_the_timer_raises_when_the_band_falls_silent_outside():
    track = walk([-50, 30])[0][-1]
    assert track.due_at == START + timedelta(seconds=15)
    after, act = on_timer(track, track.due_at)
    assert (after.place, act) == ("outside", "raise")
    assert on_timer(after, track.due_at) == (after, "ignore")


def test_a_timer_of_an_earlier_dwell_is_ignored():
    first = walk([-50, 30])[0][-1]
    track = walk([-50, 30, 5, 30])[0][-1]
    assert on_timer(track, first.due_at) == (track, "ignore")


def test_while_nothing_changes_the_same_track_is_given_for_a_minute():
    tracks, _ = walk([-50] * 25)
    assert len({id(track) for track in tracks}) == 3


# ------------------------------------------------------------------ approach and escalation


def test_an_approach_warns_once_until_the_wearer_was_well_inside_again():
    _, acts = walk([-80, -29, -20, -35, -29, -39, -29, -41, -29], limits=WATCHFUL)
    assert acts == ["", "warn", "", "", "", "", "", "", "warn"]


def test_who_is_first_seen_near_the_border_or_has_just_come_back_is_not_warned_of():
    assert walk([-20, -10, -5], limits=WATCHFUL)[1] == ["", "", ""]
    assert walk([200, 200, 200, -9, -9, -9, -9], limits=WATCHFUL)[1][3:] == ["start", "", "back", ""]


def test_every_threshold_raises_once_on_the_way_out():
    _, acts = walk([-50, 30, 40, 50, 299, 301, 900, 250, 400, 1200, 5000], limits=WATCHFUL)
    assert acts == ["", "start", "", "raise", "", "escalate", "", "", "", "escalate", ""]


def test_a_threshold_passed_before_the_exit_was_raised_is_told_by_the_exit_itself():
    tracks, acts = walk([-50, 400, 400, 400, 500, 1100], limits=WATCHFUL)
    assert acts == ["", "start", "", "raise", "", "escalate"]
    assert [track.steps for track in tracks] == [0, 1, 1, 1, 1, 2]


def test_two_thresholds_at_once_are_one_alarm():
    assert walk([-50, 30, 30, 30, 2000, 2000], limits=WATCHFUL)[1][4:] == ["escalate", ""]


def test_after_a_return_the_thresholds_begin_anew():
    _, acts = walk([30, 30, 30, 400, 0, 0, 0, 30, 30, 30, 400], limits=WATCHFUL)
    assert acts == ["start", "", "raise", "escalate", "start", "", "back", "start", "", "raise", "escalate"]


# ------------------------------------------------------------------ when it does not count


def test_outside_while_it_does_not_count_raises_nothing_and_then_after_the_dwell():
    _, acts = walk([-50, 200, 200, 200, 200, 200, 200], off=frozenset({1, 2, 3}))
    assert acts == ["", "", "", "", "start", "", "raise"]


def test_a_dwell_that_runs_when_it_stops_counting_ends():
    tracks, acts = walk([-50, 200, 200], off=frozenset({2}))
    assert acts == ["", "start", "stop"]
    assert tracks[-1].due_at is None


def test_a_raised_exit_stands_when_it_stops_counting_and_the_return_is_told():
    tracks, acts = walk([200, 200, 200, 200, 500, -50, -50], off=frozenset({3, 4, 5, 6}))
    assert acts == ["start", "", "raise", "", "", "back", ""]
    assert [track.place for track in tracks][2:] == ["outside", "away", "away", "off", "off"]


def test_who_is_still_outside_when_it_counts_again_is_raised_again():
    _, acts = walk([200, 200, 200, 200, 200, 200, 200], off=frozenset({3}))
    assert acts == ["start", "", "raise", "", "start", "", "raise"]


def test_a_dwell_timer_raises_nothing_when_it_does_not_count_by_then():
    track = walk([-50, 30])[0][-1]
    after, act = on_timer(track, track.due_at, counts=False)
    assert (after.place, after.due_at, act) == ("off", None, "stop")


def test_a_fix_sent_again_does_not_wake_a_fence_that_stopped_counting_since():
    track = walk([0, 0, 0], off=frozenset({2}))[0][-1]
    again = {"at": START + timedelta(seconds=5), "heard_at": START + timedelta(seconds=11)}
    assert on_fix(track, "within", dwell=LIMITS.dwell, **again) == (track, ())


@pytest.mark.parametrize("place", PLACES)
def test_switching_off_twice_is_as_once(place):
    once, _ = switch_off(Track(place=place, since=START), START)
    assert switch_off(once, START) == (once, "ignore")
    assert once.place in UNCOUNTED


# ------------------------------------------------------------------ properties

distances = st.one_of(st.none(), st.floats(-300, 1500))
accuracies = st.floats(0, 600)


@given(st.lists(st.floats(10.001, 20), max_size=40), st.sampled_from(sorted(set(PLACES) - UNCOUNTED)))
def test_noise_smaller_than_the_hysteresis_never_flaps(noise, place):
    """Wherever the wearer is, a wander that stays between the two limits changes nothing."""
    track = Track(place=place, since=START, last_at=START - timedelta(hours=1))
    tracks, acts = walk(list(noise), track=track)
    assert {t.place for t in tracks} <= {place}
    assert set(acts) <= {""}


@given(st.lists(distances, max_size=40), st.floats(0, 9.9), st.integers(-60, 60))
def test_a_wander_narrower_than_the_hysteresis_raises_and_warns_at_most_once(moves, width_m, centre_m):
    wander = [centre_m + (0 if m is None else m / 1500 * width_m / 2) for m in moves]
    acts = walk(wander, limits=WATCHFUL)[1]
    assert acts.count("raise") <= 1
    assert acts.count("warn") <= 1
    assert acts.count("back") == 0


@given(st.lists(st.floats(-400, 400), max_size=30), accuracies)
def test_unsure_never_alarms(breaches_m, accuracy_m):
    """Of fixes that are all less than 95 % sure to be past the margin, none raises, whatever was before."""
    sure = certainty(accuracy_m)
    vague = [b for b in breaches_m if not sure.past(b, LIMITS.exit_margin_m)]
    for place in ("unknown", "inside", "near"):
        _, acts = walk(vague, sure=sure, track=Track(place=place))
        assert not {"start", "raise", "escalate"} & set(acts)


@given(st.lists(distances, max_size=30))
def test_dropping_unsure_fixes_changes_nothing(moves):
    times = [START + timedelta(seconds=5 * k) for k in range(len(moves))]
    with_them = without = Track()
    for at, breach_m in zip(times, moves, strict=True):
        seen = "unsure" if breach_m is None else LIMITS.judge(breach_m, EXACT)
        with_them, _ = on_fix(with_them, seen, at=at, heard_at=at, dwell=LIMITS.dwell)
        if breach_m is not None:
            without, _ = on_fix(without, seen, at=at, heard_at=at, dwell=LIMITS.dwell)
    assert with_them == without


@given(st.lists(st.tuples(distances, st.booleans()), min_size=1, max_size=30), st.data())
def test_a_fix_seen_before_changes_nothing(moves, data):
    """Duplicates, and old fixes sent again in any number and order, while the fence counts or not."""
    track = Track()
    done = []
    for step, (breach_m, counts) in enumerate(moves):
        at = START + timedelta(seconds=5 * step)
        seen = "unsure" if breach_m is None else WATCHFUL.judge(breach_m, EXACT, place=track.place)
        track, _ = on_fix(track, seen, at=at, heard_at=at, dwell=LIMITS.dwell, counts=counts)
        done.append((seen, at, counts))
        for old_seen, old_at, old_counts in data.draw(st.lists(st.sampled_from(done), max_size=3)):
            if old_counts != counts:
                continue  # whether a fence counted then is asked of the schedule, which says the same again
            again, acts = on_fix(
                track, old_seen, at=old_at, heard_at=at, dwell=LIMITS.dwell, counts=old_counts
            )
            assert again.place == track.place
            assert acts == ()
            track = again


@given(st.lists(st.tuples(distances, st.booleans()), max_size=40))
def test_an_exit_is_raised_only_between_returns_while_it_counts(moves):
    off = frozenset(k for k, (_, counts) in enumerate(moves) if not counts)
    acts = walk([m for m, _ in moves], limits=WATCHFUL, off=off)[1]
    told = [act for act in acts if act in ("raise", "back")]
    if not off:
        assert all(act == ("raise", "back")[k % 2] for k, act in enumerate(told))
    assert all(k and told[k - 1] == "raise" for k, act in enumerate(told) if act == "back")
    assert not {act for k, act in enumerate(acts) if k in off} & {"raise", "escalate", "warn", "start"}
