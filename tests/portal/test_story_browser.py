"""A guardian's story in a real browser: invited, let in, a fence drawn, an alarm taken on, the way seen."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect
from rigs.pages import DESKTOP, PHONE, ROOT, Reader, context_of

from gateway.model import Alarm, FenceView, Fix, HeartRate, Why
from gateway.told import AlarmRaised, CommandDone
from portal import demo
from portal.care.models import Consent
from portal.db import db

pytestmark = pytest.mark.slow

SHOTS = Path(os.environ.get("SHOTS", ROOT / "tests" / "browser" / "shots"))
MINUTE = timedelta(minutes=1)
FENCE = "夜里不出门"
HOME, MARKET = (31.15590, 121.10650), (31.15330, 121.10420)
WORDS = {
    "zh": {
        "building": "3栋",
        "live": "实时更新中",
        "tried": re.compile(r"会报警 [1-9]\d* 次"),
        "sent": "已发出，等守望设备确认",
        "left": "离开了「夜里不出门」",
        "taken": "已有人接手",
        "over": "李建国 已处理完毕",
    },
    "en": {
        "building": "Building 3",
        "live": "Live",
        "tried": re.compile(r"[1-9]\d* alarm"),
        "sent": "Sent",
        "left": "left “夜里不出门”",
        "taken": "Taken on",
        "over": "李建国 has closed it",
    },
}


class Evening:
    """张桂兰 of this evening, as her gateway tells of her."""

    def __init__(self, far, samples) -> None:
        self.far, self.samples = far, samples
        self.fence = None

    def at(self, lat: float, lon: float, *, ago: timedelta = timedelta(0)):
        row = self.samples.telemetry(
            Fix(lat=lat, lon=lon, valid=True, accuracy_m=8.0, source="gnss"), HeartRate(heart_rate_bpm=78)
        )
        return msgspec.structs.replace(row, received_at=datetime.now(UTC) - ago)

    def walk(self, *, begun: timedelta, back: bool) -> list:
        """From home to the market, eighteen metres every half minute; and back."""
        shares = [step / 20 for step in range(21)]
        shares += [1 - share for share in shares] if back else []
        return [
            self.at(*(h + s * (m - h) for h, m in zip(HOME, MARKET, strict=True)), ago=begun - n * MINUTE / 2)
            for n, s in enumerate(shares)
        ]

    def lived(self) -> None:
        """She was at the market on each of the last two days, and was at home until ten minutes ago."""
        rows = [row for days in (2, 1) for row in self.walk(begun=timedelta(days=days), back=True)]
        rows += [self.at(*HOME, ago=(41 - minute) * MINUTE) for minute in range(31)]
        self.far.send(self.samples.ROSTER, *rows, self.samples.profile_told(source="file", by=""))

    def take(self, version: int) -> None:
        """Her gateway takes the newest care settings, and tells the fence in its roster."""
        order = self.far.commands()[-1]
        told, done = self.samples.profile_taken(order, version)
        made = order["profile"]["fences"][-1]
        self.fence = FenceView(
            fence=made["id"], name=made["name"], centre=tuple(made["centre"]), radius_m=made["radius_m"]
        )
        zhang = msgspec.structs.replace(self.samples.ZHANG, fences=(self.fence,))
        roster = msgspec.structs.replace(self.samples.ROSTER, wearers=(zhang, self.samples.WANG))
        self.far.send(msgspec.structs.replace(told, at=datetime.now(UTC)), done, roster)

    def leave(self) -> None:
        """She goes to the market, and her gateway raises the alarm."""
        why = Why(code="fence_exit", place=self.fence.name)
        alarm = Alarm(
            alarm_id="left",
            wearer="zhang-guilan",
            kind="fence",
            severity="warning",
            why=why,
            at=datetime.now(UTC) - 5 * MINUTE,
            lat=MARKET[0] + 0.0008,
            lon=MARKET[1] + 0.0007,
        )
        self.far.send(*self.walk(begun=10 * MINUTE, back=False), AlarmRaised(alarm=alarm, incident="out1"))
        self.far.send(self.incident("notifying"))

    def incident(self, state: str, **more):
        call = self.samples.leg(1, "call", "ringing" if state == "notifying" else "no_answer")
        call = msgspec.structs.replace(call, at=datetime.now(UTC) - MINUTE)
        told = self.samples.incident(state, call, incident_id="out1", ref="OUT1", **more)
        view = msgspec.structs.replace(
            told.incident,
            kind="fence",
            severity="warning",
            why=Why(code="fence_exit", place=self.fence.name),
            opened_at=datetime.now(UTC) - MINUTE,
            lat=MARKET[0],
            lon=MARKET[1],
        )
        return msgspec.structs.replace(told, incident=view)

    def answer(self, name: str, told) -> dict:
        """Her gateway does the newest order of the portal, which is of this name."""
        order = self.far.commands()[-1]
        assert (order["name"], order["incident"]) == (name, "out1")
        self.far.send(CommandDone(command=order["command"], done=True), told)
        return order


def to_english(page: Page) -> None:
    page.locator("button[value=en]").first.click()
    page.wait_for_selector("html[lang=en]")


def sign_in(page: Page, samples, role: str, *, english: bool) -> None:
    page.goto("/login")
    if english:
        to_english(page)
    page.fill("#phone", samples.PHONES[role].removeprefix("+86"))
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button[type=submit]").click()
    page.wait_for_url(lambda url: "/login" not in url)


class Story:
    """One guardian before one screen, and 周敏 before hers."""

    def __init__(
        self, browser, address, evening: Evening, *, name: str, language: str, options: dict
    ) -> None:
        self.name, self.words, self.evening = name, WORDS[language], evening
        self.english = language == "en"
        self.reader = Reader(context_of(browser, address, english=self.english, **options).new_page())
        self.page = self.reader.page
        self.desk = context_of(browser, address, **DESKTOP).new_page()

    def look(self, step: str) -> None:
        """Nothing was refused, nothing is too wide; a picture."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_load_state()
        assert self.page.evaluate("globalThis.refused ?? []") == []
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert self.reader.complaints == []
        self.page.screenshot(path=SHOTS / f"story-{self.name}-{step}.png", animations="disabled")
        self.reader.complaints.clear()  # the camera was refused its inline styles
        self.page.evaluate("delete globalThis.refused")

    def poster(self) -> str:
        """周敏 makes an invitation; gives the path its code leads to."""
        desk = self.desk
        desk.goto("/invitations/")
        desk.select_option("#what", "home")
        desk.select_option("#place", label="小区 新河苑")
        desk.locator("form[action$='/invitations/'] button, main form button").last.click()
        desk.wait_for_selector(".address")
        desk.screenshot(path=SHOTS / f"story-{self.name}-01-poster.png")
        return urlsplit(desk.inner_text(".address").strip()).path

    def invited(self, path: str) -> None:
        """The son follows the code on the poster and opens an account with a code by text."""
        page = self.page
        page.goto(path)
        if self.english:
            to_english(page)
        self.look("02-invited")
        page.locator("main form button").first.click()
        page.fill("#name", "李建国")
        page.fill("#phone", "138 0013 8001")
        self.look("03-number")
        page.locator("main form button").first.click()
        page.wait_for_url("**/join/code")
        order = self.evening.far.commands()[-1]
        assert (order["name"], order["phone"]) == ("send_text", "+8613800138001")
        page.fill("input[name=code]", re.search(r"\d{6}", order["text"])[0])
        self.look("04-code")
        page.locator("main form button").first.click()

    def housed(self) -> None:
        """He chooses his home, and 周敏 confirms it."""
        page, desk = self.page, self.desk
        page.wait_for_selector(".big-choices")
        self.look("05-home")
        page.get_by_role("link", name=self.words["building"], exact=True).click()
        page.locator(".big-choices a").nth(1).click()
        page.get_by_role("link", name="401", exact=True).click()
        page.fill("#said", "我是她儿子")
        page.locator("main form button").first.click()
        page.wait_for_url("**/me/home")
        self.look("06-claimed")
        desk.goto("/claims/")
        desk.locator("li", has_text="李建国").locator("form[action$='/confirm'] button").click()
        expect(desk.locator(".note-good")).to_contain_text("李建国")
        desk.screenshot(path=SHOTS / f"story-{self.name}-07-confirmed.png")
        page.reload()
        expect(page.locator("main")).to_contain_text("3栋2单元401")

    def allowed(self) -> None:
        """Without a consent he sees no place; 周敏 puts on record what the mother signed, and he does."""
        page, desk = self.page, self.desk
        page.goto("/care/")
        expect(page.locator(".wearer")).to_have_count(1)
        expect(page.locator(".wearer")).not_to_contain_text("78")
        page.wait_for_selector("#map[data-ready]", timeout=40_000)
        self.look("08-no-consent")
        for data in ("location", "health"):
            desk.goto(f"/care/wearers/1/consents/{data}/guardians")
            desk.check("input[name=signer][value=wearer]")
            desk.fill("#signed", "张桂兰")
            desk.fill("#shown", "当面读给本人听，本人签字")
            desk.check("input[name=until][value='365']")
            desk.click("#agree")
            expect(desk.locator(f"#consent-{data}-guardians.consent-given")).to_have_count(1)
        desk.screenshot(path=SHOTS / f"story-{self.name}-09-consents.png")
        expect(page.locator(".wearer")).to_contain_text("78")  # the open page learns of it by itself
        page.wait_for_selector("#map[data-ready]", timeout=40_000)
        self.look("10-map")

    def fenced(self) -> None:
        """A fence is drawn, tried, sent, and in force."""
        page, words = self.page, self.words
        page.goto("/care/wearers/1/profile/fence")
        page.wait_for_selector("#fence-editor[data-ready]", timeout=40_000)
        page.locator("button[name=preset][value=house]").click()
        page.fill("#name", FENCE)
        page.fill("#radius_m", "90")
        expect(page.locator("#fence-whole")).to_have_attribute("data-kind", "good")
        page.evaluate("scrollTo(0, 0)")
        self.look("11-drawn")
        page.click("#try")
        expect(page.locator("#trial")).to_contain_text(words["tried"])
        page.locator("#trial").scroll_into_view_if_needed()
        self.look("12-tried")
        with page.expect_navigation():
            page.click("#send")
        expect(page.locator("#standing-change")).to_contain_text(words["sent"])
        self.evening.take(2)
        expect(page.locator("#standing-change")).to_have_count(0)
        expect(page.locator("#fences")).to_contain_text(FENCE)
        page.locator("#fences").scroll_into_view_if_needed()
        self.look("13-in-force")

    def alarmed(self) -> None:
        """She leaves; he sees it without a reload, takes it on, and closes it."""
        page, evening = self.page, self.evening
        page.goto("/care/alarms/")
        expect(page.locator("[data-live-state]")).to_have_text(self.words["live"])
        page.evaluate("window.sameDocument = true")
        evening.leave()
        card = page.locator("#incident-out1")
        expect(card).to_contain_text(FENCE)
        assert page.evaluate("window.sameDocument"), "the alarm came without a reload"
        self.look("14-alarm")
        page.click("#take-out1")
        expect(card.locator(".spinner")).to_be_visible()
        taken = evening.incident("acknowledged", acknowledged_by="李建国")
        assert evening.answer("acknowledge", taken)["by"] == "李建国"
        expect(card.locator("#resolve-out1")).to_be_visible()
        expect(card).to_contain_text(self.words["taken"])
        self.look("15-taken")
        page.fill("#note-out1", "接到妈妈了，一起回家")
        page.click("#resolve-out1")
        expect(card.locator(".spinner")).to_be_visible()
        over = evening.incident("resolved", resolved_by="李建国", note="接到妈妈了，一起回家")
        assert evening.answer("resolve", over)["note"] == "接到妈妈了，一起回家"
        expect(card.locator(".spinner")).to_have_count(0)
        expect(page.locator("main")).to_contain_text(self.words["over"])
        self.look("16-over")

    def followed(self) -> None:
        """He looks at the way that led to it, with the alarm on it."""
        page = self.page
        page.goto("/care/wearers/1/track")
        page.wait_for_selector("#track-map[data-ready]", timeout=40_000)
        jump = page.locator(".track-row-alarm .track-jump")
        expect(jump).to_have_count(1)
        jump.click()
        expect(page.locator("#track-where")).to_contain_text(FENCE)
        expect(page.locator(".track-row-alarm")).to_have_attribute("aria-current", "true")
        page.locator("#track-map").scroll_into_view_if_needed()
        self.look("17-way")


