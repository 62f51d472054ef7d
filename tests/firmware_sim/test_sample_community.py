"""The invented estate is drawn well enough to be walked in, fenced and printed."""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Point, Polygon, shape

from firmware_sim.ground import Grid

ROOT = Path(__file__).parents[2]
NAMES = ("boundary", "buildings", "gates", "places", "roads")


def features(name: str) -> list[dict[str, Any]]:
    return json.loads((ROOT / "data" / "seed" / f"{name}.geojson").read_text(encoding="utf-8"))["features"]


def by_name(name: str) -> dict[str, Any]:
    return {feature["properties"]["name"]: shape(feature["geometry"]) for feature in features(name)}


@pytest.mark.parametrize("name", NAMES)
def test_every_feature_has_its_names_and_kind_and_a_valid_shape(name: str) -> None:
    for feature in features(name):
        properties = feature["properties"]
        assert properties["name"]
        assert properties["name_en"].isascii()
        assert properties["kind"]
        assert shape(feature["geometry"]).is_valid


@pytest.mark.parametrize("name", NAMES)
def test_coordinates_are_longitude_latitude_with_seven_decimals_at_most(name: str) -> None:
    def pairs(found: Any) -> Any:
        if isinstance(found[0], float):
            yield found
        else:
            for item in found:
                yield from pairs(item)

    for feature in features(name):
        for lon, lat in pairs(feature["geometry"]["coordinates"]):
            assert 121.09 < lon < 121.12
            assert 31.14 < lat < 31.17
            assert (round(lon, 7), round(lat, 7)) == (lon, lat)


@pytest.mark.parametrize("name", ["boundary", "buildings", "places"])
def test_rings_are_closed_and_run_against_the_clock(name: str) -> None:
    for feature in features(name):
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert Polygon(ring).exterior.is_ccw


def test_there_are_twelve_numbered_slabs_three_gates_and_what_an_estate_needs() -> None:
    buildings = features("buildings")
    assert [feature["properties"]["number"] for feature in buildings] == list(range(1, 13))
    assert [feature["properties"]["name"] for feature in buildings] == [f"{n}栋" for n in range(1, 13)]
    assert set(by_name("gates")) == {"东门", "南门", "北门"}
    kinds = {feature["properties"]["kind"] for feature in features("places")}
    assert {"clinic", "market", "committee", "garden", "water"} <= kinds


def test_nothing_built_overlaps_and_all_of_it_lies_inside_the_boundary() -> None:
    (boundary,) = by_name("boundary").values()
    places = by_name("places")
    river = places.pop("新河")
    solid = {**by_name("buildings"), **places}
    for (one, first), (other, second) in itertools.combinations(solid.items(), 2):
        assert not first.intersects(second), (one, other)
    for name, footprint in solid.items():
        assert boundary.contains(footprint), name
    assert not boundary.intersects(river)


def test_no_road_runs_through_a_house_and_every_gate_is_on_a_road_and_on_the_boundary() -> None:
    (boundary,) = by_name("boundary").values()
    roads = by_name("roads")
    for name, road in roads.items():
        assert not any(road.intersects(house) for house in by_name("buildings").values()), name
    for name, gate in by_name("gates").items():
        assert boundary.exterior.distance(gate) < 1e-7, name
        assert min(road.distance(gate) for road in roads.values()) < 1e-7, name


def test_the_homes_of_the_configured_wearers_exist() -> None:
    config = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    buildings = {feature["properties"]["name"]: feature["properties"] for feature in features("buildings")}
    for wearer in config["wearers"]:
        name, rest = wearer["home"].split("栋")
        unit, flat = rest.split("单元")
        building = buildings[f"{name}栋"]
        assert int(unit) <= building["units"], wearer["home"]
        assert int(flat[:-2]) <= building["floors"], wearer["home"]


def test_the_configured_circle_holds_building_five_and_the_central_garden() -> None:
    config = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    wang = next(wearer for wearer in config["wearers"] if wearer["id"] == "wang-deshun")
    (fence,) = wang["fences"]
    grid = Grid(*fence["centre"])
    for held in (by_name("buildings")["5栋"], by_name("places")["中心花园"]):
        for lon, lat in held.exterior.coords:
            assert math.hypot(*grid.to_metres(lat, lon)) < fence["radius_m"]
    gate: Point = by_name("gates")["东门"]
    assert math.hypot(*grid.to_metres(gate.y, gate.x)) > fence["radius_m"] + 100
