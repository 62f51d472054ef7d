"""What every carrier owes the dispatcher, proved on each against its own simulated network.

A new carrier needs a rig here: a network it can be refused by, lose, and leave in doubt.
"""

from __future__ import annotations

import asyncio
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from firmware_sim.modem import SimModem
from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake
from gateway import plugins
from sos.carriers import gsm_modem, twilio
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message
from sos.events import LEG_ENDS, Channel, KeyPressed, Leg, LegState

ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-for-tests"
SCRIPT = "张桂兰按下了求救,请按1"
BODY = "张桂兰(3栋2单元401)按下了求救,住户𠮷田在场。" * 3 + "#A7K2"


def persona(number: int, answer: str, **more) -> Persona:
    return Persona(
        phone=f"+8613800138{number:03}",
        **({"answer": answer, "after_s": 0.15, "key_after_s": 0.3} | more),
    )


SILENT = persona(1, "no_answer")
BUSY = persona(2, "busy")
REJECTS = persona(3, "rejects")
ANSWERS = persona(4, "answers")
PRESSES = persona(5, "presses")
TALKS = persona(6, "answers", key_after_s=60)
RINGS = persona(7, "no_answer")
PEOPLE = {who.phone: who for who in (SILENT, BUSY, REJECTS, ANSWERS, PRESSES, TALKS, RINGS)}
_count = iter(range(1, 1_000_000))


def leg(who: Persona, channel: Channel) -> Leg:
    number = next(_count)
    return Leg(
        leg_id=f"inc1.1.{who.phone[-3:]}.{channel}.{number}",
        incident="inc1",
        contact=who.phone[-3:],
        name="x",
        phone=who.phone,
        role="family",
        channel=channel,
        round=1,
        attempt=number,
    )


