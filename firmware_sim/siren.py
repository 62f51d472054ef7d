"""A siren behind a USB relay on a pseudo-terminal: it understands the LCUS-1 and notes what is heard.

`unplug` and `plug` take the port away and bring it back; the relay keeps its level, having its own supply.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ON, OFF = bytes.fromhex("A00101A2"), bytes.fromhex("A00100A1")
REPLUG_S = 0.05
_ENTRIES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The siren began or ended; `at` is in UTC."""

    at: datetime
    on: bool


class SimSiren:
    """The siren; build it, then `run` it. `path` becomes a symbolic link to the pseudo-terminal.

    `say` hears a sentence for each change, each of `listeners` that there was one.
    The transcript keeps the last 1,000 changes.
    """

    def __init__(self, *, path: Path, say: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._say = say
        self._master: int | None = None
        self._slave: int | None = None
        self._received = b""
        self._changed = asyncio.Event()
        self._heard: deque[Heard] = deque(maxlen=_ENTRIES)
        self.listeners: list[Callable[[], None]] = []
        self.on = False
        self.orders = 0
        """Orders understood, also those that changed nothing."""
        self.gone_after_switching = False
        """A fault that strikes once: the port is gone as soon as the siren is on, and comes back."""

    @property
    def transcript(self) -> tuple[Heard, ...]:
        """When it began and ended, oldest first."""
        return tuple(self._heard)

    async def run(self, ready: Callable[[str], None]) -> None:
        """Be there until cancelled; `ready` is called with the path once it can be opened."""
        self.plug()
        try:
            ready(str(self._path))
            await asyncio.Event().wait()
        finally:
            self.unplug()

    async def until(self, *, on: bool, times: int = 1) -> None:
        """Wait until it has begun (or ended) so often."""
        while sum(entry.on is on for entry in self._heard) < times:
            await self._changed.wait()

    async def ordered(self, times: int) -> None:
        """Wait until it has understood so many orders."""
        while self.orders < times:
            await self._changed.wait()

    def plug(self) -> None:
        """Be at the path; harmless when already there."""
        if self._master is not None:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """Be gone from the path, as when the cable is pulled; the relay stays as it is."""
        if self._master is None or self._slave is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = None
        self._received = b""
        self._path.unlink(missing_ok=True)

    def _readable(self) -> None:
        assert self._master is not None
        try:
            self._received += os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        while len(self._received) >= len(ON):
            order = self._received[: len(ON)]
            if order in {ON, OFF}:
                self._received = self._received[len(ON) :]
                self._switch(on=order == ON)
            else:
                self._received = self._received[1:]

    def _switch(self, *, on: bool) -> None:
        self.orders += 1
        if on is not self.on:
            self.on = on
            self._heard.append(Heard(at=datetime.now(UTC), on=on))
            if self._say is not None:
                words = "警报器响起 · the siren begins" if on else "警报器停止 · the siren is silent"
                self._say(words)
            if on and self.gone_after_switching:
                self.gone_after_switching = False
                self.unplug()
                asyncio.get_running_loop().call_later(REPLUG_S, self.plug)
        self._changed.set()
        self._changed = asyncio.Event()
        for listener in self.listeners:
            listener()
