"""Keys and takers: who takes it on, who passes it on, and when enough people have it."""

from __future__ import annotations

from dataclasses import replace

from sos import ladder
from sos.closing import acknowledge
from sos.draft import Draft
from sos.events import Acknowledged, KeyPressed, LegReported, LegState, TellBand
from sos.incident import Phase, Taker, contact_of
from sos.last_resort import silence_siren
from sos.plan import Contact, diallable
from sos.telling import tell, told_so_far

TAKE_KEY = "1"
DECLINE_KEY = "2"
CALL_BACK_KEY = "3"
CALL_BACK_S = 8
"""Long enough for the call in which the 3 was pressed to be over."""


def take(draft: Draft, event: Acknowledged) -> None:
    """A person takes it on without a leg; one of the plan is found by contact, else by name."""
    _taken_by(draft, _taker_of(draft, event))


def _taker_of(draft: Draft, event: Acknowledged) -> Taker:
    plan = draft.incident.plan
    person = draft.incident.contact(event.contact)
    if person is None:
        people = (*plan.family, *plan.staff, *plan.stations)
        person = next((one for one in people if event.by in {one.contact, one.name}), None)
    if person is None:
        return Taker(contact="", name=event.by, at=event.at, via=event.via)
    return Taker(contact=person.contact, name=person.name, at=event.at, via=event.via)


def key(draft: Draft, event: KeyPressed) -> None:
    """A digit: 1 takes it, 2 passes it on, 3 takes it and rings back; any leg of this incident will do."""
    if not draft.incident.owns(event.leg_id):
        return
    if event.digit == DECLINE_KEY:
        ladder.decline(draft, event.leg_id, _who(draft, event)[0])
    elif _takes(event) and _confirm(draft, event):
        contact, name, phone = _who(draft, event)
        _taken_by(draft, Taker(contact=contact, name=name, at=event.at, via=event.via), leg_id=event.leg_id)
        if event.digit == CALL_BACK_KEY:
            _ring_back(draft, phone)


def late_key(draft: Draft, event: KeyPressed) -> None:
    """Somebody has it: a 1 is kept on its leg, and counts while fewer have it than were wanted."""
    if not draft.incident.owns(event.leg_id) or not _takes(event) or not _confirm(draft, event):
        return
    contact, name, phone = _who(draft, event)
    taker = Taker(contact=contact, name=name, at=event.at, via=event.via)
    _late_taker(draft, taker)
    if event.digit == CALL_BACK_KEY and _known(draft, taker):
        _ring_back(draft, phone)


def late_take(draft: Draft, event: Acknowledged) -> None:
    """As a late 1, by that person."""
    _late_taker(draft, _taker_of(draft, event))


def quiet_key(draft: Draft, event: KeyPressed) -> None:
    """It is over: the 1 is kept on its leg."""
    if _takes(event):
        _confirm(draft, event)


def call_back(draft: Draft) -> None:
    """The call with the 3 is over by now: have the band ring that telephone."""
    phone = draft.incident.call_back_to
    draft.change(call_back_to=None)
    if phone is not None:
        draft.orders.append(TellBand(command="call_back", phone=phone))


# --------------------------------------------------------------------------- inside


def _takes(event: KeyPressed) -> bool:
    """A 3 takes it where no band can ring back, too: whoever presses it is there."""
    return event.digit in {TAKE_KEY, CALL_BACK_KEY}


def _who(draft: Draft, event: KeyPressed) -> tuple[str, str, str]:
    """Contact, name and telephone of whoever the leg was for, as far as they are known."""
    facts = draft.incident.leg(event.leg_id)
    if facts is not None:
        return facts.leg.contact, facts.leg.name, facts.leg.phone
    contact = contact_of(event.leg_id)
    person = draft.incident.contact(contact)
    return contact, person.name if person else contact, person.phone if person else ""


def _confirm(draft: Draft, event: KeyPressed) -> bool:
    """Write the key down on its leg; False when this very press was written down before."""
    facts = draft.incident.leg(event.leg_id)
    if facts is None:
        return True
    if facts.state is LegState.CONFIRMED:
        if event.at <= facts.at:
            return False
        draft.put(replace(facts, at=event.at))
        return True
    draft.hear(LegReported(leg_id=event.leg_id, state=LegState.CONFIRMED, at=event.at))
    return True


def _ring_back(draft: Draft, phone: str) -> None:
    if diallable(phone) and draft.incident.plan.call_back:
        draft.change(call_back_to=phone)
        draft.set_timer("call_back", CALL_BACK_S)


def _known(draft: Draft, taker: Taker) -> bool:
    """Whether this person has taken it already: the same contact, or the same name."""
    return any(
        one.contact == taker.contact if one.contact and taker.contact else one.name == taker.name
        for one in draft.incident.takers
    )


def _taken_by(draft: Draft, taker: Taker, *, leg_id: str | None = None) -> None:
    """A person takes it on: quiet first, then the band, then everybody who was told."""
    if _known(draft, taker):
        return
    is_first = not draft.incident.takers
    draft.change(takers=(*draft.incident.takers, taker))
    if is_first:
        draft.change(
            acknowledged_by=taker.name,
            acknowledged_contact=taker.contact,
            acknowledged_at=taker.at,
            acknowledged_via=taker.via,
        )
        silence_siren(draft)
        draft.clear_timer("beidou")
    others = _others(draft, taker)
    is_enough = len(draft.incident.takers) >= draft.incident.acks_needed
    if is_enough or draft.incident.phase is not Phase.NOTIFYING:
        acknowledge(draft, told=(), leg_id=leg_id)
        _tell_band_and_people(draft, taker, others, "taken", is_first=is_first)
    else:
        _spare(draft, taker, leg_id)
        _tell_band_and_people(draft, taker, others, "joined", is_first=is_first)
        ladder.go_on_without(draft)


def _late_taker(draft: Draft, taker: Taker) -> None:
    """One more, while fewer have it than were wanted: the others hear of it."""
    incident = draft.incident
    if len(incident.takers) < incident.acks_needed and not _known(draft, taker):
        draft.change(takers=(*incident.takers, taker))
        _tell_band_and_people(draft, taker, _others(draft, taker), "joined", is_first=False)


def _others(draft: Draft, taker: Taker) -> list[Contact]:
    told = told_so_far(draft.incident)
    mine = {person.phone for person in told if person.contact == taker.contact}
    return [person for person in told if person.phone not in mine]


def _tell_band_and_people(
    draft: Draft, taker: Taker, others: list[Contact], purpose: str, *, is_first: bool
) -> None:
    if is_first:
        draft.orders.append(TellBand(command="help_is_coming"))
    number = None
    if purpose == "joined":
        number = draft.incident.joined_texts + 1
        draft.change(joined_texts=number)
    tell(draft, others, purpose, number=number)
    if taker.via == "text":
        me = draft.incident.contact(taker.contact)
        tell(draft, (me,) if me else (), "confirmed")


def _spare(draft: Draft, taker: Taker, leg_id: str | None) -> None:
    """Who has taken it is not rung: not by a call under way, nor later in this cycle."""
    incident = draft.incident
    people = [incident.contact(one) for one in incident.queue]
    queue = tuple(one.contact for one in people if one is not None and not incident.has_taken(one))
    draft.change(queue=queue)
    for facts in incident.open_calls():
        person = incident.contact(facts.leg.contact)
        mine = facts.leg.contact == taker.contact or (person is not None and incident.has_taken(person))
        if mine and facts.leg.leg_id != leg_id:
            draft.close(facts, LegState.HUNG_UP)