class Rig:
    """One carrier on its own network; `keys` and `states` are what the gateway would come to know."""

    def __init__(self) -> None:
        self.keys: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def serve(self, service) -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(service.run(ready.set_result)))
        return await ready

    def report(self, event) -> None:
        if isinstance(event, KeyPressed):
            self.keys.put_nowait((event.leg_id, event.digit))

    async def settled(self) -> None:
        """Wait until the carrier can be used (again); nothing to wait for where each request stands alone."""

    async def close(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heard(self, who: Persona, kind: str) -> tuple[str, ...]:
        return self.network.transcript.of(who.phone, kind)


class TwilioRig(Rig):
    """The real client against the fake; a tiny portal takes the callbacks and checks their signatures."""

    async def open(self, _tmp_path, _monkeypatch) -> None:
        self._portal = web.AppRunner(app := web.Application())
        app.router.add_post("/twilio/gw/{kind}/{leg}", self._callback)
        await self._portal.setup()
        site = web.TCPSite(self._portal, "127.0.0.1", 0)
        await site.start()
        port = self._portal.addresses[0][1]
        self.network = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people=PEOPLE)
        self.carrier = twilio.CARRIER(
            twilio.Settings(
                account_sid=ACCOUNT,
                auth_token=TOKEN,
                from_number="+15005550006",
                callback_url=f"http://127.0.0.1:{port}/twilio",
                gateway="gw",
                base_url=await self.serve(self.network),
            )
        )
        self._tasks.append(asyncio.create_task(self.carrier.run(self.report)))

    async def _callback(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(str(request.url), form, signature)
        if request.match_info["kind"] == "voice":
            self.keys.put_nowait((request.match_info["leg"], form["Digits"]))
        return web.Response(text="<Response><Say>已确认</Say></Response>", content_type="text/xml")

    async def close(self) -> None:
        await super().close()
        await self._portal.cleanup()

    async def lose(self) -> None:
        await self.network.unplug()

    async def restore(self) -> None:
        await self.network.plug()

    def refuse_next(self) -> None:
        self.carrier = twilio.CARRIER(
            twilio.Settings(
                account_sid=ACCOUNT,
                auth_token="wrong",
                from_number="+15005550006",
                callback_url="http://127.0.0.1:9",
                base_url=self.network.url,
            )
        )

    def lose_next_answer(self, _channel: Channel) -> None:
        self.network.faults.armed.append("lost_response")

    async def ended(self, who: Persona, reference: str) -> LegState:
        await self.network.transcript.seen(who.phone, "hung_up")
        return await self.carrier.status(reference)


class ModemRig(Rig):
    """Our AT dialogue against the modem on a pseudo-terminal."""

    async def open(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(gsm_modem, "SEND_DEADLINE_S", 0.3)
        monkeypatch.setattr(gsm_modem, "DIAL_DEADLINE_S", 0.3)
        self.network = SimModem(path=tmp_path / "modem0", people=PEOPLE)
        path = await self.serve(self.network)
        settings = gsm_modem.Settings(path=path, poll_s=0.03, reopen_min_s=0.05, reopen_max_s=0.05)
        self.carrier = gsm_modem.CARRIER(settings)
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks.append(asyncio.create_task(self.carrier.run(self.report)))
        await self.settled()

    async def settled(self) -> None:
        await self.carrier.ready.wait()

    def report(self, event) -> None:
        super().report(event)
        if not isinstance(event, KeyPressed) and event.state in LEG_ENDS:
            self._end(event.leg_id).set()

    def _end(self, leg_id: str) -> asyncio.Event:
        return self._ends.setdefault(leg_id, asyncio.Event())

    async def lose(self) -> None:
        self.network.unplug()

    async def restore(self) -> None:
        self.network.plug()

    def refuse_next(self) -> None:
        self.network.faults.armed.append("text_error")

    def lose_next_answer(self, channel: Channel) -> None:
        self.network.faults.armed.append("lost_dial_answer" if channel is Channel.CALL else "lost_answer")

    async def ended(self, who: Persona, reference: str) -> LegState:
        await self.network.transcript.seen(who.phone, "hung_up")
        await self._end(reference.rsplit("/", maxsplit=1)[-1]).wait()
        return await self.carrier.status(reference)


RIGS = {"twilio": TwilioRig, "gsm_modem": ModemRig}


@pytest.fixture(params=sorted(plugins.load("carrier")))
async def rig(request, tmp_path, monkeypatch):
    if request.param not in RIGS:
        pytest.fail(f"carrier {request.param!r} has no rig here: it is not proved")
    made = RIGS[request.param]()
    await made.open(tmp_path, monkeypatch)
    yield made
    await made.close()


def test_every_carrier_says_what_it_can_do():
    for name, carrier in plugins.load("carrier").items():
        assert carrier.name == name
        assert carrier.channels
        assert carrier.concurrent >= 1
        assert carrier.place_deadline_s > 0


def test_every_setting_of_every_carrier_is_explained(root):
    page = (root / "docs" / "carriers.md").read_text(encoding="utf-8")
    for name in plugins.load("carrier"):
        settings = plugins.settings_of("carrier", name)
        assert f"## {name}" in page
        assert [field.name for field in fields(settings) if f"`{field.name}`" not in page] == []


async def test_a_text_arrives_once_and_whole(rig):
    reference = await rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body=BODY))
    assert reference
    assert await rig.network.transcript.seen(ANSWERS.phone, "text") == (BODY,)


async def test_ten_texts_at_once_all_arrive(rig):
    placed = [
        asyncio.create_task(rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body=f"{BODY}{n}")))
        for n in range(10)
    ]
    references = await asyncio.gather(*placed)
    texts = await rig.network.transcript.seen(ANSWERS.phone, "text", times=10)
    assert set(texts) == {f"{BODY}{n}" for n in range(10)}
    assert len(set(references)) == 10


async def test_a_key_is_heard_and_says_whose_leg_it_is(rig):
    placed = leg(PRESSES, Channel.CALL)
    await rig.carrier.place(placed, Message(body=SCRIPT))
    assert await rig.keys.get() == (placed.leg_id, "1")
    assert SCRIPT in rig.heard(PRESSES, "heard")


@pytest.mark.parametrize(
    ("who", "state"),
    [
        (BUSY, LegState.BUSY),
        (REJECTS, LegState.BUSY),
        (SILENT, LegState.NO_ANSWER),
        (ANSWERS, LegState.NO_KEY),
    ],
    ids=["busy", "rejects", "no answer", "no key"],
)
async def test_a_call_nobody_took_says_why(rig, who, state):
    reference = await rig.carrier.place(leg(who, Channel.CALL), Message(body=SCRIPT, ring_timeout_s=1))
    assert await rig.ended(who, reference) is state


