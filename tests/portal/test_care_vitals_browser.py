"""The page of vital signs in a real browser: drawn, readable by keys, accessible, strict policy kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page
from rigs import vitals

from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
UPLOT = ROOT / "portal" / "static" / "vendor" / "uplot" / "uPlot.esm.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
SMALL_TEXT = """() => [...document.querySelectorAll("main *")]
    .filter((one) => one.checkVisibility() && !one.closest(".visually-hidden"))
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 24)
    .map((one) => one.outerHTML.slice(0, 120))"""
TARGETS = "a.button, button, select, summary, input[type=date]"
LOW_TARGETS = f"""() => [...document.querySelector("main").querySelectorAll("{TARGETS}")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 59.5)
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(autouse=True)
def wearer(app, real_clock, gateway, samples) -> int:
    """张桂兰 with sixty days of history and an evening on which something happened."""
    if not UPLOT.exists():
        pytest.fail("the front-end libraries are not collected: npm ci && python -m portal.collect_vendor")
    gateway.send(samples.ROSTER, samples.profile_told())
    found = vitals.wearer_id(app)
    now = datetime.now(UTC)
    vitals.month(app, found, now)
    vitals.evening(app, found, evening())
    return found


def sign_in(page: Page, phone: str) -> None:
    page.goto("/login")
    page.fill("#phone", phone)
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/")


def evening() -> datetime:
    """Eight in the evening of yesterday, where the portal is."""
    here = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)
    return here.replace(hour=20, minute=0, second=0, microsecond=0).astimezone(UTC)


def yesterday() -> str:
    return f"{evening():%Y-%m-%d}"


@pytest.mark.parametrize(
    ("name", "options", "display", "lang"),
    [
        ("phone", {"viewport": PHONE}, "standard", "zh"),
        ("elder", {"viewport": PHONE}, "elder-24", "zh"),
        ("english-dark-desktop", {"viewport": DESK, "color_scheme": "dark"}, "standard", "en"),
    ],
)
def test_vital_signs_break_no_rule_of_accessibility(
    chromium, address, samples, wearer, name, options, display, lang
):
    context = chromium.new_context(base_url=address, **options)
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, samples.PHONES["guardian"])
    if lang == "en":
        page.locator("button[name=language]").click()
        page.wait_for_url("**/")
    context.add_cookies([{"name": "display", "value": display, "url": address}])
    SHOTS.mkdir(parents=True, exist_ok=True)
    paths = {
        "day": f"vitals?date={yesterday()}",
        "week": "vitals?span=week",
        "month": "vitals?span=month",
        "alarms": "alarms?drills=1",
        "card": "",
    }
    for span, path in paths.items():
        page.goto(f"/care/wearers/{wearer}/{path}")
        if path.startswith("vitals"):
            page.wait_for_selector("[data-live] canvas")
            assert page.locator("[data-live] canvas").count() == 5
        assert (span, complaints) == (span, [])
        page.screenshot(path=SHOTS / f"vitals-{name}-{span}.png", full_page=True)
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
        assert (span, found) == (span, [])
        assert (span, page.evaluate("document.documentElement.scrollWidth - innerWidth")) == (span, 0)
        if name == "elder" and span != "card":
            assert (span, page.evaluate(SMALL_TEXT), page.evaluate(LOW_TARGETS)) == (span, [], [])
        complaints.clear()  # the camera and axe themselves were refused their inline styles
    context.close()


def test_values_are_read_with_the_arrow_keys_and_the_table_opens(chromium, address, samples, wearer):
    context = chromium.new_context(base_url=address, viewport=PHONE)
    page = context.new_page()
    sign_in(page, samples.PHONES["guardian"])
    page.goto(f"/care/wearers/{wearer}/vitals?date={yesterday()}")
    figure = page.locator("#heart_rate [data-live]")
    page.wait_for_selector("#heart_rate canvas")
    readout = page.locator("#heart_rate [data-readout]")
    hint = readout.inner_text()
    figure.focus()
    page.keyboard.press("ArrowRight")
    first = readout.inner_text()
    page.keyboard.press("ArrowRight")
    assert len({hint, first, readout.inner_text()}) == 3
    assert "次/分" in first
    page.locator("#table-heart_rate summary").click()
    assert page.locator("#table-heart_rate tbody tr").first.is_visible()
    context.close()


def test_without_javascript_the_pictures_and_tables_are_there(chromium, address, samples, wearer):
    context = chromium.new_context(base_url=address, viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, samples.PHONES["guardian"])
    page.goto(f"/care/wearers/{wearer}/vitals?date={yesterday()}")
    assert page.locator("#heart_rate svg.wide").is_visible()
    page.screenshot(path=SHOTS / "vitals-noscript.png", full_page=True)
    page.fill("#vitals-date", "2026-01-05")
    page.locator(".vitals-date button").click()
    assert "1月5日" in page.locator("#sentence").inner_text()
    context.close()


def test_a_daughter_filters_the_alarms_and_takes_files_away(chromium, address, samples, wearer, tmp_path):
    context = chromium.new_context(base_url=address, viewport=DESK, accept_downloads=True)
    page = context.new_page()
    sign_in(page, samples.PHONES["guardian"])
    page.goto(f"/care/wearers/{wearer}/")
    page.locator("#to-alarms").click()
    page.wait_for_url(f"**/care/wearers/{wearer}/alarms")
    page.select_option("#kind", "vitals")
    since = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    page.fill("#since", since)
    page.check("input[name=drills]")
    page.locator(".history-filter button").click()
    page.wait_for_url("**drills=1**")
    assert page.locator("#count").inner_text() == "共 2 次"
    assert page.locator("#since").input_value() == since
    page.goto(f"/care/wearers/{wearer}/alarms?drills=1")
    heads = {"to-csv": b"\xef\xbb\xbf", "to-xlsx": b"PK"}
    for button, head in heads.items():
        with page.expect_download() as caught:
            page.locator(f"#{button}").click()
        caught.value.save_as(tmp_path / button)
        assert (tmp_path / button).read_bytes().startswith(head)
    page.goto(f"/care/wearers/{wearer}/vitals?span=month")
    for button, head in {
        "to-csv": b"\xef\xbb\xbf",
        "to-pdf": b"%PDF",
        "to-fhir": b'{"resourceType":"Bundle"',
    }.items():
        with page.expect_download() as caught:
            page.locator(f"#{button}").click()
        caught.value.save_as(tmp_path / button)
        assert caught.value.suggested_filename.startswith("张桂兰-vitals-")
        assert (tmp_path / button).read_bytes().startswith(head)
    page.locator("#to-trial").click()
    page.wait_for_url(f"**/care/wearers/{wearer}/trial")
    context.close()
