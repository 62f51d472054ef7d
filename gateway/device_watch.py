"""Follows the store of bands while the gateway runs: a change at the desk holds within two seconds."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from gateway.allow_list import Admitted, Known, StoredDevice, admitted
from gateway.devices import DeviceStore
from gateway.errors import NeedsHuman
from gateway.registry import Device

LOOK_EVERY_S = 1.0
PASSING_LOOKS = 10
"""A writer holds the file, or is making it, for a moment; only what lasts so many looks is worth a word."""
PASSING = ("locked", "no such table")

log = logging.getLogger(__name__)


class DeviceWatch:
    """Looks whether the store has changed, and hands over the whole new list when it has.

    A store that cannot be read changes nothing: the last list stays, `trouble` says why, the log once.
    """

    def __init__(
        self,
        path: Path,
        *,
        configured: Sequence[Device],
        known: Known,
        take: Callable[[tuple[Device, ...]], None],
    ) -> None:
        """`take` gets every new list, on the loop."""
        self.trouble = ""
        self._path = path
        self._configured = tuple(configured)
        self._known = known
        self._take = take
        self._devices = self._configured
        self._store: DeviceStore | None = None
        self._seen: tuple[int, int, int] | None = None
        self._passing = 0
        self._problems: tuple[str, ...] = ()

    async def run(self) -> None:
        """Look every second until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                self.look()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def look(self) -> None:
        """Read the store when it is not the one last read; nothing is raised."""
        try:
            rows = self._changed_rows()
        except (NeedsHuman, OSError, msgspec.ValidationError) as error:
            self.close()
            self._tell(f"the store of devices cannot be read, the last list stays: {error}")
        except sqlite3.Error as error:
            self._passing += 1
            if self._passing >= PASSING_LOOKS or not any(words in str(error) for words in PASSING):
                self.close()
                self._tell(f"the store of devices cannot be read, the last list stays: {error}")
        else:
            self._passing = 0
            if rows is not None:
                self._read(rows)
            self._tell("; ".join(self._problems))

    def _changed_rows(self) -> tuple[StoredDevice, ...] | None:
        """The rows when they are new; None when nothing has changed, or there is no store and never was."""
        try:
            file = self._path.stat()
        except FileNotFoundError:
            if self._store is None and self._seen is None:
                return None
            self.close()
            raise
        if self._seen is not None and self._seen[:2] != (file.st_dev, file.st_ino):
            self.close()  # another file lies there now: a backup that was put back
        if self._store is None:
            self._store = DeviceStore(self._path, make=False, wait_ms=0)
            self._seen = None
        seen = (file.st_dev, file.st_ino, self._store.version())
        if seen == self._seen:
            return None
        rows = self._store.rows()
        self._seen = seen
        return rows

    def _read(self, rows: tuple[StoredDevice, ...]) -> None:
        now: Admitted = admitted(self._configured, rows, known=self._known, before=self._devices)
        self._problems = now.problems
        if set(now.devices) != set(self._devices):
            self._devices = now.devices
            self._take(now.devices)

    def _tell(self, trouble: str) -> None:
        """Say a trouble once, and once that it is over."""
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if trouble:
            log.error("devices: %s", trouble)
        else:
            log.warning("devices: every band of the store is admitted again")
