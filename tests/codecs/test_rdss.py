"""The receiving end of the BeiDou alarms: what becomes an uplink, what is kept, what is answered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.codecs.rdss import MOST_TRIES, RdssCodec, RdssSettings
from gateway.errors import FrameError
from gateway.model import BandAlarm, Battery, DownCommand, Fix, HeartRate
from sos.beidou import KINDS, BeidouAlarm, pack
from sos.beidou_frame import build
from sos.beidou_sentence import ask_signal, send

AT = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
ALARM = BeidouAlarm(
    number=7, kind="sos", at=AT, seq=3, lat=31.25, lon=121.1, heart_rate_bpm=112, battery_pct=55
)
CARD = "4216930"
HELP = DownCommand(name="help_is_coming")
TICK = build("BDPWI", "120000.00", "00", "01", "3", "50", "40", "0")
VECTORS = Path(__file__).parents[1] / "vectors" / "rdss.jsonl"


class Clock:
    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def incoming(alarm: BeidouAlarm, *, generation: str = "bds3", card: str = CARD) -> bytes:
    data = "A4" + pack(alarm).hex().upper()
    if generation == "bds2":
        return build("BDTXR", "1", card, "2", "", data)
    return build("BDTCI", card, "0247362", "2", "120000", "3", "0", data)


def answer(alarm: BeidouAlarm, said: str, *, generation: str = "bds3", tick_s: int = 10) -> bytes:
    order = send(generation, CARD, pack(replace(alarm, answer=said)))
    return order + ask_signal(generation, every_s=tick_s)


def fki(flag: str, *, reason: int = 0, wait_s: int = 0) -> bytes:
    return build("BDFKI", "120000", "TCQ", flag, str(reason), str(wait_s))


def hear(codec: RdssCodec, frame: bytes):
    codec.feed(frame)
    return codec.next_event()


def reason(codec: RdssCodec, frame: bytes) -> str:
    with pytest.raises(FrameError) as caught:
        hear(codec, frame)
    assert caught.value.raw == frame
    return caught.value.reason


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def codec(clock):
    return RdssCodec(now=clock)


@pytest.mark.parametrize("generation", ["bds2", "bds3"])
def test_an_alarm_becomes_the_uplink_of_its_elder_and_is_answered_received(codec, generation):
    frame = incoming(ALARM, generation=generation)
    uplink = hear(codec, frame)
    assert uplink.device == "beidou-7"
    assert uplink.readings == (
        Fix(lat=31.25, lon=121.1, valid=True, at=AT),
        BandAlarm(alarm="sos", press_id=f"{int(AT.timestamp())}.3", at=AT),
        HeartRate(heart_rate_bpm=112, at=AT),
        Battery(battery_pct=55, at=AT),
    )
    assert uplink.raw == frame
    assert uplink.backlog is False
    assert uplink.reply == answer(ALARM, "received", generation=generation)


def test_what_the_alarm_does_not_know_is_not_made_up(codec):
    bare = BeidouAlarm(number=9, kind="fall", at=AT, seq=1)
    assert hear(codec, incoming(bare)).readings == (
        BandAlarm(alarm="fall", press_id=f"{int(AT.timestamp())}.1", at=AT),
    )


def test_every_kind_of_alarm_is_one_a_band_can_raise(codec):
    heard = {
        kind: next(
            one.alarm
            for one in hear(codec, incoming(replace(ALARM, kind=kind))).readings
            if isinstance(one, BandAlarm)
        )
        for kind in KINDS
    }
    assert heard == {
        "sos": "sos",
        "fall": "fall",
        "fence": "geofence_exit",
        "vitals": "general",
        "silence": "general",
        "low_battery": "low_battery",
        "removed": "removed",
        "band": "general",
        "system": "general",
        "inactivity": "general",
    }


def test_a_drill_is_answered_and_raises_no_alarm(codec):
    drill = replace(ALARM, drill=True)
    uplink = hear(codec, incoming(drill))
    assert uplink.reply == answer(drill, "received")
    assert [one for one in uplink.readings if isinstance(one, BandAlarm)] == []


def test_two_alarms_of_the_same_number_are_two_presses(codec):
    first, second = (
        next(
            one.press_id
            for one in hear(codec, incoming(replace(ALARM, at=at))).readings
            if isinstance(one, BandAlarm)
        )
        for at in (AT, AT + timedelta(seconds=1))
    )
    assert first != second


# --------------------------------------------------------------------------- what is no alarm


def test_no_captured_sentence_is_an_alarm_and_only_messages_are_kept(codec):
    for row in map(json.loads, VECTORS.read_text().splitlines()):
        frame = row["frame"].encode("latin-1") + b"\r\n"
        if row["type"] in {"BDTXR", "BDTCI"}:
            assert reason(codec, frame) == "a text, no alarm of ours"
        else:
            assert hear(codec, frame) is None
    assert codec.quiet_sentences.counts["BDICI"] == 3


def test_a_text_in_hanzi_and_an_answer_are_kept_in_quarantine(codec):
    text = build("BDTXR", "1", CARD, "0", "", "张桂兰请回电".encode("gbk"))
    assert reason(codec, text) == "a text, no alarm of ours"
    assert reason(codec, incoming(replace(ALARM, answer="received"))) == "an answer, no alarm"


def test_an_alarm_of_a_card_that_is_not_listed_is_kept_and_not_believed(clock):
    codec = RdssCodec(RdssSettings(cards=("04216930",)), now=clock)
    assert hear(codec, incoming(ALARM)).device == "beidou-7"
    assert reason(codec, incoming(ALARM, card="5")) == "alarm from a card that is not listed"


def test_a_card_that_is_no_number_is_refused_in_the_configuration():
    with pytest.raises(ValueError, match="digits only"):
        RdssSettings(cards=("+86",))


# --------------------------------------------------------------------------- answers


def test_help_is_coming_answers_the_last_alarm_of_that_elder_taken(codec):
    later = replace(ALARM, seq=4, at=AT + timedelta(seconds=60))
    hear(codec, incoming(ALARM))
    hear(codec, incoming(later))
    hear(codec, incoming(ALARM))  # came late: not the last
    assert codec.encode_down(HELP, "beidou-7").data == answer(later, "taken")


@pytest.mark.parametrize("device", ["beidou-8", "beidou-", "band-7", "beidou-7x"])
def test_an_elder_nothing_was_heard_of_gets_no_answer(codec, device):
    hear(codec, incoming(ALARM))
    assert codec.encode_down(HELP, device) is None


def test_other_orders_have_no_words(codec):
    hear(codec, incoming(ALARM))
    assert codec.encode_down(DownCommand(name="cancelled"), "beidou-7") is None


def test_an_alarm_that_comes_again_after_it_was_taken_is_answered_taken(codec):
    hear(codec, incoming(ALARM))
    codec.encode_down(HELP, "beidou-7")
    assert hear(codec, incoming(ALARM)).reply == answer(ALARM, "taken")


def test_an_answer_the_card_may_not_send_yet_goes_out_when_it_may(codec, clock):
    hear(codec, incoming(ALARM))
    assert hear(codec, fki("Y")) is None
    codec.encode_down(HELP, "beidou-7")
    assert hear(codec, fki("N", reason=1, wait_s=40)) is None
    assert codec.owed == 1
    clock.passes(39)
    assert hear(codec, TICK) is None
    clock.passes(2)
    again = hear(codec, TICK)
    assert (again.device, again.readings, again.reply) == (None, (), answer(ALARM, "taken"))
    assert hear(codec, TICK) is None
    assert hear(codec, fki("Y")) is None
    assert codec.owed == 0


def test_taken_goes_before_received_and_makes_it_needless(codec, clock):
    other = replace(ALARM, number=8)
    hear(codec, incoming(other))
    hear(codec, incoming(ALARM))
    codec.encode_down(HELP, "beidou-7")
    for _ in range(3):
        hear(codec, fki("N", reason=1, wait_s=40))
    assert codec.owed == 2
    clock.passes(41)
    assert hear(codec, TICK).reply == answer(ALARM, "taken")
    hear(codec, fki("Y"))
    assert hear(codec, TICK).reply == answer(other, "received")


def test_an_answer_that_is_refused_for_ever_is_given_up_and_counted(codec, clock):
    hear(codec, incoming(ALARM))
    for _ in range(MOST_TRIES - 1):
        hear(codec, fki("N", reason=2))
        clock.passes(61)
        assert hear(codec, TICK) is not None
    hear(codec, fki("N", reason=2))
    clock.passes(61)
    assert hear(codec, TICK) is None
    assert codec.given_up_answers == 1


def test_a_module_that_says_nothing_of_an_answer_does_not_hold_up_the_next(codec, clock):
    hear(codec, incoming(ALARM))
    clock.passes(16)
    codec.encode_down(HELP, "beidou-7")
    hear(codec, fki("N", reason=1, wait_s=10))
    clock.passes(11)
    assert hear(codec, TICK).reply == answer(ALARM, "taken")


def test_feedback_to_something_else_is_passed_over(codec):
    hear(codec, incoming(ALARM))
    assert hear(codec, build("BDFKI", "120000", "RMO", "N", "1", "40")) is None
    assert codec.owed == 0
