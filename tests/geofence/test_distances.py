"""Ten thousand random shapes and places against geodesics on the ellipsoid (pyproj.Geod)."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest

from geofence.shape import Circle, Corridor, Parts, Polygon

GEOD = pyproj.Geod(ellps="WGS84")
CASES = 10_000
CORNERS = 6
NEAR_M = 300.0


def pairs(lats, lons):
    return tuple(zip(lats.tolist(), lons.tolist(), strict=True))


def to_geodesics_m(corners, places, *, closed):
    """Metres from each place to the nearest of its geodesics: steps along each until its foot is found."""
    lats, lons = corners
    ends = (np.roll(lats, -1, 1), np.roll(lons, -1, 1))
    if not closed:
        lats, lons, ends = lats[:, :-1], lons[:, :-1], (ends[0][:, :-1], ends[1][:, :-1])
    place_lats, place_lons = (np.broadcast_to(part[:, None], lats.shape) for part in places)
    heading, _, length_m = GEOD.inv(lons, lats, ends[1], ends[0])
    along_m = np.zeros(lats.shape)
    for _ in range(8):
        foot_lons, foot_lats, back = GEOD.fwd(lons, lats, heading, along_m)
        towards, _, away_m = GEOD.inv(foot_lons, foot_lats, place_lons, place_lats)
        onward = np.radians(towards - (back + 180))
        along_m = np.clip(along_m + away_m * np.cos(onward), 0, length_m)
    return away_m.min(axis=1)


def inside(corners, places):
    """Whether each place is in its ring: how often the corners, seen from the place, go round it."""
    lats, lons = corners
    shape = lats.shape
    azimuth, _, _ = GEOD.inv(*(np.broadcast_to(p[:, None], shape) for p in places[::-1]), lons, lats)
    turn = np.diff(np.radians(azimuth), axis=1, append=np.radians(azimuth[:, :1]))
    return np.abs(((turn + np.pi) % (2 * np.pi) - np.pi).sum(axis=1)) > np.pi


def cases(seed):
    """Middles, rings of six corners around them out to 20 km, holes in them, and places out to 30 km."""
    random = np.random.default_rng(seed)
    middles = random.uniform(-70, 70, CASES), random.uniform(-178, 178, CASES)
    sizes_m = np.exp(random.uniform(np.log(60), np.log(20_000), CASES))
    bearings = np.arange(CORNERS) * 60 + random.uniform(-25, 25, (CASES, CORNERS))
    radii_m = sizes_m[:, None] * random.uniform(0.4, 1, (CASES, CORNERS))

    def around(factor):
        at = (np.broadcast_to(middles[1][:, None], radii_m.shape), middles[0][:, None] + 0 * radii_m)
        lons, lats, _ = GEOD.fwd(*at, bearings, radii_m * factor)
        return lats, lons

    rings, holes = around(1.0), around(0.5)
    start = random.integers(0, CORNERS, CASES)
    rows = np.arange(CASES)
    away_m = np.exp(random.uniform(np.log(0.1), np.log(30_000), CASES))
    lons, lats, _ = GEOD.fwd(
        rings[1][rows, start], rings[0][rows, start], random.uniform(0, 360, CASES), away_m
    )
    return middles, rings, holes, sizes_m, (lats, lons)


def compare(shapes, places, expected_m):
    """The worst error of both answers; the quick one only where it has to be exact."""
    asked = pairs(*places)
    exact = np.array([shape.exact_distance_m(*place) for shape, place in zip(shapes, asked, strict=True)])
    quick = np.array([shape.signed_distance_m(*place) for shape, place in zip(shapes, asked, strict=True)])
    near = np.abs(expected_m) <= NEAR_M
    assert near.sum() > CASES / 10
    far = np.abs(expected_m) > NEAR_M + 0.1
    assert (np.sign(quick[far]) == np.sign(expected_m[far])).all()
    assert (np.abs(quick[far]) >= NEAR_M - 0.1).all()
    assert (np.abs(quick[far]) <= np.abs(expected_m[far]) + 0.1).all()
    return np.abs(exact - expected_m).max(), np.abs(quick - expected_m)[near].max()


def test_ten_thousand_circles_are_within_a_decimetre():
    middles, _, _, sizes_m, (lats, lons) = cases(1)
    _, _, away_m = GEOD.inv(middles[1], middles[0], lons, lats)
    told = [
        Circle(lat=lat, lon=lon, radius_m=size).signed_distance_m(*place)
        for (lat, lon), size, place in zip(pairs(*middles), sizes_m.tolist(), pairs(lats, lons), strict=True)
    ]
    worst_m = np.abs(np.array(told) - (away_m - sizes_m)).max()
    print(f"circles: worst error {worst_m * 1000:.2f} mm")
    assert worst_m < 0.01


def test_ten_thousand_polygons_with_holes_are_within_a_decimetre_and_on_the_right_side():
    _, rings, holes, _, places = cases(2)
    shapes = [
        Polygon(corners=pairs(*ring), holes=(pairs(*hole),), near_m=NEAR_M)
        for ring, hole in zip(zip(*rings, strict=True), zip(*holes, strict=True), strict=True)
    ]
    border_m = np.minimum(
        to_geodesics_m(rings, places, closed=True), to_geodesics_m(holes, places, closed=True)
    )
    expected_m = np.where(inside(rings, places) & ~inside(holes, places), -border_m, border_m)
    exact_m, quick_m = compare(shapes, places, expected_m)
    print(f"polygons: worst error {exact_m * 1000:.2f} mm exact, {quick_m * 1000:.2f} mm quick")
    assert exact_m < 0.1
    assert quick_m < 0.1


def test_ten_thousand_corridors_are_within_a_decimetre():
    _, rings, _, sizes_m, places = cases(3)
    widths_m = np.clip(sizes_m / 4, 1, 2_000)
    shapes = [
        Corridor(line=pairs(*ring), half_width_m=width, near_m=NEAR_M)
        for ring, width in zip(zip(*rings, strict=True), widths_m.tolist(), strict=True)
    ]
    expected_m = to_geodesics_m(rings, places, closed=False) - widths_m
    exact_m, quick_m = compare(shapes, places, expected_m)
    print(f"corridors: worst error {exact_m * 1000:.2f} mm exact, {quick_m * 1000:.2f} mm quick")
    assert exact_m < 0.1
    assert quick_m < 0.1


def test_several_parts_are_as_far_as_the_nearest_of_them():
    home = Circle(lat=31.15535, lon=121.1046, radius_m=90)
    way = Corridor(line=((31.15535, 121.1046), (31.1575, 121.108)), half_width_m=25)
    park = Polygon(corners=((31.157, 121.108), (31.159, 121.108), (31.159, 121.111), (31.157, 121.111)))
    both = Parts(parts=(home, way, park))
    for place in ((31.1553, 121.1046), (31.1564, 121.1063), (31.158, 121.109), (31.16, 121.1046), (0.0, 0.0)):
        assert both.exact_distance_m(*place) == min(
            part.exact_distance_m(*place) for part in (home, way, park)
        )
        assert (both.signed_distance_m(*place) < 0) == (both.exact_distance_m(*place) < 0)
    with pytest.raises(ValueError, match="1 to 50 parts, not 0"):
        Parts(parts=())


@pytest.mark.parametrize(
    "shape",
    [
        Circle(lat=31.0, lon=121.0, radius_m=300),
        Polygon(corners=((31.0, 121.0), (31.01, 121.0), (31.01, 121.01))),
        Corridor(line=((31.0, 121.0), (31.01, 121.0)), half_width_m=20),
    ],
)
def test_round_the_earth_the_distance_is_within_half_a_percent(shape):
    for lat, lon in ((39.9, 116.4), (31.0, 150.0), (-33.9, 18.4), (51.5, -0.1), (-31.0, -58.9), (84.0, 10.0)):
        _, _, away_m = GEOD.inv(121.0, 31.0, lon, lat)
        assert shape.exact_distance_m(lat, lon) == pytest.approx(away_m, rel=0.005, abs=1_500)
        assert shape.signed_distance_m(lat, lon) > 0
