"""What stands after the fixed header of each MQTT packet, read strictly.

One function a packet type, found by `READERS`.
Each gets a `Reader` over the body, the flags of the fixed header and the protocol version,
and gives the packet or raises PacketError.
Sources: chapter 3 of MQTT 3.1.1 and of MQTT 5.0; the clause stands with each function.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from gateway.codecs.mqtt_packets import (
    NO_PROPERTIES,
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Kind,
    Packet,
    PingReq,
    PingResp,
    Properties,
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
from gateway.codecs.mqtt_properties import WILL, Reader

WILDCARDS: Final = ("#", "+")


def topic_name(reader: Reader, value: str) -> str:
    """Check a topic name: not empty and without wildcards (4.7.1, 4.7.3)."""
    if not value:
        raise reader.fail("topic name is empty", Reason.PROTOCOL_ERROR)
    if "#" in value or "+" in value:
        raise reader.fail("topic name holds a wildcard", Reason.TOPIC_NAME_INVALID)
    return value


def topic_filter(reader: Reader) -> str:
    """Read a topic filter: wildcards stand alone in their level and # only at the end (4.7.1)."""
    value = reader.text()
    if not value:
        raise reader.fail("topic filter is empty", Reason.PROTOCOL_ERROR)
    levels = value.split("/")
    if any(len(level) > 1 and any(sign in level for sign in WILDCARDS) for level in levels):
        raise reader.fail("wildcard beside other characters", Reason.PROTOCOL_ERROR)
    if "#" in levels[:-1]:
        raise reader.fail("topic filter goes on after #", Reason.PROTOCOL_ERROR)
    return value


def _connect(reader: Reader, _flags: int, _version: int) -> Packet:
    """CONNECT, 3.1."""
    if reader.text() != "MQTT":
        raise reader.fail("protocol name is not MQTT", Reason.UNSUPPORTED_VERSION)
    version = reader.number(1)
    if version not in (V311, V5):
        raise reader.fail("protocol version is not supported", Reason.UNSUPPORTED_VERSION)
    flags = reader.number(1)
    has_will, will_qos = bool(flags & 0x04), flags >> 3 & 3
    if flags & 1:
        raise reader.fail("reserved connect flag is set")
    if will_qos == 3 or (not has_will and flags & 0x38):  # noqa: PLR2004 -- no such QoS
        raise reader.fail("will flags contradict each other")
    if version == V311 and flags & 0xC0 == 0x40:  # noqa: PLR2004 -- a password without a user name, 3.1.2.9
        raise reader.fail("password without user name")
    keep_alive_s = reader.number(2)
    properties = reader.properties(Kind.CONNECT) if version == V5 else NO_PROPERTIES
    client_id = reader.text()
    will = None
    if has_will:
        will_properties = _message_properties(reader, WILL) if version == V5 else NO_PROPERTIES
        topic = topic_name(reader, reader.text())
        will = Will(topic, reader.binary(), will_qos, bool(flags & 0x20), will_properties)
    return Connect(
        client_id=client_id,
        version=version,
        clean=bool(flags & 0x02),
        keep_alive_s=keep_alive_s,
        username=reader.text() if flags & 0x80 else None,
        password=reader.binary() if flags & 0x40 else None,
        will=will,
        properties=properties,
    )


def _message_properties(reader: Reader, packet: int) -> Properties:
    """The properties of a PUBLISH or a will; a response topic is a topic name (3.3.2.3.5)."""
    properties = reader.properties(packet)
    if "response_topic" in properties:
        topic_name(reader, properties["response_topic"])
    return properties


def _connack(reader: Reader, _flags: int, version: int) -> Packet:
    """CONNACK, 3.2."""
    flags = reader.number(1)
    if flags > 1:
        raise reader.fail("reserved acknowledge flag is set")
    code = reader.number(1)
    return ConnAck(bool(flags), code, reader.properties(Kind.CONNACK) if version == V5 else NO_PROPERTIES)


def _publish(reader: Reader, flags: int, version: int) -> Packet:
    """PUBLISH, 3.3; the decoder has its own shorter way for the ordinary ones."""
    qos = flags >> 1 & 3
    if qos == 3:  # noqa: PLR2004 -- no such QoS
        raise reader.fail("QoS 3 does not exist")
    if not qos and flags & 8:
        raise reader.fail("DUP on QoS 0")
    name = reader.text()
    packet_id = reader.packet_id() if qos else 0
    properties = _message_properties(reader, Kind.PUBLISH) if version == V5 else NO_PROPERTIES
    if name or "topic_alias" not in properties:
        topic_name(reader, name)
    payload = reader.take(reader.end - reader.at)
    return Publish(name, payload, qos, packet_id, bool(flags & 8), bool(flags & 1), properties)


