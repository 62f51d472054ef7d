"""A place in words, in both languages: the nearest name, the distance, the direction."""

from __future__ import annotations

import pytest

from gateway.places import Places

METRE = 1 / 111_320


@pytest.fixture
def places(root):
    return Places(root / "data/seed")


@pytest.fixture
def gate(places):
    return next(place for place in places._places if place.name == "东门")


def test_at_a_place_its_name_is_enough(places, gate):
    assert places.words(gate.lat, gate.lon) == ("东门附近", "East Gate")


def test_beside_a_place_the_distance_and_the_direction_are_said(places, gate):
    assert places.words(gate.lat, gate.lon + 60 * METRE / 0.8558) == (
        "东门东约60米",
        "about 60 m east of East Gate",
    )


def test_far_away_a_hundred_metres_are_near_enough(places, gate):
    chinese, english = places.words(gate.lat, gate.lon + 1240 * METRE / 0.8558)
    assert chinese == "东门东约1200米"
    assert english == "about 1200 m east of East Gate"


@pytest.mark.parametrize(("lat", "lon"), [(None, None), (39.9, 116.4)])
def test_without_a_position_or_in_another_city_nothing_is_said(places, lat, lon):
    assert places.words(lat, lon) == ("", "")


def test_without_a_map_nothing_is_said_and_nothing_breaks(tmp_path):
    assert Places(tmp_path).words(31.1553, 121.1050) == ("", "")
