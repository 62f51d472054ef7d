"""Turns with a card that sends once a period: one at a time, the most urgent next, none too early."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from time import monotonic as _now_s

Urgency = tuple[bool, ...]
"""Compared element by element; the smaller goes first."""


class PeriodTurns:
    """The next turn begins `period_s` after `last_s`, the last message, and not before `told_not_before_s`.

    Times are those of the monotonic clock, `last_s` None before the first message;
    whoever sets one of these outside a turn calls `changed`.
    """

    def __init__(self) -> None:
        self.period_s = 0.0
        self.last_s: float | None = None
        self.told_not_before_s = 0.0
        self._waiting: list[tuple[Urgency, int]] = []
        self._arrivals = count()
        self._busy = False
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    def wait_s(self) -> float:
        """Seconds until a turn may begin; 0 when it may now."""
        free_s = 0.0 if self.last_s is None else self.last_s + self.period_s
        return max(0.0, max(free_s, self.told_not_before_s) - _now_s())

    def changed(self) -> None:
        """Wake whoever waits, to look again."""
        self._news.set()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def turn(self, urgency: Urgency, *, check: Callable[[], None]) -> AsyncIterator[None]:
        """Wait for a turn and hold it; equals go in order of arrival.

        `check` is called whenever something changed, and raises what ends the waiting.
        """
        ticket = (urgency, next(self._arrivals))
        heapq.heappush(self._waiting, ticket)
        try:
            while True:
                check()
                mine = not self._busy and self._waiting[0] is ticket
                if mine and self.wait_s() == 0:
                    break
                await self._something(self.wait_s() if mine else None)
        finally:
            self._waiting.remove(ticket)
            heapq.heapify(self._waiting)
            self.changed()
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
            self.changed()

    async def _something(self, seconds: float | None) -> None:
        news = self._news
        try:
            await asyncio.wait_for(news.wait(), seconds)
        except TimeoutError:
            return
