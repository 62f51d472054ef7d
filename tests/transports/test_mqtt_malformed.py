"""Bytes that are no MQTT, or not now, or not from a client: the connection ends (3.1.1 4.8, 5.0 4.13)."""

from __future__ import annotations

import pytest
from rigs.mqtt_band import BOTH, UP, Band, Bench, Make, hello

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    ConnAck,
    Disconnect,
    PingReq,
    PingResp,
    PubAck,
    Publish,
    Reason,
)
from gateway.transports.mqtt_hello import HELLO_BYTES

MALFORMED, PROTOCOL = Reason.MALFORMED, Reason.PROTOCOL_ERROR


async def after(bench: Bench, version: int, raw: str | bytes) -> tuple[Band, list[object]]:
    """What a band that was let in hears after these bytes, until the listener closes."""
    band = await bench.band(version)
    band.writer.write(raw if isinstance(raw, bytes) else bytes.fromhex(raw))
    return band, await band.rest()


def ended(version: int, said: list[object], code: int) -> bool:
    """Whether a 5.0 band was told this reason and nothing else, and a 3.1.1 band nothing."""
    return [packet.code for packet in said] == ([code] if version == V5 else [])


@BOTH
@pytest.mark.parametrize(
    "raw",
    [
        *("11 00", "21 02 00 00", "41 02 00 01", "51 02 00 01", "60 02 00 01", "63 02 00 01", "71 02 00 01"),
        *("80 06 00 01 00 01 61 00", "83 06 00 01 00 01 61 00", "91 03 00 01 00", "a0 05 00 01 00 01 61"),
        *("a1 05 00 01 00 01 61", "b1 02 00 01", "c1 00", "d1 00", "e1 00"),
    ],
)
async def test_wrong_flags_in_the_fixed_header_of_any_packet_end_the_connection(
    make: Make, version: int, raw: str
) -> None:
    bench = await make()
    _, said = await after(bench, version, raw)
    assert ended(version, said, MALFORMED)
    assert bench.listener.counters.malformed == 1


@BOTH
@pytest.mark.parametrize("raw", ["36 06 00 01 61 00 01 00", "38 04 00 01 61 00"])
async def test_a_publish_of_qos_3_or_a_repeated_one_of_qos_0_ends_the_connection(
    make: Make, version: int, raw: str
) -> None:
    _, said = await after(await make(), version, raw)
    assert ended(version, said, MALFORMED)


@BOTH
@pytest.mark.parametrize(
    "raw", ["20 02 00 00", "20 03 00 00 00", "50 02 00 01", "70 02 00 01", "90 04 00 01 00 00", "d0 00"]
)
async def test_a_packet_no_client_owes_us_ends_the_connection(make: Make, version: int, raw: str) -> None:
    """CONNACK, SUBACK and PINGRESP are a server's; PUBREC and PUBCOMP answer a QoS we never send."""
    of_the_other_version = (version, raw) in ((V311, "20 03 00 00 00"), (V5, "20 02 00 00"))
    code = MALFORMED if of_the_other_version else PROTOCOL
    _, said = await after(await make(), version, raw)
    assert ended(version, said, code)


@BOTH
@pytest.mark.parametrize("raw", ["00 00", "30 ff ff ff ff 01", "c0 80 00", "30 82 00 00 00"])
async def test_no_such_type_or_no_such_length_ends_the_connection(make: Make, version: int, raw: str) -> None:
    _, said = await after(await make(), version, raw)
    assert ended(version, said, MALFORMED)


@BOTH
@pytest.mark.parametrize(
    "raw", ["30 01 00", "30 03 00 05 61", "32 03 00 01 61", "40 01 00", "62 01 00", "82 01 00", "a2 01 00"]
)
async def test_a_packet_shorter_than_its_fields_ends_the_connection(
    make: Make, version: int, raw: str
) -> None:
    _, said = await after(await make(), version, raw)
    assert ended(version, said, MALFORMED)


@BOTH
@pytest.mark.parametrize("raw", ["c0 01 00", "40 06 00 01 00 00 00 00"])
async def test_bytes_left_over_in_a_packet_end_the_connection(make: Make, version: int, raw: str) -> None:
    _, said = await after(await make(), version, raw)
    assert ended(version, said, MALFORMED)


@BOTH
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"a\x00b"])
async def test_a_string_that_is_no_utf_8_or_holds_u_0000_ends_the_connection(
    make: Make, version: int, bad: bytes
) -> None:
    bench, string = await make(), len(bad).to_bytes(2, "big") + bad
    v5 = b"\x00" if version == V5 else b""
    for first, body in (
        (0x30, string + v5),
        (0x82, b"\x00\x01" + v5 + string + b"\x00"),
        (0xA2, b"\x00\x01" + v5 + string),
    ):
        _, said = await after(bench, version, bytes((first, len(body))) + body)
        assert ended(version, said, MALFORMED)


