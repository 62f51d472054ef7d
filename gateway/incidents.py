"""From alarms to incidents: opens or joins one, steps its cascade, and writes what changed into the record.

One wearer has at most one open incident of a kind; a second alarm of that kind joins it.
The cascade itself is `sos.cascade`; here is only what stands between it and the journal.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2s
from types import MappingProxyType

import msgspec

from gateway.downlink.rows import Pending
from gateway.incident_rows import Stored, alarm_rows, change_rows, order_row
from gateway.journal.records import Record, StepRow, to_ms
from gateway.model import Alarm, AlarmKind, Battery, Fix, HeartRate, Reading, Why, cannot_wait, rings_nobody
from gateway.roster import People
from gateway.seen import Seen
from gateway.steps import Opening, Step, encode_opening, encode_step
from gateway.steps import decode as decode_step
from gateway.timers import TimerBook
from gateway.told import PortalCommand
from sos.cascade import open_incident, step
from sos.events import (
    Acknowledged,
    CancelPressed,
    Channel,
    ClearTimer,
    Event,
    KeyPressed,
    Leg,
    LegReported,
    LegState,
    Moved,
    Opened,
    Order,
    PressedAgain,
    Resolved,
    SetTimer,
    TimerDue,
)
from sos.incident import PHASE_ENDS, Incident, free_ref
from sos.subject import Subject
from sos.telling import RINGING_PHASES, USEFUL

REMEMBERED_ALARMS = 20_000
REMEMBERED_OVER = 200
"""Incidents that are over and whose last texts are still on their way."""

encode = msgspec.json.encode
log = logging.getLogger(__name__)


class Incidents:
    """All open incidents of this gateway.

    `place(lat, lon)` gives a place in words, Chinese and English; `link(incident)` the address of its page;
    `max_fix_accuracy_m` keeps vague fixes out of texts; `make_room` ends whatever else uses the telephones.
    """

    def __init__(
        self,
        *,
        people: People,
        timers: TimerBook,
        place: Callable[[float | None, float | None], tuple[str, str]],
        link: Callable[[str], str] = lambda _: "",
        max_fix_accuracy_m: float = 100.0,
        make_room: Callable[[Record, Pending, datetime], None] = lambda *_: None,
    ) -> None:
        self._people = people
        self._timers = timers
        self._place = place
        self._link = link
        self._max_fix_accuracy_m = max_fix_accuracy_m
        self._make_room = make_room
        self._all: dict[str, Incident] = {}
        self._alarms: dict[str, Alarm] = {}
        self._by_kind: dict[tuple[str, str, bool], str] = {}
        self._of_wearer: dict[str, set[str]] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        self._steps: dict[str, int] = {}
        self._seen_last: dict[str, Seen] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()

    def restore(
        self,
        bodies: Iterable[bytes],
        alarm_ids: Iterable[str],
        steps: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Take over the open incidents of the last run; `steps`: how many steps of each are journalled."""
        for body in bodies:
            try:
                stored = msgspec.json.decode(body, type=Stored)
            except msgspec.DecodeError as error:  # one bad row must not keep the gateway from starting
                log.critical("an incident cannot be read and is left out: %s", error)
                continue
            self._keep(stored.incident, stored.alarm)
            if stored.incident.is_over:
                self._over[stored.incident.incident_id] = None
        self._steps = {name: steps.get(name, 0) for name in self._all}
        for alarm_id in alarm_ids:
            self._remember(alarm_id)

    def get(self, incident_id: str) -> Incident | None:
        """An open incident."""
        incident = self._all.get(incident_id)
        return None if incident is None or incident.is_over else incident

    def need(self, incident_id: str) -> int:
        """How much it needs a person: 2 nobody has it, 1 somebody has it, 0 it is over."""
        incident = self.get(incident_id)
        return 0 if incident is None else 2 if incident.phase in RINGING_PHASES else 1

    @property
    def calling(self) -> bool:
        """Whether anybody is still called for an alarm or a drill that nobody has taken."""
        return any(self.need(one.incident_id) > 1 for one in self._all.values())

    def wants(self, leg: Leg) -> bool:
        """Whether an order of the last run for this leg is still to be carried out.

        Not when the leg has ended since; of an incident that is over only what tells that it is.
        """
        incident = self._all.get(leg.incident)
        facts = None if incident is None else incident.leg(leg.leg_id)
        if facts is not None and facts.state is not LegState.ORDERED:
            return False
        if leg.channel is not Channel.TEXT:
            return facts is not None and self.get(leg.incident) is not None
        return self.get(leg.incident) is not None or bool(USEFUL[leg.purpose] & PHASE_ENDS)

    def __len__(self) -> int:
        return sum(not incident.is_over for incident in self._all.values())

    def __iter__(self) -> Iterator[Incident]:
        return iter(tuple(self._all.values()))

    # ------------------------------------------------------------------ what happens

    def raise_alarm(self, alarm: Alarm, record: Record, pending: Pending, now: datetime) -> None:
        """Open an incident or join the open one of this wearer and kind; the same alarm twice is one.

        A real alarm ends every drill: the telephones are needed.
        A notice that rings nobody is written down beside the open incident, if there is one, and no more.
        """
        if alarm.alarm_id in self._seen:
            return
        self._remember(alarm.alarm_id)
        if rings_nobody(alarm):
            alarm_rows(alarm, self._by_kind.get((alarm.wearer, alarm.kind, alarm.drill)), record, now)
            return
        if not alarm.drill:
            self._end_drills(record, pending, now)
            self._make_room(record, pending, now)
        seen = self._seen_last.get(alarm.wearer)
        if alarm.lat is None and seen is not None:
            alarm = msgspec.structs.replace(alarm, lat=seen.lat, lon=seen.lon)
        plan = self._people.plan(alarm.wearer, alarm.kind, now)
        incident_id = self._by_kind.get((alarm.wearer, alarm.kind, alarm.drill))
        if plan is None:
            alarm_rows(alarm, None, record, now)
        elif incident_id is not None:
            alarm_rows(alarm, incident_id, record, now)
            where, where_en = self._place(alarm.lat, alarm.lon)
            again = PressedAgain(
                at=alarm.at,
                lat=alarm.lat,
                lon=alarm.lon,
                where=where,
                where_en=where_en,
                worse=self._subject(alarm, incident_id) if cannot_wait(alarm) else None,
            )
            self._step(incident_id, again, record, pending, now)
        else:
            incident_id = blake2s(alarm.alarm_id.encode(), digest_size=6).hexdigest()
            incident = open_incident(
                incident_id=incident_id,
                ref=free_ref(alarm.alarm_id, {incident.ref for incident in self._all.values()}),
                wearer=alarm.wearer,
                subject=self._subject(alarm, incident_id),
                plan=dataclasses.replace(plan, calls_after_s=0) if cannot_wait(alarm) else plan,
                at=alarm.at,
                lat=alarm.lat,
                lon=alarm.lon,
                late=alarm.late,
                drill=alarm.drill,
            )
            alarm_rows(alarm, incident.incident_id, record, now)
            self._begin(incident, alarm, record)
            self._step(incident.incident_id, Opened(), record, pending, now)

    def drill(
        self, wearer: str, kind: AlarmKind, record: Record, pending: Pending, now: datetime
    ) -> str | None:
        """Begin a drill of this kind; gives the reason when it cannot be done now."""
        if wearer not in self._people.wearers:
            return f"there is no wearer {wearer}"
        if self._people.plan(wearer, kind) is None:
            return f"an alarm of kind {kind} has no plan: nobody would be told"
        if any(not one.drill and self.need(one.incident_id) > 1 for one in self._all.values()):
            return "a real alarm is ringing; the telephones are needed for it"
        if (wearer, kind, True) in self._by_kind:
            return "a drill of this kind is already under way for this wearer"
        alarm = Alarm(
            alarm_id=f"drill.{kind}.{wearer}.{to_ms(now)}",
            wearer=wearer,
            kind=kind,
            severity="critical",
            why=Why(code="drill"),
            at=now,
            drill=True,
        )
        self.raise_alarm(alarm, record, pending, now)
        return None

    def of(self, wearer: str, kind: str, *, drill: bool) -> Incident | None:
        """The open incident of this wearer and kind."""
        return self.get(self._by_kind.get((wearer, kind, drill), ""))

    def _end_drills(self, record: Record, pending: Pending, now: datetime) -> None:
        for incident in tuple(self._all.values()):
            if incident.drill and not incident.is_over:
                over = Resolved(by="守望", at=now, note="有真实报警，演练结束")
                self._step(incident.incident_id, over, record, pending, now)

    def wearer_seen(
        self, wearer: str, readings: Iterable[Reading], record: Record, pending: Pending, now: datetime
    ) -> None:
        """Remember where a wearer is and how, and tell the wearer's open incidents."""
        seen = self._seen_last.get(wearer)
        if seen is None:
            seen = self._seen_last[wearer] = Seen()
        for reading in readings:
            kind = type(reading)
            if kind is HeartRate:
                seen.heart_rate_bpm = reading.heart_rate_bpm  # type: ignore[union-attr]  # its type was asked
            elif kind is Battery:
                seen.battery_pct = reading.battery_pct  # type: ignore[union-attr]  # the same
            elif kind is Fix and reading.valid and self._good_enough(reading):  # type: ignore[union-attr, arg-type]
                assert isinstance(reading, Fix)
                seen.lat, seen.lon = reading.lat, reading.lon
                incident_ids = self._of_wearer.get(wearer)
                if incident_ids:
                    where, where_en = self._place(reading.lat, reading.lon)
                    event = Moved(
                        at=reading.at or now, lat=reading.lat, lon=reading.lon, where=where, where_en=where_en
                    )
                    for incident_id in tuple(incident_ids):
                        self._step(incident_id, event, record, pending, now)

    def wearer_cancelled(
        self, wearer: str, at: datetime, record: Record, pending: Pending, now: datetime
    ) -> None:
        """The wearer takes an SOS back."""
        incident_id = self._by_kind.get((wearer, "sos", False))
        if incident_id is not None:
            self._step(incident_id, CancelPressed(at=at), record, pending, now)

    def timer_due(
        self, incident_id: str, name: str, due_at: datetime, record: Record, pending: Pending, now: datetime
    ) -> None:
        """A timer of the cascade."""
        self._step(incident_id, TimerDue(name=name, due_at=due_at), record, pending, now)

    def leg_known(
        self, event: LegReported | KeyPressed, record: Record, pending: Pending, now: datetime
    ) -> None:
        """A fact about a leg; the incident is the first part of the leg's id."""
        self._step(event.leg_id.partition(".")[0], event, record, pending, now)

    def ordered(self, command: PortalCommand, record: Record, pending: Pending, now: datetime) -> str | None:
        """An order of the portal; gives the reason when it cannot be done."""
        incident_id = command.incident or (command.leg or "").partition(".")[0]
        if self.get(incident_id) is None:
            return "this incident is already over"
        by = command.by or "portal"
        event: Event
        match command.name:
            case "acknowledge":
                event = Acknowledged(by=by, at=now, via="portal")
            case "resolve":
                event = Resolved(by=by, at=now, note=command.note or "", verdict=command.verdict)
            case _:
                event = KeyPressed(leg_id=command.leg or "", digit=command.digit or "", at=now)
        self._step(incident_id, event, record, pending, now)
        return None

    # ------------------------------------------------------------------ inside

    def _step(self, incident_id: str, event: Event, record: Record, pending: Pending, now: datetime) -> None:
        before = self._all.get(incident_id)
        if before is None:
            return
        body = encode_step(now, event)
        written = decode_step(body)  # what is judged is what was written, so that it can be judged again
        assert isinstance(written, Step)
        after, orders = step(before, written.event, written.now)
        if after is before and not orders and not isinstance(event, Opened):
            return
        alarm = self._alarms[incident_id]
        if not self._steps.get(incident_id):  # opened by a version that wrote no steps
            self._begin(before, alarm, record)
        record.rest.steps.append(StepRow(incident_id, self._steps[incident_id], body))
        self._steps[incident_id] += 1
        self._keep(after, alarm)
        for order in orders:
            self._order(after, order, record, pending, now)
        record.urgent = record.urgent or bool(orders)
        change_rows(before, written.event, after, orders, alarm=alarm, record=record, now=now)
        if after.is_over:
            self._wind_up(after, alarm)

    def _begin(self, incident: Incident, alarm: Alarm, record: Record) -> Incident:
        """Write an incident down as it opens; gives it as it was written, for that is what is judged."""
        body = encode_opening(incident, alarm)
        opening = decode_step(body)
        assert isinstance(opening, Opening)
        record.rest.steps.append(StepRow(incident.incident_id, 0, body))
        self._steps[incident.incident_id] = 1
        self._keep(opening.incident, opening.alarm)
        return opening.incident

    def _order(
        self, incident: Incident, order: Order, record: Record, pending: Pending, now: datetime
    ) -> None:
        owner = f"incident/{incident.incident_id}"
        match order:
            case SetTimer(name=name, due_at=due_at):
                record.timers[owner, name] = to_ms(due_at)
                self._timers.set(owner, name, due_at)
            case ClearTimer(name=name):
                record.timers[owner, name] = None
                self._timers.clear(owner, name)
            case _:
                order_row(order, incident, record, pending, now)

    def _subject(self, alarm: Alarm, incident_id: str) -> Subject:
        wearer = self._people.wearers[alarm.wearer]
        where, where_en = self._place(alarm.lat, alarm.lon)
        seen = self._seen_last.get(alarm.wearer, Seen())
        return Subject(
            name=wearer.name,
            kind=alarm.kind,
            severity=alarm.severity,
            code=alarm.why.code,
            value=alarm.why.value,
            limit=alarm.why.limit,
            unit=alarm.why.unit,
            place=alarm.why.place,
            where=where,
            where_en=where_en,
            link=self._link(incident_id),
            beidou_number=self._people.beidou_numbers.get(alarm.wearer),
            heart_rate_bpm=seen.heart_rate_bpm,
            battery_pct=seen.battery_pct,
        )

    def _good_enough(self, fix: Fix) -> bool:
        return fix.accuracy_m is None or fix.accuracy_m <= self._max_fix_accuracy_m

    def _keep(self, incident: Incident, alarm: Alarm) -> None:
        self._all[incident.incident_id] = incident
        self._alarms[incident.incident_id] = alarm
        if not incident.is_over:
            self._by_kind[incident.wearer, alarm.kind, incident.drill] = incident.incident_id
            self._of_wearer.setdefault(incident.wearer, set()).add(incident.incident_id)

    def _wind_up(self, incident: Incident, alarm: Alarm) -> None:
        """It is over, and remembered until its last texts have arrived: one that fails is sent again."""
        name, slot = incident.incident_id, (incident.wearer, alarm.kind, incident.drill)
        if self._by_kind.get(slot) == name:
            del self._by_kind[slot]
        self._of_wearer.get(incident.wearer, set()).discard(name)
        self._over.pop(name, None)
        texting = any(facts.is_open and facts.leg.channel is Channel.TEXT for facts in incident.legs)
        if texting or incident.timers:
            self._over[name] = None
        else:
            self._forget(name)
        while len(self._over) > REMEMBERED_OVER:
            self._forget(self._over.popitem(last=False)[0])

    def _forget(self, name: str) -> None:
        for book in (self._all, self._alarms, self._steps):
            book.pop(name, None)

    def _remember(self, alarm_id: str) -> None:
        self._seen[alarm_id] = None
        if len(self._seen) > REMEMBERED_ALARMS:
            self._seen.popitem(last=False)
