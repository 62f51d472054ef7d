"""The staff's lists and the duty calendar in a real browser: a turn is added, swapped and removed by hand."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from portal import demo

pytestmark = pytest.mark.slow

WALL = {"viewport": {"width": 1280, "height": 800}}


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
