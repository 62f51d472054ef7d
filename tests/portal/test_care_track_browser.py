"""Play-back in a real browser: it runs at its speed, jumps by keyboard, and says where somebody was."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from gateway.model import Alarm, Fix, HeartRate, Why
from gateway.told import AlarmRaised
from portal import demo
from portal.words import SHANGHAI

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
HOME, PARK = (31.15590, 121.10650), (31.15430, 121.10400)
FAULTS = """axe.run(document).then((found) =>
  found.violations.map((fault) => fault.id + " " + fault.nodes[0].html))"""
SMALL = """(least) => {
  const fields = "main input:not([type=hidden]):not([type=checkbox])";
  const touched = `main button, main select, main .button, ${fields}`;
  return [...document.querySelectorAll(touched)]
    .filter((one) => one.offsetParent && one.getBoundingClientRect().height < least - 0.5)
    .map((one) => one.outerHTML.slice(0, 80));
}"""
RESTS = """() => new Promise((done) => {
  const { map } = document.getElementById("track-map");
  if (map.loaded() && !map.isMoving()) done();
  else map.once("idle", () => done());
})"""
CLOCK = """async ({ url, cases }) => {
  const { advance, positionAt, whole } = await import(url);
  let seed = 7;
  const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648);
  for (let turn = 0; turn < cases; turn += 1) {
    const span = random() * 1000;
    const speed = [1, 5, 10, 30, 60][Math.floor(random() * 5)];
    const at = random() * span;
    const a = random() * 20;
    const b = random() * 20;
    const starts = [random() * span, random() * span].sort((x, y) => x - y);
    const skips = [[starts[0], (starts[0] + starts[1]) / 2], [starts[1], starts[1] + random() * 50]];
    const clock = { at, span, speed };
    const plain = advance(clock, a);
    if (Math.abs(plain.at - Math.min(span, at + a * speed)) > 1e-6) return `elapsed ${turn}`;
    const once = advance(clock, a + b, skips);
    const twice = advance(advance(clock, a, skips), b, skips);
    if (Math.abs(once.at - twice.at) > 1e-6) return `split ${turn}`;
    if (once.at < plain.at - 1e-6 || once.at > span) return `bounds ${turn}`;
    const within = ([from, to]) => from < once.at && once.at < to && to < span && !(at > from);
    if (skips.some(within)) return `skip ${turn}`;
    const count = 2 + Math.floor(random() * 30);
    const cut = 1 + Math.floor(random() * (count - 1));
    const step = (least, most) => Math.round(least + random() * (most - least));
    const steps = (least, most) => Array.from({ length: count }, () => step(least, most));
    const places = { lat: steps(-500, 500), lon: steps(-500, 500) };
    const track = whole({ t: steps(1, 90), ...places, pieces: [cut, count - cut] });
    for (let number = 0; number < count; number += 1) {
      const there = positionAt(track, track.at[number]);
      if (there.lat !== track.lat[number] || !there.known) return `fix ${turn}`;
    }
    if (positionAt(track, track.at[0] - 1) !== null) return `before ${turn}`;
    const hole = positionAt(track, (track.at[cut - 1] + track.at[cut]) / 2);
    if (hole.known || hole.lat !== track.lat[cut - 1]) return `gap ${turn}`;
  }
  return "";
}"""


def walked(far, samples) -> datetime:
    """This morning: an hour at home, to the park, an alarm there, then silence; gives when it began."""
    began = datetime.now(UTC) - timedelta(hours=5)

    def told(lat, lon, after_s):
        row = samples.telemetry(
            Fix(lat=lat, lon=lon, valid=True, accuracy_m=8.0, source="gnss"),
            HeartRate(heart_rate_bpm=68 + after_s // 60 % 24),
        )
        return msgspec.structs.replace(row, received_at=began + timedelta(seconds=after_s))

    rows = [told(*HOME, minute * 60) for minute in range(60)]
    for step in range(30):
        share = (step + 1) / 30
        bend = 0.0006 if 8 < step < 22 else 0.0
        lat, lon = (home + share * (park - home) for home, park in zip(HOME, PARK, strict=True))
        rows.append(told(lat + bend, lon, 3600 + step * 20))
    rows += [told(*PARK, 4260 + minute * 60) for minute in range(40)]
    rows += [told(*HOME, 4260 + 40 * 60 + 3600 + minute * 60) for minute in range(20)]
    alarm = Alarm(
        alarm_id="a1",
        wearer="zhang-guilan",
        kind="fence",
        severity="warning",
        why=Why(code="fence_exit", place="家和花园"),
        at=began + timedelta(seconds=4000),
        lat=PARK[0] + 0.0005,
        lon=PARK[1] + 0.0006,
    )
    home = samples.WANG.fences[0]
    zhang = msgspec.structs.replace(samples.ZHANG, fences=(home,))
    roster = msgspec.structs.replace(samples.ROSTER, wearers=(zhang,))
    far.send(roster, *rows, AlarmRaised(alarm=alarm, incident=None))
    return began


def page_of(chromium, address, samples, *, role="guardian", path, **options):
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "zh-CN"} | options
    page = chromium.new_context(base_url=address, **options).new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto("/login?next=/me/")
    page.fill("#phone", samples.PHONES[role].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/me/")
    page.goto(path)
    return page


def opened(chromium, address, far, samples, **options):
    began = walked(far, samples)
    hours = began.astimezone(SHANGHAI)
    path = (
        f"/care/wearers/1/track?day={hours:%Y-%m-%d}&from={hours:%H:%M}&to={hours + timedelta(hours=5):%H:%M}"
    )
    page = page_of(chromium, address, samples, path=path, **options)
    page.wait_for_selector("#track-map[data-ready]", timeout=60_000)
    return page


def faults(page) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(FAULTS)


def test_the_clock_of_a_play_back_holds_in_five_hundred_random_cases(chromium, address):
    page = chromium.new_context(base_url=address).new_page()
    page.goto("/login")
    assert page.evaluate(CLOCK, {"url": "/static/js/track_clock.js", "cases": 500}) == ""


def test_a_way_is_played_at_its_speed_and_jumped_through_by_keyboard(chromium, address, far, samples):
    page = opened(chromium, address, far, samples)
    clock = page.locator("#track-clock")
    first = clock.text_content()
    page.select_option("#track-speed", "60")
    page.uncheck("#track-skip")
    page.click("#track-play")
    expect(clock).not_to_have_text(first)
    expect(page.locator("#track-play")).to_contain_text("暂停")
    page.click("#track-play")
    expect(page.locator("#track-play")).to_contain_text("播放")
    jump = page.locator(".track-row-alarm .track-jump")
    jump.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#track-where")).to_have_text("离开了「家和花园」")
    expect(page.locator("#track-said")).to_contain_text("离开了「家和花园」")
    expect(page.locator("#track-pulse")).to_contain_text(re.compile(r"心率 \d+ 次/分"))
    expect(page.locator(".track-row-alarm")).to_have_attribute("aria-current", "true")
    page.focus("#track-slider")
    page.keyboard.press("Home")
    before = page.input_value("#track-slider")
    page.keyboard.press("ArrowRight")
    assert int(page.input_value("#track-slider")) > int(before)
    assert (
        "在家附近" in page.get_attribute("#track-slider", "aria-valuetext")
        or page.locator("#track-where").text_content()
    )
    page.locator(".track-row-gap .track-jump").click()
    expect(page.locator("#track-where")).to_contain_text("没有位置")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "track-desktop.png")
    assert page.complaints == []
    assert faults(page) == []


@pytest.mark.parametrize(
    ("name", "options", "elder"),
    [
        ("phone", {"viewport": {"width": 390, "height": 844}}, False),
        ("elder", {"viewport": {"width": 390, "height": 844}}, True),
        (
            "dark-en",
            {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "en-GB"},
            False,
        ),
    ],
)
def test_a_way_is_read_on_a_phone(chromium, address, far, samples, name, options, elder):
    page = opened(chromium, address, far, samples, **options)
    if name == "dark-en":
        page.locator("button[name=language]").click()
        page.wait_for_selector("#track-map[data-ready]", timeout=60_000)
        expect(page.locator("#track-rows")).to_contain_text("No position for 1 h")
    if elder:
        page.context.add_cookies([{"name": "display", "value": "elder-24", "url": address}])
        page.reload()
        page.wait_for_selector("#track-map[data-ready]", timeout=60_000)
    page.locator(".track-row-alarm .track-jump").click()
    page.evaluate(RESTS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    least = 60 if elder else 44
    small = page.evaluate(SMALL, least)
    assert [one for one in small if "maplibregl" not in one] == []
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"track-{name}.png", full_page=True)
    assert page.complaints == []
    assert faults(page) == []
