"""The alarm history of a wearer: filters, pages, response times, tables that hold no formula."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import msgspec
import openpyxl
import pytest
import sqlalchemy as sa
from rigs import vitals

from gateway.model import Why
from gateway.told import StoryLine
from portal.care.alarms.history import PAGE, Asked, every, find
from portal.care.models import AuditEntry, Wearer
from portal.db import db, writing
from portal.policy import WHOLE
from portal.sheets import safe_cells, xlsx_chunks

PULSE = Why(code="heart_rate_high", value=131, limit=120, unit="bpm")


def words(page: str) -> str:
    """A page as it is read aloud: no tags, single blanks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def wearer(app, gateway, samples) -> int:
    gateway.send(samples.ROSTER, samples.profile_told())
    return vitals.wearer_id(app)


@pytest.fixture
def raised(app, samples, wearer):
    """Store alarms: name -> (days before NOW, more columns)."""

    def store(**found) -> None:
        with app.app_context(), writing() as session:
            for code, (days, more) in found.items():
                at = samples.NOW - timedelta(days=days)
                session.add(vitals.alarm(wearer, code, at, **({"why": PULSE} | more)))

    return store


@pytest.fixture
def evening(gateway, samples, raised):
    """An SOS: first text after 0.7 s, first ring after 2.4 s, taken after 40 s, over after 300 s."""
    pressed = samples.NOW - timedelta(minutes=30)

    def line(after_s: float, what: str, detail: str = "", channel: str = ""):
        return StoryLine(
            at=pressed + timedelta(seconds=after_s), what=what, who="李晓梅", detail=detail, channel=channel
        )

    told = samples.incident(
        "resolved",
        opened_at=pressed,
        takers=("李晓梅",),
        resolved_by="李晓梅",
        resolved_at=pressed + timedelta(seconds=300),
        note='=HYPERLINK("http://evil")',
        verdict="true",
    )
    story = (
        line(0.3, "leg", "ordered", "text"),
        line(0.7, "leg", "delivered", "text"),
        line(2.4, "leg", "ringing", "call"),
        line(40, "taken", "1/1"),
    )
    gateway.send(msgspec.structs.replace(told, story=story))
    raised(sos=(0.02, {"kind": "sos", "severity": "critical", "why": Why(code="sos"), "incident": "inc1"}))


def test_an_alarm_says_how_soon_people_were_told(people, wearer, evening):
    found = words(people["guardian"].get(f"/care/wearers/{wearer}/alarms").text)
    assert "紧急 确有其事 11月23日 13:31 按下求救" in found
    assert "第一条短信发出 0.7 秒 第一次响铃 2.4 秒 有人接手 40 秒 处理完毕 5 分 00 秒" in found
    assert "李晓梅 已处理完毕" in found


def test_filters_ask_for_kind_severity_days_and_drills(people, wearer, raised):
    raised(
        pulse=(1, {}),
        low=(2, {"kind": "low_battery", "severity": "notice", "why": Why(code="low", value=9)}),
        fall=(9, {"kind": "fall", "severity": "critical", "why": Why(code="fall")}),
        drill=(1, {"kind": "sos", "drill": True, "why": Why(code="sos")}),
    )

    def seen(query: str) -> list[str]:
        page = people["guardian"].get(f"/care/wearers/{wearer}/alarms?{query}").text
        return [
            words(one)
            for one in re.findall(r"<li class=\"card history-row.*?<h2>(.*?)</h2>", page, re.DOTALL)
        ]

    pulse, low, fall, drill = "心率偏高：131 次/分", "手环电量只剩 9%", "可能跌倒了", "按下求救"
    assert seen("") == [pulse, low, fall]
    assert sorted(seen("drills=1")) == sorted([pulse, drill, low, fall])
    assert seen("kind=fall") == [fall]
    assert seen("severity=notice") == [low]
    assert seen("since=2026-11-21&until=2026-11-21") == [low]
    assert seen("since=2026-11-22&until=2026-11-01") == [pulse, low, fall]
    assert seen("kind=nonsense&severity=x&since=never&page=-3") == [pulse, low, fall]
    assert seen("kind=band") == []


def test_the_boundary_of_a_day_is_midnight_in_shanghai(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER)
    found = vitals.wearer_id(store_app)
    midnight = samples.NOW.replace(hour=16, minute=0)  # 00:00 on the 24th in Shanghai
    with store_app.app_context(), writing() as session:
        for n, offset in enumerate((-1, 0)):
            session.add(vitals.alarm(found, f"a{n}", midnight + timedelta(seconds=offset), why=PULSE))
    with store_app.app_context():
        row = db.session.get(Wearer, found)
        day = (midnight + timedelta(hours=8)).date()
        after = find(db.session, row, Asked(since=day), WHOLE)
        before = find(db.session, row, Asked(until=day - timedelta(days=1)), WHOLE)
        assert ([one.at for one in after.rows], after.total) == ([midnight], 1)
        assert [one.at for one in before.rows] == [midnight - timedelta(seconds=1)]


