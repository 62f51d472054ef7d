"""Fences out of map files and back."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import pytest
import shapely

from geofence.files import NamedShape, read_fences, write_fences
from geofence.shape import Circle, Polygon

CORNERS = ((31.154, 121.103), (31.154, 121.107), (31.157, 121.107))
BOUNDARY = Path(__file__).parents[2] / "data" / "seed" / "boundary.geojson"


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def geojson(path: Path, *features) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def ring(*corners):
    return [[lon, lat] for lat, lon in (*corners, corners[0])]


def test_what_is_written_is_read_back(tmp_path):
    fences = (
        NamedShape(name="新河苑", shape=Polygon(corners=CORNERS)),
        NamedShape(name="5栋", shape=Circle(lat=31.155, lon=121.104, radius_m=90)),
    )
    write_fences(tmp_path / "fences.geojson", fences)
    polygon, circle = read_fences(tmp_path / "fences.geojson")
    assert circle == fences[1]
    assert polygon.name == "新河苑"
    for point in ((31.155, 121.105), (31.16, 121.1)):
        assert polygon.shape.exact_distance_m(*point) == pytest.approx(
            fences[0].shape.exact_distance_m(*point), abs=1e-6
        )


def test_the_boundary_of_the_sample_community_is_a_fence():
    (boundary,) = read_fences(BOUNDARY)
    assert boundary.shape.signed_distance_m(31.1553, 121.1050) < -50


def test_another_coordinate_system_is_converted(tmp_path):
    square = shapely.Polygon([(lon, lat) for lat, lon in CORNERS])
    frame = geopandas.GeoDataFrame({"name": ["x"]}, geometry=[square], crs="EPSG:4326").to_crs("EPSG:3857")
    frame.to_file(tmp_path / "mercator.gpkg")
    (fence,) = read_fences(tmp_path / "mercator.gpkg")
    assert fence.shape.exact_distance_m(*CORNERS[1]) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (
            {
                "type": "Polygon",
                "coordinates": [
                    ring(*CORNERS),
                    ring((31.1541, 121.104), (31.1542, 121.104), (31.1541, 121.1041)),
                ],
            },
            "feature 2 bad: a fence has no holes",
        ),
        ({"type": "Point", "coordinates": [121.1, 31.1]}, "a Point with radius_m, not Point"),
        ({"type": "LineString", "coordinates": [[121.1, 31.1], [121.2, 31.1]]}, "not LineString"),
        (None, "not nothing"),
        (
            {"type": "Polygon", "coordinates": [ring((31, 121), (31.1, 121.1), (31.1, 121), (31, 121.1))]},
            "feature 2 bad: .*Self-intersection",
        ),
    ],
)
def test_a_feature_that_is_no_fence_is_named(tmp_path, geometry, words):
    good = feature({"type": "Polygon", "coordinates": [ring(*CORNERS)]}, name="good")
    path = geojson(tmp_path / "fences.geojson", good, feature(geometry, name="bad"))
    with pytest.raises(ValueError, match=words):
        read_fences(path)


def test_a_file_that_is_no_map_is_refused(tmp_path):
    (tmp_path / "fences.geojson").write_text("hello", encoding="utf-8")
    for name in ("fences.geojson", "missing.geojson"):
        with pytest.raises(OSError, match="no map file"):
            read_fences(tmp_path / name)
