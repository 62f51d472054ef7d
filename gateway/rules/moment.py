"""When a reading happened, by one rule for all rules."""

from __future__ import annotations

from datetime import datetime


def happened_at(at: datetime | None, received_at: datetime) -> datetime:
    """Give the reading's own time, or the gateway's where it has none or lies in the future.

    A naive time cannot be compared and counts as none.
    """
    if at is None or at.tzinfo is None or at > received_at:
        return received_at
    return at


def milliseconds(at: datetime) -> int:
    """Give milliseconds since 1970, for the ids of alarms."""
    return round(at.timestamp() * 1000)
