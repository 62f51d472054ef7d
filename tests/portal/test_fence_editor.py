"""What the fence editor asks: what is wrong, what it does, where to begin, what would be raised."""

from __future__ import annotations

import io
import json

import pytest

from gateway.model import Fix
from gateway.profile import FencePart, FenceTable
from portal.care.fences import files as fence_files

HOME = (31.15535, 121.1046)
FENCE = "/care/wearers/1/profile/fence"
CORNERS = "31.154, 121.103\n31.154, 121.107\n31.157, 121.107\n31.157, 121.103"
HOLE = "31.155, 121.1045\n31.155, 121.1055\n31.156, 121.1055"
CIRCLE = {"kind": "circle", "lat": "31.15535", "lon": "121.1046", "radius_m": "90", "datum": "wgs84"}
POLYGON = {"kind": "polygon", "corners": CORNERS, "holes": HOLE, "datum": "wgs84"}
WEST, EAST, SOUTH, NORTH = 121.1035, 121.1065, 31.1545, 31.1565
SQUARE = [[WEST, SOUTH], [EAST, SOUTH], [EAST, NORTH], [WEST, NORTH], [WEST, SOUTH]]
CROSSED = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]
SWAPPED = [[lat, lon] for lon, lat in SQUARE]
POINT = {"type": "Point", "coordinates": SQUARE[0]}
TWISTED = "31.154, 121.103\n31.157, 121.107\n31.154, 121.107\n31.157, 121.103"
JSON = {"Accept": "application/json"}


@pytest.fixture
def lived(gateway, samples):
    """张桂兰 with a profile, and a day on which she was out for an hour."""
    gateway.send(samples.ROSTER, samples.profile_told())
    gateway.send(*(position(samples, 300 if ago_s < 1_200 else 0, ago_s) for ago_s in range(7_200, -60, -60)))
    return gateway


def position(samples, east_m: float, ago_s: float):
    fix = Fix(lat=HOME[0], lon=HOME[1] + east_m / 95_157, valid=True, accuracy_m=8.0, source="gnss")
    return samples.telemetry(fix, ago_s=ago_s)


@pytest.fixture
def ask(lived, people):
    """Send a form to one of the editor's doors, as somebody."""

    def asking(door: str, *, who: str = "guardian", query: str = "", accept=JSON, file=None, **answers):
        browser = people[who]
        data = {"csrf_token": browser.token("/me/"), "name": "家", "keep": "in", "when": "always"} | answers
        if file is not None:
            data["file"] = (io.BytesIO(file[1]), file[0])
        return browser.client.post(f"{FENCE}/{door}{query}", data=data, headers=accept or {})

    return asking


def orders(gateway) -> list[dict]:
    return [one for one in gateway.commands() if one["name"] == "set_profile"]


# ---------------------------------------------------------------- check


def test_a_good_fence_is_given_back_with_its_lines_and_its_words(ask):
    said = ask("check", **CIRCLE).json
    assert said["errors"] == {}
    assert said["ground"] == {"kind": "circle", "centre": [31.15535, 121.1046], "radius_m": 90}
    assert set(said["rings"]) == {"area", "leave", "back"}
    assert said["whole"].startswith("圆形，半径 90 米：走出边界 20 米以上")
    assert said["said"]["when"] == "一天 24 小时、每天都生效。"


def test_what_is_half_filled_is_drawn_and_the_rest_is_told(ask):
    said = ask("check", **(POLYGON | {"name": "", "when": "daily", "begin": "25点", "end": "20"})).json
    assert set(said["errors"]) == {"name", "begin"}
    assert "area" in said["rings"]
    assert len(said["ground"]["holes"]) == 1
    assert "when" not in said["said"]


@pytest.mark.parametrize(
    ("answers", "field", "words"),
    [
        (
            {"corners": TWISTED},
            "corners",
            "自己交叉",
        ),
        ({"corners": CORNERS, "holes": "31.2, 121.2\n31.2, 121.3\n31.3, 121.3"}, "holes", "超出了多边形"),
        ({"corners": CORNERS, "holes": "31.155, 121.1045\n31.155, 121.1055"}, "holes", "至少要有 3 个"),
        ({"corners": CORNERS, "holes": HOLE + "\n\n" + HOLE}, "holes", "碰在一起"),
        ({"corners": CORNERS, "holes": HOLE + "\n\n31.1, x"}, "holes", "第 4 行"),
        ({"corners": "31.154, 121.103\n31.154"}, "corners", "第 2 行"),
    ],
)
def test_what_is_wrong_with_a_drawing_is_told_under_its_question(ask, answers, field, words):
    said = ask("check", **(POLYGON | {"holes": ""} | answers)).json
    assert set(said["errors"]) == {field}
    assert words in said["errors"][field]
    assert said["rings"] == {}
    assert said["whole"] == ""


