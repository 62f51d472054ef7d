"""Whoever tries the demo plays the daughter: picks up in a real browser, presses 1, is confirmed."""

from __future__ import annotations

import asyncio
import base64
import threading
from concurrent.futures import Future

import aiohttp
import pytest
from aiohttp import web
from playwright.sync_api import expect

from firmware_sim.people import Persona
from firmware_sim.phones import PhoneWall
from firmware_sim.settings import SimPhone
from firmware_sim.twilio import TwilioFake

pytestmark = pytest.mark.slow

ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-for-tests"
DAUGHTER = Persona(phone="+8613800138002", name="李晓梅", answer="presses", after_s=600)
SON = Persona(phone="+8613800138001", name="李建国")
PEOPLE = {who.phone: who for who in (DAUGHTER, SON)}
SCRIPT = "这里是守望。张桂兰，20点03分，按下求救，在3栋东门附近。按1表示由您处理，按2转给下一位。"
TEXT = "【守望】张桂兰 20:03 按下求救，在3栋东门附近。请立即联系，接手回复1，危急拨120 #A7K2"
CONFIRMED = "已确认，谢谢您。我们会告诉其他亲友由您接手，请尽快赶到。"


class House:
    """A simulated Twilio, its wall and a portal's two answers, in a thread of its own."""

    def __init__(self) -> None:
        self.ready: Future[str] = Future()
        self.heard: list[dict[str, str]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="house")
        self._thread.start()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=20)

    def order(self, kind: str, **form: str) -> None:
        """Place a call or a text as the gateway would."""
        done = asyncio.run_coroutine_threadsafe(self._order(kind, form), self._loop)
        assert done.result(timeout=20) == 201

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        portal = web.AppRunner(app := web.Application())
        app.router.add_post("/key", self._key)
        app.router.add_post("/text", self._text)
        await portal.setup()
        await web.TCPSite(portal, "127.0.0.1", 0).start()
        self.portal = f"http://127.0.0.1:{portal.addresses[0][1]}"
        self.twilio = TwilioFake(
            account_sid=ACCOUNT, auth_token=TOKEN, people=PEOPLE, text_url=f"{self.portal}/text"
        )
        wall = PhoneWall(
            phones=[SimPhone(phone=phone, relation="女儿", of="张桂兰") for phone in PEOPLE],
            transcripts={"Twilio": self.twilio.transcript},
            title="傍晚的新河苑",
            title_en="An evening in Xinhe Gardens",
        )
        served = asyncio.Event()
        running = [
            asyncio.create_task(self.twilio.run(lambda _url: served.set())),
            asyncio.create_task(wall.run(self.ready.set_result)),
        ]
        await served.wait()
        await self._stop.wait()
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await portal.cleanup()

    async def _order(self, kind: str, form: dict[str, str]) -> int:
        account = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        url = f"{self.twilio.url}/2010-04-01/Accounts/{ACCOUNT}/{kind}.json"
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Basic {account}"}) as web_session,
            web_session.post(url, data={"From": "+15005550006"} | form) as answer,
        ):
            return answer.status

    async def _key(self, request: web.Request) -> web.Response:
        self.heard.append(dict(await request.post()))
        return web.Response(text=f"<Response><Say>{CONFIRMED}</Say></Response>", content_type="text/xml")

    async def _text(self, request: web.Request) -> web.Response:
        self.heard.append(dict(await request.post()))
        return web.Response(
            text="<Response><Message>已确认由您处理</Message></Response>", content_type="text/xml"
        )


@pytest.fixture
def house():
    made = House()
    yield made
    made.end()


def ring(house: House, phone: str) -> None:
    gather = f'<Response><Gather action="{house.portal}/key"><Say>{SCRIPT}</Say></Gather></Response>'
    house.order("Calls", To=phone, Twiml=gather, Timeout="60")


def test_a_visitor_plays_the_daughter_and_takes_the_alarm(house, visitor):
    who = visitor(house.ready.result(timeout=20))
    who.go("/")
    card = who.page.locator(f"[id='phone-{DAUGHTER.phone}']")
    expect(card).to_contain_text("张桂兰的女儿 · 138 0013 8002")
    house.order("Messages", To=DAUGHTER.phone, Body=TEXT)
    expect(card.locator(".bubble")).to_have_text(TEXT)
    ring(house, DAUGHTER.phone)
    expect(card.locator(".caller")).to_have_text("守望来电")
    expect(who.page.locator("#now")).to_contain_text("李晓梅 正在响铃")
    who.shoot("wall-ringing")
    card.get_by_role("button", name="接听").click()
    expect(card.locator(".script")).to_contain_text(SCRIPT)
    who.shoot("wall-talking")
    card.get_by_role("button", name="1 我来处理").click()
    expect(card.locator(".thread")).to_contain_text(CONFIRMED)
    expect(card.locator(".calling")).to_be_hidden()
    assert house.heard[-1]["Digits"] == "1"
    who.shoot("wall-confirmed")


def test_a_visitor_declines_a_call_and_answers_by_text_what_is_typed_survives_news(house, visitor):
    who = visitor(house.ready.result(timeout=20), {"width": 390, "height": 844})
    who.go("/?lang=en")
    card = who.page.locator(f"[id='phone-{SON.phone}']")
    card.get_by_role("button", name="I play").click()
    expect(card.get_by_role("button", name="Demo plays")).to_be_visible()
    house.order("Messages", To=SON.phone, Body=TEXT)
    card.get_by_label("Reply").fill("1")
    ring(house, SON.phone)
    card.get_by_role("button", name="Decline").click()
    expect(card.locator(".thread")).to_contain_text("Busy or declined")
    assert card.get_by_label("Reply").input_value() == "1"
    card.get_by_role("button", name="Send").click()
    expect(card.locator(".thread")).to_contain_text("已确认由您处理")
    assert (house.heard[-1]["Body"], house.heard[-1]["From"]) == ("1", SON.phone)
    assert who.page.evaluate("document.documentElement.scrollWidth") == 390
    who.shoot("wall-english-phone")
