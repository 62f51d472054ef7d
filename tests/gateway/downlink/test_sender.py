"""Orders to bands on their way: sent, lost, answered, expired, given up, and found again after a crash."""

from __future__ import annotations

import msgspec
import pytest

from gateway.bands.registry import Device, Registry
from gateway.clock import ManualClock
from gateway.codecs.base import Order
from gateway.downlink.orders import DownOrder
from gateway.downlink.sender import MAX_OF_A_BAND, MAX_SENDS, Downlink
from gateway.journal.records import Record
from gateway.model import DownAnswer, DownCommand, FenceView
from gateway.told import SyncPayload

ZHANG = Device(device="band-zhang", protocol="talks", wearer="zhang", wire_id="123")
SECOND = Device(device="watch-zhang", protocol="talks", wearer="zhang", wire_id="456")
WANG = Device(device="band-wang", protocol="talks", wearer="wang", wire_id="789")
FENCE = FenceView(fence="home", name="家", centre=(31.1, 121.1), radius_m=100)


class Wire:
    """Takes orders for the bands in `there`; those in `acks` have them at once, others when told."""

    def __init__(self):
        self.there, self.acks, self.sent, self.open = set(), set(), [], []
        self.withdrawn = []

    def withdraw(self, device, data):
        self.withdrawn.append((device, data))

    def send(self, device, data, done):
        if device not in self.there:
            return False
        self.sent.append((device, data))
        if device in self.acks:
            done()
        else:
            self.open.append(done)
        return True

    def arrive(self):
        waiting, self.open = self.open, []
        for done in waiting:
            done()


class Talks:
    """A codec that numbers its orders when `tagged`, and has no words for what is in `mute`."""

    def __init__(self, *, tagged=True, mute=()):
        self.tagged, self.mute, self.number = tagged, mute, 0

    def encode_down(self, command, device):
        if command.name in self.mute:
            return None
        self.number += 1
        words = f"{device} {command.name} {len(command.fences) if command.fences is not None else ''}"
        return Order(words.strip().encode(), str(self.number) if self.tagged else "")


class Disk:
    """A journal that keeps what it is given; `outbox` is how it stands there."""

    def __init__(self, house):
        self.house, self.states, self.outbox, self.done, self.stuck = house, [], {}, set(), []
        self.is_stuck = False

    def append(self, record):
        if self.is_stuck:
            self.stuck.append(record)
            return
        self.take(record)

    def take(self, record):
        for row in record.events:
            told = msgspec.json.decode(row.payload, type=SyncPayload)
            self.states.append((told.order, told.device, told.state, told.detail))
        for change in record.rest.outbox_changes:
            self.outbox[change.seq, change.position] = msgspec.json.decode(change.body, type=DownOrder)
        self.done |= set(record.rest.done)
        if record.committed is not None:
            record.committed(1)


class House:
    """A downlink with its hands on everything."""

    def __init__(self, *devices):
        self.clock, self.wire, self.codec = ManualClock(), Wire(), Talks()
        self.registry, self.line = Registry(devices), object()
        self.disk = Disk(self)
        self.seq = 0
        self.downlink = self.start()

    def start(self):
        """A new process on the same disk."""
        self.downlink = Downlink(
            registry=self.registry,
            transports=lambda: [self.wire],
            codec=lambda _: self.codec,
            line=lambda _: self.line,
            fences=lambda _: (FENCE,),
            journal=self.disk,
            clock=self.clock,
        )
        return self.downlink

    def restart(self):
        """Killed, and started again with what was on the disk."""
        self.codec, self.line = Talks(tagged=self.codec.tagged), object()
        self.start()
        for key, order in self.disk.outbox.items():
            if key not in self.disk.done:
                self.downlink.send(order, key)

    def give(self, name="find", *, seq=None, **more):
        self.seq += 1
        order = DownOrder(
            wearer=more.pop("wearer", "zhang"),
            command=DownCommand(name=name, **more.pop("command", {})),
            order=more.pop("order", f"o{self.seq}"),
            given_at=self.clock.now(),
            **more,
        )
        key = (self.seq if seq is None else seq, 0)
        if key[0] > 0:
            self.disk.outbox[key] = order
        self.downlink.send(order, key)
        return order

    def hears(self, device="band-zhang", *answers):
        record = Record()
        if answers:
            self.downlink.answered(device, answers, record, self.clock.now())
        self.disk.take(record)
        if self.downlink.waits_for(device):
            self.downlink.heard(device)

    def told(self, order="o1"):
        return [state for name, _, state, _ in self.disk.states if name == order]


