"""Fences paused for a while at the portal: who may, what the gateway is told, what the page says."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from gateway.model import Alarm, FenceSuspension, FenceView, Why
from gateway.told import AlarmRaised, CommandDone, FencesSuspended
from portal.care.models import AuditEntry, Wearer
from portal.db import db

HOME = FenceView(fence="home", name="花园", centre=(31.155, 121.105), radius_m=100)


def words(page: str) -> str:
    """The card of the fences as it is read aloud."""
    part = page.split('id="fences"', 1)[1].split("</section>", 1)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<svg\b.*?</svg>", " ", part, flags=re.DOTALL)).split())


def wearer_id(app, code="zhang-guilan") -> int:
    with app.app_context():
        return db.session.scalars(sa.select(Wearer.id).where(Wearer.code == code)).one()


@pytest.fixture
def told(gateway, samples):
    """A gateway whose 张桂兰 has a fence."""
    zhang = msgspec.structs.replace(samples.ZHANG, fences=(HOME,))
    gateway.send(msgspec.structs.replace(samples.ROSTER, wearers=(zhang, samples.WANG)))
    return gateway


@pytest.fixture
def press(app, told, people):
    """Presses suspend or resume as somebody, by default as the daughter."""

    def give(what="suspend", role="guardian", code="zhang-guilan", **form):
        person = people[role]
        path = f"/care/wearers/{wearer_id(app, code)}/fences/{what}"
        return person.post(path, token=person.token("/me/"), **form)

    return give


@pytest.fixture
def page(app, told, people):
    return lambda role="guardian", query="": people[role].get(f"/care/wearers/{wearer_id(app)}/{query}").text


@pytest.mark.parametrize(
    ("role", "code", "status"),
    [
        ("guardian", "zhang-guilan", 302),
        ("guardian", "wang-deshun", 404),
        ("staff", "zhang-guilan", 302),
        ("grid_worker", "zhang-guilan", 404),
        ("admin", "zhang-guilan", 404),
        ("resident", "zhang-guilan", 404),
    ],
)
def test_staff_and_the_wearers_own_guardians_may_and_nobody_else(told, press, role, code, status):
    assert press(role=role, code=code, until="18:00").status_code == status
    assert len(told.commands()) == (status == 302)


def test_a_press_is_one_order_with_its_end_and_who_gave_it(app, told, press):
    for _ in range(2):
        assert press(until="18:00", note=" 和女儿出去 ", fence="home", once="0" * 16).status_code == 302
    (command,) = told.commands()
    assert (command["name"], command["wearer"], command["fence"], command["by"], command["note"]) == (
        "suspend_fences",
        "zhang-guilan",
        "home",
        "李晓梅",
        "和女儿出去",
    )
    assert command["until"].endswith("T18:00:00+08:00")
    with app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "suspend_fences")).all()
    assert len(entries) >= 1
    assert entries[0].detail.startswith("home 20")


@pytest.mark.parametrize("until", ["", "soon", "25:00"])
def test_a_time_that_is_none_is_asked_for_again_with_the_note_kept(told, press, until):
    answer = press(until=until, note="和女儿出去")
    assert answer.status_code == 422
    assert "请选到几点为止" in answer.text
    assert 'value="和女儿出去"' in answer.text
    assert told.commands() == []


def test_a_fence_the_wearer_has_not_is_no_order(told, press):
    assert press(until="18:00", fence="gone").status_code == 400
    assert told.commands() == []


def test_it_waits_then_shows_until_when_then_is_over(told, press, page, samples):
    press(until="18:00", note="和女儿出去")
    assert "等待网关" in words(page())
    (command,) = told.commands()
    until = samples.NOW + timedelta(hours=2)
    one = FenceSuspension(until=until, by="李晓梅", given_at=samples.NOW, note="和女儿出去")
    told.send(
        FencesSuspended(wearer="zhang-guilan", suspensions=(one,)),
        CommandDone(command=command["command"], done=True),
    )
    shown = words(page())
    assert "等待网关" not in shown
    assert "全部暂停到" in shown
    assert "李晓梅 和女儿出去" in shown
    assert "现在恢复" in shown
    assert "现在恢复" not in words(page("grid_worker"))
    past = msgspec.structs.replace(one, until=samples.NOW - timedelta(minutes=1))
    told.send(FencesSuspended(wearer="zhang-guilan", suspensions=(past,)))
    assert "暂停到 " not in words(page())


def test_a_refusal_of_the_gateway_is_shown(told, press, page):
    press(until="18:00")
    (command,) = told.commands()
    told.send(CommandDone(command=command["command"], done=False, reason="this wearer has no fence"))
    assert "没有执行 this wearer has no fence" in words(page())


def test_resume_is_an_order_without_an_end(told, press):
    assert press("resume").status_code == 302
    (command,) = told.commands()
    assert command["name"] == "resume_fences"
    assert "until" not in command


def test_a_passer_by_is_asked_to_sign_in(app, told, browser):
    answer = browser.post(f"/care/wearers/{wearer_id(app)}/fences/suspend", until="18:00")
    assert (answer.status_code, "/login" in answer.location) == (302, True)


def test_a_notice_that_rings_nobody_stands_on_the_page_for_a_week(told, page, samples):
    def notice(code, ago):
        return Alarm(
            alarm_id=code,
            wearer="zhang-guilan",
            kind="fence",
            severity="notice",
            why=Why(code=code, place="花园"),
            at=samples.NOW - ago,
        )

    told.send(
        AlarmRaised(alarm=notice("fence_return", timedelta(minutes=5)), incident=None),
        AlarmRaised(alarm=notice("fence_approach", timedelta(days=8)), incident=None),
    )
    shown = page()
    assert "回到了「花园」" in shown
    assert "接近「花园」的边界" not in shown