def _acknowledgement(kind: Kind, packet: type[PubAck]) -> Callable[[Reader, int, int], Packet]:
    def read(reader: Reader, _flags: int, version: int) -> Packet:
        """PUBACK, PUBREC, PUBREL, PUBCOMP, 3.4 to 3.7; 5.0 may leave out code and properties."""
        packet_id = reader.packet_id()
        code = reader.number(1) if version == V5 and reader.at < reader.end else 0
        more = version == V5 and reader.at < reader.end
        return packet(packet_id, code, reader.properties(kind) if more else NO_PROPERTIES)

    return read


def _subscribe(reader: Reader, _flags: int, version: int) -> Packet:
    """SUBSCRIBE, 3.8."""
    packet_id = reader.packet_id()
    properties = reader.properties(Kind.SUBSCRIBE) if version == V5 else NO_PROPERTIES
    wanted = []
    while reader.at < reader.end:
        name, options = topic_filter(reader), reader.number(1)
        if options & (0xC0 if version == V5 else 0xFC):
            raise reader.fail("reserved subscription option is set")
        qos, handling = options & 3, options >> 4 & 3
        if options & 4 and name.startswith("$share/"):
            raise reader.fail("no local on a shared subscription", Reason.PROTOCOL_ERROR)
        if 3 in (qos, handling):  # noqa: PLR2004 -- both end at 2
            raise reader.fail("subscription option out of range", Reason.PROTOCOL_ERROR)
        wanted.append(Subscription(name, qos, bool(options & 4), bool(options & 8), handling))
    if not wanted:
        raise reader.fail("no topic filter", Reason.PROTOCOL_ERROR)
    return Subscribe(packet_id, tuple(wanted), properties)


def _suback(reader: Reader, _flags: int, version: int) -> Packet:
    """SUBACK, 3.9."""
    packet_id = reader.packet_id()
    properties = reader.properties(Kind.SUBACK) if version == V5 else NO_PROPERTIES
    return SubAck(packet_id, tuple(reader.take(reader.end - reader.at)), properties)


def _unsubscribe(reader: Reader, _flags: int, version: int) -> Packet:
    """UNSUBSCRIBE, 3.10."""
    packet_id = reader.packet_id()
    properties = reader.properties(Kind.UNSUBSCRIBE) if version == V5 else NO_PROPERTIES
    filters = []
    while reader.at < reader.end:
        filters.append(topic_filter(reader))
    if not filters:
        raise reader.fail("no topic filter", Reason.PROTOCOL_ERROR)
    return Unsubscribe(packet_id, tuple(filters), properties)


def _unsuback(reader: Reader, _flags: int, version: int) -> Packet:
    """UNSUBACK, 3.11."""
    packet_id = reader.packet_id()
    if version != V5:
        return UnsubAck(packet_id)
    properties = reader.properties(Kind.UNSUBACK)
    return UnsubAck(packet_id, tuple(reader.take(reader.end - reader.at)), properties)


def _disconnect(reader: Reader, _flags: int, version: int) -> Packet:
    """DISCONNECT, 3.14; 5.0 may leave out code and properties."""
    code = reader.number(1) if version == V5 and reader.at < reader.end else 0
    more = version == V5 and reader.at < reader.end
    return Disconnect(code, reader.properties(Kind.DISCONNECT) if more else NO_PROPERTIES)


def _auth(reader: Reader, _flags: int, _version: int) -> Packet:
    """AUTH, 5.0 3.15: no enhanced authentication is offered here, so the packet may not come."""
    raise reader.fail("AUTH without an authentication method", Reason.PROTOCOL_ERROR)


READERS: Final[MappingProxyType[int, tuple[int | None, Callable[[Reader, int, int], Packet]]]] = (
    MappingProxyType(
        {
            Kind.CONNECT: (0, _connect),
            Kind.CONNACK: (0, _connack),
            Kind.PUBLISH: (None, _publish),
            Kind.PUBACK: (0, _acknowledgement(Kind.PUBACK, PubAck)),
            Kind.PUBREC: (0, _acknowledgement(Kind.PUBREC, PubRec)),
            Kind.PUBREL: (2, _acknowledgement(Kind.PUBREL, PubRel)),
            Kind.PUBCOMP: (0, _acknowledgement(Kind.PUBCOMP, PubComp)),
            Kind.SUBSCRIBE: (2, _subscribe),
            Kind.SUBACK: (0, _suback),
            Kind.UNSUBSCRIBE: (2, _unsubscribe),
            Kind.UNSUBACK: (0, _unsuback),
            Kind.PINGREQ: (0, lambda _reader, _flags, _version: PingReq()),
            Kind.PINGRESP: (0, lambda _reader, _flags, _version: PingResp()),
            Kind.DISCONNECT: (0, _disconnect),
            Kind.AUTH: (0, _auth),
        }
    )
)
"""Packet type -> what the low bits of the fixed header must be (None: they have a meaning), its reader."""
