"""The figures a gateway tells of itself: part of the wire schema (`gateway.told`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate this gateway shows to bands, by the name of its listener, and when it ends."""

    listener: str
    ends_at: datetime


class Modem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the modem says of its network; None what it did not say. `signal_dbm` is about -113 to -51."""

    operator: str = ""
    signal_dbm: int | None = None


class GatewayFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Figures of the gateway, told at most every five minutes unless something else is to be told.

    `unsent_events` wait for the portal, the oldest since `unsent_since`.
    `clock`: whether the system's clock is kept by a time service, as the kernel says.
    """

    version: str
    started_at: datetime
    journal_mb: float
    journal_oldest: datetime | None = None
    disk_free_mb: float | None = None
    unsent_events: int = 0
    unsent_since: datetime | None = None
    quarantined: int = 0
    clock: Literal["synchronised", "free", "unknown"] = "unknown"
    modem: Modem | None = None
    certificates: tuple[Certificate, ...] = ()
