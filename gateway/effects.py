"""What a rule orders; the engine writes it into the same transaction as the event that caused it.

Timers are the cascade's own orders (`sos.events`): durable, one a name, given back as `TimerDue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.model import Alarm, DownCommand
from sos.events import ClearTimer, SetTimer

__all__ = ["CancelAlarm", "ClearTimer", "Effect", "RaiseAlarm", "SendDown", "SetTimer"]


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
class CancelAlarm:
    """The wearer took an SOS back `at` that time; the cascade decides what it is worth."""

    at: datetime


Effect = RaiseAlarm | CancelAlarm | SendDown | SetTimer | ClearTimer
