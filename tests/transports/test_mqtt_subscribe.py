"""What a band may listen to (MQTT 3.8 to 3.11, 4.7, 4.8)."""

from __future__ import annotations

import pytest
from rigs.mqtt_band import BOTH, DOWN, UP, Make

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    PubAck,
    Publish,
    Reason,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
)


@pytest.mark.parametrize("wanted", ["sw/xinhe/band-2/down", "sw/xinhe/+/down", "#", UP])
async def test_a_band_subscribes_only_to_its_own_downlink(make: Make, wanted: str) -> None:
    bench = await make()
    old, new = await bench.band(V311), await bench.band(V5, client_id="c2")
    for band in (old, new):
        band.say(Subscribe(6, (Subscription(wanted, 1), Subscription(DOWN, 2))))
    assert SubAck(6, (0x80, 1)) == await old.hear()
    assert SubAck(6, (0x87, 1)) == await new.hear()


async def test_after_unsubscribe_nothing_is_sent(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)), Unsubscribe(2, (DOWN, "other")))
    assert [SubAck(1, (1,)), UnsubAck(2, (0, 0x11))] == [await band.hear(), await band.hear()]
    assert bench.listener.send("band-1", b"x", pytest.fail) is False


@BOTH
async def test_every_filter_has_its_code_in_its_order_in_one_suback(make: Make, version: int) -> None:
    band = await (await make()).band(version)
    names = ("x", DOWN, "$share/g/x", "sw/#", DOWN)
    band.say(Subscribe(9, tuple(Subscription(name, qos % 3) for qos, name in enumerate(names))))
    no, shared = (0x87, 0x9E) if version == V5 else (0x80, 0x80)
    assert [SubAck(9, (no, 1, shared, no, 1))] == await band.ping()


@BOTH
async def test_a_second_subscription_replaces_the_first(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    for qos in (1, 0):
        band.say(Subscribe(1, (Subscription(DOWN, qos),)))
        assert SubAck(1, (qos,)) == await band.hear()
    assert bench.listener.send("band-1", b"x", lambda: None)
    assert [Publish(DOWN, b"x")] == await band.ping()


async def test_no_local_on_a_shared_subscription_ends_the_connection(make: Make) -> None:
    band = await (await make()).band(V5)
    band.say(Subscribe(1, (Subscription(f"$share/g/{DOWN}", 1, no_local=True),)))
    assert [packet.code for packet in await band.rest()] == [Reason.PROTOCOL_ERROR]


async def test_a_subscription_identifier_is_refused_because_none_was_offered(make: Make) -> None:
    band = await (await make()).band(V5)
    band.say(Subscribe(1, (Subscription(DOWN, 1),), {"subscription_identifier": 1}))
    assert [packet.code for packet in await band.rest()] == [Reason.SUBSCRIPTION_IDS_NOT_SUPPORTED]


@BOTH
async def test_unsubscribing_from_anything_is_answered(make: Make, version: int) -> None:
    band = await (await make()).band(version)
    band.say(Unsubscribe(4, ("a", DOWN, "b")))
    assert [UnsubAck(4, (0x11, 0x11, 0x11) if version == V5 else ())] == await band.ping()


@BOTH
async def test_what_was_under_way_at_an_unsubscribe_is_completed(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    done: list[str] = []
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    assert SubAck(1, (1,)) == await band.hear()
    assert bench.listener.send("band-1", b"x", lambda: done.append("x"))
    assert Publish(DOWN, b"x", 1, 1) == await band.hear()
    band.say(Unsubscribe(2, (DOWN,)))
    assert isinstance(await band.hear(), UnsubAck)
    band.say(PubAck(1))
    assert await band.ping() == []
    assert done == ["x"]


async def test_an_answer_larger_than_the_client_takes_is_not_sent(make: Make) -> None:
    band = await (await make()).band(V5, properties={"maximum_packet_size": 60})
    band.say(Subscribe(1, tuple(Subscription(f"t{number}", 0) for number in range(100))))
    assert [packet.code for packet in await band.rest()] == [Reason.PACKET_TOO_LARGE]


@pytest.mark.parametrize("handling", [0, 1, 2])
async def test_no_retained_message_comes_however_it_is_asked_for(make: Make, handling: int) -> None:
    band = await (await make()).band(V5)
    wish = Subscription(DOWN, 1, retain_as_published=True, retain_handling=handling)
    band.say(Subscribe(1, (wish,)))
    assert [SubAck(1, (1,))] == await band.ping()
