"""What outlives a connection (MQTT 4.1, 4.4, 3.1.4)."""

from __future__ import annotations

import asyncio

import pytest
from rigs.mqtt_band import BOTH, DOWN, UP, Make, hello, kept

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    Disconnect,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    Reason,
    Subscribe,
    Subscription,
    Will,
)
from gateway.transports.base import Outcome, Settlement
from gateway.transports.mqtt_session import TAKEOVERS


@BOTH
async def test_a_qos_2_message_pending_through_a_reconnect_is_handed_over_once(
    make: Make, version: int
) -> None:
    bench = await make()
    band = await bench.band(version, **kept(version))
    band.say(Publish(UP, b"x", 2, 5))
    pending = await bench.sink.next()
    band.leave()
    await bench.sink.closed_links.get()
    again = await bench.band(version, present=True, **kept(version))
    again.say(Publish(UP, b"x", 2, 5, dup=True))
    assert await again.ping() == []
    pending.settle(Settlement(Outcome.STORED))
    assert PubRec(5) == await again.hear()
    assert bench.sink.heard.empty()


async def test_a_second_connection_takes_the_session_over(make: Make) -> None:
    bench = await make()
    old = await bench.band(V5, will=Will("w", b"gone"), **kept(V5))
    new = await bench.band(V5, present=True, **kept(V5))
    assert [packet.code for packet in await old.rest()] == [Reason.TAKEN_OVER]
    assert await new.ping() == []
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    counters = bench.listener.counters
    assert (counters.takeovers, counters.wills, counters.sessions) == (1, 0, 1)


async def test_another_device_with_the_same_client_id_takes_nothing_over(make: Make) -> None:
    bench = await make()
    mine = await bench.band(V311, **kept(V311))
    await bench.band(V311, username="band-2", password=b"key-2", **kept(V311))
    assert await mine.ping() == []
    assert bench.listener.counters.takeovers == 0


async def test_a_device_has_only_so_many_sessions(make: Make) -> None:
    bench = await make(max_sessions_per_device=2)
    bands = [await bench.band(V5, client_id=str(number)) for number in range(3)]
    assert [packet.code for packet in await bands[0].rest()] == [Reason.QUOTA_EXCEEDED]
    assert await bands[1].ping() == []
    assert bench.listener.counters.sessions == 2


async def test_a_clean_start_forgets_what_waited(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311, **kept(V311))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    band.leave()
    await bench.sink.closed_links.get()
    assert bench.listener.send("band-1", b"1", pytest.fail)
    again = await bench.band(V311, clean=True)
    assert await again.ping() == []
    assert bench.listener.send("band-1", b"2", pytest.fail) is False


async def test_a_session_ends_with_its_connection_or_when_its_time_is_up(make: Make) -> None:
    bench = await make(session_expiry_max_s=0)
    band = await bench.band(V311, clean=False)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    band.leave()
    await bench.sink.closed_links.get()
    assert bench.listener.send("band-1", b"1", pytest.fail) is False
    assert bench.listener.counters.sessions == 0


async def test_a_session_is_kept_as_long_as_was_asked_and_then_forgotten(make: Make) -> None:
    bench = await make(session_expiry_max_s=1_000)
    band = await bench.band(V5, clean=False, properties={"session_expiry_interval": 600})
    band.leave()
    await bench.sink.closed_links.get()
    session = bench.session()
    assert 590 < session.expires.when() - asyncio.get_running_loop().time() <= 600
    bench.listener._expire(session)
    assert (bench.listener.counters.sessions, bench.listener.counters.sessions_expired) == (0, 1)
    await bench.band(V5, present=False, **kept(V5))


@BOTH
async def test_a_session_that_is_taken_up_again_does_not_expire(make: Make, version: int) -> None:
    bench = await make()
    (await bench.band(version, **kept(version))).leave()
    await bench.sink.closed_links.get()
    timer = bench.session().expires
    await bench.band(version, present=True, **kept(version))
    assert timer.cancelled()
    assert bench.session().expires is None
    assert bench.listener.counters.wills == 0, "it had none"


async def test_a_goodbye_can_end_a_kept_session(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, **kept(V5))
    band.say(Disconnect(0, {"session_expiry_interval": 0}))
    assert await band.rest() == []
    await bench.sink.closed_links.get()
    assert bench.listener.counters.sessions == 0


