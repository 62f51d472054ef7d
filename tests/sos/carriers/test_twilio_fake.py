"""The simulated Twilio itself: what it refuses, and how its callbacks misbehave."""

from __future__ import annotations

import asyncio
import base64

import aiohttp
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake, TwilioFaults

ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-for-tests"
LI = Persona(phone="+8613800138001", answer="presses", after_s=0.05, key_after_s=0.05)
GOOD_CALL = {"To": LI.phone, "From": "+15005550006", "Twiml": "<Response/>"}
GOOD_TEXT = {"To": LI.phone, "From": "+15005550006", "Body": "求救"}


def credentials(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{ACCOUNT}:{token}".encode()).decode()}


class Portal:
    """Takes the callbacks of one fake, checks every signature, and answers with `twiml`."""

    def __init__(self, *, faults: TwilioFaults | None = None) -> None:
        self.fake = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people={LI.phone: LI}, faults=faults)
        self.statuses: list[tuple[int, str]] = []
        self.digits: list[str] = []
        self.ended = asyncio.Event()
        self.twiml = "<Response><Say>已确认</Say><Hangup/></Response>"

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/status", self._status)
        app.router.add_post("/voice", self._voice)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self.fake.run(ready.set_result))
        self._root = f"{await ready}/2010-04-01/Accounts/{ACCOUNT}"
        self._web = aiohttp.ClientSession(headers=credentials(TOKEN))
        return self

    async def __aexit__(self, *_):
        await self._web.close()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._runner.cleanup()

    async def _form(self, request):
        form = dict(await request.post())
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(str(request.url), form, signature)
        return form

    async def _status(self, request):
        form = await self._form(request)
        self.statuses.append((int(form["SequenceNumber"]), form["CallStatus"]))
        if form["CallStatus"] in {"completed", "no-answer"}:
            self.ended.set()
        return web.Response()

    async def _voice(self, request):
        self.digits.append((await self._form(request))["Digits"])
        return web.Response(text=self.twiml, content_type="text/xml")

    async def post(self, path: str, form) -> tuple[int, dict]:
        async with self._web.post(self._root + path, data=form) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, dict]:
        async with self._web.get(self._root + path) as answer:
            return answer.status, await answer.json()

    async def call(self) -> None:
        twiml = (
            f'<Response><Gather numDigits="1" action="{self.url}/voice"><Say>按1</Say></Gather></Response>'
        )
        form = aiohttp.FormData(GOOD_CALL | {"Twiml": twiml, "StatusCallback": f"{self.url}/status"})
        for event in ("initiated", "ringing", "answered", "completed"):
            form.add_field("StatusCallbackEvent", event)
        assert (await self.post("/Calls.json", form))[0] == 201
        await self.ended.wait()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": "hello"}, 21211),
        ({"To": ""}, 21201),
        ({"From": "hello"}, 21212),
        ({"From": ""}, 21213),
        ({"Twiml": ""}, 21205),
        ({"Twiml": "", "Url": "hello"}, 21205),
        ({"Timeout": "soon"}, 13223),
        ({"StatusCallback": "hello"}, 21609),
        ({"StatusCallbackEvent": "sometimes"}, 21626),
        ({"Say": "求救"}, 20001),
    ],
)
async def test_a_call_twilio_would_refuse_is_refused_with_its_code(change, code):
    async with Portal() as portal:
        status, answer = await portal.post("/Calls.json", GOOD_CALL | change)
        assert (status, answer["code"], answer["status"]) == (400, code, 400)
        assert portal.fake.calls == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": "hello"}, 21211),
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "救" * 1601}, 21617),
        ({"Text": "求救"}, 20001),
    ],
)
async def test_a_text_twilio_would_refuse_is_refused_with_its_code(change, code):
    async with Portal() as portal:
        status, answer = await portal.post("/Messages.json", GOOD_TEXT | change)
        assert (status, answer["code"]) == (400, code)
        assert portal.fake.messages == {}


async def test_strangers_and_unknown_resources_are_turned_away():
    async with Portal() as portal:
        assert (await portal.get(f"/Calls/CA{'0' * 32}.json"))[1]["code"] == 20404
        assert (await portal.get("/Calls.json?Color=red"))[1]["code"] == 20001
        portal._web.headers.update(credentials("wrong"))
        status, answer = await portal.get("/Calls.json")
        assert (status, answer["code"]) == (401, 20003)


async def test_a_key_is_posted_signed_and_its_answer_is_heard():
    async with Portal() as portal:
        await portal.call()
        assert portal.digits == ["1"]
        assert portal.fake.transcript.of(LI.phone, "heard") == ("按1", "已确认")
        assert portal.statuses == [(0, "initiated"), (1, "ringing"), (2, "in-progress"), (3, "completed")]
        assert portal.fake.failed_callbacks == 0


async def test_callbacks_come_twice_when_told_so():
    async with Portal(faults=TwilioFaults(duplicate=1.0)) as portal:
        await portal.call()
        await portal.fake.transcript.seen(LI.phone, "hung_up")
        assert sorted(portal.statuses) == sorted([*set(portal.statuses)] * 2)
        assert len(portal.statuses) == 8


async def test_callbacks_come_out_of_order_when_told_so():
    async with Portal(faults=TwilioFaults(reorder=0.5, seed=3)) as portal:
        await portal.call()
        async with asyncio.timeout(5):
            while len(portal.statuses) < 4:  # noqa: ASYNC110  each late callback is its own task
                await asyncio.sleep(0.01)
        assert sorted(portal.statuses) != portal.statuses
        assert sorted(number for number, _ in portal.statuses) == [0, 1, 2, 3]


async def test_lists_are_filtered_paged_and_newest_first():
    async with Portal() as portal:
        for number in range(5):
            await portal.post("/Messages.json", GOOD_TEXT | {"Body": f"n{number}"})
        await portal.post("/Messages.json", GOOD_TEXT | {"To": "+8613800138002"})
        status, first = await portal.get("/Messages.json?To=%2B8613800138001&PageSize=2")
        assert status == 200
        assert [m["body"] for m in first["messages"]] == ["n4", "n3"]
        path = first["next_page_uri"].partition(ACCOUNT)[2]
        _, second = await portal.get(path)
        assert [m["body"] for m in second["messages"]] == ["n2", "n1"]
        assert second["previous_page_uri"]
        _, later = await portal.get("/Messages.json?DateSent%3E=2999-01-01")
        assert later["messages"] == []


async def test_broken_instructions_are_heard_as_an_error():
    async with Portal() as portal:
        portal.twiml = "<Response><Say>"
        await portal.call()
        assert "application error" in portal.fake.transcript.of(LI.phone, "heard")[-1]


async def test_the_transcript_can_be_read_over_http():
    async with Portal() as portal:
        await portal.call()
        async with portal._web.get(portal.fake.url + "/transcript") as answer:
            entries = await answer.json()
    assert [entry["kind"] for entry in entries][:3] == ["ringing", "picked_up", "heard"]
    assert entries[2]["words"] == "按1"
