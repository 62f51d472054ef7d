"""What is kept of an account, taken along by its owner, who has just shown who they are; doors to oneself."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from portal.care.models import AuditEntry
from portal.cases.models import Case, CaseEvent
from portal.db import db, writing
from portal.people import account_data
from portal.people.models import Resident, User
from portal.posts.models import Comment, Post

EXPORT = "/me/data.zip"


@pytest.fixture
def resident(store_app, samples):
    return samples.Browser(store_app).sign_in(samples.PHONES["resident"])


def me(app, samples) -> int:
    with app.app_context():
        return db.session.scalars(sa.select(User.id).where(User.phone == samples.PHONES["resident"])).one()


@pytest.fixture
def lived(store_app, samples) -> int:
    """王秀英 wrote, asked and reported something; so did somebody else."""
    mine, now = me(store_app, samples), samples.NOW
    with store_app.app_context(), writing() as session:
        other = session.scalars(sa.select(User.id).where(User.phone == samples.PHONES["guardian"])).one()
        for user, words in ((mine, "我的话"), (other, "别人的话")):
            post = Post(
                community="xinhe",
                board="posts",
                author_id=user,
                state="published",
                title=words,
                body=words,
                html=words,
                created_at=now,
                updated_at=now,
            )
            session.add(post)
            session.flush()
            session.add(Comment(post_id=post.id, author_id=user, body=f"评论{words}", created_at=now))
            case = Case(
                number=f"N{user}",
                code_hash="x",
                community="xinhe",
                service="repair",
                service_version=1,
                reporter_id=user,
                contact_name=words,
                contact_phone="+8613800000000",
                answers={"what": words},
                state="done",
                created_at=now,
                updated_at=now,
            )
            session.add(case)
            session.flush()
            session.add(
                CaseEvent(
                    case_id=case.id,
                    at=now,
                    action="open",
                    state="open",
                    side="reporter",
                    actor_id=user,
                    actor_name=words,
                    note=words,
                )
            )
    return mine


def taken(browser) -> zipfile.ZipFile:
    answer = browser.post(EXPORT, token=browser.token("/me/data"))
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    assert answer.headers["Cache-Control"] == "no-store"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    return archive


def rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode("utf-8-sig"))))


def test_everything_of_mine_is_in_it_and_nothing_of_anybody_elses(store_app, resident, lived, samples):
    archive = taken(resident)
    about = json.loads(archive.read("data.json"))
    assert about["account"]["name"] == "王秀英"
    assert about["account"]["phone"] == samples.PHONES["resident"]
    assert {one["role"] for one in about["roles"]} >= {"resident"}
    assert about["answers"][f"N{lived}"] == {"what": "我的话"}
    assert "我的话" in [row["title"] for row in rows(archive, "posts")]
    assert "评论我的话" in [row["body"] for row in rows(archive, "comments")]
    assert f"N{lived}" in [row["number"] for row in rows(archive, "cases")]
    assert "我的话" in [row["note"] for row in rows(archive, "case_events")]
    assert [row["way"] for row in rows(archive, "sign_ins")] == ["password"]
    whole = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8")
    assert "别人的话" not in whole


def test_no_secret_leaves_with_it(store_app, resident, lived):
    with store_app.app_context():
        user = db.session.get_one(User, lived)
        secrets = [user.password, user.fs_uniquifier]
    archive = taken(resident)
    whole = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8")
    assert all(secret not in whole for secret in secrets)


def test_the_registers_entry_is_in_it_with_a_masked_number_and_who_opened_it(
    store_app, resident, lived, samples
):
    with store_app.app_context():
        found = db.session.scalars(sa.select(Resident).where(Resident.user_id == lived)).first()
        assert found is not None, "the demonstration's resident is in the register"
        number, sealed = found.id, found.id_number_sealed
    staff = samples.Browser(store_app).sign_in(samples.PHONES["staff"])
    staff.post(f"/register/{number}/identity", token=staff.token("/me/"), purpose="authority")
    (entry,) = json.loads(taken(resident).read("data.json"))["register"]
    assert entry["name"] == "王秀英"
    if sealed is not None:
        assert entry["id_number"].count("*") == 13
        assert [(one["who"], one["purpose"]) for one in entry["id_number_opened"]] == [
            ("周敏", "公安、民政等依法核对")
        ]


def test_that_it_was_taken_is_on_record_first_and_in_it(store_app, resident, lived):
    deeds = rows(taken(resident), "deeds")
    assert deeds[0]["what"] == "下载了自己的资料"
    with store_app.app_context():
        entry = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
        assert (entry.action, entry.actor, entry.subject) == (
            "export_account",
            f"user:{lived}",
            f"user:{lived}",
        )


def test_it_asks_who_you_are_again_after_a_while_and_a_stranger_to_sign_in(store_app, resident, client_of):
    token = resident.token("/me/data")
    with resident.client.session_transaction() as session:
        session["fs_paa"] = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
        session.pop("fs_gexp", None)
    assert resident.get("/me/data").location.startswith("/me/confirm?next=")
    assert resident.post(EXPORT, token=token).location.startswith("/me/confirm")
    assert client_of.get("/me/data").location.startswith("/login")


@pytest.fixture
def client_of(store_app):
    return store_app.test_client()


def test_an_english_reader_reads_the_deeds_in_english(resident, lived):
    resident.post("/language", token=resident.token("/me/"), language="en")
    assert rows(taken(resident), "deeds")[0]["what"] == "downloaded their own data"


def test_a_picture_that_is_gone_keeps_nobody_from_the_rest(store_app, resident, lived, samples):
    from portal.media import Media

    with store_app.app_context(), writing() as session:
        session.add(
            Media(
                id="a" * 32,
                owner_id=lived,
                subject_kind="case",
                subject_id=1,
                width_px=1,
                height_px=1,
                size_bytes=1,
                sha256="0" * 64,
                created_at=samples.NOW,
            )
        )
    assert "data.json" in taken(resident).namelist()


def test_a_long_table_has_its_newest_rows(monkeypatch, resident, lived):
    monkeypatch.setattr(account_data, "MOST_ROWS", 0)
    assert rows(taken(resident), "posts") == []


# ---------------------------------------------------------------- doors


def test_a_wearer_finds_themself_from_every_page_and_nobody_else_has_that_door(store_app, samples):
    gateway = samples.Gateway(store_app)
    gateway.send(samples.ROSTER)
    wearer = samples.Browser(store_app).sign_in(samples.PHONES["wearer"])
    for display in ("standard", "elder-24"):
        wearer.client.set_cookie("display", display)
        for path in ("/", "/me/"):
            assert 'href="/care/mine"' in wearer.get(path).text, (display, path)
    assert wearer.get("/care/mine").status_code == 200
    for role in ("resident", "guardian", "staff"):
        other = samples.Browser(store_app).sign_in(samples.PHONES[role])
        assert 'href="/care/mine"' not in other.get("/me/").text
