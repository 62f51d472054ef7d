"""What a band may listen to (MQTT 3.8 to 3.11, 4.7, 4.8)."""

from __future__ import annotations

import pytest
from rigs.mqtt_band import DOWN, UP, Make

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
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
