"""Test calls from the page of a wearer: one person is rung, and the page tells how far it got."""

from __future__ import annotations

import pytest

from gateway.told import CommandDone
from gateway.told_orders import TestCallChanged

PAGE = "/care/wearers/1/"


def begin(browser, contact="li-jianguo", path=PAGE):
    return browser.post(f"{path}test-calls", contact=contact, once="0123456789abcdef")


@pytest.fixture
def ordered(people, gateway, samples):
    gateway.send(samples.ROSTER)
    assert begin(people["guardian"]).status_code == 302
    (command,) = gateway.commands()
    return command


def told(samples, command, call, **more) -> TestCallChanged:
    return TestCallChanged(
        test=command["command"],
        contact="li-jianguo",
        name="李建国",
        wearer="zhang-guilan",
        call=call,
        text="none",
        at=samples.NOW,
        ordered_at=samples.NOW,
        **more,
    )


def test_a_test_call_rings_one_contact_and_its_story_is_told(people, gateway, samples, ordered):
    assert (ordered["name"], ordered["contact"], ordered["wearer"]) == (
        "test_call",
        "li-jianguo",
        "zhang-guilan",
    )
    guardian = people["guardian"]
    assert "等守望设备来拿" in guardian.get(PAGE).text
    gateway.send(told(samples, ordered, "ringing"))
    assert "正在拨打" in guardian.get(PAGE).text
    gateway.send(told(samples, ordered, "confirmed", digit="1", final=True))
    assert "拨打 → 已接听 → 按了 1" in guardian.get(PAGE).text


def test_the_same_press_twice_is_one_call(people, gateway, ordered):
    begin(people["guardian"])
    assert len(gateway.commands()) == 1


def test_a_refusal_says_why(people, gateway, ordered):
    gateway.send(CommandDone(command=ordered["command"], done=False, reason="alarm"))
    assert "没有拨：正有报警或演练，线路要留给它" in people["staff"].get(PAGE).text


def test_nobody_rings_strangers_and_strangers_ring_nobody(people, gateway, samples):
    gateway.send(samples.ROSTER)
    assert begin(people["guardian"], contact="wang-fang").status_code == 404
    assert begin(people["guardian"], path="/care/wearers/2/").status_code == 404
    for role in ("resident", "grid_worker", "admin"):
        assert begin(people[role]).status_code == 404
    assert gateway.commands() == []


def test_the_ladder_of_the_care_settings_rings_a_contact_and_tells_there_how_far_it_got(
    people, gateway, samples
):
    gateway.send(samples.ROSTER, samples.profile_told())
    guardian, page = people["guardian"], f"{PAGE}profile"
    shown = guardian.get(page).text
    assert 'id="test-li-jianguo"' in shown
    token = guardian.token("/me/")
    fields = {"contact": "li-jianguo", "once": "0123456789abcdef", "next": f"{page}#test-calls"}
    sent = guardian.post(f"{PAGE}test-calls", token=token, **fields)
    assert sent.location == f"{page}#test-calls"
    (command,) = gateway.commands()
    gateway.send(told(samples, command, "ringing"))
    assert "正在拨打" in guardian.get(page).text
    fields = fields | {"once": "0123456789abcdee", "next": "//evil.example/"}
    assert guardian.post(f"{PAGE}test-calls", token=token, **fields).location == f"{PAGE}#test-calls"


def test_whoever_only_watches_finds_no_button_to_ring(people, gateway, samples):
    gateway.send(samples.ROSTER, samples.profile_told())
    assert "test-li-jianguo" not in people["grid_worker"].get(f"{PAGE}profile").text


def test_a_contact_whose_change_waits_is_not_rung_by_its_old_number(people, gateway, samples):
    gateway.send(samples.ROSTER, samples.profile_told())
    guardian = people["guardian"]
    changed = {"name": "李建国", "phone": "13900139001", "relation": "儿子", "lang": "zh"}
    form = guardian.get(f"{PAGE}profile/contact?id=li-jianguo").text
    hidden = {name: form.split(f'name="{name}" value="', 1)[1].split('"', 1)[0] for name in ("once", "seen")}
    token = form.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    sent = guardian.post(f"{PAGE}profile/contact?id=li-jianguo", token=token, **hidden, **changed)
    assert sent.status_code == 302, sent.text
    shown = guardian.get(f"{PAGE}profile").text
    assert 'id="test-li-jianguo"' not in shown
    assert 'id="test-li-xiaomei"' in shown
