"""Many at once give what one by one gives, and no shape that is near is ever left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.index import Index
from geofence.shape import Circle, Corridor, Parts, Polygon

MIDDLE = (31.15, 121.1)
NEAR_M = 120.0


def around(middle, radii_deg):
    turns = np.linspace(0, 2 * np.pi, len(radii_deg), endpoint=False)
    return tuple(
        (middle[0] + float(r * np.sin(t)), middle[1] + float(r * np.cos(t)))
        for r, t in zip(radii_deg, turns, strict=True)
    )


radii = st.lists(st.floats(0.0005, 0.004), min_size=3, max_size=8)
middles = st.tuples(st.floats(31.1, 31.2), st.floats(121.05, 121.15))
circles = st.builds(lambda m, r: Circle(lat=m[0], lon=m[1], radius_m=r), middles, st.floats(1, 3_000))
polygons = st.builds(
    lambda m, r: Polygon(
        corners=around(m, r), holes=(around(m, [x / 3 for x in r]),) if len(r) > 5 else (), near_m=NEAR_M
    ),
    middles,
    radii,
)
corridors = st.builds(
    lambda m, r, w: Corridor(line=around(m, r), half_width_m=w, near_m=NEAR_M),
    middles,
    radii,
    st.floats(1, 200),
)
single = st.one_of(circles, polygons, corridors)
shapes = st.one_of(
    single, st.builds(lambda p: Parts(parts=tuple(p)), st.lists(single, min_size=1, max_size=3))
)
places = st.lists(st.tuples(st.floats(31.09, 31.21), st.floats(121.04, 121.16)), min_size=1, max_size=30)


def arrays(asked):
    lats, lons = zip(*asked, strict=True)
    return np.array(lats), np.array(lons)


def distances(shape, lats, lons):
    """Every place against the one shape."""
    pairs = np.arange(len(lats)), np.zeros(len(lats), dtype=int)
    return Index((shape,)).signed_distances(lats, lons, pairs)


@settings(max_examples=150, deadline=None)
@given(shape=shapes, asked=places)
def test_a_batch_gives_what_the_shape_gives_one_by_one_where_it_is_exact(shape, asked):
    for place, told in zip(asked, distances(shape, *arrays(asked)).tolist(), strict=True):
        one = shape.signed_distance_m(*place)
        if abs(one) <= NEAR_M:
            assert told == pytest.approx(one, abs=1e-6)
        else:
            assert told * one > 0
            assert NEAR_M - 1e-6 <= abs(told) <= abs(shape.exact_distance_m(*place)) + 1e-2


@settings(max_examples=100, deadline=None)
@given(many=st.lists(shapes, min_size=1, max_size=6), asked=places, near_m=st.floats(0, NEAR_M))
def test_no_shape_that_is_near_is_left_out_and_each_is_given_once(many, asked, near_m):
    index = Index(many, near_m=near_m)
    found = [
        (place, number)
        for places, numbers in index.near(*arrays(asked))
        for place, number in zip(places.tolist(), numbers.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    for place, (lat, lon) in enumerate(asked):
        close = {n for n, shape in enumerate(many) if shape.exact_distance_m(lat, lon) <= near_m}
        assert close <= {number for at, number in found if at == place}


def test_pairs_in_any_order_are_answered_in_that_order():
    home = Circle(lat=MIDDLE[0], lon=MIDDLE[1], radius_m=90)
    way = Corridor(line=(MIDDLE, (31.152, 121.103)), half_width_m=20)
    lats, lons = arrays([MIDDLE, (31.151, 121.1), (31.16, 121.1), (31.1501, 121.1001)])
    pairs = np.array([3, 0, 1, 0, 2]), np.array([1, 1, 0, 0, 0])
    expected = [
        (home, way)[shape].signed_distance_m(float(lats[place]), float(lons[place]))
        for place, shape in zip(*pairs, strict=True)
    ]
    assert Index((home, way)).signed_distances(lats, lons, pairs).tolist() == pytest.approx(expected)


def test_many_places_far_apart_and_a_ring_of_a_thousand_corners_are_worked_on_piece_by_piece():
    ring = Polygon(corners=around(MIDDLE, [0.004] * 1_000), near_m=NEAR_M)
    random = np.random.default_rng(4)
    lats, lons = random.uniform(31.14, 31.16, 500), random.uniform(121.09, 121.11, 500)
    lats[0], lons[0] = -60.0, -170.0
    ((hits, numbers),) = Index((ring,)).near(lats, lons)
    assert set(numbers.tolist()) == {0}
    told = distances(ring, lats, lons)
    assert set(np.nonzero(told < 0)[0].tolist()) <= set(hits.tolist())
    assert [told[n] < 0 for n in range(500)] == [
        ring.exact_distance_m(*place) < 0 for place in zip(lats.tolist(), lons.tolist(), strict=True)
    ]


def test_nothing_asked_gives_nothing_and_an_index_of_nothing_is_refused():
    index = Index((Circle(lat=31.0, lon=121.0, radius_m=50),))
    assert list(index.near(np.empty(0), np.empty(0))) == []
    assert (
        index.signed_distances(np.empty(0), np.empty(0), (np.empty(0, int), np.empty(0, int))).tolist() == []
    )
    with pytest.raises(ValueError, match="at least one shape"):
        Index(())
