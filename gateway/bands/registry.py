"""Whose band is it: (protocol, wire id) -> device -> wearer, with its model and what it must know.

A device has an identity of its own (`device`), which history and the portal go by;
what the band calls itself on its wire (`wire_id`) may change under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.bands.keys import Keys, key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One known band.

    Empty `keys` mean that its wire has no login, never that any key fits.
    `serial` is the number printed on it, where the protocol tells it (JT/T 808: the terminal id).
    `model` is a profile of `data/models`, empty for none; `name` is what people call it.
    """

    device: str
    protocol: str
    wearer: str
    wire_id: str = ""
    keys: Keys = field(default_factory=Keys, repr=False)
    model: str = ""
    serial: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not self.wire_id:
            object.__setattr__(self, "wire_id", self.device)


class Registry:
    """The allow-list: what is not in it is nobody's band. `replace` changes it while the gateway runs."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._by_wire_id: dict[str, Device] = {}
        self._by_key_id: dict[bytes, Device] = {}
        self.replace(devices)

    def __len__(self) -> int:
        return len(self._by_wire_id)

    def __iter__(self) -> Iterator[Device]:
        return iter(tuple(self._by_wire_id.values()))

    def replace(self, devices: Iterable[Device]) -> tuple[str, ...]:
        """Take a new list; gives the wire ids that are gone, or whose keys or protocol are others now."""
        before = self._by_wire_id
        self._by_wire_id = {device.wire_id: device for device in devices}
        self._by_key_id = {
            key_id(device.wire_id): device
            for device in self._by_wire_id.values()
            if device.keys.oscore_secret
        }
        return tuple(
            wire_id
            for wire_id, old in before.items()
            if (new := self._by_wire_id.get(wire_id)) is None
            or (new.device, new.keys, new.protocol) != (old.device, old.keys, old.protocol)
        )

    def find(self, wire_id: str) -> Device | None:
        """The device of this wire id, None when unknown."""
        return self._by_wire_id.get(wire_id)

    def of_key_id(self, name: bytes) -> Device | None:
        """The device of this OSCORE key id, None when unknown."""
        return self._by_key_id.get(name)

    def of_wearer(self, wearer: str) -> tuple[Device, ...]:
        """The bands of a wearer."""
        return tuple(device for device in self._by_wire_id.values() if device.wearer == wearer)

    def admits(self, wire_id: str, secret: bytes) -> bool:
        """Whether this device exists and this is its key; takes the same time either way."""
        known = self._by_wire_id.get(wire_id)
        return (known.keys if known is not None else Keys()).fits(secret)
