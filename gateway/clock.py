"""Time as a thing that is passed in, so that tests and drills can move it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; both methods are free of side effects and never raise."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start, never stepping back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until `advance` is called; shipped for tests and drills."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    elapsed_s: float = 0.0

    def now(self) -> datetime:
        """Where the clock stands."""
        return self.at

    def monotonic_s(self) -> float:
        """Seconds advanced so far."""
        return self.elapsed_s

    def advance(self, seconds: float) -> datetime:
        """Move both clocks `seconds` forward and give the new wall time."""
        self.at += timedelta(seconds=seconds)
        self.elapsed_s += seconds
        return self.at
