"""Which bands are admitted: those of the configuration, and the store's over them. Pure.

A row of the store stands for its identity, whatever the configuration says of it: a band that was revoked,
given another key or another wearer stays so. A row that cannot be (a wearer nobody knows, a wire id twice)
is left out and named; a band that was admitted before goes on as it was, for a call to yesterday's family
is better than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from gateway.bands.keys import Keys, key_id
from gateway.bands.registry import Device


class StoredDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the store: a band as it was provisioned, and whether it is admitted."""

    device: str
    wire_id: str
    protocol: str
    wearer: str
    model: str = ""
    serial: str = ""
    name: str = ""
    keys: Keys = Keys()
    state: Literal["active", "revoked"] = "active"
    added_ms: int = 0
    changed_ms: int = 0

    def as_device(self) -> Device:
        """The band as the registry knows it."""
        return Device(
            device=self.device,
            protocol=self.protocol,
            wearer=self.wearer,
            wire_id=self.wire_id,
            keys=self.keys,
            model=self.model,
            serial=self.serial,
            name=self.name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a band may refer to. `models` maps a model's name to the protocol it speaks."""

    wearers: Collection[str]
    protocols: Collection[str]
    models: Mapping[str, str]

    def problem(self, device: Device) -> str | None:
        """Why this band cannot be admitted here; None when it can."""
        if device.wearer not in self.wearers:
            return f"{device.device}: there is no wearer {device.wearer}"
        if device.protocol not in self.protocols:
            return f"{device.device}: there is no protocol {device.protocol}"
        if device.model and self.models.get(device.model) != device.protocol:
            return f"{device.device}: {device.model} is no model that speaks {device.protocol}"
        return None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The list, and in words what was left out of it."""

    devices: tuple[Device, ...]
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _List:
    """A list under way; no wire id and no OSCORE key id stands for two bands."""

    devices: dict[str, Device] = field(default_factory=dict)
    by_name: dict[str | bytes, str] = field(default_factory=dict)

    def clash(self, device: Device) -> str | None:
        for name in (device.wire_id, key_id(device.wire_id)):
            other = self.by_name.get(name)
            if other is not None:
                return f"{device.device}: {other} has its wire id {device.wire_id}, or its key id"
        return None

    def add(self, device: Device) -> None:
        self.devices[device.device] = device
        self.by_name[device.wire_id] = self.by_name[key_id(device.wire_id)] = device.device


def admitted(
    configured: Sequence[Device],
    stored: Iterable[StoredDevice],
    *,
    known: Known,
    before: Iterable[Device] = (),
) -> Admitted:
    """The bands to admit; `before` are those admitted until now.

    1. The configured ones of whose identity the store has no row.
    2. The store's active rows, in the order they were changed.
    3. Of the rows left out, what was admitted before, where that does not clash either.
    """
    rows = sorted(stored, key=lambda row: (row.changed_ms, row.device))
    overridden = {row.device for row in rows}
    found, problems = _List(), []
    for device in configured:
        if device.device not in overridden:
            found.add(device)
    last = {device.device: device for device in before}
    left_out: list[str] = []
    for row in rows:
        if row.state == "active":
            device = row.as_device()
            problem = known.problem(device) or found.clash(device)
            if problem is None:
                found.add(device)
            else:
                problems.append(problem)
                left_out.append(row.device)
    for name in left_out:
        old = last.get(name)
        if old is not None and found.clash(old) is None:
            found.add(old)
    return Admitted(tuple(found.devices.values()), tuple(problems))
