"""Durable timers: armed in memory, written by the engine's records, armed again from the journal at start."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from gateway.clock import Clock

IDLE_S = 3600.0


class TimerBook(Protocol):
    """What the engine needs of the timers."""

    def set(self, owner: str, name: str, due_at: datetime) -> None:
        """Arm or move."""

    def clear(self, owner: str, name: str) -> None:
        """Forget."""


class Timers:
    """A heap of (owner, name) with due times; setting a name again moves it.

    `due(owner, name, due_at)` is called on the loop, once a setting; a timer that was due while
    the gateway was down fires at once.
    """

    def __init__(self, clock: Clock, due: Callable[[str, str, datetime], None]) -> None:
        self._clock = clock
        self._due = due
        self._at: dict[tuple[str, str], datetime] = {}
        self._heap: list[tuple[datetime, str, str]] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._at)

    def restore(self, rows: Iterable[tuple[str, str, datetime]]) -> None:
        """Arm what the journal holds."""
        for owner, name, due_at in rows:
            self.set(owner, name, due_at)

    def set(self, owner: str, name: str, due_at: datetime) -> None:
        """Arm or move a timer."""
        self._at[owner, name] = due_at
        heapq.heappush(self._heap, (due_at, owner, name))
        self._changed.set()

    def clear(self, owner: str, name: str) -> None:
        """Forget a timer; its heap entry is skipped when it surfaces."""
        self._at.pop((owner, name), None)

    def fire_due(self) -> float:
        """Fire everything that is due; gives the seconds until the next one."""
        while self._heap:
            due_at, owner, name = self._heap[0]
            if self._at.get((owner, name)) != due_at:
                heapq.heappop(self._heap)
                continue
            wait_s = (due_at - self._clock.now()).total_seconds()
            if wait_s > 0:
                return min(wait_s, IDLE_S)
            heapq.heappop(self._heap)
            del self._at[owner, name]
            self._due(owner, name, due_at)
        return IDLE_S

    async def run(self) -> None:
        """Fire timers until cancelled."""
        while True:
            self._changed.clear()
            wait_s = self.fire_due()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
