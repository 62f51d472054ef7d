"""`shouwang fence`: map files in and out, judged before anything is believed."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from gateway.config import load
from geofence.datum import from_wgs84
from geofence.features import moved
from geofence.files import read
from shouwang import main

SEED = Path(__file__).parents[3] / "data" / "seed"


@pytest.fixture
def config(small_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SEED, tmp_path / "seed")
    path = small_config()
    load(path, make_demo_secrets=True)
    return path


@pytest.fixture
def desk(config, capsys):
    """Runs a command and gives (status, what was printed, what was complained)."""

    def run(*words) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["fence", *map(str, words), "--config", str(config)])
        return (status, *capsys.readouterr())

    return run


def feature(lat=31.1553, lon=121.1050, *, geometry=None, **properties):
    point = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "geometry": geometry or point, "properties": properties}


@pytest.fixture
def drawing(tmp_path):
    def write(*features, name="drawn.geojson") -> Path:
        document = {"type": "FeatureCollection", "features": list(features)}
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
        return tmp_path / name

    return write


BOW_TIE = {
    "type": "Polygon",
    "coordinates": [
        [[121.104, 31.155], [121.106, 31.156], [121.106, 31.155], [121.104, 31.156], [121.104, 31.155]]
    ],
}


def fences_of(config, number=1):
    return {fence.id: fence for fence in load(config).wearers[number].fences}


def test_a_good_file_is_checked_imported_and_holds(desk, drawing, config):
    path = drawing(feature(name="中心花园", radius_m=60, keep="out", schedule="daily night", dwell_s=30))
    assert desk("check", path) == (0, "drawn.geojson: 1 good fences; 0 errors, 0 warnings\n", "")
    assert fences_of(config, 0) == {}
    status, printed, complained = desk("import", path, "--wearer", "zhang")
    assert (status, complained) == (0, "")
    assert "1 fences imported for zhang" in printed
    (fence,) = fences_of(config, 0).values()
    assert (fence.id, fence.keep, fence.schedule, fence.dwell_s) == ("中心花园", "out", ("daily night",), 30)


def test_gcj02_is_refused_until_the_installer_says_so(desk, tmp_path, config):
    document = json.loads((SEED / "buildings.geojson").read_text(encoding="utf-8"))
    for one in document["features"]:
        one["geometry"] = moved(one["geometry"], lambda lat, lon: from_wgs84(lat, lon, datum="gcj02"))
    path = tmp_path / "amap.geojson"
    path.write_text(json.dumps(document), encoding="utf-8")
    status, _, complained = desk("import", path, "--wearer", "zhang")
    assert status == 2
    assert "feature 12 '12栋': error gcj02_suspected" in complained
    assert "nothing was imported" in complained
    assert fences_of(config, 0) == {}
    status, _, complained = desk("import", path, "--wearer", "zhang", "--datum", "gcj02")
    assert (status, complained) == (0, "")
    assert len(fences_of(config, 0)) == 12


def test_a_crossing_border_is_repaired_on_consent_and_somebody_should_look(desk, drawing, config):
    path = drawing(feature(geometry=BOW_TIE, name="蝴蝶"))
    assert desk("import", path, "--wearer", "zhang")[0] == 2
    status, _, complained = desk("import", path, "--wearer", "zhang", "--repair")
    assert status == 1
    assert "m² changed sides" in complained
    assert len(fences_of(config, 0)["蝴蝶"].parts) == 2


def test_an_id_that_is_there_is_refused_and_replace_replaces_only_imported_ones(desk, drawing, config):
    desk("import", drawing(feature(id="a", name="a", radius_m=50)), "--wearer", "wang")
    again = drawing(feature(id="a", name="a", radius_m=70), feature(id="b", name="b", radius_m=50))
    status, _, complained = desk("import", again, "--wearer", "wang")
    assert (status, "there already: a" in complained) == (2, True)
    assert desk("import", again, "--wearer", "wang", "--replace")[0] in (0, 1)
    assert {name: fence.radius_m for name, fence in fences_of(config).items()} == {
        "home": 100,
        "a": 70,
        "b": 50,
    }
    own = drawing(feature(id="home", name="a", radius_m=70))
    status, _, complained = desk("import", own, "--wearer", "wang", "--replace")
    assert (status, "there already: home" in complained) == (2, True)
    assert set(fences_of(config)) == {"home", "a", "b"}


def test_another_import_adds_to_what_is_there(desk, drawing, config):
    desk("import", drawing(feature(id="a", name="a", radius_m=50)), "--wearer", "wang")
    desk("import", drawing(feature(31.1555, id="b", name="b", radius_m=50)), "--wearer", "wang")
    assert set(fences_of(config)) == {"home", "a", "b"}


@pytest.mark.parametrize(
    ("column", "value"),
    [("keep", "inside"), ("dwell_s", -1), ("schedule", "sometimes"), ("escalate_m", "9; 3")],
)
def test_a_value_the_configuration_would_refuse_is_refused(desk, drawing, config, column, value):
    path = drawing(feature(id="a", name="a", radius_m=50, **{column: value}))
    status, _, complained = desk("import", path, "--wearer", "zhang")
    assert (status, column in complained) == (2, True)
    assert fences_of(config, 0) == {}


def test_tables_for_the_configuration_are_what_the_file_holds(desk, drawing, config, tmp_path):
    path = drawing(
        feature(id="a", name='家"\\\x7f', radius_m=50, escalate_m="300; 1000"),
        feature(geometry=BOW_TIE, id="b", name="蝴蝶"),
    )
    status, _, _ = desk("import", path, "--wearer", "zhang", "--repair", "--out", tmp_path / "fences.toml")
    assert status == 1
    tables = tomllib.loads((tmp_path / "fences.toml").read_text(encoding="utf-8"))["wearers"]["fences"]
    assert tables[0] == {
        "id": "a",
        "name": '家"\\\x7f',
        "centre": [31.1553, 121.105],
        "radius_m": 50.0,
        "escalate_m": [300.0, 1000.0],
    }
    assert [sorted(part) for part in tables[1]["parts"]] == [["polygon"], ["polygon"]]
    assert fences_of(config, 0) == {}
    assert desk("import", path, "--wearer", "zhang", "--repair", "--out", tmp_path / "fences.toml")[0] == 2
    whole = config.read_text(encoding="utf-8") + (tmp_path / "fences.toml").read_text(encoding="utf-8")
    config.write_text(whole, encoding="utf-8")
    assert set(fences_of(config)) == {"home", "a", "b"}


@pytest.mark.parametrize("end", ["geojson", "gpkg", "kml", "shp"])
def test_what_is_exported_is_imported_for_another(desk, config, tmp_path, end):
    status, printed, _ = desk("export", "--wearer", "wang", "--out", f"out.{end}")
    assert (status, "1 fences of wang" in printed) == (0, True)
    assert desk("import", f"out.{end}", "--wearer", "zhang")[0] == 0
    assert fences_of(config, 0) == fences_of(config)


def test_a_shapefile_in_gbk_can_be_asked_for(desk, tmp_path):
    assert desk("export", "--wearer", "wang", "--out", "out.shp", "--gbk")[0] == 0
    assert "花园".encode("gbk") in (tmp_path / "out.dbf").read_bytes()
    assert read(tmp_path / "out.shp").features[0].columns["name"] == "花园"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["import", "drawn.geojson", "--wearer", "nobody"], "no wearer 'nobody': zhang, wang"),
        (["export", "--wearer", "zhang", "--out", "a.kml"], "zhang has no fences"),
        (["export", "--wearer", "wang", "--out", "drawn.geojson"], "exists already"),
        (["export", "--wearer", "wang", "--out", "a.dwg"], "is none of .geojson"),
        (["check", "nowhere.gpkg"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(desk, drawing, words, complaint):
    drawing(feature(name="a", radius_m=50))
    status, printed, complained = desk(*words)
    assert (status, printed) == (2, "")
    assert complaint in complained


def test_a_map_of_the_site_that_is_broken_is_said(desk, drawing, tmp_path):
    (tmp_path / "seed/boundary.geojson").write_text("{", encoding="utf-8")
    status, _, complained = desk("check", drawing(feature(name="a", radius_m=50)))
    assert (status, "the map of the site cannot be read" in complained) == (2, True)


def test_a_name_cannot_steer_the_terminal(desk, drawing):
    status, printed, complained = desk("check", drawing(feature(name="\x1b[2J")))
    assert (status, "\x1b" in printed + complained) == (2, False)


def test_a_wearer_whose_id_is_no_file_name_gets_tables_only(desk, drawing, config):
    text = config.read_text(encoding="utf-8").replace('id = "zhang"', 'id = "../zhang"')
    config.write_text(text, encoding="utf-8")
    path = drawing(feature(name="a", radius_m=50))
    status, _, complained = desk("import", path, "--wearer", "../zhang")
    assert (status, "use --out" in complained) == (2, True)
