"""The pages in a real browser: accessible, nothing blocked, nothing too small or too wide."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from portal import demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
PHONES = {login.role.value: login.phone for login in demo.LOGINS}
PAGES = (
    "/",
    "/community/posts/1",
    "/community/notices/new",
    "/services/repair/apply",
    "/desk/cases/",
    "/me/",
)
TARGETS = "a, button, input:not([type=hidden]), select, textarea, summary"
SMALL = """([targets, least]) => [...document.querySelectorAll(targets)]
  .filter((thing) => !thing.matches(".skip") && !thing.closest("p, dd, .prose, label"))
  .filter((thing) => thing.getBoundingClientRect().height > 0)
  .filter((thing) => thing.getBoundingClientRect().height < least)
  .map((thing) => thing.outerHTML.slice(0, 90))"""


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="portal")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Desk:
    """A signed-in browser that remembers every complaint of its console."""

    def __init__(self, chromium: Browser, address: str, role: str, **options) -> None:
        self.context = chromium.new_context(base_url=address, **options)
        self.complaints: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto("/login")
        self.page.fill("#phone", PHONES[role])
        self.page.fill("#password", demo.DEMO_PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url("**/")

    def _heard(self, message) -> None:
        if (
            message.type in {"error", "warning"}
            and "the server responded with a status of 4" not in message.text
        ):
            self.complaints.append(message.text)


def test_no_page_breaks_a_rule_in_the_largest_print(chromium, address):
    """Axe finds nothing (WCAG 2.2 AA and best practice), nothing is blocked, too small or too wide.

    Every page in every other size is walked in test_walk_browser.py.
    """
    desk = Desk(chromium, address, "staff", viewport={"width": 390, "height": 844})
    desk.context.add_cookies([{"name": "display", "value": "elder-40", "url": address}])
    SHOTS.mkdir(parents=True, exist_ok=True)
    for path in PAGES:
        desk.page.goto(path)
        assert (path, desk.complaints) == (path, [])
        desk.page.screenshot(
            path=SHOTS / f"portal-largest{path.replace('/', '-').rstrip('-')}.png", full_page=True
        )
        desk.page.evaluate(AXE.read_text("utf-8"))
        found = desk.page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
        assert (path, found) == (path, [])
        assert (path, desk.page.evaluate(SMALL, [TARGETS, 60])) == (path, [])
        assert (path, desk.page.evaluate("document.documentElement.scrollWidth - innerWidth")) == (path, 0)
        desk.complaints.clear()  # the camera and axe themselves were refused their inline styles
    desk.context.close()


def test_a_report_with_a_photo_and_a_place_on_the_map(chromium, address, tmp_path):
    """What a resident does: a photo, a kind, a sentence, a tap on the map; a wrong file costs nothing."""
    out = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(out, "JPEG")
    (tmp_path / "drain.jpg").write_bytes(out.getvalue())
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7")
    desk = Desk(chromium, address, "resident", viewport={"width": 390, "height": 844})
    page = desk.page
    page.click("a.tile.first")
    page.fill("#description", "下水道堵了")
    page.set_input_files("#photos", [tmp_path / "drain.jpg", tmp_path / "letter.pdf"])
    page.click("details[data-pick] > summary")
    page.wait_for_selector(".maplibregl-canvas")
    page.locator("[data-map]").click(position={"x": 150, "y": 130})
    page.wait_for_selector(".maplibregl-marker")
    page.click("main button.wide-button")
    page.wait_for_selector("[data-problems]")
    assert page.locator("[data-problems] li").count() == 2
    assert page.input_value("#description") == "下水道堵了"
    assert page.input_value("#spot") != ""
    page.check("input[name=category][value=drain]", force=True)
    page.click("main button.wide-button")
    page.wait_for_url("**/receipt")
    page.click("main a.button >> nth=0")
    page.wait_for_selector(".timeline img")
    assert page.evaluate("document.querySelector('.timeline img').naturalWidth") > 0
    assert desk.complaints == []
    desk.context.close()


def test_words_typed_survive_a_reload(chromium, address):
    desk = Desk(chromium, address, "resident", viewport={"width": 390, "height": 844})
    desk.page.goto("/services/repair/apply")
    desk.page.fill("#description", "楼道灯不亮")
    desk.page.reload()
    assert desk.page.input_value("#description") == "楼道灯不亮"
    assert desk.complaints == []
    desk.context.close()
