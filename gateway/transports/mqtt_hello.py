"""What a band asks for in its CONNECT and what the listener grants: settings, terms, and the CONNACK. Pure.

Sources: MQTT 3.1.1 sections 3.1 and 3.2; MQTT 5.0 sections 3.1, 3.2 and 4.13.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import V5, V311, ConnAck, Connect, Reason, Will
from gateway.transports.tls import ServerTls

Seconds = Annotated[int, Meta(ge=1)]
RECEIVE_MAXIMUM_DEFAULT: Final = 65_535
HELLO_BYTES: Final = 8_192
"""The longest CONNECT, and so all that is kept of a stranger; a band's has a few hundred bytes."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.mqtt_listener]`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 1883
    """0 takes any free port."""
    plain: Literal["loopback", "network", "off"] = "loopback"
    """Where passwords and readings may pass unencrypted: on this box alone, on the network, nowhere."""
    tls: ServerTls | None = None
    max_connections: Annotated[int, Meta(ge=1)] = 20_000
    max_sessions_per_device: Annotated[int, Meta(ge=1)] = 4
    max_packet_bytes: Annotated[int, Meta(ge=1_024, le=268_435_460)] = 262_144
    receive_maximum: Annotated[int, Meta(ge=1, le=65_535)] = 100
    """How many messages of one connection may wait for the journal."""
    keep_alive_max_s: Annotated[int, Meta(ge=1, le=65_535)] = 1_200
    keep_alive_grace: Annotated[float, Meta(ge=1)] = 1.5
    """A band is lost after this many keep-alive times without a word (3.1.2.10)."""
    session_expiry_max_s: Annotated[int, Meta(ge=0)] = 7 * 86_400
    connect_timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    max_queued_down: Annotated[int, Meta(ge=1)] = 32
    """Orders to one band that may wait for it; more are refused, and the engine keeps them."""
    max_in_flight_down: Annotated[int, Meta(ge=1, le=65_535)] = 8
    close_grace_s: Annotated[float, Meta(gt=0)] = 2.0
    """How long a closing connection may take to send its last bytes."""

    def __post_init__(self) -> None:
        """Raise ValueError where keys would leak by mistake, or nobody could come in."""
        if self.plain == "loopback" and not on_loopback(self.host):
            raise ValueError(
                f"a loopback host ({self.host} is heard on the network), the table tls beside it, or"
                ' plain = "network": keys and readings can then be read on the way'
            )
        if self.plain == "off" and self.tls is None:
            raise ValueError('the table tls where plain = "off"')


def on_loopback(host: str) -> bool:
    """Whether an address is heard on this box alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class Counters:
    """What the listener has seen since its start; `connections`, `sessions`, `in_flight` are of now."""

    connections: int = 0
    sessions: int = 0
    in_flight: int = 0
    accepted: int = 0
    refused: int = 0
    turned_away: int = 0
    pushed_out: int = 0
    handshakes_failed: int = 0
    handshakes_turned_away: int = 0
    messages: int = 0
    duplicates: int = 0
    bytes_in: int = 0
    acknowledged: int = 0
    unavailable: int = 0
    forbidden: int = 0
    malformed: int = 0
    over_receive_maximum: int = 0
    keep_alive_timeouts: int = 0
    connect_timeouts: int = 0
    takeovers: int = 0
    doubled: int = 0
    wills: int = 0
    held: int = 0
    sessions_expired: int = 0
    down_queued: int = 0
    down_refused: int = 0
    down_too_large: int = 0
    down_done: int = 0
    down_declined: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for one connection once it is accepted.

    `expiry_s` 0 ends the session with its connection;
    `down_packet_bytes` is the largest packet the band takes, None without a bound.
    """

    version: int
    device: str
    client_id: str
    clean: bool
    keep_alive_s: int
    expiry_s: int
    down_window: int
    down_packet_bytes: int | None
    will: Will | None
    properties: MappingProxyType[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a CONNECT is not accepted: a 5.0 reason code and words for it."""

    code: Reason
    reason: str


UNACCEPTABLE_VERSION: Final = 1
"""The return code for a client of another version, the one answer every version can read."""
SHORTEST_FOR_REASONS: Final = 512
"""A client that takes no packet of this size gets no reason strings."""
_RETURN_CODES: Final = MappingProxyType(
    {
        Reason.CLIENT_ID_NOT_VALID: 2,
        Reason.SERVER_UNAVAILABLE: 3,
        Reason.NOT_AUTHORISED: 5,
    }
)
"""The return codes of 3.1.1 (table 3.1); what has none there is "server unavailable"."""


def terms(packet: Connect, settings: Settings, assigned_id: str) -> Terms | Refusal:
    """Grant or refuse what a CONNECT asks, before its key is looked at.

    `assigned_id` becomes the client id of a client that sent none.
    """
    asked, v5 = packet.properties, packet.version == V5
    if not packet.username or any(sign in packet.username for sign in "/+#$"):
        return Refusal(Reason.NOT_AUTHORISED, "user name must be a device id")
    if "authentication_method" in asked or "authentication_data" in asked:
        return Refusal(Reason.BAD_AUTHENTICATION_METHOD, "no enhanced authentication here")
    if not packet.client_id and not v5 and not packet.clean:
        return Refusal(Reason.CLIENT_ID_NOT_VALID, "a kept session needs a client id")
    wanted_expiry_s = asked.get("session_expiry_interval", 0) if v5 else (0 if packet.clean else 0xFFFFFFFF)
    expiry_s = min(wanted_expiry_s, settings.session_expiry_max_s)
    keep_alive_s = min(packet.keep_alive_s or settings.keep_alive_max_s, settings.keep_alive_max_s)
    granted: dict[str, Any] = {}
    if v5:
        granted = {
            "receive_maximum": settings.receive_maximum,
            "maximum_packet_size": settings.max_packet_bytes,
            "wildcard_subscription_available": 0,
            "subscription_identifier_available": 0,
            "shared_subscription_available": 0,
        }
        if not packet.client_id:
            granted["assigned_client_identifier"] = assigned_id
        if keep_alive_s != packet.keep_alive_s:
            granted["server_keep_alive"] = keep_alive_s
        if expiry_s != wanted_expiry_s:
            granted["session_expiry_interval"] = expiry_s
    most_bytes = asked.get("maximum_packet_size")
    if most_bytes is not None and len(mqtt.encode(ConnAck(True, 0, granted), V5)) > most_bytes:
        return Refusal(Reason.PACKET_TOO_LARGE, "the terms do not fit a packet this client takes")
    return Terms(
        version=packet.version,
        device=packet.username,
        client_id=packet.client_id or assigned_id,
        clean=packet.clean,
        keep_alive_s=keep_alive_s,
        expiry_s=expiry_s,
        down_window=min(asked.get("receive_maximum", RECEIVE_MAXIMUM_DEFAULT), settings.max_in_flight_down),
        down_packet_bytes=most_bytes,
        will=packet.will,
        properties=MappingProxyType(granted),
    )


def refused(refusal: Refusal, asked: Connect) -> ConnAck:
    """The CONNACK that says no."""
    if asked.version == V311:
        return ConnAck(session_present=False, code=_RETURN_CODES.get(refusal.code, 3))
    said = {} if terse(asked.properties.get("maximum_packet_size")) else {"reason_string": refusal.reason}
    return ConnAck(session_present=False, code=refusal.code, properties=said)


def terse(most_bytes: int | None) -> bool:
    """Whether a client that takes no larger packets gets no reason strings (5.0 3.2.2-19, 3.14.2-3)."""
    return most_bytes is not None and most_bytes < SHORTEST_FOR_REASONS
