"""Orders to bands at the portal: who may give them, what the gateway is told, how they are seen to fare."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from gateway.told import BandOrderChanged, CommandDone
from portal.care.bands.order_words import DETAIL_WORDS, ICONS, NAME_WORDS, STATE_WORDS
from portal.care.models import AuditEntry, BandOrder, Command, Wearer
from portal.db import db


def words(page: str) -> str:
    """A page as it is read aloud: no tags, single blanks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def wearer_id(app, code="zhang-guilan") -> int:
    with app.app_context():
        return db.session.scalars(sa.select(Wearer.id).where(Wearer.code == code)).one()


def changed(samples, order, state, *, device="band-zhang", **more) -> BandOrderChanged:
    fields = {"name": "find", "wearer": "zhang-guilan", "by": "李晓梅", "at": samples.NOW}
    times = {"given_at": samples.NOW, "until": samples.NOW + timedelta(minutes=5)}
    return BandOrderChanged(order=order, device=device, state=state, **(fields | times | more))


@pytest.fixture
def told(gateway, samples):
    """A gateway that has named its people and heard from one."""
    gateway.send(samples.ROSTER, samples.at_home(ago_s=180))
    return gateway


@pytest.fixture
def give(app, told, people):
    """Gives an order as somebody, by default as the daughter of 张桂兰."""

    def press(role="guardian", code="zhang-guilan", **form):
        person = people[role]
        path = f"/care/wearers/{wearer_id(app, code)}/"
        return person.post(f"{path}orders", token=person.token("/me/"), **form)

    return press


def listed(people, app, role="guardian") -> str:
    page = people[role].get(f"/care/wearers/{wearer_id(app)}/").text
    return words(page.split('id="orders"', 1)[1].split("</section>", 1)[0])


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize(
    ("role", "code", "status"),
    [
        ("guardian", "zhang-guilan", 302),
        ("guardian", "wang-deshun", 404),
        ("staff", "zhang-guilan", 302),
        ("staff", "wang-deshun", 302),
        ("grid_worker", "zhang-guilan", 404),
        ("admin", "zhang-guilan", 404),
        ("resident", "zhang-guilan", 404),
    ],
)
def test_staff_and_the_wearers_own_guardians_give_orders_and_nobody_else(app, give, role, code, status):
    assert give(role, code, name="find").status_code == status
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Command)) == (status == 302)


def test_a_passer_by_is_asked_to_sign_in(app, told, browser):
    answer = browser.post(f"/care/wearers/{wearer_id(app)}/orders", name="find")
    assert (answer.status_code, "/login" in answer.location) == (302, True)


def test_an_order_without_a_token_of_the_page_is_not_taken(app, told, people):
    answer = people["guardian"].client.post(f"/care/wearers/{wearer_id(app)}/orders", data={"name": "find"})
    assert answer.status_code == 400


def test_who_only_watches_sees_the_orders_and_no_buttons(app, give, people):
    give(name="find")
    page = people["grid_worker"].get(f"/care/wearers/{wearer_id(app)}/").text
    assert "等待网关" in page
    assert "/orders" not in page


def test_a_contact_taken_off_the_roster_gives_no_more_orders(told, give, samples):
    import msgspec

    without = msgspec.structs.replace(samples.ZHANG, contacts=(samples.SON,))
    told.send(msgspec.structs.replace(samples.ROSTER, wearers=(without, samples.WANG)))
    assert give(name="find").status_code == 404


# ---------------------------------------------------------------- what the gateway is told


@pytest.mark.parametrize(
    ("form", "down"),
    [
        ({"name": "find"}, {"name": "find"}),
        ({"name": "locate_now"}, {"name": "locate_now"}),
        ({"name": "message", "text": " 妈，我七点到 "}, {"name": "message", "text": "妈，我七点到"}),
        ({"name": "interval", "interval_s": "300"}, {"name": "interval", "interval_s": 300}),
    ],
)
def test_a_button_is_one_order_with_who_gave_it_and_when(told, give, samples, form, down):
    assert give(**form).status_code == 302
    (command,) = told.commands()
    assert (command["name"], command["wearer"], command["by"]) == ("send_down", "zhang-guilan", "李晓梅")
    assert command["down"] == down
    assert command["given_at"].startswith(f"{samples.NOW:%Y-%m-%dT%H:%M}")


@pytest.mark.parametrize(
    "form", [{"name": "call_back"}, {"name": "help_is_coming"}, {"name": "interval", "interval_s": "7"}, {}]
)
def test_what_no_button_of_ours_sends_is_not_an_order(told, give, form):
    assert give(**form).status_code == 400
    assert told.commands() == []


@pytest.mark.parametrize(("text", "said"), [("", "请先写要发的话"), ("长" * 61, "最多 60 个字")])
def test_a_message_that_cannot_be_sent_is_given_back_as_it_was_typed(told, give, text, said):
    answer = give(name="message", text=text)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{text}"' in answer.text
    assert told.commands() == []


def test_the_same_press_twice_is_one_order_and_the_next_press_another(told, give):
    for once in ("0" * 16, "0" * 16, "1" * 16, "not of ours"):
        assert give(name="find", once=once).status_code == 302
    assert len(told.commands()) == 3


def test_somebody_who_presses_without_end_is_slowed_down(give):
    assert [give(name="find").status_code for _ in range(11)] == [302] * 10 + [429]


def test_every_order_is_in_the_audit_without_the_words_of_the_message(app, give):
    give(name="message", text="妈，我七点到")
    give(name="interval", interval_s="60")
    with app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.action.like("order_%"))).all()
    assert [(entry.action, entry.detail) for entry in entries] == [
        ("order_message", ""),
        ("order_interval", "60 s"),
    ]


