"""Orders to a band in a real browser: buttons that can be pressed, states that move, words that stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from rigs.pages import DESKTOP

from gateway.told import BandOrderChanged
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
TARGETS = "#orders button, #orders input:not([type=hidden]), #orders select"
SMALL = """([targets, least]) => [...document.querySelectorAll(targets)]
  .filter((thing) => thing.getBoundingClientRect().height < least)
  .map((thing) => thing.outerHTML.slice(0, 90))"""
LONG = "妈，我晚上七点到家，饺子我来包，您先歇着"


def changed(order, state, *, device="band-zhang", minutes=0, **more) -> BandOrderChanged:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    fields = {"name": "find", "wearer": "zhang-guilan", "by": "李晓梅", "final": state != "sent"}
    fields |= {"at": at, "given_at": at, "until": at + timedelta(minutes=5)} | more
    return BandOrderChanged(order=order, device=device, state=state, **fields)


def page_of_zhang(chromium, address, far, samples, **options) -> Page:
    """李晓梅 on the page of her mother."""
    far.send(samples.ROSTER, samples.at_home())
    page = chromium.new_context(base_url=address, locale="zh-CN", **options).new_page()
    page.goto("/login?next=/care/")
    page.fill("#phone", samples.PHONES["guardian"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/care/")
    page.locator(".wearer-link").first.click()
    return page


def test_an_order_is_followed_on_the_open_page_and_words_typed_stay(chromium, address, far, samples):
    page = page_of_zhang(chromium, address, far, samples, viewport={"width": 390, "height": 844})
    page.click("#order-find")
    first = page.locator("#orders .orders-list li").first
    expect(first).to_contain_text("等待网关")
    page.wait_for_load_state(
        "load"
    )  # the page is opened at #orders, which takes the focus when it has loaded
    page.fill("#order-text", "妈，我七点到")
    page.select_option("#order-interval", "60")
    while page.evaluate("document.activeElement.id") != "order-text":
        page.focus("#order-text")  # a list that comes in at this moment may take the field away under it
    (command,) = far.commands()
    far.send(changed(command["command"], "sent"))
    expect(first).to_contain_text("已发出")
    far.send(changed(command["command"], "done"))
    expect(first).to_contain_text("手环已执行")
    assert page.input_value("#order-text") == "妈，我七点到"
    assert page.input_value("#order-interval") == "60"
    expect(page.locator("#order-text")).to_be_focused()
    page.press("#order-text", "Enter")
    expect(page.locator("#orders .orders-list li").first).to_contain_text("妈，我七点到")
    assert page.input_value("#order-text") == ""


def test_an_empty_message_is_said_beside_its_field(chromium, address, far, samples):
    page = page_of_zhang(chromium, address, far, samples, viewport={"width": 390, "height": 844})
    page.click("#order-message")
    expect(page.locator("#order-text-error")).to_have_text("请先写要发的话。")
    assert page.get_attribute("#order-text", "aria-invalid") == "true"


@pytest.mark.parametrize(
    ("name", "options", "display", "least_px"),
    [
        ("phone", {"viewport": {"width": 390, "height": 844}}, "standard", 44),
        ("largest", {"viewport": {"width": 390, "height": 844}}, "elder-40", 60),
        ("english-dark-desktop", DESKTOP | {"color_scheme": "dark"}, "standard", 44),
    ],
)
def test_the_orders_break_no_rule_of_accessibility(
    chromium, address, far, samples, name, options, display, least_px
):
    page = page_of_zhang(chromium, address, far, samples, **options)
    page.context.add_cookies([{"name": "display", "value": display, "url": address}])
    if name.startswith("english"):
        page.locator("button[value='en']").first.click()
    far.send(
        changed("o1", "done", minutes=40),
        changed("o2", "refused", minutes=30, name="locate_now", detail="low battery"),
        changed("o3", "expired", minutes=25, name="interval", interval_s=300, by="周敏"),
        changed("o4", "given_up", minutes=20, name="interval", interval_s=3600, detail="replaced"),
        changed("o5", "delivered", minutes=15, name="help_is_coming", by="", incident="i1"),
        changed("o6", "unsupported", minutes=12, name="fences", by="周敏"),
        changed(
            "o7",
            "delivered",
            minutes=5,
            name="message",
            text="妈，我晚上七点到家，饺子我来包，您先歇着",
            final=False,
        ),
    )
    page.goto(page.url)
    page.click("#order-find")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"orders-{name}.png", full_page=True)
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))") == []
    assert page.evaluate(SMALL, [TARGETS, least_px]) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
