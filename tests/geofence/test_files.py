"""Fences go into map files and come back the same; files that are none say why."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import geopandas
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geofence.features import MapFence
from geofence.files import NoMapFile, read, write
from geofence.judging import judge
from geofence.shape import Circle, Corridor, Parts, Polygon

SQUARE = ((31.1540, 121.1030), (31.1540, 121.1070), (31.1570, 121.1070), (31.1570, 121.1030))
POND = ((31.1550, 121.1040), (31.1550, 121.1045), (31.1555, 121.1045))
BESIDE = ((31.1540, 121.1080), (31.1540, 121.1090), (31.1570, 121.1090))
SEED = Path(__file__).parents[2] / "data" / "seed"
MIXED = (".geojson", ".gpkg", ".kml")

lats = st.floats(31.0, 31.3).map(lambda lat: round(lat, 7))
lons = st.floats(121.0, 121.3).map(lambda lon: round(lon, 7))
places = st.tuples(lats, lons)
metres = st.floats(1, 5_000).map(lambda size: round(size, 2))
circles = st.builds(lambda at, size: Circle(lat=at[0], lon=at[1], radius_m=size), places, metres)
corridors = st.builds(
    lambda line, size: Corridor(line=tuple(line), half_width_m=size),
    st.lists(places, min_size=2, max_size=6, unique=True),
    metres,
)


def box(at, size):
    (lat, lon), (high, wide) = at, size
    corners = (lat, lon), (lat, lon + wide), (lat + high, lon + wide), (lat + high, lon)
    return tuple((round(north, 7), round(east, 7)) for north, east in corners)


sizes = st.floats(0.001, 0.02).map(lambda size: round(size, 6))
polygons = st.builds(
    lambda at, size, hole: Polygon(
        corners=box(at, size),
        holes=(box((at[0] + size[0] / 4, at[1] + size[1] / 4), (size[0] / 3, size[1] / 3)),) if hole else (),
    ),
    places,
    st.tuples(sizes, sizes),
    st.booleans(),
)
shapes = st.one_of(
    circles,
    corridors,
    polygons,
    st.lists(st.one_of(circles, corridors, polygons), min_size=2, max_size=4).map(
        lambda parts: Parts(parts=tuple(parts))
    ),
)
names = (
    st.text(st.sampled_from("家新河苑散步路5栋 ab;<&\"'"), min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)
extras = st.fixed_dictionaries(
    {},
    optional={
        "exit_margin_m": metres,
        "keep": st.sampled_from(["in", "out"]),
        "dwell_s": st.floats(0, 600).map(round).map(float),
        "schedule": st.sampled_from([("daily 22:00-06:00",), ("mon-fri 08:00-20:00", "sat 09:00-12:00")]),
        "escalate_m": st.sampled_from([(300.0,), (300.0, 1000.5)]),
    },
)
fences = st.builds(
    lambda name, shape, extra: (name, shape, extra),
    names,
    shapes,
    extras,
)


def numbered(drawn) -> list[MapFence]:
    return [
        MapFence(id=f"f{number}", name=name, shape=shape, extra=extra)
        for number, (name, shape, extra) in enumerate(drawn)
    ]


def back(path: Path) -> list[MapFence]:
    reading = read(path)
    judged = judge(reading.features, site=None)
    assert [one for one in judged.findings if one.weight == "error"] == []
    return list(judged.fences)


def same(one: MapFence, other: MapFence) -> bool:
    """Equal but for a ring's closing corner, which files write and a config does not."""
    return (one.id, one.name, dict(one.extra), laid(one.shape)) == (
        other.id,
        other.name,
        dict(other.extra),
        laid(other.shape),
    )


def laid(shape):
    """A shape as plain rings, lines and points; a ring begins and turns as a file pleases."""
    if isinstance(shape, Parts):
        return [laid(part) for part in shape.parts]
    if isinstance(shape, Polygon):
        return {frozenset(ring) for ring in (shape.corners, *shape.holes)}
    if isinstance(shape, Corridor):
        return shape.line, shape.half_width_m
    return shape.lat, shape.lon, shape.radius_m


