"""The duty desk in a real browser: its sound, its clock, claiming by keyboard alone, drills."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
WALL = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}}
FAULTS = "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))"


def desk(
    chromium, address, role_phone, *, path="/care/alarms/", display="standard", english=False, **options
):
    context = chromium.new_context(base_url=address, locale="zh-CN", **options)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto("/login?next=/me/")
    page.fill("#phone", role_phone.removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/me/")
    context.add_cookies([{"name": "display", "value": display, "url": address}])
    if english:
        page.locator("button[value='en']").first.click()
    page.goto(path)
    return page


def sos(samples, state="notifying", **more):
    now = datetime.now(UTC)
    fields = {"opened_at": now - timedelta(minutes=2), "next_step": "next_person"}
    fields |= {"next_at": now + timedelta(seconds=130)} | more
    legs = (
        ()
        if state != "notifying"
        else (samples.leg(1, "text", "delivered"), samples.leg(2, "call", "ringing"))
    )
    return samples.incident(state, *legs, **fields)


def until_played(page, least) -> None:
    """Wait until the desk has sounded so often; our pages forbid what `wait_for_function` does."""
    for _ in range(150):
        if played(page) >= least:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"sounded {played(page)} times, not {least}")


def played(page) -> int:
    return page.evaluate("Number(document.getElementById('sound').dataset.played ?? 0)")


def test_a_desk_whose_sound_is_off_says_so_and_an_armed_one_sounds_until_somebody_claims(
    chromium, address, far, samples
):
    far.send(samples.ROSTER, samples.at_home())
    page = desk(chromium, address, samples.PHONES["staff"], **WALL)
    bar = page.locator("#sound")
    expect(bar).to_contain_text("声音没有打开")
    page.click("#sound-arm")
    expect(bar).to_contain_text("声音已打开")
    before = played(page)
    page.click("#sound-test")
    assert played(page) == before + 1
    far.send(sos(samples))
    expect(page.locator("[data-untaken]")).to_have_count(1)
    until_played(page, before + 3)
    assert page.get_attribute("#sound", "data-tone") == "alarm"
    expect(page).to_have_title(re.compile(r"^\(1\)"))
    expect(page.locator("[data-next-at]")).to_contain_text("2 分")
    page.focus("#take-inc1")
    page.keyboard.press("Enter")
    expect(page.locator("#incident-inc1")).to_contain_text("正在告诉守望设备")
    (command,) = far.commands()
    assert (command["name"], command["by"]) == ("acknowledge", "周敏")
    far.send(sos(samples, "acknowledged", acknowledged_by="周敏", next_step="unresolved"))
    expect(page.locator("[data-untaken]")).to_have_count(0)
    expect(page).to_have_title(re.compile(r"^[^(]"))
    assert page.complaints == []


def test_sound_is_remembered_on_the_device_and_one_press_anywhere_wakes_it(chromium, address, far, samples):
    far.send(samples.ROSTER)
    page = desk(chromium, address, samples.PHONES["staff"], **WALL)
    page.click("#sound-arm")
    expect(page.locator("#sound")).to_contain_text("声音已打开")
    page.reload()
    expect(page.locator("#sound")).to_contain_text("按一下才会响")
    page.keyboard.press("Tab")
    expect(page.locator("#sound")).to_contain_text("声音已打开")
    page.click("#sound-off")
    page.reload()
    expect(page.locator("#sound")).to_contain_text("声音没有打开")


def test_a_muted_desk_sounds_again_for_a_new_alarm(chromium, address, far, samples):
    far.send(samples.ROSTER)
    page = desk(chromium, address, samples.PHONES["staff"], **WALL)
    page.click("#sound-arm")
    far.send(sos(samples))
    page.click("#sound-hush")
    expect(page.locator("#sound")).to_contain_text("已静音两分钟")
    silent = played(page)
    far.send(sos(samples, incident_id="inc2", ref="B2", wearer="wang-deshun"))
    until_played(page, silent + 1)


def test_staff_see_who_a_drill_disturbs_before_they_begin_it_and_it_is_marked_and_sounds_differently(
    chromium, address, far, samples
):
    far.send(samples.ROSTER, samples.at_home())
    page = desk(chromium, address, samples.PHONES["staff"], **PHONE)
    page.click("#sound-arm")
    page.click("#to-drill")
    page.select_option("#kind", "fall")
    page.click("#see")
    expect(page.locator("#what ol")).to_contain_text("李建国")
    expect(page.locator("#what ol")).to_contain_text("李晓梅")
    assert far.commands() == []
    page.click("#begin")
    page.wait_for_url("**/care/alarms/")
    (command,) = far.commands()
    assert (command["name"], command["kind"], command["wearer"]) == ("drill", "fall", "zhang-guilan")
    far.send(sos(samples, kind="fall", drill=True))
    card = page.locator("#incident-inc1")
    expect(card).to_contain_text("这是演练，没有人在求救")
    page.keyboard.press("Tab")
    expect(page.locator("#sound[data-tone='drill']")).to_have_count(1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", PHONE),
        ("english-dark-wall", WALL | {"color_scheme": "dark", "english": True}),
        ("elder", PHONE | {"display": "elder-24"}),
    ],
)
def test_the_desk_breaks_no_rule_of_accessibility(chromium, address, far, samples, name, options):
    now = datetime.now(UTC)
    taken = {"acknowledged_by": "周敏", "acknowledged_at": now, "next_step": "unresolved"}
    over = {"resolved_by": "周敏", "resolved_at": now, "next_step": None, "next_at": None, "note": "老人平安"}
    far.send(
        samples.ROSTER,
        samples.at_home(),
        sos(samples),
        sos(
            samples, "notifying", incident_id="inc2", ref="C3", wearer="wang-deshun", kind="fall", drill=True
        ),
        sos(
            samples, "acknowledged", incident_id="inc3", ref="D4", wearer="wang-deshun", kind="fence", **taken
        ),
        sos(samples, "resolved", incident_id="inc4", ref="E5", wearer="wang-deshun", kind="fence", **over),
    )
    page = desk(chromium, address, samples.PHONES["staff"], **options)
    page.wait_for_selector("#map[data-ready]", timeout=20_000)
    expect(page.locator("[data-untaken]")).to_have_count(2)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"desk-{name}.png", full_page=True)
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
