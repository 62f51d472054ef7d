"""The story of an incident, its report, and what stands between an alarm and a person."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from gateway.told import CarrierHealth, GatewayHealth, StoryLine
from portal import audit
from portal.care.models import AuditEntry, HealthReport, IncidentLine
from portal.care.sketch import sketch
from portal.db import db

HAN = re.compile(r"[\u4e00-\u9fff]")


def words(page: str) -> str:
    """A page as it is read aloud: no tags, single blanks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def main(page: str) -> str:
    return words(page.split("<main", 1)[1].split("</main>", 1)[0].partition(">")[2])


@pytest.fixture
def whole(samples):
    """A whole incident as it is told in two changes: an SOS, a call in vain, a text answered, closed."""
    pressed = samples.NOW - timedelta(minutes=2)

    def line(
        after_s: float, what: str, who: str = "", detail: str = "", channel: str = "", carrier: str = ""
    ):
        at = pressed + timedelta(seconds=after_s)
        return StoryLine(at=at, what=what, who=who, detail=detail, channel=channel, carrier=carrier)

    first = (
        line(0, "opened", "张桂兰", "sos"),
        line(0.3, "round_began", "family", "1"),
        line(0.3, "text_ordered", "李建国", "alarm", "text"),
        line(0.3, "text_ordered", "李晓梅", "alarm", "text"),
        line(0.3, "call_ordered", "李建国", "1", "call"),
        line(0.7, "leg", "李建国", "delivered", "text", "twilio"),
        line(2.4, "leg", "李建国", "ringing", "call", "twilio"),
    )
    second = (
        line(27, "leg", "李建国", "no_answer", "call", "twilio"),
        line(31, "key", "李晓梅", "1", "text", "gsm_modem"),
        line(31, "acknowledged", "李晓梅", "text"),
        line(31, "band_told", "", "help_is_coming"),
        line(95, "resolved", "李晓梅", "=HYPERLINK(1)"),
    )
    legs = (
        samples.leg(1, "text", "delivered"),
        samples.leg(1, "call", "no_answer"),
        samples.leg(1, "text", "confirmed", contact=samples.DAUGHTER),
    )
    told = samples.incident("notifying", *legs[:2])
    over = samples.incident(
        "resolved",
        *legs,
        acknowledged_by="李晓梅",
        takers=("李晓梅",),
        resolved_by="李晓梅",
        resolved_at=pressed + timedelta(seconds=95),
        note="=HYPERLINK(1)",
    )
    replace = msgspec.structs.replace
    return replace(told, story=first), replace(over, story=second)


# ---------------------------------------------------------------- the story


def test_the_story_is_kept_once_however_often_it_is_sent(store_app, store_gateway, samples, whole):
    store_gateway.send(samples.ROSTER)
    rows = store_gateway.rows(*whole)
    for _ in range(2):
        assert store_gateway.send_rows(rows).status_code == 200
    with store_app.app_context():
        found = db.session.scalars(sa.select(IncidentLine).order_by(IncidentLine.seq, IncidentLine.n)).all()
        assert [line.what for line in found] == [line.what for told in whole for line in told.story]
        assert [line.n for line in found] == [*range(7), *range(5)]
        assert {line.seq for line in found} == {row.seq for row in rows}
        assert found[0].at == samples.NOW - timedelta(minutes=2)


def test_an_incidents_page_tells_its_story_in_words_with_times_to_the_second(gateway, people, samples, whole):
    gateway.send(samples.ROSTER, *whole)
    page = words(people["guardian"].get("/care/incidents/inc1").text)
    for said in (
        "13:58:00 张桂兰 按下求救",
        "第 1 轮电话：亲属",
        "短信给 李建国、李晓梅：报警",
        "李建国 去电 无人接听 互联网电话",
        "李晓梅 回复短信 1 · 由其接手 本机电话卡",
        "李晓梅 接手（回复短信）",
        "告诉手环：有人来了",
        "13:59:35 李晓梅 已处理完毕：=HYPERLINK(1)",
    ):
        assert said in page, said


