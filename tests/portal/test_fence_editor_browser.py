"""The fence editor in a real browser: drawn by mouse and by finger, by keyboard alone, tried, sent."""

from __future__ import annotations

import math
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from gateway.model import Fix
from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = Path(os.environ.get("SHOTS", ROOT / "tests" / "browser" / "shots"))
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
FINGER = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
MOUSE = {"viewport": DESKTOP}
STEPS = 16
HOME = (31.15535, 121.1046)
METRES_A_DEGREE = 111_195.0
TARGETS = (
    "main button, main input:not([type=hidden], [type=radio], [type=checkbox]),"
    " main select, main .button, main summary"
)
SMALL = """([targets, least]) => [...document.querySelectorAll(targets)]
  .filter((thing) => thing.getBoundingClientRect().height > 0)
  .filter((thing) => thing.getBoundingClientRect().height < least)
  .map((thing) => thing.outerHTML.slice(0, 90))"""


def off(east_m: float, north_m: float) -> tuple[float, float]:
    """A place so far from home."""
    across = METRES_A_DEGREE * math.cos(math.radians(HOME[0]))
    return HOME[0] + north_m / METRES_A_DEGREE, HOME[1] + east_m / across


def walked(samples) -> list:
    """Three walks to the market and back within the last days, a fix a minute."""
    told = []
    for day in (1, 2, 3):
        for minute in range(-10, 60):
            out = max(0, min(minute, 40 - minute, 20))
            lat, lon = off(11.0 * out, 4.0 * out + day)
            told.append(
                samples.telemetry(
                    Fix(lat=lat, lon=lon, valid=True, accuracy_m=8.0, source="gnss"),
                    ago_s=day * 86_400 - minute * 60,
                )
            )
    return told


