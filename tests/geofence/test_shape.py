"""Distances against geodesics on the ellipsoid, and shapes that are refused."""

from __future__ import annotations

from math import cos, hypot, inf, isfinite, nan, sin

import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.shape import Circle, Corridor, Polygon

GEOD = pyproj.Geod(ellps="WGS84")
LAT, LON = 31.1553, 121.1050
SQUARE = ((31.154, 121.103), (31.154, 121.107), (31.157, 121.107), (31.157, 121.103))

middles = st.tuples(st.floats(-70, 70), st.floats(-178, 178))
bearings = st.floats(0, 360)


def geodesic_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    return GEOD.inv(a[1], a[0], b[1], b[0])[2]


def beyond(middle: tuple[float, float], bearing: float, metres: float) -> tuple[float, float]:
    lon, lat, _ = GEOD.fwd(middle[1], middle[0], bearing, metres)
    return lat, lon


def star(middle: tuple[float, float], radii_m: list[float]) -> tuple[tuple[float, float], ...]:
    return tuple(beyond(middle, 360 * k / len(radii_m), radius) for k, radius in enumerate(radii_m))


def oracle_m(corners: tuple[tuple[float, float], ...], lat: float, lon: float) -> float:
    """Signed distance in PROJ's azimuthal equidistant projection around the point, exact from there."""
    aeqd = pyproj.Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={lat} +lon_0={lon} +datum=WGS84 +units=m", always_xy=True
    )
    ring = shapely.Polygon([aeqd.transform(clon, clat) for clat, clon in corners])
    here = shapely.Point(0, 0)
    away = shapely.distance(here, ring.exterior)
    return -away if ring.contains(here) else away


@given(middle=middles, radius_m=st.floats(1, 5_000), bearing=bearings, away_m=st.floats(0, 10_000))
def test_a_circle_is_within_a_decimetre_of_the_geodesic(middle, radius_m, bearing, away_m):
    point = beyond(middle, bearing, away_m)
    circle = Circle(lat=middle[0], lon=middle[1], radius_m=radius_m)
    assert circle.signed_distance_m(*point) == pytest.approx(geodesic_m(middle, point) - radius_m, abs=0.1)


@settings(max_examples=60, deadline=None)
@given(
    middle=st.tuples(st.floats(-60, 60), st.floats(-175, 175)),
    radii_m=st.lists(st.floats(50, 1_500), min_size=3, max_size=14),
    bearing=bearings,
    away_m=st.floats(0, 3_000),
)
def test_a_polygon_is_within_a_decimetre_of_proj_and_on_the_right_side(middle, radii_m, bearing, away_m):
    corners = star(middle, radii_m)
    point = beyond(middle, bearing, away_m)
    expected = oracle_m(corners, *point)
    polygon = Polygon(corners=corners)
    assert polygon.exact_distance_m(*point) == pytest.approx(expected, abs=0.1)
    told = polygon.signed_distance_m(*point)
    if abs(expected) < 199.8:
        assert told == pytest.approx(expected, abs=0.1)
    else:
        assert told * expected > 0
        assert 199.8 <= abs(told) <= abs(expected) + 0.1


@settings(max_examples=60)
@given(near_m=st.floats(1, 300), lat=st.floats(31.14, 31.17), lon=st.floats(121.09, 121.12))
def test_far_from_the_border_the_quick_answer_is_on_the_same_side_and_beyond_near(near_m, lat, lon):
    polygon = Polygon(corners=SQUARE, near_m=near_m)
    exact, quick = polygon.exact_distance_m(lat, lon), polygon.signed_distance_m(lat, lon)
    if abs(exact) <= near_m:
        assert quick == pytest.approx(exact, abs=1e-3)
    else:
        assert near_m - 1e-3 <= abs(quick) <= abs(exact) + 1e-3
        assert (quick < 0) == (exact < 0)


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_anywhere_on_earth_gives_a_finite_distance_and_only_the_neighbourhood_is_inside(lat, lon):
    polygon, circle = Polygon(corners=SQUARE), Circle(lat=LAT, lon=LON, radius_m=300)
    for distance in (polygon.signed_distance_m(lat, lon), circle.signed_distance_m(lat, lon)):
        assert isfinite(distance)
        assert distance > 0 or hypot(lat - LAT, lon - LON) < 0.01


def test_both_directions_closed_or_not_and_repeated_corners_are_the_same_polygon():
    doubled = tuple(corner for corner in SQUARE for _ in range(2))
    for corners in (SQUARE[::-1], (*SQUARE, SQUARE[0]), doubled):
        other = Polygon(corners=corners)
        assert other.exact_distance_m(31.1541, 121.1031) == pytest.approx(
            Polygon(corners=SQUARE).exact_distance_m(31.1541, 121.1031), abs=1e-6
        )


def test_a_concave_polygon_has_its_notch_outside():
    notched = (*SQUARE, (31.1555, 121.105))
    polygon = Polygon(corners=notched)
    assert polygon.signed_distance_m(31.1555, 121.1035) > 0
    assert polygon.signed_distance_m(31.1555, 121.1065) < 0


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        (SQUARE[:2], "at least 3 different corners, not 2"),
        ((SQUARE[0], SQUARE[1], SQUARE[0], SQUARE[0]), "at least 3 different corners, not 2"),
        ((), "at least 3 different corners, not 0"),
        ((SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]), "no simple polygon: Self-intersection"),
        (((31.0, 121.0), (31.001, 121.001), (31.002, 121.002)), "no simple polygon"),
        (((31.0, nan), *SQUARE[1:]), r"corner 1 \(31.0, nan\)"),
        ((*SQUARE[:3], (inf, 121.0)), r"corner 4 \(inf, 121.0\)"),
        ((*SQUARE[:3], (121.103, 31.157)), "corner 4 .* is no"),
        ((*SQUARE[:3], (30.0, 121.103)), "more than 50000 m from the middle"),
        (((0.0, 179.9), (0.0, -179.9), (0.1, 179.9)), "from the middle"),
        (tuple((31 + 0.01 * sin(k), 121 + 0.01 * cos(k)) for k in range(1001)), "at most 1000"),
    ],
)
def test_a_ring_that_is_no_fence_is_refused_in_words(corners, words):
    with pytest.raises(ValueError, match=words):
        Polygon(corners=corners)


