"""The files with which a Mosquitto of the site keeps our rules: `passwd`, `acl`, `mosquitto.conf`. Pure.

A band logs in with its wire id and its key, publishes its own `/up` and reads its own `/down`;
the gateway reads every `/up` and writes every `/down` of its community; nobody else is let in.
Lines of `passwd` are the verifiers of `gateway.bands.keys`, which are Mosquitto's own `$7$` form.
Sources: mosquitto.conf(5) and mosquitto_passwd(1) of Mosquitto 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.bands.registry import Device
from gateway.transports.mqtt_hello import on_loopback

HEAD: Final = "# Written by `shouwang device mosquitto` at each change of a band: edit config.toml instead.\n"
USABLE: Final = re.compile(r"[^\s:/+#$\x00-\x1f\x7f]{1,128}")
"""What can be a user name of these files and a level of a topic."""


class MosquittoTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[transports.mqtt_client.mosquitto]`: a broker on this box whose files we write."""

    dir: str
    """Where the files go; they get the group of this folder, which Mosquitto must be in."""
    pid_file: str = ""
    """Written by Mosquitto, read by us: it is told to read its files again. Empty tells nobody."""
    user: str = ""
    """The account Mosquitto runs as when root starts it; empty is its own default."""
    store_dir: str = "/var/lib/mosquitto"
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8883
    """Where the bands connect."""
    plain: Literal["loopback", "network"] = "loopback"
    certificate: str = ""
    key_file: str = ""
    client_ca: str = ""
    """Who signs the bands' certificates; then none comes in without one."""

    def __post_init__(self) -> None:
        """Raise ValueError where keys would leak by mistake, or a file is missing."""
        if bool(self.certificate) != bool(self.key_file) or (self.client_ca and not self.certificate):
            raise ValueError("certificate and key_file together, and client_ca only with them")
        if not self.certificate and self.plain == "loopback" and not on_loopback(self.host):
            raise ValueError(
                f"a loopback host ({self.host} is heard on the network), a certificate, or"
                ' plain = "network": keys and readings can then be read on the way'
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The gateway's own login at the broker, and the loopback port it comes to (None: the bands' own).

    `workers`: several clients log in with it, so that each needs a client id of its own.
    """

    username: str
    verifier: str
    port: int | None
    workers: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """The files by name, and the wire ids that cannot be in them."""

    texts: dict[str, str]
    left_out: tuple[str, ...]


def files(
    devices: Iterable[Device], *, community: str, account: Account, table: MosquittoTable, folder: str
) -> Files:
    """The files for these bands; those that speak no MQTT or have no key are not mentioned.

    `folder` is where the files will lie, absolute.
    """
    speaking = sorted(
        (device for device in devices if device.protocol == "senml" and device.keys.verifier),
        key=lambda device: device.wire_id,
    )
    bands = [one for one in speaking if USABLE.fullmatch(one.wire_id) and one.wire_id != account.username]
    left_out = tuple(one.wire_id for one in speaking if one not in bands)
    passwords = {account.username: account.verifier} | {one.wire_id: one.keys.verifier for one in bands}
    return Files(
        {
            "passwd": "".join(f"{name}:{verifier}\n" for name, verifier in passwords.items()),
            "acl": _acl([one.wire_id for one in bands], community, account.username),
            "mosquitto.conf": _conf(table, account, folder),
        },
        left_out,
    )


def _acl(names: Iterable[str], community: str, gateway: str) -> str:
    parts = [HEAD, _rights(gateway, read=f"sw/{community}/+/up", write=f"sw/{community}/+/down")]
    parts += [
        _rights(name, read=f"sw/{community}/{name}/down", write=f"sw/{community}/{name}/up") for name in names
    ]
    return "\n".join(parts)


def _rights(name: str, *, read: str, write: str) -> str:
    return f"user {name}\ntopic read {read}\ntopic write {write}\n"


def _conf(table: MosquittoTable, account: Account, folder: str) -> str:
    lines = [
        "allow_anonymous false",
        f"password_file {folder}/passwd",
        f"acl_file {folder}/acl",
        *([f"user {table.user}"] if table.user else []),
        *([f"pid_file {table.pid_file}"] if table.pid_file else []),
        "# The gateway's session and what waits in it outlive a restart of the broker.",
        "persistence true",
        f"persistence_location {table.store_dir.rstrip('/')}/",
        "autosave_interval 60",
        "persistent_client_expiration 30d",
        "# What comes while the gateway is away waits, however much it is; its own default of 1000 drops it.",
        "max_queued_messages 0",
        "max_inflight_messages 1000",
        "max_packet_size 262144",
        "",
        *_listener(table, account),
    ]
    return HEAD + "\n".join(lines) + "\n"


def _listener(table: MosquittoTable, account: Account) -> list[str]:
    """The bands' listener, and before it the gateway's own on this box."""
    lines = []
    if account.port is not None:
        lines += ["# the gateway", f"listener {account.port} 127.0.0.1", ""]
    lines += ["# the bands", f"listener {table.port} {table.host}", "max_connections 20000"]
    if account.port is not None or not account.workers:
        lines += [
            "# A band's client id is its user name, so that none can take over the session of another,",
            "# nor the gateway's, in which acknowledged readings wait for it.",
            "use_username_as_clientid true",
        ]
    if table.certificate:
        lines += [f"certfile {table.certificate}", f"keyfile {table.key_file}", "tls_version tlsv1.2"]
    if table.client_ca:
        lines += [f"cafile {table.client_ca}", "require_certificate true"]
    return lines
