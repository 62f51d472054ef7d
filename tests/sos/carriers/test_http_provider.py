"""What one request to a provider makes certain, and what is asked after and reported."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from sos.carriers import http_text, http_voice
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused, Message
from sos.events import Channel, KeyPressed, Leg, LegState
from sos.http_provider import MAX_OPEN
from sos.http_request import EndRequest, FindRequest, PlaceRequest, StatusRequest

PHONE = "+8613800138001"


def leg(number: int = 1, phone: str = PHONE) -> Leg:
    return Leg(
        leg_id=f"inc1.1.anna.call.{number}",
        incident="inc1",
        contact="anna",
        name="x",
        phone=phone,
        role="family",
        channel=Channel.CALL,
        round=1,
        attempt=number,
    )


class Provider:
    """Says to every request what the test tells it to, and counts."""

    def __init__(self) -> None:
        self.says: dict[str, object] = {}
        self.hits: list[str] = []
        self.url = ""
        self._leaving = asyncio.Event()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{what}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc) -> None:
        self._leaving.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        what = request.match_info["what"]
        self.hits.append(what)
        said = self.says.get(what, {"code": "0", "id": f"c{len(self.hits)}"})
        if said == "silence":
            request.transport.abort()
            return web.Response()
        if said == "slow":
            await self._leaving.wait()
        if isinstance(said, web.Response):
            return said
        return web.json_response(said)


@pytest.fixture
async def provider():
    async with Provider() as made:
        yield made


def carrier(url: str, **more) -> http_voice.HttpVoice:
    settings = {
        "place": PlaceRequest(url=f"{url}/place", id_path="id"),
        "status": StatusRequest(url=f"{url}/status", state_path="state", key_path="keys"),
        "hang_up": EndRequest(url=f"{url}/end"),
        "ok_path": "code",
        "ok_values": ("0",),
        "refused_values": ("4*",),
        "busy_values": ("9",),
        "states": {"talk": "answered", "over": "no_key"},
        "poll_s": 0.01,
        "request_timeout_s": 0.2,
    }
    return http_voice.CARRIER(http_voice.Settings(**(settings | more)))


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ({"code": "41"}, CarrierRefused),
        ({"code": 9}, CarrierDown),
        ({"code": "77"}, CarrierAmbiguous),
        ({"code": "0"}, CarrierAmbiguous),
        ({}, CarrierAmbiguous),
        ("silence", CarrierAmbiguous),
        ("slow", CarrierAmbiguous),
        (web.Response, CarrierAmbiguous),
        (lambda: web.Response(text="x" * 300_000), CarrierAmbiguous),
        (lambda: web.Response(status=302, headers={"Location": "/place"}), CarrierAmbiguous),
        (lambda: web.Response(status=404), CarrierRefused),
        (lambda: web.Response(status=400, text='{"code":"9"}'), CarrierDown),
        (lambda: web.Response(status=429), CarrierDown),
        (lambda: web.Response(status=503, text='{"code":"41"}'), CarrierAmbiguous),
    ],
)
async def test_an_answer_is_certain_or_a_doubt_and_nothing_is_asked_twice(provider, says, error):
    provider.says["place"] = says() if callable(says) else says
    with pytest.raises(error) as caught:
        await carrier(provider.url).place(leg(), Message(body="x"))
    assert type(caught.value) is error
    assert provider.hits == ["place"]


async def test_who_is_not_there_is_down():
    async with Provider() as gone:
        url = gone.url
    lost = carrier(url)
    with pytest.raises(CarrierDown):
        await lost.place(leg(), Message(body="x"))
    assert "ConnectError" in lost.trouble


async def test_wrong_credentials_are_trouble_and_a_refused_number_is_not(provider):
    one = carrier(provider.url)
    provider.says["place"] = {"code": "41"}
    with pytest.raises(CarrierRefused):
        await one.place(leg(), Message(body="x"))
    assert one.trouble == ""
    provider.says["place"] = web.Response(status=401)
    with pytest.raises(CarrierRefused):
        await one.place(leg(), Message(body="x"))
    assert one.trouble == "the provider answered 401"


async def test_no_log_line_has_an_address_with_its_number_in_it(provider, caplog):
    caplog.set_level(logging.DEBUG)
    place = PlaceRequest(url=f"{provider.url}/place?to={{phone_national}}", id_path="id")
    await carrier(provider.url, place=place).place(leg(), Message(body="x"))
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp")]
    assert [record for record in ours if PHONE[3:] in record.getMessage()] == []


async def test_a_national_number_is_only_ever_a_chinese_one(provider):
    place = PlaceRequest(url=f"{provider.url}/place", body='{"to":"{phone_national}"}', id_path="id")
    with pytest.raises(CarrierRefused):
        await carrier(provider.url, place=place).place(leg(phone="+4915112345678"), Message(body="x"))
    assert provider.hits == []


async def test_every_key_is_reported_once_and_an_end_is_not_asked_after_again(provider):
    one, heard = carrier(provider.url), []
    reported = asyncio.Event()

    def report(event) -> None:
        heard.append(event)
        reported.set()

    listening = asyncio.create_task(one.run(report))
    reference = await one.place(leg(), Message(body="x"))
    for says in (
        {"code": "0", "state": "talk", "keys": "2"},
        {"code": "0", "state": "talk", "keys": "21"},
        {"code": "0", "state": "over", "keys": "21"},
    ):
        provider.says["status"] = says
        reported.clear()
        await reported.wait()
    asked = len(provider.hits)
    assert await one.status(reference) is LegState.NO_KEY
    await one.hang_up(reference)
    assert len(provider.hits) == asked
    listening.cancel()
    await asyncio.wait([listening])
    assert [event.digit for event in heard if isinstance(event, KeyPressed)] == ["2", "1"]
    assert {event.leg_id for event in heard} == {leg().leg_id}
    assert [event.state for event in heard if not isinstance(event, KeyPressed)] == [
        LegState.ANSWERED,
        LegState.NO_KEY,
    ]


async def test_a_key_heard_after_a_restart_says_whose_it_is(provider):
    reference = await carrier(provider.url).place(leg(7), Message(body="x"))
    provider.says["status"] = {"code": "0", "state": "talk", "keys": "1"}
    after, heard = carrier(provider.url), asyncio.Queue()
    listening = asyncio.create_task(after.run(heard.put_nowait))
    await asyncio.sleep(0)
    assert await after.status(reference) is LegState.ANSWERED
    assert (await heard.get()).leg_id == leg(7).leg_id
    listening.cancel()
    await asyncio.wait([listening])


async def test_an_unknown_word_is_placed_and_said_once(provider, caplog):
    one = carrier(provider.url)
    provider.says["status"] = {"code": "0", "state": "new word"}
    reference = await one.place(leg(), Message(body="x"))
    assert [await one.status(reference) for _ in range(3)] == [LegState.PLACED] * 3
    assert caplog.text.count("new word") == 1


async def test_without_status_list_or_end_it_says_what_it_cannot_do(provider):
    bare = carrier(provider.url, status=None, hang_up=None)
    reference = await bare.place(leg(), Message(body="x"))
    assert await bare.status(reference) is LegState.PLACED
    with pytest.raises(CarrierError):
        await bare.hang_up(reference)
    with pytest.raises(CarrierError):
        await bare.find(leg(), since=datetime.now(UTC), owned=frozenset())
    assert provider.hits == ["place"]


async def test_hanging_up_a_call_that_goes_on_and_is_refused_is_told(provider):
    one = carrier(provider.url)
    reference = await one.place(leg(), Message(body="x"))
    provider.says |= {"end": {"code": "41"}, "status": {"code": "0", "state": "talk"}}
    with pytest.raises(CarrierRefused):
        await one.hang_up(reference)
    provider.says["status"] = {"code": "0", "state": "over"}
    await one.hang_up(reference)


async def test_a_list_without_our_own_id_goes_by_the_time_and_takes_the_oldest_unowned(provider):
    find = FindRequest(
        url=f"{provider.url}/list", list_path="l", id_path="id", time_path="at", time_format="unix"
    )
    one, since = carrier(provider.url, find=find), datetime.now(UTC)

    def item(name: str, seconds: float) -> dict:
        return {"id": name, "at": (since + timedelta(seconds=seconds)).timestamp()}

    provider.says["list"] = {
        "code": "0",
        "l": [item("new", 9), item("mine", 2), item("owned", 1), item("old", -60), {"id": "timeless"}, "?"],
    }
    owned = frozenset({f"owned {leg(5).leg_id}"})
    reference = await one.find(leg(), since=since, owned=owned)
    assert reference == f"mine {leg().leg_id}"
    provider.says["list"] = {"code": "0", "l": "not a list"}
    with pytest.raises(CarrierError):
        await one.find(leg(), since=since, owned=owned)
    provider.says["list"] = {"code": "0"}
    assert await one.find(leg(), since=since, owned=owned) is None


async def test_open_legs_are_bounded_and_the_oldest_goes(provider):
    one = carrier(provider.url)
    for number in range(MAX_OPEN + 3):
        one._follow(f"c{number} {leg(number).leg_id}")
    assert len(one._open) == MAX_OPEN
    assert one.dropped == 3


async def test_hanging_up_a_text_asks_nobody(provider):
    place = PlaceRequest(url=f"{provider.url}/place", id_path="id")
    await http_text.CARRIER(http_text.Settings(place=place)).hang_up("c1 inc1")
    assert provider.hits == []
