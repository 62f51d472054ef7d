"""Twilio's own description between the real client and our fake: either side's mistake fails the test."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake
from firmware_sim.twilio_records import CallRecord
from sos.carriers.base import CarrierError, CarrierRefused, Message
from sos.carriers.twilio import CARRIER, Settings
from sos.events import Channel, Leg, LegState

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PRISM = ROOT / "node_modules" / ".bin" / "prism"
SPEC = ROOT / "tests" / "vectors" / "twilio_calls_messages.openapi.json"
ACCOUNT, TOKEN = "AC" + "0123456789abcdef" * 2, "a-token-for-tests"
LI = "+8613800138001"


@asynccontextmanager
async def prism(target: str):
    """Run `prism proxy --errors` on a free port; gives its URL and, growing, what it printed."""
    if not PRISM.exists():
        pytest.fail(f"{PRISM} is missing: run `npm ci` (it is in package.json), this test does not skip")
    process = await asyncio.create_subprocess_exec(
        *(str(PRISM), "proxy", "--errors", "--host", "127.0.0.1", "--port", "0", str(SPEC), target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed: list[str] = []
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            printed.append(line.decode())
            if (found := re.search(r"listening on (http://[\w.:]+)", printed[-1])) and not listening.done():
                listening.set_result(found.group(1))
        if not listening.done():
            listening.set_exception(RuntimeError("prism ended: " + "".join(printed)))

    reader = asyncio.create_task(read())
    try:
        yield await asyncio.wait_for(listening, 60), printed
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reader


def leg(channel: Channel) -> Leg:
    return Leg(
        leg_id=f"inc1.1.li.{channel}.1",
        incident="inc1",
        contact="li",
        name="李建国",
        phone=LI,
        role="family",
        channel=channel,
        round=1,
        attempt=1,
    )


def settings_for(url: str) -> Settings:
    return Settings(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        from_number="+15005550006",
        callback_url="http://127.0.0.1:9/twilio",
        gateway="gw-test",
        base_url=url,
        machine_detection=True,
    )


def violations(printed: list[str]) -> list[str]:
    return [line for line in printed if "terminated with error" in line or "iolation" in line]


async def test_the_real_client_and_our_fake_keep_to_twilios_own_description():
    people = {LI: Persona(phone=LI, answer="presses", after_s=0.2, key_after_s=30)}
    fake = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people=people, callbacks=False)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(fake.run(ready.set_result))
    async with prism(await ready) as (url, printed):
        carrier = CARRIER(settings_for(url))
        since = datetime.now(UTC)
        call = await carrier.place(leg(Channel.CALL), Message(body="张桂兰按下了求救"))
        await fake.transcript.seen(LI, "heard")
        assert await carrier.status(call) is LegState.ANSWERED
        assert await carrier.find(leg(Channel.CALL), since=since, owned=frozenset()) == call
        await carrier.hang_up(call)
        await fake.transcript.seen(LI, "hung_up")
        assert await carrier.status(call) is LegState.NO_KEY
        text = await carrier.place(leg(Channel.TEXT), Message(body="张桂兰按下了求救 #A7K2"))
        await fake.transcript.seen(LI, "text")
        assert await carrier.find(leg(Channel.TEXT), since=since, owned=frozenset()) == text
        assert await carrier.status(text) is LegState.DELIVERED
        owned = frozenset({call, text})
        listed = [await carrier.find(leg(channel), since=since, owned=owned) for channel in carrier.channels]
        assert listed == [None, None]
    running.cancel()
    assert fake.requests == 10
    assert violations(printed) == []


async def test_a_violation_of_either_side_is_seen(monkeypatch):
    """The proxy is not asleep: it stops a request and an answer that are against the description."""
    fake = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people={}, callbacks=False)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(fake.run(ready.set_result))
    async with prism(await ready) as (url, printed):
        wrong = CARRIER(replace(settings_for(url), account_sid="ACdemo"))
        with pytest.raises(CarrierRefused):
            await wrong.place(leg(Channel.CALL), Message(body="a"))
        assert fake.requests == 0
        show = CallRecord.show
        monkeypatch.setattr(CallRecord, "show", lambda call: show(call) | {"status": "on its way"})
        with pytest.raises(CarrierError):
            await CARRIER(settings_for(url)).place(leg(Channel.CALL), Message(body="a"))
        assert fake.requests == 1
        async with asyncio.timeout(30):  # prism prints after it has answered
            while len(violations(printed)) < 2:  # noqa: ASYNC110 (another process prints)
                await asyncio.sleep(0.05)
    running.cancel()
    assert len(violations(printed)) == 2