class Editor:
    """The editor's page in a browser, with a pointer on its map."""

    def __init__(self, page: Page, *, touch: bool = False) -> None:
        self.page, self.touch = page, touch
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, query: str = "") -> None:
        self.page.goto(f"/care/wearers/1/profile/fence{query}")
        self.page.wait_for_selector("#fence-editor[data-ready]", timeout=30_000)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point of the map's middle, moved by pixels."""
        box = self.page.locator("#fence-map").bounding_box()
        return box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y

    def press(self, x: float, y: float) -> None:
        if self.touch:
            self.page.touchscreen.tap(*self.at(x, y))
        else:
            self.page.mouse.click(*self.at(x, y))

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        if not self.touch:
            self.page.mouse.move(*self.at(*begin))
            self.page.mouse.down()
            self.page.mouse.move(*self.at(*end), steps=STEPS)
            self.page.mouse.up()
            return
        session = self.page.context.new_cdp_session(self.page)
        for number in range(STEPS + 1):
            share = number / STEPS
            x, y = self.at(*(a + (b - a) * share for a, b in zip(begin, end, strict=True)))
            kind = "touchStart" if number == 0 else "touchMove"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def tool(self, name: str) -> None:
        button = self.page.locator(f"[data-tool={name}]")
        button.tap() if self.touch else button.click()

    def shape(self, name: str) -> None:
        button = self.page.locator(f"[data-shape={name}]")
        button.tap() if self.touch else button.click()

    def value(self, name: str) -> str:
        return self.page.input_value(f"#{name}")

    def corners(self, name: str = "corners") -> list[tuple[float, float]]:
        lines = [line for line in self.value(name).splitlines() if line]
        return [tuple(float(part) for part in line.split(",")) for line in lines]

    def circle(self) -> tuple[float, float, float]:
        return tuple(float(self.value(name)) for name in ("lat", "lon", "radius_m"))

    def pixels(self, place: tuple[float, float], *, east_m: float = 0.0) -> tuple[float, float]:
        """Where a place stands on the map, from its middle: it is not turned, so Mercator's scale is all."""
        view = self.page.locator("#fence-map").get_attribute("data-view") or ""
        *centre, zoom = map(float, view.split())
        metre = 512 * 2**zoom / (40_030_200 * math.cos(math.radians(centre[0])))
        across = METRES_A_DEGREE * math.cos(math.radians(centre[0]))
        east, north = (place[1] - centre[1]) * across + east_m, (place[0] - centre[0]) * METRES_A_DEGREE
        return east * metre, -north * metre

    def judged(self) -> None:
        """Wait until the server has judged what is there now."""
        expect(self.page.locator("#fence-whole")).to_have_attribute("data-kind", re.compile("good|wrong"))

    def look(self, name: str, least_px: int = 44) -> None:
        """Take a picture, and judge the page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_load_state("networkidle")
        self.page.screenshot(path=SHOTS / f"fence-{name}.png")
        assert self.complaints == []
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
        assert found == []
        assert self.page.evaluate(SMALL, [TARGETS, least_px]) == []
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        self.complaints.clear()  # the camera and axe themselves were refused their inline styles


@pytest.fixture
def visit(chromium, address, far, samples):
    """李晓梅 in the editor of her mother's fences."""

    def visiting(*, query: str = "", display: str = "standard", english: bool = False, **options) -> Editor:
        far.send(
            samples.ROSTER, *walked(samples), samples.at_home(), samples.profile_told(source="file", by="")
        )
        page = chromium.new_context(base_url=address, locale="zh-CN", **options).new_page()
        page.goto("/login")
        page.fill("#phone", samples.PHONES["guardian"].removeprefix("+86"))
        page.fill("#password", demo.DEMO_PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        page.context.add_cookies([{"name": "display", "value": display, "url": address}])
        if english:
            page.goto("/me/")
            page.locator("button[value='en']").first.click()
        editor = Editor(page, touch=bool(options.get("has_touch")))
        editor.open(query)
        return editor

    return visiting


DEVICES = pytest.mark.parametrize("options", [MOUSE, FINGER], ids=["mouse", "finger"])


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    across = METRES_A_DEGREE * math.cos(math.radians(HOME[0]))
    return math.hypot((one[0] - other[0]) * METRES_A_DEGREE, (one[1] - other[1]) * across)


@DEVICES
def test_a_circle_is_drawn_bent_moved_and_undone(visit, options, request):
    name = request.node.callspec.id
    editor = visit(**options)
    editor.look(f"{name}-empty")
    editor.shape("circle")
    editor.drag((0, 20), (80, 20))
    editor.judged()
    drawn = editor.circle()
    assert 45 < drawn[2] < 75
    assert editor.page.is_checked("input[name=kind][value=circle]")
    editor.look(f"{name}-circle")

    edge = editor.pixels(drawn[:2], east_m=drawn[2])
    editor.drag(edge, (edge[0] + 40, edge[1]))
    bent = editor.circle()
    assert bent[:2] == pytest.approx(drawn[:2], abs=2e-6)
    assert drawn[2] + 20 < bent[2] < drawn[2] + 40

    centre = editor.pixels(bent[:2])
    editor.drag(centre, (centre[0] - 50, centre[1]))
    walked_on = editor.circle()
    assert walked_on[2] == bent[2]
    assert 25 < metres(walked_on[:2], bent[:2]) < 55

    editor.tool("move")
    editor.drag((-30, 25), (-30, 85))
    moved = editor.circle()
    assert moved[2] == bent[2]
    assert moved[0] < walked_on[0]
    for _ in range(3):
        editor.tool("undo")
    assert editor.circle() == drawn
    editor.tool("redo")
    assert editor.circle() == bent
    editor.tool("undo")
    editor.tool("undo")
    assert editor.value("lat") == ""
    assert editor.complaints == []


@DEVICES
def test_a_polygon_with_a_hole_is_drawn_and_its_corners_left_out(visit, options, request):
    name = request.node.callspec.id
    editor = visit(**options)
    editor.shape("polygon")
    for x, y in ((-120, -80), (100, -80), (120, 20), (100, 100), (-120, 100)):
        editor.press(x, y)
    editor.look(f"{name}-drawing")
    editor.tool("undo")
    editor.press(-110, 90)
    editor.tool("complete")
    editor.judged()
    outer = editor.corners()
    assert len(outer) == 5
    assert len(set(outer)) == 5

    editor.tool("hole")
    for x, y in ((-40, -20), (20, -20), (20, 40)):
        editor.press(x, y)
    editor.tool("complete")
    editor.judged()
    assert len(editor.corners("holes")) == 3
    assert editor.corners() == outer
    editor.look(f"{name}-hole")

    place = editor.pixels(outer[0])
    editor.drag(place, (place[0] + 20, place[1] + 15))
    bent = editor.corners()
    assert bent[1:] == outer[1:]
    assert 10 < metres(bent[0], outer[0]) < 35
    assert len(editor.corners("holes")) == 3

    editor.tool("erase")
    editor.press(*editor.pixels(outer[2]))
    assert editor.corners() == [bent[0], outer[1], *outer[3:]]
    assert editor.complaints == []


@DEVICES
def test_a_way_is_drawn_and_as_wide_as_typed(visit, options, request):
    name = request.node.callspec.id
    editor = visit(**options)
    editor.shape("corridor")
    for x, y in ((-130, 60), (-40, 40), (60, -60), (130, -70)):
        editor.press(x, y)
    editor.tool("complete")
    editor.judged()
    assert len(editor.corners("line")) == 4
    assert editor.value("half_width_m") == "30"
    editor.look(f"{name}-way")
    line = editor.corners("line")
    editor.page.emulate_media(color_scheme="dark")
    expect(editor.page.locator("#fence-map")).to_have_attribute("data-theme", "dark")
    place = editor.pixels(line[0])
    editor.drag(place, (place[0], place[1] + 30))
    assert editor.corners("line")[1:] == line[1:]
    assert 10 < metres(editor.corners("line")[0], line[0]) < 40
    assert editor.complaints == []


def test_a_beginning_is_tapped_tried_on_the_map_and_sent(visit, far, samples):
    editor = visit(**FINGER)
    page = editor.page
    page.locator("button[name=preset][value=walk]").tap()
    expect(page.locator("#fence-whole")).to_contain_text("路线，两侧各")
    assert editor.value("name") == "常走的路"
    assert len(editor.corners("line")) >= 2
    editor.look("finger-walk")
    page.locator("button[name=preset][value=house]").tap()
    expect(page.locator("#fence-whole")).to_contain_text("圆形，半径")
    assert editor.value("name") == "常走的路"
    page.locator("#try").tap()
    expect(page.locator("#fence-hint")).to_contain_text("会报警")
    count = int(re.search(r"会报警 (\d+) 次", page.inner_text("#fence-hint"))[1])
    assert count > 0
    assert page.locator(".fence-alarm").count() == page.locator("#trial .trial-number").count() == count
    editor.look("finger-tried")
    page.locator("#trial").scroll_into_view_if_needed()
    editor.look("finger-trial")
    with page.expect_navigation():
        page.locator("#send").tap()
    expect(page.locator("#standing-change")).to_contain_text("已发出，等守望设备确认")
    (made,) = [one for one in far.commands()[-1]["profile"]["fences"] if one["id"] != "home"]
    assert made["name"] == "常走的路"
    take(far, samples, 2)
    expect(page.locator("#standing-change")).to_have_count(0)
    expect(page.locator("#fences")).to_contain_text("常走的路")
    page.context.close()


def take(far, samples, version: int) -> None:
    """The gateway takes the newest order."""
    told, done = samples.profile_taken(far.commands()[-1], version)
    far.send(msgspec.structs.replace(told, at=datetime.now(UTC)), done)


def reach(page: Page, target: str) -> None:
    """Go to something with the tabulator key, as somebody without a mouse does."""
    for _ in range(150):
        if page.evaluate("target => document.activeElement?.matches(target)", target):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"no way to {target} by keyboard")


