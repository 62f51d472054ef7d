"""The report, the time line and the banners in a real browser: accessible, readable, printable on A4."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page
from rigs.pages import DESKTOP

from gateway.told import CarrierHealth, GatewayHealth, StoryLine
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
REPORT = "/care/incidents/inc1/report"
PATHS = ("/care/incidents/inc1", REPORT, "/care/alarms/", "/me/")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def _evening(real_clock, gateway, samples) -> None:
    """A portal that knows an evening: everybody rung in vain, one line down."""
    pressed = datetime.now(UTC) - timedelta(minutes=6)

    def line(
        after_s: float, what: str, who: str = "", detail: str = "", channel: str = "", carrier: str = ""
    ):
        at = pressed + timedelta(seconds=after_s)
        return StoryLine(at=at, what=what, who=who, detail=detail, channel=channel, carrier=carrier)

    def leg(after_s: float, ended_s: float | None, *given, **more):
        ends = None if ended_s is None else pressed + timedelta(seconds=ended_s)
        made = samples.leg(*given, **more)
        return msgspec.structs.replace(made, at=pressed + timedelta(seconds=after_s), ended_at=ends)

    story = (
        line(0, "opened", "张桂兰", "sos"),
        line(0.3, "round_began", "family", "1"),
        line(0.3, "text_ordered", "李建国", "alarm", "text"),
        line(0.3, "text_ordered", "李晓梅", "alarm", "text"),
        line(0.3, "call_ordered", "李建国", "1", "call"),
        line(0.7, "leg", "李建国", "delivered", "text", "gsm_modem"),
        line(2.4, "leg", "李建国", "ringing", "call", "gsm_modem"),
        line(27, "leg", "李建国", "no_answer", "call", "gsm_modem"),
        line(27, "call_ordered", "李晓梅", "1", "call"),
        line(40, "leg", "李晓梅", "busy", "call", "gsm_modem"),
        line(60, "moved", "张桂兰", "中心花园"),
        line(150, "exhausted"),
        line(150, "siren_on", "3栋楼道", "", "siren", "siren"),
        line(160, "key", "李晓梅", "1", "text", "gsm_modem"),
        line(160, "taken", "李晓梅", "1/2"),
    )
    legs = (
        leg(0.3, 0.7, 1, "text", "delivered"),
        leg(0.3, 160, 1, "text", "confirmed", contact=samples.DAUGHTER),
        leg(0.3, 27, 1, "call", "no_answer"),
        leg(27, 40, 1, "call", "busy", contact=samples.DAUGHTER),
        msgspec.structs.replace(
            leg(150, None, 1, "siren", "ringing"), role="site", name="3栋楼道", carrier="siren"
        ),
    )
    told = samples.incident(
        "exhausted", *legs, acks_wanted=2, takers=("李晓梅",), opened_at=pressed, drill=True
    )
    since = pressed - timedelta(minutes=20)
    ways = (
        CarrierHealth(carrier="twilio", healthy=False, detail="no answer for 5 s", since=since),
        CarrierHealth(carrier="gsm_modem", healthy=False, detail="SIM", since=since),
        CarrierHealth(carrier="rdss", healthy=True),
    )
    gateway.send(samples.ROSTER, msgspec.structs.replace(told, story=story), GatewayHealth(carriers=ways))


def sign_in(page: Page, phone: str) -> None:
    page.goto("/login")
    page.fill("#phone", phone)
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/")


@pytest.mark.parametrize(
    ("name", "options", "display", "lang"),
    [
        ("phone", {"viewport": PHONE}, "standard", "zh"),
        ("elder", {"viewport": PHONE}, "elder-24", "zh"),
        ("english-dark-desktop", DESKTOP | {"color_scheme": "dark"}, "standard", "en"),
    ],
)
def test_story_report_and_banners_break_no_rule_of_accessibility(
    chromium, address, samples, name, options, display, lang
):
    context = chromium.new_context(base_url=address, **options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, samples.PHONES["staff"])
    if lang == "en":
        page.locator("button[name=language]").click()
        page.wait_for_url("**/")
    context.add_cookies([{"name": "display", "value": display, "url": address}])
    SHOTS.mkdir(parents=True, exist_ok=True)
    for path in PATHS:
        page.goto(path)
        assert (path, complaints) == (path, [])
        page.screenshot(path=SHOTS / f"story-{name}{path.replace('/', '-').rstrip('-')}.png", full_page=True)
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
        assert (path, found) == (path, [])
        assert (path, page.evaluate("document.documentElement.scrollWidth - innerWidth")) == (path, 0)
        complaints.clear()  # the camera and axe themselves were refused their inline styles
    context.close()


def test_a_guardian_is_only_told_to_telephone(chromium, address, samples):
    context = chromium.new_context(base_url=address, viewport=PHONE)
    page = context.new_page()
    sign_in(page, samples.PHONES["guardian"])
    page.goto("/care/alarms/")
    (trouble,) = page.locator(".trouble").all()
    assert "求助通道异常，请直接打电话" in trouble.inner_text()
    page.screenshot(path=SHOTS / "story-guardian-alarms.png", full_page=True)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_prints_on_a4_without_navigation_and_in_black_on_white(
    chromium, address, samples, scheme, tmp_path
):
    context = chromium.new_context(
        base_url=address, viewport={"width": 1280, "height": 800}, color_scheme=scheme
    )
    page = context.new_page()
    sign_in(page, samples.PHONES["staff"])
    page.goto(REPORT)
    page.emulate_media(media="print")
    for gone in (".top", ".tabs", ".demo-banner", "#standing", "[data-print]"):
        for one in page.locator(gone).all():
            assert not one.is_visible(), gone
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.story-words')).color")
        != "rgb(232, 240, 240)"
    )
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / f"story-report-{scheme}.pdf").write_bytes(paper)
    assert paper.startswith(b"%PDF")
    (width_pt, height_pt) = map(float, re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper).groups())
    assert (round(width_pt), round(height_pt)) == (595, 842)
    context.close()
