"""The staff's lists and the duty calendar in a real browser: a turn is added, swapped and removed by hand."""

from __future__ import annotations

import datetime as dt

import pytest
from playwright.sync_api import expect

from portal import demo

pytestmark = pytest.mark.slow

WALL = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}}


def staff_page(chromium, address, samples, path, *, display="standard", english=False, **options):
    context = chromium.new_context(base_url=address, locale="zh-CN", **options)
    page = context.new_page()
    page.goto("/login?next=/me/")
    page.fill("#phone", samples.PHONES["staff"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/me/")
    context.add_cookies([{"name": "display", "value": display, "url": address}])
    if english:
        page.locator("button[value='en']").first.click()
    page.goto(path)
    return page


def follow(page, selector: str) -> None:
    """Press it, and go on when the page it leads to has its scripts: they ask before something is removed."""
    with page.expect_navigation(wait_until="load"):
        page.click(selector)


def test_a_turn_is_added_for_weeks_changed_and_removed_with_those_after_it(chromium, address, far, samples):
    far.send(samples.ROSTER)
    page = staff_page(chromium, address, samples, "/care/duty/", **WALL)
    follow(page, "#later")
    expect(page.locator(".duty-gap")).to_have_count(7)
    page.select_option("#person", label="周敏 +8613800138090")
    page.select_option("#shift", "night")
    page.select_option("#weeks", "4")
    follow(page, "#add")
    expect(page.locator(".duty-turn")).to_have_count(1)
    assert len(far.commands()[-1]["duty"]) == 4
    follow(page, ".duty-turn a")
    page.select_option("#shift", "own")
    page.fill("#starts", "18:00")
    page.fill("#ends", "22:30")
    follow(page, "#save")
    expect(page.locator(".duty-turn")).to_contain_text("18:00–22:30")
    follow(page, ".duty-turn a")
    page.click("#remove-following")
    follow(page, "#remove-following")
    expect(page.locator(".duty-turn")).to_have_count(0)
    assert far.commands()[-1]["version"] == 3


def add_turn(page, name: str, day: str, shift: str) -> None:
    page.select_option("#person", label=name)
    page.fill("#day", day)
    page.select_option("#shift", shift)
    follow(page, "#add")


def test_two_people_swap_their_turns_by_hand_and_back(chromium, address, far, samples):
    far.send(samples.ROSTER)
    page = staff_page(chromium, address, samples, "/care/duty/", **PHONE)
    follow(page, "#later")
    first = dt.date.fromisoformat(page.input_value("#day"))
    add_turn(page, "周敏 +8613800138090", first.isoformat(), "day")
    add_turn(page, "陈强 +8613800138091", (first + dt.timedelta(days=2)).isoformat(), "night")
    turns = page.locator(".duty-turn")
    expect(turns).to_have_count(2)
    for names in (["陈强", "周敏"], ["周敏", "陈强"]):
        follow(page, ".duty-turn a")
        expect(page.locator("#with option")).to_have_count(1)
        expect(page.locator("#with option")).to_contain_text(names[0])
        follow(page, "#swap")
        expect(page.locator(".note-good")).to_contain_text("已换班：")
        assert [names[number] in turns.nth(number).inner_text() for number in (0, 1)] == [True, True]
        duty = sorted(far.commands()[-1]["duty"], key=lambda one: one["starts_at"])
        assert [one["name"] for one in duty] == names


def test_a_swap_that_would_put_somebody_on_duty_twice_at_once_is_refused(chromium, address, far, samples):
    far.send(samples.ROSTER)
    page = staff_page(chromium, address, samples, "/care/duty/", **PHONE)
    follow(page, "#later")
    day = page.input_value("#day")
    add_turn(page, "周敏 +8613800138090", day, "day")
    add_turn(page, "陈强 +8613800138091", day, "night")
    page.select_option("#place", "1")
    page.select_option("#person", label="周敏 +8613800138090")
    page.fill("#day", day)
    page.select_option("#shift", "own")
    page.fill("#starts", "21:00")
    page.fill("#ends", "22:00")
    follow(page, "#add")
    expect(page.locator(".duty-turn")).to_have_count(3)
    before = far.commands()[-1]["version"]
    follow(page, ".duty-turn a")
    page.select_option("#with", label=page.locator("#with option", has_text="陈强").inner_text())
    follow(page, "#swap")
    expect(page.locator("#swap")).to_be_visible()
    expect(page.locator(".note-danger")).to_be_visible()
    assert far.commands()[-1]["version"] == before
