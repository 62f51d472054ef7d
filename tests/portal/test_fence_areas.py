"""Stored fences, old and new, become areas a map can draw; one that is no shape is left out and said."""

from __future__ import annotations

import logging

import msgspec

from gateway.model import FencePart, FenceView
from portal.care.fences.areas import fence_areas

HOME = (31.15535, 121.1046)
SQUARE = ((31.154, 121.103), (31.154, 121.107), (31.157, 121.107), (31.157, 121.103))
POND = ((31.155, 121.1045), (31.155, 121.1055), (31.156, 121.1055))


def stored(**ground):
    return msgspec.to_builtins(FenceView(fence="f", name="围栏", **ground))


def test_each_kind_of_ground_is_an_area_of_its_own():
    way = (HOME, (31.1575, 121.108))
    circle, holed, walk, both = fence_areas(
        [
            {"fence": "old", "name": "家", "centre": [31.15535, 121.1046], "radius_m": 90},
            stored(polygon=SQUARE, holes=(POND,)),
            stored(line=way, half_width_m=25),
            stored(parts=(FencePart(centre=HOME, radius_m=90), FencePart(line=way, half_width_m=25))),
        ]
    )
    assert circle["name"] == "家"
    assert [len(area) for area in holed["area"]["coordinates"]] == [2]
    for one in (circle, holed, walk, both):
        assert one["area"]["type"] == "MultiPolygon"
        ((lon, lat), *_), *_ = one["area"]["coordinates"][0]
        assert (round(lat), round(lon)) == (31, 121)
    assert len(both["area"]["coordinates"]) == 1


def test_a_fence_that_is_no_shape_is_left_out_and_said(caplog):
    with caplog.at_level(logging.WARNING):
        assert fence_areas([stored(radius_m=3.5)]) == []
    assert "the fence f is left out of the map" in caplog.text


def test_the_map_is_told_the_areas_of_those_who_may_be_seen(gateway, samples, people):
    gateway.send(samples.ROSTER)
    wearers = people["staff"].get("/care/markers.json").json["wearers"]
    (fence,) = [fence for wearer in wearers for fence in wearer["fences"]]
    assert fence["name"] == "5栋与中心花园"
    assert len(fence["area"]["coordinates"][0][0]) == 49
