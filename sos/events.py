"""What happened in an incident, and what to do about it.

Events are past facts and go into `sos.cascade.step`; orders are imperatives and come out of it.
Only the standard library is used here: the gateway stores these as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from sos.subject import Subject

Verdict = Literal["true", "false", "test"]
"""What an alarm turned out to be: help was needed, nothing was the matter, or somebody tried it out."""


class Channel(StrEnum):
    """How a person is reached."""

    TEXT = "text"
    CALL = "call"
    BEIDOU = "beidou"
    """A BeiDou short message to a station; the body is the hexadecimal of `sos.beidou.pack`."""
    SIREN = "siren"
    """A siren or a loud voice on the spot, on until it is hung up."""


class LegState(StrEnum):
    """What is known of one text or call, named by what happened in the world.

    ordered -> intended -> placed -> ringing -> answered -> confirmed
    Every other value is an end, except `ambiguous`, which is being settled.
    """

    ORDERED = "ordered"
    """The cascade wants it; nothing outside has happened."""
    INTENDED = "intended"
    """The intent is on disk; the carrier may or may not have heard of it."""
    AMBIGUOUS = "ambiguous"
    """The carrier was asked and the answer was lost; being settled, never blindly repeated."""
    PLACED = "placed"
    """The carrier took it and gave a reference."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """Somebody, or something, picked up; no key yet."""
    DELIVERED = "delivered"
    """A text reached the telephone."""
    CONFIRMED = "confirmed"
    """The person pressed 1 (or answered the text with 1)."""
    NO_KEY = "no_key"
    """Answered and ended without a 1."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    FAILED = "failed"
    """The carrier refused it or could not do it."""
    UNREACHED = "unreached"
    """No carrier at all could be reached: nothing has left the house."""
    ABSENT = "absent"
    """Settled: the carrier never had it; it may be placed again as the next attempt."""
    HUNG_UP = "hung_up"
    """We ended it because it was no longer needed."""


LEG_ENDS = frozenset(
    {
        LegState.DELIVERED,
        LegState.CONFIRMED,
        LegState.NO_KEY,
        LegState.NO_ANSWER,
        LegState.BUSY,
        LegState.VOICEMAIL,
        LegState.FAILED,
        LegState.UNREACHED,
        LegState.ABSENT,
        LegState.HUNG_UP,
    }
)


OUTSIDE = "errand"
"""The role of a leg that belongs to no incident: a plain text, a test call. It gives way to every other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One text to or one call of one contact.

    `leg_id` is `<incident_id>.<round>.<contact>.<channel>.<attempt>` for calls and the like for texts
    (texts outside the rounds, such as the position updates, carry a `purpose` other than "alarm").
    (incident, round, contact, channel, purpose, attempt) is unique on disk: a self-double is impossible.
    """

    leg_id: str
    incident: str
    contact: str
    name: str
    phone: str
    role: str
    channel: Channel
    round: int
    attempt: int
    purpose: str = "alarm"
    lang: str = "zh"


# --------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The incident was made; always the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressedAgain:
    """The same wearer raised the same kind of alarm while the incident was open.

    `where` says the position in words, empty where nobody put it into words; `where_en` in English.
    `worse`: what the incident is about from now on, where that is worse than before and cannot wait:
    a gentler plan that is still at its texts begins to ring.
    """

    at: datetime
    lat: float | None = None
    lon: float | None = None
    where: str = ""
    where_en: str = ""
    worse: Subject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A valid live fix of the wearer while the incident is open; `where` says it in words."""

    at: datetime
    lat: float
    lon: float
    where: str = ""
    where_en: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPressed:
    """The wearer says it was nothing (long press)."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LegReported:
    """Something became known of a leg; late, doubled and reordered reports are normal.

    `sequence` is the carrier's own order where it has one (Twilio SequenceNumber).
    """

    leg_id: str
    state: LegState
    at: datetime
    carrier: str | None = None
    sequence: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """A digit was pressed during a call, or a text with only that digit came back.

    `via` says how, for the record: "call", "text", "portal" or "beidou".
    """

    leg_id: str
    digit: str
    at: datetime
    via: str = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A person took the incident on without a leg (portal, band, staff desk).

    `contact` names the contact of the plan where it is known who of them it was.
    """

    by: str
    at: datetime
    via: str = "portal"
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A person closed the incident; `verdict` is what they found the alarm to be, where they said."""

    by: str
    at: datetime
    note: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerDue:
    """A timer the cascade had ordered is due."""

    name: str
    due_at: datetime


Event = (
    Opened
    | PressedAgain
    | Moved
    | CancelPressed
    | LegReported
    | KeyPressed
    | Acknowledged
    | Resolved
    | TimerDue
)

# --------------------------------------------------------------------------- orders


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """Text `body` to the leg's phone."""

    leg: Leg
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall:
    """Ring the leg's phone for at most `ring_timeout_s`, say `script`, wait for a key."""

    leg: Leg
    script: str
    ring_timeout_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBeidou:
    """Send `body` (hexadecimal of twenty bytes, `sos.beidou.pack`) as a BeiDou short message."""

    leg: Leg
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSiren:
    """Sound the siren until this leg is hung up; `script` is what a voice on the spot says."""

    leg: Leg
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the leg's call, or silence its siren, if it still goes on; harmless otherwise."""

    leg_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellBand:
    """Order something of the band: `help_is_coming`, `cancelled`, or `call_back` (ring `phone`)."""

    command: str
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Give `TimerDue(name)` back at `due_at`; setting a name again moves it. Durable."""

    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTimer:
    """Forget the timer; harmless when there is none."""

    name: str


LegOrder = SendText | PlaceCall | SendBeidou | SoundSiren
Order = LegOrder | HangUp | TellBand | SetTimer | ClearTimer
