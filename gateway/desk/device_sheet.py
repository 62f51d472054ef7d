"""What the installer types into a band, wire by wire, and what its QR code holds. Pure.

The content of a QR code is one line of compact JSON:
`{"v":1,"wire":"mqtt","host":"…","port":8883,"tls":true,"id":"…","community":"…"}`,
with `"key":"…"` only when it is made together with the key;
for CoAP `"key_id"`, `"server_id"` and, in place of the key, `"secret"`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway import plugins
from gateway.bands.allow_list import StoredDevice
from gateway.bands.keys import key_id
from gateway.config import Settings

SERVER_ID = b"gw"
"""The gateway's own OSCORE id (`gateway.transports.coap`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One way into this gateway, as a band reaches it.

    `port` is 0 where there is none to type (a serial receiver); `host` is empty where nobody wrote it down.
    `certificate`: the band must show one of its own.
    """

    kind: str
    host: str = ""
    port: int = 0
    tls: bool = False
    certificate: bool = False


def wires(settings: Settings, protocol: str) -> tuple[Wire, ...]:
    """The ways by which a band of this protocol can come in here, as the configuration has them."""
    address = settings.site.address
    found: list[Wire] = []
    for name, table in settings.transports.items():
        match name:
            case "mqtt_listener" if protocol == "senml":
                found += _listener(table, address)
            case "mqtt_client" if protocol == "senml":
                found.append(_broker(table, address))
            case "coap" if table.protocol == protocol:
                found.append(Wire(kind="coap", host=reached(table.host, address), port=table.port))
            case _:
                found += [
                    Wire(kind=name, host=reached(entry.host, address), port=entry.port)
                    for entry in getattr(table, "listeners", ())
                    if entry.protocol == protocol
                ]
                ports = [one for one in getattr(table, "ports", ()) if one.protocol == protocol]
                found += [Wire(kind=name)] * bool(ports)
    return tuple(found)


def _listener(table: Any, address: str) -> Iterator[Wire]:
    """The TLS door, where there is one; a plain door beside it only where it is open to the network."""
    if table.tls is not None:
        yield Wire(
            kind="mqtt",
            host=reached(table.tls.host, address),
            port=table.tls.port,
            tls=True,
            certificate=table.tls.require_client_certificate,
        )
    if table.plain == "network" or table.tls is None:
        yield Wire(kind="mqtt", host=reached(table.host, address), port=table.port)


def _broker(table: Any, address: str) -> Wire:
    """The site's own broker: as we configure it where it is ours, else where we reach it ourselves."""
    ours = table.mosquitto
    if ours is not None:
        return Wire(
            kind="mqtt",
            host=reached(ours.host, address),
            port=ours.port,
            tls=bool(ours.certificate),
            certificate=bool(ours.client_ca),
        )
    return Wire(kind="mqtt", host=table.host, port=table.port, tls=bool(table.tls_ca))


def reached(host: str, address: str) -> str:
    """A listener's host as a band types it: this box's address, but what is on loopback stays there."""
    try:
        own = ipaddress.ip_address(host)
    except ValueError:
        return host
    if own.is_loopback:
        return host
    return address or ("" if own.is_unspecified else host)


def logs_in(settings: Settings, protocol: str) -> bool:
    """Whether a band of this protocol proves who it is on any of its wires here."""
    if getattr(plugins.get("codec", protocol), "logs_in", False):
        return True
    return any(wire.kind in ("mqtt", "coap") for wire in wires(settings, protocol))


def issued(protocol: str, ways: tuple[Wire, ...]) -> bool:
    """Whether the protocol hands the band its own code, so that nobody ever types a key."""
    own = getattr(plugins.get("codec", protocol), "logs_in", False)
    return own and not any(wire.kind in ("mqtt", "coap") for wire in ways)


