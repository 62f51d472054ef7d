"""Orders to a band over its own MQTT line (MQTT 3.3, 4.3.2, 4.4)."""

from __future__ import annotations

import asyncio
import functools

import pytest
from rigs.mqtt_band import BOTH, DOWN, UP, Bench, Make, kept

from gateway.codecs.mqtt_packets import V311, PubAck, Publish, SubAck, Subscribe, Subscription


async def test_the_protocols_own_replies_go_down(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)), Publish(UP, b"x", 1, 2))
    await bench.sink.settle(replies=(b"echo",))
    assert [SubAck(1, (1,)), PubAck(2), Publish(DOWN, b"echo", 1, 1)] == [await band.hear() for _ in range(3)]


@BOTH
async def test_an_order_reaches_the_band_and_is_done_on_its_puback(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    done: list[str] = []
    assert bench.listener.send("band-1", b"locate", lambda: done.append("early")) is False
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    assert SubAck(1, (1,)) == await band.hear()
    assert bench.listener.send("band-1", b"locate", lambda: done.append("locate")) is True
    assert Publish(DOWN, b"locate", 1, 1) == await band.hear()
    assert done == []
    band.say(PubAck(1))
    assert await band.ping() == []
    assert done == ["locate"]


@BOTH
async def test_orders_wait_for_a_band_that_is_away_and_are_repeated_until_it_has_them(
    make: Make, version: int
) -> None:
    bench = await make()
    done: list[int] = []
    band = await bench.band(version, **kept(version))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    assert SubAck(1, (1,)) == await band.hear()
    assert bench.listener.send("band-1", b"1", lambda: done.append(1))
    assert Publish(DOWN, b"1", 1, 1) == await band.hear()
    band.leave()
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert bench.listener.send("band-1", b"2", lambda: done.append(2))
    again = await bench.band(version, present=True, **kept(version))
    assert Publish(DOWN, b"1", 1, 1, dup=True) == await again.hear()
    assert Publish(DOWN, b"2", 1, 2) == await again.hear()
    again.say(PubAck(1), PubAck(2), PubAck(2))
    assert await again.ping() == []
    assert done == [1, 2]


async def test_a_full_queue_refuses_orders(make: Make) -> None:
    bench = await make(max_queued_down=2)
    band = await bench.band(V311)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    taken = [bench.listener.send("band-1", b"%d" % number, pytest.fail) for number in range(3)]
    assert taken == [True, True, False]
    assert bench.listener.counters.down_refused == 1


async def away(bench: Bench) -> None:
    """A band that listens with QoS 1 and has gone, its session kept."""
    band = await bench.band(V311, **kept(V311))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    band.leave()
    await bench.sink.closed_links.get()


async def test_an_order_given_again_while_its_band_is_away_reaches_it_once(make: Make) -> None:
    bench = await make()
    await away(bench)
    done: list[str] = []
    for name in ("first", "again", "other"):
        assert bench.listener.send("band-1", b"find", functools.partial(done.append, name))
    band = await bench.band(V311, present=True, **kept(V311))
    order = await band.hear()
    assert order == Publish(DOWN, b"find", 1, 1)
    assert bench.listener.send("band-1", b"find", functools.partial(done.append, "unacknowledged"))
    band.say(PubAck(1))
    assert await band.ping() == []
    assert done == ["first", "again", "other", "unacknowledged"]


async def test_an_order_that_was_withdrawn_does_not_reach_a_band_that_comes_back(make: Make) -> None:
    bench = await make()
    await away(bench)
    for order in (b"find", b"message"):
        assert bench.listener.send("band-1", order, pytest.fail)
    for _ in range(2):
        bench.listener.withdraw("band-1", b"find")
    bench.listener.withdraw("nobody", b"find")
    band = await bench.band(V311, present=True, **kept(V311))
    assert await band.hear() == Publish(DOWN, b"message", 1, 1)
    assert await band.ping() == []


async def test_an_order_whose_time_is_over_is_not_repeated_to_a_band_that_never_acknowledged_it(
    make: Make,
) -> None:
    bench = await make()
    band = await bench.band(V311, **kept(V311))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    assert bench.listener.send("band-1", b"call_back", pytest.fail)
    assert await band.hear() == Publish(DOWN, b"call_back", 1, 1)
    band.leave()
    await bench.sink.closed_links.get()
    bench.listener.withdraw("band-1", b"call_back")
    again = await bench.band(V311, present=True, **kept(V311))
    assert await again.ping() == []


async def test_an_order_given_after_one_like_it_was_withdrawn_is_another_order(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311, **kept(V311))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    done: list[str] = []
    assert bench.listener.send("band-1", b"find", lambda: done.append("old"))
    assert await band.hear() == Publish(DOWN, b"find", 1, 1)
    bench.listener.withdraw("band-1", b"find")
    assert bench.listener.send("band-1", b"find", lambda: done.append("new"))
    assert await band.hear() == Publish(DOWN, b"find", 1, 2)
    band.say(PubAck(2))
    assert await band.ping() == []
    assert done == ["new"]


async def test_a_qos_0_subscriber_is_sent_to_while_it_is_there(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Subscribe(1, (Subscription(DOWN, 0),)))
    assert SubAck(1, (0,)) == await band.hear()
    done: list[bool] = []
    assert bench.listener.send("band-1", b"x", lambda: done.append(True))
    assert Publish(DOWN, b"x") == await band.hear()
    assert done == [True]


async def test_an_order_to_two_sessions_of_a_band_is_done_once(make: Make) -> None:
    bench = await make()
    bands = [await bench.band(V311, client_id=name) for name in ("a", "b")]
    done: list[bool] = []
    for band in bands:
        band.say(Subscribe(1, (Subscription(DOWN, 1),)))
        await band.hear()
    assert bench.listener.send("band-1", b"x", lambda: done.append(True))
    for band in bands:
        assert Publish(DOWN, b"x", 1, 1) == await band.hear()
        band.say(PubAck(1))
        await band.ping()
    assert done == [True]
