"""One band's MQTT connection: its CONNECT, its subscription, its downlink, its end.

What it publishes is the business of `mqtt_uplink`, the socket that of `mqtt_flow`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, cast

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PacketError,
    PingReq,
    PubAck,
    PubComp,
    Publish,
    PubRel,
    Reason,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
)
from gateway.codecs.mqtt_properties import text
from gateway.transports.base import Link
from gateway.transports.mqtt_hello import (
    HELLO_BYTES,
    UNACCEPTABLE_VERSION,
    Refusal,
    Terms,
    refused,
    terms,
    terse,
)
from gateway.transports.mqtt_session import Down
from gateway.transports.mqtt_uplink import House, Uplink
from gateway.transports.tls import device_names

log = logging.getLogger(__name__)

_PINGRESP: Final = b"\xd0\x00"
_QUIET: Final = frozenset({Reason.TAKEN_OVER, Reason.SHUTTING_DOWN})
"""Closings after which the will is not a sign of a lost band."""


class Connection(Uplink):
    """One TCP connection, from its CONNECT to its end."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._decoder = mqtt.Decoder(min(house.settings.max_packet_bytes, HELLO_BYTES))
        self._terms: Terms | None = None
        self._will = False

    def lost(self) -> None:
        """The socket is closed, by whomever: say so to the sink and leave the session."""
        if self._terms is None:
            return
        if self._will:
            self._counters.wills += 1
            log.info("band lost: %s from %s left its will", self._terms.device, self._link.peer)
        self._house.leave_session(self, self._session, self.expiry_s)
        self._sink.closed(self._link)

    # ------------------------------------------------------------------ reading

    def read(self) -> None:
        """Take the packets that came, until something holds."""
        take = self._decoder.next_packet
        heard = False
        self._reading = True
        try:
            while not self._holds and not self._closing:
                packet = take()
                if packet is None:
                    break
                heard = True
                if type(packet) is Publish:
                    self.published(packet)
                else:
                    self._other(packet)
        except PacketError as error:
            self._malformed(error)
        finally:
            self._reading = False
        if heard:  # a whole packet: single bytes, however many, keep nobody alive (3.1.2.10)
            self._heard_s = self._loop.time()
        if self._out:
            self._flush()

    def _other(self, packet: Packet) -> None:
        handler = _HANDLERS.get(type(packet))
        if handler is None:
            self.quit(Reason.PROTOCOL_ERROR, "packet not for a server")
        elif isinstance(packet, Connect) != (self._terms is None):
            self.quit(Reason.PROTOCOL_ERROR, "CONNECT out of place")
        else:
            handler(self, packet)

    def _malformed(self, error: PacketError) -> None:
        self._counters.malformed += 1
        if self._terms is None and error.code == Reason.UNSUPPORTED_VERSION:
            self._out += mqtt.encode(ConnAck(session_present=False, code=UNACCEPTABLE_VERSION), V311)
        self.quit(error.code, error.reason)

    # ------------------------------------------------------------------ the end, and time

    def quit(self, code: int, reason: str) -> None:
        """Close from our side: the acknowledgements so far, a 5.0 DISCONNECT with its reason, the end."""
        if self._closing:
            return
        granted = self._terms
        log.debug("closing %s: %s", self._link.peer if granted else "a stranger", reason)
        if self._v5 and granted is not None:
            said = {} if terse(granted.down_packet_bytes) else {"reason_string": reason}
            self._out += mqtt.encode(Disconnect(code, said), V5)
        if code in _QUIET:
            self._will = False
        self._end()

    def no_connect(self) -> None:
        """Nothing was said in time."""
        self._counters.connect_timeouts += 1
        self.quit(Reason.PROTOCOL_ERROR, "no CONNECT in time")

    def _keep_alive(self) -> None:
        """Close after 1.5 keep-alive times of silence (3.1.2.10), unless it is we who do not listen."""
        silent_s = 0.0 if self._holds else self._loop.time() - self._heard_s
        if silent_s >= self._limit_s:
            self._counters.keep_alive_timeouts += 1
            self.quit(Reason.KEEP_ALIVE_TIMEOUT, "nothing heard within the keep-alive")
        else:
            self._wake_in(self._limit_s - silent_s, self._keep_alive)

    # ------------------------------------------------------------------ the other packets

    def _on_connect(self, packet: Connect) -> None:
        house = self._house
        self._v5 = packet.version == V5
        granted = terms(packet, house.settings, house.next_client_id(packet.username))
        if isinstance(granted, Terms):
            granted = self._who(granted.device, packet.password or b"") or granted
        peer = _address(self._transport)
        if isinstance(granted, Refusal):
            self._counters.refused += 1
            if not self._counters.refused & (self._counters.refused - 1):  # the 1st, 2nd, 4th, 8th …
                log.warning(
                    "refused %s as %r: %s (%d so far)",
                    *(peer, packet.username, granted.reason, self._counters.refused),
                )
            self._out += mqtt.encode(refused(granted, packet), packet.version)
            self._end()
            return
        self._counters.accepted += 1
        self._decoder.max_packet_bytes = house.settings.max_packet_bytes
        self._terms, self._will, self.expiry_s = granted, granted.will is not None, granted.expiry_s
        self._up = f"sw/{house.site.community}/{granted.device}/up"
        self._link = Link(wire="mqtt_listener", protocol="senml", peer=peer, device=granted.device)
        self._session, present = house.open_session(self, granted)
        self._limit_s = granted.keep_alive_s * house.settings.keep_alive_grace
        self._wake_in(self._limit_s, self._keep_alive)
        properties = dict(granted.properties)
        self._out += mqtt.encode(ConnAck(present, Reason.SUCCESS, properties), packet.version)
        for packet_id, down in self._session.to_resend():
            self._write_down(packet_id, down, dup=True)
        self.pump()

    def _who(self, device: str, password: bytes) -> Refusal | None:
        """Why this is not that device; None when it is, by its key or by its certificate."""
        certificate = self._transport.get_extra_info("peercert")
        if certificate:
            if device not in device_names(certificate):
                return Refusal(Reason.NOT_AUTHORISED, "the certificate is another device's")
            tls = self._settings.tls
            if tls is not None and tls.certificate_is_login and self._sink.knows(device):
                return None
        if not self._sink.admits(device, password):
            return Refusal(Reason.NOT_AUTHORISED, "unknown device or wrong key")
        return None

    def _on_subscribe(self, packet: Subscribe) -> None:
        if "subscription_identifier" in packet.properties:
            self.quit(Reason.SUBSCRIPTION_IDS_NOT_SUPPORTED, "no subscription identifiers here")
            return
        codes = []
        for wanted in packet.subscriptions:
            if wanted.topic_filter == self._down:
                qos = min(wanted.qos, 1)
                self._session.subscribed_qos = qos
                codes.append(qos)
            else:
                self._counters.forbidden += 1
                shared = wanted.topic_filter.startswith("$share/")
                v5_code = Reason.SHARED_NOT_SUPPORTED if shared else Reason.NOT_AUTHORISED
                codes.append(int(v5_code if self._v5 else Reason.UNSPECIFIED))
        self._answer(SubAck(packet.packet_id, tuple(codes)))
        self.pump()

    def _on_unsubscribe(self, packet: Unsubscribe) -> None:
        codes = []
        for name in packet.topic_filters:
            held = name == self._down and self._session.subscribed_qos is not None
            codes.append(int(Reason.SUCCESS if held else Reason.NO_SUBSCRIPTION_EXISTED))
            if held:
                self._session.subscribed_qos = None
        self._answer(UnsubAck(packet.packet_id, tuple(codes)))

    def _answer(self, packet: SubAck | UnsubAck) -> None:
        """Say it, unless the band has said that it takes no packet of that size (5.0 3.1.2-24)."""
        raw = mqtt.encode(packet, self._version)
        most = cast("Terms", self._terms).down_packet_bytes
        if most is not None and len(raw) > most:
            self.quit(Reason.PACKET_TOO_LARGE, "the answer is larger than this client takes")
        else:
            self._out += raw

    def _on_puback(self, packet: PubAck) -> None:
        down = self._session.acknowledged(packet.packet_id)
        if down is None:
            return
        self._counters.down_done += 1
        if packet.code >= Reason.UNSPECIFIED:
            self._counters.down_declined += 1
        down.done()
        self.pump()

    def _on_pubrel(self, packet: PubRel) -> None:
        receipt = self._session.receipts.get(packet.packet_id)
        if receipt is not None and not receipt.settled:
            self.quit(Reason.PROTOCOL_ERROR, "PUBREL before PUBREC")
            return
        known = self._session.receipts.pop(packet.packet_id, None) is not None
        code = Reason.SUCCESS if known else Reason.ID_NOT_FOUND
        self._out += mqtt.encode(PubComp(packet.packet_id, code), self._version)

    def _on_pingreq(self, _packet: PingReq) -> None:
        self._out += _PINGRESP

    def _on_disconnect(self, packet: Disconnect) -> None:
        expiry_s = packet.properties.get("session_expiry_interval", self.expiry_s)
        if expiry_s and not self.expiry_s:
            self.quit(Reason.PROTOCOL_ERROR, "session expiry cannot be raised from zero")
            return
        self.expiry_s = min(expiry_s, self._house.settings.session_expiry_max_s)
        self._will = self._will and packet.code != Reason.SUCCESS  # 5.0 3.1.2-8: every other code leaves it
        self._end()

    # ------------------------------------------------------------------ downlink

    @property
    def _version(self) -> int:
        return V5 if self._v5 else V311

    @property
    def _down(self) -> str:
        return f"sw/{self._house.site.community}/{self._link.device}/down"

    def offer(self, down: Down) -> bool:
        """Queue an order for this band; False when its session does not take it."""
        if not self._session.queue(down):
            self._counters.down_refused += 1
            return False
        self._counters.down_queued += 1
        self.pump()
        return True

    def pump(self) -> None:
        """Send what waits in the session, as far as the band's own receive maximum allows."""
        if self._closing or self._terms is None:
            return
        for packet_id, down in self._session.to_send(self._terms.down_window):
            self._write_down(packet_id, down, dup=False)

    def _write_down(self, packet_id: int, down: Down, *, dup: bool) -> None:
        granted = cast("Terms", self._terms)
        raw = mqtt.publish(
            text(self._down),
            down.payload,
            version=granted.version,
            qos=1 if packet_id else 0,
            packet_id=packet_id,
            dup=dup,
        )
        if granted.down_packet_bytes is not None and len(raw) > granted.down_packet_bytes:
            self._session.acknowledged(packet_id)
            self._counters.down_too_large += 1
            log.warning("an order of %d bytes is too large for %s", len(raw), granted.device)
            return
        self._say(raw)
        if not packet_id:
            self._counters.down_done += 1
            down.done()


def _address(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)


_HANDLERS: Final[MappingProxyType[type, Callable[[Connection, Any], None]]] = MappingProxyType(
    {
        Connect: Connection._on_connect,  # noqa: SLF001 -- the table of this class
        Subscribe: Connection._on_subscribe,  # noqa: SLF001 -- the same
        Unsubscribe: Connection._on_unsubscribe,  # noqa: SLF001 -- the same
        PubAck: Connection._on_puback,  # noqa: SLF001 -- the same
        PubRel: Connection._on_pubrel,  # noqa: SLF001 -- the same
        PingReq: Connection._on_pingreq,  # noqa: SLF001 -- the same
        Disconnect: Connection._on_disconnect,  # noqa: SLF001 -- the same
    }
)