@pytest.fixture
def house():
    return House(ZHANG)


def test_an_order_is_sent_then_has_arrived_then_is_answered(house):
    house.wire.there = {"123"}
    house.give()
    house.wire.arrive()
    assert house.told() == ["sent", "delivered"]
    house.hears("band-zhang", DownAnswer(tag="1", done=True))
    assert house.told() == ["sent", "delivered", "done"]
    assert house.disk.done == {(1, 0)}
    assert not house.downlink.waits_for("band-zhang")


def test_having_arrived_is_the_end_where_a_protocol_has_no_answers(house):
    house.codec.tagged = False
    house.wire.there = house.wire.acks = {"123"}
    house.give()
    assert house.told() == ["delivered"]
    assert house.disk.done == {(1, 0)}


def test_a_band_that_comes_back_gets_what_waits_for_it_at_once(house):
    house.give("message", command={"text": "好"})
    assert house.told() == []
    house.wire.there = {"123"}
    house.hears()
    assert house.told() == ["sent"]
    assert house.wire.sent == [("123", b"123 message")]


def test_a_band_that_refuses_is_believed_with_its_word(house):
    house.wire.there = {"123"}
    house.give()
    house.hears("band-zhang", DownAnswer(tag="1", done=False, detail="unsupported message"))
    assert house.disk.states[-1] == ("o1", "band-zhang", "refused", "unsupported message")


def test_a_second_answer_and_the_answer_of_another_band_change_nothing():
    house = House(ZHANG, WANG)
    house.wire.there = {"123", "789"}
    house.give()
    house.hears("band-wang", DownAnswer(tag="1", done=True))
    assert house.told() == ["sent"]
    house.hears("band-zhang", DownAnswer(tag="1", done=True))
    house.hears("band-zhang", DownAnswer(tag="1", done=False))
    assert house.told() == ["sent", "done"]
    assert house.downlink.counts["answers to nothing"] == 2


def test_of_two_orders_under_one_tag_the_oldest_is_answered_first(house):
    house.codec.encode_down = lambda command, _: Order(command.name.encode(), "SAME")
    house.wire.there = {"123"}
    house.give("message", command={"text": "一"})
    house.give("message", command={"text": "二"})
    house.hears("band-zhang", DownAnswer(tag="SAME", done=True))
    assert (house.told("o1")[-1], house.told("o2")[-1]) == ("done", "sent")
    house.hears("band-zhang", DownAnswer(tag="SAME", done=True))
    assert house.told("o2")[-1] == "done"


def test_an_order_whose_time_is_over_expires_and_is_never_sent(house):
    house.give()
    house.clock.advance(301)
    house.wire.there = {"123"}
    house.downlink.look()
    assert (house.told(), house.wire.sent) == (["expired"], [])
    assert house.disk.done == {(1, 0)}


def test_an_order_no_protocol_of_the_wearer_has_words_for_is_said_to_be_unsupported(house):
    house.codec.mute = {"fences"}
    house.give("fences")
    assert house.told() == ["unsupported"]
    assert house.disk.done == {(1, 0)}


def test_a_wearer_without_a_band_cannot_be_sent_anything():
    house = House(WANG)
    house.give()
    assert house.disk.states == [("o1", "", "unsupported", "no_band")]


def test_fences_are_those_of_the_wearer_at_the_moment_they_are_sent(house):
    house.wire.there = {"123"}
    house.give("fences")
    house.give("fences", command={"fences": ()})
    assert [data for _, data in house.wire.sent] == [b"123 fences 1", b"123 fences 0"]


def test_every_band_of_a_wearer_has_a_state_of_its_own():
    house = House(ZHANG, SECOND)
    house.wire.there = house.wire.acks = {"123"}
    house.codec.tagged = False
    house.give()
    assert house.disk.states == [("o1", "band-zhang", "delivered", "")]
    assert house.disk.done == set()
    house.clock.advance(301)
    house.downlink.look()
    assert house.disk.states[-1] == ("o1", "watch-zhang", "expired", "")
    assert house.disk.done == {(1, 0)}


