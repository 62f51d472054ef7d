"""One batch of a gateway into the portal's projection, in one transaction.

1. The gateway's line is locked; rows it already stored are left out, so a repeat changes nothing.
2. Every fresh row is taken in order: roster, readings, alarms, incidents with their story, ends of commands,
   the gateway's own health.
3. History is appended in bulk, the newest values are written once a wearer.
4. One change a subject is numbered for the live pages, last of all and one transaction at a time,
   so that nobody following the numbers ever sees a higher one before a lower one.

The caller commits, and only then answers `through_seq`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import Alarm, Reading, WearerView
from gateway.told import (
    AlarmRaised,
    BandOrderChanged,
    CommandDone,
    FencesSuspended,
    GatewayHealth,
    IncidentChanged,
    IncidentView,
    PortalCommand,
    ProfileInForce,
    Roster,
    StoryLine,
    SyncBatch,
    SyncEvent,
    Telemetry,
)
from gateway.told_orders import BandKeyTold, BandsTold, DutyInForce, TestCallChanged
from portal.api.lines import insert_once, lock_line
from portal.care.bands import orders as band_orders
from portal.care.changes import announce
from portal.care.consent import record as consents
from portal.care.consent.sights import is_emergency
from portal.care.duty import store as duty_store
from portal.care.guardians import roles as guardian_roles
from portal.care.history import HistoryRows, milliseconds
from portal.care.latest import Latest, advance, draft_of, hear, measured_at, write_draft
from portal.care.lost import search as lost
from portal.care.models import (
    MOST_ID,
    OPEN_STATES,
    AlarmRecord,
    Command,
    Contact,
    HealthReport,
    Incident,
    IncidentLine,
    Wearer,
    WearerState,
)
from portal.care.profile import versions as profiles
from portal.care.sites import told as site_told
from portal.people import organisations, wearer_links
from portal.policy import Data

WHAT_CHARACTERS = 32
CHANNEL_CHARACTERS = 16
CARRIER_CHARACTERS = 64
ID_CHARACTERS, NAME_CHARACTERS, HOME_CHARACTERS = 64, 80, 160
PHONE_CHARACTERS, RELATION_CHARACTERS = 20, 40
"""What the store's columns hold; these codes are ours and short."""
REASON_CHARACTERS = 20_000
OF_STAFF = frozenset({"drill", "set_duty", "test_call", "register_band", "rekey_band", "revoke_band"})
"""Orders whose end pages of the staff wait for."""
"""So much of a refusal is kept: a profile may be wrong in many places, and each of them is named."""
PROFILE_COMMANDS = frozenset({"set_profile", "restore_profile"})


class BatchError(ValueError):
    """A batch that is no batch: its rows do not rise."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far the gateway's rows are stored, how many were new, and whether commands ended."""

    through_seq: int
    fresh: int
    commands_ended: bool


def store(
    session: Session, batch: SyncBatch, *, community: str, now: datetime, demo: bool = False
) -> Outcome:
    """Take one batch; raises `BatchError` when its rows do not rise.

    `demo`: the wearers are invented, and consent when they are first heard of.
    """
    check_rising(batch)
    line = lock_line(session, batch.gateway)
    fresh = [row for row in batch.events if row.seq > line.through_seq]
    line.heard_at = now
    if not fresh:
        return Outcome(line.through_seq, 0, commands_ended=False)
    projection = Projection(session, batch.gateway, community, now, demo=demo)
    for row in fresh:
        projection.take(row)
    projection.flush()
    line.through_seq = fresh[-1].seq
    session.flush()
    return Outcome(line.through_seq, len(fresh), commands_ended=projection.commands_ended)


def check_rising(batch: SyncBatch) -> None:
    """Raise `BatchError` unless every row's number is above the one before it."""
    before = -1
    for row in batch.events:
        if row.seq <= before:
            raise BatchError(f"row {row.seq} follows row {before}")
        before = row.seq


