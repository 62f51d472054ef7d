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