def test_a_line_this_portal_does_not_know_is_shown_as_it_came(gateway, people, samples):
    strange = StoryLine(at=samples.NOW, what="owl_sent", who="李晓梅", detail="now", carrier="owl@2")
    gateway.send(samples.ROSTER, msgspec.structs.replace(samples.incident(), story=(strange,)))
    assert "owl_sent 李晓梅 now owl 2" in words(people["staff"].get("/care/incidents/inc1").text)


# ---------------------------------------------------------------- the report


def test_the_report_says_who_what_where_how_long_it_took_and_every_leg(gateway, people, samples, whole):
    gateway.send(samples.ROSTER, *whole)
    page = main(people["staff"].get("/care/incidents/inc1/report").text)
    for said in (
        "张桂兰 按下求救 #A7K2",
        "当事人 张桂兰 · 3栋2单元401",
        "时间 2026年11月23日 13:58:00",
        "地点 3栋附近",
        "第一条短信发出 0.7 秒",
        "第一次响铃 2.4 秒",
        "有人接手 31 秒",
        "处理完毕 1 分 35 秒",
        "李建国 亲属 去电 1 无人接听",
    ):
        assert said in page, said
    assert "演练" not in page
    assert not re.search(r"\d{11}", page)


def test_the_report_of_a_drill_says_so(gateway, people, samples):
    gateway.send(samples.ROSTER, samples.incident(drill=True))
    assert "这是一次演练" in main(people["staff"].get("/care/incidents/inc1/report").text)


def test_only_staff_see_a_report_and_nobody_learns_that_there_is_one(gateway, people, samples, whole):
    gateway.send(samples.ROSTER, *whole)
    for role, status in (
        ("guardian", 404),
        ("grid_worker", 404),
        ("resident", 404),
        ("staff", 200),
        ("admin", 200),
    ):
        for path in ("/care/incidents/inc1/report", "/care/incidents/inc1/report.csv"):
            assert people[role].get(path).status_code == status, (role, path)
    assert people["staff"].get("/care/incidents/nowhere/report").status_code == 404
    assert "事件报告" not in people["guardian"].get("/care/incidents/inc1").text
    assert "事件报告" in people["staff"].get("/care/incidents/inc1").text


def test_every_look_at_a_report_is_recorded(store_app, store_gateway, samples, whole):
    store_gateway.send(samples.ROSTER, *whole)
    staff = samples.Browser(store_app).sign_in(samples.PHONES["staff"])
    staff.get("/care/incidents/inc1/report")
    staff.get("/care/incidents/inc1/report")
    staff.get("/care/incidents/inc1/report.csv")
    with store_app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq)).all()
        assert [entry.action for entry in entries] == ["view_report", "view_report", "export_report"]
        assert {entry.subject for entry in entries} == {"incident:inc1"}
        assert audit.broken_at(db.session) is None


def test_the_table_opens_in_excel_and_no_cell_is_a_formula(gateway, people, samples, whole):
    gateway.send(samples.ROSTER, *whole)
    evil = StoryLine(at=samples.NOW, what="moved", who="＠SUM(1)", detail="-1")
    gateway.send(msgspec.structs.replace(whole[1], story=(evil,)))
    answer = people["staff"].get("/care/incidents/inc1/report.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    assert answer.mimetype == "text/csv"
    assert "shouwang-A7K2-" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert rows[0] == ["类别", "时间", "内容", "人员", "方式", "线路", "结束时间"]
    assert rows[1][:4] == ["经过", "2026-11-23 13:58:00", "张桂兰 按下求救", "张桂兰"]
    assert [row[0] for row in rows].count("联络") == 3
    assert {len(row) for row in rows} == {7}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "＠"))]
    assert any(cell.startswith("'＠SUM") for row in rows for cell in row)


