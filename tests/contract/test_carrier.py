"""What every carrier owes the dispatcher, proved on each against its own simulated network.

A new carrier needs a rig in `rigs/<carrier>.py`: a network it can be refused by, lose, and leave in doubt.
A point about a channel the carrier does not have is skipped.
"""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rigs.base import ANSWERS, BODY, BUSY, PRESSES, REJECTS, RINGS, SCRIPT, SILENT, TALKS, leg

from firmware_sim.people import Persona
from gateway import plugins
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message
from sos.events import Channel, LegState

RIGS = Path(__file__).parent / "rigs"


@pytest.fixture(params=sorted(plugins.load("carrier")))
async def rig(request, tmp_path, monkeypatch):
    if not (RIGS / f"{request.param}.py").exists():
        pytest.fail(f"carrier {request.param!r} has no rig in tests/contract/rigs: it is not proved")
    made = importlib.import_module(f"rigs.{request.param}").RIG()
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
@pytest.mark.parametrize("channel", [Channel.TEXT, Channel.CALL])
async def test_only_e164_is_ever_dialled(rig, number, channel):
    with pytest.raises(CarrierRefused):
        await rig.carrier.place(leg(Persona(phone=number), channel), Message(body="a"))
    assert rig.network.transcript.entries == ()


async def test_a_network_that_is_gone_is_down_and_works_when_it_is_back(rig):
    await rig.lose()
    for channel in sorted(rig.carrier.channels):
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
    for channel in sorted(rig.carrier.channels):
        since = datetime.now(UTC) - timedelta(hours=1)
        assert await rig.carrier.find(leg(ANSWERS, channel), since=since, owned=frozenset()) is None


async def test_what_another_leg_owns_is_not_found_again(rig):
    since = datetime.now(UTC)
    for channel in sorted(rig.carrier.channels):
        reference = await rig.carrier.place(leg(TALKS, channel), Message(body="求救 #A7K2"))
        await rig.network.transcript.seen(TALKS.phone, "text" if channel is Channel.TEXT else "picked_up")
        other = leg(TALKS, channel)
        assert await rig.carrier.find(other, since=since, owned=frozenset({reference})) is None