# ---------------------------------------------------------------- how it fares


def test_an_order_is_seen_to_wait_for_a_gateway_that_is_away(app, give, people):
    give(name="message", text="妈，我七点到")
    assert "发消息： 妈，我七点到 李晓梅 刚刚 等待网关" in listed(people, app)


def test_an_order_is_followed_to_its_end(told, app, give, people, samples):
    give(name="find")
    (command,) = told.commands()
    order = command["command"]
    for state, final, said in (
        ("waiting", False, "等手环上线"),
        ("sent", False, "已发出"),
        ("delivered", False, "手环已收到，等它答复"),
        ("done", True, "手环已执行"),
    ):
        device = "" if state == "waiting" else "band-zhang"
        told.send(changed(samples, order, state, device=device, final=final))
        assert f"让手环响铃 李晓梅 刚刚 {said}" in listed(people, app)
    with app.app_context():
        (row,) = db.session.scalars(sa.select(BandOrder))
        assert (row.state, row.device, row.final) == ("done", "band-zhang", True)


def test_each_band_of_a_wearer_is_followed_by_itself(told, app, people, samples):
    told.send(
        changed(samples, "o1", "waiting", device=""),
        changed(samples, "o1", "delivered", final=True),
        changed(samples, "o1", "unsupported", device="watch-zhang", final=True),
    )
    said = listed(people, app)
    assert "band-zhang 手环已收到" in said
    assert "watch-zhang 这款手环做不到" in said


def test_a_gateway_that_refuses_an_order_says_why(told, app, give, people):
    give(name="find")
    (command,) = told.commands()
    told.send(CommandDone(command=command["command"], done=False, reason="there is no wearer"))
    assert "there is no wearer 没有执行" in listed(people, app)


def test_the_order_of_an_incident_is_told_without_a_name(told, app, people, samples):
    told.send(changed(samples, "o1", "delivered", name="help_is_coming", by="", incident="i1", final=True))
    assert "告诉手环：有人来了 求救流程 刚刚 手环已收到" in listed(people, app)


def test_what_the_band_was_told_in_an_incident_is_on_its_page(told, app, people, samples):
    from portal.care.changes import changes_after, newest_change

    told.send(samples.incident("acknowledged"))
    with app.app_context():
        before = newest_change(db.session)
    told.send(
        changed(samples, "o1", "delivered", name="help_is_coming", by="", incident="inc1", final=True),
        changed(samples, "o2", "delivered", by="", incident="another", final=True),
    )
    with app.app_context():
        assert "incident" in {change.topic for change in changes_after(db.session, before, limit=9)}
    page = people["guardian"].get("/care/incidents/inc1/card").text
    told_it = words(page.split('id="told-title"', 1)[1])
    assert "告诉手环：有人来了 求救流程 刚刚 手环已收到" in told_it
    assert "让手环响铃" not in told_it


def test_a_repeat_of_the_gateway_changes_nothing(told, app, samples):
    rows = told.rows(changed(samples, "o1", "sent"), changed(samples, "o1", "done", final=True))
    for _ in range(2):
        told.send_rows(rows)
    with app.app_context():
        assert [row.state for row in db.session.scalars(sa.select(BandOrder))] == ["done"]


def test_a_state_and_a_name_this_portal_does_not_know_are_shown_as_they_came(told, app, people, samples):
    told.send(changed(samples, "o1", "given_up", name="find", detail="replaced", final=True))
    told.send(changed(samples, "o2", "refused", detail="low battery", final=True))
    said = listed(people, app)
    assert "由新的指令代替 已作废" in said
    assert "low battery 没有执行" in said


def test_the_newest_twenty_are_shown_newest_first(told, app, people, samples):
    for number in range(25):
        at = samples.NOW - timedelta(minutes=60 - number)
        told.send(changed(samples, f"o{number}", "done", by=f"某{number:02d}", given_at=at, final=True))
    said = re.findall(r"某(\d\d)", listed(people, app))
    assert said == [f"{number:02d}" for number in range(24, 4, -1)]


def test_a_page_that_is_open_is_told_of_every_step(told, app, give, samples):
    from portal.care.changes import newest_change

    with app.app_context():
        before = newest_change(db.session)
    give(name="find")
    with app.app_context():
        pressed = newest_change(db.session)
    told.send(changed(samples, "o1", "done", final=True))
    with app.app_context():
        assert before < pressed < newest_change(db.session)


def test_every_store_keeps_an_order_and_its_end(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, changed(samples, "o1", "waiting", device=""))
    store_gateway.send(changed(samples, "o1", "expired", final=True))
    with store_app.app_context():
        (row,) = db.session.scalars(sa.select(BandOrder))
        assert (row.state, row.given_at) == ("expired", samples.NOW)


def test_an_english_page_says_it_in_english(told, app, people, samples):
    details = [changed(samples, f"d{n}", "given_up", detail=word) for n, word in enumerate(DETAIL_WORDS)]
    states = [changed(samples, state, state) for state in STATE_WORDS if state != "queued"]
    told.send(*details, *states)
    guardian = people["guardian"]
    guardian.post("/language", language="en")
    said = listed(people, app)
    assert "Make the band ring 李晓梅 just now Done by the band" in said
    assert not re.findall(r"[\u4e00-\u9fff]", said.replace("李晓梅", ""))


def test_every_order_has_words_and_an_icon():
    from typing import get_args

    import msgspec

    from gateway.model import BandOrderState, DownCommand

    names = set(get_args(msgspec.structs.fields(DownCommand)[0].type))
    assert set(NAME_WORDS) == set(ICONS) == names
    assert set(STATE_WORDS) == {*get_args(BandOrderState), "queued"}
