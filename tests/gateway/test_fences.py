"""Fences as configured and stored, old and new, become shapes; the wrong ones are refused in words."""

from __future__ import annotations

import msgspec
import pytest

from gateway.fences import shape_of, view_for, view_of
from gateway.model import FencePart, FenceView
from gateway.profile import FenceTable
from geofence.datum import from_wgs84
from geofence.shape import Circle, Corridor, Parts, Polygon

HOME = (31.15535, 121.1046)
SQUARE = ((31.154, 121.103), (31.154, 121.107), (31.157, 121.107), (31.157, 121.103))
POND = ((31.155, 121.1045), (31.155, 121.1055), (31.156, 121.1055))
WAY = (HOME, (31.1575, 121.108))


def view(**ground):
    return FenceView(fence="f", name="围栏", **ground)


def test_every_kind_of_ground_becomes_its_shape():
    circle = Circle(lat=HOME[0], lon=HOME[1], radius_m=90)
    polygon = Polygon(corners=SQUARE, holes=(POND,))
    corridor = Corridor(line=WAY, half_width_m=25)
    assert shape_of(view(centre=HOME, radius_m=90)) == circle
    assert shape_of(view(polygon=SQUARE, holes=(POND,))) == polygon
    assert shape_of(view(line=WAY, half_width_m=25)) == corridor
    parts = (
        FencePart(centre=HOME, radius_m=90),
        FencePart(polygon=SQUARE, holes=(POND,)),
        FencePart(line=WAY, half_width_m=25),
    )
    assert shape_of(view(parts=parts)) == Parts(parts=(circle, polygon, corridor))
    for shape in (circle, polygon, corridor, Parts(parts=(circle, polygon, corridor))):
        assert shape_of(view_for(shape, fence="f", name="围栏")) == shape


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ({}, "a fence needs a polygon, a centre and a radius_m, a line and a half_width_m, or parts"),
        ({"polygon": SQUARE, "radius_m": 90}, "a polygon or a centre and a radius_m, not both"),
        ({"centre": HOME}, "needs both of a centre and a radius_m"),
        ({"line": WAY}, "needs both of a line and a half_width_m"),
        ({"centre": HOME, "radius_m": 9, "holes": (POND,)}, "holes belong to a polygon"),
        (
            {"centre": HOME, "radius_m": 9, "parts": (FencePart(),)},
            "a centre and a radius_m, or parts, not both",
        ),
        ({"holes": (POND,), "parts": (FencePart(centre=HOME, radius_m=9),)}, "holes belong to a polygon"),
        (
            {"parts": (FencePart(centre=HOME, radius_m=9), FencePart(line=WAY[:1], half_width_m=9))},
            "part 2: line",
        ),
    ],
)
def test_what_is_no_shape_or_two_is_refused_in_words(ground, words):
    with pytest.raises(ValueError, match=words):
        shape_of(view(**ground))


def test_a_fence_stored_before_there_were_holes_and_parts_still_reads():
    stored = b'{"fence":"home","name":"\\u5bb6","centre":[31.15535,121.1046],"radius_m":90.0}'
    old = msgspec.json.decode(stored, type=FenceView)
    assert shape_of(old) == Circle(lat=HOME[0], lon=HOME[1], radius_m=90)
    new = view(parts=(FencePart(line=WAY, half_width_m=25),), exit_margin_m=5)
    assert msgspec.json.decode(msgspec.json.encode(new), type=FenceView) == new


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_a_fence_in_the_degrees_of_a_chinese_map_is_converted_when_it_is_read(datum):
    def there(corners):
        return tuple(from_wgs84(*corner, datum=datum) for corner in corners)

    table = FenceTable(
        id="home",
        name="家",
        datum=datum,
        exit_margin_m=7,
        parts=(
            FencePart(centre=there((HOME,))[0], radius_m=90),
            FencePart(polygon=there(SQUARE), holes=(there(POND),)),
            FencePart(line=there(WAY), half_width_m=25),
        ),
    )
    seen = view_of(table)
    assert (seen.fence, seen.name, seen.exit_margin_m) == ("home", "家", 7)
    circle, polygon, corridor = seen.parts
    assert circle.centre == pytest.approx(HOME, abs=1e-6)
    for corners, expected in (
        (polygon.polygon, SQUARE),
        (polygon.holes[0], POND),
        (corridor.line, WAY),
    ):
        for corner, place in zip(corners, expected, strict=True):
            assert corner == pytest.approx(place, abs=1e-6)
