"""MQTT packets: what is written is read back, whole or in pieces, and nothing but a FrameError escapes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import mqtt
from gateway.codecs import mqtt_properties as fields
from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Kind,
    Packet,
    PacketError,
    PingReq,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    Reason,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from gateway.errors import FrameError

ids = st.integers(1, 0xFFFF)
codes = st.integers(0, 0xFF)
text = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=20)
topics = st.text(
    st.characters(exclude_characters="\x00#+", exclude_categories=("Cs",)), min_size=1, max_size=30
)
filters = st.one_of(
    topics,
    st.sampled_from(("#", "+", "sw/+/x/up", "sw/#", "/", "+/+/#", "$share/g/sw/+/+/up")),
)


def values(kind: str) -> st.SearchStrategy:
    return {
        "flag": st.integers(0, 1),
        "u16": st.integers(0, 0xFFFF),
        "u16+": ids,
        "u32": st.integers(0, 0xFFFFFFFF),
        "u32+": st.integers(1, 0xFFFFFFFF),
        "varint": st.integers(1, fields.VARINT_MAX),
        "text": text,
        "bytes": st.binary(max_size=20),
        "pair": st.tuples(text, text),
    }[kind]


def properties(packet: int) -> st.SearchStrategy:
    """Any lawful properties of this packet, except an alias, which needs a topic of its own."""
    optional = {}
    for name, kind, places in fields.TABLE.values():
        if packet not in places or name == "topic_alias":
            continue
        one = topics if name == "response_topic" else values(kind)
        many = name == fields.USER or (name == fields.SUBSCRIPTION_ID and packet == Kind.PUBLISH)
        optional[name] = st.lists(one, min_size=1, max_size=3).map(tuple) if many else one
    return st.fixed_dictionaries({}, optional=optional)


def packets(version: int) -> st.SearchStrategy:
    def props(kind: int) -> st.SearchStrategy:
        return properties(kind) if version == V5 else st.just({})

    v5_codes = codes if version == V5 else st.just(0)
    acks = [
        st.builds(packet, ids, v5_codes, props(kind))
        for packet, kind in (
            (PubAck, Kind.PUBACK),
            (PubRec, Kind.PUBREC),
            (PubRel, Kind.PUBREL),
            (PubComp, Kind.PUBCOMP),
        )
    ]
    subscriptions = (
        st.builds(
            Subscription, filters, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2)
        ).filter(lambda one: not (one.no_local and one.topic_filter.startswith("$share/")))
        if version == V5
        else st.builds(Subscription, filters, st.integers(0, 2))
    )
    return st.one_of(
        st.builds(ConnAck, st.booleans(), codes, props(Kind.CONNACK)),
        publishes(props(Kind.PUBLISH)),
        *acks,
        st.builds(
            Subscribe,
            ids,
            st.lists(subscriptions, min_size=1, max_size=4).map(tuple),
            props(Kind.SUBSCRIBE),
        ),
        st.builds(SubAck, ids, st.lists(codes, max_size=4).map(tuple), props(Kind.SUBACK)),
        st.builds(
            Unsubscribe, ids, st.lists(filters, min_size=1, max_size=4).map(tuple), props(Kind.UNSUBSCRIBE)
        ),
        st.builds(
            UnsubAck,
            ids,
            st.lists(codes, max_size=4).map(tuple) if version == V5 else st.just(()),
            props(Kind.UNSUBACK),
        ),
        st.just(PingReq()),
        st.just(PingResp()),
        st.builds(Disconnect, v5_codes, props(Kind.DISCONNECT)),
    )


def publishes(props: st.SearchStrategy) -> st.SearchStrategy:
    payload = st.binary(max_size=300)
    return st.one_of(
        st.builds(Publish, topics, payload, st.just(0), st.just(0), st.just(False), st.booleans(), props),
        st.builds(Publish, topics, payload, st.integers(1, 2), ids, st.booleans(), st.booleans(), props),
    )


def connects(version: int) -> st.SearchStrategy:
    v5 = version == V5
    will = st.builds(
        Will,
        topics,
        st.binary(max_size=20),
        st.integers(0, 2),
        st.booleans(),
        properties(fields.WILL) if v5 else st.just({}),
    )
    return st.builds(
        Connect,
        client_id=text,
        version=st.just(version),
        clean=st.booleans(),
        keep_alive_s=st.integers(0, 0xFFFF),
        username=text if not v5 else st.none() | text,
        password=st.none() | st.binary(max_size=20),
        will=st.none() | will,
        properties=properties(Kind.CONNECT) if v5 else st.just({}),
    )


def read(decoder: mqtt.Decoder) -> list[Packet]:
    found = []
    while (packet := decoder.next_packet()) is not None:
        found.append(packet)
    return found


def broken(decoder: mqtt.Decoder) -> FrameError | None:
    """Read to the end; give the one error that is allowed, if it came."""
    try:
        read(decoder)
    except FrameError as error:
        return error
    return None


@pytest.mark.parametrize("version", [V311, V5])
@settings(max_examples=60)
@given(data=st.data())
def test_a_stream_is_read_back_however_it_is_cut(version: int, data: st.DataObject) -> None:
    hello = data.draw(connects(version))
    expected = [hello, *data.draw(st.lists(packets(version), max_size=6))]
    stream = b"".join(mqtt.encode(packet, version) for packet in expected)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = mqtt.Decoder()
    actual = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:stop])
        if data.draw(st.booleans()):
            actual += read(decoder)
    actual += read(decoder)
    assert expected == actual
    assert version == decoder.version


@pytest.mark.parametrize("version", [V311, V5])
@given(data=st.data())
@settings(max_examples=40)
def test_the_short_way_and_the_long_way_read_the_same(version: int, data: st.DataObject) -> None:
    """The second message on a topic takes the short way; both ways must agree, byte by byte too."""
    first = data.draw(publishes(st.just({})))
    second = Publish(first.topic, b"second", 1, 7)
    stream = mqtt.encode(first, version) + mqtt.encode(first, version) + mqtt.encode(second, version)
    whole, piecemeal = mqtt.Decoder(version=version), mqtt.Decoder(version=version)
    whole.feed(stream)
    pieces = []
    for byte in stream:
        piecemeal.feed(bytes((byte,)))
        pieces += read(piecemeal)
    assert [first, first, second] == read(whole) == pieces


@given(st.binary(max_size=200), st.sampled_from([None, V311, V5]))
@settings(max_examples=200)
def test_any_bytes_give_packets_or_one_frame_error(noise: bytes, version: int | None) -> None:
    decoder = mqtt.Decoder(1000, version=version)
    decoder.feed(noise)
    error = broken(decoder)
    if error is not None:
        assert error.reason
        assert 0 <= error.offset <= 1000
        decoder.feed(mqtt.encode(PingReq()))
        assert decoder.next_packet() is None, "a broken stream stays closed"


@given(st.data(), st.sampled_from([V311, V5]))
@settings(max_examples=100)
def test_a_damaged_packet_never_escapes_as_anything_else(data: st.DataObject, version: int) -> None:
    raw = bytearray(mqtt.encode(data.draw(packets(version)), version))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    decoder = mqtt.Decoder(version=version)
    decoder.feed(bytes(raw))
    error = broken(decoder)
    assert error is None or error.raw in bytes(raw)


def test_a_publish_as_the_standard_draws_it() -> None:
    """MQTT 3.1.1, figure 3.11: topic a/b, packet identifier 10."""
    raw = bytes.fromhex("32 07 00 03 61 2f 62 00 0a")
    decoder = mqtt.Decoder(version=V311)
    decoder.feed(raw)
    assert Publish("a/b", b"", 1, 10) == decoder.next_packet()
    assert raw == mqtt.publish(fields.text("a/b"), b"", version=V311, qos=1, packet_id=10)


def test_a_packet_identifier_may_come_back_after_a_topic_change() -> None:
    packets_ = [Publish("a", b"1", 1, 1), Publish("b", b"2", 1, 2), Publish("b", b"3", 1, 3)]
    decoder = mqtt.Decoder(version=V5)
    decoder.feed(b"".join(mqtt.encode(packet, V5) for packet in packets_))
    assert packets_ == read(decoder)


@pytest.mark.parametrize(
    ("version", "raw", "reason", "code"),
    [
        (V311, "32 05 00 01 61 00 00", "packet identifier is zero", Reason.PROTOCOL_ERROR),
        (V311, "36 05 00 01 61 00 01", "QoS 3 does not exist", Reason.MALFORMED),
        (V311, "38 04 00 01 61 00", "DUP on QoS 0", Reason.MALFORMED),
        (V311, "30 03 00 05 61", "field runs past the packet", Reason.MALFORMED),
        (V311, "30 03 00 01 23", "topic name holds a wildcard", Reason.TOPIC_NAME_INVALID),
        (V311, "30 03 00 01 00", "string holds U+0000", Reason.MALFORMED),
        (V311, "30 05 00 03 ed a0 80", "string is not UTF-8", Reason.MALFORMED),
        (V311, "30 02 00 00", "topic name is empty", Reason.PROTOCOL_ERROR),
        (V311, "30 ff ff ff ff 01", "remaining length too long", Reason.MALFORMED),
        (V311, "30 82 00 00 00", "remaining length not in its shortest form", Reason.MALFORMED),
        (V311, "30 ff ff ff 7f", "packet too large", Reason.PACKET_TOO_LARGE),
        (V311, "41 02 00 01", "reserved header flags are wrong", Reason.MALFORMED),
        (V311, "00 00", "packet type does not exist", Reason.MALFORMED),
        (V311, "f0 00", "packet type does not exist", Reason.MALFORMED),
        (V5, "f0 00", "AUTH without an authentication method", Reason.PROTOCOL_ERROR),
        (V311, "82 02 00 01", "no topic filter", Reason.PROTOCOL_ERROR),
        (V311, "82 06 00 01 00 01 61 03", "subscription option out of range", Reason.PROTOCOL_ERROR),
        (V311, "82 06 00 01 00 01 61 04", "reserved subscription option is set", Reason.MALFORMED),
        (V311, "82 07 00 01 00 02 61 2b 00", "wildcard beside other characters", Reason.PROTOCOL_ERROR),
        (V311, "82 08 00 01 00 03 23 2f 61 00", "topic filter goes on after #", Reason.PROTOCOL_ERROR),
        (V311, "c0 01 00", "bytes left over in the packet", Reason.MALFORMED),
        (V5, "32 08 00 01 61 00 01 02 7f 00", "unknown property", Reason.MALFORMED),
        (V5, "32 08 00 01 61 00 01 02 17 00", "property not allowed in this packet", Reason.PROTOCOL_ERROR),
        (V5, "32 0a 00 01 61 00 01 04 01 00 01 00", "property given twice", Reason.PROTOCOL_ERROR),
        (V5, "32 08 00 01 61 00 01 02 01 02", "flag property is neither 0 nor 1", Reason.PROTOCOL_ERROR),
        (V5, "32 09 00 01 61 00 01 03 23 00 00", "property must not be zero", Reason.PROTOCOL_ERROR),
        (V5, "32 08 00 01 61 00 01 09 23 00", "properties run past the packet", Reason.MALFORMED),
        (V5, "32 0a 00 01 61 00 01 04 08 00 01 23", "topic name holds a wildcard", Reason.TOPIC_NAME_INVALID),
        (V5, "32 09 00 01 23 00 01 03 23 00 05", "topic name holds a wildcard", Reason.TOPIC_NAME_INVALID),
        (V5, "82 10 00 01 00 00 0a" + b"$share/g/a".hex() + "04", "no local on a shared subscription", 0x82),
        (V5, "32 0b 00 01 61 00 01 ff ff ff ff 7f 00", "variable byte integer too long", Reason.MALFORMED),
        (None, "c0 00", "first packet is not CONNECT", Reason.PROTOCOL_ERROR),
        (None, "10 0c 00 04 4d 51 54 54 03 02 00 00 00 00", "protocol version is not supported", 0x84),
        (None, "10 0e 00 06 4d 51 49 73 64 70 03 02 00 00 00 00", "protocol name is not MQTT", 0x84),
        (None, "10 0c 00 04 4d 51 54 54 04 03 00 00 00 00", "reserved connect flag is set", 0x81),
        (None, "10 0c 00 04 4d 51 54 54 04 0a 00 00 00 00", "will flags contradict each other", 0x81),
        (None, "10 0c 00 04 4d 51 54 54 04 42 00 00 00 00", "password without user name", 0x81),
    ],
)
def test_a_malformed_packet_names_what_is_wrong(
    version: int | None, raw: str, reason: str, code: int
) -> None:
    data = bytes.fromhex(raw)
    decoder = mqtt.Decoder(1000, version=version)
    decoder.feed(data)
    with pytest.raises(PacketError) as caught:
        decoder.next_packet()
    assert (reason, int(code)) == (caught.value.reason, int(caught.value.code))
    assert data == caught.value.raw


def test_an_alias_is_read_so_that_the_listener_can_refuse_it() -> None:
    decoder = mqtt.Decoder(version=V5)
    decoder.feed(bytes.fromhex("32 08 00 00 00 01 03 23 00 05"))
    assert Publish("", b"", 1, 1, properties={"topic_alias": 5}) == decoder.next_packet()


def test_a_packet_of_exactly_the_bound_passes_and_one_byte_more_does_not() -> None:
    packet = Publish("a", bytes(200), 1, 1)
    raw = mqtt.encode(packet, V311)
    exact, tight = mqtt.Decoder(len(raw), version=V311), mqtt.Decoder(len(raw) - 1, version=V311)
    exact.feed(raw)
    tight.feed(raw[:3])
    assert packet == exact.next_packet()
    with pytest.raises(PacketError, match="packet too large"):
        tight.next_packet()


def test_the_buffer_never_holds_more_than_one_packet() -> None:
    decoder = mqtt.Decoder(10_000, version=V311)
    raw = mqtt.encode(Publish("a", bytes(9_000), 1, 1), V311)
    for byte in raw[:-1]:
        decoder.feed(bytes((byte,)))
        assert decoder.next_packet() is None
    assert len(raw) - 1 == len(decoder._partial)


@pytest.mark.parametrize(
    ("value", "raw"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (fields.VARINT_MAX, "ffffff7f")],
)
def test_variable_byte_integers_are_as_in_table_1_1(value: int, raw: str) -> None:
    assert bytes.fromhex(raw) == fields.varint(value)
    assert value == fields.Reader(bytes.fromhex(raw), 0, len(raw) // 2).varint()


def test_a_number_too_large_for_a_variable_byte_integer_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        fields.varint(fields.VARINT_MAX + 1)