async def test_a_call_under_way_is_followed(rig):
    reference = await rig.carrier.place(leg(TALKS, Channel.CALL), Message(body=SCRIPT))
    await rig.network.transcript.seen(TALKS.phone, "ringing")
    assert await rig.carrier.status(reference) in {LegState.PLACED, LegState.RINGING, LegState.ANSWERED}
    await rig.network.transcript.seen(TALKS.phone, "heard")
    assert await rig.carrier.status(reference) is LegState.ANSWERED


async def test_hanging_up_ends_the_call_and_doing_it_again_is_quiet(rig):
    reference = await rig.carrier.place(leg(RINGS, Channel.CALL), Message(body=SCRIPT))
    await rig.network.transcript.seen(RINGS.phone, "ringing")
    await rig.carrier.hang_up(reference)
    assert await rig.ended(RINGS, reference) is LegState.HUNG_UP
    await rig.carrier.hang_up(reference)


async def test_what_the_network_refuses_is_refused_and_nothing_was_placed(rig):
    rig.refuse_next()
    with pytest.raises(CarrierRefused) as caught:
        await rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body="短"))
    assert ANSWERS.phone not in caught.value.detail
    assert rig.network.transcript.entries == ()


@pytest.mark.parametrize("number", ["110", "120", "13800138001", "+", "hello", "+86138 00138001", ""])
@pytest.mark.parametrize("channel", list(Channel))
async def test_only_e164_is_ever_dialled(rig, number, channel):
    with pytest.raises(CarrierRefused):
        await rig.carrier.place(leg(Persona(phone=number), channel), Message(body="a"))
    assert rig.network.transcript.entries == ()


async def test_a_network_that_is_gone_is_down_and_works_when_it_is_back(rig):
    await rig.lose()
    for channel in Channel:
        with pytest.raises(CarrierDown):
            await rig.carrier.place(leg(ANSWERS, channel), Message(body="a"))
    await rig.restore()
    await rig.settled()
    await rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body="回来了"))
    assert await rig.network.transcript.seen(ANSWERS.phone, "text") == ("回来了",)


async def test_a_call_whose_answer_was_lost_is_found_and_not_made_twice(rig):
    placed, since = leg(TALKS, Channel.CALL), datetime.now(UTC)
    rig.lose_next_answer(Channel.CALL)
    with pytest.raises(CarrierAmbiguous):
        await rig.carrier.place(placed, Message(body=SCRIPT))
    await rig.network.transcript.seen(TALKS.phone, "picked_up")
    await rig.settled()
    reference = await rig.carrier.find(placed, since=since, owned=frozenset())
    assert reference is not None
    assert await rig.carrier.status(reference) in {LegState.PLACED, LegState.RINGING, LegState.ANSWERED}
    await rig.carrier.hang_up(reference)
    await rig.network.transcript.seen(TALKS.phone, "hung_up")
    assert len(rig.heard(TALKS, "ringing")) == 1


async def test_a_text_whose_answer_was_lost_is_found_when_it_went_out(rig):
    placed, since = leg(ANSWERS, Channel.TEXT), datetime.now(UTC)
    rig.lose_next_answer(Channel.TEXT)
    with pytest.raises(CarrierAmbiguous):
        await rig.carrier.place(placed, Message(body="求救 #A7K2"))
    await rig.network.transcript.seen(ANSWERS.phone, "text")
    reference = await rig.carrier.find(placed, since=since, owned=frozenset())
    assert reference is not None
    assert await rig.carrier.status(reference) is LegState.DELIVERED


async def test_what_was_never_placed_is_not_found(rig):
    for channel in Channel:
        since = datetime.now(UTC) - timedelta(hours=1)
        assert await rig.carrier.find(leg(ANSWERS, channel), since=since, owned=frozenset()) is None


async def test_what_another_leg_owns_is_not_found_again(rig):
    since = datetime.now(UTC)
    for channel in Channel:
        reference = await rig.carrier.place(leg(TALKS, channel), Message(body="求救 #A7K2"))
        await rig.network.transcript.seen(TALKS.phone, "text" if channel is Channel.TEXT else "picked_up")
        other = leg(TALKS, channel)
        assert await rig.carrier.find(other, since=since, owned=frozenset({reference})) is None
