"""Which press an alarm bit belongs to: in the codec, and through the SOS rule that telephones ring by."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import pytest

from firmware_sim.jt808_frames import Terminal, bcd_time
from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.effects import RaiseAlarm
from gateway.model import BandAlarm, Envelope, WearerView
from gateway.rules.sos import SosRule, SosSettings

NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)
PHONE = "013800138000"
FROZEN = NOW - timedelta(days=3)


class Story:
    """A terminal whose frames are judged by the real rule."""

    def __init__(self, settings: Jt808Settings | None = None) -> None:
        self.settings = settings
        self.now = NOW
        self.terminal = Terminal(PHONE)
        self.rule = SosRule(WearerView(wearer="zhang", name="张桂兰"), SosSettings())
        self.state = self.rule.initial()
        self.alarm_ids: list[str] = []
        self.late: list[bool] = []
        self.codec = self.connect()

    def connect(self) -> Jt808Codec:
        self.codec = Jt808Codec(self.settings, now=lambda: self.now)
        return self.codec

    def live(self, *, sos: bool, after_s: float = 30, clock: datetime | None = None) -> bytes:
        """A position `after_s` later, stamped by the terminal's clock."""
        self.now += timedelta(seconds=after_s)
        frame = self.terminal.frame(0x0200, record(sos=sos, at=clock or self.now))
        self.hear(frame)
        return frame

    def hear(self, frame: bytes) -> None:
        self.codec.feed(frame)
        uplink = self.codec.next_event()
        assert uplink is not None
        envelope = Envelope(uplink=uplink, wire="tcp", device=PHONE, wearer="zhang", received_at=self.now)
        self.state, effects = self.rule.step(self.state, envelope, self.now)
        for effect in effects:
            assert isinstance(effect, RaiseAlarm)
            self.alarm_ids.append(effect.alarm.alarm_id)
            self.late.append(effect.alarm.late)

    @property
    def presses(self) -> int:
        """How many presses there were, as the rule sees it."""
        return len(set(self.alarm_ids))


def record(*, sos: bool, at: datetime) -> bytes:
    return struct.pack(">IIIIhHH", int(sos), 2, 31_155_000, 121_105_000, 0, 0, 0) + bcd_time(at)


def test_a_bit_that_stays_set_is_one_press_however_often_it_is_sent():
    story = Story()
    for _ in range(19):
        story.live(sos=True)
    assert len(story.alarm_ids) == 19
    assert story.presses == 1


def test_a_press_after_the_bit_was_clear_is_a_new_press():
    story = Story()
    for sos in (True, True, False, True, True, False, True):
        story.live(sos=sos)
    assert story.presses == 3


def test_a_bit_that_is_never_cleared_is_a_new_press_after_ten_minutes_and_not_before():
    story = Story()
    for _ in range(21):
        story.live(sos=True)
    assert story.presses == 1
    story.live(sos=True)
    assert story.presses == 2


def test_how_long_a_bit_is_one_press_is_the_models():
    story = Story(Jt808Settings(latched_s=60))
    for _ in range(4):
        story.live(sos=True)
    assert story.presses == 2


def test_the_same_frame_again_on_a_new_connection_is_the_same_press():
    story = Story()
    frame = story.live(sos=True)
    story.connect()
    story.now += timedelta(seconds=40)
    story.hear(frame)
    assert story.presses == 1


def test_a_new_press_on_a_new_connection_is_a_new_press():
    story = Story()
    story.live(sos=True)
    story.connect()
    story.live(sos=True, after_s=45)
    assert story.presses == 2


def test_the_record_of_a_press_that_comes_again_out_of_the_store_rings_nobody_again():
    story = Story()
    story.live(sos=True)
    pressed_at = story.now
    stored = record(sos=True, at=pressed_at)
    story.now += timedelta(hours=2)
    story.connect()
    story.hear(story.terminal.frame(0x0704, struct.pack(">HBH", 1, 1, len(stored)) + stored))
    assert story.presses == 1


def test_a_press_that_only_the_store_has_is_raised_late():
    story = Story()
    stored = record(sos=True, at=NOW - timedelta(hours=2))
    story.hear(story.terminal.frame(0x0704, struct.pack(">HBH", 1, 1, len(stored)) + stored))
    assert (story.presses, story.late) == (1, [True])


def test_two_presses_under_a_clock_that_stands_still_are_two():
    story = Story()
    for sos in (True, False, True):
        story.live(sos=sos, clock=NOW)
    assert story.presses == 2


def test_a_clock_that_stands_still_for_days_hides_no_press():
    story = Story()
    story.live(sos=True, clock=FROZEN)
    story.live(sos=False, clock=FROZEN)
    story.connect()
    story.live(sos=True, clock=FROZEN, after_s=1200)
    assert story.presses == 2


def test_a_clock_a_little_ahead_makes_no_second_press_of_a_latched_bit():
    story = Story()
    for _ in range(5):
        story.live(sos=True, clock=story.now + timedelta(seconds=33))
    assert story.presses == 1


def test_a_bit_that_stays_set_all_through_the_store_is_a_press_every_ten_minutes():
    story = Story()
    stored = [record(sos=True, at=NOW - timedelta(hours=2) + timedelta(seconds=30 * k)) for k in range(33)]
    batch = struct.pack(">HB", len(stored), 1) + b"".join(struct.pack(">H", len(one)) + one for one in stored)
    story.hear(story.terminal.frame(0x0704, batch))
    story.connect()
    story.hear(story.terminal.frame(0x0704, batch))
    assert story.presses == 2
    assert all(story.late)


def test_two_presses_in_the_store_with_the_bit_clear_between_are_two():
    story = Story()
    stored = [
        record(sos=sos, at=NOW - timedelta(hours=2) + timedelta(seconds=k))
        for k, sos in enumerate([True, False, True])
    ]
    batch = struct.pack(">HB", len(stored), 1) + b"".join(struct.pack(">H", len(one)) + one for one in stored)
    story.hear(story.terminal.frame(0x0704, batch))
    assert story.presses == 2


@pytest.mark.parametrize("clock", [datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2012, 2019, 2030)])
def test_a_clock_that_was_never_set_makes_one_press_of_a_latched_bit_and_two_of_two(clock):
    story = Story()
    for sos in (True, True, True, False, True, True):
        story.live(sos=sos, clock=clock)
    assert story.presses == 2


def test_without_a_clock_of_ours_a_capture_goes_by_the_terminals():
    codec = Jt808Codec()
    terminal = Terminal(PHONE)
    pressed = []
    for minutes in (0, 5, 11):
        codec.feed(terminal.frame(0x0200, record(sos=True, at=NOW + timedelta(minutes=minutes))))
        uplink = codec.next_event()
        assert uplink is not None
        (alarm,) = [reading for reading in uplink.readings if isinstance(reading, BandAlarm)]
        pressed.append((alarm.press_id, alarm.at))
    assert pressed[0] == pressed[1] == ("260805200000", NOW)
    assert pressed[2] == ("260805201100", NOW + timedelta(minutes=11))
