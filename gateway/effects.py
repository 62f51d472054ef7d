"""What a rule orders; the engine writes it into the same transaction as the event that caused it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.model import Alarm, DownCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlarm:
    """Raise this alarm; the plan of its kind decides who is told and whether telephones ring.

    Raising the same `alarm_id` again changes nothing.
    """

    alarm: Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDown:
    """Send an order to the wearer's band."""

    command: DownCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Give the rule a `TimerDue(name)` at `due_at`; setting a name again moves it. Durable."""

    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTimer:
    """Forget the timer; harmless when there is none."""

    name: str


Effect = RaiseAlarm | SendDown | SetTimer | ClearTimer
