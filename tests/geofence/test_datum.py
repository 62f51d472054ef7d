"""GCJ-02 and BD-09 there and back, and at known places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.datum import BOX, from_wgs84, shifts, to_wgs84
from geofence.shape import Circle

CLOSE_DEG = 1e-6

china = st.tuples(st.floats(BOX[0] + 0.1, BOX[1] - 0.1), st.floats(BOX[2] + 0.1, BOX[3] - 0.1))
datums = st.sampled_from(["wgs84", "gcj02", "bd09"])


@given(place=china, datum=datums)
def test_there_and_back_is_the_same_place(place, datum):
    there = from_wgs84(*place, datum=datum)
    assert to_wgs84(*there, datum=datum) == pytest.approx(place, abs=CLOSE_DEG)
    back = to_wgs84(*place, datum=datum)
    assert from_wgs84(*back, datum=datum) == pytest.approx(place, abs=CLOSE_DEG)


@given(place=st.tuples(st.floats(-90, 90), st.floats(-180, 180)), datum=datums)
def test_outside_the_box_of_china_nothing_moves_and_inside_it_moves_a_little(place, datum):
    there = from_wgs84(*place, datum=datum)
    if not shifts(*place) or datum == "wgs84":
        assert there == place
        assert to_wgs84(*place, datum=datum) == place
    else:
        moved_m = Circle(lat=place[0], lon=place[1], radius_m=1).signed_distance_m(*there) + 1
        assert 0 < moved_m < 3_000


# (lat, lon) in WGS-84 and in GCJ-02: Shanghai, Shenzhen, Beijing as googollee/eviltransform tests them,
# Tiananmen as wandergis/coordtransform does.
LANDMARKS = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ((39.915, 116.404), (39.91640428150164, 116.41024449916938)),
]


@pytest.mark.parametrize(("wgs84", "gcj02"), LANDMARKS)
def test_known_places_are_where_others_have_them(wgs84, gcj02):
    assert from_wgs84(*wgs84, datum="gcj02") == pytest.approx(gcj02, abs=CLOSE_DEG)
    assert to_wgs84(*gcj02, datum="gcj02") == pytest.approx(wgs84, abs=CLOSE_DEG)


def test_baidus_step_on_gcj02_is_the_one_others_take():
    wgs84 = to_wgs84(39.915, 116.404, datum="gcj02")
    assert from_wgs84(*wgs84, datum="bd09") == pytest.approx(
        (39.92133699351021, 116.41036949371029), abs=CLOSE_DEG
    )
