"""What outlives a connection (MQTT 4.1, 4.4, 3.1.4)."""

from __future__ import annotations

import asyncio

import pytest
from rigs.mqtt_band import BOTH, DOWN, UP, Make, kept

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    Publish,
    PubRec,
    Reason,
    Subscribe,
    Subscription,
    Will,
)
from gateway.transports.base import Outcome, Settlement


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
