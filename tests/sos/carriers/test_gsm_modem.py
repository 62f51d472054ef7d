from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from firmware_sim.modem import SimModem
from firmware_sim.people import Persona
from firmware_sim.short_messages import delivers
from sos.carriers import gsm_modem
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message
from sos.events import Channel, KeyPressed, Leg, LegReported, LegState

LI = Persona(phone="+8613800138001", answer="presses", after_s=0.1, key_after_s=0.3)
WANG = Persona(phone="+8613800138002", answer="no_answer")
SUN = Persona(phone="+8613800138005", answer="answers", after_s=0.05, key_after_s=0.1)
PEOPLE = {who.phone: who for who in (LI, WANG, SUN)}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def leg(who: Persona, channel: Channel = Channel.CALL, name: str = "a") -> Leg:
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


class Box:
    """A modem that stays, and gateways that come and go."""

    def __init__(self, tmp_path) -> None:
        self.sim = SimModem(path=tmp_path / "modem0", people=dict(PEOPLE))
        self.events: asyncio.Queue[LegReported | KeyPressed] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def power(self) -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(self.sim.run(ready.set_result)))
        self.path = await ready
        return self.path

    async def gateway(self, *, wait: bool = True, **more):
        settings = {"path": self.path, "poll_s": 0.03, "reopen_min_s": 0.03, "reopen_max_s": 0.03} | more
        carrier = gsm_modem.CARRIER(gsm_modem.Settings(**settings))
        carrier.running = asyncio.create_task(carrier.run(self.events.put_nowait))
        self._tasks.append(carrier.running)
        if wait:
            await carrier.ready.wait()
        return carrier

    async def stop(self, carrier) -> None:
        carrier.running.cancel()
        await asyncio.gather(carrier.running, return_exceptions=True)

    async def key(self) -> KeyPressed:
        while not isinstance(event := await self.events.get(), KeyPressed):
            pass
        return event

    async def state(self, wanted: LegState) -> str:
        while not (isinstance(event := await self.events.get(), LegReported) and event.state is wanted):
            pass
        return event.leg_id

    async def close(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def box(tmp_path):
    made = Box(tmp_path)
    await made.power()
    yield made
    await made.close()


async def test_a_call_of_before_a_restart_is_adopted_and_its_key_still_counts(box):
    first = await box.gateway()
    reference = await first.place(leg(LI), Message(body="求救"))
    await box.stop(first)
    second = await box.gateway()
    assert await second.find(leg(LI), since=NOW, owned=frozenset()) == reference
    assert (await box.key()).leg_id == leg(LI).leg_id
    assert gsm_modem.UNKNOWN_SCRIPT in box.sim.transcript.of(LI.phone, "heard")
    assert len(box.sim.transcript.of(LI.phone, "ringing")) == 1


async def test_a_bound_call_of_before_a_restart_is_followed_when_its_status_is_asked(box):
    first = await box.gateway()
    reference = await first.place(leg(LI), Message(body="求救"))
    await box.stop(first)
    second = await box.gateway()
    assert await second.status(reference) is LegState.PLACED
    assert (await box.key()).leg_id == leg(LI).leg_id


async def test_a_call_of_before_that_nobody_asks_for_is_hung_up(box, monkeypatch):
    monkeypatch.setattr(gsm_modem, "ORPHAN_GRACE_S", 0.05)
    first = await box.gateway()
    await first.place(leg(WANG), Message(body="求救"))
    await box.stop(first)
    await box.gateway()
    assert await box.sim.transcript.seen(WANG.phone, "hung_up") == ("by us",)


async def test_a_one_that_was_texted_while_nobody_listened_is_read_at_the_start(box):
    box.sim.receive_text(LI.phone, "1")
    await box.gateway()
    key = await box.key()
    assert (key.leg_id, key.digit, key.via) == (f"from:{LI.phone}", "1", "text")
    await _emptied(box)


async def _emptied(box) -> None:
    async with asyncio.timeout(5):
        while box.sim.at.memory:  # noqa: ASYNC110  a SIM's memory tells nobody that it is empty
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("text", ["1", " 1 ", "１", "1。", "“1”"])
async def test_a_one_by_text_counts_for_the_latest_leg_to_that_telephone(box, text):
    carrier = await box.gateway()
    await carrier.place(leg(LI, Channel.TEXT, "old"), Message(body="求救 #A7K2"))
    await carrier.place(leg(WANG, Channel.TEXT, "other"), Message(body="求救 #A7K2"))
    await carrier.place(leg(LI, Channel.TEXT, "new"), Message(body="求救 #B8M3"))
    box.sim.receive_text(LI.phone.removeprefix("+86"), text)
    key = await box.key()
    assert (key.leg_id, key.digit, key.via) == (leg(LI, Channel.TEXT, "new").leg_id, "1", "text")


async def test_other_texts_acknowledge_nothing_and_do_not_fill_the_sim(box):
    carrier = await box.gateway()
    await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    for text in ("收到", "11", "", "1 号楼?"):
        box.sim.receive_text(LI.phone, text)
    box.sim.receive_text(LI.phone, "1")
    await box.key()
    await _emptied(box)
    assert box.events.empty()


async def test_a_text_the_network_could_not_deliver_is_failed(box):
    carrier = await box.gateway()
    box.sim.faults.armed.append("undelivered")
    reference = await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert await box.state(LegState.FAILED) == leg(LI, Channel.TEXT).leg_id
    assert await carrier.status(reference) is LegState.FAILED


async def test_a_long_text_is_delivered_when_its_last_part_is(box):
    carrier = await box.gateway()
    box.sim.faults.armed.append("no_report")
    first = await carrier.place(leg(LI, Channel.TEXT, "one"), Message(body="救" * 200))
    second = await carrier.place(leg(LI, Channel.TEXT, "two"), Message(body="救" * 200))
    assert await box.state(LegState.DELIVERED) == leg(LI, Channel.TEXT, "two").leg_id
    assert await carrier.status(first) is LegState.PLACED
    assert await carrier.status(second) is LegState.DELIVERED


async def test_a_text_that_never_got_its_prompt_was_certainly_not_sent(box, monkeypatch):
    monkeypatch.setattr(gsm_modem, "SEND_DEADLINE_S", 0.2)
    carrier = await box.gateway()
    box.sim.faults.armed.append("no_prompt")
    with pytest.raises(CarrierDown):
        await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert box.sim.texts_sent == 0


async def test_a_cable_pulled_before_the_prompt_means_certainly_not_sent(box):
    carrier = await box.gateway()
    box.sim.faults.armed.append("no_prompt")
    placing = asyncio.create_task(carrier.place(leg(LI, Channel.TEXT), Message(body="求救")))
    while box.sim.faults.armed:  # noqa: ASYNC110  the modem has heard the command when the fault is used up
        await asyncio.sleep(0.01)
    box.sim.unplug()
    with pytest.raises(CarrierDown):
        await placing


async def test_a_cable_pulled_after_the_text_was_written_leaves_it_in_doubt(box):
    carrier = await box.gateway()
    box.sim.faults.armed.append("lost_answer")
    placing = asyncio.create_task(carrier.place(leg(LI, Channel.TEXT), Message(body="求救")))
    await box.sim.transcript.seen(LI.phone, "text")
    box.sim.unplug()
    with pytest.raises(CarrierAmbiguous):
        await placing


async def test_a_long_text_that_stopped_half_way_is_in_doubt_and_not_found(box, monkeypatch):
    monkeypatch.setattr(gsm_modem, "SEND_DEADLINE_S", 0.2)
    carrier = await box.gateway()
    box.sim.faults.armed.append("lost_answer")
    with pytest.raises(CarrierAmbiguous):
        await carrier.place(leg(LI, Channel.TEXT), Message(body="救" * 200))
    await carrier.ready.wait()
    assert await carrier.find(leg(LI, Channel.TEXT), since=NOW, owned=frozenset()) is None
    await carrier.place(leg(LI, Channel.TEXT), Message(body="救" * 200))
    assert await box.sim.transcript.seen(LI.phone, "text") == ("救" * 200,)


@pytest.mark.parametrize("fault", ["no_sim", "no_network", "hang"])
async def test_a_modem_that_cannot_work_is_down_says_why_and_comes_back(box, fault, monkeypatch):
    monkeypatch.setattr("sos.modem_line.CHECK_DEADLINE_S", 0.2)
    setattr(box.sim.faults, fault, True)
    carrier = await box.gateway(wait=False)
    for channel in Channel:
        with pytest.raises(CarrierDown):
            await carrier.place(leg(LI, channel), Message(body="求救"))
    assert carrier.trouble
    setattr(box.sim.faults, fault, False)
    await carrier.ready.wait()
    assert carrier.trouble == ""
    await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert await box.sim.transcript.seen(LI.phone, "text") == ("求救",)


async def test_a_modem_that_hangs_under_way_is_noticed_before_anything_is_sent(box, monkeypatch):
    monkeypatch.setattr("sos.modem_line.CHECK_DEADLINE_S", 0.1)
    carrier = await box.gateway()
    box.sim.faults.hang = True
    with pytest.raises(CarrierDown):
        await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert not carrier.ready.is_set()
    box.sim.faults.hang = False
    await carrier.ready.wait()


async def test_a_call_goes_on_while_the_cable_is_out(box):
    carrier = await box.gateway()
    reference = await carrier.place(leg(WANG), Message(body="求救", ring_timeout_s=60))
    await box.state(LegState.RINGING)
    box.sim.unplug()
    with pytest.raises(CarrierDown):
        await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    box.sim.plug()
    await carrier.ready.wait()
    assert await carrier.status(reference) is LegState.RINGING
    await carrier.hang_up(reference)
    assert await box.state(LegState.HUNG_UP) == leg(WANG).leg_id


async def test_one_call_at_a_time_a_second_waits_a_little_and_is_down(box):
    carrier = await box.gateway(line_wait_s=0.1)
    await carrier.place(leg(WANG), Message(body="求救"))
    with pytest.raises(CarrierDown, match="busy with another call"):
        await carrier.place(leg(LI, name="b"), Message(body="求救"))
    assert box.sim.transcript.of(LI.phone, "ringing") == ()


async def test_a_second_call_goes_out_when_the_line_is_free_in_time(box):
    carrier = await box.gateway(line_wait_s=10)
    await carrier.place(leg(SUN), Message(body="求救"))
    await carrier.place(leg(LI, name="b"), Message(body="求救"))
    assert (await box.key()).leg_id == leg(LI, name="b").leg_id


async def test_somebody_who_rings_back_is_turned_away_and_the_line_is_free(box):
    carrier = await box.gateway()
    await box.sim.receive_call(WANG.phone).wait()
    await carrier.place(leg(LI), Message(body="求救"))
    assert (await box.key()).leg_id == leg(LI).leg_id


async def test_texts_go_out_while_a_call_rings(box):
    carrier = await box.gateway()
    await carrier.place(leg(WANG), Message(body="求救"))
    await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert await box.sim.transcript.seen(LI.phone, "text") == ("求救",)


async def test_a_wrong_pin_is_given_once_and_never_again(box):
    box.sim.faults.pin = "1234"
    carrier = await box.gateway(wait=False, pin="0000")
    for _ in range(3):
        box.sim.unplug()
        box.sim.plug()
        with pytest.raises(CarrierDown):
            await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
        await asyncio.sleep(0.1)
    assert box.sim.at.pins_tried == 1
    assert "SIM is locked" in carrier.trouble


async def test_the_right_pin_opens_the_sim_after_every_power_cut(box):
    box.sim.faults.pin = "1234"
    carrier = await box.gateway(pin="1234")
    box.sim.unplug()
    box.sim.faults.pin = "1234"
    with pytest.raises(CarrierDown):
        await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    box.sim.plug()
    await carrier.ready.wait()
    assert box.sim.at.pins_tried == 2


async def test_a_modem_without_a_voice_still_rings_and_hears_the_key(box):
    box.sim.faults.no_speech = True
    carrier = await box.gateway()
    await carrier.place(leg(LI), Message(body="求救"))
    assert (await box.key()).leg_id == leg(LI).leg_id
    assert box.sim.transcript.of(LI.phone, "heard") == ()


async def test_a_path_where_there_is_no_modem_is_down(tmp_path):
    carrier = gsm_modem.CARRIER(gsm_modem.Settings(path=str(tmp_path / "nothing")))
    running = asyncio.create_task(carrier.run(lambda _event: None))
    with pytest.raises(CarrierDown):
        await carrier.place(leg(LI), Message(body="求救"))
    running.cancel()


async def test_a_text_no_number_of_parts_can_carry_is_refused(box):
    carrier = await box.gateway()
    with pytest.raises(CarrierRefused):
        await carrier.place(leg(LI, Channel.TEXT), Message(body="救" * 20_000))


async def test_a_modem_that_stays_silent_is_restarted_and_works_again(box, monkeypatch):
    monkeypatch.setattr("sos.modem_line.CHECK_DEADLINE_S", 0.1)
    box.sim.faults.hang = box.sim.faults.reset_helps = True
    carrier = await box.gateway(wait=False)
    await carrier.ready.wait()
    assert box.sim.resets == 1
    await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert await box.sim.transcript.seen(LI.phone, "text") == ("求救",)


async def test_noise_beside_the_answer_does_not_make_a_sent_text_doubtful(box):
    carrier = await box.gateway()
    box.sim.faults.armed.append("noise")
    await carrier.place(leg(LI, Channel.TEXT), Message(body="求救"))
    assert await box.state(LegState.DELIVERED) == leg(LI, Channel.TEXT).leg_id


async def test_a_missing_sim_is_told_in_words(box):
    box.sim.faults.no_sim = True
    carrier = await box.gateway(wait=False)
    async with asyncio.timeout(5):
        while "no SIM card" not in carrier.trouble:  # noqa: ASYNC110  trouble is a word, not an event
            await asyncio.sleep(0.01)


async def test_a_full_memory_of_old_texts_is_emptied_so_that_a_new_one_is_heard(box):
    while box.sim.receive_text(SUN.phone, "旧"):
        pass
    await box.gateway()
    await _emptied(box)
    assert box.sim.receive_text(LI.phone, "3")
    assert (await box.key()).digit == "3"


async def test_a_one_beside_noise_is_heard(box):
    await box.gateway()
    box.sim.faults.armed.append("noisy_read")
    box.sim.receive_text(LI.phone, "1")
    assert (await box.key()).digit == "1"
    await _emptied(box)


async def test_a_one_garbled_twice_on_the_line_is_read_again_until_it_is_heard(box):
    carrier = await box.gateway()
    box.sim.faults.armed += ["garbled_read", "garbled_read"]
    box.sim.receive_text(LI.phone, "1")
    assert (await box.key()).digit == "1"
    await _emptied(box)
    assert (carrier.inbox.garbled, carrier.inbox.unreadable) == (2, 0)


async def test_a_text_that_is_never_readable_is_given_up_and_does_not_fill_the_sim(box, caplog):
    carrier = await box.gateway()
    box.sim.faults.armed += ["garbled_read"] * 3
    box.sim.receive_text(LI.phone, "1")
    await _emptied(box)
    assert (carrier.inbox.garbled, carrier.inbox.unreadable) == (3, 1)
    assert "a stored text could not be read 3 times and is deleted" in caplog.messages
    box.sim.receive_text(LI.phone, "1")
    assert (await box.key()).digit == "1"


async def test_a_one_whose_notice_was_lost_is_found_at_the_next_health_check(box):
    await box.gateway(health_s=0.05)
    box.sim.faults.armed.append("lost_notice")
    box.sim.receive_text(LI.phone, "1")
    assert (await box.key()).digit == "1"
    await _emptied(box)


async def test_a_one_that_could_not_be_deleted_is_not_told_twice(box):
    await box.gateway(health_s=0.03)
    box.sim.faults.armed += ["no_delete"] * 3
    box.sim.receive_text(LI.phone, "1")
    await _emptied(box)
    assert (await box.key()).digit == "1"
    assert box.events.empty()


async def test_the_last_part_of_a_long_text_is_no_answer_though_it_is_a_one(box):
    carrier = await box.gateway()
    for tpdu, length in delivers(LI.phone, "好" * 134 + "1", reference=9):
        box.sim.receive_message(tpdu, length)
    box.sim.receive_text(LI.phone, "3")
    assert (await box.key()).digit == "3"
    assert carrier.inbox.other_texts == 3


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("who", "before", "end"),
    [
        (WANG, LegState.RINGING, LegState.NO_ANSWER),
        (SUN, LegState.ANSWERED, LegState.NO_KEY),
    ],
)
async def test_a_call_the_network_drops_is_over_at_once_and_the_box_says_why(box, who, before, end, tells):
    carrier = await box.gateway(health_s=0.05)
    box.sim.faults.signal = 3
    reference = await carrier.place(leg(who), Message(body="求救", ring_timeout_s=600))
    await box.state(before)
    box.sim.lose_network(tells=tells)
    async with asyncio.timeout(2):
        assert await box.state(end) == leg(who).leg_id
    assert await carrier.status(reference) is end
    with pytest.raises(CarrierDown, match="no network, signal 3 of 31"):
        await carrier.place(leg(LI, name="b"), Message(body="求救"))
    assert carrier.trouble == "no network, signal 3 of 31"
    box.sim.find_network()
    await carrier.ready.wait()
    await carrier.place(leg(LI, name="b"), Message(body="求救"))
    assert (await box.key()).digit == "1"


