"""The audit record on a page: who reads it, what is found in it, whether it is whole, the line a day."""

from __future__ import annotations

import csv
import io
import logging
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from gateway.telemetry import masked as masked_for_the_log
from portal import audit
from portal.audits import check
from portal.audits.read import masked
from portal.audits.words import GROUPS, is_known
from portal.care.models import AuditEntry, Wearer
from portal.db import db, writing

PAGE = "/desk/audit/"
TABLE = "/desk/audit.csv"


def words(page: str) -> str:
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def reader(store_app, store_gateway, samples):
    """An administrator of 新河苑, whose gateway has two wearers."""
    store_gateway.send(samples.ROSTER)
    return samples.Browser(store_app).sign_in(samples.PHONES["admin"])


@pytest.fixture
def put(store_app, samples):
    """Put an entry on record."""

    def entry(action="view_vitals", subject="wearer:1", *, actor="user:1", detail="", ago_s=0):
        with store_app.app_context(), writing() as session:
            at = samples.NOW - timedelta(seconds=ago_s)
            return audit.record(
                session, at=at, actor=actor, action=action, subject=subject, detail=detail
            ).seq

    return entry


def entries(app) -> list[tuple[str, str, str]]:
    with app.app_context():
        query = sa.select(AuditEntry.action, AuditEntry.subject, AuditEntry.detail)
        return [tuple(row) for row in db.session.execute(query.order_by(AuditEntry.seq))]


def switch_guards_off(session) -> None:
    if session.connection().dialect.name == "postgresql":
        session.execute(sa.text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
    else:
        session.execute(sa.text("DROP TRIGGER audit_entry_no_update"))


# ---------------------------------------------------------------- who reads it


@pytest.mark.parametrize(
    "role", ["resident", "guardian", "wearer", "volunteer", "grid_worker", "staff", "department", "street"]
)
def test_nobody_but_an_administrator_finds_it(app, people, samples, role):
    if role not in samples.PHONES:
        pytest.skip("the demonstration has nobody of this role")
    assert [people[role].get(path).status_code for path in (PAGE, TABLE)] == [404, 404]
    refused = people[role].post("/desk/audit/verify", token=people[role].token("/me/"))
    assert refused.status_code == 404
    assert entries(app) == []


def test_a_passer_by_is_asked_to_sign_in(client):
    assert client.get(PAGE).status_code == 302
    assert client.get(TABLE).status_code == 302


def test_reading_it_is_on_record_once_a_sitting_and_each_table_again(store_app, reader):
    for _ in range(2):
        assert reader.get(f"{PAGE}?wearer=张桂兰").status_code == 200
    for _ in range(2):
        assert reader.get(TABLE).status_code == 200
    assert entries(store_app) == [
        ("view_audit", "community:xinhe", "张桂兰"),
        ("export_audit", "community:xinhe", ""),
        ("export_audit", "community:xinhe", ""),
    ]


def test_an_entry_about_another_community_is_not_there(store_app, reader, put):
    with store_app.app_context(), writing() as session:
        away = Wearer(code="far", gateway="gw-other", community="elsewhere", name="外地人", position=9)
        session.add(away)
        session.flush()
        number = away.id
    put(subject=f"wearer:{number}")
    put(subject="community:elsewhere", action="export_roll")
    put(subject="wearer:1")
    page = words(reader.get(PAGE).text)
    assert "外地人" not in page
    assert "下载了佩戴者名单" not in page
    assert page.count("看了身体情况") == 1
    assert "没有找到" in words(reader.get(f"{PAGE}?wearer=外地人").text)


# ---------------------------------------------------------------- what is found


def test_it_is_found_by_who_by_what_by_wearer_and_by_day(store_app, reader, put, samples):
    put("view_vitals", detail="doctor 2026-11-23 1 d", actor="user:2")
    put("withdraw_consent", "wearer:2", detail="location all own", ago_s=86_400 * 3)
    put("retention", "portal", actor="portal", detail="telemetry 3")
    put("order_locate_now", "wearer:1")
    with store_app.app_context():
        name = db.session.execute(sa.text("SELECT name FROM user_account WHERE id = 2")).scalar_one()

    def found(query: str) -> str:
        return words(reader.get(f"{PAGE}?{query}").text.split('class="rows rows-plain audit-rows"')[1])

    whole = found("who=")
    for said in ("看了身体情况", "为了给医生看", "收回了同意", "到期清理", "给手环下了指令", "王德顺"):
        assert said in whole, said
    assert "看了身体情况" in found(f"who={name}")
    assert "到期清理" not in found(f"who={name}")
    assert "到期清理" in found("who=系统")
    assert "收回了同意" in found("wearer=王德顺")
    assert "看了身体情况" not in found("wearer=王德顺")
    assert "给手环下了指令" in found("group=care")
    assert "收回了同意" not in found("group=looks")
    assert "收回了同意" in found("until=2026-11-20")
    assert "收回了同意" not in found("since=2026-11-21")


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "before=-1",
        f"before={'9' * 40}",
        "since=2026-99-99",
        "group=nothing",
        "who=%25",
        "until=0001-01-01",
    ],
)
def test_whatever_is_asked_it_answers(reader, query):
    assert reader.get(f"{PAGE}?{query}").status_code == 200


