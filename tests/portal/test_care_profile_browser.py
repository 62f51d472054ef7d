"""A wearer's care settings in a real browser, by keyboard alone: sent, in force, refused; on every screen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from gateway.told import CommandDone
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
TARGETS = (
    "main button, main input:not([type=hidden], [type=radio], [type=checkbox]), main select, main .button"
)
SMALL = """([targets, least]) => [...document.querySelectorAll(targets)]
  .filter((thing) => thing.getBoundingClientRect().height > 0)
  .filter((thing) => thing.getBoundingClientRect().height < least)
  .map((thing) => thing.outerHTML.slice(0, 90))"""
REASON = "profile.fences.home = (table): expected a circle's radius_m is 1 to 50000, not 60000"


def settings_of_zhang(chromium, address, far, samples, **options) -> Page:
    """李晓梅 on the care settings of her mother, reached from the page of her mother by keyboard."""
    far.send(samples.ROSTER, samples.at_home(), samples.profile_told(source="file", by=""))
    page = chromium.new_context(base_url=address, locale="zh-CN", **options).new_page()
    page.goto("/login?next=/care/wearers/1/")
    page.fill("#phone", samples.PHONES["guardian"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#profile")
    go(page, "#profile")
    return page


def reach(page: Page, target: str) -> None:
    """Go to something with the tabulator key, as somebody without a mouse does."""
    for _ in range(150):
        if page.evaluate("target => document.activeElement?.matches(target)", target):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"no way to {target} by keyboard")


def press(page: Page, target: str) -> None:
    reach(page, target)
    page.keyboard.press("Enter")


def go(page: Page, target: str) -> None:
    """Press something that leads to another page."""
    with page.expect_navigation():
        press(page, target)


def type_into(page: Page, target: str, text: str) -> None:
    reach(page, target)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def take(far, samples, version: int) -> None:
    """The gateway takes the newest order."""
    told, done = samples.profile_taken(far.commands()[-1], version)
    far.send(msgspec.structs.replace(told, at=datetime.now(UTC)), done)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_limit_and_a_fence_are_changed_by_keyboard(chromium, address, far, samples, viewport):
    page = settings_of_zhang(chromium, address, far, samples, viewport=viewport)
    go(page, "#edit-limits")
    type_into(page, "#heart_rate_high_bpm", "110")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#standing-change")).to_contain_text("已发出，等守望设备确认")
    expect(page.locator("#standing-change")).to_contain_text("心率上限：120 次/分 → 110 次/分")
    take(far, samples, 2)
    expect(page.locator("#standing-change")).to_have_count(0)
    expect(page.locator("#limits")).to_contain_text("110 次/分")
    expect(page.locator("#version-2")).to_contain_text("正在使用")

    go(page, "#fences a[href*='id=home']")
    type_into(page, "#radius_m", "60000")
    go(page, "#send")
    expect(page.locator("[data-problems]")).to_contain_text("应为 1–50000")
    assert page.input_value("#radius_m") == "60000"
    press(page, "[data-problems] a[href='#field-radius_m']")
    type_into(page, "#radius_m", "150")
    go(page, "#send")
    expect(page.locator("#fences")).to_contain_text("圆形，半径 150 米")
    expect(page.locator("#fences")).to_contain_text("等待生效")
    command = far.commands()[-1]
    assert command["profile"]["fences"][0]["radius_m"] == 150
    far.send(CommandDone(command=command["command"], done=False, reason=REASON))
    expect(page.locator("#standing-change")).to_contain_text("没有生效：守望设备不接受")
    expect(page.locator("#standing-change")).to_contain_text("区域「家和花园」：半径应为 1 到 50000 米")
    expect(page.locator("#fences")).to_contain_text("圆形，半径 90 米")
    go(page, "#standing-change a[href*=draft]")
    expect(page.locator("#radius_m")).to_have_value("150")
    go(page, "#send")
    take(far, samples, 3)
    expect(page.locator("#version-3")).to_contain_text("区域「家和花园」：半径 90 米 → 150 米")
    page.context.close()


def test_questions_that_do_not_count_are_not_asked(chromium, address, far, samples):
    page = settings_of_zhang(chromium, address, far, samples, viewport=PHONE)
    go(page, "#add-fence")
    expect(page.locator("#corners")).to_be_hidden()
    expect(page.locator("#radius_m")).to_be_visible()
    reach(page, "input[name=kind]")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#corners")).to_be_visible()
    expect(page.locator("#radius_m")).to_be_hidden()
    page.context.close()


def test_what_is_removed_is_asked_twice(chromium, address, far, samples):
    page = settings_of_zhang(chromium, address, far, samples, viewport=PHONE)
    press(page, "#fences button.danger-quiet")
    assert far.commands() == []
    expect(page.locator("#fences button.danger-quiet")).to_have_text("确定删除？")
    page.keyboard.press("Enter")
    expect(page.locator("#standing-change")).to_contain_text("删除区域「家和花园」")
    page.context.close()


@pytest.mark.parametrize(
    ("name", "options", "display", "least_px"),
    [
        ("phone", {"viewport": PHONE}, "standard", 44),
        ("largest", {"viewport": PHONE}, "elder-40", 60),
        ("english-dark-desktop", {"viewport": DESKTOP, "color_scheme": "dark"}, "standard", 44),
    ],
)
def test_the_settings_break_no_rule_of_accessibility(
    chromium, address, far, samples, name, options, display, least_px
):
    page = settings_of_zhang(chromium, address, far, samples, **options)
    page.context.add_cookies([{"name": "display", "value": display, "url": address}])
    if name.startswith("english"):
        page.locator("button[value='en']").first.click()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    walk = {"id": "walk", "name": "去菜场的路", "line": [[31.1553, 121.1046], [31.1571, 121.1080]]}
    fences = [*msgspec.to_builtins(samples.ZHANG_PROFILE.fences), walk | {"half_width_m": 25, "keep": "in"}]
    fences.append(
        {"id": "pond", "name": "池塘", "centre": [31.1549, 121.1052], "radius_m": 30, "keep": "out"}
        | {"schedule": ["daily night", "mon-fri not holidays 08:00-17:00"]}
    )
    more = msgspec.convert(
        msgspec.to_builtins(samples.ZHANG_PROFILE) | {"fences": fences}, type(samples.ZHANG_PROFILE)
    )
    at = datetime.now(UTC)
    far.send(samples.profile_told(2, more, by="周敏", at=at))
    page.goto("/care/wearers/1/profile/limits")
    page.fill("#heart_rate_high_bpm", "110")
    look(page, name, "limits", least_px, complaints)
    page.click("#try")
    expect(page.locator("#trial")).to_contain_text("would have" if name.startswith("english") else "试算结果")
    look(page, name, "tried", least_px, complaints)
    page.click("#send")
    look(page, name, "waiting", least_px, complaints)
    reason = (
        REASON + "\nprofile.rules.vitals.heart_rate_high_bpm = 110: expected a number (Expected `float` <= 9)"
    )
    far.send(CommandDone(command=far.commands()[-1]["command"], done=False, reason=reason))
    page.goto("/care/wearers/1/profile")
    look(page, name, "refused", least_px, complaints)
    page.click("#standing-change a[href*=draft]")
    look(page, name, "draft", least_px, complaints)
    page.goto("/care/wearers/1/profile/fence?id=pond")
    look(page, name, "fence", least_px, complaints)
    page.fill("#name", "")
    page.locator("#margins summary").click()
    page.fill("#escalate_m", "3, 1")
    page.click("#send")
    look(page, name, "wrong", least_px, complaints)
    page.goto("/care/wearers/1/profile/contact?id=li-jianguo")
    look(page, name, "contact", least_px, complaints)
    page.context.close()


def look(page: Page, name: str, what: str, least_px: int, complaints: list[str]) -> None:
    """Take a picture of what is shown, and judge it."""
    assert [one for one in complaints if "422" not in one] == []
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"settings-{name}-{what}.png", full_page=True)
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))") == []
    assert page.evaluate(SMALL, [TARGETS, least_px]) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    complaints.clear()  # the camera and axe themselves were refused their inline styles
