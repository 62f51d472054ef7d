"""What every simulated wire can do for a band, and how long it waits between tries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from firmware_sim.report import Report

Heard = Callable[[str], None]
"""Called with the name of an order, or the words of a message, that came down."""

BACKOFF_FIRST_S = 0.25
BACKOFF_MOST_S = 3.0
ANSWER_S = 4.0


class BandLink(Protocol):
    """A real client of a real protocol; it survives the gateway going away and coming back."""

    connected: asyncio.Event
    """Set while the line stands."""

    async def run(self, heard: Heard) -> None:
        """Keep the line up, with backoff, until cancelled."""
        ...

    async def deliver(self, report: Report) -> bool:
        """Send a report: True once the gateway acknowledged it as far as the wire can say so.

        False when the line is down or no acknowledgement came in time; sending again is safe.
        Never raises.
        """
        ...


class Backoff:
    """Waits longer after each failure, up to `BACKOFF_MOST_S`."""

    def __init__(self) -> None:
        self._next_s = BACKOFF_FIRST_S

    def reset(self) -> None:
        """It worked: begin anew."""
        self._next_s = BACKOFF_FIRST_S

    async def wait(self) -> None:
        """Sleep before the next try."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, BACKOFF_MOST_S)
        await asyncio.sleep(wait_s)
