"""The lines an editor draws are where the rule counts; what they do is said in metres and minutes."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

import pytest
from shapely.geometry import Point, shape

from gateway.fences import shape_of, view_of
from gateway.profile import FenceTable
from gateway.rules.fence import FenceSettings, watch
from portal.care.fences.effects import fence_effects, whole_words
from portal.care.fences.rings import ground_of, limits_m, rings_of

HOME = (31.15535, 121.1046)
SQUARE = ((31.154, 121.103), (31.154, 121.107), (31.157, 121.107), (31.157, 121.103))
POND = ((31.155, 121.1045), (31.155, 121.1055), (31.156, 121.1055))
WAY = (HOME, (31.1575, 121.108), (31.159, 121.108))
STANDARDS = {"exit_margin_m": 20.0, "hysteresis_m": 10.0, "dwell_s": 90.0}
GROUNDS = {
    "circle": {"centre": HOME, "radius_m": 90.0},
    "polygon": {"polygon": SQUARE, "holes": (POND,)},
    "corridor": {"line": WAY, "half_width_m": 40.0},
}


def fence(kind: str = "circle", **more) -> FenceTable:
    return FenceTable(id="f", name="家", **GROUNDS[kind], **more)


@pytest.mark.parametrize("kind", GROUNDS)
@pytest.mark.parametrize("keep", ["in", "out"])
def test_the_lines_lie_where_the_rule_counts(kind, keep):
    table = fence(kind, keep=keep, exit_margin_m=15.0, hysteresis_m=25.0, approach_m=12.0)
    rings, ground = rings_of(table, STANDARDS), shape_of(view_of(table))
    side = 1 if keep == "in" else -1
    for name, metres in {"area": 0.0, "leave": 15.0, "back": -10.0, "approach": -12.0}.items():
        for outer, *holes in rings[name]["coordinates"]:
            away = [side * ground.exact_distance_m(lat, lon) for lon, lat in (*outer, *chain(*holes))]
            assert max(away) <= metres + 0.4
            assert min(away) >= metres - 0.4


@pytest.mark.parametrize("keep", ["in", "out"])
@pytest.mark.parametrize("own", [{}, {"exit_margin_m": 30.0}, {"hysteresis_m": 0.0}, {"dwell_s": 0.0}])
def test_the_limits_are_those_the_gateway_watches(keep, own):
    table = fence(keep=keep, **own)
    settings = FenceSettings(**STANDARDS)
    limits = watch(view_of(table), settings).limits
    assert limits_m(table, STANDARDS) == (limits.exit_margin_m, limits.exit_margin_m - limits.hysteresis_m)
    assert timedelta(seconds=STANDARDS["dwell_s"] if table.dwell_s is None else table.dwell_s) == limits.dwell


def test_a_margin_that_leaves_nothing_is_not_drawn():
    pond = fence("circle", keep="out", exit_margin_m=200.0)
    assert set(rings_of(pond, STANDARDS)) == {"area"}


def test_holes_stay_holes():
    area = shape(rings_of(fence("polygon"), STANDARDS)["area"])
    assert not area.contains(Point(121.1053, 31.1553))
    assert area.contains(Point(121.1035, 31.1545))


def test_a_shape_that_is_none_is_told():
    crossed = FenceTable(id="f", name="家", polygon=(SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]))
    with pytest.raises(ValueError, match="no simple polygon"):
        rings_of(crossed, STANDARDS)


def test_the_ground_is_given_in_wgs84():
    given = ground_of(fence(datum="gcj02"))
    assert given["kind"] == "circle"
    assert 0.001 < abs(given["centre"][1] - HOME[1]) < 0.01
    assert ground_of(fence("corridor"))["line"] == WAY


@pytest.mark.parametrize(
    ("own", "field", "words"),
    [
        ({}, "exit_margin_m", "过了边界 20 米（地图上的外圈虚线）才算离开。"),
        ({"keep": "out"}, "exit_margin_m", "一过边界就算。定位有误差，常在边上走动会多报。"),
        (
            {"keep": "out", "exit_margin_m": 5.0},
            "exit_margin_m",
            "进了边界 5 米（地图上的内圈虚线）才算进入。",
        ),
        ({}, "hysteresis_m", "回到离边界 10 米（地图上的细点线）就算回来。"),
        ({"hysteresis_m": 50.0}, "hysteresis_m", "回到边界以内 30 米（地图上的细点线）才算回来。"),
        ({"keep": "out"}, "hysteresis_m", "退到边界以外 10 米（地图上的细点线）才算离开。"),
        ({}, "dwell_s", "越界满 1 分 30 秒 才报警；之前回来就不报。"),
        ({"dwell_s": 300.0}, "dwell_s", "越界满 5 分钟 才报警；之前回来就不报。"),
        ({"dwell_s": 0.0}, "dwell_s", "第一个越界的位置就报警，定位跳一下也会报。"),
        ({"approach_m": 30.0}, "approach_m", "离边界不到 30 米时先提醒一次，不打电话。"),
        ({"escalate_m": (300.0, 1000.0)}, "escalate_m", "报警后，走到边界外 300 米、1000 米 时各再报一次。"),
        ({"schedule": ("daily day",)}, "when", "每天 06:00–22:00 生效，其他时间不报警。"),
        ({}, "when", "一天 24 小时、每天都生效。"),
    ],
)
def test_each_number_says_what_it_does(app, own, field, words):
    with app.test_request_context():
        assert fence_effects(fence(**own), STANDARDS)[field] == words


def test_a_fence_is_read_back_in_one_breath(app):
    with app.test_request_context():
        assert whole_words(fence(dwell_s=60.0), STANDARDS) == (
            "圆形，半径 90 米：走出边界 20 米以上、满 1 分钟，就报警。"
        )
        pond = fence(keep="out", dwell_s=0.0)
        assert whole_words(pond, STANDARDS) == "圆形，半径 90 米：走进边界，马上报警。"