def test_degrees_of_another_datum_are_drawn_where_they_are(ask):
    lat, lon = ask("check", **(CIRCLE | {"datum": "gcj02"})).json["ground"]["centre"]
    assert 0.001 < abs(lon - 121.1046) + abs(lat - 31.15535) < 0.02


def test_a_wearers_own_rule_counts_before_the_communitys(ask, gateway, samples):
    rules = samples.ZHANG_PROFILE.rules | {"fence": {"exit_margin_m": 55}}
    gateway.send(samples.profile_told(2, type(samples.ZHANG_PROFILE)(**(fields(samples) | {"rules": rules}))))
    assert "55 米" in ask("check", **CIRCLE).json["said"]["exit_margin_m"]


def fields(samples) -> dict:
    profile = samples.ZHANG_PROFILE
    return {name: getattr(profile, name) for name in profile.__struct_fields__}


@pytest.mark.parametrize("door", ["check", "try", "begin"])
@pytest.mark.parametrize(("who", "status"), [("staff", 200), ("resident", 404), ("grid_worker", 404)])
def test_only_who_may_edit_is_answered(ask, door, who, status):
    assert ask(door, who=who, **CIRCLE, preset="house").status_code == status


def test_a_form_without_its_token_is_refused(lived, people):
    browser = people["guardian"]
    assert browser.client.post(f"{FENCE}/check", data=CIRCLE, headers=JSON).status_code == 400


# ---------------------------------------------------------------- holes, by form alone


def test_holes_are_typed_sent_and_taken_away_again(ask, lived, people, samples):
    browser = people["guardian"]
    form = {"name": "家", "keep": "in", "when": "always", **POLYGON}
    assert (
        browser.post(f"{FENCE}?id=home", token=browser.token("/me/"), seen=seen(browser), **form).status_code
        == 302
    )
    (hole,) = orders(lived)[-1]["profile"]["fences"][0]["holes"]
    assert hole[0] == [31.155, 121.1045]
    form["holes"] = ""
    browser.post(f"{FENCE}?id=home", token=browser.token("/me/"), seen=seen(browser), **form)
    assert orders(lived)[-1]["profile"]["fences"][0]["holes"] == []


def seen(browser) -> str:
    return browser.get(f"{FENCE}?id=home").text.split('name="seen" value="', 1)[1].split('"', 1)[0]


def test_a_fence_of_parts_keeps_its_ground_and_has_no_beginnings(ask, gateway, samples, people):
    parts = (FencePart(centre=HOME, radius_m=90.0), FencePart(centre=(31.158, 121.109), radius_m=50.0))
    told = type(samples.ZHANG_PROFILE)(
        **(fields(samples) | {"fences": (FenceTable(id="two", name="两处", parts=parts),)})
    )
    gateway.send(samples.profile_told(2, told))
    page = people["guardian"].get(f"{FENCE}?id=two").text
    assert 'name="preset"' not in page
    assert 'name="kind"' not in page
    said = ask("check", query="?id=two").json
    assert said["ground"] == {"kind": "parts"}
    assert len(said["rings"]["area"]["coordinates"]) == 2


# ---------------------------------------------------------------- try


def test_a_trial_marks_its_alarms_and_the_way_on_the_map(ask, lived):
    said = ask("try", **CIRCLE).json
    assert [one["number"] for one in said["alarms"]] == [1, 2]
    assert said["alarms"][0]["lon"] == pytest.approx(HOME[1] + 300 / 95_157, abs=1e-5)
    assert "会报警 2 次" in said["page"]
    assert sum(map(len, said["track"])) == 120
    assert said["track"][0][0] == [HOME[1], HOME[0]]
    assert orders(lived) == []


def test_a_fence_that_is_none_is_not_tried(ask):
    answer = ask("try", **(CIRCLE | {"radius_m": "0"}))
    assert answer.status_code == 422
    assert set(answer.json["errors"]) == {"radius_m"}


# ---------------------------------------------------------------- begin with


def test_the_house_is_found_on_the_map_by_the_address(ask):
    answers = ask("begin", preset="house").json["answers"]
    assert answers["name"] == "3栋周围"
    assert answers["kind"] == "circle"
    assert float(answers["radius_m"]) % 10 == 0
    assert float(answers["lat"]) == pytest.approx(31.1562, abs=0.001)


def test_the_estate_and_the_last_position_are_grounds_that_hold(ask):
    for name, kind in (("estate", "polygon"), ("here", "circle")):
        answers = ask("begin", preset=name).json["answers"]
        assert answers["kind"] == kind
        assert "area" in ask("check", **answers).json["rings"]


def test_the_usual_walk_is_made_of_the_history_and_each_look_at_it_recorded(ask, lived, samples, people):
    assert ask("begin", preset="walk").status_code == 422
    for day in (1, 2, 3):
        lived.send(
            *(
                position(samples, 12.0 * max(0, min(minute, 30 - minute)), day * 86_400 - minute * 60)
                for minute in range(-20, 50)
            )
        )
    answers = ask("begin", preset="walk").json["answers"]
    assert answers["kind"] == "corridor"
    assert len(answers["line"].splitlines()) >= 2
    assert "area" in ask("check", **answers).json["rings"]


