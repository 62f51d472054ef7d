"""Fences drawn on a map lie beside the configuration and are checked like it, without anything heavy."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import load
from gateway.config_tables import Checker, SecretSource
from gateway.errors import ConfigError
from gateway.fence_files import checked, drawn, save, table_of, view_of_drawn
from gateway.fences import view_of
from gateway.model import FencePart, FenceView
from gateway.profile import FenceTable
from geofence.features import MapFence
from geofence.shape import Circle, Corridor, Parts, Polygon

SQUARE = ((31.1540, 121.1030), (31.1540, 121.1070), (31.1570, 121.1070), (31.1570, 121.1030))
POND = ((31.1550, 121.1040), (31.1550, 121.1045), (31.1555, 121.1045))
GARDEN = MapFence(
    id="garden",
    name="中心花园",
    shape=Polygon(corners=SQUARE, holes=(POND,)),
    extra={"keep": "out", "schedule": ("daily night", "sat 09:00-12:00"), "dwell_s": 30.0},
)
WALK = MapFence(
    id="walk",
    name="去菜场的路",
    shape=Parts(
        parts=(Circle(lat=31.15, lon=121.1, radius_m=60), Corridor(line=SQUARE[:2], half_width_m=20))
    ),
    extra={"escalate_m": (300.0, 1000.0), "exit_margin_m": 25.0},
)


@pytest.fixture
def checker(tmp_path):
    return Checker(SecretSource(base=tmp_path, demo=False))


def put(folder, wearer, *features, **more):
    folder.mkdir(parents=True, exist_ok=True)
    document = {"type": "FeatureCollection", "features": list(features), **more}
    (folder / f"{wearer}.geojson").write_text(json.dumps(document), encoding="utf-8")


def circle(radius_m=80, **properties):
    point = {"type": "Point", "coordinates": [121.105, 31.155]}
    return {"type": "Feature", "geometry": point, "properties": {"radius_m": radius_m, **properties}}


def problems_of(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [(problem.path.rpartition("/")[2], problem.expected) for problem in caught.value.problems]


def test_what_is_saved_is_read_back_and_belongs_to_its_owner_alone(tmp_path, checker):
    path = tmp_path / "fences" / "zhang.geojson"
    save(path, [GARDEN, WALK])
    assert [drawn(view_of(table)) for table in checked(path, checker, FenceTable)] == [
        view_back(GARDEN),
        view_back(WALK),
    ]
    assert checker.problems == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["zhang.geojson"]


def view_back(fence):
    """The fence as a file gives it: a ring closed by its first corner."""
    return drawn(view_of_drawn(fence)) if isinstance(fence.shape, Parts) else with_closed_rings(fence)


def with_closed_rings(fence):
    rings = [(*ring, ring[0]) for ring in (fence.shape.corners, *fence.shape.holes)]
    shape = Polygon(corners=rings[0], holes=tuple(rings[1:]))
    return MapFence(id=fence.id, name=fence.name, shape=shape, extra=fence.extra)


def test_the_fences_of_a_file_come_behind_those_of_the_configuration(small_config, tmp_path):
    save(tmp_path / "data/fences/wang.geojson", [GARDEN])
    save(tmp_path / "data/fences/zhang.geojson", [WALK])
    zhang, wang = load(small_config()).wearers
    assert [fence.id for fence in wang.fences] == ["home", "garden"]
    assert wang.fences[1].keep == "out"
    assert wang.fences[1].schedule == ("daily night", "sat 09:00-12:00")
    assert zhang.fences[0].parts[0] == FencePart(centre=(31.15, 121.1), radius_m=60)


def test_another_folder_may_be_named(small_config, tmp_path):
    save(tmp_path / "maps/wang.geojson", [GARDEN])
    config = small_config(('map_dir = "seed"', 'map_dir = "seed"\nfences_dir = "maps"'))
    assert len(load(config).wearers[1].fences) == 2


def test_every_wrong_file_feature_and_value_is_listed_at_once(small_config, tmp_path):
    folder = tmp_path / "data/fences"
    put(folder, "nobody", circle(id="a", name="a"))
    put(
        folder,
        "wang",
        circle(id="home", name="家"),
        circle(name="no id"),
        circle(id="b", name="b", exit_margn_m=5),
        circle(id="c", name="c", keep="inside"),
        circle(id="d", name="d", schedule="sometimes"),
        circle(id="e", name="e", radius_m="wide"),
        {"type": "Feature", "geometry": {"type": "Curve"}, "properties": {"id": "f", "name": "f"}},
        {"type": "Feature"},
    )
    put(folder, "zhang", crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}})
    found = dict(problems_of(small_config()))
    assert set(found) >= {
        "nobody.geojson",
        "wang.geojson feature 2.id",
        "wang.geojson feature 3",
        "wang.geojson feature 4.keep",
        "wang.geojson feature 6",
        "wang.geojson feature 7",
        "wang.geojson feature 8",
        "zhang.geojson crs",
        "wearers.wang.fences",
        "wearers.wang.fences.d.schedule",
    }
    assert "exit_margn_m" in found["wang.geojson feature 3"]
    assert found["wearers.wang.fences"] == "ids that differ"


@pytest.mark.parametrize("content", [b"hello", b"\xff\xfe", b"[]", b'{"features": 3}'])
def test_a_file_that_is_no_geojson_is_a_problem(small_config, tmp_path, content):
    (tmp_path / "data/fences").mkdir(parents=True)
    (tmp_path / "data/fences/wang.geojson").write_bytes(content)
    ((path, expected),) = problems_of(small_config())
    assert path == "wang.geojson"
    assert "GeoJSON" in expected


def test_a_file_too_large_is_a_problem(small_config, tmp_path, monkeypatch):
    put(tmp_path / "data/fences", "wang", circle(id="a", name="a"))
    monkeypatch.setattr("gateway.fence_files.MOST_BYTES", 20)
    assert problems_of(small_config()) == [("wang.geojson", "at most 20 bytes")]


def test_geojson_of_qgis_names_its_coordinate_system_and_is_welcome(small_config, tmp_path):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    put(tmp_path / "data/fences", "wang", circle(id="a", name="a", fid=1, keep=None), crs=crs)
    assert [fence.id for fence in load(small_config()).wearers[1].fences] == ["home", "a"]


def test_fences_are_loaded_without_importing_geopandas(small_config, tmp_path, root):
    save(tmp_path / "data/fences/wang.geojson", [GARDEN])
    code = (
        "import sys, pathlib, shouwang; from gateway.config import load;"
        f"assert len(load(pathlib.Path({str(small_config())!r})).wearers[1].fences) == 2;"
        "print([m for m in ('geopandas', 'pandas', 'pyogrio', 'pyproj') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@given(
    margin_m=st.floats(0, 5_000),
    keep=st.sampled_from(["in", "out"]),
    dwell_s=st.none() | st.floats(0, 86_400),
    escalate_m=st.lists(st.floats(1, 5_000), max_size=3).map(lambda steps: tuple(sorted(steps))),
)
def test_a_view_goes_to_a_map_and_back(margin_m, keep, dwell_s, escalate_m):
    view = FenceView(
        fence="a",
        name="家",
        centre=(31.15, 121.1),
        radius_m=90.0,
        exit_margin_m=margin_m,
        keep=keep,
        dwell_s=dwell_s,
        escalate_m=escalate_m,
    )
    assert view_of_drawn(drawn(view)) == view
    checker = Checker(SecretSource(base=None, demo=False))
    assert view_of(checker.table(table_of(drawn(view)), FenceTable, "fence")) == view
    assert checker.problems == []
