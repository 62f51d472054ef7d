"""The live map, the alarms board, an incident, a wearer: what is said, to whom, and what a button does."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.model import Fix, Why
from gateway.told import CommandDone
from portal.care.models import AuditEntry, Command, Wearer
from portal.care.places import LAYERS, Gazetteer
from portal.db import db

MAP = Path(__file__).parents[2] / "data" / "seed"


def words(page: str) -> str:
    """A page as it is read aloud: no tags, single blanks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def told(gateway, samples):
    """A gateway that has named its people and heard from one."""
    gateway.send(samples.ROSTER, samples.at_home(ago_s=180))
    return gateway


# ---------------------------------------------------------------- who sees whom


def test_a_guardian_sees_exactly_those_who_name_her_phone(told, people):
    page = people["guardian"].get("/care/").text
    assert "张桂兰" in page
    assert "王德顺" not in page


def test_watchers_see_their_whole_community(told, people):
    for role in ("staff", "grid_worker", "admin"):
        page = people[role].get("/care/").text
        assert "张桂兰" in page, role
        assert "王德顺" in page, role


def test_a_resident_sees_nobody_and_is_told_how_it_starts(told, people):
    page = people["resident"].get("/care/").text
    assert "张桂兰" not in page
    assert "请联系居委会登记" in page


def test_somebody_elses_wearer_is_not_found_and_never_forbidden(app, told, people, samples):
    told.send(samples.incident("open", incident_id="inc9", wearer="wang-deshun"))
    with app.app_context():
        wang = db.session.scalars(sa.select(Wearer).where(Wearer.code == "wang-deshun")).one().id
    guardian = people["guardian"]
    token = guardian.token("/me/")
    for path in (f"/care/wearers/{wang}/", "/care/incidents/inc9", "/care/incidents/inc9/card"):
        assert guardian.get(path).status_code == 404, path
    for path in ("/care/incidents/inc9/acknowledge", "/care/incidents/inc9/resolve"):
        assert guardian.post(path, token=token).status_code == 404, path
    assert "wang" not in guardian.get("/care/markers.json").text
    assert "王德顺" not in guardian.get(f"/care/cards?id={wang}").text
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Command)) == 0


def test_a_contact_taken_off_the_roster_sees_no_more(told, people, samples):
    import msgspec

    assert "张桂兰" in people["guardian"].get("/care/").text
    without = msgspec.structs.replace(samples.ZHANG, contacts=(samples.SON,))
    told.send(msgspec.structs.replace(samples.ROSTER, wearers=(without, samples.WANG)))
    assert "张桂兰" not in people["guardian"].get("/care/").text


# ---------------------------------------------------------------- what is said


def test_a_card_is_a_sentence_before_any_number(told, people):
    page = words(people["guardian"].get("/care/").text)
    assert "张桂兰 在家附近（3栋） 3 分钟前 · 心率 76 · 血压 132/84 · 电量 64%" in page


def test_an_alarm_says_who_what_where_since_when_and_what_is_being_done(told, people, samples):
    told.send(
        samples.incident(
            "notifying",
            samples.leg(1, "text", "delivered"),
            samples.leg(1, "text", "delivered", contact=samples.DAUGHTER),
            samples.leg(1, "call", "no_answer"),
            samples.leg(1, "call", "ringing", contact=samples.DAUGHTER),
        )
    )
    page = words(people["guardian"].get("/care/alarms/").text)
    assert "张桂兰 按下求救" in page
    assert "3栋附近 · 2 分钟前 · 正在拨打 李晓梅（第 1 轮）" in page
    assert re.search(
        r"短信通知全部亲属 李建国 已送达 .*李晓梅 已送达 .*电话 · 第 1 轮 李建国 无人接听 .*李晓梅 正在响铃",
        page,
    )


def test_a_call_acknowledged_by_key_shows_who_took_it(told, people, samples):
    confirmed = samples.leg(1, "call", "confirmed", contact=samples.DAUGHTER)
    told.send(samples.incident("acknowledged", confirmed, acknowledged_by="李晓梅"))
    page = words(people["staff"].get("/care/incidents/inc1").text)
    assert "李晓梅 已接手" in page
    assert "李晓梅 按 1 确认接手" in page