def test_a_beginning_that_is_none_says_so(ask, lived, samples):
    lived.send(samples.ROSTER, samples.profile_told(2))
    answer = ask("begin", preset="moon")
    assert (answer.status_code, answer.json["problems"]) == (422, ["没有这样的起点。"])


def test_without_a_script_a_beginning_gives_the_page_with_what_was_typed(ask, lived):
    answer = ask("begin", accept=None, preset="house", name="妈妈家", dwell_s="300", seen="x")
    assert answer.status_code == 200
    assert 'value="妈妈家"' in answer.text
    assert 'value="300"' in answer.text
    assert 'name="seen" value="x"' in answer.text
    assert orders(lived) == []


# ---------------------------------------------------------------- a file


def geojson(*features) -> bytes:
    made = [{"type": "Feature", "properties": about, "geometry": ground} for about, ground in features]
    return json.dumps({"type": "FeatureCollection", "features": made}).encode()


def ring(corners) -> dict:
    return {"type": "Polygon", "coordinates": [corners]}


GROUND = ring(SQUARE)
KML = f"""<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<Placemark><name>小花园</name><Polygon><outerBoundaryIs><LinearRing><coordinates>
{" ".join(f"{lon},{lat},0" for lon, lat in SQUARE)}
</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>""".encode()


@pytest.mark.parametrize(
    ("name", "content"), [("花园.geojson", geojson(({"name": "小花园"}, GROUND))), ("花园.KML", KML)]
)
def test_a_drawing_of_a_file_is_put_into_the_form(ask, name, content):
    answers = ask("begin", name="", file=(name, content)).json["answers"]
    assert answers["name"] == "小花园"
    assert answers["corners"].splitlines()[0] == "31.1545, 121.1035"
    page = ask("begin", accept=None, name="", file=(name, content)).text
    assert 'value="小花园"' in page
    assert "已从文件取来" in page


def test_a_line_without_a_width_is_given_one_and_that_is_said(ask):
    line = {"type": "LineString", "coordinates": SQUARE[:3]}
    said = ask("begin", file=("w.json", geojson(({"name": "路"}, line)))).json
    assert said["answers"]["half_width_m"] == "30"
    assert "没有写大小" in said["note"]


def test_of_several_drawings_one_is_chosen_and_what_was_typed_stays(ask):
    both = geojson(
        ({"name": "甲"}, GROUND),
        ({"name": "乙", "radius_m": 40}, {"type": "Point", "coordinates": SQUARE[0]}),
    )
    page = ask("begin", accept=None, dwell_s="300", file=("two.json", both)).text
    assert page.count('name="fill"') == 2
    chosen = '{"kind":"circle","lat":"31.1545","lon":"121.1035","radius_m":"40","datum":"wgs84","name":"乙"}'
    assert chosen in page.replace("&#34;", '"')
    page = ask("begin", accept=None, name="", dwell_s="300", fill=chosen).text
    assert 'value="乙"' in page
    assert 'value="300"' in page
    assert ask("begin", fill="[1]").status_code == 400


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.shp", b"x", "请选 GeoJSON 或 KML"),
        ("a.geojson", b"", "读不出来"),
        ("a.geojson", b"\x00\x01", "读不出来"),
        ("a.kml", b"{}", "读不出来"),
        ("a.geojson", geojson(), "没有图形"),
        ("a.geojson", geojson(({"name": "空"}, None)), "空：这一项没有画出图形"),
        (
            "a.geojson",
            geojson(({"name": "叉"}, ring(CROSSED))),
            "叉：边界自己交叉了",
        ),
        (
            "a.geojson",
            geojson(({"name": "反"}, ring(SWAPPED))),
            "反：经度和纬度写反了",
        ),
        ("a.geojson", geojson(({"name": "径", "radius_m": "大"}, POINT)), "径：附带的数值不对"),
    ],
)
def test_a_file_that_is_no_good_says_why_and_takes_nothing(ask, name, content, words):
    answer = ask("begin", file=(name, content))
    assert answer.status_code == 422
    assert words in "".join(answer.json["problems"])
    page = ask("begin", accept=None, dwell_s="300", file=(name, content)).text
    assert words in page
    assert 'value="300"' in page


def test_a_file_that_is_too_large_is_not_read(ask, monkeypatch):
    monkeypatch.setattr(fence_files, "MOST_BYTES", 1_000)
    answer = ask("begin", file=("a.geojson", geojson(({"name": "园"}, GROUND)) + b" " * 1_000))
    assert (answer.status_code, answer.json["problems"]) == (422, ["文件太大了，最多 1 MB。"])


def test_no_file_is_asked_for(ask):
    assert ask("begin").json["problems"] == ["请先选一个文件。"]