def unconsented(app) -> None:
    """What the demonstration consented to by itself is taken back."""
    with app.app_context():
        db.session.execute(sa.update(Consent).values(withdrawn_at=datetime.now(UTC)))
        db.session.commit()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", list(WORDS))
@pytest.mark.parametrize(
    ("name", "options"), [("phone", PHONE), ("desktop", DESKTOP)], ids=["phone", "desktop"]
)
def test_a_son_is_let_in_and_a_fence_of_his_guards_his_mother(
    chromium, app, address, far, samples, name, options, language
):
    evening = Evening(far, samples)
    evening.lived()
    far.call(unconsented, app)
    name = f"{name}-{language}"
    story = Story(chromium, address, evening, name=name, language=language, options=options)
    sign_in(story.desk, samples, "staff", english=False)
    story.invited(story.poster())
    story.housed()
    story.allowed()
    story.fenced()
    story.alarmed()
    story.followed()


def reach(page: Page, target: str, *, most: int = 120) -> None:
    """Go on with the tabulator key until this has the focus, which is seen on everything on the way."""
    for _ in range(most):
        page.keyboard.press("Tab")
        seen = page.evaluate(FOCUS, target)
        assert seen["shown"], f"the focus cannot be seen on {seen['html']}"
        if seen["there"]:
            return
    pytest.fail(f"no way to {target} by keyboard")