@pytest.mark.parametrize("end", MIXED)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(fences, min_size=1, max_size=4))
def test_any_fences_come_back_from_the_formats_that_hold_any_drawing(tmp_path, end, drawn):
    path = tmp_path / f"fences{end}"
    path.unlink(missing_ok=True)
    wanted = numbered(drawn)
    write(path, wanted)
    got = back(path)
    assert len(got) == len(wanted)
    for one, other in zip(wanted, got, strict=True):
        assert same(one, other), (one, other)


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.tuples(names, polygons, extras), min_size=1, max_size=3))
def test_polygons_come_back_from_a_shapefile_of_either_encoding(tmp_path, encoding, drawn):
    for old in tmp_path.iterdir():
        old.unlink()
    wanted = numbered(drawn)
    write(tmp_path / "fences.shp", wanted, encoding=encoding)
    for one, other in zip(wanted, back(tmp_path / "fences.shp"), strict=True):
        assert same(one, other), (one, other)


@pytest.mark.parametrize(
    "shape",
    [
        Circle(lat=31.15, lon=121.1, radius_m=90.5),
        Corridor(line=SQUARE[:3], half_width_m=15),
        Parts(parts=(Circle(lat=31.15, lon=121.1, radius_m=9), Circle(lat=31.16, lon=121.1, radius_m=8))),
        Parts(parts=(Polygon(corners=SQUARE, holes=(POND,)), Polygon(corners=BESIDE))),
    ],
)
def test_each_kind_of_drawing_comes_back_from_a_shapefile(tmp_path, shape):
    fence = MapFence(id="home", name="家", shape=shape, extra={"exit_margin_m": 25.0, "hysteresis_m": 5.0})
    write(tmp_path / "one.shp", [fence])
    (got,) = back(tmp_path / "one.shp")
    assert same(fence, got)


def test_a_shapefile_refuses_two_kinds_of_drawing(tmp_path):
    circle = MapFence(id="a", name="a", shape=Circle(lat=31.15, lon=121.1, radius_m=90))
    square = MapFence(id="b", name="b", shape=Polygon(corners=SQUARE))
    with pytest.raises(NoMapFile, match="one kind of drawing"):
        write(tmp_path / "two.shp", [circle, square])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over(tmp_path):
    (tmp_path / "a.gpkg").write_bytes(b"mine")
    with pytest.raises(NoMapFile, match="exists already"):
        write(tmp_path / "a.gpkg", [])
    assert (tmp_path / "a.gpkg").read_bytes() == b"mine"


def frame(*names, crs="EPSG:4326", column="name"):
    ring = shapely.Polygon([(lon, lat) for lat, lon in SQUARE])
    return geopandas.GeoDataFrame({column: list(names)}, geometry=[ring] * len(names), crs=crs)


@pytest.mark.parametrize("cpg", [True, False])
def test_a_shapefile_of_gdal_with_gbk_names_is_read_with_and_without_its_cpg(tmp_path, cpg):
    """Written by GDAL with ENCODING=GBK, as ogr2ogr writes it; without a .cpg, as many offices send it."""
    path = tmp_path / "围栏.shp"
    frame("新河苑", "张桂兰家").to_file(path, encoding="GBK")
    assert "新河苑".encode("gbk") in path.with_suffix(".dbf").read_bytes()
    if not cpg:
        path.with_suffix(".cpg").unlink()
    reading = read(path)
    assert [feature.columns["name"] for feature in reading.features] == ["新河苑", "张桂兰家"]
    assert [finding.code for finding in reading.findings] == ([] if cpg else ["encoding_guessed"])


def test_a_column_named_in_gbk_is_known(tmp_path):
    frame("新河苑", column="名称").to_file(tmp_path / "a.shp", encoding="GBK")
    (tmp_path / "a.cpg").unlink()
    assert back(tmp_path / "a.shp")[0].name == "新河苑"


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:4549", "EPSG:3857", "EPSG:32651", "EPSG:4258"])
def test_another_coordinate_system_is_converted(tmp_path, crs):
    """CGCS2000 in degrees and in its Gauss-Krueger zone, Web Mercator, UTM 51N, and ETRS89."""
    frame("x").to_crs(crs).to_file(tmp_path / "a.gpkg")
    (fence,) = back(tmp_path / "a.gpkg")
    assert fence.shape.exact_distance_m(*SQUARE[1]) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("crs", ["EPSG:2414", "EPSG:4610"])
