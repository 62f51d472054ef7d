"""What a band publishes and how it is acknowledged (MQTT 3.3 to 3.7, 4.3, 4.6)."""

from __future__ import annotations

import asyncio

import pytest
from rigs.mqtt_band import BOTH, DOWN, UP, Make

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    Reason,
    SubAck,
    Subscribe,
    Subscription,
)
from gateway.transports.base import Outcome, Settlement


@BOTH
async def test_puback_comes_after_the_settlement_and_not_before(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"hr", 1, 7))
    inbound = await bench.sink.next()
    assert await band.ping() == []
    inbound.settle(Settlement(Outcome.STORED))
    assert PubAck(7) == await band.hear()
    assert (
        inbound.data,
        inbound.link.device,
        inbound.link.wire,
        inbound.link.protocol,
        inbound.link.streaming,
    ) == (b"hr", "band-1", "mqtt_listener", "senml", False)


@BOTH
async def test_what_goes_to_quarantine_is_acknowledged_too(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"?", 1, 1))
    await bench.sink.settle(Outcome.QUARANTINED)
    assert PubAck(1) == await band.hear()


@BOTH
async def test_what_could_not_be_stored_is_not_acknowledged_and_the_band_must_come_again(
    make: Make, version: int
) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"x", 1, 1))
    await bench.sink.settle(Outcome.UNAVAILABLE)
    said = await band.rest()
    assert [packet for packet in said if isinstance(packet, PubAck)] == []
    assert (bench.listener.counters.unavailable, bench.listener.counters.acknowledged) == (1, 0)


async def test_a_forbidden_device_is_told_so_in_5_0_and_cut_off(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 9))
    await bench.sink.settle(Outcome.FORBIDDEN)
    refused, goodbye = await band.rest()
    assert PubAck(9, Reason.NOT_AUTHORISED) == refused
    assert goodbye.code == Reason.NOT_AUTHORISED


async def test_a_forbidden_device_is_only_cut_off_in_3_1_1(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Publish(UP, b"x", 1, 9))
    await bench.sink.settle(Outcome.FORBIDDEN)
    assert await band.rest() == []


async def test_pubacks_follow_the_order_of_settlement(make: Make) -> None:
    """In order they leave in order; a settlement that overtakes (an SOS) makes its PUBACK overtake."""
    bench = await make()
    band = await bench.band(V311)
    band.say(*(Publish(UP, b"x", 1, number) for number in (1, 2, 3)))
    first, second, sos = [await bench.sink.next() for _ in range(3)]
    for inbound in (sos, first, second):
        inbound.settle(Settlement(Outcome.STORED))
    assert [PubAck(3), PubAck(1), PubAck(2)] == [await band.hear() for _ in range(3)]


async def test_a_settlement_after_the_connection_is_gone_is_harmless(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Publish(UP, b"x", 1, 1), Publish(UP, b"y", 2, 2), Publish(UP, b"z"))
    waiting = [await bench.sink.next() for _ in range(3)]
    band.leave()
    assert (await asyncio.wait_for(bench.sink.closed_links.get(), 10)).device == "band-1"
    for inbound in waiting:
        inbound.settle(Settlement(Outcome.STORED))
    assert (bench.listener.counters.in_flight, bench.listener.counters.acknowledged) == (0, 0)


@BOTH
async def test_qos_0_is_handed_over_and_never_answered(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"x"))
    await bench.sink.settle()
    assert await band.ping() == []


@BOTH
async def test_qos_2_is_handed_over_once_however_often_it_is_repeated(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"x", 2, 5), Publish(UP, b"x", 2, 5, dup=True))
    assert await band.ping() == []
    await bench.sink.settle()
    assert PubRec(5) == await band.hear()
    band.say(Publish(UP, b"x", 2, 5, dup=True))
    assert PubRec(5) == await band.hear()
    band.say(PubRel(5))
    assert PubComp(5) == await band.hear()
    assert bench.sink.heard.empty()
    assert (bench.listener.counters.messages, bench.listener.counters.duplicates) == (1, 2)
    band.say(Publish(UP, b"new", 2, 5))
    assert (await bench.sink.settle()).data == b"new"


