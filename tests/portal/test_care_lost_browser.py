"""A search in real browsers: begun on a phone, followed live, helped along through nothing but a link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from gateway.model import Battery, Fix
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
PHONE = {"viewport": {"width": 390, "height": 844}}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PAGE = "/care/wearers/1/lost"
HOME, GATE = (31.15590, 121.10650), (31.15330, 121.10420)
FAULTS = """axe.run(document).then((found) =>
  found.violations.map((fault) => fault.id + " " + fault.nodes[0].html))"""
RESTS = """() => new Promise((done) => {
  const { map } = document.getElementById("lost-map");
  if (map.loaded() && !map.isMoving()) done();
  else map.once("idle", () => done());
})"""


def at(samples, lat, lon, *, ago_s=0):
    told = samples.telemetry(
        Fix(lat=lat, lon=lon, valid=True, accuracy_m=12.0, source="gnss"), Battery(battery_pct=58)
    )
    return msgspec.structs.replace(told, received_at=datetime.now(UTC) - timedelta(seconds=ago_s))


def wandered(far, samples):
    """From home to the south gate in the last forty minutes."""
    rows = []
    for step in range(40):
        share = step / 39
        bend = 0.0007 if 10 < step < 25 else 0.0
        lat, lon = (home + share * (gate - home) for home, gate in zip(HOME, GATE, strict=True))
        rows.append(at(samples, lat, lon + bend, ago_s=(40 - step) * 60))
    far.send(samples.ROSTER, *rows)


def opened(chromium, address, path, *, phone="", **options):
    page = chromium.new_context(base_url=address, **({"locale": "zh-CN"} | options)).new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    if phone:
        page.goto("/login?next=/me/")
        page.fill("#phone", phone.removeprefix("+86"))
        page.fill("#password", demo.DEMO_PASSWORD)
        page.locator("form[action*='/login'] button").click()
        page.wait_for_url("**/me/")
    page.goto(path)
    return page


def healthy(page) -> None:
    """The page had nothing to complain of, and axe has not (its own styles are refused, rightly)."""
    assert page.complaints == []
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(FAULTS) == []
    page.complaints.clear()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def shot(page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"lost-{name}.png", full_page=True)
    page.complaints.clear()  # the camera was refused its inline styles


def test_a_daughter_begins_a_search_and_a_stranger_with_a_link_helps_to_end_it(
    chromium, address, app, far, samples
):
    wandered(far, samples)
    daughter = opened(chromium, address, "/care/wearers/1/", phone=samples.PHONES["guardian"], **PHONE)
    daughter.click("#to-lost")
    expect(daughter.locator("h1")).to_have_text("张桂兰走失了？")
    healthy(daughter)
    shot(daughter, "start-phone")
    daughter.fill("#called", "张奶奶")
    daughter.fill("#description", "灰色毛衣，黑裤子，拄拐杖，说上海话")
    daughter.click("#lost-begin")
    expect(daughter.locator("#lost-board h1")).to_have_text("张桂兰最后在小区外，离南门不远")
    daughter.wait_for_selector("#lost-map[data-ready]", timeout=60_000)
    daughter.fill("#purpose", "志愿者群")
    daughter.click("#link-make")
    link = daughter.locator("#links input[readonly]").input_value()
    path = re.sub(r"^https?://[^/]+", "", link)
    daughter.wait_for_selector("#lost-map[data-ready]", timeout=60_000)
    daughter.evaluate(RESTS)
    healthy(daughter)
    shot(daughter, "phone")

    helper = opened(chromium, address, path, **PHONE)
    helper.wait_for_selector("#lost-map[data-ready]", timeout=60_000)
    expect(helper.locator("h1")).to_have_text("请帮忙找张奶奶")
    helper.evaluate(RESTS)
    helper.locator("#lost-map canvas").click(position={"x": 120, "y": 140})
    expect(helper.locator("#share-spot")).to_have_text("已在地图上标好。")
    helper.fill("#words", "在南门外公交站")
    healthy(helper)
    shot(helper, "share-phone")
    helper.click("#share-say")
    expect(helper.locator(".note-good")).to_contain_text("谢谢您")

    expect(daughter.locator(".lost-seen")).to_contain_text("在南门外公交站")
    drawn = daughter.get_attribute("#lost-map", "data-drawn")
    far.send(at(samples, *HOME))
    expect(daughter.locator("#lost-board h1")).to_contain_text("3栋附近")
    expect(daughter.locator("#lost-map")).not_to_have_attribute("data-drawn", drawn)

    daughter.get_by_text("找到了，人平安").click()
    daughter.click("#lost-end")
    expect(daughter.locator(".note-good")).to_contain_text("寻找结束了")
    gone = opened(chromium, address, path, **PHONE)
    expect(gone.locator("main")).to_contain_text("这里没有您要找的内容")
    helper.clock.install()
    helper.reload()
    expect(helper.locator("main")).to_contain_text("这里没有您要找的内容")


def test_a_helper_whose_page_is_open_is_told_when_the_link_ends(chromium, address, far, samples):
    wandered(far, samples)
    staff = opened(chromium, address, PAGE, phone=samples.PHONES["staff"], **DESKTOP)
    staff.fill("#phone", "13800138002")
    staff.click("#lost-begin")
    staff.click("#link-make")
    path = re.sub(r"^https?://[^/]+", "", staff.locator("#links input[readonly]").input_value())
    page = chromium.new_context(base_url=address, locale="en-GB", **PHONE).new_page()
    page.clock.install()
    page.goto(path)
    expect(page.locator("#share-live")).to_be_visible()
    staff.locator("form[action$='/revoke'] button").click()
    staff.locator("form[action$='/revoke'] button").click()
    expect(staff.locator("#links")).to_contain_text("已停用")
    page.clock.run_for(16_000)
    expect(page.locator("#share-gone")).to_be_visible()
    expect(page.locator("#share-live")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "options", "cookie", "english"),
    [
        ("desktop", DESKTOP, "", False),
        ("elder", PHONE, "elder-24", False),
        ("dark-en", PHONE | {"color_scheme": "dark"}, "", True),
    ],
)
def test_a_search_is_read_on_every_screen(chromium, address, far, samples, name, options, cookie, english):
    wandered(far, samples)
    page = opened(chromium, address, PAGE, phone=samples.PHONES["staff"], **options)
    if english:
        page.locator("button[name=language]").click()
    if cookie:
        page.context.add_cookies([{"name": "display", "value": cookie, "url": address}])
        page.reload()
    page.fill("#phone", "13800138002")
    page.click("#lost-begin")
    page.wait_for_selector("#lost-map[data-ready]", timeout=60_000)
    page.click("#link-make")
    page.wait_for_selector("#lost-map[data-ready]", timeout=60_000)
    page.evaluate(RESTS)
    if english:
        expect(page.locator("#lost-board h1")).to_contain_text("not far from South Gate")
    healthy(page)
    shot(page, name)
