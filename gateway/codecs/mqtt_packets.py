"""The control packets of MQTT 3.1.1 and 5.0 as values, and the reason codes they carry.

Sources: OASIS "MQTT Version 3.1.1" (2014) and "MQTT Version 5.0" (2019), chapter 3 of each.
`properties` are those of 5.0, by the names of `mqtt_properties`; in 3.1.1 they are always empty.
They are Structs because they cross the wire, and because one is made for every message of every band.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, TypeAlias

import msgspec

from gateway.errors import FrameError

V311: Final = 4
V5: Final = 5

Properties: TypeAlias = dict[str, Any]
NO_PROPERTIES: Final[Properties] = {}
"""Shared by all packets without properties; never written to."""


class Kind(IntEnum):
    """Control packet types (MQTT 2.1.2 / 2.2.1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Reason(IntEnum):
    """Reason codes of MQTT 5.0 (table 2-6) that a listener for bands gives or reads."""

    SUCCESS = 0x00
    GRANTED_QOS_1 = 0x01
    DISCONNECT_WITH_WILL = 0x04
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    NOT_ACCEPTED = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    NOT_AUTHORISED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    TAKEN_OVER = 0x8E
    TOPIC_NAME_INVALID = 0x90
    ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    SHARED_NOT_SUPPORTED = 0x9E
    SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1


class PacketError(FrameError):
    """Bytes that are no MQTT packet; `code` is the 5.0 reason to close the connection with (4.13)."""

    def __init__(
        self, reason: str, *, code: int = Reason.MALFORMED, offset: int = 0, raw: bytes = b""
    ) -> None:
        super().__init__(reason, offset=offset, raw=raw)
        self.code = code


class Will(msgspec.Struct, frozen=True, gc=False):
    """What a client asks to be said when it is lost (3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """CONNECT (3.1); `clean` is Clean Session in 3.1.1 and Clean Start in 5.0."""

    client_id: str
    version: int = V311
    clean: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES


class ConnAck(msgspec.Struct, frozen=True):
    """CONNACK (3.2); `code` is a return code in 3.1.1 and a reason code in 5.0."""

    session_present: bool
    code: int
    properties: Properties = NO_PROPERTIES


class Publish(msgspec.Struct, frozen=True):
    """PUBLISH (3.3); `packet_id` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    dup: bool = False
    retain: bool = False
    properties: Properties = NO_PROPERTIES


class PubAck(msgspec.Struct, frozen=True):
    """PUBACK (3.4): the end of a QoS 1 message."""

    packet_id: int
    code: int = 0
    properties: Properties = NO_PROPERTIES


class PubRec(PubAck, frozen=True):
    """PUBREC (3.5): a QoS 2 message was received."""


class PubRel(PubAck, frozen=True):
    """PUBREL (3.6): its sender has forgotten the message."""


class PubComp(PubAck, frozen=True):
    """PUBCOMP (3.7): the end of a QoS 2 message."""


class Subscription(msgspec.Struct, frozen=True):
    """One filter of a SUBSCRIBE with its options (3.8.3.1; all but `qos` exist in 5.0 only)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Subscribe(msgspec.Struct, frozen=True):
    """SUBSCRIBE (3.8)."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NO_PROPERTIES


class SubAck(msgspec.Struct, frozen=True):
    """SUBACK (3.9): one code a filter, the granted QoS or a failure of 0x80 and more."""

    packet_id: int
    codes: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


class Unsubscribe(msgspec.Struct, frozen=True):
    """UNSUBSCRIBE (3.10)."""

    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


class UnsubAck(msgspec.Struct, frozen=True):
    """UNSUBACK (3.11); 3.1.1 has no codes."""

    packet_id: int
    codes: tuple[int, ...] = ()
    properties: Properties = NO_PROPERTIES


class PingReq(msgspec.Struct, frozen=True):
    """PINGREQ (3.12)."""


class PingResp(msgspec.Struct, frozen=True):
    """PINGRESP (3.13)."""


class Disconnect(msgspec.Struct, frozen=True):
    """DISCONNECT (3.14); 3.1.1 has no code and only clients send it."""

    code: int = 0
    properties: Properties = NO_PROPERTIES


Packet: TypeAlias = (
    Connect
    | ConnAck
    | Publish
    | PubAck
    | PubRec
    | PubRel
    | PubComp
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
)
