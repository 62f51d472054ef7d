from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake
from sos import twilio_http
from sos.carriers import twilio
from sos.carriers.base import CarrierAmbiguous, CarrierDown, Message
from sos.events import LEG_ENDS, Channel, Leg, LegState

ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-for-tests"
SPEC = json.loads((Path(__file__).parents[2] / "vectors" / "twilio_calls_messages.openapi.json").read_text())
LI = Persona(phone="+8613800138001", answer="answers", after_s=0.05, key_after_s=30)
MAIL = Persona(phone="+8613800138002", answer="voicemail", after_s=0.05, key_after_s=0.05)


def leg(who: Persona = LI, channel: Channel = Channel.CALL, name: str = "a") -> Leg:
    return Leg(
        leg_id=f"inc1.1.{name}.{channel}.1",
        incident="inc1",
        contact=name,
        name="x",
        phone=who.phone,
        role="family",
        channel=channel,
        round=1,
        attempt=1,
    )


def settings_for(url: str, **more) -> twilio.Settings:
    return twilio.Settings(
        **(
            {
                "account_sid": ACCOUNT,
                "auth_token": TOKEN,
                "from_number": "+15005550006",
                "callback_url": "http://127.0.0.1:9/twilio/",
                "gateway": "gw-新河",
                "base_url": url,
            }
            | more
        )
    )


@pytest.fixture
async def fake():
    people = {who.phone: who for who in (LI, MAIL)}
    made = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people=people, callbacks=False)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(made.run(ready.set_result))
    await ready
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def carrier(fake):
    return twilio.CARRIER(settings_for(fake.url))


async def test_the_call_says_the_script_and_asks_for_one_key(fake, carrier):
    sid = await carrier.place(leg(), Message(body="请按1 <&> “好”", ring_timeout_s=25))
    call = fake.calls[sid]
    gather, goodbye, hangup = ET.fromstring(call.twiml)
    assert (goodbye.tag, hangup.tag) == ("Say", "Hangup")
    assert gather.tag == "Gather"
    assert gather.attrib == {
        "input": "dtmf",
        "numDigits": "1",
        "finishOnKey": "",
        "timeout": "10",
        "method": "POST",
        "action": "http://127.0.0.1:9/twilio/gw-%E6%96%B0%E6%B2%B3/voice/inc1.1.a.call.1",
    }
    (say,) = gather
    assert (say.text, say.attrib) == ("请按1 <&> “好”", {"language": "zh-CN", "loop": "3"})
    assert call.timeout_s == 25
    assert call.callback == "http://127.0.0.1:9/twilio/gw-%E6%96%B0%E6%B2%B3/status/inc1.1.a.call.1"
    assert call.events == {"initiated", "ringing", "answered", "completed"}


async def test_the_text_carries_its_callback(fake, carrier):
    sid = await carrier.place(leg(channel=Channel.TEXT), Message(body="求救 #A7K2"))
    assert fake.messages[sid].callback.endswith("/status/inc1.1.a.text.1")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("too_many", CarrierDown),
        ("server_error", CarrierAmbiguous),
        ("lost_response", CarrierAmbiguous),
    ],
)
@pytest.mark.parametrize("channel", sorted(twilio.CARRIER.channels))
async def test_a_fault_is_told_by_what_it_left_behind_and_nothing_is_tried_twice(
    fake, carrier, fault, error, channel
):
    fake.faults.armed.append(fault)
    with pytest.raises(error) as caught:
        await carrier.place(leg(channel=channel), Message(body="求救"))
    assert LI.phone not in caught.value.detail
    assert carrier.trouble == caught.value.detail
    assert fake.requests == 1
    assert len(fake.calls) + len(fake.messages) == (fault == "lost_response")


