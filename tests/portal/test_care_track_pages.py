"""The page of a way: totals, list, columns, files, who may look and what is recorded of it."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import unquote

import pytest
import sqlalchemy as sa

from gateway.model import Alarm, Fix, HeartRate, Why
from gateway.told import AlarmRaised
from portal.care.models import AuditEntry, Wearer
from portal.care.track.window import Window, around, window_of
from portal.db import db

HOME = (31.15590, 121.10650)
PARK = (31.15430, 121.10400)
GPX = {"g": "http://www.topografix.com/GPX/1/1"}
KML = {"k": "http://www.opengis.net/kml/2.2"}


def way_of(samples, *, minutes_ago=240):
    """An hour at home, a walk of ten minutes, half an hour in the park, two hours of silence, then home."""
    at = minutes_ago * 60
    told = [fix(samples, *HOME, at - minute * 60) for minute in range(60)]
    for step in range(20):
        share = (step + 1) / 20
        lat, lon = (home + share * (park - home) for home, park in zip(HOME, PARK, strict=True))
        told.append(fix(samples, lat, lon, at - 3600 - step * 30))
    told += [fix(samples, *PARK, at - 4200 - minute * 60) for minute in range(30)]
    told.append(fix(samples, *HOME, at - 4200 - 1740 - 7200))
    return told


def fix(samples, lat, lon, ago_s, **more):
    fields = {"accuracy_m": 8.0, "source": "gnss"} | more
    return samples.telemetry(
        Fix(lat=lat, lon=lon, valid=True, **fields), HeartRate(heart_rate_bpm=72), ago_s=ago_s
    )


@pytest.fixture
def walked(app, gateway, samples):
    """Where 张桂兰 was this morning, with an alarm in the park; gives the number of the wearer."""
    gateway.send(samples.ROSTER, *way_of(samples))
    at = samples.NOW - timedelta(minutes=160)
    gateway.send(
        AlarmRaised(
            alarm=Alarm(
                alarm_id="a1",
                wearer="zhang-guilan",
                kind="fence",
                severity="warning",
                why=Why(code="fence_exit", place="家和花园"),
                at=at,
                lat=PARK[0],
                lon=PARK[1],
            ),
            incident=None,
        )
    )
    with app.app_context():
        return db.session.scalar(sa.select(Wearer.id).where(Wearer.code == "zhang-guilan"))


def looks(app):
    with app.app_context():
        rows = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.action.contains("track")))
        return [(row.actor, row.action, row.detail) for row in rows]


def test_the_way_of_a_day_is_told_in_sentences_in_the_order_of_time(walked, people):
    page = people["guardian"].get(f"/care/wearers/{walked}/track").text
    rows = page.split('id="track-rows"')[1].split("</ol>")[0].split('class="row-title">')[1:]
    titles = [re.sub("<[^>]+>", "", row.split('<span class="row-meta">')[0]).strip() for row in rows]
    assert titles == [
        "在家附近（3栋）停留 1 小时 00 分",
        "走了 270 米，用了 9 分钟",
        "在12栋附近停留 30 分钟",
        "报警：离开了「家和花园」",
        "2 小时 00 分没有位置",
    ]
    assert re.search(r"走了</dt><dd>\d+ 米</dd>", page)
    assert 'id="track-slider"' in page


def test_the_columns_hold_pieces_marks_fences_and_heart_rate(walked, people):
    data = people["guardian"].get(f"/care/wearers/{walked}/track.json").json
    assert sum(data["pieces"]) == len(data["t"]) == len(data["lat"]) == len(data["lon"])
    assert len(data["pieces"]) == 2
    assert {mark["kind"] for mark in data["marks"]} == {"stay", "walk", "gap", "alarm"}
    assert data["lat"][0] / 1e6 == pytest.approx(HOME[0], abs=1e-6)
    assert len(data["heart"]["at"]) == len(data["heart"]["bpm"]) == 111
    assert data["heart"]["bpm"][0] == 72


def test_staff_say_why_before_they_see_and_it_is_recorded(app, walked, people):
    asked = people["staff"].get(f"/care/wearers/{walked}/track").text
    assert "为什么查看张桂兰的行踪" in asked
    assert "track-map" not in asked
    assert people["staff"].get(f"/care/wearers/{walked}/track.json").status_code == 404
    assert looks(app) == []
    shown = people["staff"].get(f"/care/wearers/{walked}/track?why=family").text
    assert "track-map" in shown
    people["staff"].get(f"/care/wearers/{walked}/track?why=family")
    people["staff"].get(f"/care/wearers/{walked}/track?why=family&day=2026-11-20")
    (first, second) = looks(app)
    assert first[1:] == ("view_track", "family 2026-11-22T16:00Z/2026-11-23T16:00Z")
    assert second[2] == "family 2026-11-19T16:00Z/2026-11-20T16:00Z"


@pytest.mark.parametrize("path", ["track", "track.json?why=care", "track.gpx?why=care", "track.csv?why=care"])
def test_a_way_is_not_found_for_who_may_not_see_the_wearer(walked, people, gateway, samples, path):
    assert people["resident"].get(f"/care/wearers/{walked}/{path}").status_code == 404
    assert people["guardian"].get(f"/care/wearers/{walked + 1}/{path}").status_code == 404
    assert people["guardian"].get(f"/care/wearers/99999/{path}").status_code == 404


def test_every_download_is_recorded_and_says_its_purpose(app, walked, people):
    for _ in range(2):
        with people["guardian"].get(f"/care/wearers/{walked}/track.gpx") as answer:
            assert answer.mimetype == "application/gpx+xml"
    actions = [action for _, action, _ in looks(app)]
    assert actions == ["export_track_gpx", "export_track_gpx"]


def test_gpx_has_a_segment_a_piece_and_points_for_stays_and_alarms(walked, people):
    root = ET.fromstring(people["guardian"].get(f"/care/wearers/{walked}/track.gpx").data)
    assert root.attrib["version"] == "1.1"
    segments = root.findall("g:trk/g:trkseg", GPX)
    assert [len(segment) for segment in segments] == [110, 1]
    first = segments[0][0]
    assert float(first.attrib["lat"]) == pytest.approx(HOME[0])
    assert first.find("g:time", GPX).text == "2026-11-23T02:00:00.000Z"
    assert [point.find("g:type", GPX).text for point in root.findall("g:wpt", GPX)] == [
        "stay",
        "stay",
        "alarm",
    ]
    order = [child.tag.split("}")[1] for child in root]
    assert order == sorted(order, key=["metadata", "wpt", "trk"].index)


def test_kml_has_a_line_a_piece_with_its_time(walked, people):
    root = ET.fromstring(people["guardian"].get(f"/care/wearers/{walked}/track.kml").data)
    lines = root.findall("k:Document/k:Placemark[k:LineString]", KML)
    assert len(lines) == 1
    assert lines[0].find("k:TimeSpan/k:begin", KML).text == "2026-11-23T02:00:00.000Z"
    assert len(lines[0].find("k:LineString/k:coordinates", KML).text.split()) == 110
    assert len(root.findall("k:Document/k:Placemark[k:Point]", KML)) == 3


def test_the_table_has_a_byte_order_mark_every_fix_and_no_formula(walked, people):
    with people["guardian"].get(f"/care/wearers/{walked}/track.csv") as answer:
        assert answer.is_streamed
        text = answer.data.decode()
    assert text.startswith("\ufeff")
    head, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert head[:3] == ["时间", "协调世界时", "纬度"]
    assert len(rows) == 111
    assert rows[0][0] == "2026-11-23 10:00:00"
    assert rows[0][6] == "北斗卫星定位"
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@\t" and cell]


def test_fewer_hours_show_only_them(walked, people):
    data = people["guardian"].get(f"/care/wearers/{walked}/track.json?from=10:00&to=10:30").json
    assert data["fixes"] == 30
    assert data["end_ms"] - data["start_ms"] == 30 * 60_000


def test_an_empty_day_leads_to_the_last_one_with_a_position(walked, people, gateway, samples):
    gateway.send(fix(samples, *HOME, 3 * 86_400))
    page = people["guardian"].get(f"/care/wearers/{walked}/track?day=2026-11-22").text
    assert "这段时间没有收到位置" in page
    assert "看最近有位置的一天：11月20日" in page


def test_rough_estimates_make_no_way_but_are_counted(walked, people, gateway, samples):
    gateway.send(fix(samples, 31.2, 121.2, 3600, source="cell", accuracy_m=900.0))
    page = people["guardian"].get(f"/care/wearers/{walked}/track").text
    assert "另有 1 个粗略的估算位置" in page
    assert "里只有 1 个粗略的估算位置" in page


def test_the_link_of_an_alarm_opens_the_hours_around_it(walked, people):
    answer = people["staff"].get(f"/care/wearers/{walked}/track?around=2026-11-23T01:30:00%2B00:00&why=alarm")
    assert answer.status_code == 302
    assert unquote(answer.location).endswith("?why=alarm&day=2026-11-23&from=07:30&to=11:30")


def test_an_english_page_has_no_chinese_of_ours(walked, people):
    guardian = people["guardian"]
    guardian.post("/language", language="en", next="/")
    page = guardian.get(f"/care/wearers/{walked}/track").text
    rows = page.split('id="track-rows"')[1].split("</ol>")[0]
    assert "Stayed near home" in rows
    assert not re.search("[\u4e00-\u9fff]", rows.replace("家和花园", ""))


# ---------------------------------------------------------------- hours, pure

TODAY = date(2026, 11, 23)


def test_a_window_is_the_days_hours_in_shanghai_and_may_pass_midnight():
    night = Window(day=TODAY, since=time(22), until=time(6))
    assert night.start == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert night.end == datetime(2026, 11, 23, 22, tzinfo=UTC)
    whole = window_of("2026-11-22", "", "", today=TODAY)
    assert whole.end - whole.start == timedelta(days=1)
    assert whole.query() == {"day": "2026-11-22"}


@pytest.mark.parametrize("typed", ["", "yesterday", "2026-13-40", "2027-01-01", "9999-12-31"])
def test_a_day_that_is_none_or_to_come_is_today(typed):
    assert window_of(typed, "25:99", "x", today=TODAY) == Window(day=TODAY)


def test_the_window_around_a_moment_near_midnight_begins_the_day_before():
    found = around(datetime(2026, 11, 22, 17, 0, 30, tzinfo=UTC), hours=2)
    assert (found.day, found.query()["from"], found.query()["to"]) == (date(2026, 11, 22), "23:00", "03:00")
