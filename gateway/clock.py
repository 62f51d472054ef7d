"""Time as a thing that is passed in, so that tests and drills can move it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; free of side effects, never raises."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until `advance` is called; shipped for tests and drills."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        """Where the clock stands."""
        return self.at

    def advance(self, seconds: float) -> datetime:
        """Move the clock `seconds` forward and give the new wall time."""
        self.at += timedelta(seconds=seconds)
        return self.at
