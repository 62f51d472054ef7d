"""Distances against geodesics on the ellipsoid, and shapes that are refused."""

from __future__ import annotations

from math import cos, hypot, inf, isfinite, nan, pi, sin

import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.shape import Circle, Polygon

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
        assert quick == exact
    else:
        assert near_m <= abs(quick) <= abs(exact) + 1e-6
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


def test_the_worst_error_at_fifty_kilometres_is_the_one_in_the_docstring():
    worst = max(
        abs(
            Circle(lat=31.0, lon=121.0, radius_m=1).signed_distance_m(*beyond((31.0, 121.0), b * pi, 50_000))
            + 1
            - 50_000
        )
        for b in range(115)
    )
    assert 1 < worst < 3