FOCUS = """(target) => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const outlined = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2;
  const away = one === document.body || one.matches("input, textarea, select") && style.boxShadow !== "none";
  const html = one.outerHTML.slice(0, 100);
  return { there: one.matches(target), shown: outlined || away, html };
}"""


def test_an_alarm_is_taken_on_by_keyboard_alone(chromium, address, far, samples):
    evening = Evening(far, samples)
    evening.lived()
    evening.fence = FenceView(fence="home", name="夜里不出门", centre=HOME, radius_m=90)
    context = context_of(chromium, address, **DESKTOP)
    page = context.new_page()
    page.goto("/login?next=/care/")
    page.evaluate("document.activeElement.blur()")  # the form takes the focus for whoever types at once
    reach(page, ".skip")
    assert page.locator(".skip").bounding_box()["y"] >= 0, "the way past the navigation is seen"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reach(page, "#phone")
    page.keyboard.type("13800138002")
    reach(page, "#password")
    page.keyboard.type(demo.DEMO_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/care/")

    page.wait_for_selector("#map[data-ready]", timeout=40_000)
    reach(page, ".skip")
    page.keyboard.press("Enter")
    reach(page, ".wearer-link")
    page.keyboard.press("Enter")
    page.wait_for_url("**/care/wearers/1/")
    expect(page.locator("[data-live-state]")).to_have_text("实时更新中")
    evening.leave()
    expect(page.locator("#incident-out1")).to_be_visible()
    reach(page, "#take-out1")
    page.keyboard.press("Enter")
    expect(page.locator("#incident-out1 .spinner")).to_be_visible()
    order = evening.answer("acknowledge", evening.incident("acknowledged", acknowledged_by="李晓梅"))
    assert order["by"] == "李晓梅"
    reach(page, "#note-out1")
    page.keyboard.type("在路上")
    reach(page, "input[name=verdict]")
    page.keyboard.press("ArrowDown")
    assert page.locator("input[name=verdict]:checked").count() == 1
    reach(page, "#resolve-out1")
    page.keyboard.press("Enter")
    expect(page.locator("#incident-out1 .spinner")).to_be_visible()
    order = evening.answer("resolve", evening.incident("resolved", resolved_by="李晓梅"))
    assert order["note"] == "在路上"
    context.close()