@pytest.mark.parametrize("radius_m", [0.0, -5.0, nan, inf, 60_000.0])
def test_a_circle_without_a_sensible_radius_is_refused(radius_m):
    with pytest.raises(ValueError, match="radius_m is 1 to 50000"):
        Circle(lat=LAT, lon=LON, radius_m=radius_m)


def test_a_circle_without_a_sensible_centre_is_refused():
    with pytest.raises(ValueError, match="the centre"):
        Circle(lat=LON, lon=LAT, radius_m=90)


def test_fifty_kilometres_away_the_error_is_still_below_a_centimetre():
    circle = Circle(lat=31.0, lon=121.0, radius_m=1)
    for bearing in range(0, 360, 5):
        point = beyond((31.0, 121.0), bearing, 50_000)
        assert circle.signed_distance_m(*point) == pytest.approx(49_999, abs=0.01)


POND = ((31.155, 121.1045), (31.155, 121.1055), (31.156, 121.1055), (31.156, 121.1045))


def test_a_hole_is_outside_and_its_border_counts():
    ring = Polygon(corners=SQUARE, holes=(POND,))
    assert ring.exact_distance_m(31.1555, 121.105) == pytest.approx(47.7, abs=0.2)
    assert ring.exact_distance_m(31.1549, 121.105) == pytest.approx(-11.1, abs=0.1)
    assert ring.signed_distance_m(31.1555, 121.105) > 0
    assert ring.signed_distance_m(31.1549, 121.105) < 0


@pytest.mark.parametrize(
    ("holes", "words"),
    [
        ((POND, POND[:2]), "hole 2: a polygon has at least 3 different corners, not 2"),
        (
            ((*POND[:3], (31.2, 121.1045)),),
            r"hole 1: it is not wholly inside the outer ring \(see its corner 4\)",
        ),
        (((SQUARE[0], *POND[1:]),), r"hole 1: it is not wholly inside the outer ring \(see its corner 1\)"),
        (
            ((POND[0], POND[2], POND[1], POND[3]),),
            "hole 1: .*Self-intersection where the edges after corners 1 and 3 meet",
        ),
        ((POND, POND), "holes 1 and 2 touch or overlap"),
        (
            (POND, ((31.156, 121.105), (31.1565, 121.105), (31.1565, 121.1055))),
            "holes 1 and 2 touch or overlap",
        ),
        (((*POND[:3], (nan, 121.1)),), r"hole 1: corner 4 \(nan, 121.1\)"),
    ],
)
def test_holes_that_are_none_are_refused_by_their_number(holes, words):
    with pytest.raises(ValueError, match=words):
        Polygon(corners=SQUARE, holes=holes)


WALK = ((31.154, 121.103), (31.155, 121.104), (31.155, 121.106))


def test_a_corridor_has_round_ends_and_may_cross_itself():
    assert Corridor(line=WALK, half_width_m=30).exact_distance_m(31.155, 121.1065) == pytest.approx(
        17.7, abs=0.1
    )
    loop = (*WALK, (31.154, 121.105), (31.156, 121.105))
    assert Corridor(line=loop, half_width_m=30).exact_distance_m(31.155, 121.105) == pytest.approx(
        -30, abs=0.01
    )


@pytest.mark.parametrize(
    ("line", "half_width_m", "words"),
    [
        (WALK, 0.5, "half_width_m is 1 to 5000, not 0.5"),
        (WALK, nan, "half_width_m is 1 to 5000"),
        (WALK[:1] * 3, 30, "line: a line has at least 2 different corners, not 1"),
        ((*WALK, (121.1, 31.1)), 30, "line: corner 4 .* is no"),
        ((*WALK, (32.5, 121.103)), 30, "line: corner 1 is more than 50000 m from the middle"),
        (WALK * 400, 30, "at most 1000 corners, not 1200"),
    ],
)
def test_a_line_that_is_no_corridor_is_refused_in_words(line, half_width_m, words):
    with pytest.raises(ValueError, match=words):
        Corridor(line=line, half_width_m=half_width_m)


@settings(max_examples=60)
@given(near_m=st.floats(1, 300), lat=st.floats(31.14, 31.17), lon=st.floats(121.09, 121.12))
def test_a_corridor_and_a_ring_with_a_hole_keep_the_promise_of_near(near_m, lat, lon):
    for shape in (
        Polygon(corners=SQUARE, holes=(POND,), near_m=near_m),
        Corridor(line=WALK, half_width_m=40, near_m=near_m),
    ):
        exact, quick = shape.exact_distance_m(lat, lon), shape.signed_distance_m(lat, lon)
        assert (quick < 0) == (exact < 0)
        if abs(exact) <= near_m:
            assert quick == pytest.approx(exact, abs=1e-3)
        else:
            assert near_m - 1e-3 <= abs(quick) <= abs(exact) + 1e-3