def test_an_order_for_one_band_goes_to_no_other():
    house = House(ZHANG, SECOND)
    house.wire.there = {"123", "456"}
    house.give(device="watch-zhang")
    assert [device for device, _ in house.wire.sent] == ["456"]


def test_a_connection_that_died_with_an_order_is_made_good_on_the_next(house):
    house.wire.there = {"123"}
    house.give()
    house.wire.arrive()
    house.hears()
    assert len(house.wire.sent) == 1, "the same connection still has it"
    house.line = object()
    house.hears()
    assert len(house.wire.sent) == 2
    house.hears("band-zhang", DownAnswer(tag="1", done=True))
    assert house.told()[-1] == "delivered", "the tag was of the connection that died"
    house.hears("band-zhang", DownAnswer(tag="2", done=True))
    assert house.told()[-1] == "done"


def test_an_order_that_is_never_answered_is_not_sent_for_ever(house):
    house.wire.there = house.wire.acks = {"123"}
    house.give("message", command={"text": "好"})
    for _ in range(10):
        house.line = object()
        house.hears()
    assert len(house.wire.sent) == MAX_SENDS


def test_an_order_a_wire_keeps_is_given_to_it_again_every_minute(house):
    house.wire.there = {"123"}
    house.give("message", command={"text": "好"})
    for _ in range(12):
        house.clock.advance(10)
        house.downlink.look()
    assert len(house.wire.sent) == 3


def test_an_order_whose_time_is_over_is_taken_back_from_the_wire_that_keeps_it(house):
    house.wire.there = {"123"}
    house.give()
    house.clock.advance(301)
    house.downlink.look()
    assert house.wire.withdrawn == [("123", b"123 find")]
    house.wire.arrive()
    assert house.told() == ["sent", "expired"]


def test_a_call_back_is_sent_once_whatever_happens(house):
    house.wire.there = {"123"}
    house.give("call_back", command={"phone": "+8613800138000"})
    house.line = object()
    house.hears()
    house.restart()
    house.hears()
    assert len(house.wire.sent) == 1


def test_a_call_back_is_written_down_before_it_is_sent(house):
    house.wire.there = {"123"}
    house.disk.is_stuck = True
    house.give("call_back", command={"phone": "+8613800138000"})
    house.downlink.look()
    assert (house.wire.sent, len(house.disk.stuck)) == ([], 1)
    house.disk.is_stuck = False
    house.disk.take(house.disk.stuck[0])
    assert len(house.wire.sent) == 1


def test_a_call_back_whose_band_is_away_waits_for_it_and_not_longer_than_it_is_of_use(house):
    house.give("call_back", command={"phone": "+8613800138000"})
    house.downlink.look()
    house.wire.there = {"123"}
    house.hears()
    assert len(house.wire.sent) == 1
    house.clock.advance(46)
    house.downlink.look()
    assert house.told() == ["sent", "expired"]


def test_a_call_back_that_cannot_wait_for_the_disk_waits_all_the_same(house):
    house.wire.there = {"123"}
    order = house.give("call_back", seq=-1, command={"phone": "+8613800138000"})
    assert house.wire.sent == []
    house.downlink.send(order, (9, 0))
    assert len(house.wire.sent) == 1


def test_what_was_sent_before_a_crash_and_not_answered_is_sent_again(house):
    house.wire.there = {"123"}
    house.give()
    house.wire.arrive()
    house.restart()
    assert len(house.wire.sent) == 2
    house.hears("band-zhang", DownAnswer(tag="1", done=True))
    assert house.told() == ["sent", "delivered", "done"]
    assert house.disk.done == {(1, 0)}


def test_a_restart_carries_on_with_the_bands_that_are_not_at_their_end():
    house = House(ZHANG, SECOND)
    house.wire.there = {"123"}
    house.give()
    house.hears("band-zhang", DownAnswer(tag="1", done=True))
    house.wire.there = {"123", "456"}
    house.restart()
    assert [device for device, _ in house.wire.sent] == ["123", "456"]


