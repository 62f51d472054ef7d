"""The grid says of every place what the shape itself says, however near its border the place is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.raster import Raster
from geofence.shape import Circle, Corridor, Parts, Polygon

METRES_A_DEGREE = 111_195.0


def ring(middle, radii_m):
    """A ring of corners, each as far from the middle as its radius says."""
    lat, lon = middle
    turns = np.linspace(0.3, 2 * np.pi + 0.3, len(radii_m), endpoint=False)
    narrow = math.cos(math.radians(lat))
    return tuple(
        (
            lat + float(r * np.sin(turn)) / METRES_A_DEGREE,
            lon + float(r * np.cos(turn)) / METRES_A_DEGREE / narrow,
        )
        for r, turn in zip(radii_m, turns, strict=True)
    )


def polygon(middle, radii_m, scale, *, holed, closed):
    outer = ring(middle, [r * scale for r in radii_m])
    hole = ring(middle, [r * scale / 3 for r in radii_m])
    corners = (*outer, outer[0]) if closed else outer
    return Polygon(corners=corners, holes=(hole[::-1],) if holed and len(hole) > 4 else ())


@st.composite
def scenes(draw):
    """Some shapes near each other, and places: anywhere around, on corners, on edges and a little beside."""
    lat0 = draw(st.sampled_from([31.15, 0.0, -43.2, 78.0]))
    lon0 = draw(st.sampled_from([121.1, -0.001, 171.0]))
    spread = draw(st.sampled_from([0.002, 0.02, 0.2]))
    middles = st.builds(
        lambda x, y: (lat0 + x * spread, lon0 + y * spread), st.floats(-1, 1), st.floats(-1, 1)
    )
    radii = st.lists(st.floats(40, 400), min_size=3, max_size=9)
    scales = st.sampled_from([0.1, 1.0, 30.0])
    single = st.one_of(
        st.builds(
            lambda m, r, s, h, c: polygon(m, r, s, holed=h, closed=c),
            middles,
            radii,
            scales,
            st.booleans(),
            st.booleans(),
        ),
        st.builds(lambda m, r: Circle(lat=m[0], lon=m[1], radius_m=r), middles, st.floats(1, 5_000)),
        st.builds(
            lambda m, r, s, w: Corridor(line=ring(m, [x * s for x in r]), half_width_m=w),
            middles,
            radii,
            scales,
            st.floats(1, 300),
        ),
    )
    several = st.builds(lambda parts: Parts(parts=tuple(parts)), st.lists(single, min_size=2, max_size=3))
    shapes = draw(st.lists(st.one_of(single, single, several), min_size=1, max_size=5))
    corners = [corner for shape in shapes for corner in marks(shape)]
    beside = draw(st.lists(st.sampled_from([0.0, 1e-12, -1e-9, 1e-8, -1e-7, 1e-6, -1e-5]), min_size=7))
    places = [(lat + beside[n % 7], lon + beside[n % 5]) for n, (lat, lon) in enumerate(corners)]
    places += corners
    places += draw(st.lists(middles, max_size=20))
    places += [(lat0 + 3 * spread, lon0), (-lat0 - 1, lon0 - 100), (90.0, 180.0), (-90.0, -180.0)]
    return shapes, places


def marks(shape):
    """Corners, middles of edges, and places on what is round."""
    if isinstance(shape, Parts):
        return [mark for part in shape.parts for mark in marks(part)]
    if isinstance(shape, Circle):
        return list(ring((shape.lat, shape.lon), [shape.radius_m] * 7))
    if isinstance(shape, Corridor):
        ends = [mark for corner in shape.line[:4] for mark in ring(corner, [shape.half_width_m] * 5)]
        return [*ends, *shape.line]
    found = []
    for corners in (shape.corners, *shape.holes):
        found += corners
        found += [
            ((a + c) / 2, (b + d) / 2)
            for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True)
        ]
    return found


def told(raster, places):
    lats, lons = (np.array(part) for part in zip(*places, strict=True))
    places, shapes = raster.inside(lats, lons)
    return sorted(zip(places.tolist(), shapes.tolist(), strict=True))


def asked(shapes, places):
    return [
        (place, number)
        for place, (lat, lon) in enumerate(places)
        for number, shape in enumerate(shapes)
        if shape.signed_distance_m(lat, lon) < 0
    ]


@settings(max_examples=400, deadline=None)
@given(scene=scenes(), cells=st.sampled_from([1, 50, 2_000, 60_000]))
def test_every_place_is_in_the_shapes_that_say_so_themselves_and_each_is_told_once(scene, cells):
    shapes, places = scene
    assert told(Raster(shapes, cells=cells), places) == asked(shapes, places)


@settings(max_examples=60, deadline=None)
@given(
    scene=scenes(),
    cells=st.sampled_from([500, 20_000]),
    turns=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=50, max_size=50),
)
def test_places_all_over_a_shape_are_told_right(scene, cells, turns):
    shapes, _ = scene
    boxes = [shape.box(5.0) for shape in shapes]
    places = [
        (south + up * (north - south), west + across * (east - west))
        for south, north, west, east in boxes
        for up, across in turns
    ]
    assert told(Raster(shapes, cells=cells), places) == asked(shapes, places)


def test_corners_on_the_grid_itself_and_level_and_upright_edges_are_told_right():
    step = 1 / 1024
    squares = [
        Polygon(
            corners=tuple(
                (31 + (y + n) * step, 121 + (x + n) * step) for x, y in ((0, 0), (4, 0), (4, 4), (0, 4))
            )
        )
        for n in range(3)
    ]
    places = [(31 + y * step / 2, 121 + x * step / 2) for y in range(-2, 16) for x in range(-2, 16)]
    for cells in (10, 48, 1_000, 12_345):
        assert told(Raster(squares, cells=cells), places) == asked(squares, places)


def test_shapes_far_apart_share_a_grid_of_bounded_size():
    homes = [Circle(lat=lat, lon=lon, radius_m=80) for lat in (-40.0, 22.5, 47.0) for lon in (-70.0, 113.9)]
    raster = Raster(homes, cells=100_000)
    grid = raster._laid.grid
    assert grid.rows * grid.columns < 5_000_000
    places = [mark for home in homes for mark in (*marks(home), (home.lat, home.lon), (home.lat + 0.01, 0.0))]
    assert told(raster, places) == asked(homes, places)


def test_the_grid_knows_nearly_all_answers_and_asks_the_shapes_for_few(monkeypatch):
    random = np.random.default_rng(5)
    middles = [(31.1 + float(y), 121.1 + float(x)) for y, x in random.random((300, 2)) * 0.06]
    shapes = [
        polygon(middle, random.uniform(60, 250, 8), 1.0, holed=True, closed=False) for middle in middles
    ]
    places = [(31.1 + float(y), 121.1 + float(x)) for y, x in random.random((5_000, 2)) * 0.06]
    expected = asked(shapes, places)
    questions = []
    itself = Polygon.signed_distance_m

    def counted(self, lat, lon):
        questions.append((lat, lon))
        return itself(self, lat, lon)

    monkeypatch.setattr(Polygon, "signed_distance_m", counted)
    assert told(Raster(shapes, cells=20_000), places) == expected
    assert len(expected) > 2_000
    assert len(questions) < 50


def test_nothing_asked_gives_nothing_and_a_raster_of_nothing_is_refused():
    raster = Raster((Circle(lat=31.0, lon=121.0, radius_m=50),))
    assert [part.tolist() for part in raster.inside(np.empty(0), np.empty(0))] == [[], []]
    with pytest.raises(ValueError, match="at least one shape"):
        Raster(())
