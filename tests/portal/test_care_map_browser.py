"""The live map of many: clusters, a search of the list, following one, an alarm that stands for itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from gateway.model import Battery, Fix
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FAULTS = """axe.run(document).then((found) =>
  found.violations.map((fault) => fault.id + " " + fault.nodes[0].html))"""
DRAWN = """(layers) => new Promise((done) => {
  const { map } = document.getElementById("map");
  const look = () => {
    const found = map.queryRenderedFeatures({ layers });
    if (!found.length) return requestAnimationFrame(look);
    done(found.map((one) => one.properties));
  };
  look();
})"""


RESTS = """() => new Promise((done) => {
  const { map } = document.getElementById("map");
  const look = () => (map.isMoving() ? requestAnimationFrame(look) : done(map.getCenter()));
  requestAnimationFrame(look);
})"""


def told(samples, number, lat, lon, **more):
    fix = Fix(lat=lat, lon=lon, valid=True, **({"accuracy_m": 8.0, "source": "gnss"} | more))
    row = samples.telemetry(fix, Battery(battery_pct=15), wearer=f"w{number}")
    return msgspec.structs.replace(row, received_at=datetime.now(UTC))


def test_many_gather_one_is_followed_and_an_alarm_stands_for_itself(chromium, address, far, samples):
    people = [
        msgspec.structs.replace(samples.ZHANG, wearer=f"w{number}", name=f"赵{number:02}", devices=())
        for number in range(30)
    ]
    roster = msgspec.structs.replace(samples.ROSTER, wearers=tuple(people))
    far.send(roster, *[told(samples, n, 31.1559, 121.1065 + n * 1e-6) for n in range(30)])
    context = chromium.new_context(base_url=address, locale="zh-CN", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto("/login?next=/care/")
    page.fill("#phone", samples.PHONES["staff"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_selector("#map[data-ready]", timeout=60_000)
    assert page.evaluate(DRAWN, ["clusters"])[0]["point_count"] == 30
    page.fill("#find", "赵07")
    expect(page.locator("#found")).to_have_text("找到 1 人")
    expect(page.locator(".wearer:visible")).to_have_count(1)
    follow = page.locator(".wearer:visible [data-find]")
    follow.focus()
    page.keyboard.press("Enter")
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#following")).to_contain_text("正跟着 赵07")
    (ring,) = page.evaluate(DRAWN, ["apart-rings"])
    assert ring["initials"] == "07"
    assert re.match(r"刚刚 · 北斗\n电量 15%", ring["badge"])
    far.send(told(samples, 7, 31.1540, 121.1040))
    expect(page.locator("#map")).to_have_attribute("data-moved", "1", timeout=20_000)
    middle = page.evaluate(RESTS)
    assert (round(middle["lat"], 4), round(middle["lng"], 4)) == (31.154, 121.104)
    far.send(samples.incident(wearer="w3"))
    expect(page.locator("#map")).to_have_attribute("data-alarmed", "1", timeout=20_000)
    page.locator("#following button").click()
    expect(page.locator("#following")).to_be_hidden()
    assert complaints == []
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(FAULTS) == []