def test_an_order_that_could_not_wait_for_the_disk_goes_out_once(house):
    house.wire.there = {"123"}
    order = house.give(seq=-1)
    house.downlink.send(order, (9, 0))
    assert len(house.wire.sent) == 1
    assert house.disk.outbox[9, 0].bands[0].state == "sent"
    house.hears("band-zhang", DownAnswer(tag="1", done=True))
    assert house.disk.done == {(9, 0)}


def test_an_order_that_ended_before_its_commit_is_only_marked_after_it(house):
    house.wire.there = house.wire.acks = {"123"}
    house.codec.tagged = False
    order = house.give(seq=-1)
    assert house.disk.done == set()
    house.downlink.send(order, (9, 0))
    assert (len(house.wire.sent), house.disk.done) == (1, {(9, 0)})


def test_the_orders_of_a_band_that_is_not_the_wearers_any_more_are_given_up(house):
    house.give()
    house.registry.replace([WANG])
    house.downlink.look()
    assert house.disk.states == [("o1", "band-zhang", "given_up", "revoked")]


def test_a_band_given_to_somebody_else_does_not_get_the_orders_of_the_one_before(house):
    house.give("message", command={"text": "妈，今晚七点"})
    house.registry.replace([Device(device="band-zhang", protocol="talks", wearer="wang", wire_id="123")])
    house.wire.there = {"123"}
    house.hears()
    assert (house.told(), house.wire.sent) == (["given_up"], [])


def test_a_band_with_a_new_number_on_its_wire_keeps_its_orders(house):
    house.give()
    house.registry.replace([Device(device="band-zhang", protocol="talks", wearer="zhang", wire_id="999")])
    house.wire.there = {"999"}
    house.hears()
    assert [device for device, _ in house.wire.sent] == ["999"]


def test_of_the_orders_that_wait_only_the_newest_interval_counts(house):
    house.give("interval", command={"interval_s": 60})
    house.give("interval", command={"interval_s": 600})
    house.give("message", command={"text": "一"})
    house.give("message", command={"text": "二"})
    assert house.disk.states == [("o1", "band-zhang", "given_up", "replaced")]


def test_too_many_orders_for_one_band_cost_the_oldest_that_no_incident_gave(house):
    house.give("help_is_coming", incident="i1")
    for _ in range(MAX_OF_A_BAND):
        house.give("message", command={"text": "好"})
    assert house.disk.states == [("o2", "band-zhang", "given_up", "too_many")]


def test_too_many_orders_in_all_are_bounded(monkeypatch):
    house = House(ZHANG, WANG)
    monkeypatch.setattr("gateway.downlink.sender.MAX_WAITING", 2)
    for wearer in ("zhang", "wang", "zhang"):
        house.give("message", wearer=wearer, command={"text": "好"})
        house.clock.advance(1)
    assert house.disk.states == [("o1", "band-zhang", "given_up", "too_many")]


def test_taking_an_order_twice_sends_it_once(house):
    house.wire.there = {"123"}
    order = house.give()
    house.downlink.send(order, (1, 0))
    assert len(house.wire.sent) == 1


def test_an_order_given_under_a_clock_that_was_wrong_is_of_use_no_longer_than_any_other(house):
    house.clock.advance(4 * 365 * 86_400)
    house.give()
    house.clock.advance(-4 * 365 * 86_400)
    house.downlink.look()
    house.clock.advance(301)
    house.wire.there = {"123"}
    house.downlink.look()
    assert (house.told(), house.wire.sent) == (["expired"], [])


def test_an_order_that_was_lost_is_sent_again_though_the_clock_was_set_back(house):
    house.wire.there = {"123"}
    house.give("message", command={"text": "吃药"})
    house.clock.advance(-3600)
    house.downlink.look()
    assert len(house.wire.sent) == 2


def test_a_call_back_is_not_sent_again_though_the_clock_was_set_back(house):
    house.wire.there = {"123"}
    house.give("call_back", command={"phone": "+8613800138000"})
    house.clock.advance(-3600)
    house.downlink.look()
    house.restart()
    house.hears()
    assert len(house.wire.sent) == 1
