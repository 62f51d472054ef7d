"""The sieve of a trial: the fences it leaves out raise nothing, and what is kept raises the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backtest import positions, replay
from gateway.model import Envelope, FencePart, FenceView, Fix, Uplink, WearerView
from gateway.rules.fence import FenceRule, FenceSettings, watch
from gateway.sieve import fixes_of, may_alarm

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LAT, LON = 31.155, 121.105
A_DEGREE_M = 110_860
SETTINGS = FenceSettings()


def north(metres: float) -> float:
    return LAT + metres / A_DEGREE_M


def east(metres: float) -> float:
    return LON + metres / (A_DEGREE_M * 0.8575)


def square(x_m: float, y_m: float, half_m: float) -> tuple[tuple[float, float], ...]:
    return tuple(
        (north(y_m + dy), east(x_m + dx))
        for dx, dy in ((-half_m, -half_m), (half_m, -half_m), (half_m, half_m), (-half_m, half_m))
    )


offsets = st.integers(-400, 400)
circles = st.builds(
    lambda x, y, radius: {"centre": (north(y), east(x)), "radius_m": radius},
    offsets,
    offsets,
    st.integers(5, 300),
)
squares = st.builds(lambda x, y, half: {"polygon": square(x, y, half)}, offsets, offsets, st.integers(5, 300))
corridors = st.builds(
    lambda x, y, width: {
        "line": ((LAT, LON), (north(y), east(x)), (north(y + 50), LON)),
        "half_width_m": width,
    },
    offsets.filter(bool),
    offsets,
    st.integers(5, 60),
)
parts = st.builds(
    lambda one, two: {"parts": (FencePart(**one), FencePart(**two))}, circles, st.one_of(squares, corridors)
)
fences = st.lists(
    st.tuples(
        st.one_of(circles, squares, corridors, parts),
        st.sampled_from(["in", "out"]),
        st.sampled_from([0.0, 5.0, 80.0]),
    ),
    min_size=1,
    max_size=6,
).map(
    lambda drawn: tuple(
        FenceView(fence=f"f{number}", name=f"{number}", keep=keep, exit_margin_m=margin_m, **ground)
        for number, (ground, keep, margin_m) in enumerate(drawn)
    )
)
walks = st.lists(
    st.tuples(
        st.integers(1, 300),
        st.integers(-600, 600),
        st.integers(-600, 600),
        st.sampled_from([None, 0.0, 3.0, 20.0, 90.0, 400.0, 5000.0]),
        st.sampled_from([None, "wifi", "cell"]),
        st.integers(0, 120),
    ),
    max_size=15,
)


def heard(walk) -> list[Envelope]:
    """The walk as frames, some of their fixes older than others before them."""
    found, now = [], START
    for pause_s, x_m, y_m, accuracy_m, source, late_s in walk:
        now += timedelta(seconds=pause_s)
        fix = Fix(
            lat=north(y_m),
            lon=east(x_m),
            valid=True,
            accuracy_m=accuracy_m,
            source=source,
            at=now - timedelta(seconds=late_s),
        )
        uplink = Uplink(device="b", readings=(fix,), raw=b"")
        found.append(Envelope(uplink=uplink, wire="tcp", device="b", wearer="wang", received_at=now))
    return found


def alarms(views, frames):
    rule = FenceRule(WearerView(wearer="wang", name="王德顺", fences=views), SETTINGS)
    return list(replay(rule, frames, until=START + timedelta(days=1)))


def kept_of(views, frames):
    watched = tuple(watch(one, SETTINGS) for one in views)
    return tuple(
        one.view for one in may_alarm(watched, fixes_of((p.fix for p in positions(frames)), SETTINGS))
    )


@given(fences, walks)
@settings(max_examples=150, deadline=None)
def test_what_the_sieve_keeps_raises_exactly_what_all_fences_raise(views, walk) -> None:
    frames = heard(walk)
    assert alarms(kept_of(views, frames), frames) == alarms(views, frames)


def test_a_place_nobody_went_to_is_left_out() -> None:
    far = FenceView(fence="far", name="湖", keep="out", centre=(31.2, 121.2), radius_m=50)
    near = msgspec.structs.replace(far, fence="near", centre=(LAT, LON))
    assert kept_of((far, near), heard([(10, 0, 0, 3.0, None, 0)])) == (near,)


def test_a_fence_nobody_left_is_left_out_and_one_somebody_left_is_kept() -> None:
    home = FenceView(fence="home", name="家", centre=(LAT, LON), radius_m=100)
    assert kept_of((home,), heard([(10, 0, 99, 3.0, None, 0)])) == ()
    assert kept_of((home,), heard([(10, 0, 130, 3.0, None, 0)])) == (home,)


def test_without_fences_or_fixes_nothing_is_kept() -> None:
    home = FenceView(fence="home", name="家", centre=(LAT, LON), radius_m=100)
    assert kept_of((), heard([(10, 0, 0, 3.0, None, 0)])) == ()
    assert kept_of((home,), []) == ()
