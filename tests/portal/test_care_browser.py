"""The live map and the alarms board in a real browser: what moves, what is typed, what leaves the house."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from gateway.model import Fix
from gateway.told import CommandDone
from portal import demo

pytestmark = pytest.mark.slow

RINGS = """([layer, wanted]) => new Promise((done) => {
  const { map } = document.getElementById("map");
  map.jumpTo({ center: [121.1065, 31.165], zoom: 17 });
  const place = (one) => Number(one.geometry.coordinates[1].toFixed(3));
  const until = performance.now() + 15000;
  const look = () => {
    const found = map.queryRenderedFeatures({ layers: [layer] })
      .map((one) => [one.properties.initials, place(one)]);
    const late = performance.now() > until;
    if (late || JSON.stringify(found) === JSON.stringify(wanted)) done(found);
    else requestAnimationFrame(look);
  };
  look();
})"""
"""Gives what a layer draws as soon as it is what is wanted: a map draws in its own time."""
MOVED = [["桂兰", 31.165]]
MAPLIBRE = Path(__file__).parents[2] / "portal" / "static" / "vendor" / "maplibre-gl" / "maplibre-gl.mjs"


@pytest.fixture
def visitor(chromium, address) -> Iterator[Page]:
    """周敏 of the duty desk, on a desktop; anything her browser complains about fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN", base_url=address)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: (
            complaints.append(asked.url) if not asked.url.startswith((address, "data:", "blob:")) else None
        ),
    )
    page.goto("/login?next=/care/alarms/")
    page.fill("#phone", "13800138090")
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/care/alarms/")
    yield page
    context.close()
    assert complaints == []


def now_at(samples, lat: float, lon: float):
    told = samples.telemetry(Fix(lat=lat, lon=lon, valid=True, accuracy_m=8.0))
    return msgspec.structs.replace(told, received_at=datetime.now(UTC))


def test_a_wearer_moves_on_the_map_and_in_the_list_without_a_reload(visitor, far, samples):
    far.send(samples.ROSTER, now_at(samples, 31.1559, 121.1065))
    visitor.goto("/care/")
    visitor.wait_for_selector("#map[data-ready]", timeout=30_000)
    visitor.evaluate("window.sameDocument = true")
    card = visitor.locator("#wearers .wearer").first
    expect(card).to_contain_text("张桂兰 在家附近（3栋）")
    shown = visitor.locator("#map")
    expect(shown).to_have_attribute("data-wearers", "1")
    far.send(now_at(samples, 31.1650, 121.1065))
    expect(card).to_contain_text("在小区外", timeout=15_000)
    expect(shown).to_have_attribute("data-moved", "1")
    assert visitor.evaluate(RINGS, ["wearers-rings", MOVED]) == MOVED
    far.send(samples.incident())
    expect(visitor.locator("#briefs")).to_contain_text("张桂兰 按下求救")
    expect(shown).to_have_attribute("data-alarmed", "1")
    assert visitor.evaluate(RINGS, ["apart-rings", MOVED]) == MOVED
    assert visitor.evaluate("window.sameDocument")


def test_taking_it_on_is_followed_until_the_gateway_says_so_and_words_typed_stay(visitor, far, samples):
    far.send(
        samples.ROSTER,
        samples.incident("notifying", samples.leg(1, "call", "ringing")),
        samples.incident("acknowledged", incident_id="other", ref="QX3M", wearer="wang-deshun"),
    )
    expect(visitor.locator("#incident-inc1")).to_contain_text("正在拨打 李建国")
    visitor.fill("#note-other", "正在路上")
    visitor.focus("#note-other")
    far.send(samples.incident("notifying", samples.leg(1, "call", "no_answer")))
    expect(visitor.locator("#incident-inc1")).to_contain_text("无人接听")
    assert visitor.input_value("#note-other") == "正在路上"
    assert visitor.evaluate("document.activeElement.id") == "note-other"
    visitor.click("#take-inc1")
    expect(visitor.locator("#incident-inc1")).to_contain_text("正在告诉守望设备")
    (command,) = far.commands()
    far.send(
        CommandDone(command=command["command"], done=True),
        samples.incident("acknowledged", acknowledged_by="周敏"),
    )
    expect(visitor.locator("#incident-inc1")).to_contain_text("周敏 已接手")
    expect(visitor.locator("#incident-inc1")).not_to_contain_text("正在告诉守望设备")
