"""The page of vital signs: what it says, to whom, what it leaves out, and the table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from rigs import vitals

from gateway.model import BloodPressure, HeartRate, SpO2, Why, Worn
from portal.care.history import HistoryRows
from portal.care.models import AuditEntry, Consent, IncidentLine, VitalHistory
from portal.care.vitals.history import read
from portal.db import db, writing


def words(page: str) -> str:
    """A page as it is read aloud: no tags, single blanks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def wearer(app, gateway, samples) -> int:
    """张桂兰, with limits of her own and nothing measured yet."""
    gateway.send(samples.ROSTER, samples.profile_told())
    return vitals.wearer_id(app)


@pytest.fixture
def measured(app, samples, wearer):
    """Write readings: `(reading, hours before NOW)`."""

    def write(*found, backlog: bool = False) -> None:
        rows = HistoryRows()
        for reading, hours in found:
            vitals.add(rows, wearer, reading, samples.NOW - timedelta(hours=hours), backlog=backlog)
        with app.app_context(), writing() as session:
            rows.write(session)

    return write


def page(people, wearer: int, query: str = "", *, role: str = "guardian") -> str:
    answer = people[role].get(f"/care/wearers/{wearer}/vitals{query}")
    assert answer.status_code == 200
    return words(answer.text)


# ---------------------------------------------------------------- what is said


def test_a_day_is_one_sentence_against_what_is_usual(people, wearer, measured):
    past = [(HeartRate(heart_rate_bpm=70 + n % 5), 24 + n * 6) for n in range(1, 60)]
    pressures = [(BloodPressure(systolic_mmhg=124, diastolic_mmhg=80), 24 + n * 5) for n in range(1, 60)]
    today = [(HeartRate(heart_rate_bpm=80 + n), n / 10) for n in range(11)]
    measured(*past, *pressures, *today, (BloodPressure(systolic_mmhg=132, diastolic_mmhg=84), 1))
    found = page(people, wearer)
    assert "今天：心率 81–89，平时 70–74，比前 7 天略高；血压 132/84，比前 7 天略高。" in found


def test_nothing_measured_is_said_and_no_chart_is_drawn(people, wearer):
    found = people["guardian"].get(f"/care/wearers/{wearer}/vitals").text
    assert "今天没有测量。" in words(found)
    assert "data-numbers" not in found


def test_readings_beyond_the_wearers_own_limit_are_counted(people, wearer, measured):
    measured(*((HeartRate(heart_rate_bpm=pulse), n / 10) for n, pulse in enumerate((119, 120, 121, 130))))
    assert "心率有 2 次超出限值（45–120 次/分）" in page(people, wearer)


def test_doubtful_and_late_readings_are_marked_and_count_in_no_figure(people, wearer, measured):
    measured((HeartRate(heart_rate_bpm=72), 3), (HeartRate(heart_rate_bpm=40), 1), (Worn(worn=False), 1))
    measured((HeartRate(heart_rate_bpm=74), 2), backlog=True)
    found = page(people, wearer)
    assert "最低 72 11:00" in found
    assert "测量 3 次" in found
    assert "1 次存疑" in found
    assert "1 次是后来补传的" in found
    assert re.search(r"13:00:00 40 存疑 12:00:00 74 补传 11:00:00 72", found)


def test_an_impossible_value_is_doubtful_and_raises_no_warning(people, wearer, measured):
    measured((HeartRate(heart_rate_bpm=255), 1), (SpO2(spo2_pct=12), 1))
    found = page(people, wearer)
    assert "心率只有存疑的测量" in found
    assert "超出限值（" not in found


def test_a_long_gap_is_told_with_its_hours(people, wearer, measured):
    measured(
        *((HeartRate(heart_rate_bpm=70), 10 - n / 6) for n in range(6)), (HeartRate(heart_rate_bpm=71), 0.5)
    )
    assert "没有测量的时段：00:00–04:00（4 小时 00 分）、04:50–13:30（8 小时 40 分）" in page(people, wearer)


def test_no_line_joins_what_lies_on_both_sides_of_a_gap(people, wearer, measured):
    morning = ((HeartRate(heart_rate_bpm=70), 10 - n / 6) for n in range(6))
    evening = ((HeartRate(heart_rate_bpm=71), 1 - n / 6) for n in range(6))
    measured(*morning, *evening)
    answer = people["guardian"].get(f"/care/wearers/{wearer}/vitals").text
    wide = answer.split('class="vitals-chart wide"')[1].split("</svg>")[0]
    assert len(re.findall(r'class="line0" d="M', wide)) == 2
    numbers = answer.split("data-numbers='")[1].split("'")[0]
    assert re.search(r'"y": ?\[\[(7\d\.0, ){6}null, (7\d\.0(, )?){6}\]\]', numbers)


def test_weeks_and_months_show_percentiles_in_a_real_table(people, wearer, measured):
    measured(*((HeartRate(heart_rate_bpm=60 + n), 30 + n / 60) for n in range(11)))
    found = page(people, wearer, "?span=week")
    assert "时间 测量次数 低（第 10 百分位）（次/分） 中间值（次/分） 高（第 90 百分位）（次/分）" in found
    assert "11-22 07:00 10 62 66 69" in found
    assert "11-22 11 61 65 69" in page(people, wearer, "?span=month")


