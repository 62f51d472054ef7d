"""The staff's lists and the duty calendar in a real browser: a turn is added, swapped and removed by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gateway.model import Battery
from gateway.told import CarrierHealth, GatewayHealth
from gateway.told_health import GatewayFigures, Modem
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
WALL = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}}
FAULTS = "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))"


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


def test_a_turn_is_added_for_weeks_changed_and_removed_with_those_after_it(chromium, address, far, samples):
    far.send(samples.ROSTER)
    page = staff_page(chromium, address, samples, "/care/duty/", **WALL)
    page.click("#later")
    expect(page.locator(".duty-gap")).to_have_count(7)
    page.select_option("#person", label="周敏 +8613800138090")
    page.select_option("#shift", "night")
    page.select_option("#weeks", "4")
    page.click("#add")
    expect(page.locator(".duty-turn")).to_have_count(1)
    assert len(far.commands()[-1]["duty"]) == 4
    page.click(".duty-turn a")
    page.select_option("#shift", "own")
    page.fill("#starts", "18:00")
    page.fill("#ends", "22:30")
    page.click("#save")
    expect(page.locator(".duty-turn")).to_contain_text("18:00–22:30")
    page.click(".duty-turn a")
    page.click("#remove-following")
    page.click("#remove-following")
    expect(page.locator(".duty-turn")).to_have_count(0)
    assert far.commands()[-1]["version"] == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("wall", WALL),
        ("phone", PHONE),
        ("dark", WALL | {"color_scheme": "dark"}),
        ("english", WALL | {"english": True}),
        ("elder", PHONE | {"display": "elder-24"}),
    ],
)
def test_the_pages_of_the_staff_break_no_rule_of_accessibility(
    app, chromium, address, far, samples, name, options
):
    far.call(demo.fill_duty, app)
    figures = GatewayFigures(
        version="1.4.0",
        started_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=30),
        journal_mb=12.0,
        disk_free_mb=300.0,
        clock="synchronised",
        modem=Modem(operator="中国移动", signal_dbm=-71),
    )
    ways = (CarrierHealth(carrier="gsm_modem", healthy=True), CarrierHealth(carrier="twilio", healthy=True))
    far.send(
        samples.ROSTER,
        samples.at_home(),
        samples.telemetry(Battery(battery_pct=8), wearer="wang-deshun"),
        GatewayHealth(carriers=ways, figures=figures),
    )
    page = staff_page(chromium, address, samples, "/care/duty/", **options)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for path in ("duty", "roll", "gateways", "drills"):
        page.goto(f"/care/{path}/")
        page.screenshot(path=SHOTS / f"staff-{path}-{name}.png", full_page=True)
        page.evaluate(AXE.read_text("utf-8"))
        assert page.evaluate(FAULTS) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0, path