async def _in_doubt(box, carrier, name: str) -> None:
    with pytest.raises(CarrierAmbiguous):
        await carrier.place(leg(LI, Channel.TEXT, name), Message(body=name))
    box.sim.lose_network()
    box.sim.find_network()
    await carrier.ready.wait()


async def test_a_text_whose_answer_was_lost_with_the_network_is_settled_by_its_report(box, monkeypatch):
    monkeypatch.setattr(gsm_modem, "SEND_DEADLINE_S", 0.2)
    carrier = await box.gateway()
    box.sim.faults.armed.append("lost_answer")
    await _in_doubt(box, carrier, "sent")
    one = leg(LI, Channel.TEXT, "sent")
    assert await carrier.find(one, since=NOW, owned=frozenset()) is not None


async def test_a_text_the_network_was_lost_under_is_in_doubt_and_never_found(box, monkeypatch):
    monkeypatch.setattr(gsm_modem, "SEND_DEADLINE_S", 0.2)
    carrier = await box.gateway()
    box.sim.faults.armed.append("swallowed")
    await _in_doubt(box, carrier, "lost")
    one = leg(LI, Channel.TEXT, "lost")
    assert await carrier.find(one, since=NOW, owned=frozenset()) is None
    await carrier.place(one, Message(body="again"))
    assert await box.sim.transcript.seen(LI.phone, "text") == ("again",)