def sheet(row: StoredDevice, ways: tuple[Wire, ...], *, community: str, key: str = "") -> str:
    """What to type into the band, in lines; with `key` also the secrets, for the one time they are shown."""
    lines: list[str] = []
    if key:
        lines += ["This key is shown once and kept nowhere:", f"  key            {key}"]
    elif not row.keys.verifier:
        lines.append("no login on this wire: whoever says this id is believed, so keep the wire closed")
    for wire in ways:
        title = {"mqtt": "MQTT", "coap": "CoAP"}.get(wire.kind, f"{row.protocol} over {wire.kind}")
        lines.append(title + (" with TLS" if wire.tls else ""))
        if wire.port:
            host = wire.host or "this box: set site.address in config.toml"
            lines += [f"  host           {host}", f"  port           {wire.port}"]
        lines += [f"  {name:<14} {value}" for name, value in _typed(row, wire, community, shown=bool(key))]
    if not ways:
        lines.append(f"no wire of this configuration carries {row.protocol}: add one under [transports]")
    return "\n".join(lines)


SECRETS = frozenset({"password", "master secret"})


def typed(row: StoredDevice, ways: tuple[Wire, ...], *, community: str) -> Iterator[tuple[str, str]]:
    """What is typed into the band and is no secret, wire by wire: (what, value)."""
    for wire in ways:
        yield "wire", wire.kind + (" with TLS" if wire.tls else "")
        if wire.port:
            yield "host", wire.host
            yield "port", str(wire.port)
        yield from (pair for pair in _typed(row, wire, community, shown=False) if pair[0] not in SECRETS)


def secrets_of(row: StoredDevice, ways: tuple[Wire, ...], *, key: str) -> dict[str, str]:
    """What is typed beside it and is a secret, for the one time it is shown."""
    kinds = {wire.kind for wire in ways} if key else set()
    found = {"password": key} if "mqtt" in kinds else {}
    if "coap" in kinds and row.keys.oscore_secret:
        found["master secret"] = row.keys.oscore_secret.hex() + " (hex)"
    return found


def _typed(row: StoredDevice, wire: Wire, community: str, *, shown: bool) -> Iterator[tuple[str, str]]:
    topic = f"sw/{community}/{row.wire_id}"
    if wire.kind == "mqtt":
        yield "user name", row.wire_id
        yield "password", "the key" if shown else "its key"
        yield "client id", f"any, always the same: {row.wire_id}"
        yield "publishes to", f"{topic}/up"
        yield "subscribes to", f"{topic}/down"
        if wire.certificate:
            yield "certificate", f"its own, for {row.wire_id}, signed by the site's authority"
    elif wire.kind == "coap":
        yield "path", f"/{topic}/up (readings), /{topic}/down (orders, Observe)"
        if row.keys.oscore_secret:
            yield "OSCORE", "AES-CCM-16-64-128, HKDF-SHA-256, no master salt, no id context"
            yield "client id", key_id(row.wire_id).hex() + " (hex)"
            yield "server id", SERVER_ID.hex() + " (hex)"
            secret = row.keys.oscore_secret.hex() + " (hex)"
            yield "master secret", secret if shown else "made with its key; `device rotate` makes another"
    elif row.protocol == "jt808":
        yield "phone", row.wire_id
        yield "login code", "none to type: the gateway issues it when the terminal registers"
        if not row.serial:
            yield "serial", "none written down: whoever knows the phone number can register as this terminal"
    else:
        yield "id", row.wire_id


def qr_content(row: StoredDevice, wire: Wire, *, community: str, key: str = "") -> str:
    """One line of JSON for a band's set-up app; without `key` there is no secret in it."""
    content: dict[str, Any] = {"v": 1, "wire": wire.kind, "host": wire.host, "port": wire.port}
    content |= {"tls": wire.tls, "id": row.wire_id, "community": community}
    if wire.kind == "coap" and row.keys.oscore_secret:
        content |= {"key_id": key_id(row.wire_id).hex(), "server_id": SERVER_ID.hex()}
        if key:
            content["secret"] = row.keys.oscore_secret.hex()
    elif key and wire.kind == "mqtt":
        content["key"] = key
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