@pytest.mark.parametrize(
    ("kind", "why", "said"),
    [
        ("fence", Why(code="fence_exit", place="5栋与中心花园"), "离开了「5栋与中心花园」"),
        ("vitals", Why(code="heart_rate_high", value=131, limit=125, unit="bpm"), "心率偏高：131 次/分"),
        ("vitals", Why(code="systolic_high", value=158, limit=150, unit="mmHg"), "收缩压偏高：158 mmHg"),
        ("vitals", Why(code="diastolic_low", value=48.4, limit=50, unit="mmHg"), "舒张压偏低：48.4 mmHg"),
        ("vitals", Why(code="something_new"), "身体指标异常"),
        ("low_battery", Why(code="low_battery", value=12, unit="pct"), "手环电量只剩 12%"),
        ("silence", Why(code="silent"), "手环很久没有消息"),
        ("system", Why(code="journal_degraded"), "守望设备需要检查"),
    ],
)
def test_every_kind_of_alarm_is_said_in_words(told, people, samples, kind, why, said):
    told.send(samples.incident("open", kind=kind, why=why))
    assert f"张桂兰 {said}" in words(people["staff"].get("/care/alarms/").text)


def test_the_worst_and_the_untaken_come_first(told, people, samples):
    told.send(
        samples.incident("acknowledged", incident_id="taken", ref="AAAA"),
        samples.incident("open", incident_id="mild", ref="BBBB", severity="warning"),
        samples.incident("open", incident_id="grave", ref="CCCC"),
        samples.incident("resolved", incident_id="over", ref="DDDD"),
    )
    found = re.findall(r"#([A-D]{4})<", people["staff"].get("/care/alarms/").text)
    assert found == ["CCCC", "AAAA", "BBBB", "DDDD"]


def test_the_front_page_warns_of_an_untaken_alarm_only_those_concerned(told, people, samples):
    told.send(samples.incident())
    assert "张桂兰 按下求救" in people["guardian"].get("/").text
    assert "张桂兰" not in people["resident"].get("/").text


def test_pages_speak_english_after_the_switch_and_no_chinese_words_of_ours_remain(told, people, samples):
    told.send(samples.incident("notifying", samples.leg(1, "call", "ringing")))
    staff = people["staff"]
    staff.post("/language", language="en", next="/care/")
    page = staff.get("/care/alarms/").text.split("<main", 1)[1].split("</main>", 1)[0]
    names = "张桂兰王德顺李建国李晓梅分钟前刚刚"
    left = {letter for letter in words(page) if "\u4e00" <= letter <= "\u9fff"} - set(names)
    assert left == set()
    assert "pressed the SOS button" in page


# ---------------------------------------------------------------- what a button does


def test_taking_it_on_reaches_the_gateway_and_shows_progress_until_it_answers(app, told, people, samples):
    told.send(samples.incident())
    staff = people["staff"]
    assert "我来处理" in staff.get("/care/alarms/").text
    answer = staff.post(
        "/care/incidents/inc1/acknowledge", token=staff.token("/care/alarms/"), next="/care/alarms/"
    )
    assert (answer.status_code, answer.location) == (302, "/care/alarms/")
    (command,) = told.commands()
    assert (command["name"], command["incident"], command["by"]) == ("acknowledge", "inc1", "周敏")
    waiting = staff.get("/care/alarms/").text
    assert "正在告诉守望设备" in waiting
    assert "我来处理" not in waiting
    told.send(
        CommandDone(command=command["command"], done=True),
        samples.incident("acknowledged", acknowledged_by="周敏"),
    )
    page = staff.get("/care/alarms/").text
    assert "正在告诉守望设备" not in page
    assert "周敏 已接手" in page
    assert "处理完毕" in page


def test_pressing_twice_is_one_order(told, people, samples):
    told.send(samples.incident())
    for role in ("staff", "staff", "guardian"):
        browser = people[role]
        browser.post("/care/incidents/inc1/acknowledge", token=browser.token("/me/"))
    assert len(told.commands()) == 1


def test_after_ringing_again_it_can_be_taken_on_again(told, people, samples):
    told.send(samples.incident())
    staff = people["staff"]
    staff.post("/care/incidents/inc1/acknowledge", token=staff.token("/me/"))
    (first,) = told.commands()
    told.send(CommandDone(command=first["command"], done=True), samples.incident("acknowledged"))
    told.send(samples.incident("notifying"))
    staff.post("/care/incidents/inc1/acknowledge", token=staff.token("/me/"))
    assert [row["number"] for row in told.commands(after=1)] == [2]


def test_a_refusal_is_said_and_the_button_comes_back(told, people, samples):
    told.send(samples.incident())
    staff = people["staff"]
    staff.post("/care/incidents/inc1/acknowledge", token=staff.token("/me/"))
    (command,) = told.commands()
    told.send(CommandDone(command=command["command"], done=False, reason="busy"))
    page = staff.get("/care/incidents/inc1").text
    assert "没有成功" in page
    assert "我来处理" in page


