"""How the gateway is: which ways to people can be used, whether the journal writes, what to look at.

What changes is journalled (and so told to the portal), logged, and written to a small file
beside the journal, for whoever stands before the box when nothing goes out any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.clock import Clock
from gateway.journal.records import EventRow, Record, to_ms
from gateway.told import CarrierHealth, GatewayHealth
from gateway.told_health import GatewayFigures

LOOK_EVERY_S = 2.0
MANY_LEGS = "many_legs"
"""More texts and calls today than `sos.warn_legs_a_day`: they all go out, and somebody should look why."""

DEVICES = "devices"
"""The store of bands cannot be read, or a band of it cannot be admitted."""

DISK = "disk"
"""Less than `LEAST_FREE_MB` are free where the journal lies."""

CERTIFICATE = "certificate"
"""A certificate that bands are shown ends in less than `RENEW`, or has ended."""

LEAST_FREE_MB = 500
RENEW = timedelta(days=21)
LOOKS_A_MEASURE = 150
"""The figures are measured, and told, every five minutes."""

PROFILE = "profile"
"""A wearer's profile that was ordered does not fit any more, and an older one is in force."""

log = logging.getLogger(__name__)


class Journal(Protocol):
    """What health needs of the journal."""

    def append(self, record: Record) -> None:
        """Queue a record."""
        ...


class Health:
    """Looks every two seconds; `journal_trouble` is set by whoever hears the journal's writer."""

    def __init__(
        self,
        *,
        carriers: Callable[[], tuple[tuple[str, bool, str, datetime | None], ...]],
        open_incidents: Callable[[], int],
        legs_today: Callable[[], int],
        warn_legs_a_day: int,
        journal: Journal,
        clock: Clock,
        path: Path,
        device_trouble: Callable[[], str] = lambda: "",
        profile_trouble: Callable[[], str] = lambda: "",
        measure: Callable[[], GatewayFigures] | None = None,
    ) -> None:
        """`measure` gives the gateway's figures; it may take a while, and is called in a thread."""
        self.journal_trouble = ""
        self._carriers = carriers
        self._open_incidents = open_incidents
        self._legs_today = legs_today
        self._warn_legs_a_day = warn_legs_a_day
        self._journal = journal
        self._clock = clock
        self._path = path
        self._device_trouble = device_trouble
        self._profile_trouble = profile_trouble
        self.measure = measure
        self.figures: GatewayFigures | None = None
        self._told: GatewayHealth | None = None
        self._written = b""

    async def run(self) -> None:
        """Look until cancelled; the file goes with the gateway, for an old one would lie."""
        looks = 0
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                if looks % LOOKS_A_MEASURE == 0:
                    await self.take_figures()
                looks += 1
                self.look()
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def take_figures(self) -> None:
        """Measure beside the loop; what cannot be measured now leaves the figures of before."""
        if self.measure is not None:
            try:
                self.figures = await asyncio.to_thread(self.measure)
            except (OSError, sqlite3.Error) as error:
                log.warning("the gateway cannot be measured: %s", error)

    def look(self) -> None:
        """Compare with what was told last, and tell what is new."""
        warnings: tuple[str, ...] = (MANY_LEGS,) if self._legs_today() > self._warn_legs_a_day else ()
        if self._device_trouble():
            warnings = (*warnings, DEVICES)
        if self._profile_trouble():
            warnings = (*warnings, PROFILE)
        warnings = (*warnings, *_in_figures(self.figures, self._clock.now()))
        carriers = tuple(
            CarrierHealth(carrier=name, healthy=healthy, detail=detail, since=since)
            for name, healthy, detail, since in self._carriers()
        )
        health = GatewayHealth(
            carriers=carriers, journal=self.journal_trouble, warnings=warnings, figures=self.figures
        )
        if health != self._told:
            self._tell(health)
        self._write(health)

    def _tell(self, health: GatewayHealth) -> None:
        before, self._told = self._told, health
        at_ms = to_ms(self._clock.now())
        payload = msgspec.json.encode(health)
        self._journal.append(Record([EventRow(at_ms, at_ms, "health", None, None, None, payload, None)]))
        if health.carriers and not any(one.healthy for one in health.carriers):
            log.critical("NOBODY CAN BE REACHED: every carrier is down: %s", _troubles(health))
        elif any(not one.healthy for one in health.carriers):
            log.warning("carriers in trouble: %s", _troubles(health))
        elif before is not None and any(not one.healthy for one in before.carriers):
            log.warning("every carrier can be used again")
        if MANY_LEGS in health.warnings and (before is None or MANY_LEGS not in before.warnings):
            log.warning("more than %d texts and calls today; look why", self._warn_legs_a_day)

    def _write(self, health: GatewayHealth) -> None:
        """Replace the file when what it says has changed; a full disk must not hurt anything else."""
        reachable = not health.carriers or any(one.healthy for one in health.carriers)
        troubled = bool(_troubles(health) or self._device_trouble() or self._profile_trouble())
        words = "nobody can be reached" if not reachable else "trouble" if troubled else "well"
        if health.journal:
            words = "the journal does not write"
        body = msgspec.json.format(
            msgspec.json.encode(
                {
                    "state": words,
                    "open_incidents": self._open_incidents(),
                    **msgspec.to_builtins(health),
                    "devices": self._device_trouble(),
                    "profiles": self._profile_trouble(),
                }
            )
        )
        if body == self._written:
            return
        beside = self._path.with_suffix(".new")
        try:
            beside.write_bytes(body + b"\n")
            beside.replace(self._path)
        except OSError as error:
            log.warning("the state file cannot be written: %s", error)
        else:
            self._written = body


def _in_figures(figures: GatewayFigures | None, now: datetime) -> tuple[str, ...]:
    """What somebody should see to before it is too late."""
    if figures is None:
        return ()
    full = figures.disk_free_mb is not None and figures.disk_free_mb < LEAST_FREE_MB
    ends = any(one.ends_at - now < RENEW for one in figures.certificates)
    return (*(DISK,) * full, *(CERTIFICATE,) * ends)


def _troubles(health: GatewayHealth) -> str:
    return "; ".join(f"{one.carrier}: {one.detail or 'down'}" for one in health.carriers if not one.healthy)
