"""Every wrong thing in a file of fences is found, by number and name, with what to do about it."""

from __future__ import annotations

import json
from math import cos, pi, sin
from pathlib import Path

import pytest

from geofence.datum import from_wgs84
from geofence.features import Feature, moved
from geofence.fields import CUT, FIELDS, SHORT
from geofence.findings import ADVICE, Finding, exit_status
from geofence.judging import judge
from geofence.shape import Circle, Corridor, Parts, Polygon
from geofence.site import read_site

SEED = Path(__file__).parents[2] / "data" / "seed"
SITE = read_site(SEED)
STEP = 0.0001
"""About ten metres."""


def ring(*corners, at=(31.1550, 121.1050)):
    """Corners in steps of about ten metres north and east of a place of the estate, closed."""
    lat, lon = at
    return [[lon + east * STEP, lat + north * STEP] for north, east in (*corners, corners[0])]


SQUARE = ring((0, 0), (0, 10), (10, 10), (10, 0))
BOW_TIE = ring((0, 0), (0, 10), (10, 0), (10, 10))


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def point(lat=31.1553, lon=121.1050):
    return {"type": "Point", "coordinates": [lon, lat]}


def features(*drawn, **columns):
    return tuple(
        Feature(number=number, columns={"name": f"围栏{number}", **columns}, geometry=one)
        for number, one in enumerate(drawn, start=1)
    )


def seed(name, datum="wgs84"):
    """A file of the sample community, as a map of that datum has it."""
    found = json.loads((SEED / name).read_text(encoding="utf-8"))["features"]
    return tuple(
        Feature(
            number=number,
            columns={"name": one["properties"]["name"]},
            geometry=moved(one["geometry"], lambda lat, lon: from_wgs84(lat, lon, datum=datum)),
        )
        for number, one in enumerate(found, start=1)
    )


def codes(judged, *, notes=False):
    return [(one.number, one.code) for one in judged.findings if notes or one.weight != "note"]


def test_a_good_file_has_nothing_to_say():
    judged = judge(seed("buildings.geojson"), site=SITE)
    assert judged.findings == ()
    assert len(judged.fences) == 12
    assert judged.fences[4].id == judged.fences[4].name == "5栋"


@pytest.mark.parametrize("name", ["buildings.geojson", "boundary.geojson"])
@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_a_file_in_the_degrees_of_a_chinese_map_is_caught(name, datum):
    drawn = seed(name, datum)
    judged = judge(drawn, site=SITE)
    assert codes(judged) == [(feature.number, f"{datum}_suspected") for feature in drawn]
    assert judged.fences == ()
    assert f"--datum {datum}" in str(judged.findings[0])


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_the_datum_that_is_named_is_converted(datum):
    judged = judge(seed("boundary.geojson", datum), site=SITE, datum=datum)
    assert judged.findings == ()
    wanted = judge(seed("boundary.geojson"), site=SITE).fences[0].shape
    for lat, lon in judged.fences[0].shape.corners:
        assert wanted.exact_distance_m(lat, lon) == pytest.approx(0, abs=0.2)


def test_wgs84_named_by_the_installer_ends_the_suspicion():
    judged = judge(seed("boundary.geojson", "gcj02"), site=SITE, datum="wgs84")
    assert judged.findings == ()


def test_a_datum_named_for_a_file_that_fits_without_it_is_doubted():
    judged = judge(seed("boundary.geojson"), site=SITE, datum="gcj02")
    assert codes(judged) == [(1, "datum_doubtful")]


def test_a_large_site_knows_gcj02_by_its_buildings(tmp_path):
    """A boundary of 10 km holds the buildings in either reading; their outlines tell."""
    around = polygon(ring((-500, -500), (-500, 500), (500, 500), (500, -500)))
    document = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": around}]}
    (tmp_path / "boundary.geojson").write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "buildings.geojson").write_bytes((SEED / "buildings.geojson").read_bytes())
    site = read_site(tmp_path)
    assert codes(judge(seed("buildings.geojson"), site=site)) == []
    found = codes(judge(seed("buildings.geojson", "gcj02"), site=site))
    assert found == [(number, "gcj02_suspected") for number in range(1, 13)]