def type_into(page: Page, target: str, text: str) -> None:
    reach(page, target)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_a_fence_is_typed_tried_and_sent_by_keyboard_alone(visit, far):
    editor = visit(**MOUSE)
    page = editor.page
    type_into(page, "#name", "菜场")
    type_into(page, "#lat", "31.1562")
    type_into(page, "#lon", "121.1075")
    type_into(page, "#radius_m", "60")
    expect(page.locator("#fence-whole")).to_contain_text("圆形，半径 60 米：走出边界 20 米以上")
    expect(page.locator("[data-shape=circle]")).to_have_attribute("aria-pressed", "true")
    reach(page, "#margins summary")
    page.keyboard.press("Enter")
    type_into(page, "#dwell_s", "300")
    expect(page.locator("#effect-dwell_s")).to_have_text("越界满 5 分钟 才报警；之前回来就不报。")
    expect(page.locator("#fence-whole")).to_contain_text("满 5 分钟")
    type_into(page, "#escalate_m", "900, 300")
    expect(page.locator("#effect-escalate_m")).to_have_text("距离要从小到大写，都大于 0。")
    type_into(page, "#escalate_m", "300, 900")
    expect(page.locator("#effect-escalate_m")).to_contain_text("300 米、900 米")
    reach(page, "#try")
    page.keyboard.press("Enter")
    expect(page.locator("#trial")).to_contain_text("试算结果")
    reach(page, "#escalate_m")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    made = far.commands()[-1]["profile"]["fences"][-1]
    assert (made["name"], made["centre"], made["radius_m"]) == ("菜场", [31.1562, 121.1075], 60)
    assert (made["dwell_s"], made["escalate_m"]) == (300, [300, 900])
    page.context.close()