async def test_an_unknown_pubrel_is_answered_as_each_version_wants(make: Make) -> None:
    bench = await make()
    old, new = await bench.band(V311), await bench.band(V5, client_id="c2")
    old.say(PubRel(3))
    new.say(PubRel(3))
    assert PubComp(3) == await old.hear()
    assert PubComp(3, Reason.ID_NOT_FOUND) == await new.hear()


async def test_a_forbidden_qos_2_message_gets_its_reason_in_pubrec(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 2, 5))
    await bench.sink.settle(Outcome.FORBIDDEN)
    assert PubRec(5, Reason.NOT_AUTHORISED) == (await band.rest())[0]


@pytest.mark.parametrize("topic", ["sw/xinhe/band-2/up", DOWN, "sw/other/band-1/up", "up"])
async def test_a_band_publishes_only_its_own_uplink(make: Make, topic: str) -> None:
    bench = await make()
    old, new = await bench.band(V311), await bench.band(V5, client_id="c2")
    for band in (old, new):
        band.say(Publish(topic, b"x", 1, 4))
    assert await old.rest() == []
    assert [PubAck(4, Reason.NOT_AUTHORISED)] == await new.ping()
    assert bench.sink.heard.empty()
    assert bench.listener.counters.forbidden == 2


async def test_a_topic_alias_is_refused_because_none_was_offered(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 1, properties={"topic_alias": 1}))
    assert [packet.code for packet in await band.rest()] == [Reason.TOPIC_ALIAS_INVALID]


async def test_user_properties_of_a_message_do_no_harm(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 1, properties={"user_property": (("fw", "1.2"),)}))
    assert (await bench.sink.settle()).data == b"x"
    assert PubAck(1) == await band.hear()


@BOTH
@pytest.mark.parametrize("dup", [False, True])
async def test_a_packet_id_is_free_again_after_its_puback(make: Make, version: int, *, dup: bool) -> None:
    bench = await make()
    band = await bench.band(version)
    for payload in (b"first", b"second"):
        band.say(Publish(UP, payload, 1, 7, dup=dup))
        assert (await bench.sink.settle()).data == payload
        assert PubAck(7) == await band.hear()


@BOTH
async def test_a_retained_message_is_a_message_and_nobody_is_sent_it_later(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"sos", 1, 1, retain=True), Publish(UP, b"", 1, 2, retain=True))
    assert [(await bench.sink.settle()).data, (await bench.sink.settle()).data] == [b"sos", b""]
    assert [PubAck(1), PubAck(2)] == await band.ping()
    band.say(Subscribe(3, (Subscription(DOWN, 1),)))
    assert [SubAck(3, (1,))] == await band.ping()


async def test_the_properties_of_a_message_do_not_change_what_is_handed_over(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    properties = {
        "payload_format_indicator": 1,
        "message_expiry_interval": 0,
        "content_type": "application/senml+json",
        "response_topic": "sw/xinhe/band-1/down",
        "correlation_data": b"c",
        "user_property": (("a", "1"), ("a", "2")),
    }
    band.say(Publish(UP, b"sos", 1, 1, properties=properties))
    assert (await bench.sink.settle()).data == b"sos", "an SOS does not expire on the way"
    assert PubAck(1) == await band.hear()


async def test_a_subscription_identifier_from_a_client_ends_the_connection(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 1, properties={"subscription_identifier": (1,)}))
    assert [packet.code for packet in await band.rest()] == [Reason.PROTOCOL_ERROR]
    assert bench.sink.heard.empty()


@pytest.mark.parametrize("topic", ["SW/xinhe/band-1/up", UP + "/", "/" + UP, "sw//xinhe/band-1/up", UP + " "])
async def test_a_topic_is_compared_as_it_is(make: Make, topic: str) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(topic, b"x", 1, 1))
    assert [PubAck(1, Reason.NOT_AUTHORISED)] == await band.ping()


async def test_a_refused_qos_2_message_leaves_its_packet_id_free(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish("another/topic", b"x", 2, 5))
    assert PubRec(5, Reason.NOT_AUTHORISED) == await band.hear()
    band.say(Publish(UP, b"mine", 2, 5))
    assert (await bench.sink.settle()).data == b"mine"
    assert PubRec(5) == await band.hear()
