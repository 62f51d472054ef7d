"""A working copy of an incident while one event is judged: changes and orders are collected here.

A draft lives inside one `sos.cascade.step` and nowhere else; what leaves is frozen again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sos.events import (
    Channel,
    ClearTimer,
    HangUp,
    Leg,
    LegReported,
    LegState,
    Order,
    PlaceCall,
    SendBeidou,
    SendText,
    SetTimer,
    SoundSiren,
)
from sos.incident import Incident, LegFacts, Timer, leg_id_of
from sos.plan import Contact
from sos.texts import PURPOSES, siren_script, voice_script

MAX_LEGS = 150
"""Legs remembered in an incident; beyond it the oldest that no longer matter go first, and are counted."""

RANK = {
    LegState.ORDERED: 0,
    LegState.INTENDED: 1,
    LegState.AMBIGUOUS: 2,
    LegState.ABSENT: 3,  # above ambiguous, below everything that proves that it was placed after all
    LegState.PLACED: 4,
    LegState.RINGING: 5,
    LegState.ANSWERED: 6,
    LegState.DELIVERED: 8,
    LegState.NO_KEY: 8,
    LegState.NO_ANSWER: 8,
    LegState.BUSY: 8,
    LegState.VOICEMAIL: 8,
    LegState.FAILED: 8,
    LegState.UNREACHED: 8,
    LegState.HUNG_UP: 8,
    LegState.CONFIRMED: 9,  # nothing takes a 1 back
}
"""A report counts only when it ranks above what was heard before: a late or doubled one changes nothing."""

LIVE = frozenset({LegState.PLACED, LegState.RINGING, LegState.ANSWERED})
FINAL = frozenset(state for state, rank in RANK.items() if rank >= RANK[LegState.DELIVERED])


class Draft:
    """An incident being changed, and the orders that come of it, in the order in which they are to go out."""

    __slots__ = ("incident", "now", "orders")

    def __init__(self, incident: Incident, now: datetime) -> None:
        self.incident = incident
        self.now = now
        self.orders: list[Order] = []

    def change(self, **changes: Any) -> None:
        """Replace fields of the incident."""
        self.incident = replace(self.incident, **changes)

    # ------------------------------------------------------------------ timers

    def set_timer(self, name: str, seconds: float) -> None:
        """Have `name` come back in `seconds` (never less than none); a pending one of the name is moved."""
        due_at = self.now + timedelta(seconds=max(0.0, seconds))
        others = tuple(timer for timer in self.incident.timers if timer.name != name)
        self.change(timers=(*others, Timer(name=name, due_at=due_at)))
        self.orders.append(SetTimer(name=name, due_at=due_at))

    def clear_timer(self, name: str) -> None:
        """Forget `name`; nothing happens when it is not pending."""
        if self.incident.has_timer(name):
            self.change(timers=tuple(timer for timer in self.incident.timers if timer.name != name))
            self.orders.append(ClearTimer(name=name))

    def clear_timers(self, *, but: str | None = None) -> None:
        """Forget every timer, except one."""
        for timer in self.incident.timers:
            if timer.name != but:
                self.clear_timer(timer.name)

    def timer_went_off(self, name: str) -> None:
        """Take a timer that is being honoured off the list; no order, it is gone already."""
        self.change(timers=tuple(timer for timer in self.incident.timers if timer.name != name))

    # ------------------------------------------------------------------ legs

    def put(self, facts: LegFacts) -> None:
        """Store the facts of a leg, new or known, and keep the list within its bound."""
        legs = self.incident.legs
        if any(one.leg.leg_id == facts.leg.leg_id for one in legs):
            self.change(legs=tuple(facts if one.leg.leg_id == facts.leg.leg_id else one for one in legs))
            return
        kept, dropped = [*legs, facts], self.incident.legs_dropped
        while len(kept) > MAX_LEGS:
            spare = next((index for index, one in enumerate(kept) if not self._matters(one)), None)
            if spare is None:
                break
            del kept[spare]
            dropped += 1
        self.change(legs=tuple(kept), legs_dropped=dropped)

    def _matters(self, facts: LegFacts) -> bool:
        """What decides who is rung next, what still sounds, and what a station knows."""
        leg = facts.leg
        if leg.channel is Channel.BEIDOU:
            newest = [one.leg for one in self.incident.legs if one.leg.contact == leg.contact]
            answered = facts.heard in {LegState.DELIVERED, LegState.CONFIRMED}
            return answered or leg.attempt >= max(
                one.attempt for one in newest if one.channel is Channel.BEIDOU
            )
        is_ringing = leg.channel in {Channel.CALL, Channel.SIREN}
        return is_ringing and (facts.is_open or leg.round == max(1, self.incident.round))

    def _new_leg(self, person: Contact, channel: Channel, *, number: int, purpose: str, attempt: int) -> Leg:
        incident = self.incident
        leg = Leg(
            leg_id=leg_id_of(
                incident.incident_id,
                number=number,
                contact=person.contact,
                channel=channel,
                purpose=purpose,
                attempt=attempt,
            ),
            incident=incident.incident_id,
            contact=person.contact,
            name=person.name,
            phone=person.phone,
            role=person.role,
            channel=channel,
            round=number,
            attempt=attempt,
            purpose=purpose,
            lang=person.lang,
        )
        self.put(LegFacts(leg=leg, state=LegState.ORDERED, ordered_at=self.now, at=self.now))
        return leg

    def place_call(self, person: Contact, *, attempt: int) -> Leg:
        """Order a call in this round."""
        leg = self._new_leg(
            person, Channel.CALL, number=self.incident.round, purpose="alarm", attempt=attempt
        )
        script = voice_script(self.incident, self.now, person.lang)
        self.orders.append(
            PlaceCall(leg=leg, script=script, ring_timeout_s=self.incident.plan.ring_timeout_s)
        )
        return leg

    def send_text(self, person: Contact, purpose: str, *, number: int, attempt: int = 1) -> None:
        """Order a text; its words are made from the incident as it is now."""
        leg = self._new_leg(person, Channel.TEXT, number=number, purpose=purpose, attempt=attempt)
        self.orders.append(SendText(leg=leg, body=PURPOSES[purpose](self.incident, self.now, person.lang)))

    def send_beidou(self, station: Contact, body: str, *, number: int, attempt: int) -> None:
        """Order a BeiDou short message to a station."""
        leg = self._new_leg(station, Channel.BEIDOU, number=number, purpose="alarm", attempt=attempt)
        self.orders.append(SendBeidou(leg=leg, body=body))

    def sound_siren(self, site: Contact, *, number: int, attempt: int) -> None:
        """Order the siren on."""
        leg = self._new_leg(site, Channel.SIREN, number=number, purpose="alarm", attempt=attempt)
        self.orders.append(SoundSiren(leg=leg, script=siren_script(self.incident, self.now, site.lang)))

    def hear(self, event: LegReported) -> LegFacts | None:
        """Take a report in; give the leg as it is now, or None when the report was no news."""
        facts = self.incident.leg(event.leg_id)
        if facts is None or RANK[event.state] <= RANK[facts.heard]:
            return None
        if None not in (event.sequence, facts.sequence) and event.sequence < facts.sequence:  # type: ignore[operator]
            return None
        ended_by_us = facts.state in FINAL and event.state is not LegState.CONFIRMED
        state = facts.state if ended_by_us else event.state
        is_end = state in FINAL or state is LegState.ABSENT
        heard = replace(
            facts,
            state=state,
            heard=event.state,
            at=event.at,
            ended_at=(facts.ended_at or event.at) if is_end else None,
            carrier=event.carrier or facts.carrier,
            sequence=event.sequence if event.sequence is not None else facts.sequence,
            detail=event.detail or facts.detail,
        )
        self.put(heard)
        return heard

    def close(self, facts: LegFacts, state: LegState, detail: str = "") -> None:
        """End a call or a siren from our side: that counts from now on, whatever the carrier still tells."""
        ended = replace(facts, state=state, at=self.now, ended_at=self.now, detail=detail or facts.detail)
        self.put(ended)
        self.orders.append(HangUp(leg_id=facts.leg.leg_id))

    def hang_up_calls(self, *, but: str | None = None) -> None:
        """End every call that may still ring, except one leg."""
        for facts in self.incident.open_calls():
            if facts.leg.leg_id != but:
                self.close(facts, LegState.HUNG_UP)