def test_alarms_drills_and_calls_are_numbered_on_a_day(app, people, gateway, samples, wearer, measured):
    measured((HeartRate(heart_rate_bpm=70), 1))
    gateway.send(samples.incident("acknowledged", drill=True))
    with app.app_context(), writing() as session:
        incident = session.scalars(sa.text("SELECT id FROM incident")).one()
        at_ms = round((samples.NOW - timedelta(minutes=30)).timestamp() * 1000)
        line = {"seq": 1, "n": 9, "at_ms": at_ms, "what": "call_ordered", "who": "李建国"}
        session.add(IncidentLine(incident_id=incident, channel="call", detail="1", carrier="", **line))
        why = Why(code="heart_rate_high", value=131, limit=120, unit="bpm")
        session.add(vitals.alarm(wearer, "a1", samples.NOW - timedelta(hours=2), why=why))
    found = page(people, wearer)
    assert re.search(r"2 拨打 李建国 演练 11月23日 13:30 1 心率偏高：131 次/分 11月23日 12:00", found)


def test_dates_that_are_none_and_the_future_show_today(people, wearer):
    for date in ("", "nonsense", "2999-01-01", "2026-02-30", "0001-01-01"):
        assert people["guardian"].get(f"/care/wearers/{wearer}/vitals?date={date}").status_code == 200
    assert "今天没有测量。" in page(people, wearer, "?date=2999-01-01")
    assert "11月20日没有测量。" in page(people, wearer, "?date=2026-11-20")


def test_the_page_is_whole_in_english(people, wearer, measured):
    measured((HeartRate(heart_rate_bpm=130), 1), (BloodPressure(systolic_mmhg=130, diastolic_mmhg=80), 1))
    guardian = people["guardian"]
    guardian.post("/language", language="en", next="/me/")
    found = page(people, wearer).split("Vital signs of 张桂兰", 2)[-1]
    assert "Today: Heart rate 130; Blood pressure 130/80." in found
    assert re.findall(r"[\u4e00-\u9fff]", found.replace("张桂兰", "")) == []


# ---------------------------------------------------------------- to whom


def test_a_stranger_is_told_not_found_and_a_look_is_on_record(app, people, wearer):
    for path in ("vitals", "vitals.csv"):
        assert people["resident"].get(f"/care/wearers/{wearer}/{path}").status_code == 404
        assert people["guardian"].get(f"/care/wearers/{wearer + 1}/{path}").status_code == 404
        assert people["guardian"].get(f"/care/wearers/99999999999999/{path}").status_code == 404
    people["guardian"].get(f"/care/wearers/{wearer}/vitals")
    people["guardian"].get(f"/care/wearers/{wearer}/vitals.csv?span=month")
    with app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq)).all()
        assert [(one.action, one.detail) for one in entries] == [
            ("view_vitals", "care 2026-11-23 1 d"),
            ("export_vitals", "care csv 2026-11-23 30 d"),
        ]


def test_without_a_consent_to_health_nothing_of_the_body_is_found_and_alarms_are(
    app, people, wearer, measured
):
    measured((HeartRate(heart_rate_bpm=70), 1))
    guardian = people["guardian"]
    paths = ("vitals", "vitals.csv", "vitals.fhir.json", "vitals.pdf")
    assert f"/care/wearers/{wearer}/vitals" in guardian.get(f"/care/wearers/{wearer}/").text
    with app.app_context(), writing() as session:
        session.execute(sa.delete(Consent).where(Consent.data == "health", Consent.audience == "guardians"))
    assert [guardian.get(f"/care/wearers/{wearer}/{path}").status_code for path in paths] == [404] * 4
    assert f"/care/wearers/{wearer}/vitals" not in guardian.get(f"/care/wearers/{wearer}/").text
    assert guardian.get(f"/care/wearers/{wearer}/alarms").status_code == 200
    assert people["staff"].get(f"/care/wearers/{wearer}/vitals?why=watch").status_code == 200


# ---------------------------------------------------------------- the table


def test_the_table_has_every_reading_with_a_byte_order_mark(people, wearer, measured):
    measured((BloodPressure(systolic_mmhg=131, diastolic_mmhg=82), 2), (SpO2(spo2_pct=97), 1))
    answer = people["guardian"].get(f"/care/wearers/{wearer}/vitals.csv")
    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert rows[0][:4] == ["时间（北京时间）", "项目", "数值", "单位"]
    assert rows[1:] == [
        ["2026-11-23 12:00:00", "收缩压（高压）", "131.0", "mmHg", "", "", "2026-11-23 12:00:00"],
        ["2026-11-23 12:00:00", "舒张压（低压）", "82.0", "mmHg", "", "", "2026-11-23 12:00:00"],
        ["2026-11-23 13:00:00", "血氧", "97.0", "%", "", "", "2026-11-23 13:00:00"],
    ]


# ---------------------------------------------------------------- the store


def test_the_newest_readings_of_a_kind_are_kept_where_there_are_too_many(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER)
    found = vitals.wearer_id(store_app)
    count = vitals.month(store_app, found, samples.NOW, days=2)
    with store_app.app_context():
        until_ms = round(samples.NOW.timestamp() * 1000)
        history = read(db.session, found, until_ms - 2 * 86_400_000, until_ms, most=100)
        whole = read(db.session, found, until_ms - 2 * 86_400_000, until_ms)
        stored = db.session.scalars(
            sa.select(VitalHistory.at_ms)
            .where(VitalHistory.wearer_id == found, VitalHistory.kind == "heart_rate")
            .order_by(VitalHistory.at_ms)
        ).all()
    assert [one.at_ms for one in history.readings["heart_rate"]] == stored[-100:]
    assert history.cut_ms == stored[-100]
    assert (len(whole.readings["heart_rate"]), whole.cut_ms) == (count, None)
