"""How much is taken at once, both ways (MQTT 5.0 4.9, 3.1.2.11.3, 3.2.2.3.3)."""

from __future__ import annotations

import asyncio

from rigs.mqtt_band import BOTH, DOWN, UP, Make

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    PingReq,
    PingResp,
    PubAck,
    Publish,
    Reason,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
)
from gateway.transports.base import Outcome, Settlement


async def test_a_5_0_client_over_its_receive_maximum_is_disconnected(make: Make) -> None:
    bench = await make(receive_maximum=2)
    band = await bench.band(V5)
    band.say(Publish(UP, b"1", 1, 1), Publish(UP, b"2", 2, 2), Publish(UP, b"3", 1, 3))
    assert [packet.code for packet in await band.rest()] == [Reason.RECEIVE_MAXIMUM_EXCEEDED]
    assert bench.sink.heard.qsize() == 2


async def test_a_3_1_1_client_is_read_only_as_fast_as_the_journal_settles(make: Make) -> None:
    bench = await make(receive_maximum=2)
    band = await bench.band(V311)
    band.say(*(Publish(UP, str(number).encode(), 1, number) for number in range(1, 7)))
    settled = []
    for number in range(1, 7):
        inbound = await bench.sink.next()
        assert bench.listener.counters.in_flight <= 2
        inbound.settle(Settlement(Outcome.STORED))
        settled.append(inbound.data)
        assert PubAck(number) == await band.hear()
    assert settled == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert await band.ping() == []


async def test_a_congested_sink_stops_the_reading_until_it_is_free_again(make: Make) -> None:
    bench = await make()
    bench.sink.congested_after = 1
    one, two = await bench.band(V311), await bench.band(V5, client_id="c2")
    one.say(Publish(UP, b"1", 1, 1), Publish(UP, b"2", 1, 2), PingReq())
    first = await bench.sink.next()
    bench.sink.heard.put_nowait(first)
    two.say(Publish(UP, b"3", 1, 1), PingReq())
    while bench.listener.counters.held < 2:  # noqa: ASYNC110 -- counted on this loop, turn by turn
        await asyncio.sleep(0)
    assert bench.sink.heard.qsize() == 2, "one message each, and nothing after it"
    bench.sink.relieve()
    assert PingResp() == await one.hear()
    assert PingResp() == await two.hear()
    assert bench.sink.heard.qsize() == 3


async def test_the_bands_own_receive_maximum_and_packet_size_are_kept(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, properties={"receive_maximum": 1, "maximum_packet_size": 60})
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    for order in (b"1", b"2", bytes(100), b"3"):
        assert bench.listener.send("band-1", order, lambda: None)
    assert [Publish(DOWN, b"1", 1, 1)] == await band.ping()
    band.say(PubAck(1))
    assert [Publish(DOWN, b"2", 1, 2)] == await band.ping()
    band.say(PubAck(2))
    assert [Publish(DOWN, b"3", 1, 4)] == await band.ping()
    assert bench.listener.counters.down_too_large == 1


async def test_an_oversized_packet_ends_the_connection(make: Make) -> None:
    bench = await make(max_packet_bytes=2_000)
    band = await bench.band(V5)
    band.say(Publish(UP, bytes(2_000), 1, 1))
    assert [packet.code for packet in await band.rest()] == [Reason.PACKET_TOO_LARGE]
    assert bench.listener.counters.malformed == 1


async def test_a_full_window_of_orders_holds_back_orders_and_nothing_else(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, properties={"receive_maximum": 1})
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    for order in (b"1", b"2"):
        assert bench.listener.send("band-1", order, lambda: None)
    band.say(Publish(UP, b"x", 1, 9), Unsubscribe(2, ("a",)))
    await bench.sink.settle()
    said = await band.ping()
    assert said[0] == Publish(DOWN, b"1", 1, 1)
    assert PubAck(9) in said
    assert UnsubAck(2, (0x11,)) in said
    assert len(said) == 3


async def test_an_order_the_band_declines_is_not_sent_again_and_frees_the_window(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, properties={"receive_maximum": 1}, clean=True)
    done: list[int] = []
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    for number in (1, 2):
        assert bench.listener.send("band-1", str(number).encode(), lambda number=number: done.append(number))
    assert [Publish(DOWN, b"1", 1, 1)] == await band.ping()
    band.say(PubAck(1, Reason.UNSPECIFIED))
    assert [Publish(DOWN, b"2", 1, 2)] == await band.ping()
    assert (done, bench.listener.counters.down_declined) == ([1], 1)


@BOTH
async def test_orders_under_way_have_packet_ids_that_differ(make: Make, version: int) -> None:
    bench = await make(max_in_flight_down=3)
    band = await bench.band(version)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    bench.session()._last_id = 0xFFFE
    for order in (b"1", b"2", b"3"):
        assert bench.listener.send("band-1", order, lambda: None)
    assert [packet.packet_id for packet in await band.ping()] == [0xFFFF, 1, 2]
    bench.session()._last_id = 0xFFFE
    band.say(PubAck(1))
    assert bench.listener.send("band-1", b"4", lambda: None)
    assert [packet.packet_id for packet in await band.ping()] == [1], "65535 is still under way"
