"""MQTT 3.1.1 and 5.0 packets: an incremental decoder and an encoder, both pure.

The rooms: `mqtt_packets` the values, `mqtt_properties` the data types, `mqtt_bodies` each packet's body,
this one the framing and a short way for the packet that matters, a PUBLISH of QoS 0 or 1 without properties.

The decoder is strict, because 4.13 of the standard wants the connection closed on the first malformed packet:
after a PacketError nothing more is read from it.
Sources: OASIS "MQTT Version 3.1.1" (2014) and "MQTT Version 5.0" (2019).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.codecs import mqtt_properties as fields
from gateway.codecs.mqtt_bodies import READERS
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
    UnsubAck,
    Unsubscribe,
)

DEFAULT_MAX_PACKET_BYTES: Final = 262_144

_CONTINUED: Final = 0x80
_PUBLISH: Final = int(Kind.PUBLISH)
_ACK_KINDS: Final = {PubAck: Kind.PUBACK, PubRec: Kind.PUBREC, PubRel: Kind.PUBREL, PubComp: Kind.PUBCOMP}


class Decoder:
    """Turns one connection's bytes into packets.

    `max_packet_bytes` bounds a whole packet with its fixed header, and with it the buffer.
    `version` is what the peer speaks; a server leaves it None and it becomes that of the CONNECT.
    """

    __slots__ = (
        "_at",
        "_data",
        "_dead",
        "_need",
        "_partial",
        "_start",
        "_topic",
        "_topic_raw",
        "max_packet_bytes",
        "version",
    )

    def __init__(
        self, max_packet_bytes: int = DEFAULT_MAX_PACKET_BYTES, *, version: int | None = None
    ) -> None:
        self.max_packet_bytes = max_packet_bytes
        self.version = version
        self._data = b""
        self._at = 0
        self._start = 0
        self._partial = bytearray()
        self._need = 0
        self._dead = False
        self._topic_raw = b""
        self._topic = ""

    def feed(self, data: bytes) -> None:
        """Take more bytes; never raises. What belongs to a packet not yet whole is kept, no more than one."""
        if self._dead:
            return
        if self._partial:
            self._partial += data
            if len(self._partial) >= self._need:
                self._data, self._at = bytes(self._partial), 0
                self._partial.clear()
        elif self._at < len(self._data):
            self._data, self._at = self._data[self._at :] + data, 0
        else:
            self._data, self._at = data, 0

    def next_packet(self) -> Packet | None:  # noqa: C901 -- flat, because it runs for every message
        """Give the next whole packet, or None when more bytes are needed.

        Raises PacketError (a FrameError) once for bytes that are no packet; then the stream is over.
        """
        data, start = self._data, self._at
        size = len(data)
        if start + 2 > size:
            return self._waiting(2)
        first, length, body = data[start], data[start + 1], start + 2
        if length >= _CONTINUED:
            length &= 0x7F
            shift = 7
            while True:
                if body >= size:
                    return self._waiting(body - start + 1)
                byte = data[body]
                body += 1
                length |= (byte & 0x7F) << shift
                if byte < _CONTINUED:
                    break
                shift += 7
                if shift > 21:  # noqa: PLR2004 -- four bytes at most, 2.2.3 / 1.5.5
                    raise self._over("remaining length too long")
            if not byte:
                raise self._over("remaining length not in its shortest form")
        end = body + length
        if end - start > self.max_packet_bytes:
            raise self._over("packet too large", Reason.PACKET_TOO_LARGE)
        if end > size:
            return self._waiting(end - start)
        self._at, self._start = end, start
        if first >> 4 == _PUBLISH and self.version is not None:
            return self._publish(first, body, end)
        return self._other(first, body, end)

    def _publish(self, first: int, body: int, end: int) -> Packet:
        """The short way: the topic heard last, QoS 0 or 1, no properties; the rest goes the long way."""
        data = self._data
        at = body + 2 + (data[body] << 8 | data[body + 1]) if body + 2 <= end else end + 1
        qos = first & 6
        if at + 3 <= end and qos < 4:  # noqa: PLR2004 -- bits 2-1 of the header: 2 is QoS 1, 4 is QoS 2
            raw = data[body + 2 : at]
            if raw == self._topic_raw and raw:
                packet_id = 0
                if qos:
                    packet_id = data[at] << 8 | data[at + 1]
                    at += 2
                if self.version == V5:
                    plain = data[at] == 0
                    at += 1
                else:
                    plain = True
                if plain and (packet_id if qos else first & 8 == 0):
                    return Publish(
                        self._topic, data[at:end], qos >> 1, packet_id, first & 8 != 0, first & 1 != 0
                    )
        packet = self._other(first, body, end)
        if isinstance(packet, Publish):
            self._topic, self._topic_raw = packet.topic, packet.topic.encode()
        return packet

    def _other(self, first: int, body: int, end: int) -> Packet:
        kind, flags = first >> 4, first & 0x0F
        if self.version is None and kind != Kind.CONNECT:
            raise self._over("first packet is not CONNECT", Reason.PROTOCOL_ERROR)
        if kind not in READERS or (kind == Kind.AUTH and self.version == V311):
            raise self._over("packet type does not exist")
        expected, read = READERS[kind]
        if expected is not None and flags != expected:
            raise self._over("reserved header flags are wrong")
        reader = fields.Reader(self._data, body, end)
        try:
            packet = read(reader, flags, self.version or V311)
        except PacketError as error:
            raise self._over(error.reason, error.code, error.offset) from None
        if reader.at != end:
            raise self._over("bytes left over in the packet", at=reader.at)
        if isinstance(packet, Connect) and self.version is None:
            self.version = packet.version
        return packet

    def _waiting(self, need: int) -> Packet | None:
        """Keep what there is of a packet of which at least `need` bytes must come."""
        rest = self._data[self._at :]
        self._data, self._at = b"", 0
        if rest:
            self._partial += rest
            self._need = need
        return None

    def _over(self, reason: str, code: int = Reason.MALFORMED, at: int | None = None) -> PacketError:
        """End the stream; gives the error to raise, with what was heard of the frame."""
        start = min(self._at, self._start)
        raw = self._data[start : max(self._at, start + self.max_packet_bytes)]
        self._dead, self._data, self._at = True, b"", 0
        self._partial.clear()
        return PacketError(reason, code=code, offset=0 if at is None else at - start, raw=raw)


def publish(
    topic: bytes, payload: bytes, *, version: int, qos: int = 0, packet_id: int = 0, dup: bool = False
) -> bytes:
    """Encode a PUBLISH without properties; `topic` is the string as `mqtt_properties.text` writes it."""
    tail = b"".join(
        (topic, packet_id.to_bytes(2, "big") if qos else b"", b"\x00" if version == V5 else b"", payload)
    )
    return bytes((_PUBLISH << 4 | qos << 1 | (8 if dup else 0),)) + fields.varint(len(tail)) + tail


def encode(packet: Packet, version: int = V311) -> bytes:
    """Encode any packet; a CONNECT is written in its own version whatever `version` says."""
    if isinstance(packet, Connect):
        return _framed(Kind.CONNECT, 0, _connect(packet))
    kind, flags, body = _BODIES[type(packet)](packet, version)
    return _framed(kind, flags, body)


def _framed(kind: int, flags: int, body: bytes) -> bytes:
    return bytes((kind << 4 | flags,)) + fields.varint(len(body)) + body


def _v5(packet: Packet, version: int) -> bytes:
    return fields.properties(packet.properties) if version == V5 else b""  # type: ignore[union-attr]


def _connect(packet: Connect) -> bytes:
    will, version = packet.will, packet.version
    flags = 0x02 if packet.clean else 0
    parts = [fields.text(packet.client_id)]
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        parts.append(fields.properties(will.properties) if version == V5 else b"")
        parts += (fields.text(will.topic), fields.binary(will.payload))
    if packet.username is not None:
        flags |= 0x80
        parts.append(fields.text(packet.username))
    if packet.password is not None:
        flags |= 0x40
        parts.append(fields.binary(packet.password))
    head = fields.text("MQTT") + bytes((version, flags)) + packet.keep_alive_s.to_bytes(2, "big")
    return head + _v5(packet, version) + b"".join(parts)


def _connack(packet: ConnAck, version: int) -> tuple[int, int, bytes]:
    return Kind.CONNACK, 0, bytes((packet.session_present, packet.code)) + _v5(packet, version)


def _long_publish(packet: Publish, version: int) -> tuple[int, int, bytes]:
    packet_id = packet.packet_id.to_bytes(2, "big") if packet.qos else b""
    flags = (8 if packet.dup else 0) | packet.qos << 1 | packet.retain
    return Kind.PUBLISH, flags, fields.text(packet.topic) + packet_id + _v5(packet, version) + packet.payload


def _acknowledgement(packet: PubAck, version: int) -> tuple[int, int, bytes]:
    kind = _ACK_KINDS[type(packet)]
    body = packet.packet_id.to_bytes(2, "big")
    if version == V5 and (packet.code or packet.properties):
        body += bytes((packet.code,))
        body += fields.properties(packet.properties) if packet.properties else b""
    return kind, 2 if kind == Kind.PUBREL else 0, body


def _subscribe(packet: Subscribe, version: int) -> tuple[int, int, bytes]:
    body = packet.packet_id.to_bytes(2, "big") + _v5(packet, version)
    for one in packet.subscriptions:
        options = one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4
        body += fields.text(one.topic_filter) + bytes((options,))
    return Kind.SUBSCRIBE, 2, body


def _suback(packet: SubAck, version: int) -> tuple[int, int, bytes]:
    return Kind.SUBACK, 0, packet.packet_id.to_bytes(2, "big") + _v5(packet, version) + bytes(packet.codes)


def _unsubscribe(packet: Unsubscribe, version: int) -> tuple[int, int, bytes]:
    filters = b"".join(fields.text(one) for one in packet.topic_filters)
    return Kind.UNSUBSCRIBE, 2, packet.packet_id.to_bytes(2, "big") + _v5(packet, version) + filters


def _unsuback(packet: UnsubAck, version: int) -> tuple[int, int, bytes]:
    codes = bytes(packet.codes) if version == V5 else b""
    return Kind.UNSUBACK, 0, packet.packet_id.to_bytes(2, "big") + _v5(packet, version) + codes


def _disconnect(packet: Disconnect, version: int) -> tuple[int, int, bytes]:
    if version != V5 or not (packet.code or packet.properties):
        return Kind.DISCONNECT, 0, b""
    tail = fields.properties(packet.properties) if packet.properties else b""
    return Kind.DISCONNECT, 0, bytes((packet.code,)) + tail


_BODIES: Final[dict[type, Callable[[Any, int], tuple[int, int, bytes]]]] = {
    ConnAck: _connack,
    Publish: _long_publish,
    PubAck: _acknowledgement,
    PubRec: _acknowledgement,
    PubRel: _acknowledgement,
    PubComp: _acknowledgement,
    Subscribe: _subscribe,
    SubAck: _suback,
    Unsubscribe: _unsubscribe,
    UnsubAck: _unsuback,
    PingReq: lambda _packet, _version: (Kind.PINGREQ, 0, b""),
    PingResp: lambda _packet, _version: (Kind.PINGRESP, 0, b""),
    Disconnect: _disconnect,
}
