"""The BeiDou carrier under a simulated sky: once a period, across restarts, SOS first, and never a guess."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from firmware_sim.beidou import CardFaults, SimModule, SimStation, Sky
from sos.beidou import BeidouAlarm, pack, unpack
from sos.beidou_sends import MOST_LEGS, SendBook
from sos.carriers import rdss
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused, Message
from sos.carriers.rdss import Rdss, Settings
from sos.events import Channel, KeyPressed, Leg, LegReported, LegState

AT = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
CARD, STATION = "4216930", "247362"
NOBODY = frozenset()


def alarm(seq: int = 1, **more) -> BeidouAlarm:
    return BeidouAlarm(
        **({"number": 7, "kind": "sos", "at": AT, "seq": seq, "lat": 31.2, "lon": 121.1} | more)
    )


def leg(name: str = "a", *, phone: str = STATION, purpose: str = "alarm") -> Leg:
    return Leg(
        leg_id=f"inc.1.station.beidou.{name}",
        incident="inc",
        contact="station",
        name="居委会",
        phone=phone,
        role="station",
        channel=Channel.BEIDOU,
        round=1,
        attempt=1,
        purpose=purpose,
    )


def message(what: BeidouAlarm) -> Message:
    return Message(body=pack(what).hex())


class House:
    """A box with a module: its carrier can be killed and started again, the sky goes on."""

    def __init__(self, tmp_path, *, generation="bds3", period_s=0.05, station=None, level=3, delay_s=0.02):
        self.faults = CardFaults()
        self.module = SimModule(
            path=tmp_path / "rdss0",
            card=CARD,
            generation=generation,
            period_s=period_s,
            level=level,
            faults=self.faults,
        )
        self.sky = Sky(self.module, station or SimStation(card=STATION), delay_s=delay_s)
        self.settings = Settings(
            path=str(self.module.path),
            generation=generation,
            period_s=period_s,
            answer_s=0.2,
            feedback_s=0.3,
            reopen_min_s=0.05,
            reopen_max_s=0.05,
            data_dir=str(tmp_path / "data"),
        )
        self.events: asyncio.Queue[LegReported | KeyPressed] = asyncio.Queue()

    @asynccontextmanager
    async def carrier(self, **changed):
        """A carrier that listens; leaving it is the end of its process."""
        carrier = Rdss(replace(self.settings, **changed))
        listening = asyncio.create_task(carrier.run(self.events.put_nowait))
        try:
            yield carrier
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    @asynccontextmanager
    async def ready(self, **changed):
        async with self.carrier(**changed) as carrier:
            await carrier.ready.wait()
            yield carrier

    def bodies(self) -> list[int]:
        """The numbers of the alarms the satellite took, in order."""
        return [unpack(flight.body).seq for flight in self.sky.of("sent", sender=CARD)]


@asynccontextmanager
async def home(tmp_path, **options):
    house = House(tmp_path, **options)
    paths: asyncio.Queue[str] = asyncio.Queue()
    above = asyncio.create_task(house.sky.run(paths.put_nowait))
    try:
        await paths.get()
        yield house
    finally:
        above.cancel()
        await asyncio.gather(above, return_exceptions=True)


# --------------------------------------------------------------------------- the way of one alarm


@pytest.mark.parametrize("generation", ["bds2", "bds3"])
async def test_an_alarm_reaches_the_station_whole_and_its_answers_come_back(tmp_path, generation):
    station = SimStation(card=STATION, taken_after_s=0.05)
    async with home(tmp_path, generation=generation, station=station) as house, house.ready() as carrier:
        reference = await carrier.place(leg(), message(alarm()))
        (flight,) = await house.sky.seen("arrived", to=STATION)
        assert unpack(flight.body) == alarm()
        received, taken = await house.events.get(), await house.events.get()
        assert (received.leg_id, received.state, received.carrier) == (
            leg().leg_id,
            LegState.DELIVERED,
            "rdss",
        )
        assert (taken.leg_id, taken.digit, taken.via) == (leg().leg_id, "1", "beidou")
        assert await carrier.status(reference) is LegState.CONFIRMED
        assert house.events.empty()


async def test_an_answer_from_another_card_counts_for_nobody(tmp_path):
    station = SimStation(card=STATION, receives=False)
    async with home(tmp_path, station=station) as house, house.ready() as carrier:
        reference = await carrier.place(leg(), message(alarm()))
        house.sky.carry("999", CARD, pack(alarm(answer="taken")), period_s=0)
        house.sky.carry(STATION, CARD, pack(alarm(seq=9, answer="taken")), period_s=0)
        house.sky.carry(STATION, CARD, b"hello", period_s=0)
        await house.sky.seen("arrived", to=CARD, times=3)
        house.sky.carry(STATION, CARD, pack(alarm(answer="received")), period_s=0)
        assert (await house.events.get()).state is LegState.DELIVERED
        assert carrier.strangers == 3
        assert await carrier.status(reference) is LegState.DELIVERED


async def test_a_message_the_satellite_never_heard_stays_placed(tmp_path):
    async with home(tmp_path) as house, house.ready() as carrier:
        house.faults.armed.append("lost_message")
        reference = await carrier.place(leg(), message(alarm()))
        assert len(house.sky.of("lost")) == 1
        assert await carrier.status(reference) is LegState.PLACED


@pytest.mark.parametrize(
    ("phone", "body", "says"),
    [
        ("+8613800138000", pack(alarm()).hex(), "not the number of a BeiDou card"),
        ("", pack(alarm()).hex(), "not the number of a BeiDou card"),
        (STATION, "hello", "not a BeiDou message"),
        (STATION, "00" * 20, "version 0"),
        (STATION, pack(alarm()).hex()[2:], "19 bytes"),
    ],
)
async def test_what_is_no_alarm_for_a_card_is_refused_before_anything_is_asked(tmp_path, phone, body, says):
    carrier = Rdss(House(tmp_path).settings)
    with pytest.raises(CarrierRefused, match=says):
        await carrier.place(leg(phone=phone), Message(body=body))


# --------------------------------------------------------------------------- once a period


async def test_the_period_is_kept_by_a_new_process_too(tmp_path):
    """The carrier waits longer than the card asks, so that a busy machine cannot turn the order round."""
    async with home(tmp_path, period_s=0.6) as house:
        async with house.ready(period_s=1.4) as carrier:
            await carrier.place(leg("a"), message(alarm(1)))
        async with house.ready(period_s=1.4) as carrier:
            await carrier.place(leg("b"), message(alarm(2)))
        first, second = house.sky.of("sent", sender=CARD)
        assert house.sky.of("refused") == (), "the card was asked before it may send"
        assert (second.at - first.at).total_seconds() >= 0.6


async def test_a_process_that_forgot_its_book_is_told_by_the_card_and_waits(tmp_path):
    async with home(tmp_path, period_s=0.6) as house:
        async with house.ready() as carrier:
            await carrier.place(leg("a"), message(alarm(1)))
        (tmp_path / "data" / "rdss.json").unlink()
        async with house.ready() as carrier:
            await carrier.place(leg("b"), message(alarm(2)))
        assert len(house.sky.of("refused")) == 1
        assert house.bodies() == [1, 2]


async def test_the_time_is_on_disk_before_the_message_goes_out(tmp_path, monkeypatch):
    async with home(tmp_path) as house, house.ready() as carrier:
        sends_so_far = []
        put = SendBook.put

        def noted(book, page):
            put(book, page)
            sends_so_far.append((house.bodies(), json.loads((tmp_path / "data/rdss.json").read_text())))

        monkeypatch.setattr(SendBook, "put", noted)
        await carrier.place(leg(), message(alarm()))
        ((before, page),) = sends_so_far
        assert before == []
        assert page["sent_at"] == pytest.approx(datetime.now(UTC).timestamp(), abs=60)
        assert page["legs"] == [[leg().leg_id, STATION, f"7.{int(AT.timestamp())}.1"]]


async def test_a_message_that_was_refused_gives_its_turn_back(tmp_path):
    async with home(tmp_path, period_s=30.0) as house, house.ready() as carrier:
        house.faults.armed.append("no_right")
        with pytest.raises(CarrierRefused, match="no right"):
            await carrier.place(leg("a"), message(alarm(1)))
        assert json.loads((tmp_path / "data/rdss.json").read_text()) == {"sent_at": None, "legs": []}
        assert await carrier.find(leg("a"), since=AT, owned=NOBODY) is None


async def test_a_clock_that_went_backwards_costs_a_period_and_no_more(tmp_path, monkeypatch):
    async with home(tmp_path, period_s=0.3) as house:
        async with house.ready() as carrier:
            await carrier.place(leg("a"), message(alarm(1)))
        monkeypatch.setattr(rdss, "_wall_s", lambda: 1000.0)
        async with house.ready() as carrier:
            await carrier.place(leg("b"), message(alarm(2)))
        assert house.bodies() == [1, 2]


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"sent_at": "x"}', '{"sent_at": 1, "legs": [[1, 2, 3]]}', "\x00\xff"]
)
async def test_a_damaged_book_is_said_and_holds_up_nothing(tmp_path, caplog, damage):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rdss.json").write_text(damage)
    async with home(tmp_path) as house, house.ready() as carrier:
        await carrier.place(leg(), message(alarm()))
        assert "unreadable" in caplog.text


async def test_a_disk_that_does_not_write_holds_up_nothing(tmp_path, caplog):
    (tmp_path / "data").write_text("a file where the folder should be")
    async with home(tmp_path) as house, house.ready() as carrier:
        with caplog.at_level(logging.ERROR):
            await carrier.place(leg("a"), message(alarm(1)))
            await carrier.place(leg("b"), message(alarm(2)))
        assert house.bodies() == [1, 2]
        assert caplog.text.count("cannot be kept") == 1


async def test_of_what_waits_an_sos_goes_first_and_news_and_drills_last(tmp_path):
    async with home(tmp_path, period_s=0.15) as house, house.ready() as carrier:
        waiting = [
            ("news", alarm(1), "taken"),
            ("first", alarm(2, kind="silence"), "alarm"),
            ("drill", alarm(3, drill=True), "alarm"),
            ("vitals", alarm(4, kind="vitals"), "alarm"),
            ("fall", alarm(5, kind="fall"), "alarm"),
            ("sos", alarm(6), "alarm"),
        ]
        await carrier.place(leg("before"), message(alarm(0)))
        async with asyncio.TaskGroup() as tasks:
            for name, what, purpose in waiting:
                tasks.create_task(carrier.place(leg(name, purpose=purpose), message(what)))
        assert house.bodies() == [0, 6, 5, 2, 4, 3, 1]
        assert house.sky.of("refused") == ()


async def test_who_waits_for_a_turn_and_gives_up_leaves_it_to_the_next(tmp_path):
    async with home(tmp_path, period_s=0.2) as house, house.ready() as carrier:
        await carrier.place(leg("before"), message(alarm(0)))
        first = asyncio.create_task(carrier.place(leg("a"), message(alarm(1))))
        second = asyncio.create_task(carrier.place(leg("b"), message(alarm(2))))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert house.bodies() == [0, 2]


async def test_who_waits_for_a_turn_hears_at_once_that_the_module_is_gone(tmp_path):
    async with home(tmp_path, period_s=60.0) as house, house.ready() as carrier:
        await carrier.place(leg("a"), message(alarm(1)))
        waits = asyncio.create_task(carrier.place(leg("b"), message(alarm(2))))
        await asyncio.sleep(0)
        house.module.unplug()
        with pytest.raises(CarrierDown, match="not ready"):
            await waits


async def test_the_deadline_covers_a_whole_period_of_the_card(tmp_path):
    async with home(tmp_path, period_s=300.0) as house, house.ready(period_s=0) as carrier:
        assert carrier.place_deadline_s > 300
    assert Rdss.place_deadline_s > 60


# --------------------------------------------------------------------------- what can be wrong


@pytest.mark.parametrize("generation", ["bds2", "bds3"])
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"inhibit": "inhibited"}, "forbids the card to send"),
        ({"inhibit": "power"}, "no power"),
        ({"inhibit": "silence"}, "radio silence"),
        ({"armed": ["refused"]}, "without a reason"),
        ({"weak": True}, "no signal: the best beam has"),
        ({"hang": True}, "does not answer"),
        ({"no_card": True}, "no card"),
    ],
)
async def test_what_is_wrong_is_said_in_words_and_nothing_went_out(tmp_path, generation, fault, says):
    async with home(tmp_path, generation=generation) as house, house.ready() as carrier:
        for name, value in fault.items():
            setattr(house.faults, name, list(value) if name == "armed" else value)
        carrier._module._beams = None  # heard too long ago to count
        if "no_card" in fault:
            carrier._module.look_soon()
            while carrier.ready.is_set():  # noqa: ASYNC110  its own loop notices it
                await asyncio.sleep(0.01)
        with pytest.raises(CarrierDown, match=says):
            await carrier.place(leg(), message(alarm()))
        assert says in carrier.trouble
        assert house.bodies() == []


async def test_a_module_without_a_card_is_waited_for(tmp_path):
    async with home(tmp_path) as house:
        house.faults.no_card = True
        async with house.carrier() as carrier:
            while "no card" not in carrier.trouble:  # noqa: ASYNC110  its own loop finds it
                await asyncio.sleep(0.01)
            house.faults.no_card = False
            await carrier.ready.wait()
            await carrier.place(leg(), message(alarm()))
            assert carrier.trouble == ""


async def test_a_card_of_too_low_a_level_is_refused_and_says_so_from_the_start(tmp_path):
    async with home(tmp_path, level=1) as house, house.ready() as carrier:
        while carrier.trouble == "not started":  # noqa: ASYNC110  its own loop finds it
            await asyncio.sleep(0.01)
        assert carrier.trouble == "the card sends 17 bytes at a time, an alarm has 21"
        with pytest.raises(CarrierRefused, match="17 bytes"):
            await carrier.place(leg(), message(alarm()))


async def test_a_module_that_never_tells_its_beams_is_used_all_the_same(tmp_path):
    async with home(tmp_path) as house:
        house.faults.mute_signal = True
        async with house.ready() as carrier:
            await carrier.place(leg(), message(alarm()))
            assert house.bodies() == [1]


async def test_after_a_refusal_without_a_reason_the_next_message_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(rdss, "FIRST_PAUSE_S", 0.2)
    async with home(tmp_path) as house, house.ready() as carrier:
        house.faults.armed += ["refused", "refused"]
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for name in "ab":
            with pytest.raises(CarrierDown):
                await carrier.place(leg(name), message(alarm(1)))
        await carrier.place(leg("c"), message(alarm(2)))
        assert loop.time() - began_s >= 0.2 + 0.4


# --------------------------------------------------------------------------- doubt


async def test_a_leg_nobody_answers_for_is_never_guessed(tmp_path):
    station = SimStation(card=STATION, receives=False)
    async with home(tmp_path, station=station) as house, house.ready() as carrier:
        house.faults.armed.append("lost_feedback")
        with pytest.raises(CarrierAmbiguous):
            await carrier.place(leg(), message(alarm()))
        assert await carrier.find(leg(), since=AT, owned=NOBODY) is None
        house.sky.carry(STATION, CARD, pack(alarm(answer="received")), period_s=0)
        assert (await house.events.get()).leg_id == leg().leg_id
        reference = await carrier.find(leg(), since=AT, owned=NOBODY)
        assert await carrier.status(reference) is LegState.DELIVERED
        assert house.bodies() == [1]


async def test_a_late_word_of_the_module_settles_a_leg(tmp_path):
    async with home(tmp_path, station=SimStation(card=STATION, receives=False)) as house:
        house.faults.late_s = 0.4
        async with house.ready() as carrier:
            house.faults.armed.append("late_feedback")
            with pytest.raises(CarrierAmbiguous):
                await carrier.place(leg(), message(alarm()))
            while await carrier.find(leg(), since=AT, owned=NOBODY) is None:  # noqa: ASYNC110  as `settle` asks
                await asyncio.sleep(0.01)
            assert await carrier.find(leg("other"), since=AT, owned=NOBODY) is None


async def test_the_legs_of_before_a_restart_are_answered_and_found_after_it(tmp_path):
    async with home(tmp_path, station=SimStation(card=STATION, receives=False)) as house:
        async with house.ready() as carrier:
            reference = await carrier.place(leg("sure"), message(alarm(1)))
            house.faults.armed.append("lost_feedback")
            with pytest.raises(CarrierAmbiguous):
                await carrier.place(leg("unsure"), message(alarm(2)))
        async with house.ready() as carrier:
            assert await carrier.find(leg("unsure"), since=AT, owned=NOBODY) is None
            assert await carrier.status(reference) is LegState.PLACED
            for answer in (alarm(1, answer="taken"), alarm(2, answer="received")):
                house.sky.carry(STATION, CARD, pack(answer), period_s=0)
            pressed, delivered = await house.events.get(), await house.events.get()
            assert (pressed.leg_id, pressed.digit) == (leg("sure").leg_id, "1")
            assert (delivered.leg_id, delivered.state) == (leg("unsure").leg_id, LegState.DELIVERED)
            assert await carrier.find(leg("unsure"), since=AT, owned=NOBODY) is not None


async def test_a_reference_is_enough_to_know_the_leg_again_when_the_book_is_lost(tmp_path):
    async with home(tmp_path, station=SimStation(card=STATION, receives=False)) as house:
        async with house.ready() as carrier:
            reference = await carrier.place(leg(), message(alarm()))
        async with house.ready(data_dir="") as carrier:
            assert await carrier.status(reference) is LegState.PLACED
            house.sky.carry(STATION, CARD, pack(alarm(answer="taken")), period_s=0)
            assert (await house.events.get()).leg_id == leg().leg_id


@pytest.mark.parametrize("reference", ["", "call/1/x", "beidou/247362/x/leg", "beidou/a/7.1.1/leg"])
async def test_a_reference_of_somebody_else_has_no_state(tmp_path, reference):
    with pytest.raises(CarrierError, match="no reference"):
        await Rdss(House(tmp_path).settings).status(reference)


# --------------------------------------------------------------------------- book and settings


def test_the_book_forgets_the_oldest_leg_first(tmp_path):
    book = SendBook(tmp_path / "rdss.json")
    for number in range(MOST_LEGS + 1):
        book.add(f"leg{number}", STATION, alarm(number % 256).name)
    assert book.of_leg("leg0") is None
    book.sent_at = 1.5
    book.put(book.page())
    again = SendBook(tmp_path / "rdss.json")
    assert again.load() == ""
    assert again.page() == book.page()
    assert again.of_leg(f"leg{MOST_LEGS}").reference == book.of_leg(f"leg{MOST_LEGS}").reference


@pytest.mark.parametrize(
    "wrong", [{"frequency": 6}, {"period_s": -1}, {"max_bytes": -1}, {"answer_s": 0}, {"health_s": 0}]
)
def test_settings_that_can_never_work_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must"):
        Settings(path="/dev/null", **wrong)


def test_the_time_of_an_alarm_is_kept_to_the_second(tmp_path):
    book = SendBook(None)
    sent = book.add("leg", STATION, alarm(1, at=AT + timedelta(milliseconds=750)).name)
    assert book.answered(f"0{STATION}", alarm(1).name) == (sent,)
