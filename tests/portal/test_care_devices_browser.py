"""A band registered, rekeyed and revoked by hand in a real browser, on a telephone and at the desk."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect
from rigs.pages import DESKTOP, PHONE, Reader, context_of, runs_of

from gateway.bands.sealing import seal
from gateway.model import Battery
from gateway.told import CommandDone, Telemetry
from gateway.told_orders import BandKeyTold, BandsTold, BandView
from portal import demo

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parents[2] / "tests" / "browser" / "shots"
KEY = "pT5mYw0c9rQbVhXn2KdLz7GfJs4AeUi8oW1tRqZyEbM"
NAMES = ["张桂兰", "王德顺", "3栋2单元401", "5栋1单元102", "新河苑", "周敏", "左手", "右手", "丢了", "中文"]
"""What people wrote: it stands in Chinese on an English page too."""
MODES = {
    "phone": {"options": PHONE},
    "desktop": {"options": DESKTOP},
    "dark": {"options": PHONE | {"color_scheme": "dark"}},
    "english": {"options": DESKTOP, "english": True},
    "elder": {"options": PHONE, "elder": True},
}


def band(device, wearer="zhang-guilan", **more) -> BandView:
    fields = {"wire_id": device, "protocol": "senml", "state": "active", "key": "set", "source": "store"}
    return BandView(device=device, wearer=wearer, **(fields | more))


BANDS = (
    band("band-zhang", name="右手"),
    band("4700186508", "wang-deshun", protocol="watch", model="watch-3g", key="none", source="file"),
    band("867400020113456", "wang-deshun", protocol="iw", model="iw", key="none", state="revoked"),
)
SETTINGS = (
    ("wire", "mqtt with TLS"),
    ("host", "gw.xinhe.example.cn"),
    ("port", "8883"),
    ("user name", "band-2"),
    ("client id", "any, always the same: band-2"),
    ("publishes to", "sw/xinhe/band-2/up"),
    ("subscribes to", "sw/xinhe/band-2/down"),
    ("wire", "coap"),
    ("host", "gw.xinhe.example.cn"),
    ("port", "5683"),
    ("path", "/sw/xinhe/band-2/up (readings), /sw/xinhe/band-2/down (orders, Observe)"),
    ("OSCORE", "AES-CCM-16-64-128, HKDF-SHA-256, no master salt, no id context"),
    ("client id", "5b1f0c9a7d3e42 (hex)"),
    ("server id", "6777 (hex)"),
)
SECRET = {
    "typed": {"password": KEY, "master secret": "0f1e2d3c4b5a69788796a5b4c3d2e1f0 (hex)"},
    "qr": f'{{"v":1,"wire":"mqtt","host":"gw.xinhe.example.cn","port":8883,"id":"band-2","key":"{KEY}"}}',
}


def key_told(command, device) -> tuple[BandKeyTold, CommandDone]:
    sealed = seal(msgspec.json.encode(SECRET), command["seal_to"], command=command["command"])
    told = BandKeyTold(command=command["command"], device=device, settings=SETTINGS, sealed=sealed)
    return told, CommandDone(command=command["command"], done=True)


@pytest.fixture
def office(chromium, address, far, samples):
    """Opens a page of the office in a mode; a band is charged, another never came, one was revoked."""
    now = dt.datetime.now(dt.UTC)
    heard = Telemetry(
        device="band-zhang",
        wearer="zhang-guilan",
        received_at=now - dt.timedelta(minutes=4),
        backlog=False,
        readings=(Battery(battery_pct=11),),
    )
    far.send(samples.ROSTER, BandsTold(bands=BANDS), heard)

    def open_as(mode: str) -> Reader:
        chosen = MODES[mode]
        context = context_of(chromium, address, english=chosen.get("english", False), **chosen["options"])
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto("/login?next=/me/")
        page.fill("#phone", samples.PHONES["staff"].removeprefix("+86"))
        page.fill("#password", demo.DEMO_PASSWORD)
        page.locator("form[action*='/login'] button").click()
        page.wait_for_url("**/me/")
        if chosen.get("english"):
            page.locator("button[value='en']").first.click()
            page.wait_for_load_state()
        display = "elder-24" if chosen.get("elder") else "standard"
        context.add_cookies([{"name": "display", "value": display, "url": address}])
        return Reader(page)

    return open_as


def judged(reader: Reader, name: str, mode: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    reader.page.screenshot(path=SHOTS / f"devices-{name}-{mode}.png", full_page=True)
    written = runs_of(NAMES) if MODES[mode].get("english") else None
    assert reader.faults(elder=MODES[mode].get("elder", False), allowed=written) == [], (name, mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_band_is_registered_its_key_is_typed_out_once_and_it_is_revoked(office, far, mode):
    reader = office(mode)
    page = reader.page
    page.goto("/care/devices/")
    judged(reader, "list", mode)
    page.click("#register")
    page.select_option("#wearer", index=1)
    page.select_option("#make", "senml")
    expect(page.locator("#field-serial")).to_be_hidden()
    page.fill("#number", "左手")
    page.fill("#number", "band 2")
    page.click("#give")
    expect(page.locator("[data-problems]")).to_be_visible()
    reader.complaints.clear()  # the browser itself says that the form was not taken
    judged(reader, "wrong", mode)
    page.fill("#number", "ｂａｎｄ-2")
    page.fill("#label", "左手")
    page.click("#give")
    expect(page.locator("[data-follow]")).to_be_visible()
    judged(reader, "waits", mode)
    (command,) = far.commands()
    assert command["wire_id"] == "band-2"
    far.send(*key_told(command, "band-2"), BandsTold(bands=(*BANDS, band("band-2", name="左手"))))
    expect(page.locator("#key .device-secret").first).to_contain_text(KEY)
    judged(reader, "key", mode)
    page.locator(".device-secret [data-copy]").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == KEY
    page.click("#written-down")
    page.click("#written-down")
    page.wait_for_url("**/care/devices/gw-xinhe-1/band-2/")
    judged(reader, "one", mode)
    page.go_back()
    expect(page.locator("h1")).to_be_visible()
    assert KEY not in page.content()

    page.goto("/care/devices/gw-xinhe-1/band-2/revoke")
    judged(reader, "revoke", mode)
    page.fill("#reason", "丢了")
    page.locator("label:has(#known)").click()
    page.click("#give")
    command = far.commands()[-1]
    revoked = band("band-2", name="左手", state="revoked")
    far.send(BandsTold(bands=(*BANDS, revoked)), CommandDone(command=command["command"], done=True))
    expect(page.locator("#order h1 .icon + *, #order h1")).to_be_visible()
    expect(page.locator("[data-follow]")).to_have_count(0)
    judged(reader, "revoked", mode)


def test_the_sheet_prints_with_its_key_and_without_buttons(office, far):
    reader = office("desktop")
    page = reader.page
    page.goto("/care/devices/gw-xinhe-1/band-zhang/rekey")
    page.fill("#reason", "没有抄下来")
    page.click("#give")
    expect(page.locator("[data-follow]")).to_be_visible()
    far.send(*key_told(far.commands()[-1], "band-zhang"))
    expect(page.locator("#key")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".device-copy").first).to_be_hidden()
    expect(page.locator("#written-down")).to_be_hidden()
    expect(page.locator(".device-secret").first).to_be_visible()
    expect(page.locator("img.qr")).to_be_visible()
    page.screenshot(path=SHOTS / "devices-print.png", full_page=True)
    page.emulate_media(media="screen")
    assert page.locator("[data-print]").is_visible()


def test_without_scripts_the_page_asks_again_by_itself(chromium, address, far, samples):
    far.send(samples.ROSTER, BandsTold(bands=BANDS))
    context = chromium.new_context(base_url=address, locale="zh-CN", java_script_enabled=False, **PHONE)
    page = context.new_page()
    page.goto("/login?next=/me/")
    page.fill("#phone", samples.PHONES["staff"].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.goto("/care/devices/register")
    page.select_option("#wearer", index=1)
    page.select_option("#make", "senml")
    page.fill("#number", "band-2")
    page.click("#give")
    (command,) = far.commands()
    far.send(*key_told(command, "band-2"), BandsTold(bands=(*BANDS, band("band-2"))))
    expect(page.locator("#key .device-secret").first).to_contain_text(KEY, timeout=15_000)
    page.click("#written-down")
    page.wait_for_url("**/care/devices/gw-xinhe-1/band-2/")