def test_the_report_is_wholly_english_after_the_switch(gateway, people, samples, whole):
    gateway.send(samples.ROSTER, *whole)
    staff = people["staff"]
    staff.post("/language", language="en", next="/care/")
    for path in ("/care/incidents/inc1/report", "/care/incidents/inc1"):
        page = main(staff.get(path).text)
        left = set(HAN.findall(page)) - set("张桂兰李建国李晓梅周敏新河苑栋单元女儿子")
        assert left == set(), path
    assert "Kind,Time,What" in staff.get("/care/incidents/inc1/report.csv").text


def test_a_sketch_shows_the_place_and_needs_a_map_and_a_position(app, samples):
    folder = app.config["PORTAL"].map_dir
    with app.test_request_context():
        drawing = sketch(folder, 31.15590, 121.10650)
        assert "sketch-here" in drawing
        assert "3栋" in drawing
        assert "style=" not in drawing
        assert sketch(folder, None, None) is None
        assert sketch("/nowhere", 31.1, 121.1) is None


# ---------------------------------------------------------------- the short link


def test_the_link_in_a_text_leads_to_the_incident_after_signing_in(app, gateway, people, samples):
    gateway.send(
        samples.ROSTER, samples.incident(), samples.incident("open", incident_id="inc9", wearer="wang-deshun")
    )
    answer = app.test_client().get("/i/inc1")
    assert answer.status_code == 302
    assert answer.location == "/login?next=/i/inc1"
    assert people["guardian"].get("/i/inc1").location == "/care/incidents/inc1"
    assert people["guardian"].get("/i/inc9").status_code == 404
    assert people["staff"].get("/i/nowhere").status_code == 404


# ---------------------------------------------------------------- several people wanted


def test_while_more_people_are_wanted_others_may_still_take_it(gateway, people, samples):
    gateway.send(samples.ROSTER, samples.incident("notifying", acks_wanted=2, takers=("李晓梅",)))
    staff, guardian = people["staff"].get("/care/alarms/").text, people["guardian"].get("/care/alarms/").text
    assert "还需 1 人" in staff
    assert "李晓梅 已接手，还需 1 人" in staff
    assert "我来处理" in staff
    assert "您已接手，还需 1 人" in guardian
    assert "我来处理" not in guardian


def test_two_people_may_take_it_at_the_same_moment_and_the_same_one_only_once(gateway, people, samples):
    gateway.send(samples.ROSTER, samples.incident("notifying", acks_wanted=2))
    for role in ("staff", "guardian", "staff"):
        browser = people[role]
        browser.post("/care/incidents/inc1/acknowledge", token=browser.token("/me/"))
    assert sorted(row["by"] for row in gateway.commands()) == ["周敏", "李晓梅"]
    assert "正在告诉守望设备" in people["staff"].get("/care/alarms/").text
    assert "我来处理" in people["admin"].get("/care/alarms/").text


def test_beidou_the_siren_and_dead_lines_are_shown_as_legs(gateway, people, samples):
    replace = msgspec.structs.replace
    gateway.send(
        samples.ROSTER,
        samples.incident(
            "exhausted",
            samples.leg(1, "call", "unreached"),
            replace(samples.leg(1, "beidou", "placed"), role="station", name="居委会"),
            replace(samples.leg(1, "siren", "ringing"), role="site", name="3栋楼道"),
        ),
    )
    page = words(people["staff"].get("/care/incidents/inc1").text)
    assert "李建国 所有线路都不通" in page
    assert "北斗短报文 居委会 北斗站 已发出" in page
    assert "现场警报器 3栋楼道 现场 正在响" in page


# ---------------------------------------------------------------- what stands in the way


def health(*down: str, ways=("twilio", "gsm_modem", "rdss"), since=None, **more) -> GatewayHealth:
    carriers = tuple(
        CarrierHealth(
            carrier=way, healthy=way not in down, since=since, detail="no dial tone" if way in down else ""
        )
        for way in ways
    )
    return GatewayHealth(carriers=carriers, **more)