def test_what_was_drawn_stays_when_somebody_else_was_first(visit, far, samples):
    editor = visit(**MOUSE, query="?id=home")
    page = editor.page
    editor.shape("polygon")
    for x, y in ((-80, -60), (80, -60), (80, 60)):
        editor.press(x, y)
    page.locator("#send").click()
    expect(page.locator("#fence-hint")).to_contain_text("还没有画完")
    editor.tool("complete")
    editor.judged()
    drawn = editor.corners()
    theirs = msgspec.structs.replace(samples.ZHANG_PROFILE.fences[0], radius_m=120.0)
    far.send(samples.profile_told(2, msgspec.structs.replace(samples.ZHANG_PROFILE, fences=(theirs,))))
    with page.expect_navigation():
        page.locator("#send").click()
    page.wait_for_selector("#fence-editor[data-ready]")
    expect(page.locator(".note-warning")).to_contain_text("别人改了这一项")
    assert editor.corners() == drawn
    expect(page.locator("[data-shape=polygon]")).to_have_attribute("aria-pressed", "true")
    with page.expect_navigation():
        page.locator("#send").click()
    assert len(far.commands()[-1]["profile"]["fences"][0]["polygon"]) == 3
    page.context.close()


@pytest.mark.parametrize(
    ("name", "options", "more", "least_px"),
    [
        ("elder-desktop", MOUSE, {"display": "elder-24"}, 60),
        ("largest", FINGER, {"display": "elder-40"}, 60),
        ("english-dark-desktop", MOUSE | {"color_scheme": "dark"}, {"english": True}, 44),
    ],
)
def test_the_editor_breaks_no_rule_of_accessibility(visit, far, samples, name, options, more, least_px):
    editor = visit(query="?id=home", **options, **more)
    page = editor.page
    expect(page.locator("[data-shape=circle]")).to_have_attribute("aria-pressed", "true")
    editor.look(name, least_px)
    page.locator("input[name=keep][value=out]").check()
    page.locator("#margins summary").click()
    page.fill("#approach_m", "15")
    page.fill("#exit_margin_m", "25")
    page.locator("input[name=when][value=workdays]").check()
    page.fill("#begin", "8点半")
    page.fill("#end", "20")
    expect(page.locator("#effect-approach_m")).to_contain_text("15")
    expect(page.locator("#effect-when")).to_contain_text("08:30–20:00")
    page.locator("#part-when").scroll_into_view_if_needed()
    editor.look(f"{name}-form", least_px)
    page.evaluate("scrollTo(0, 0)")
    editor.look(f"{name}-out", least_px)
    page.context.close()


def test_without_a_script_the_form_does_it_all(chromium, address, far, samples):
    far.send(samples.ROSTER, samples.at_home(), samples.profile_told(source="file", by=""))
    page = chromium.new_context(base_url=address, viewport=PHONE, java_script_enabled=False).new_page()
    page.goto("/login")
    page.fill("#phone", samples.PHONES["guardian"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("#password").press("Enter")
    page.goto("/care/wearers/1/profile/fence")
    page.click("button[name=preset][value=house]")
    assert page.input_value("#name") == "3栋周围"
    page.fill("#radius_m", "70")
    page.click("#send")
    assert far.commands()[-1]["profile"]["fences"][-1]["radius_m"] == 70
    page.context.close()
