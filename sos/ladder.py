"""Who is rung next: one call at a time, in order, round after round, until a person answers.

The ladder moves on when the call it follows ends, becomes unclear, or is not heard of in time.
Whoever may still be ringing from an unclear call is not rung a second time meanwhile;
everybody else goes first, and after `UNSETTLED_WAIT_S` the ladder rings them all the same:
truly undecidable means ring again.
"""

from __future__ import annotations

from datetime import datetime

from sos.closing import acknowledge, end_drill
from sos.draft import LIVE, RANK, Draft
from sos.events import Channel, LegState
from sos.incident import Incident, Ladder, LegFacts, Phase
from sos.last_resort import sound_siren
from sos.plan import Contact, diallable, on_duty_now
from sos.telling import tell, tell_staff, told_so_far

TALK_S = 45
"""Enough to say the script twice and to press a key."""
PLACE_S = 10
"""On top of ringing and talking, before a call that nobody reports of is given up."""
UNSETTLED_WAIT_S = 45
MIN_ROUND_S = 20
"""A round of the family that fails faster than this is followed by a pause, so that a busy line can clear."""
UNREACHED_REPEAT_S = 60
"""When no telephone rang at all, beginning again waits at most this long."""
MAX_CALL_ATTEMPTS = 3
"""In one round: the second and third only after the one before was settled as never placed."""


def ringable(incident: Incident, ladder: Ladder, now: datetime) -> tuple[Contact, ...]:
    """Whom this ladder may ring in this cycle, in order; nobody who passed it on or has taken it.

    Of the staff those on duty first; in the first cycle only they, unless none of them can be rung.
    """
    if not incident.plan.calls:
        return ()
    people = incident.plan.family if ladder is Ladder.FAMILY else incident.plan.staff
    able = tuple(
        one
        for one in people
        if diallable(one.phone) and one.contact not in incident.declined and not incident.has_taken(one)
    )
    if ladder is Ladder.FAMILY:
        return able
    there = on_duty_now(able, now)
    if there and incident.cycle <= 1:
        return there
    return (*there, *(one for one in able if one not in there))


def begin_cycle(draft: Draft, *, remind: str | None = None, after: str | None = None) -> None:
    """Begin from the top of the ladder; the one behind `after` first; `remind` texts all."""
    incident = draft.incident
    draft.clear_timer("repeat")
    draft.change(
        phase=Phase.NOTIFYING,
        notifying_since=draft.now,
        cycle=incident.cycle + 1,
        cycle_round=incident.round + 1,
        ladder=Ladder.FAMILY,
        rounds_done=0,
        declined=incident.declined if incident.cycle == 0 else (),
    )
    _begin_round(draft, after=after)
    if remind is not None:
        tell(draft, told_so_far(draft.incident), remind)
    advance(draft)


def _begin_round(draft: Draft, *, after: str | None = None) -> None:
    incident = draft.incident
    order = [person.contact for person in ringable(incident, incident.ladder, draft.now)]
    if after in order:
        cut = order.index(after) + 1
        order = order[cut:] + order[:cut]
    draft.change(round=incident.round + 1, round_began_at=draft.now, queue=tuple(order), calling=None)


def _engaged(incident: Incident, contact: str) -> bool:
    """An earlier call of this telephone may still be ringing."""
    person = incident.contact(contact)
    return person is not None and any(facts.leg.phone == person.phone for facts in incident.open_calls())


def advance(draft: Draft, *, force: bool = False, paused: bool = False) -> None:
    """Ring the next contact; begin the next round or ladder when this one is through.

    `force` rings also who may still be ringing from an unclear call; `paused`: the pause is behind us.
    """
    while True:
        incident = draft.incident
        if incident.queue:
            free = (one for one in incident.queue if force or not _engaged(incident, one))
            contact = next(free, None)
            if contact is not None:
                _dial(draft, contact)
                return
            draft.change(calling=None)
            draft.clear_timer("guard")
            draft.set_timer("settle", UNSETTLED_WAIT_S)
            return
        if not _end_round(draft, paused=paused):
            return
        paused = False


def _end_round(draft: Draft, *, paused: bool) -> bool:
    """Begin the next round if there is one and it may begin now; True when it began."""
    incident = draft.incident
    draft.change(calling=None)
    if incident.ladder is Ladder.FAMILY:
        done = incident.rounds_done + 1
        if done < incident.plan.rounds and ringable(incident, Ladder.FAMILY, draft.now):
            began_at = incident.round_began_at or draft.now
            left_s = MIN_ROUND_S - (draft.now - began_at).total_seconds()
            if left_s > 0 and not paused:
                draft.clear_timer("guard")
                draft.set_timer("pause", min(left_s, MIN_ROUND_S))
                return False
            draft.change(rounds_done=done)
            _begin_round(draft)
            return True
        draft.change(ladder=Ladder.STAFF, rounds_done=0)
        _begin_round(draft)
        tell_staff(draft)
        if draft.incident.queue:
            return True
    exhaust(draft)
    return False


def exhaust(draft: Draft) -> None:
    """Everybody was rung: whoever has it has it; else a drill is over, and a real alarm begins again."""
    incident = draft.incident
    if incident.takers:
        acknowledge(draft, told=told_so_far(incident))
        return
    if incident.drill:
        end_drill(draft)
        return
    for name in ("guard", "settle", "pause", "calls"):
        draft.clear_timer(name)
    draft.change(phase=Phase.EXHAUSTED, calling=None, queue=())
    draft.set_timer("repeat", _repeat_wait_s(incident))
    sound_siren(draft)