def test_every_alarm_is_on_exactly_one_page(app, people, wearer, raised):
    raised(**{f"a{n}": (n / 24, {}) for n in range(PAGE * 2 + 3)})
    with app.app_context():
        row = db.session.get(Wearer, wearer)
        pages = [find(db.session, row, Asked(page=n), WHOLE) for n in (1, 2, 3)]
        times = [one.at for page in pages for one in page.rows]
        assert times == [one.at for one in every(db.session, row, Asked(), WHOLE)]
        assert [len(page.rows) for page in pages] == [PAGE, PAGE, 3]
        assert len(set(times)) == PAGE * 2 + 3
        assert find(db.session, row, Asked(page=99), WHOLE).page == 3
    page = people["guardian"].get(f"/care/wearers/{wearer}/alarms?kind=vitals&page=2").text
    assert f'rel="next" href="/care/wearers/{wearer}/alarms?kind=vitals&amp;page=3"' in page
    assert f'rel="prev" href="/care/wearers/{wearer}/alarms?kind=vitals"' in page


def test_nobody_else_sees_it_and_looks_and_exports_are_on_record(app, people, wearer):
    for path in ("alarms", "alarms.csv", "alarms.xlsx"):
        assert people["resident"].get(f"/care/wearers/{wearer}/{path}").status_code == 404
        assert people["guardian"].get(f"/care/wearers/{wearer + 1}/{path}").status_code == 404
    for path in ("alarms", "alarms.csv", "alarms.xlsx"):
        assert people["guardian"].get(f"/care/wearers/{wearer}/{path}").status_code == 200
    with app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq)).all()
        assert [(one.action, one.detail) for one in entries] == [
            ("view_alarms", "care"),
            ("export_alarms", "care csv"),
            ("export_alarms", "care xlsx"),
        ]


def test_both_tables_hold_the_same_and_no_formula(people, wearer, evening):
    guardian = people["guardian"]
    text = guardian.get(f"/care/wearers/{wearer}/alarms.csv").data
    assert text.startswith(b"\xef\xbb\xbf")
    (heads, row) = csv.reader(io.StringIO(text.decode("utf-8-sig")))
    assert row[heads.index("第一条短信发出（秒）")] == "0.7"
    assert row[heads.index("处理情况")] == '\'=HYPERLINK("http://evil")'
    file = guardian.get(f"/care/wearers/{wearer}/alarms.xlsx").data
    sheet = openpyxl.load_workbook(io.BytesIO(file)).active
    (first, second) = sheet.iter_rows()
    assert [cell.value for cell in first] == heads
    by_head = dict(zip(heads, second, strict=True))
    assert by_head["第一次响铃（秒）"].value == 2.4
    assert by_head["处理情况"].data_type == "s"
    assert by_head["处理情况"].value == '=HYPERLINK("http://evil")'


@pytest.mark.parametrize("said", ["=1+1", " =1", "+1", "-1", "@x", "\tx", "＝1", "＋", "－", "＠"])
def test_what_begins_like_a_formula_becomes_text(said):
    assert safe_cells(said) == [f"'{said}"]


def test_numbers_stay_numbers_and_control_characters_are_left_out():
    assert safe_cells(-1.5, None, "张") == ["-1.5", "", "张"]
    file = b"".join(xlsx_chunks("a" * 40, [("a\x00b\x0b", -1.5, None, "x" * 40_000)]))
    (row,) = openpyxl.load_workbook(io.BytesIO(file)).active.iter_rows(values_only=True)
    assert (row[0], row[1], row[2], len(row[3])) == ("ab", -1.5, None, 32_767)


def test_a_history_is_whole_in_english(people, wearer, evening, raised):
    raised(low=(2, {"kind": "low_battery", "severity": "notice", "why": Why(code="low", value=9)}))
    guardian = people["guardian"]
    guardian.post("/language", language="en", next="/me/")
    found = words(guardian.get(f"/care/wearers/{wearer}/alarms").text.split("<main", 1)[1])
    assert "A notice only: nobody was rung" in found
    assert re.findall(r"[\u4e00-\u9fff]", re.sub("张桂兰|李晓梅", "", found)) == []
