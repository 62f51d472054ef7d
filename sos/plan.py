"""Who is told about an alarm, how, and in which order; pure data with its defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person who can be told; `phone` is E.164."""

    contact: str
    name: str
    phone: str
    role: str = "family"
    relation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How loud an alarm of one kind is (sos.md section 1, defaults for an SOS).

    `calls_after_s` is 0 when ringing starts at once;
    a gentler plan texts first and rings only if nobody acknowledged in that time.
    `family` and `staff` are in ringing order; staff are rung after `rounds` rounds of the family.
    """

    family: tuple[Contact, ...]
    staff: tuple[Contact, ...] = ()
    texts: bool = True
    calls: bool = True
    calls_after_s: int = 0
    ring_timeout_s: int = 25
    rounds: int = 3
    ack_timeout_s: int = 900
    repeat_after_s: int = 300
    position_text_interval_s: int = 120
    cancel_window_s: int = 60