def test_the_newest_word_of_a_gateway_is_kept(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, health("twilio"))
    store_gateway.send(health())
    with store_app.app_context():
        (found,) = db.session.scalars(sa.select(HealthReport)).all()
        assert msgspec.json.decode(found.body, type=GatewayHealth) == health()


def test_staff_are_told_which_way_is_down_since_when_and_a_guardian_is_not(gateway, people, samples):
    gateway.send(samples.ROSTER, health("twilio", since=samples.NOW - timedelta(minutes=20)))
    for path in ("/care/", "/care/alarms/", "/care/alarms/list", "/care/alarms/list?form=brief"):
        page = words(people["staff"].get(path).text)
        assert "求助通道异常：互联网电话 · 始于 20 分钟前" in page, path
        assert "发不出去" not in page, path
        assert "求助通道异常" not in people["guardian"].get(path).text, path


def test_when_every_telephone_line_is_down_staff_and_family_are_told_what_to_do(gateway, people, samples):
    gateway.send(samples.ROSTER, health("twilio", "gsm_modem", since=samples.NOW - timedelta(minutes=5)))
    staff = words(people["staff"].get("/care/alarms/").text)
    assert "所有电话和短信都发不出去 · 始于 5 分钟前" in staff
    assert "还能用：北斗短报文" in staff
    assert "互联网电话 no dial tone · 本机电话卡 no dial tone" in staff
    guardian = words(people["guardian"].get("/care/alarms/").text)
    assert "求助通道异常，请直接打电话" in guardian
    assert "no dial tone" not in guardian
    gateway.send(health())
    assert "求助通道异常" not in people["staff"].get("/care/alarms/").text


def test_a_gateway_that_is_silent_is_offline_until_it_is_heard_again(app, gateway, people, samples):
    gateway.send(samples.ROSTER)
    assert "守望设备离线" not in people["staff"].get("/care/alarms/").text
    app.config["NOW"] = lambda: samples.NOW + timedelta(minutes=10)
    assert "守望设备离线 · 始于 10 分钟前" in words(people["staff"].get("/care/alarms/").text)
    assert "守望设备离线，请直接打电话" in words(people["guardian"].get("/care/").text)
    gateway.commands()
    assert "守望设备离线" not in people["staff"].get("/care/alarms/").text


def test_a_journal_that_cannot_write_and_warnings_are_for_staff(gateway, people, samples):
    gateway.send(samples.ROSTER, health(journal="disk full", warnings=("many_legs", "devices", "odd")))
    page = words(people["staff"].get("/care/alarms/").text)
    assert "守望设备写不进记录" in page
    assert "最近拨打的电话特别多" in page
    assert "手环名单有问题" in page
    assert "（odd）" in page
    assert "守望设备" not in main(people["guardian"].get("/care/").text)


def test_nobody_answering_stands_on_every_page_of_staff_until_somebody_takes_it(gateway, people, samples):
    gateway.send(samples.ROSTER, samples.incident("exhausted"))
    for role in ("staff", "grid_worker", "admin"):
        for path in ("/", "/me/", "/services/", "/care/alarms/", "/care/standing"):
            assert "无人接手：张桂兰 按下求救" in people[role].get(path).text, (role, path)
    for role in ("guardian", "resident"):
        assert "无人接手" not in people[role].get("/me/").text
        assert people[role].get("/care/standing").status_code == 404
    gateway.send(samples.incident("acknowledged", acknowledged_by="周敏"))
    assert "无人接手" not in people["staff"].get("/").text


def test_pages_hear_that_the_health_changed_only_when_it_did(app, gateway, samples):
    from portal.care.models import Change

    gateway.send(samples.ROSTER, health("twilio"))
    gateway.send(health("twilio"))
    gateway.send(health())
    with app.app_context():
        topics = [change.topic for change in db.session.scalars(sa.select(Change).order_by(Change.seq))]
    assert topics.count("health") == 2