async def test_a_clean_start_of_5_0_can_begin_a_session_that_is_kept(make: Make) -> None:
    bench = await make()
    (await bench.band(V5, clean=True, properties={"session_expiry_interval": 600})).leave()
    await bench.sink.closed_links.get()
    await bench.band(V5, present=True, **kept(V5))


@BOTH
async def test_a_qos_2_message_can_be_released_after_a_reconnect(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version, **kept(version))
    band.say(Publish(UP, b"x", 2, 5))
    await bench.sink.settle()
    assert PubRec(5) == await band.hear()
    band.leave()
    await bench.sink.closed_links.get()
    again = await bench.band(version, present=True, **kept(version))
    again.say(PubRel(5))
    assert PubComp(5) == await again.hear()


async def test_a_clean_start_forgets_what_was_half_received(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, **kept(V5))
    band.say(Publish(UP, b"x", 2, 5))
    await bench.sink.settle()
    assert PubRec(5) == await band.hear()
    again = await bench.band(V5, clean=True, present=False)
    again.say(PubRel(5))
    assert PubComp(5, Reason.ID_NOT_FOUND) == await again.hear()


# --------------------------------------------------------------------------- one key, two clients


async def test_two_clients_of_one_device_that_both_speak_are_told_of_once(make: Make) -> None:
    bench = await make()
    one, two = [await bench.band(V311, client_id=name) for name in ("a", "b")]
    for band in (one, two, one, two):
        band.say(Publish(UP, b"x"))
        await bench.sink.settle()
    (told,) = bench.sink.doubles
    assert told[0] == "band-1"
    assert told[1].endswith(f":{one.writer.get_extra_info('sockname')[1]}")
    assert bench.listener.counters.doubled == 1


async def test_a_second_client_that_only_listens_is_no_copy(make: Make) -> None:
    bench = await make()
    one, two = [await bench.band(V311, client_id=name) for name in ("a", "b")]
    two.say(Subscribe(1, (Subscription(DOWN, 1),)))
    for _ in range(2):
        one.say(Publish(UP, b"x"))
        await bench.sink.settle()
    assert bench.sink.doubles == []


async def test_a_band_that_comes_again_under_another_name_is_no_copy(make: Make) -> None:
    """Its old connection is dead, though we do not know it yet, and says nothing more."""
    bench = await make()
    old = await bench.band(V311, client_id="random-1")
    old.say(Publish(UP, b"x"))
    await bench.sink.settle()
    new = await bench.band(V311, client_id="random-2")
    new.say(Publish(UP, b"y"))
    await bench.sink.settle()
    assert bench.sink.doubles == []


async def test_what_was_said_before_a_connection_came_does_not_count_against_it(make: Make) -> None:
    bench = await make()
    old = await bench.band(V311, client_id="random-1")
    await bench.band(V311, client_id="listens-only")
    old.say(Publish(UP, b"x"))
    await bench.sink.settle()
    new = await bench.band(V311, client_id="random-2")
    new.say(Publish(UP, b"y"))
    await bench.sink.settle()
    assert bench.sink.doubles == []


@BOTH
async def test_two_clients_that_throw_each_other_out_are_told_of(make: Make, version: int) -> None:
    bench = await make()
    for number in range(TAKEOVERS + 1):
        assert bench.sink.doubles == []
        await bench.band(version, clean=bool(number % 2), present=None)
    assert len(bench.sink.doubles) == 1


# --------------------------------------------------------------------------- revoked


@BOTH
async def test_a_revoked_band_is_out_at_once_and_stays_out(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version, **kept(version))
    other = await bench.band(version, username="band-2", password=b"key-2")
    bench.sink.revoked.add("band-1")
    bench.listener.forget("band-1")
    bench.listener.forget("band-1")
    assert [packet.code for packet in await band.rest()] == ([0x87] if version == V5 else [])
    again = await bench.stranger(version)
    again.say(hello(version, **kept(version)))
    assert [packet.code for packet in await again.rest()] == [0x87 if version == V5 else 5]
    assert await other.ping() == []
    assert bench.listener.counters.sessions == 1