async def test_a_user_property_is_two_good_strings_or_the_connection_ends(make: Make) -> None:
    for pair in (b"\x00\x01\xff\x00\x01v", b"\x00\x01k\x00\x01\x00"):
        body = b"\x00\x01a" + bytes((1 + len(pair), 0x26)) + pair
        _, said = await after(await make(), V5, bytes((0x30, len(body))) + body)
        assert ended(V5, said, MALFORMED)


@BOTH
async def test_a_byte_order_mark_is_a_character_like_any_other(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish("\ufeff" + UP, b"x"))
    said = await band.rest()
    assert ended(version, said, Reason.NOT_AUTHORISED), "it is not skipped: this is another topic"


@BOTH
@pytest.mark.parametrize("topic", ["sw/xinhe/+/up", "#", "a+b", "sw/#"])
async def test_a_topic_name_with_a_wildcard_ends_the_connection(make: Make, version: int, topic: str) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(topic, b"x", 1, 1))
    assert ended(version, await band.rest(), Reason.TOPIC_NAME_INVALID)
    assert bench.sink.heard.empty()


@BOTH
async def test_an_empty_topic_or_filter_ends_the_connection(make: Make, version: int) -> None:
    v5 = "00" if version == V5 else ""
    empty = [f"30 {2 + len(v5) // 2:02x} 00 00 {v5}", f"82 {5 + len(v5) // 2:02x} 00 01 {v5} 00 00 00"]
    for raw in (*empty, f"a2 {4 + len(v5) // 2:02x} 00 01 {v5} 00 00"):
        _, said = await after(await make(), version, raw)
        assert ended(version, said, PROTOCOL)


@BOTH
@pytest.mark.parametrize("filter_", [b"a#", b"#/a", b"a/#/b", b"a+", b"+a/b"])
async def test_a_wildcard_out_of_place_ends_the_connection(make: Make, version: int, filter_: bytes) -> None:
    body = b"\x00\x01" + (b"\x00" if version == V5 else b"") + bytes((0, len(filter_))) + filter_
    for raw in (bytes((0x82, len(body) + 1)) + body + b"\x00", bytes((0xA2, len(body))) + body):
        _, said = await after(await make(), version, raw)
        assert ended(version, said, PROTOCOL)


@BOTH
async def test_a_packet_identifier_of_zero_ends_the_connection(make: Make, version: int) -> None:
    v5 = "00" if version == V5 else ""
    more = len(v5) // 2
    for raw in (
        f"32 {5 + more:02x} 00 01 61 00 00 {v5}",
        f"34 {5 + more:02x} 00 01 61 00 00 {v5}",
        f"82 {6 + more:02x} 00 00 {v5} 00 01 61 00",
        f"a2 {5 + more:02x} 00 00 {v5} 00 01 61",
        "40 02 00 00",
        "62 02 00 00",
    ):
        _, said = await after(await make(), version, raw)
        assert ended(version, said, PROTOCOL)


@BOTH
async def test_a_subscribe_or_unsubscribe_without_filters_ends_the_connection(
    make: Make, version: int
) -> None:
    for raw in ("82 02 00 01", "a2 02 00 01") if version == V311 else ("82 03 00 01 00", "a2 03 00 01 00"):
        _, said = await after(await make(), version, raw)
        assert ended(version, said, PROTOCOL)


@BOTH
async def test_a_subscribe_option_that_does_not_exist_ends_the_connection(make: Make, version: int) -> None:
    v5 = "00" if version == V5 else ""
    for option, code in (("03", PROTOCOL), ("40", MALFORMED), ("80", MALFORMED)):
        raw = f"82 {6 + len(v5) // 2:02x} 00 01 {v5} 00 01 61 {option}"
        _, said = await after(await make(), version, raw)
        assert ended(version, said, code)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ("01 00 01 00", PROTOCOL),  # payload format twice
        ("17 00", PROTOCOL),  # request problem information, of a CONNECT
        ("7f 00", MALFORMED),  # none
        ("01 02", PROTOCOL),  # a flag of 2
        ("23 00 00", PROTOCOL),  # alias 0
        ("0b 01", PROTOCOL),  # subscription identifier, of a server
        ("08 00 01 2b", Reason.TOPIC_NAME_INVALID),  # response topic +
        ("09 00 05 61", MALFORMED),  # past its end
        ("08 00 01 ff", MALFORMED),  # a response topic that is no UTF-8
        ("03 00 01 ff", MALFORMED),  # a content type that is none
    ],
)
async def test_a_property_twice_or_out_of_place_ends_the_connection(
    make: Make, properties: str, code: int
) -> None:
    body = bytes.fromhex(properties)
    topic = mqtt.fields.text(UP)
    tail = topic + bytes((len(body),)) + body
    bench = await make()
    _, said = await after(bench, V5, bytes((0x30, len(tail))) + tail)
    assert ended(V5, said, code)
    assert bench.sink.heard.empty()


