"""The demo as its visitors see it: moving wearers, three alarms, a button that reaches the gateway."""

from __future__ import annotations

import re
import signal

import pytest
from playwright.sync_api import expect

PHONE = {"width": 390, "height": 844}
TWO_MINUTES_MS = 120_000


@pytest.fixture
def evening(house):
    """`shouwang run` of the shipped configuration on free ports."""
    there = house()
    program = there.start("run", ready="按 Ctrl-C 依次停止")
    yield there
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_within_two_minutes_the_board_shows_the_fence_the_pressure_and_the_sos_with_its_legs(
    evening, visitor
):
    duty = visitor(evening.portal_url)
    duty.log_in("13800138090")
    duty.go("/care/")
    page = duty.page
    expect(page.locator("#map")).to_have_attribute("data-wearers", "6", timeout=60_000)
    expect(page.locator("#map")).to_have_attribute("data-moved", re.compile(r"[3-9]|\d\d+"), timeout=60_000)
    page.wait_for_timeout(1500)
    duty.shoot("map-desktop")

    duty.go("/care/alarms/")
    board = page.locator("#board")

    def card(name: str, words: str):
        return (
            board.locator("article.incident")
            .filter(has=page.get_by_role("heading", name=name))
            .filter(has_text=words)
        )

    expect(card("王德顺", "离开")).to_be_visible(timeout=TWO_MINUTES_MS)
    expect(card("陈秀英", "收缩压")).to_be_visible(timeout=TWO_MINUTES_MS)
    sos = card("张桂兰", "求救")
    expect(sos).to_contain_text("已有人接手", timeout=TWO_MINUTES_MS)
    texts = sos.locator("section.legs").filter(has_text="短信")
    expect(texts.locator("li.leg")).to_have_count(3)  # both at the press, then the son: his sister has it
    calls = sos.locator("section.legs").filter(has_text="第 1 轮")
    expect(calls.locator("li.leg").nth(0)).to_contain_text("李建国")
    expect(calls.locator("li.leg").nth(0)).to_contain_text("无人接听")
    expect(calls.locator("li.leg").nth(1)).to_contain_text("李晓梅")
    expect(calls.locator("li.leg").nth(1)).to_contain_text(re.compile("1"))
    duty.shoot("alarms-desktop")

    pressure = card("陈秀英", "收缩压")
    pressure.get_by_role("button", name="我来处理").click()
    expect(card("陈秀英", "已有人接手")).to_be_visible(timeout=30_000)
    rows = evening.query("select state from incidents where wearer = 'chen-xiuying'")
    assert rows == [("acknowledged",)], "the button reached the gateway"
    duty.shoot("alarms-taken-desktop")

    daughter = visitor(evening.portal_url, PHONE)
    daughter.log_in("13800138002")
    daughter.go("/care/")
    expect(daughter.page.locator("#map")).to_have_attribute("data-wearers", "1")
    expect(daughter.page.locator("#wearers")).to_contain_text("张桂兰")
    expect(daughter.page.locator("#wearers")).not_to_contain_text("王德顺")
    daughter.page.wait_for_timeout(1500)
    daughter.shoot("map-phone")
    daughter.go("/care/alarms/")
    expect(daughter.page.locator("#board")).to_contain_text("张桂兰")
    expect(daughter.page.locator("#board")).not_to_contain_text("王德顺")
    daughter.shoot("alarms-phone")
    daughter.go("/")
    daughter.shoot("home-phone")
