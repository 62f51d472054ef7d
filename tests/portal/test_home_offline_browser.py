"""Without a network in a real browser: what is shown, that it is dated, and that it goes when it must."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.model import HeartRate
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = Path(os.environ.get("SHOTS", ROOT / "tests" / "browser" / "shots"))
READY = """navigator.serviceWorker.ready.then(async () => {
  for (let tries = 0; tries < 200 && !navigator.serviceWorker.controller; tries++)
    await new Promise((done) => setTimeout(done, 25));
  return Boolean(navigator.serviceWorker.controller);
})"""
KEPT = """caches.open("shouwang-kept").then((store) => store.match("/kept/state"))
    .then((found) => Boolean(found))"""
KEEP = "在这台手机上保留最近一次的状态"


@pytest.fixture
def page(chromium, address, gateway, samples) -> Iterator[Page]:
    """张桂兰's daughter on her telephone, her worker ready."""
    gateway.send(samples.ROSTER, samples.telemetry(HeartRate(heart_rate_bpm=70)))
    context = chromium.new_context(
        base_url=address, viewport={"width": 390, "height": 844}, timezone_id="Asia/Shanghai"
    )
    page = context.new_page()
    sign_in(page)
    yield page
    context.close()


def sign_in(page: Page) -> None:
    page.goto("/login?next=/me/")
    page.fill("#phone", "13800138002")
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/me/")
    assert page.evaluate(READY)


def keep(page: Page) -> None:
    page.goto("/me/")
    page.get_by_label(KEEP).check()
    expect(page.locator("[data-keep-offline] [role=status]")).to_contain_text("保留好了")


def lose_network(page: Page) -> None:
    page.context.set_offline(True)
    page.goto("/care/")


def checked(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"portal-offline-{name}.png", full_page=True)
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


def test_what_was_kept_is_shown_with_its_time_and_goes_on_by_itself(page):
    keep(page)
    lose_network(page)
    expect(page.locator("h1")).to_have_text("现在连不上")
    expect(page.locator("[data-when]")).to_have_text(re.compile(r"^这是 \d\d:\d\d 的内容，不是现在的。$"))
    expect(page.locator("[data-kept] h2")).to_contain_text("张桂兰")
    assert page.locator("[data-kept] a[href^='tel:+']").count()
    checked(page, "kept")
    page.context.set_offline(False)
    expect(page.locator("h1")).not_to_have_text("现在连不上", timeout=20_000)
    assert page.url.endswith("/care/")


def test_it_speaks_the_language_of_the_pages_and_is_as_large(page, address):
    keep(page)
    page.context.add_cookies([{"name": "display", "value": "elder-28", "url": address}])
    page.locator("button[name=language][value=en]").last.click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    page.wait_for_function("""caches.open("shouwang-kept").then((store) => store.match("/kept/display"))
        .then((found) => found.json()).then((said) => said.language === "en" && said.size === "28")""")
    lose_network(page)
    expect(page.locator("h1")).to_have_text("No connection now")
    expect(page.locator("[data-when]")).to_have_text(re.compile(r"^This is from \d\d:\d\d, not from now\.$"))
    expect(page.locator("html")).to_have_attribute("data-mode", "elder")
    checked(page, "elder-english")
    small = """[...document.querySelectorAll("a.button, button")]
        .filter((thing) => thing.getBoundingClientRect().height < 60).map((thing) => thing.outerHTML)"""
    assert page.evaluate(small) == []


def test_nothing_of_a_person_is_shown_where_nobody_asked_to_keep_it(page):
    page.goto("/care/")
    lose_network(page)
    expect(page.locator("h1")).to_have_text("现在连不上")
    assert "张桂兰" not in page.content()
    checked(page, "nothing-kept")


def test_what_was_kept_goes_when_it_is_turned_off(page):
    keep(page)
    page.get_by_label(KEEP).uncheck()
    expect(page.locator("[data-keep-offline] [role=status]")).to_contain_text("删除")
    assert not page.evaluate(KEPT)


def test_what_was_kept_goes_when_they_sign_out(page):
    keep(page)
    assert page.evaluate(KEPT)
    page.locator("form[action^='/logout'] button").click()
    page.wait_for_url(lambda address: "/me/" not in address)
    page.wait_for_function(f"{KEPT}.then((there) => !there)")
    lose_network(page)
    assert "张桂兰" not in page.content()


def test_what_was_kept_goes_when_another_account_comes(page):
    keep(page)
    page.context.clear_cookies()
    page.goto("/")
    page.wait_for_function(f"{KEPT}.then((there) => !there)")


def test_a_worker_the_server_no_longer_has_takes_itself_out(page, app):
    keep(page)
    app.view_functions["offline.worker"] = gone = lambda: ("", 410)
    gone.policy = app.view_functions["offline.page"].policy
    page.goto("/me/")
    page.wait_for_function("navigator.serviceWorker.getRegistrations().then((all) => all.length === 0)")
    page.wait_for_function("caches.keys().then((names) => names.length === 0)")