async def test_auth_ends_the_connection_for_no_method_was_agreed(make: Make) -> None:
    for raw, code in (("f0 00", PROTOCOL), ("f0 02 18 00", PROTOCOL), ("f1 00", MALFORMED)):
        _, said = await after(await make(), V5, raw)
        assert ended(V5, said, code)
    _, said = await after(await make(), V311, "f0 00")
    assert said == []


@pytest.mark.parametrize(
    "raw",
    [
        "11 0c 00 04 4d 51 54 54 04 02 00 00 00 00",  # flags in the fixed header
        "10 0c 00 04 4d 51 54 54 04 03 00 00 00 00",  # the reserved flag
        "10 0c 00 04 4d 51 54 54 04 0a 00 00 00 00",  # will QoS without a will
        "10 0c 00 04 4d 51 54 54 04 22 00 00 00 00",  # will retain without a will
        "10 12 00 04 4d 51 54 54 04 1e 00 00 00 00 00 01 61 00 01 62",  # will QoS 3
        "10 0c 00 04 4d 51 54 54 04 06 00 00 00 00",  # a will that is not there
        "10 0f 00 04 4d 51 54 54 04 42 00 00 00 00 00 01 61",  # a password without a user name, 3.1.1
        "10 0c 00 04 4d 51 54 54 04 82 00 00 00 00",  # a user name that is not there
        "10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 ff",  # a client id that is no UTF-8
        "10 0f 00 04 4d 51 54 54 04 82 00 00 00 00 00 01 ff",  # a user name that is none
        "10 11 00 04 4d 51 54 54 04 06 00 00 00 00 00 01 ff 00 01 61",  # a will topic that is none
        "10 0d 00 04 4d 51 54 54 04 02 00 00 00 00 00",  # a byte too many
        "10 0a 00 04 4d 51 54 54 04 02 00 00",  # no client id
        "10 0d 00 04 4d 51 54 54 05 03 00 00 00 00 00",  # the reserved flag, 5.0
        "10 17 00 04 4d 51 54 54 05 02 00 00 0a 11 00 00 00 01 11 00 00 00 01 00 00",  # expiry twice
        "10 10 00 04 4d 51 54 54 05 02 00 00 03 21 00 00 00 00",  # receive maximum 0
        "10 12 00 04 4d 51 54 54 05 02 00 00 05 27 00 00 00 00 00 00",  # maximum packet size 0
    ],
)
async def test_a_malformed_connect_is_closed_without_a_connack(make: Make, raw: str) -> None:
    bench = await make()
    band = await bench.stranger()
    band.writer.write(bytes.fromhex(raw))
    assert await band.rest() == []
    assert (bench.listener.counters.malformed, bench.listener.counters.refused) == (1, 0)


@BOTH
async def test_nothing_behind_a_refused_connect_or_a_goodbye_is_looked_at(make: Make, version: int) -> None:
    bench = await make()
    refused = await bench.stranger(version)
    refused.say(hello(version, password=b"wrong"), Publish(UP, b"x", 1, 1), PingReq())
    assert [type(packet) for packet in await refused.rest()] == [ConnAck]
    gone = await bench.band(version)
    gone.say(Disconnect(), Publish(UP, b"x", 1, 1), PingReq())
    assert await gone.rest() == []
    assert bench.sink.heard.empty()


@BOTH
async def test_what_came_before_a_malformed_packet_was_heard_and_nothing_behind_it_is(
    make: Make, version: int
) -> None:
    bench = await make()
    band = await bench.band(version)
    good = mqtt.encode(Publish(UP, b"sos", 1, 1), version)
    band.writer.write(good + b"\xc1\x00" + mqtt.encode(Publish(UP, b"x", 1, 2), version))
    assert ended(version, await band.rest(), MALFORMED)
    assert [one.data for one in bench.sink.heard._queue] == [b"sos"]


@BOTH
async def test_one_malformed_band_disturbs_no_other(make: Make, version: int) -> None:
    bench = await make()
    other = await bench.band(version, username="band-2", password=b"key-2")
    await after(bench, version, "00 00")
    other.say(PingReq())
    assert PingResp() == await other.hear()
    other.say(Publish("sw/xinhe/band-2/up", b"x", 1, 1))
    await bench.sink.settle()
    assert PubAck(1) == await other.hear()


@BOTH
async def test_of_a_stranger_no_more_is_kept_than_a_connect_may_have(make: Make, version: int) -> None:
    bench = await make()
    stranger = await bench.stranger(version)
    stranger.writer.write(mqtt.encode(hello(version, password=bytes(HELLO_BYTES)), version)[:100])
    assert await stranger.rest() == []
    assert bench.listener.counters.malformed == 1


@BOTH
async def test_the_packets_of_a_band_may_be_longer_than_its_connect(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.stranger(version)
    band.say(hello(version), Publish(UP, bytes(20 * HELLO_BYTES), 1, 1))
    assert isinstance(await band.hear(), ConnAck)
    assert len((await bench.sink.settle()).data) == 20 * HELLO_BYTES
    assert PubAck(1) == await band.hear()
