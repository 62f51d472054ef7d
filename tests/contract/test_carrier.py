"""What every carrier owes the dispatcher, proved on each against its own simulated network.

A new carrier needs a rig in `rigs/<carrier>.py` (`rigs/base.py` says what one gives):
a network it can be refused by, lose, and leave in doubt.
A point is run for every channel a carrier has, and for no other:
what holds for text, call, BeiDou and siren alike comes first, what only telephones do after it.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import nullcontext, suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rigs.base import ANSWERS, BODY, BUSY, PRESSES, REJECTS, RINGS, SCRIPT, SILENT, TALKS, leg, leg_to

from gateway import plugins
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused, Message
from sos.events import LEG_ENDS, Channel, KeyPressed, LegState

RIGS = Path(__file__).parent / "rigs"
CARRIERS = dict(sorted(plugins.load("carrier").items()))
GOES_ON = {LegState.PLACED, LegState.RINGING, LegState.ANSWERED}
"""What is said of a call somebody listens to, and of a siren that sounds."""
STANDS = {
    Channel.TEXT: {LegState.PLACED, LegState.DELIVERED},
    Channel.CALL: GOES_ON,
    Channel.BEIDOU: {LegState.PLACED, LegState.DELIVERED},
    Channel.SIREN: GOES_ON,
}
TELEPHONE = (Channel.TEXT, Channel.CALL)
LASTING = (Channel.CALL, Channel.SIREN)


def on(*channels: Channel):
    """Run the point on every carrier, for each of these channels it has."""
    pairs = [(name, one) for name, carrier in CARRIERS.items() for one in channels if one in carrier.channels]
    ids = [f"{name}-{channel.value}" for name, channel in pairs]
    return pytest.mark.parametrize(("rig", "channel"), pairs, indirect=["rig"], ids=ids)


any_channel = on(*Channel)
texts = pytest.mark.parametrize(
    "rig", [name for name, carrier in CARRIERS.items() if Channel.TEXT in carrier.channels], indirect=True
)
calls = pytest.mark.parametrize(
    "rig", [name for name, carrier in CARRIERS.items() if Channel.CALL in carrier.channels], indirect=True
)


@pytest.fixture
async def rig(request, tmp_path, monkeypatch):
    if not (RIGS / f"{request.param}.py").exists():
        pytest.fail(f"carrier {request.param!r} has no rig in tests/contract/rigs: it is not proved")
    made = importlib.import_module(f"rigs.{request.param}").RIG()
    await made.open(tmp_path, monkeypatch)
    yield made
    await made.close()


# --------------------------------------------------------------------------- what it says of itself


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_says_what_it_can_do(name):
    carrier = CARRIERS[name]
    assert carrier.name == name
    assert carrier.channels
    assert carrier.channels <= set(Channel)
    assert carrier.concurrent >= 1
    assert carrier.place_deadline_s > 0


@pytest.mark.parametrize("name", CARRIERS)
def test_every_setting_of_every_carrier_is_explained(name, root):
    page = (root / "docs" / "carriers.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert section, f"docs/carriers.md has no section for {name}"
    settings = plugins.settings_of("carrier", name)
    assert [field.name for field in fields(settings) if f"`{field.name}`" not in section] == []


# --------------------------------------------------------------------------- whatever the channel


@any_channel
async def test_a_leg_comes_out_at_the_far_end_once(rig, channel):
    placed = rig.leg(channel)
    reference = await rig.carrier.place(placed, rig.message(channel))
    assert isinstance(reference, str)
    assert reference
    await rig.arrived(placed)
    assert rig.arrivals() == 1
    assert await rig.carrier.status(reference) in STANDS[channel]


@any_channel
async def test_what_the_network_refuses_is_refused_and_nothing_was_placed(rig, channel):
    if channel not in rig.refuses:
        pytest.skip(f"this network cannot be made to refuse a {channel.value}")
    rig.refuse_next(channel)
    refused = rig.leg(channel)
    with pytest.raises(CarrierRefused) as caught:
        await rig.carrier.place(refused, rig.message(channel))
    assert caught.value.detail
    assert not refused.phone or refused.phone not in caught.value.detail
    assert rig.arrivals() == 0


@any_channel
async def test_a_network_that_is_gone_is_down_and_works_when_it_is_back(rig, channel):
    await rig.lose()
    lost = rig.leg(channel)
    with pytest.raises(CarrierDown) as caught:
        await rig.carrier.place(lost, rig.message(channel))
    assert not lost.phone or lost.phone not in caught.value.detail
    assert rig.arrivals() == 0
    await rig.restore()
    await rig.settled()
    placed = rig.leg(channel)
    await rig.carrier.place(placed, rig.message(channel))
    await rig.arrived(placed)
    assert rig.arrivals() == 1


@any_channel
async def test_trouble_says_why_it_cannot_be_used_and_is_empty_while_it_can(rig, channel):
    assert rig.carrier.trouble == ""
    await rig.lose()
    with pytest.raises(CarrierDown):
        await rig.carrier.place(rig.leg(channel), rig.message(channel))
    assert rig.carrier.trouble
    await rig.restore()
    await rig.settled()
    await rig.carrier.place(rig.leg(channel), rig.message(channel))
    assert rig.carrier.trouble == ""


@any_channel
async def test_a_leg_whose_answer_was_lost_is_ambiguous_and_never_repeated(rig, channel):
    placed, since = rig.leg(channel), datetime.now(UTC)
    rig.lose_next_answer(channel)
    with pytest.raises(CarrierAmbiguous) as caught:
        await rig.carrier.place(placed, rig.message(channel))
    assert not placed.phone or placed.phone not in caught.value.detail
    await rig.arrived(placed)
    await rig.settled()
    if rig.finds:
        reference = await rig.carrier.find(placed, since=since, owned=frozenset())
        assert reference is not None
        assert await rig.carrier.status(reference) in STANDS[channel]
        await rig.carrier.hang_up(reference)
        if channel in LASTING:
            await rig.over(placed)
    else:
        with suppress(CarrierError):
            assert await rig.carrier.find(placed, since=since, owned=frozenset()) is None
    assert rig.arrivals() == 1


@any_channel
async def test_what_was_never_placed_is_not_found(rig, channel):
    since = datetime.now(UTC) - timedelta(hours=1)
    with nullcontext() if rig.finds else suppress(CarrierError):
        assert await rig.carrier.find(rig.leg(channel), since=since, owned=frozenset()) is None


@any_channel
async def test_what_another_leg_owns_is_not_found_again(rig, channel):
    since = datetime.now(UTC)
    placed = rig.leg(channel)
    reference = await rig.carrier.place(placed, rig.message(channel))
    await rig.arrived(placed)
    owned = frozenset({reference})
    with nullcontext() if rig.finds else suppress(CarrierError):
        assert await rig.carrier.find(rig.leg(channel), since=since, owned=owned) is None


@any_channel
async def test_hanging_up_is_quiet_however_often_and_whatever_it_is_for(rig, channel):
    placed = rig.leg(channel)
    reference = await rig.carrier.place(placed, rig.message(channel))
    await rig.arrived(placed)
    await rig.carrier.hang_up(reference)
    if channel in LASTING:
        await rig.over(placed)
    await rig.carrier.hang_up(reference)
    assert rig.arrivals() == 1


@any_channel
async def test_its_own_loop_ends_when_cancelled_and_can_be_started_again(rig, channel):
    assert await rig.stop_listening()
    rig.listen()
    await rig.settled()
    placed = rig.leg(channel)
    await rig.carrier.place(placed, rig.message(channel))
    await rig.arrived(placed)


@any_channel
async def test_its_own_loop_survives_the_loss_of_the_line(rig, channel):
    await rig.lose()
    with pytest.raises(CarrierDown):
        await rig.carrier.place(rig.leg(channel), rig.message(channel))
    await rig.restore()
    await rig.settled()
    assert await rig.stop_listening(), "the loop had ended by itself"


@any_channel
async def test_what_it_reports_is_of_legs_it_was_given(rig, channel):
    placed = rig.leg(channel)
    await rig.carrier.place(placed, rig.message(channel))
    await rig.arrived(placed)
    assert await rig.stop_listening()
    assert {event.leg_id for event in rig.reports} <= {placed.leg_id}
    assert all(isinstance(event, KeyPressed) or event.state in LegState for event in rig.reports)


# --------------------------------------------------------------------------- telephones


@pytest.mark.parametrize("number", ["110", "120", "13800138001", "+", "hello", "+86138 00138001", ""])
@on(*TELEPHONE)
async def test_only_e164_is_ever_dialled(rig, channel, number):
    with pytest.raises(CarrierRefused):
        await rig.carrier.place(leg_to(number, channel), Message(body="a"))
    assert rig.arrivals() == 0


@texts
async def test_a_text_arrives_once_and_whole(rig):
    reference = await rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body=BODY))
    assert reference
    assert await rig.network.transcript.seen(ANSWERS.phone, "text") == (BODY,)


@texts
async def test_ten_texts_at_once_all_arrive(rig):
    placed = [
        asyncio.create_task(rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body=f"{BODY}{n}")))
        for n in range(10)
    ]
    references = await asyncio.gather(*placed)
    arrived = await rig.network.transcript.seen(ANSWERS.phone, "text", times=10)
    assert set(arrived) == {f"{BODY}{n}" for n in range(10)}
    assert len(set(references)) == 10


@texts
async def test_a_text_with_every_kind_of_character_arrives_as_it_is(rig):
    body = '𠮷\\n"{name}" & <b>100%</b>=+?\t#A7K2\n第二行 \U0001f198 ½'
    await rig.carrier.place(leg(ANSWERS, Channel.TEXT), Message(body=body))
    assert await rig.network.transcript.seen(ANSWERS.phone, "text") == (body,)


@texts
async def test_a_text_whose_answer_was_lost_is_found_again(rig):
    placed, since = leg(ANSWERS, Channel.TEXT), datetime.now(UTC)
    rig.lose_next_answer(Channel.TEXT)
    with pytest.raises(CarrierAmbiguous):
        await rig.carrier.place(placed, Message(body="求救 #A7K2"))
    await rig.network.transcript.seen(ANSWERS.phone, "text")
    if not rig.finds:
        pytest.skip("this network keeps no list")
    reference = await rig.carrier.find(placed, since=since, owned=frozenset())
    assert reference is not None
    state = await rig.carrier.status(reference)
    assert state is (LegState.DELIVERED if rig.delivers else LegState.PLACED)


@calls
async def test_a_key_is_heard_and_says_whose_leg_it_is(rig):
    placed = leg(PRESSES, Channel.CALL)
    await rig.carrier.place(placed, Message(body=SCRIPT))
    assert await rig.keys.get() == (placed.leg_id, "1")
    assert SCRIPT in rig.heard(PRESSES, "heard")


@calls
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


@calls
async def test_a_call_under_way_is_followed(rig):
    reference = await rig.carrier.place(leg(TALKS, Channel.CALL), Message(body=SCRIPT))
    await rig.network.transcript.seen(TALKS.phone, "ringing")
    assert await rig.carrier.status(reference) in GOES_ON
    await rig.network.transcript.seen(TALKS.phone, "heard")
    assert await rig.carrier.status(reference) is LegState.ANSWERED


@calls
async def test_hanging_up_ends_the_call(rig):
    reference = await rig.carrier.place(leg(RINGS, Channel.CALL), Message(body=SCRIPT))
    await rig.network.transcript.seen(RINGS.phone, "ringing")
    await rig.carrier.hang_up(reference)
    state = await rig.ended(RINGS, reference)
    assert state is LegState.HUNG_UP
    assert state in LEG_ENDS
