"""One incident as it is remembered: frozen, complete, and writable by msgspec as it stands.

Everything the cascade decides from is in here; nothing else is kept in memory anywhere.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2s

from sos.events import LEG_ENDS, Channel, Leg, LegState, Verdict
from sos.plan import Contact, Plan, diallable
from sos.subject import Subject

REF_LETTERS = "ACDEFGHJKLMNPQRTUVWXY3479"
"""Letters and digits that are not mistaken for each other on a small screen or over the telephone."""


class Phase(StrEnum):
    """Where an incident stands; the values are those the portal is told."""

    OPEN = "open"
    """Made, and nobody told yet; lasts until `Opened`, in the same transaction."""
    NOTIFYING = "notifying"
    ACKNOWLEDGED = "acknowledged"
    """A person took it on; the clock of `ack_timeout_s` runs."""
    EXHAUSTED = "exhausted"
    """Everybody was rung and nobody took it on; not an end: it begins again after `repeat_after_s`."""
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    """The wearer said it was nothing; family and staff were told to check."""


PHASE_ENDS = frozenset({Phase.RESOLVED, Phase.CANCELLED})


class Ladder(StrEnum):
    """Whose turn it is."""

    FAMILY = "family"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFacts:
    """One leg and what became of it.

    `state` is what counts for us; `heard` is the furthest the carrier has told.
    They differ after we hung up: `state` says so at once, and `heard` goes on following the world.
    """

    leg: Leg
    state: LegState
    ordered_at: datetime
    at: datetime
    heard: LegState = LegState.ORDERED
    ended_at: datetime | None = None
    carrier: str | None = None
    sequence: int | None = None
    detail: str = ""

    @property
    def is_open(self) -> bool:
        """Something may still come of it."""
        return self.state not in LEG_ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A timer the cascade has ordered and not heard of since."""

    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """A person who took it on; `contact` is empty where the plan does not know them."""

    contact: str
    name: str
    at: datetime
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Everything about one incident.

    `round` counts through all ladders and repeats for ever and so never comes twice;
    `queue` holds the contacts of this round not rung yet, in order;
    `calling` is the leg whose end moves the ladder on, None while waiting for a timer or a settling leg;
    `cycle` counts how often the ladder began from the top, `cycle_round` is the first round of this one;
    `told_staff` are the contacts of the staff who were texted the alarm;
    `takers` took it on since it was last left unattended, `acknowledged_by` is the first of them
    (and stays, when it was not closed in time and rings again, until somebody takes it anew);
    `call_back_to` is the telephone the band is to ring, `cancel_asked_at` when a cancel came too late.
    Times are aware UTC; `lat`, `lon` are WGS-84 degrees.
    """

    incident_id: str
    ref: str
    wearer: str
    subject: Subject
    plan: Plan
    opened_at: datetime
    late: bool = False
    drill: bool = False
    phase: Phase = Phase.OPEN
    notifying_since: datetime | None = None

    presses: int = 1
    pressed_at: datetime | None = None
    presses_told: int = 1
    lat: float | None = None
    lon: float | None = None
    where: str = ""
    where_en: str = ""
    position_at: datetime | None = None
    told_lat: float | None = None
    told_lon: float | None = None
    position_texts: int = 0
    position_text_at: datetime | None = None

    ladder: Ladder = Ladder.FAMILY
    round: int = 0
    rounds_done: int = 0
    round_began_at: datetime | None = None
    cycle: int = 0
    cycle_round: int = 1
    queue: tuple[str, ...] = ()
    calling: str | None = None
    declined: tuple[str, ...] = ()
    told_staff: tuple[str, ...] = ()

    legs: tuple[LegFacts, ...] = ()
    legs_dropped: int = 0
    timers: tuple[Timer, ...] = ()

    takers: tuple[Taker, ...] = ()
    joined_texts: int = 0
    call_back_to: str | None = None
    cancel_asked_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_contact: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_via: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    note: str | None = None
    verdict: Verdict | None = None

    @property
    def is_over(self) -> bool:
        """Resolved or cancelled: a new press opens a new incident."""
        return self.phase in PHASE_ENDS

    @property
    def next_due_at(self) -> datetime | None:
        """When the earliest pending timer is due."""
        return min((timer.due_at for timer in self.timers), default=None)

    def leg(self, leg_id: str) -> LegFacts | None:
        """The leg of this id, None when this incident has no such leg (any more)."""
        return next((facts for facts in self.legs if facts.leg.leg_id == leg_id), None)

    def owns(self, leg_id: str) -> bool:
        """Whether this leg id was made by this incident, whether or not the leg is still remembered."""
        return leg_id.startswith(f"{self.incident_id}.")

    @property
    def acks_needed(self) -> int:
        """How many people must take it: what the plan wants, but never more than there are telephones."""
        phones = {one.phone for one in (*self.plan.family, *self.plan.staff) if diallable(one.phone)}
        return max(1, min(self.plan.acks_wanted, len(phones)))

    def contact(self, contact: str) -> Contact | None:
        """The contact of this id: family before staff before stations."""
        people = (*self.plan.family, *self.plan.staff, *self.plan.stations)
        return next((one for one in people if one.contact == contact), None)

    def has_taken(self, person: Contact) -> bool:
        """Whether this person, or somebody at the same telephone, has taken it on."""
        mine = {one.contact for one in self.takers if one.contact}
        phones = {one.phone for one in (*self.plan.family, *self.plan.staff) if one.contact in mine}
        return person.contact in mine or person.phone in phones

    def has_timer(self, name: str) -> bool:
        """Whether this timer is pending."""
        return any(timer.name == name for timer in self.timers)

    def legs_of(self, channel: Channel) -> tuple[LegFacts, ...]:
        """The remembered legs of one channel, oldest first."""
        return tuple(facts for facts in self.legs if facts.leg.channel is channel)

    def open_calls(self) -> tuple[LegFacts, ...]:
        """Calls that may be ringing somewhere now."""
        return tuple(facts for facts in self.legs_of(Channel.CALL) if facts.is_open)

    def open_sirens(self) -> tuple[LegFacts, ...]:
        """The siren that may be sounding now; one at most."""
        return tuple(facts for facts in self.legs_of(Channel.SIREN) if facts.is_open)


def leg_id_of(
    incident_id: str, *, number: int, contact: str, channel: Channel, purpose: str, attempt: int
) -> str:
    """`<incident>.<round>.<contact>.<channel>.<attempt>`; a purpose other than alarm joins the channel."""
    how = channel.value if purpose == "alarm" else f"{channel.value}-{purpose}"
    return f"{incident_id}.{number}.{contact}.{how}.{attempt}"


def contact_of(leg_id: str) -> str:
    """The contact's id inside a leg id; the whole leg id when it is not one of ours."""
    parts = leg_id.split(".")
    return ".".join(parts[2:-2]) if len(parts) > 4 else leg_id  # noqa: PLR2004 - the five parts of a leg id


def free_ref(name: str, taken: AbstractSet[str]) -> str:
    """Four letters that are not `taken`; the same name gives the same letters where it can."""
    ref = ""
    for salt in range(len(taken) + 1):
        digest = blake2s(f"{salt}/{name}".encode(), digest_size=8).digest()
        ref = "".join(REF_LETTERS[byte % len(REF_LETTERS)] for byte in digest[:4])
        if ref not in taken:
            break
    return ref
