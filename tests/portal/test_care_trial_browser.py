"""The page of trials in a real browser: it can be read and used at every size, and breaks no rule."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect
from rigs.pages import DESKTOP

from gateway.model import BloodPressure, FenceView, Fix, HeartRate
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
HOME = FenceView(fence="home", name="3栋与花园", centre=(31.1559, 121.1065), radius_m=80)
TARGETS = "main button, main input:not([type=hidden], [type=radio]), main select"
SMALL = """(targets) => [...document.querySelectorAll(targets)]
  .filter((thing) => thing.checkVisibility() && thing.getBoundingClientRect().height < 44)
  .map((thing) => thing.outerHTML.slice(0, 90))"""


@pytest.fixture
def address(app, gateway, samples) -> Iterator[str]:
    """张桂兰 has lived a week; the portal serves it."""
    fence = msgspec.structs.replace(samples.ZHANG, fences=(HOME,))
    gateway.send(msgspec.structs.replace(samples.ROSTER, wearers=(fence, samples.WANG)))
    gateway.send(*week(samples))
    with samples.served(app) as address:
        yield address


def week(samples):
    """A quiet week every ten minutes, with two outings and two racing hearts."""
    chance = random.Random(5)
    for ago in range(7 * 144, 0, -1):
        out = {0: 40.0, 1: 150.0, 2: 260.0, 3: 120.0}.get((ago - 300) % 500, 0.0) if ago < 900 else 0.0
        way = chance.uniform(0, 2 * math.pi)
        metres = out + abs(chance.gauss(12, 9))
        fast = ago in range(700, 704) or ago in range(203, 206)
        rate = (129 if ago > 500 else 146) + chance.gauss(0, 2) if fast else 70 + chance.gauss(0, 6)
        readings = [
            Fix(
                lat=31.1559 + metres * math.cos(way) / 110_860,
                lon=121.1065 + metres * math.sin(way) / 95_000,
                valid=True,
                accuracy_m=6,
                source="gnss",
            ),
            HeartRate(heart_rate_bpm=round(rate)),
        ]
        if ago % 12 == 0:
            upper = round(138 + chance.gauss(0, 8))
            readings.append(BloodPressure(systolic_mmhg=upper, diastolic_mmhg=round(upper * 0.6)))
        yield samples.telemetry(*readings, ago_s=timedelta(minutes=10 * ago).total_seconds())


@pytest.mark.parametrize(
    ("name", "options", "display"),
    [
        ("phone", {"viewport": {"width": 390, "height": 844}}, "standard"),
        ("elder", {"viewport": {"width": 390, "height": 844}}, "elder-24"),
        ("english-dark-desktop", DESKTOP | {"color_scheme": "dark"}, "standard"),
    ],
)
def test_a_fence_and_a_limit_are_tried_and_the_page_breaks_no_rule(
    chromium, address, samples, name, options, display
):
    page = chromium.new_context(base_url=address, locale="zh-CN", **options).new_page()
    page.goto("/login?next=/care/")
    page.fill("#phone", samples.PHONES["guardian"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/care/")
    page.context.add_cookies([{"name": "display", "value": display, "url": address}])
    page.locator(".wearer-link").first.click()
    page.locator("a[href$='/trial']").click()
    if name.startswith("english"):
        page.locator("button[value='en']").first.click()
    page.fill("#trial-radius", "90")
    page.click("#try-fence")
    page.wait_for_url("**/fences/trial")
    page.wait_for_load_state("load")
    expect(page.locator(".trial-map:visible")).to_have_count(1)
    assert page.locator(".trial-row").count() == 2
    checked(page, f"trial-fence-{name}")
    page.fill("#try-heart_rate_high_bpm", "140")
    page.click("#try-limit")
    page.wait_for_url("**/limits/trial")
    page.wait_for_load_state("load")
    expect(page.locator(".trial-chart:visible")).to_have_count(3)
    assert page.locator("ol .trial-row").count() == 1
    assert page.locator("ul.trial-rows .trial-row").count() == 1
    assert page.input_value("#try-heart_rate_high_bpm") == "140"
    checked(page, f"trial-limits-{name}")


def checked(page, name) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))") == []
    assert page.evaluate(SMALL, TARGETS) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