@dataclass(slots=True)
class Projection:
    """The work of one batch."""

    session: Session
    gateway: str
    community: str
    now: datetime
    demo: bool = False
    commands_ended: bool = False
    _place: str = ""
    _needing: set[int] | None = None
    _consented: dict[int, consents.Scope] = field(default_factory=dict)
    _searched: set[int] = field(default_factory=set)
    _wearers: dict[str, Wearer] = field(default_factory=dict)
    _history: HistoryRows = field(default_factory=HistoryRows)
    _drafts: dict[int, Latest] = field(default_factory=dict)
    """The newest values of the wearers heard in this batch, by wearer."""
    _heard: dict[str, site_told.Heard] = field(default_factory=dict)
    _changes: dict[tuple[str, int], int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = self.session.scalars(sa.select(Wearer).where(Wearer.gateway == self.gateway))
        self._wearers = {wearer.code: wearer for wearer in known}
        ids = [row.id for row in self._wearers.values()]
        self._consented = consents.in_force(self.session, ids, self.now)
        searches = lost.open_searches(self.session, ids)
        self._searched = {search.wearer_id for search in searches if search.shows(self.now)}
        found = organisations.find(self.session, self.community)
        self._place = found.path if found is not None else ""

    def take(self, row: SyncEvent) -> None:
        """Take one row."""
        match row.payload:
            case Telemetry() as told:
                self._telemetry(told)
            case AlarmRaised(alarm=alarm, incident=incident):
                self._alarm(alarm, incident)
            case IncidentChanged(incident=view, story=story):
                self._story(self._incident(view), row.seq, story)
            case CommandDone() as told:
                self._command(told)
            case BandOrderChanged() as told:
                self._band_order(told)
            case FencesSuspended() | ProfileInForce() as told:
                self._care(told)
            case Roster() as told:
                self._roster(told)
            case GatewayHealth() as told:
                self._health(told, row.at)
            case told:
                self._site(told)

    def flush(self) -> None:
        """Write history and newest values, then number the changes."""
        self._history.write(self.session)
        for wearer in self._wearers.values():
            if wearer.id in self._drafts and wearer.state is not None:
                write_draft(self._drafts[wearer.id], wearer.state)
        site_told.write_heard(self.session, self.gateway, self._heard)
        announce(self.session, [(*key, wearer_id) for key, wearer_id in self._changes.items()])

    def _wearer(self, code: str) -> Wearer:
        """The wearer of this name; one the roster has not named yet is kept under the bare name."""
        wearer = self._wearers.get(code)
        if wearer is None:
            wearer = Wearer(
                gateway=self.gateway, community=self.community, code=code, name=code, present=False
            )
            wearer.place = self._place
            self.session.add(wearer)
            self.session.flush()
            self._wearers[code] = wearer
            self._let_consent(wearer)
        return wearer

    def _let_consent(self, wearer: Wearer) -> None:
        if self.demo:
            consents.know_for_demonstration(self.session, wearer)
        if self.demo and wearer.id not in self._consented:
            consents.give_for_demonstration(self.session, wearer, at=self.now)
            self._consented |= consents.in_force(self.session, [wearer.id], self.now)

    def _telemetry(self, told: Telemetry) -> None:
        received = min(told.received_at, self.now)
        heard = self._heard.setdefault(told.device, site_told.Heard(received))
        heard.take(received, told.readings, backlog=told.backlog)
        if told.wearer is None:
            return
        wearer = self._wearer(told.wearer)
        wearer_id = wearer.id
        draft = self._drafts.get(wearer_id)
        if draft is None:
            if wearer.state is None:
                wearer.state = WearerState(wearer_id=wearer_id)
            draft = self._drafts[wearer_id] = draft_of(wearer.state)
        moved = hear(draft, received)
        for reading in self._may_keep(wearer, told.readings):
            at = measured_at(reading.at, received, self.now)
            self._history.add(wearer_id, reading, at=at, received_at=received, backlog=told.backlog)
            if not told.backlog:
                moved |= advance(draft, reading, at)
        if moved:
            self._changes["wearer", wearer_id] = wearer_id

    def _may_keep(self, wearer: Wearer, readings: Sequence[Reading]) -> Sequence[Reading]:
        """What of these readings somebody consented to, all of it while an incident of theirs is open.

        While they are lost and looked for, where they are is kept.
        The rest stays where it was measured: in the gateway's own journal, for as long as that keeps it.
        """
        kept = consents.kept(self._scope(wearer)) | (
            {Data.LOCATION} if wearer.id in self._searched else set()
        )
        if kept.issuperset(consents.WORN) or wearer.id in self._in_need():
            return readings
        return [reading for reading in readings if (of := consents.of_reading(reading)) is None or of in kept]

    def _scope(self, wearer: Wearer) -> consents.Scope:
        return self._consented.get(wearer.id, frozenset())

    def _in_need(self) -> set[int]:
        """Who has an incident open; asked once, and again after one changed."""
        if self._needing is None:
            rows = self.session.scalars(
                sa.select(Incident).where(Incident.gateway == self.gateway, Incident.state.in_(OPEN_STATES))
            )
            self._needing = {row.wearer_id for row in rows if is_emergency(row)}
        return self._needing

    def _alarm(self, alarm: Alarm, incident: str | None) -> None:
        wearer = self._wearer(alarm.wearer)
        values: dict[str, Any] = {
            "gateway": self.gateway,
            "code": alarm.alarm_id,
            "wearer_id": wearer.id,
            "kind": alarm.kind,
            "severity": alarm.severity,
            "at": alarm.at,
            "incident": incident,
            "why": msgspec.to_builtins(alarm.why),
            "lat": alarm.lat,
            "lon": alarm.lon,
            "late": alarm.late,
            "drill": alarm.drill,
        }
        self.session.execute(insert_once(self.session, AlarmRecord).values(**values))
        self._changes["wearer", wearer.id] = wearer.id

    def _incident(self, view: IncidentView) -> Incident:
        wearer = self._wearer(view.wearer)
        found = self._known_incident(view.incident_id)
        if found is None:
            found = Incident(gateway=self.gateway, code=view.incident_id)
            self.session.add(found)
        found.wearer_id = wearer.id
        found.state = view.state
        found.severity = view.severity
        found.opened_at = view.opened_at
        found.view = msgspec.json.encode(view).decode()
        self.session.flush()
        self._needing = None
        if not self._scope(wearer) >= consents.EVERYTHING:
            self._changes["rights", wearer.id] = wearer.id
        self._changes["incident", found.id] = wearer.id
        self._changes["wearer", wearer.id] = wearer.id
        return found

    def _story(self, incident: Incident, seq: int, story: Sequence[StoryLine]) -> None:
        rows = [
            {
                "incident_id": incident.id,
                "seq": seq,
                "n": n,
                "at_ms": milliseconds(line.at),
                "what": line.what[:WHAT_CHARACTERS],
                "who": line.who,
                "channel": line.channel[:CHANNEL_CHARACTERS],
                "detail": line.detail,
                "carrier": line.carrier[:CARRIER_CHARACTERS],
            }
            for n, line in enumerate(story)
        ]
        if rows:
            self.session.execute(insert_once(self.session, IncidentLine).values(rows))

    def _health(self, told: GatewayHealth, at: datetime) -> None:
        """Keep the newest word; pages are told only when it says something else than the last."""
        body = msgspec.json.encode(told).decode()
        found = self.session.get(HealthReport, self.gateway)
        if found is None:
            found = HealthReport(gateway=self.gateway, at=at, body="")
            self.session.add(found)
        if found.body != body:
            self._changes["health", 0] = None
        found.at, found.body = min(at, self.now), body
        self.session.flush()

    def _care(self, told: FencesSuspended | ProfileInForce) -> None:
        """How a wearer is looked after from now on."""
        wearer = self._wearer(told.wearer)
        if isinstance(told, ProfileInForce):
            profiles.take(self.session, wearer, told, now=self.now)
        else:
            wearer.suspensions = [msgspec.to_builtins(one) for one in told.suspensions]
        self._changes["wearer", wearer.id] = wearer.id

    def _site(self, told: BandsTold | BandKeyTold | DutyInForce | TestCallChanged) -> None:
        """Bands, duty and test calls; pages of the staff look again when the gateway's health changes."""
        session, changed = self.session, ("health", 0)
        wearer_id = None
        match told:
            case BandsTold():
                site_told.take_bands(session, self.gateway, told, lambda code: self._wearer(code).id)
            case BandKeyTold():
                site_told.take_key(session, self.gateway, told, self.now)
            case DutyInForce():
                site_told.take_duty(session, self.gateway, told, self.now)
            case TestCallChanged(wearer=code):
                wearer_id = self._wearer(code).id if code else None
                site_told.take_test(session, self.gateway, told, wearer_id=wearer_id, now=self.now)
                changed = changed if wearer_id is None else ("wearer", wearer_id)
        self._changes[changed] = wearer_id

    def _command(self, told: CommandDone) -> None:
        found = self.session.scalar(
            sa.select(Command).where(Command.gateway == self.gateway, Command.command == told.command)
        )
        if found is None or found.state != "queued":
            return
        found.state = "done" if told.done else "refused"
        found.reason = told.reason[:REASON_CHARACTERS]
        found.ended_at = self.now
        self.commands_ended = True
        if found.name in OF_STAFF:
            self._changes["health", 0] = None
        if found.name == "send_text":  # its words may be a secret, and have done their work
            order = msgspec.json.decode(found.body, type=PortalCommand)
            found.body = msgspec.json.encode(msgspec.structs.replace(order, text=None)).decode()
        if found.name == "send_down" and not told.done:
            wearer_id = band_orders.refuse(self.session, self.gateway, told, self.now)
            self._changes |= {} if wearer_id is None else {("wearer", wearer_id): wearer_id}
        if found.name in PROFILE_COMMANDS:
            code = msgspec.json.decode(found.body, type=PortalCommand).wearer
            wearer_id = self._wearers[code].id if code in self._wearers else None
            self._changes |= {} if wearer_id is None else {("wearer", wearer_id): wearer_id}
        if found.incident is None:
            return
        incident = self._known_incident(found.incident)
        if incident is not None:
            self._changes["incident", incident.id] = incident.wearer_id

    def _band_order(self, told: BandOrderChanged) -> None:
        wearer = self._wearer(told.wearer)
        band_orders.take(self.session, self.gateway, told, wearer_id=wearer.id, now=self.now)
        self._changes["wearer", wearer.id] = wearer.id
        if told.incident and (incident := self._known_incident(told.incident)) is not None:
            self._changes["incident", incident.id] = wearer.id

    def _known_incident(self, code: str) -> Incident | None:
        return self.session.scalar(
            sa.select(Incident).where(Incident.gateway == self.gateway, Incident.code == code)
        )

    def _roster(self, roster: Roster) -> None:
        before = {code: _enrolment(wearer) for code, wearer in self._wearers.items()}
        named = {view.wearer for view in roster.wearers}
        for code, wearer in self._wearers.items():
            wearer.present = code in named
        for position, view in enumerate(roster.wearers):
            self._enrol(view, position)
        after = {code: _enrolment(wearer) for code, wearer in self._wearers.items()}
        if after != before:
            self._changes["roster", 0] = None
        guardian_roles.admit(self.session, at=self.now)
        duty_store.catch_up(self.session, self.community, self.gateway, self.now)

    def _enrol(self, view: WearerView, position: int) -> None:
        wearer = self._wearer(view.wearer)
        wearer.name, wearer.home = _text(view.name, NAME_CHARACTERS), _text(view.home, HOME_CHARACTERS)
        born = view.birth_year
        wearer.birth_year = born if born is not None and abs(born) <= MOST_ID else None
        wearer.community, wearer.position, wearer.present = self.community, position, True
        wearer.place = wearer.place or self._place
        self._let_consent(wearer)
        if self.demo:
            wearer_links.link_for_demonstration(self.session, wearer)
        wearer.fences = [msgspec.to_builtins(fence) for fence in view.fences]
        told = [
            (
                _text(contact.contact, ID_CHARACTERS),
                _text(contact.name, NAME_CHARACTERS),
                _text(contact.phone, PHONE_CHARACTERS),
                _text(contact.relation, RELATION_CHARACTERS),
                contact.role,
            )
            for contact in view.contacts
        ]
        if _contacts(wearer) == told:
            return
        wearer.contacts = [
            Contact(code=code, name=name, phone=phone, relation=relation, role=role, position=place)
            for place, (code, name, phone, relation, role) in enumerate(told)
        ]


def _text(text: str, most: int) -> str:
    """As much of a text as its column holds: a long name must not stop everything that comes after it."""
    return text.replace("\0", "")[:most]


def _contacts(wearer: Wearer) -> list[tuple[str, str, str, str, str]]:
    return [(row.code, row.name, row.phone, row.relation, row.role) for row in wearer.contacts]


def _enrolment(wearer: Wearer) -> tuple[object, ...]:
    """What a roster says of a wearer, to tell whether the next one says anything new."""
    told = (wearer.name, wearer.home, wearer.birth_year, wearer.position, wearer.present)
    return (*told, msgspec.json.encode(wearer.fences), tuple(_contacts(wearer)))