@pytest.mark.parametrize("at", [(31.1553, 121.1050), (61.2, 71.3)])
def test_latitude_and_longitude_exchanged_are_caught(at, tmp_path):
    """In China the latitude is then beyond the pole; elsewhere only the site can tell."""
    square = polygon(ring((-20, -20), (-20, 20), (20, 20), (20, -20), at=at))
    document = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": square}]}
    (tmp_path / "boundary.geojson").write_text(json.dumps(document), encoding="utf-8")
    turned = moved(square, lambda lat, lon: (lon, lat))
    judged = judge(features(square, turned), site=read_site(tmp_path))
    assert codes(judged) == [(2, "axes_swapped")]
    assert judged.findings[0].name == "围栏2"


def test_a_fence_far_from_the_site_is_let_in_with_a_warning():
    judged = judge(features(point(31.5, 121.1), radius_m=100), site=SITE)
    assert codes(judged) == [(1, "too_far")]
    assert judged.findings[0].value == pytest.approx(38_200, abs=300)
    assert len(judged.fences) == 1


def test_a_fence_in_the_neighbourhood_is_nothing_to_talk_about():
    judged = judge(features(point(31.1580, 121.1090), radius_m=100), site=SITE)
    assert codes(judged) == []


def test_a_border_that_crosses_itself_is_refused_and_repaired_only_on_consent():
    judged = judge(features(polygon(SQUARE), polygon(BOW_TIE)), site=SITE)
    assert codes(judged) == [(2, "self_crossing")]
    assert [fence.name for fence in judged.fences] == ["围栏1"]
    repaired = judge(features(polygon(SQUARE), polygon(BOW_TIE)), site=SITE, repair=True)
    assert codes(repaired) == [(2, "repaired")]
    shape = repaired.fences[1].shape
    assert isinstance(shape, Parts)
    assert len(shape.parts) == 2
    assert shape.exact_distance_m(31.1550 + 2 * STEP, 121.1050 + 5 * STEP) < 0
    assert shape.exact_distance_m(31.1550 + 5 * STEP, 121.1050 + 1 * STEP) > 0
    assert repaired.findings[0].value == 0


def test_a_repair_says_how_many_square_metres_changed_sides():
    """The middle of a five-pointed star lies outside its line as it is read, and inside once repaired."""
    points = [(10 * cos(turn), 10 * sin(turn)) for turn in (4 * pi * step / 5 for step in range(5))]
    judged = judge(features(polygon(ring(*points))), site=SITE, repair=True)
    assert codes(judged) == [(1, "repaired")]
    inner_m2 = 2.5 * (10 * 0.381966) ** 2 * sin(2 * pi / 5) * 11.1195**2 * cos(31.155 * pi / 180)
    assert judged.findings[0].value == pytest.approx(inner_m2, rel=0.01)
    assert "m² changed sides" in judged.findings[0].words
    assert judged.fences[0].shape.exact_distance_m(31.1550, 121.1050) < -20


HOLE = ring((2, 2), (2, 5), (5, 5), (5, 2))
ACROSS = ring((4, 4), (4, 8), (8, 8), (8, 4))
OUTSIDE = ring((20, 20), (20, 25), (25, 25))


@pytest.mark.parametrize("holes", [(HOLE, ACROSS), (OUTSIDE,)])
def test_holes_that_cross_are_refused_and_repaired_only_on_consent(holes):
    assert codes(judge(features(polygon(SQUARE, *holes)), site=SITE)) == [(1, "holes_crossing")]
    judged = judge(features(polygon(SQUARE, *holes)), site=SITE, repair=True)
    assert codes(judged) == [(1, "repaired")]
    assert len(judged.fences) == 1


def test_too_many_corners_are_thinned_out_only_on_consent():
    """A circle of 3,000 corners needs far fewer to be within half a metre."""
    turns = [2 * pi * step / 3000 for step in range(3000)]
    many = polygon(ring(*((10 * sin(turn), 10 * cos(turn)) for turn in turns)))
    assert codes(judge(features(many), site=SITE)) == [(1, "too_many_corners")]
    judged = judge(features(many), site=SITE, repair=True)
    assert codes(judged) == [(1, "simplified")]
    assert 0 < judged.findings[0].value <= 0.5
    assert len(judged.fences[0].shape.corners) < 100


