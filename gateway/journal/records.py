"""What one transaction of the journal holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return round(at.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of `to_ms`."""
    return datetime.fromtimestamp(ms / 1000, UTC)


class EventRow(NamedTuple):
    """One row of `events`; `payload` is JSON, `raw` the frame as received."""

    at_ms: int
    received_ms: int
    kind: str
    device: str | None
    wearer: str | None
    wire: str | None
    payload: bytes
    raw: bytes | None


class OutboxRow(NamedTuple):
    """An effect to carry out after the commit; its identity is (seq of the record, position)."""

    kind: str
    body: bytes


class OutboxChange(NamedTuple):
    """An effect that is under way and stands otherwise than when it was ordered: its body is written anew."""

    body: bytes
    seq: int
    position: int


class AlarmRow(NamedTuple):
    """One row of `alarms`."""

    alarm_id: str
    wearer: str
    kind: str
    severity: str
    at_ms: int
    incident: str | None
    body: bytes


class IncidentRow(NamedTuple):
    """One row of `incidents`; `body` is the cascade's whole state."""

    incident_id: str
    ref: str
    wearer: str
    kind: str
    state: str
    opened_ms: int
    body: bytes


class StepRow(NamedTuple):
    """One row of `steps`: the n-th event of an incident, from 0, as the cascade judged it."""

    incident: str
    number: int
    body: bytes


class LegRow(NamedTuple):
    """One row of `legs`: the intent, written before any I/O."""

    leg_id: str
    incident: str
    round: int
    contact: str
    channel: str
    purpose: str
    attempt: int
    carrier: str
    reference: str | None
    state: str
    intended_ms: int
    body: bytes


class LegChange(NamedTuple):
    """What became known of a leg; None leaves a column as it is."""

    leg_id: str
    state: str | None
    carrier: str | None
    reference: str | None
    intended_ms: int | None = None


class LegWipe(NamedTuple):
    """Every leg under this incident or errand: its words, number and name are gone from now on."""

    incident: str


class QuarantineRow(NamedTuple):
    """A frame that was not understood, or not ours.

    `raw` is what is kept of its `length` bytes; 0 is the length of a row older than this column.
    """

    received_ms: int
    wire: str
    protocol: str
    peer: str
    device: str | None
    reason: str
    offset: int
    raw: bytes
    length: int = 0


class ProfileRow(NamedTuple):
    """One row of `profiles`: a version of a wearer's profile; `body` is the profile as JSON.

    `follows_file`: a change of config.toml makes the next version of it, else nothing but an order does.
    """

    wearer: str
    version: int
    source: str
    restores: int | None
    ordered_by: str
    at_ms: int
    follows_file: bool
    body: bytes


@dataclass(slots=True, eq=False)
class Rest:
    """What most records do not have; made when it is first needed, because an ordinary reading never does."""

    outbox: list[OutboxRow] = field(default_factory=list)
    done: list[tuple[int, int]] = field(default_factory=list)
    outbox_changes: list[OutboxChange] = field(default_factory=list)
    alarms: list[AlarmRow] = field(default_factory=list)
    incidents: list[IncidentRow] = field(default_factory=list)
    steps: list[StepRow] = field(default_factory=list)
    legs: list[LegRow] = field(default_factory=list)
    leg_changes: list[LegChange] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    """Numbers of quarantined frames that are events now."""
    forgotten: list[str] = field(default_factory=list)
    """Owners whose state is gone."""
    wiped: list[LegWipe] = field(default_factory=list)
    profiles: list[ProfileRow] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    skip_to: int = 0


class Record:
    """Everything that must be true together: one record is never split over two transactions.

    `events`: rows of the event log.
    `states` maps a rule's owner to its new state.
    `timers` maps (owner, name) to its due time, or None to forget it.
    `rest` holds what is rare: effects, alarms, incidents, legs, the quarantine, profiles, marks,
    and `skip_to`, which makes this record's events, and all later ones, rise from above that seq.
    `urgent` makes the writer flush at once.
    `committed(seq)` is called on the loop after the commit with the seq of the record's last event
    (0 when it has none).
    """

    __slots__ = ("_rest", "committed", "events", "states", "timers", "urgent")

    def __init__(
        self,
        events: Sequence[EventRow] = (),
        *,
        states: Mapping[str, bytes] | None = None,
        timers: Mapping[tuple[str, str], int | None] | None = None,
        rest: Rest | None = None,
        urgent: bool = False,
        committed: Callable[[int], None] | None = None,
    ) -> None:
        self.events = list(events)
        self.states: dict[str, bytes] = dict(states) if states else {}
        self.timers: dict[tuple[str, str], int | None] = dict(timers) if timers else {}
        self._rest = rest
        self.urgent = urgent
        self.committed = committed

    @property
    def rest(self) -> Rest:
        """What is rare; made at the first use."""
        if self._rest is None:
            self._rest = Rest()
        return self._rest

    @property
    def has_rest(self) -> bool:
        """Whether there is anything rare to write."""
        return self._rest is not None