def test_pages_follow_the_sequence_and_nothing_is_shown_twice(reader, put):
    made = [put(ago_s=n) for n in range(120)]
    seen, path = [], PAGE
    while path:
        page = reader.get(path).text
        seen += [int(one) for one in re.findall(r"第 (\d+) 条</span></li>", page)]
        older = re.search(r'id="older" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert seen == sorted(set(seen), reverse=True)
    assert set(made) <= set(seen)


def test_no_telephone_and_no_place_is_shown(reader, put):
    put(
        "resolve",
        "wearer:1",
        detail="打了 +8613800138002 和 0512-6512-3456，人在 31.15590,121.10650，2026-11-23 好",
    )
    for text in (words(reader.get(PAGE).text), reader.get(TABLE).data.decode("utf-8-sig")):
        for secret in ("13800138002", "65123456", "6512-3456", "31.1559", "121.1065"):
            assert secret not in text
        assert "2026-11-23 好" in text


def test_masking_leaves_dates_and_counts(store_app):
    assert masked("trial 30 d 2026-11-23T16:00Z") == "trial 30 d 2026-11-23T16:00Z"
    assert masked("csv 2026-11-23 30 d") == "csv 2026-11-23 30 d"
    assert masked("2026-11-23 13800138002") == "2026-11-23 ***02"
    assert masked("138 0013 8002") == "***02"
    assert masked("telemetry 1200000") == "telemetry ***00"


def test_the_table_has_every_column_and_the_seals(store_app, reader, put):
    put(detail="care")
    text = reader.get(TABLE).data.decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text)) if row[3] != "下载了操作记录"]
    assert rows[0] == ["序号", "时间", "谁", "做了什么", "关于谁", "用途", "明细", "封印"]
    assert [row[3] for row in rows[1:]] == ["看了身体情况"]
    assert rows[1][4:6] == ["张桂兰", "家人照护"]
    with store_app.app_context():
        assert rows[1][7] == db.session.scalar(
            sa.select(AuditEntry.seal).where(AuditEntry.seq == int(rows[1][0]))
        )


def test_every_deed_of_a_group_has_words():
    assert all(is_known(action) for group in GROUPS.values() for action in group)
    assert not is_known("something_new")


# ---------------------------------------------------------------- whether it is whole


def verified(reader) -> str:
    answer = reader.post("/desk/audit/verify", token=reader.token("/me/"))
    assert (answer.status_code, answer.location) == (302, PAGE)
    return words(reader.get(PAGE).text)


def test_a_whole_record_is_said_to_be_whole_until_where_and_by_whom(reader, put):
    put()
    last = put()
    assert "还没有核对过" in words(reader.get(PAGE).text)
    page = verified(reader)
    assert f"完整：从第一条核对到第 {last + 1} 条。" in page, "reading it was an entry, too"
    assert "林静核对" in page


def test_a_changed_entry_is_found_and_stays_said(store_app, reader, put):
    put()
    number = put()
    with store_app.app_context(), writing() as session:
        switch_guards_off(session)
        session.execute(sa.update(AuditEntry).where(AuditEntry.seq == number).values(subject="wearer:2"))
    assert f"第 {number} 条有问题：这一条和封存时不一样。" in verified(reader)
    assert "请保留现场" in words(reader.get(PAGE).text)


def test_a_record_too_long_for_a_page_has_the_command(reader, put, monkeypatch):
    for _ in range(3):
        put()
    monkeypatch.setattr(check, "MOST_AT_ONCE", 2)
    page = words(reader.get(PAGE).text)
    assert "现在核对" not in page
    assert "shouwang portal audit verify" in page
    assert "网页上核对不完" in verified(reader)


# ---------------------------------------------------------------- the line a day


def test_once_a_day_the_log_says_where_the_record_ends_and_verify_takes_the_line(
    store_app, put, samples, caplog
):
    put()
    caplog.set_level(logging.INFO, logger="portal.audit")
    with store_app.app_context():
        assert check.anchor_daily(samples.NOW)
        assert not check.anchor_daily(samples.NOW + timedelta(hours=23))
        (said,) = [one.getMessage() for one in caplog.records if one.name == "portal.audit"]
        assert said.endswith("record=whole")
        assert masked_for_the_log(said) == said, "the log hides rows of digits: none may be hidden here"
        line = check.line_of(said)
        assert line == audit.anchor_line(db.session)
        key = store_app.config["PORTAL"].secret_key
        assert audit.verify(db.session, key=key, told=line) is None
    with store_app.app_context():
        assert check.anchor_daily(samples.NOW + timedelta(hours=25))


def test_what_is_broken_is_an_error_in_the_log(store_app, put, samples, caplog):
    number = put()
    with store_app.app_context(), writing() as session:
        switch_guards_off(session)
        session.execute(sa.update(AuditEntry).where(AuditEntry.seq == number).values(subject="wearer:2"))
    with store_app.app_context():
        check.anchor_daily(samples.NOW)
    (said,) = [one for one in caplog.records if one.name == "portal.audit"]
    assert said.levelno == logging.ERROR
    assert said.getMessage().endswith(f"record=changed:{number}")


@pytest.mark.parametrize("seal", ["0123456789" * 6 + "abcd", "f" * 64])
def test_a_long_number_and_any_seal_survive_the_log(seal):
    line = f"12345678 12345678 {seal}"
    said = f"audit anchor {check.told(line)} record=whole"
    assert check.line_of(masked_for_the_log(said)) == line


@pytest.mark.parametrize("text", ["", "three little words", "1 2", "1 2 " + "g" * 64, "x 2 " + "a" * 64])
def test_a_line_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        check.line_of(text)