@pytest.mark.parametrize(
    ("drawn", "code"),
    [
        (None, "no_geometry"),
        ({"type": "MultiPolygon", "coordinates": []}, "no_geometry"),
        ({"type": "Curve", "coordinates": [[1, 2]]}, "unsupported_geometry"),
        (point(), "radius_missing"),
        ({"type": "LineString", "coordinates": SQUARE[:2]}, "width_missing"),
        (point(3_450_000.0, 40_500_000.0), "not_degrees"),
        (polygon(SQUARE[:2]), "zero_area"),
        (polygon([SQUARE[0], SQUARE[1], SQUARE[0], SQUARE[0]]), "zero_area"),
        (polygon(ring((0, 0), (0, 0.05), (0.05, 0.05))), "zero_area"),
    ],
)
def test_what_is_no_fence_is_named_and_the_others_are_given(drawn, code):
    judged = judge(features(polygon(SQUARE), drawn), site=SITE, repair=True)
    assert (2, code) in codes(judged)
    assert [fence.name for fence in judged.fences] == ["围栏1"]
    assert exit_status(judged.findings) == 2


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"radius_m": "wide"}, "bad_property"),
        ({"radius_m": 0.1}, "refused"),
        ({"radius_m": "10; 20"}, "refused"),
        ({"radius_m": 10, "exit_margin_m": float("inf")}, "bad_property"),
    ],
)
def test_a_column_that_does_not_hold_what_it_should_is_told(columns, code):
    assert codes(judge(features(point(), **columns), site=SITE)) == [(1, code)]


def test_what_is_there_twice_is_told():
    twice = features(polygon(SQUARE), polygon(SQUARE), point(), radius_m=50)
    twice = (*twice, Feature(number=4, columns={"name": "围栏1", "radius_m": 51}, geometry=point()))
    judged = judge(twice, site=SITE)
    assert codes(judged) == [(2, "duplicate_shape"), (4, "duplicate_name")]
    assert [fence.id for fence in judged.fences] == ["围栏1", "围栏2", "围栏3", "围栏1-2"]


def test_an_id_there_twice_is_an_error():
    twice = features(point(), point(31.1552), radius_m=50, id="home")
    judged = judge(twice, site=SITE)
    assert codes(judged) == [(2, "duplicate_id")]


def test_several_parts_of_several_kinds_make_one_fence():
    """The way to the market: home, the walk, the hall; the radius of each circle in order."""
    line = {"type": "LineString", "coordinates": SQUARE[:2]}
    together = {"type": "GeometryCollection", "geometries": [point(), line, point(31.1560), polygon(SQUARE)]}
    judged = judge(features(together, radius_m="30; 40", half_width_m=15), site=SITE)
    assert codes(judged) == []
    (fence,) = judged.fences
    assert [type(part) for part in fence.shape.parts] == [Circle, Corridor, Circle, Polygon]
    assert [part.radius_m for part in fence.shape.parts if isinstance(part, Circle)] == [30, 40]


def test_columns_nobody_knows_are_mentioned_and_an_empty_file_is_an_error():
    judged = judge(features(point(), radius_m=50, Shape_Leng=12, fid=3), site=None)
    assert codes(judged, notes=True) == [(0, "no_site"), (0, "columns_ignored")]
    assert "Shape_Leng" in judged.findings[1].words
    assert codes(judge((), site=SITE)) == [(0, "no_fences")]


def test_a_map_folder_without_a_map_is_no_site(tmp_path):
    assert read_site(tmp_path) is None
    (tmp_path / "buildings.geojson").write_bytes((SEED / "buildings.geojson").read_bytes())
    assert len(read_site(tmp_path).buildings) == 12


def test_a_finding_says_where_what_and_what_to_do():
    finding = Finding(
        code="too_far", weight="warning", words="about 38 km from the site", number=3, name="家"
    )
    assert str(finding) == (
        "feature 3 '家': warning too_far: about 38 km from the site -> make sure it belongs to this site"
    )
    assert [exit_status(()), exit_status((finding,))] == [0, 1]


def test_every_code_is_used_and_every_code_and_column_is_in_the_docs(root):
    rooms = ("dbf", "drawing", "files", "judging", "site")
    text = "".join((root / f"geofence/{room}.py").read_text(encoding="utf-8") for room in rooms)
    page = (root / "docs/fences.md").read_text(encoding="utf-8")
    for code in ADVICE:
        assert f'"{code.removeprefix("encoding_")}"' in text, code
        assert f"| `{code}` |" in page, code
    for column in FIELDS:
        assert f"| `{column}` | `{SHORT.get(column, column)}` |" in page, column
        assert len(SHORT.get(column, column)) <= CUT