async def test_an_answer_that_never_comes_is_ambiguous(monkeypatch):
    monkeypatch.setattr(twilio_http, "REQUEST_S", 0.2)
    got = asyncio.Event()

    async def silent(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        got.set()
        await reader.read()
        writer.close()

    await _against(silent, CarrierAmbiguous)
    assert got.is_set()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null"])
async def test_an_answer_nobody_can_read_is_ambiguous(body):
    async def babbling(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    await _against(babbling, CarrierAmbiguous)


async def _against(server, error) -> None:
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        with pytest.raises(error):
            await twilio.CARRIER(settings_for(f"http://127.0.0.1:{port}")).place(leg(), Message(body="a"))


async def test_a_name_that_does_not_resolve_is_down():
    with pytest.raises(CarrierDown):
        await twilio.CARRIER(settings_for("http://nowhere.invalid")).place(leg(), Message(body="a"))


async def test_a_call_that_is_not_listed_yet_is_found_later(fake, carrier):
    fake.faults.listing_lag_s = 3600
    since = datetime.now(UTC)
    sid = await carrier.place(leg(), Message(body="a"))
    assert await carrier.find(leg(), since=since, owned=frozenset()) is None
    fake.faults.listing_lag_s = 0
    assert await carrier.find(leg(), since=since, owned=frozenset()) == sid


async def test_calls_of_before_are_left_out_and_of_two_the_older_is_taken(fake, carrier):
    sids = [await carrier.place(leg(name=name), Message(body="a")) for name in "abc"]
    now = datetime.now(UTC)
    for sid, age_s in zip(sids, (300, 4, 2), strict=True):
        fake.calls[sid].created = now - timedelta(seconds=age_s)
    assert await carrier.find(leg(), since=now, owned=frozenset()) == sids[1]
    assert await carrier.find(leg(), since=now, owned=frozenset(sids[1:2])) == sids[2]
    assert await carrier.find(leg(), since=now, owned=frozenset(sids[1:])) is None


async def test_a_text_is_known_by_its_reference(fake, carrier):
    since = datetime.now(UTC)
    await carrier.place(leg(channel=Channel.TEXT, name="a"), Message(body="求救 #A7K2"))
    fake.faults.armed.append("server_error")
    with pytest.raises(CarrierAmbiguous):
        await carrier.place(leg(channel=Channel.TEXT, name="b"), Message(body="求救 #B8M3"))
    assert await carrier.find(leg(channel=Channel.TEXT, name="b"), since=since, owned=frozenset()) is None
    third = await carrier.place(leg(channel=Channel.TEXT, name="c"), Message(body="又求救 #B8M3"))
    assert await carrier.find(leg(channel=Channel.TEXT, name="b"), since=since, owned=frozenset()) == third


async def test_after_a_restart_a_text_is_found_by_person_and_time(fake, carrier):
    since = datetime.now(UTC)
    sid = await carrier.place(leg(channel=Channel.TEXT), Message(body="求救 #A7K2"))
    restarted = twilio.CARRIER(settings_for(fake.url))
    assert await restarted.find(leg(channel=Channel.TEXT), since=since, owned=frozenset()) == sid


async def test_a_machine_that_picks_up_is_a_voicemail_when_twilio_listens_for_it(fake):
    carrier = twilio.CARRIER(settings_for(fake.url, machine_detection=True))
    sid = await carrier.place(leg(MAIL), Message(body="a"))
    await fake.transcript.seen(MAIL.phone, "hung_up")
    assert await carrier.status(sid) is LegState.VOICEMAIL


async def test_hanging_up_what_twilio_does_not_know_is_quiet(carrier):
    await carrier.hang_up("CA" + "0" * 32)
    await carrier.hang_up("SM" + "0" * 32)


async def test_hanging_up_says_so_when_twilio_cannot_be_reached(fake, carrier):
    sid = await carrier.place(leg(), Message(body="a"))
    await fake.unplug()
    with pytest.raises(CarrierDown):
        await carrier.hang_up(sid)
    with pytest.raises(CarrierDown):
        await carrier.find(leg(), since=datetime.now(UTC), owned=frozenset())


async def test_stopping_the_carrier_and_using_it_again_works(fake, carrier):
    running = asyncio.create_task(carrier.run(lambda _event: None))
    await carrier.place(leg(), Message(body="a"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await carrier.place(leg(), Message(body="a"))
    assert len(fake.calls) == 2


def test_every_status_of_twilios_description_has_a_meaning():
    schemas = SPEC["components"]["schemas"]
    assert set(schemas["call_enum_status"]["enum"]) <= set(twilio.CALL_STATES)
    outbound = set(schemas["message_enum_status"]["enum"]) - {"receiving", "received"}
    assert outbound == set(twilio.MESSAGE_STATES)
    ends = {"completed", "busy", "no-answer", "failed", "canceled"}
    assert {word for word, state in twilio.CALL_STATES.items() if state in LEG_ENDS} == ends
    assert twilio.TwilioCarrier.state_of("delivered") is LegState.DELIVERED
    assert twilio.TwilioCarrier.state_of("canceled") is LegState.HUNG_UP
    assert twilio.TwilioCarrier.state_of("in-progress") is LegState.ANSWERED
    assert twilio.TwilioCarrier.state_of("nonsense") is None


def test_importing_the_carrier_does_not_load_the_client():
    code = "import sys, sos.carriers.twilio; sys.exit('twilio' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
