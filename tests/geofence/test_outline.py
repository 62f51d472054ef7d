"""What a map draws of a shape is its ground: corners lie on the border, holes stay open, parts join."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.outline import outline
from geofence.plane import off_plane, on_plane, plane_at
from geofence.shape import Circle, Corridor, Parts, Polygon

HOME = (31.15535, 121.1046)
SQUARE = ((31.154, 121.103), (31.154, 121.107), (31.157, 121.107), (31.157, 121.103))
POND = ((31.155, 121.1045), (31.155, 121.1055), (31.156, 121.1055))
WAY = (HOME, (31.1575, 121.108), (31.158, 121.106))


@pytest.mark.parametrize(
    ("shape", "close_m"),
    [
        (Circle(lat=HOME[0], lon=HOME[1], radius_m=90), 0.01),
        (Circle(lat=-52.0, lon=5.0, radius_m=50_000), 1.1),
        (Corridor(line=WAY, half_width_m=25), 0.01),
        (Corridor(line=((52.0, 5.0), (52.3, 5.4)), half_width_m=400), 0.05),
        (Polygon(corners=SQUARE, holes=(POND,)), 0.01),
    ],
)
def test_every_drawn_corner_lies_on_the_border(shape, close_m):
    ((outer, *holes),) = outline(shape)
    assert len(holes) == len(getattr(shape, "holes", ()))
    for ring in (outer, *holes):
        assert ring[0] == ring[-1]
        for corner in ring:
            assert shape.exact_distance_m(*corner) == pytest.approx(0, abs=close_m)


def test_parts_that_overlap_are_drawn_as_one_and_others_apart():
    home, way = Circle(lat=HOME[0], lon=HOME[1], radius_m=90), Corridor(line=WAY, half_width_m=25)
    far = Circle(lat=31.2, lon=121.2, radius_m=50)
    assert len(outline(Parts(parts=(home, way)))) == 1
    assert len(outline(Parts(parts=(home, way, far)))) == 2


@given(
    lat0=st.floats(-70, 70),
    lon0=st.floats(-170, 170),
    x=st.floats(-60_000, 60_000),
    y=st.floats(-60_000, 60_000),
)
def test_the_way_back_from_the_plane_is_the_way_there(lat0, lon0, x, y):
    plane = plane_at(lat0, lon0)
    assert on_plane(plane, *off_plane(plane, x, y))[:2] == pytest.approx((x, y), abs=0.001)
