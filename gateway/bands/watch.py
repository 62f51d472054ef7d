"""Follows the store of bands while the gateway runs: a change at the desk holds within two seconds."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.bands.allow_list import Admitted, Known, StoredDevice, admitted
from gateway.bands.registry import Device
from gateway.bands.store import DeviceStore
from gateway.errors import NeedsHuman

LOOK_EVERY_S = 1.0
PASSING_LOOKS = 10
"""A writer holds the file, or is making it, for a moment; only what lasts so many looks is worth a word."""
PASSING = ("locked", "no such table")

log = logging.getLogger(__name__)


class DeviceWatch:
    """Looks whether the store has changed, and hands over the whole new list when it has.

    A store that cannot be read changes nothing: the last list stays, `trouble` says why, the log once.
    A store with fewer changes than were followed before is an older one, put back: it holds, for somebody may
    have wished it, but bands revoked since are admitted again: `trouble` says so until the next change.
    One that was followed before and is gone at the start is said likewise.
    """

    def __init__(
        self,
        path: Path,
        *,
        configured: Sequence[Device],
        known: Known,
        take: Callable[[tuple[Device, ...]], None],
        followed: int = 0,
        follow: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`take` gets every new list, on the loop.

        `followed` is how many changes of the store the last run knew; `follow` gets a new number, to be kept.
        """
        self.trouble = ""
        self._followed = followed
        self._follow = follow
        self._changes = followed
        self._older: int | None = None
        self._path = path
        self._configured = tuple(configured)
        self._known = known
        self._take = take
        self._now = Admitted(self._configured)
        self._rows: tuple[StoredDevice, ...] = ()
        self._renewals = 0
        self._reading = threading.Lock()
        self._store: DeviceStore | None = None
        self._seen: tuple[int, int, int] | None = None
        self._passing = 0

    @property
    def everything(self) -> tuple[tuple[StoredDevice, ...], tuple[Device, ...]]:
        """Every row of the store, revoked ones too, and the bands of the configuration."""
        return self._rows, self._configured

    async def run(self) -> None:
        """Look every second until cancelled; the reading is done beside the loop, for a list may be long."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                renewals = self._renewals
                found = await asyncio.to_thread(self._read)
                if renewals != self._renewals and isinstance(found, Admitted):
                    found = self._admitted()  # what was read is good, what it was judged by is not
                self._settle(found)
        finally:
            self.close()

    def look(self) -> None:
        """Look once, here and now; nothing is raised."""
        self._settle(self._read())

    def renew(self, *, configured: Sequence[Device], known: Known) -> None:
        """Take other bands of the configuration, and other wearers that a band of the store may have."""
        self._configured, self._known = tuple(configured), known
        self._renewals += 1
        self._settle(self._admitted())

    def close(self) -> None:
        """Let go of the file, once nobody reads in it."""
        with self._reading:
            self._let_go()

    def _let_go(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _read(self) -> Admitted | str | None:
        """The list as it is, or why it cannot be read; None while somebody is just writing it."""
        with self._reading:
            try:
                rows = self._changed_rows()
            except (NeedsHuman, OSError) as error:
                return self._unreadable(error)
            except sqlite3.Error as error:
                self._passing += 1
                if self._passing < PASSING_LOOKS and any(words in str(error) for words in PASSING):
                    return None
                return self._unreadable(error)
            self._passing = 0
            if rows is None:
                return self._now
            self._rows = rows
            return self._admitted()

    def _admitted(self) -> Admitted:
        return admitted(self._configured, self._rows, known=self._known, before=self._now.devices)

    def _unreadable(self, error: Exception) -> str:
        self._let_go()
        return f"the store of devices cannot be read, the last list stays: {error}"

    def _settle(self, found: Admitted | str | None) -> None:
        if isinstance(found, Admitted):
            before, self._now = self._now, found
            older = self._is_older()
            self._tell("; ".join((*older, *found.problems)))
            if found is not before and set(found.devices) != set(before.devices):
                self._take(found.devices)
        elif found is not None:
            self._tell(found)

    def _is_older(self) -> tuple[str, ...]:
        """Words for a store that knows less than was followed; a change made to it since settles that."""
        number = self._changes
        if number >= self._followed or (self._older is not None and number > self._older):
            self._older = None
            if number != self._followed:
                self._followed = number
                self._follow(number)
            return ()
        self._older = number
        words = (
            f"an older store of devices was put back ({number} changes of {self._followed}): bands that were"
            " revoked or given another key since are as before; look at `shouwang device list`"
        )
        return (words,)

    def _changed_rows(self) -> tuple[StoredDevice, ...] | None:
        """The rows when they are new; None when nothing has changed, or there is no store and never was."""
        try:
            file = self._path.stat()
        except FileNotFoundError:
            if self._store is None and self._seen is None and not self._followed:
                return None
            self._let_go()
            raise
        if self._seen is not None and self._seen[:2] != (file.st_dev, file.st_ino):
            self._let_go()  # another file lies there now: a backup that was put back
        if self._store is None:
            self._store = DeviceStore(self._path, make=False, wait_ms=0)
            self._seen = None
        seen = (file.st_dev, file.st_ino, self._store.version())
        if seen == self._seen:
            return None
        rows = self._store.rows()
        self._changes = self._store.changes()
        self._seen = seen
        return rows

    def _tell(self, trouble: str) -> None:
        """Say a trouble once, and once that it is over."""
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if trouble:
            log.error("devices: %s", trouble)
        else:
            log.warning("devices: every band of the store is admitted again")