def _repeat_wait_s(incident: Incident) -> int:
    """Until it begins again; soon when not one telephone rang, so that it goes on when a line is back."""
    calls = [one for one in incident.legs_of(Channel.CALL) if one.leg.round >= incident.cycle_round]
    dead = {LegState.FAILED, LegState.UNREACHED}
    rang = any(RANK[one.heard] >= RANK[LegState.PLACED] and one.heard not in dead for one in calls)
    wait_s = incident.plan.repeat_after_s
    return wait_s if rang or not calls else min(wait_s, UNREACHED_REPEAT_S)


def _dial(draft: Draft, contact: str) -> None:
    incident = draft.incident
    person = incident.contact(contact)
    draft.change(queue=tuple(one for one in incident.queue if one != contact))
    if person is None:  # a plan never changes under an incident; said for the type's sake
        return
    leg = draft.place_call(person, attempt=_attempts(incident, contact) + 1)
    _follow(draft, leg.leg_id)


def _attempts(incident: Incident, contact: str) -> int:
    """How often this contact was called in this round."""
    return max(
        (
            facts.leg.attempt
            for facts in incident.legs
            if facts.leg.channel is Channel.CALL
            and facts.leg.round == incident.round
            and facts.leg.contact == contact
        ),
        default=0,
    )


def _follow(draft: Draft, leg_id: str) -> None:
    """This call's end moves the ladder on from now; the guard does if nothing is heard of it."""
    draft.change(calling=leg_id)
    draft.clear_timer("settle")
    draft.clear_timer("pause")
    draft.set_timer("guard", draft.incident.plan.ring_timeout_s + TALK_S + PLACE_S)


# --------------------------------------------------------------------------- what is heard of calls


def call_changed(draft: Draft, facts: LegFacts) -> None:
    """A call has news while we are still ringing people.

    A machine that picked up is a hint and no more: the next is rung, and this call goes on,
    so that a person taken for a machine is not cut off and may still press 1.
    """
    incident, leg, state = draft.incident, facts.leg, facts.state
    if incident.phase is not Phase.NOTIFYING:
        return
    if incident.calling == leg.leg_id:
        _current_changed(draft, facts)
    elif state is LegState.ABSENT:
        _requeue(draft, facts)
        _go_on_if_waiting(draft)
    elif state in LIVE:
        if leg.round == incident.round:
            draft.change(queue=tuple(one for one in incident.queue if one != leg.contact))
        if _is_waiting(incident):
            _follow(draft, leg.leg_id)
    elif not facts.is_open:
        if leg.round == incident.round:
            draft.change(queue=tuple(one for one in incident.queue if one != leg.contact))
        _go_on_if_waiting(draft)


def _current_changed(draft: Draft, facts: LegFacts) -> None:
    if facts.state is LegState.RINGING:
        draft.set_timer("guard", draft.incident.plan.ring_timeout_s + TALK_S)
    elif facts.state is LegState.ANSWERED:
        draft.set_timer("guard", TALK_S)
    elif not facts.is_open or facts.state is LegState.AMBIGUOUS:
        draft.change(calling=None)
        if facts.state is LegState.ABSENT:
            _requeue(draft, facts)
        advance(draft)


def _requeue(draft: Draft, facts: LegFacts) -> None:
    """Never placed after all: ring the contact next, if that is still this round's business.

    In this round that is one more attempt; a contact whose turn in this round is still to come is moved up.
    """
    incident, contact = draft.incident, facts.leg.contact
    person = incident.contact(contact)
    if person is None or incident.has_taken(person):
        return
    if contact in incident.queue:
        draft.change(queue=(contact, *(one for one in incident.queue if one != contact)))
    elif (
        facts.leg.round == incident.round
        and contact not in incident.declined
        and facts.leg.attempt == _attempts(incident, contact) < MAX_CALL_ATTEMPTS
    ):
        draft.change(queue=(contact, *incident.queue))


def _is_waiting(incident: Incident) -> bool:
    return incident.calling is None and (incident.has_timer("settle") or incident.has_timer("pause"))


def _go_on_if_waiting(draft: Draft) -> None:
    """Somebody may be rung now who could not be before; a pause with nobody queued is kept."""
    incident = draft.incident
    if _is_waiting(incident) and (incident.queue or incident.has_timer("settle")):
        draft.clear_timer("settle")
        draft.clear_timer("pause")
        advance(draft)


def guard_due(draft: Draft) -> None:
    """Nothing was heard of the call in time: end it and go on."""
    facts = draft.incident.leg(draft.incident.calling or "")
    if facts is not None and facts.is_open:
        draft.close(facts, LegState.HUNG_UP, detail="nothing heard in time")
    advance(draft)


def decline(draft: Draft, leg_id: str, contact: str) -> None:
    """The person cannot: nobody rings them again in this cycle, the next one is rung now."""
    incident = draft.incident
    if contact in incident.declined:
        return
    draft.change(
        declined=(*incident.declined, contact),
        queue=tuple(one for one in incident.queue if one != contact),
    )
    for facts in incident.open_calls():
        if facts.leg.contact == contact and (facts.leg.leg_id == leg_id or facts.heard in LIVE):
            draft.close(facts, LegState.NO_KEY, detail="pressed 2")
    go_on_without(draft)


def go_on_without(draft: Draft) -> None:
    """Somebody is not to be rung any more: a ladder that followed or awaited their call goes on."""
    current = draft.incident.leg(draft.incident.calling or "")
    if current is not None and not current.is_open:
        advance(draft)
    else:
        _go_on_if_waiting(draft)