def test_closing_it_sends_the_note_and_is_recorded(app, told, people, samples):
    told.send(samples.incident("acknowledged"))
    staff = people["staff"]
    staff.post("/care/incidents/inc1/resolve", token=staff.token("/me/"), note=" 已到家中，平安 ")
    (command,) = told.commands()
    assert (command["name"], command["note"]) == ("resolve", "已到家中，平安")
    with app.app_context():
        entry = db.session.scalars(sa.select(AuditEntry)).one()
        assert (entry.action, entry.subject, entry.detail) == ("resolve", "incident:inc1", "已到家中，平安")


def test_a_note_that_is_too_long_is_not_sent(told, people, samples):
    told.send(samples.incident("acknowledged"))
    staff = people["staff"]
    staff.post("/care/incidents/inc1/resolve", token=staff.token("/me/"), note="长" * 501)
    assert told.commands() == []


def test_an_order_without_the_forms_token_is_refused(told, people, samples):
    told.send(samples.incident())
    assert people["staff"].client.post("/care/incidents/inc1/acknowledge").status_code == 400
    assert told.commands() == []


# ---------------------------------------------------------------- one wearer, and the record of who looked


def test_a_look_at_the_vitals_is_recorded_once_a_sitting(app, told, people):
    with app.app_context():
        zhang = db.session.scalars(sa.select(Wearer).where(Wearer.code == "zhang-guilan")).one().id
    for _ in range(3):
        page = people["guardian"].get(f"/care/wearers/{zhang}/")
        assert page.status_code == 200
    assert "132/84" in page.text
    with app.app_context():
        entry = db.session.scalars(sa.select(AuditEntry)).one()
        assert (entry.action, entry.subject) == ("view_vitals", f"wearer:{zhang}")


# ---------------------------------------------------------------- the map


def test_the_base_map_names_no_address_outside_the_house(told, people):
    style = people["staff"].get("/care/map/style.json").json
    assert "glyphs" not in style
    assert "sprite" not in style
    assert set(style["sources"]) == set(LAYERS)
    for source in style["sources"].values():
        assert source["data"].startswith("http://localhost/care/map/")
        layer = people["staff"].get(source["data"])
        assert layer.json["features"], source
    used = {layer.get("source") for layer in style["layers"]} - {None}
    assert used <= set(style["sources"])


@pytest.mark.parametrize("name", ["../config", "people", "boundary.geojson"])
def test_only_the_layers_of_the_map_are_served(told, people, name):
    assert people["staff"].get(f"/care/map/{name}.geojson").status_code == 404


def test_markers_carry_what_the_map_draws(told, people):
    (zhang,) = people["guardian"].get("/care/markers.json").json["wearers"]
    assert (zhang["lat"], zhang["lon"], zhang["accuracy_m"]) == (31.1559, 121.1065, 12.0)
    assert (zhang["initials"], zhang["source"], zhang["alarm"]) == ("桂兰", "gnss", None)


def test_an_old_position_says_that_it_is_old(app, told, people, samples):
    app.config["NOW"] = lambda: samples.NOW + timedelta(hours=2)
    page = people["guardian"].get("/care/").text
    assert "ring-old" in page
    assert "位置是之前的，不是现在的" in page


def test_places_are_named_from_the_communitys_own_map():
    gazetteer = Gazetteer(MAP)
    for name in ("buildings", "gates"):
        for feature in json.loads((MAP / f"{name}.geojson").read_text("utf-8"))["features"]:
            ring = feature["geometry"]["coordinates"]
            lon, lat = ring if feature["geometry"]["type"] == "Point" else ring[0][0]
            where = gazetteer.where(lat, lon)
            assert (where.kind, where.name) == ("near", feature["properties"]["name"])
    outside = gazetteer.where(31.1650, 121.1050)
    assert (outside.kind, outside.name) == ("outside", "北门")
    assert 800 < outside.distance_m < 1000


def test_a_community_without_a_map_has_wearers_all_the_same(tmp_path):
    assert Gazetteer(tmp_path).where(31.1, 121.1) is None


def test_a_wearer_nobody_has_heard_of_has_no_position_and_says_so(app, gateway, people, samples):
    gateway.send(samples.ROSTER)
    assert "还没有收到手环的消息" in people["staff"].get("/care/").text
    gateway.send(samples.telemetry(Fix(lat=0, lon=0, valid=False)))
    (zhang,) = people["guardian"].get("/care/markers.json").json["wearers"]
    assert "lat" not in zhang
