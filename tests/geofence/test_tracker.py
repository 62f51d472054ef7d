"""The table is total, and what it does over whole walks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from geofence.tracker import PLACES, SEEN, TABLE, Limits, Track, diagram, on_fix, on_timer

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LIMITS = Limits(exit_margin_m=20, hysteresis_m=10, dwell=timedelta(seconds=10))
DOCS = Path(__file__).parents[2] / "docs" / "rules.md"


def walk(distances_m: list[float | None], *, every_s: float = 5, track: Track | None = None):
    """Fixes `every_s` apart, None for an unsure one; gives the tracks and what was done at each."""
    track = track or Track()
    tracks, acts = [], []
    for step, distance_m in enumerate(distances_m):
        at = START + timedelta(seconds=every_s * step)
        seen = "unsure" if distance_m is None else LIMITS.judge(distance_m)
        track, act = on_fix(track, seen, at=at, heard_at=at, dwell=LIMITS.dwell)
        tracks.append(track)
        acts.append(act)
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


def test_the_diagram_in_the_docs_is_drawn_from_the_table():
    assert f"```mermaid\n{diagram()}\n```" in DOCS.read_text(encoding="utf-8")


def test_leaving_raises_once_after_the_dwell():
    tracks, acts = walk([-50, 30, 35, 40, 400, 900])
    assert acts == ["note", "start", "note", "raise", "ignore", "ignore"]
    assert [track.place for track in tracks][-3:] == ["outside"] * 3
    assert tracks[-1].since == START + timedelta(seconds=5)


def test_first_seen_outside_raises_after_the_dwell():
    assert walk([300, 300, 300])[1] == ["start", "note", "raise"]


def test_coming_back_within_the_dwell_raises_nothing():
    assert walk([-50, 30, 5, 30, 5])[1] == ["note", "start", "stop", "start", "stop"]


def test_between_the_two_limits_the_dwell_goes_on():
    assert walk([-50, 30, 15, 15])[1] == ["note", "start", "ignore", "raise"]


def test_coming_back_needs_the_hysteresis_and_the_dwell():
    _, acts = walk([-50, 30, 30, 30, 15, 9, 30, 9, 9, 9, 30])
    assert acts[4:] == ["ignore", "start", "stop", "start", "note", "back", "start"]


def test_a_dwell_of_zero_raises_with_the_first_fix_outside():
    zero = timedelta(0)
    track, act = on_fix(Track(), "beyond", at=START, heard_at=START, dwell=zero)
    assert (track.place, track.due_at, act) == ("outside", None, "raise")
    track, act = on_fix(track, "within", at=START + timedelta(seconds=1), heard_at=START, dwell=zero)
    assert (track.place, act) == ("inside", "back")


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


distances = st.one_of(st.none(), st.floats(-300, 300))


@given(st.lists(st.floats(10.001, 20), max_size=40), st.sampled_from(PLACES))
def test_noise_smaller_than_the_hysteresis_never_flaps(noise, place):
    """Once outside (or inside), a wander that stays between the two limits changes nothing."""
    track = Track(place=place, since=START, last_at=START - timedelta(hours=1))
    tracks, acts = walk(list(noise), track=track)
    assert {t.place for t in tracks} <= {place}
    assert set(acts) <= {"ignore"}


@given(st.lists(distances, max_size=40), st.floats(0, 9.9), st.integers(0, 3))
def test_a_wander_narrower_than_the_hysteresis_raises_at_most_once(moves, width_m, seed):
    centre_m = 15 + seed
    wander = [centre_m + (0 if m is None else m / 300 * width_m / 2) for m in moves]
    assert walk(wander)[1].count("raise") <= 1


@given(st.lists(distances, max_size=30))
def test_dropping_unsure_fixes_changes_nothing(moves):
    times = [START + timedelta(seconds=5 * k) for k in range(len(moves))]
    with_them = without = Track()
    for at, distance_m in zip(times, moves, strict=True):
        seen = "unsure" if distance_m is None else LIMITS.judge(distance_m)
        with_them, _ = on_fix(with_them, seen, at=at, heard_at=at, dwell=LIMITS.dwell)
        if distance_m is not None:
            without, _ = on_fix(without, seen, at=at, heard_at=at, dwell=LIMITS.dwell)
    assert with_them == without


@given(st.lists(distances, min_size=1, max_size=30), st.data())
def test_a_fix_seen_before_changes_nothing(moves, data):
    """Duplicates, and old fixes sent again in any number and order."""
    track = Track()
    done = []
    for step, distance_m in enumerate(moves):
        at = START + timedelta(seconds=5 * step)
        seen = "unsure" if distance_m is None else LIMITS.judge(distance_m)
        track, _ = on_fix(track, seen, at=at, heard_at=at, dwell=LIMITS.dwell)
        done.append((seen, at))
        for old_seen, old_at in data.draw(st.lists(st.sampled_from(done), max_size=3)):
            again, act = on_fix(track, old_seen, at=old_at, heard_at=at, dwell=LIMITS.dwell)
            assert again.place == track.place
            assert act == "ignore"
            track = again


@given(st.lists(distances, max_size=40))
def test_an_exit_is_raised_only_between_returns(moves):
    acts = [act for act in walk(moves)[1] if act in ("raise", "back")]
    assert all(act == ("raise", "back")[k % 2] for k, act in enumerate(acts))
