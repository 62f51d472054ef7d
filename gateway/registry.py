"""Whose band is it: wire id -> device -> wearer, with the key it must know."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One known band; an empty `key` means that its wire has no login, never that any key fits."""

    device: str
    protocol: str
    wearer: str
    key: str = ""


class Registry:
    """The allow-list: what is not in it is nobody's band."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = {device.device: device for device in devices}

    def __len__(self) -> int:
        return len(self._devices)

    def find(self, device: str) -> Device | None:
        """The device of this wire id, None when unknown."""
        return self._devices.get(device)

    def of_wearer(self, wearer: str) -> tuple[Device, ...]:
        """The bands of a wearer."""
        return tuple(device for device in self._devices.values() if device.wearer == wearer)

    def admits(self, device: str, secret: bytes) -> bool:
        """Whether this device exists and this is its key; takes the same time either way."""
        known = self._devices.get(device)
        key = known.key.encode() if known is not None and known.key else b"\0 no such key \0"
        return hmac.compare_digest(key, secret) and known is not None and bool(known.key)
