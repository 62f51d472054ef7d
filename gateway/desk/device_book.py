"""What the commands do to the bands: read, checked and written in one transaction, or refused whole."""

from __future__ import annotations

import contextlib
import getpass
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import msgspec

from gateway.bands.allow_list import Admitted, Known, StoredDevice, admitted
from gateway.bands.keys import Keys, derive
from gateway.bands.naming import ID_WORDS, MOST_CHARACTERS, is_id, is_line
from gateway.bands.registry import Device
from gateway.bands.store import Change, DeviceStore
from gateway.config import Settings
from gateway.desk.in_force import settings_in_force
from gateway.errors import NeedsHuman, ShouwangError
from gateway.paths import devices_path
from gateway.roster import configured, known_to

T = TypeVar("T")


class Refused(ShouwangError):
    """What was asked cannot be done, and nothing was; the message says why."""


class Wrong(NamedTuple):
    """One value that cannot be: the column it stands in, what stands there, what was expected."""

    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.column} {self.value!r}: expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A band as somebody asks for it; without `device` its wire id is its identity."""

    wearer: str
    protocol: str
    wire_id: str
    model: str = ""
    serial: str = ""
    name: str = ""
    device: str = ""

    def row(self, keys: Keys) -> StoredDevice:
        """The row it would be."""
        return StoredDevice(
            device=self.device or self.wire_id,
            wire_id=self.wire_id,
            protocol=self.protocol,
            wearer=self.wearer,
            model=self.model,
            serial=self.serial,
            name=self.name,
            keys=keys,
        )


class Page:
    """Every band of this gateway inside one transaction: the configured ones, and the store's over them."""

    def __init__(
        self,
        settings: Settings,
        stored: Sequence[StoredDevice],
        store: DeviceStore | None = None,
        *,
        who: str = "",
        note: str = "",
    ) -> None:
        """`store` is open, with its transaction begun; without it the page is only read.

        `who` changes it, else the login name; `note` stands behind every line of the log that it makes.
        """
        self.stored = frozenset(row.device for row in stored)
        self.rows = {device.device: _row(device) for device in configured(settings)}
        self.rows |= {row.device: row for row in stored}
        self._of_wire_id = {row.wire_id: row.device for row in self.active()}
        self._known: Known = known_to(settings_in_force(settings))
        self._store = store
        self._who = who or os.environ.get("SUDO_USER") or login_name()
        self._note = f" ({note})" if note else ""

    def find(self, name: str) -> StoredDevice:
        """The band of this identity, or of this wire id; raises Refused when there is none."""
        row = self.rows.get(name)
        if row is None:
            row = self.rows.get(self._of_wire_id.get(name, ""))
        if row is None:
            raise Refused(f"there is no band {name!r}; `shouwang device list` shows all")
        return row

    def active(self) -> list[StoredDevice]:
        """The bands that are not revoked."""
        return [row for row in self.rows.values() if row.state == "active"]

    def wrong(self, row: StoredDevice) -> list[Wrong]:
        """What cannot be about this row, beside the others."""
        known = self._known
        found: list[Wrong] = []
        if row.wearer not in known.wearers:
            found.append(Wrong("wearer", row.wearer, "a wearer of this gateway: " + _some(known.wearers)))
        if row.protocol not in known.protocols:
            found.append(Wrong("protocol", row.protocol, "one of " + _some(known.protocols)))
        elif row.model and known.models.get(row.model) != row.protocol:
            fitting = [name for name, protocol in known.models.items() if protocol == row.protocol]
            found.append(Wrong("model", row.model, f"a model that speaks {row.protocol}: " + _some(fitting)))
        found += [
            Wrong(column, value, ID_WORDS)
            for value, column in {row.device: "device", row.wire_id: "id"}.items()
            if not is_id(value)
        ]
        found += [
            Wrong(column, value, f"at most {MOST_CHARACTERS} characters on one line")
            for column, value in (("serial", row.serial), ("name", row.name))
            if not is_line(value)
        ]
        other = self._of_wire_id.get(row.wire_id)
        if other not in (None, row.device):
            found.append(Wrong("id", row.wire_id, f"an id that {other} does not have"))
        return found

    def take(self, row: StoredDevice) -> None:
        """Take a row onto the page alone, so that later rows are checked beside it."""
        old = self.rows.get(row.device)
        if old is not None and self._of_wire_id.get(old.wire_id) == row.device:
            del self._of_wire_id[old.wire_id]
        self.rows[row.device] = row
        if row.state == "active":
            self._of_wire_id[row.wire_id] = row.device

    def put(self, row: StoredDevice, what: str) -> StoredDevice:
        """Write one row with its line of the log; raises Refused when it cannot be."""
        if found := self.wrong(row) if row.state == "active" else []:
            raise Refused("; ".join(map(str, found)))
        assert self._store is not None, "a page that is only read"
        at_ms = round(time.time() * 1000)
        self._store.put(row, what=what + self._note, who=self._who, at_ms=at_ms)
        self.take(row)
        return row

    def did(self, device: str, note: str) -> bool:
        """Whether a change with this note was made to a band before."""
        assert self._store is not None, "a page that is only read"
        return any(change.what.endswith(f" ({note})") for change in self._store.log(device))

    def add(self, asked: Asked, key: str) -> StoredDevice:
        """Add a band; one that was revoked comes back under its identity. An empty key is none."""
        row = asked.row(derive(key))
        old = self.rows.get(row.device)
        if old is not None and old.state == "active":
            raise Refused(f"there is a band {row.device} already, {old.wearer}'s: rotate, rename or move it")
        return self.put(row, "added" if old is None else "added again")

    def revoke(self, name: str) -> StoredDevice:
        """Admit it no more; its history and identity stay."""
        row = self.find(name)
        if row.state == "revoked":
            raise Refused(f"{row.device} is revoked already")
        return self.put(msgspec.structs.replace(row, state="revoked"), "revoked")

    def rotate(self, name: str, key: str) -> StoredDevice:
        """Give it another key: the old one is of no use from now on."""
        return self.put(msgspec.structs.replace(self.find_active(name), keys=derive(key)), "another key")

    def rename(self, name: str, *, called: str | None, wire_id: str | None) -> StoredDevice:
        """Another name for people, another id on its wire; identity, key and history stay."""
        row = self.find_active(name)
        words = [f"called {called!r}"] * (called is not None)
        words += [f"wire id {row.wire_id} -> {wire_id}"] * (wire_id is not None)
        if not words:
            raise Refused("rename needs --name or --wire-id")
        new = msgspec.structs.replace(
            row,
            name=row.name if called is None else called,
            wire_id=row.wire_id if wire_id is None else wire_id,
        )
        return self.put(new, ", ".join(words))

    def move(self, name: str, wearer: str) -> StoredDevice:
        """Give it to another wearer, from now on."""
        row = self.find_active(name)
        if row.wearer == wearer:
            raise Refused(f"{row.device} is {wearer}'s already")
        return self.put(msgspec.structs.replace(row, wearer=wearer), f"moved from {row.wearer} to {wearer}")

    def find_active(self, name: str) -> StoredDevice:
        """As `find`; raises Refused for a revoked one too."""
        row = self.find(name)
        if row.state == "revoked":
            raise Refused(f"{row.device} is revoked; `shouwang device add` brings it back")
        return row


