"""Twilio's own description between the real client and our fake: either side's mistake fails the test."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.house import House, Relay
from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake, TwilioFaults
from firmware_sim.twilio_records import CallRecord
from sos.carriers.base import CarrierError, CarrierRefused, Message
from sos.carriers.twilio import CARRIER, Settings
from sos.events import Channel, HangUp, Leg, LegReported, LegState, PlaceCall
from sos.incident import Phase
from sos.plan import Contact, Plan

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


SON = Contact(contact="son", name="李建国", phone=LI)
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002")
FAMILY = Plan(family=(SON, DAUGHTER), ring_timeout_s=5, repeat_after_s=3600)
PEOPLE = {
    SON.phone: Persona(phone=SON.phone, answer="busy"),
    DAUGHTER.phone: Persona(phone=DAUGHTER.phone, answer="presses", after_s=0.3, key_after_s=0.5),
}


@asynccontextmanager
async def alarm(folder: Path, faults: TwilioFaults, *, through: str = "", **limits):
    """A whole alarm of a family of two: the son is busy, the daughter presses 1. Gives house, fake, relay."""
    async with AsyncExitStack() as stack:
        relay = Relay(auth_token=TOKEN)
        callback_url = await stack.enter_async_context(relay.serving())
        fake = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people=PEOPLE, faults=faults)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(fake.run(ready.set_result))
        stack.callback(running.cancel)
        url, printed = await ready, []
        if through:
            url, printed = await stack.enter_async_context(prism(url))
        settings = replace(settings_for(url), callback_url=callback_url, machine_detection=False)
        house = House(folder=folder, carriers=[CARRIER(settings)], plan=FAMILY, **limits)
        relay.pass_to(house.dispatcher)
        await stack.enter_async_context(house.living())
        yield house, fake, relay, printed


def ending(house: House) -> tuple[str, str | None, dict[str, int]]:
    """What must be the same whatever goes wrong: who has it, and how often each was dialled and texted."""
    legs = Counter(f"{one.leg.contact} {one.leg.channel} {one.leg.purpose}" for one in house.incident.legs)
    return house.incident.phase.value, house.incident.acknowledged_by, dict(legs)


QUIET = (
    "acknowledged",
    DAUGHTER.name,
    {"son text alarm": 1, "daughter text alarm": 1, "son call alarm": 1, "daughter call alarm": 1}
    | {"son text taken": 1},
)


async def test_a_whole_alarm_through_twilios_own_description_is_without_a_violation(tmp_path):
    """Texts to all, a call that is busy, a call whose answer is lost, listed, found and taken."""
    faults = TwilioFaults()
    async with (
        alarm(tmp_path, faults, through="prism", poll_s=0.1, settle_s=2) as (house, fake, relay, printed),
        asyncio.timeout(90),
    ):
        house.press()
        await house.until_phase(Phase.ACKNOWLEDGED)
        await fake.transcript.seen(SON.phone, "text", times=2)
        lost = replace(leg(Channel.CALL), leg_id="i1.9.rings.call.1", phone="+8613800138003")
        faults.armed.append("lost_response")
        house.dispatcher.execute(PlaceCall(leg=lost, script="再打一次", ring_timeout_s=5))
        while house.dispatcher.counters.adopted == 0:  # noqa: ASYNC110  a counter in a task of the house
            await asyncio.sleep(0.05)
        house.dispatcher.execute(HangUp(leg_id=lost.leg_id))
        assert await fake.transcript.seen(lost.phone, "hung_up") == ("canceled",)
        assert fake.transcript.of(lost.phone, "ringing") == ("",)
        phase, by, legs = ending(house)
        assert (phase, by) == ("acknowledged", DAUGHTER.name)
        assert legs["daughter call alarm"] == 1
        assert relay.refused == 0
        assert [line for line in violations(printed) if "socket hang up" not in line] == [], (
            "the lost answer is the only thing the proxy may complain of"
        )


@pytest.mark.parametrize(
    "faults",
    [
        TwilioFaults(),
        TwilioFaults(duplicate=1.0),
        TwilioFaults(reorder=1.0),
        TwilioFaults(duplicate=0.5, reorder=0.5, seed=7),
        TwilioFaults(late=1.0, late_s=3.0),
        TwilioFaults(listing_lag_s=1.0, armed=["lost_response"] * 2),
    ],
    ids=["none", "every one twice", "reordered", "both", "late", "answers lost and a list that lags"],
)
async def test_whatever_happens_to_callbacks_the_alarm_ends_the_same_and_nobody_is_dialled_twice(
    faults, tmp_path
):
    async with (
        alarm(tmp_path, faults, poll_s=0.2, settle_s=2) as (house, fake, relay, _),
        asyncio.timeout(60),
    ):
        house.press()
        await house.until_phase(Phase.ACKNOWLEDGED)
        await house.until(
            lambda: not any(one.is_open for one in house.incident.legs) or faults.listing_lag_s > 0
        )
        await asyncio.wait_for(house.until_quiet(), 20)
        await asyncio.sleep(faults.late_s if faults.late else 0)
        assert ending(house) == QUIET
        assert Counter(one.to for one in fake.calls.values()) == {SON.phone: 1, DAUGHTER.phone: 1}
        assert relay.refused == 0


async def test_with_no_callback_at_all_polling_tells_how_the_calls_went(tmp_path):
    async with (
        alarm(tmp_path, TwilioFaults(), poll_s=0.2) as (house, fake, relay, _),
        asyncio.timeout(60),
    ):
        fake.cut_callbacks()
        house.press()
        await house.until(
            lambda: (
                {one.state for one in house.incident.legs if one.leg.leg_id.startswith("i1.1.son.call")}
                == {LegState.BUSY}
            )
        )
        await fake.transcript.seen(DAUGHTER.phone, "picked_up")
        assert relay.taken == 0


async def test_a_person_taken_for_a_machine_can_still_press_1(tmp_path):
    """The hint calls the next; the 1 from the call that was guessed wrong takes it."""
    state = LegReported(leg_id="i1.1.son.call.1", state=LegState.VOICEMAIL, at=datetime.now(UTC))
    async with (
        alarm(tmp_path, TwilioFaults(), poll_s=0.2) as (house, _fake, relay, _),
        asyncio.timeout(60),
    ):
        house.press()
        house.tell(state)
        await house.until(lambda: house.incident.leg("i1.1.daughter.call.1") is not None)
        relay.press("i1.1.son.call.1", "1")
        await house.until_phase(Phase.ACKNOWLEDGED)
        assert house.incident.acknowledged_by == SON.name


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