async def test_somebody_who_rings_while_we_ring_out_is_turned_away_and_our_call_goes_on(box):
    carrier = await box.gateway()
    await carrier.place(leg(WANG), Message(body="求救", ring_timeout_s=600))
    await box.state(LegState.RINGING)
    async with asyncio.timeout(2):
        await box.sim.receive_call(SUN.phone).wait()
    assert box.sim.at.call.number == WANG.phone
    assert box.events.empty()
    await carrier.hang_up(f"call/{gsm_modem.telephone(WANG.phone)}/{leg(WANG).leg_id}")
    assert await box.state(LegState.HUNG_UP) == leg(WANG).leg_id


@pytest.mark.parametrize(
    ("fault", "words"),
    [("denied", "the network refuses the SIM card"), ("hang", "the modem does not answer")],
)
async def test_trouble_is_told_in_words(box, monkeypatch, fault, words):
    monkeypatch.setattr("sos.modem_line.CHECK_DEADLINE_S", 0.1)
    carrier = await box.gateway(health_s=0.05)
    setattr(box.sim.faults, fault, True)
    async with asyncio.timeout(15):
        while words not in carrier.trouble:  # noqa: ASYNC110  trouble is a word, not an event
            await asyncio.sleep(0.01)


async def test_a_modem_that_was_unplugged_is_told_as_such(box):
    carrier = await box.gateway()
    box.sim.unplug()
    async with asyncio.timeout(5):
        while "is it plugged in?" not in carrier.trouble:  # noqa: ASYNC110  trouble is a word, not an event
            await asyncio.sleep(0.01)


async def test_the_modem_says_whose_network_it_is_in_and_how_well_it_hears_it(box):
    box.sim.faults.signal = 20
    await box.power()
    carrier = await box.gateway(health_s=0.05)

    async def says(*network) -> None:
        while carrier.network != network:  # noqa: ASYNC110  the modem tells nobody when it was asked
            await asyncio.sleep(0.01)

    await asyncio.wait_for(says("CHINA MOBILE", -73), 10)
    box.sim.faults.signal = 99
    await asyncio.wait_for(says("CHINA MOBILE", None), 10)
