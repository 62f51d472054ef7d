"""The data types of MQTT and the properties of 5.0: reading with bounds, writing, and what may stand where.

Sources: MQTT 5.0 sections 1.5 (data types) and 2.2.2 (properties), table 2-4.
A property that may repeat (user property; subscription identifier in a PUBLISH) is a tuple under its name.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from gateway.codecs.mqtt_packets import NO_PROPERTIES, Kind, PacketError, Properties, Reason

WILL: Final = 0
"""Stands for the will properties of a CONNECT in the table below; no packet type has this number."""

VARINT_MAX: Final = 268_435_455
USER: Final = "user_property"
SUBSCRIPTION_ID: Final = "subscription_identifier"

_ACKS = (Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP, Kind.SUBACK, Kind.UNSUBACK)
_EVERYWHERE = (
    WILL,
    Kind.CONNECT,
    Kind.CONNACK,
    Kind.PUBLISH,
    *_ACKS,
    Kind.SUBSCRIBE,
    Kind.UNSUBSCRIBE,
    Kind.DISCONNECT,
)
_MESSAGE = (Kind.PUBLISH, WILL)
_HELLO = (Kind.CONNECT, Kind.CONNACK)

TABLE: Final[MappingProxyType[int, tuple[str, str, tuple[int, ...]]]] = MappingProxyType(
    {
        0x01: ("payload_format_indicator", "flag", _MESSAGE),
        0x02: ("message_expiry_interval", "u32", _MESSAGE),
        0x03: ("content_type", "text", _MESSAGE),
        0x08: ("response_topic", "text", _MESSAGE),
        0x09: ("correlation_data", "bytes", _MESSAGE),
        0x0B: (SUBSCRIPTION_ID, "varint", (Kind.PUBLISH, Kind.SUBSCRIBE)),
        0x11: ("session_expiry_interval", "u32", (*_HELLO, Kind.DISCONNECT)),
        0x12: ("assigned_client_identifier", "text", (Kind.CONNACK,)),
        0x13: ("server_keep_alive", "u16", (Kind.CONNACK,)),
        0x15: ("authentication_method", "text", _HELLO),
        0x16: ("authentication_data", "bytes", _HELLO),
        0x17: ("request_problem_information", "flag", (Kind.CONNECT,)),
        0x18: ("will_delay_interval", "u32", (WILL,)),
        0x19: ("request_response_information", "flag", (Kind.CONNECT,)),
        0x1A: ("response_information", "text", (Kind.CONNACK,)),
        0x1C: ("server_reference", "text", (Kind.CONNACK, Kind.DISCONNECT)),
        0x1F: ("reason_string", "text", (Kind.CONNACK, *_ACKS, Kind.DISCONNECT)),
        0x21: ("receive_maximum", "u16+", _HELLO),
        0x22: ("topic_alias_maximum", "u16", _HELLO),
        0x23: ("topic_alias", "u16+", (Kind.PUBLISH,)),
        0x24: ("maximum_qos", "flag", (Kind.CONNACK,)),
        0x25: ("retain_available", "flag", (Kind.CONNACK,)),
        0x26: (USER, "pair", _EVERYWHERE),
        0x27: ("maximum_packet_size", "u32+", _HELLO),
        0x28: ("wildcard_subscription_available", "flag", (Kind.CONNACK,)),
        0x29: ("subscription_identifier_available", "flag", (Kind.CONNACK,)),
        0x2A: ("shared_subscription_available", "flag", (Kind.CONNACK,)),
    }
)
_IDS = MappingProxyType({name: (number, kind) for number, (name, kind, _) in TABLE.items()})
_WIDTHS = MappingProxyType({"flag": 1, "u16": 2, "u16+": 2, "u32": 4, "u32+": 4})


class Reader:
    """Walks over one packet's bytes; every read is checked against the packet's end."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    def fail(self, reason: str, code: int = Reason.MALFORMED) -> PacketError:
        """An error at the present place, ready to be raised; the decoder adds the frame."""
        return PacketError(reason, code=code, offset=self.at)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start = self.at
        if start + count > self.end:
            raise self.fail("field runs past the packet")
        self.at = start + count
        return self.data[start : self.at]

    def number(self, width: int) -> int:
        """A big-endian unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width), "big")

    def varint(self) -> int:
        """A variable byte integer, at most four bytes and in its shortest form (5.0, 1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 -- the continuation bit
                if byte == 0 and shift:
                    raise self.fail("variable byte integer not in its shortest form")
                return value
        raise self.fail("variable byte integer too long")

    def binary(self) -> bytes:
        """Binary data: a length of two bytes, then so many bytes."""
        return self.take(self.number(2))

    def text(self) -> str:
        """A UTF-8 string (1.5.4): well-formed, without surrogates and without U+0000."""
        raw = self.binary()
        try:
            value = raw.decode()
        except UnicodeDecodeError:
            raise self.fail("string is not UTF-8") from None
        if "\x00" in value:
            raise self.fail("string holds U+0000")
        return value

    def packet_id(self) -> int:
        """A packet identifier: 1 to 65535 (2.3.1 / 2.2.1)."""
        value = self.number(2)
        if not value:
            raise self.fail("packet identifier is zero", Reason.PROTOCOL_ERROR)
        return value

    def properties(self, packet: int) -> Properties:
        """The properties of a packet of this kind (or `WILL`)."""
        length = self.varint()
        if not length:
            return NO_PROPERTIES
        stop = self.at + length
        if stop > self.end:
            raise self.fail("properties run past the packet")
        outer, self.end = self.end, stop
        found: Properties = {}
        while self.at < stop:
            self._property(packet, found)
        self.end = outer
        return found

    def _property(self, packet: int, found: Properties) -> None:
        row = TABLE.get(self.varint())
        if row is None:
            raise self.fail("unknown property")
        name, kind, places = row
        if packet not in places:
            raise self.fail("property not allowed in this packet", Reason.PROTOCOL_ERROR)
        value = self._value(kind)
        if name == USER or (name == SUBSCRIPTION_ID and packet == Kind.PUBLISH):
            found[name] = (*found.get(name, ()), value)
        elif name in found:
            raise self.fail("property given twice", Reason.PROTOCOL_ERROR)
        else:
            found[name] = value
        if name == SUBSCRIPTION_ID and not value:
            raise self.fail("subscription identifier is zero", Reason.PROTOCOL_ERROR)

    def _value(self, kind: str) -> Any:
        if kind == "text":
            return self.text()
        if kind == "bytes":
            return self.binary()
        if kind == "varint":
            return self.varint()
        if kind == "pair":
            return (self.text(), self.text())
        value = self.number(_WIDTHS[kind])
        if kind == "flag" and value > 1:
            raise self.fail("flag property is neither 0 nor 1", Reason.PROTOCOL_ERROR)
        if kind.endswith("+") and not value:
            raise self.fail("property must not be zero", Reason.PROTOCOL_ERROR)
        return value


def varint(value: int) -> bytes:
    """Write a variable byte integer, 0 to `VARINT_MAX`."""
    if not 0 <= value <= VARINT_MAX:
        raise ValueError(f"{value} does not fit a variable byte integer")
    out = bytearray()
    while True:
        value, byte = divmod(value, 128)
        out.append(byte | 0x80 if value else byte)
        if not value:
            return bytes(out)


def binary(value: bytes) -> bytes:
    """Write binary data of at most 65535 bytes."""
    return len(value).to_bytes(2, "big") + value


def text(value: str) -> bytes:
    """Write a UTF-8 string of at most 65535 bytes."""
    return binary(value.encode())


def properties(values: Properties) -> bytes:
    """Write properties with their length; the caller names only those its packet may carry."""
    if not values:
        return b"\x00"
    body = b"".join(
        _one(name, value)
        for name, given in values.items()
        for value in (given if isinstance(given, tuple) else (given,))
    )
    return varint(len(body)) + body


def _one(name: str, value: Any) -> bytes:
    number, kind = _IDS[name]
    return varint(number) + _written(kind, value)


def _written(kind: str, value: Any) -> bytes:
    if kind == "text":
        return text(value)
    if kind == "bytes":
        return binary(value)
    if kind == "varint":
        return varint(value)
    if kind == "pair":
        return text(value[0]) + text(value[1])
    return bytes(int(value).to_bytes(_WIDTHS[kind], "big"))
