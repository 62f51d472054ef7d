"""The story of an incident: what each step of the cascade meant, in one line a person understands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class What(StrEnum):
    """What a line of the story says."""

    OPENED = "opened"
    PRESSED_AGAIN = "pressed_again"
    MOVED = "moved"
    CANCELLED = "cancelled"
    CANCEL_TOO_LATE = "cancel_too_late"
    ROUND_BEGAN = "round_began"
    """`detail` is the round; `who` is "family" or "staff"."""
    TEXT_ORDERED = "text_ordered"
    """`detail` is the leg's purpose."""
    CALL_ORDERED = "call_ordered"
    BEIDOU_ORDERED = "beidou_ordered"
    SIREN_ON = "siren_on"
    SIREN_OFF = "siren_off"
    LEG = "leg"
    """What became known of a leg; `detail` is the leg's new state."""
    KEY = "key"
    """A digit; `detail` is the digit."""
    TAKEN = "taken"
    """Somebody took it on, and more people are wanted."""
    ACKNOWLEDGED = "acknowledged"
    """`detail` says how: call, text, portal or beidou."""
    NOT_CLOSED = "not_closed"
    """Taken on, and not closed in time: ringing again."""
    EXHAUSTED = "exhausted"
    BEGAN_AGAIN = "began_again"
    BAND_TOLD = "band_told"
    """`detail` is the order."""
    RESOLVED = "resolved"
    """`detail` is the note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `who` is a person's name (or empty), `channel` that of the leg, `carrier` its carrier."""

    at: datetime
    what: What
    who: str = ""
    channel: str = ""
    detail: str = ""
    carrier: str = ""