def test_an_old_datum_of_china_is_never_taken_for_wgs84(tmp_path, crs):
    """PROJ would pass Beijing 1954 and Xi'an 1980 through as they are, some 100 m off."""
    frame("x").to_crs(crs).to_file(tmp_path / "a.gpkg")
    (finding,) = read(tmp_path / "a.gpkg").findings
    assert (finding.code, finding.weight) == ("crs_inexact", "error")


def test_a_coordinate_system_of_no_place_on_the_earth_is_refused(tmp_path):
    plan = 'LOCAL_CS["site plan",UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]'
    frame("x", crs=None).set_crs(plan).to_file(tmp_path / "a.gpkg")
    assert {finding.code for finding in read(tmp_path / "a.gpkg").findings} == {"crs_inexact", "crs_unusable"}


def test_a_file_that_names_no_coordinate_system_is_wgs84_with_a_note(tmp_path):
    frame("x").to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").unlink()
    reading = read(tmp_path / "a.shp")
    assert [finding.code for finding in reading.findings] == ["crs_missing"]
    assert len(reading.features) == 1


def test_every_layer_is_read_and_tables_without_drawings_are_passed_over(tmp_path):
    path = tmp_path / "a.gpkg"
    frame("a", "b").to_file(path, layer="one")
    pyogrio.write_dataframe(pd.DataFrame({"styleName": ["red"]}), path, layer="layer_styles")
    frame("c").to_file(path, layer="two")
    assert [feature.number for feature in read(path).features] == [1, 2, 3]


def test_the_boundary_of_the_sample_community_is_a_fence():
    (boundary,) = back(SEED / "boundary.geojson")
    assert boundary.name == "新河苑"
    assert boundary.shape.signed_distance_m(31.1553, 121.1050) < -50


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.geojson", b"hello", "is no GeoJSON, whatever its name says"),
        ("a.geojson", b"", "is no GeoJSON"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": [', "no map file that can be read"),
        ("a.geojson", b"<OGRVRTDataSource/>", "is no GeoJSON"),
        ("a.kml", b"<OGRVRTDataSource/>", "is no KML"),
        ("a.kml", b"<kml><Document>", "no map file that can be read"),
        ("a.gpkg", b"SQLite format 3\0" + bytes(84), "no map file that can be read"),
        ("a.shp", b"\x00\x00\x27\x0a" + bytes(96), r"needs its \.shx and \.dbf beside it"),
        ("a.dwg", b"AC1027", r"is none of \.geojson"),
    ],
)
def test_a_file_that_is_no_map_says_why(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NoMapFile, match=words):
        read(tmp_path / name)


@pytest.mark.parametrize("end", [*MIXED, ".shp"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path, end, data):
    for old in tmp_path.iterdir():
        old.unlink()
    write(tmp_path / f"a{end}", [MapFence(id="a", name="家", shape=Polygon(corners=SQUARE))])
    for part in sorted(tmp_path.iterdir()):
        content = bytearray(part.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        part.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with contextlib.suppress(NoMapFile):
        features = read(tmp_path / f"a{end}").features
        assert len(judge(features, site=None, repair=True).fences) <= len(features)


def test_a_prj_of_wild_bytes_is_refused_in_words(tmp_path):
    frame("x").to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").write_bytes(b"GEOGCS[\xff\xfe\x80")
    with pytest.raises(NoMapFile, match="no map file"):
        read(tmp_path / "a.shp")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(NoMapFile, match="cannot be read"):
        read(tmp_path / "a.geojson")


def test_a_file_too_large_or_of_too_many_rows_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(json.loads(frame("a", "b", "c").to_json())), encoding="utf-8")
    monkeypatch.setattr("geofence.files.MOST_FEATURES", 2)
    assert [finding.code for finding in read(path).findings] == ["too_many_features"]
    monkeypatch.setattr("geofence.files.MOST_BYTES", 100)
    with pytest.raises(NoMapFile, match="larger than"):
        read(path)
