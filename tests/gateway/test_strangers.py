"""A flood of strangers is counted and not kept, while every bad frame of a band is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import MAX_BAD_KEPT
from gateway.strangers import (
    A_SECOND,
    ALL_A_SECOND,
    ALL_AT_ONCE,
    AT_ONCE,
    MAX_NETWORKS,
    Strangers,
)
from gateway.transports.base import Link, Outcome

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def kept(house):
    return [row for record in house.journal.records if record.has_rest for row in record.rest.quarantine]


def stranger(number, host="203.0.113.9"):
    return Link(wire="tcp", protocol="watch", peer=f"{host}:{number}", streaming=True)


async def test_a_flood_of_one_stranger_takes_no_more_of_the_disk_than_its_share(house):
    for number in range(100):
        house.hear("3900000001\n" * MAX_BAD_KEPT, stranger(number))
    assert len(kept(house)) == AT_ONCE
    assert house.intake.counts["frames of strangers not kept"] == 100 * MAX_BAD_KEPT - AT_ONCE


async def test_what_is_not_kept_is_still_settled_as_bad_so_that_the_line_is_cut(house):
    for number in range(10):
        house.hear("bad\n" * MAX_BAD_KEPT, stranger(number))
    house.journal.commit()
    assert [(one.outcome, one.bad) for one in house.settled] == [(Outcome.QUARANTINED, MAX_BAD_KEPT)] * 10


async def test_another_new_band_is_heard_beside_the_flood_and_again_after_a_while(house):
    for number in range(10):
        house.hear("bad\n" * MAX_BAD_KEPT, stranger(number))
    house.hear("3900000001", stranger(1, host="198.51.100.7"))
    assert kept(house)[-1].device == "3900000001"
    house.advance(1 / A_SECOND)
    before = len(kept(house))
    house.hear("bad\nbad", stranger(1))
    assert len(kept(house)) == before + 1


async def test_every_bad_frame_of_a_band_is_kept_whatever_strangers_do(house, band):
    for number in range(40):
        house.hear("bad\n" * MAX_BAD_KEPT, stranger(number, host=f"203.0.113.{number}"))
    assert len(kept(house)) == ALL_AT_ONCE
    for _ in range(300):
        house.hear("bad", band)
    assert len(kept(house)) == ALL_AT_ONCE + 300


async def test_on_a_receiver_of_many_bands_a_known_one_is_kept_and_the_air_is_bounded(house):
    radio = Link(wire="serial", protocol="senml", peer="/dev/lora", streaming=True, shared=True)
    for number in range(500):
        house.hear(f"stranger-{number}", radio)
    assert len(kept(house)) == AT_ONCE


def test_a_clock_that_is_set_back_neither_fills_nor_blocks():
    strangers = Strangers()
    for _ in range(int(AT_ONCE)):
        assert strangers.keep("a", NOW)
    assert not strangers.keep("a", NOW - timedelta(days=1))
    assert strangers.keep("a", NOW - timedelta(days=1) + timedelta(seconds=1 / A_SECOND))


def test_networks_without_end_are_not_remembered_without_end():
    strangers = Strangers()
    for number in range(MAX_NETWORKS + 50):
        strangers.keep(str(number), NOW)
    assert len(strangers) == MAX_NETWORKS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=60))
def test_never_more_than_the_bound_however_they_come(steps):
    strangers, now, count = Strangers(), NOW, 0
    for network, later_s in steps:
        now += timedelta(seconds=later_s)
        count += sum(strangers.keep(network, now) for _ in range(150))
    passed_s = (now - NOW).total_seconds()
    assert count <= ALL_AT_ONCE + ALL_A_SECOND * passed_s + 1e-6
