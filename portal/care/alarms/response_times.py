"""How long it took from an alarm to the first text, the first ring, a person, and the end; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.told import IncidentView

RANG = frozenset({"ringing", "answered", "confirmed", "no_key", "no_answer", "voicemail"})
SENT = frozenset({"placed", "delivered", "confirmed"})
TELLING = ("leg", "taken", "acknowledged")
"""The lines of a story these times are taken from."""


class Line(Protocol):
    """What is read of a line of an incident's story; `portal.care.models.IncidentLine` is one."""

    what: str
    channel: str
    detail: str

    @property
    def at(self) -> datetime:
        """When it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimes:
    """Seconds from the alarm on; None for what has not come to pass."""

    first_text_s: float | None = None
    first_ring_s: float | None = None
    taken_s: float | None = None
    resolved_s: float | None = None


def response_times(view: IncidentView, lines: Iterable[Line]) -> ResponseTimes:
    """Give the times of an incident from its story."""
    told = list(lines)
    texts = [line.at for line in told if _is_leg(line, "text", SENT)]
    rings = [line.at for line in told if _is_leg(line, "call", RANG)]
    taken = [line.at for line in told if line.what in {"taken", "acknowledged"}]
    return ResponseTimes(
        first_text_s=_after(view, min(texts, default=None)),
        first_ring_s=_after(view, min(rings, default=None)),
        taken_s=_after(view, min(taken, default=view.acknowledged_at)),
        resolved_s=_after(view, view.resolved_at),
    )


def _after(view: IncidentView, at: datetime | None) -> float | None:
    return None if at is None else (at - view.opened_at).total_seconds()


def _is_leg(line: Line, channel: str, states: frozenset[str]) -> bool:
    return line.what == "leg" and line.channel == channel and line.detail in states