def login_name() -> str:
    """Who types here; in a container that has no name for its user, the user's number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@contextlib.contextmanager
def changing(settings: Settings, *, who: str = "", note: str = "") -> Iterator[Page]:
    """A page to change, committed at the end; an exception leaves everything as it was.

    `who` and `note` are for the log, as `Page` says.
    Raises NeedsHuman when the store cannot be written.
    """
    store = DeviceStore(devices_path(settings), make=True)
    try:
        with store.changing():
            yield Page(settings, store.rows(), store, who=who, note=note)
    finally:
        store.close()


def reading(settings: Settings) -> Page:
    """A page to look at. Raises NeedsHuman when the store cannot be read."""
    return Page(settings, _read(settings, DeviceStore.rows))


def history(settings: Settings, device: str) -> tuple[Change, ...]:
    """What was done to one band, oldest first. Raises NeedsHuman when the store cannot be read."""
    return _read(settings, lambda store: store.log(device))


def admitted_now(settings: Settings) -> tuple[Device, ...]:
    """The bands a gateway of this configuration admits. Raises NeedsHuman when the store cannot be read."""
    return _admitted(settings).devices


def left_out(settings: Settings) -> tuple[str, ...]:
    """The bands of the store that this configuration cannot admit, and why. Raises NeedsHuman likewise."""
    return _admitted(settings).problems


def _admitted(settings: Settings) -> Admitted:
    rows = _read(settings, DeviceStore.rows)
    return admitted(configured(settings), rows, known=known_to(settings_in_force(settings)))


def _read(settings: Settings, read: Callable[[DeviceStore], tuple[T, ...]]) -> tuple[T, ...]:
    """What `read` gives of the store; nothing of one that does not exist yet, which is not made."""
    path = devices_path(settings)
    try:
        store = DeviceStore(path, make=False)
    except FileNotFoundError:
        return ()
    try:
        return read(store)
    except sqlite3.Error as error:
        raise NeedsHuman(f"the store of devices {path} cannot be read: {error}") from error
    finally:
        store.close()


def _row(device: Device) -> StoredDevice:
    return StoredDevice(
        device=device.device,
        wire_id=device.wire_id,
        protocol=device.protocol,
        wearer=device.wearer,
        model=device.model,
        serial=device.serial,
        name=device.name,
        keys=device.keys,
    )


def _some(names: object, most: int = 12) -> str:
    assert isinstance(names, (list, tuple, frozenset, set))
    shown = sorted(names)
    return ", ".join(shown[:most]) + (" …" if len(shown) > most else "") if shown else "there is none"
