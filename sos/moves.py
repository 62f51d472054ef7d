"""The moves of the cascade: what one event does to one incident, each a small function over a draft.

Which move belongs to which phase is the table's business (`sos.cascade`); nothing here asks for the phase
unless the same move differs in a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from sos import ladder
from sos.draft import LIVE, Draft
from sos.events import (
    Acknowledged,
    CancelPressed,
    Channel,
    HangUp,
    KeyPressed,
    LegReported,
    LegState,
    Moved,
    Opened,
    PressedAgain,
    Resolved,
    TellBand,
    TimerDue,
)
from sos.incident import Phase, contact_of
from sos.plan import diallable
from sos.telling import retry_texts, tell, tell_position, tell_staff_once, told_so_far

TAKE_KEY = "1"
DECLINE_KEY = "2"
EARLY = timedelta(seconds=1)


def start(draft: Draft, _event: Opened) -> None:
    """Tell everybody and begin to ring, or set the clock of a gentler plan."""
    incident, plan = draft.incident, draft.incident.plan
    draft.change(
        phase=Phase.NOTIFYING,
        notifying_since=draft.now,
        told_lat=incident.lat,
        told_lon=incident.lon,
        position_text_at=None if incident.lat is None else draft.now,
    )
    tell(draft, plan.family, "alarm")
    if not any(diallable(person.phone) for person in plan.family):
        tell_staff_once(draft)
    if plan.calls and plan.calls_after_s == 0:
        ladder.begin_cycle(draft)
    else:
        draft.set_timer("calls", plan.calls_after_s if plan.calls else plan.repeat_after_s)


def _move_to(draft: Draft, event: Moved | PressedAgain) -> None:
    seen_at = draft.incident.position_at
    if event.lat is None or event.lon is None or (seen_at is not None and event.at < seen_at):
        return
    draft.change(lat=event.lat, lon=event.lon, where=event.where, position_at=event.at)


def moved(draft: Draft, event: Moved) -> None:
    """The wearer is somewhere else."""
    _move_to(draft, event)
    tell_position(draft)


def press_again(draft: Draft, event: PressedAgain) -> None:
    """One more press of the same incident; the same press again is no news."""
    incident = draft.incident
    if event.at == incident.pressed_at:
        return
    draft.change(presses=incident.presses + 1, pressed_at=event.at)
    _move_to(draft, event)
    tell_position(draft)
    if incident.phase is Phase.EXHAUSTED and incident.plan.calls:
        ladder.begin_cycle(draft, remind="reminder")


def cancel(draft: Draft, event: CancelPressed) -> None:
    """The wearer takes it back; outside the window, or from before the press, it changes nothing."""
    incident = draft.incident
    after = event.at - incident.opened_at
    if not timedelta(0) <= after <= timedelta(seconds=incident.plan.cancel_window_s):
        return
    _be_quiet(draft, Phase.CANCELLED)
    tell(draft, (*incident.plan.family, *incident.plan.staff), "cancelled")
    draft.orders.append(TellBand(command="cancelled"))


def _be_quiet(draft: Draft, phase: Phase, *, but: str | None = None) -> None:
    draft.hang_up_calls(but=but)
    draft.clear_timers()
    draft.change(phase=phase, calling=None, queue=())


def _taken_by(
    draft: Draft, *, by: str, contact: str, at: datetime, via: str, leg_id: str | None = None
) -> None:
    """A person takes it on: quiet first, then the band, then everybody who was told."""
    _be_quiet(draft, Phase.ACKNOWLEDGED, but=leg_id)
    draft.change(acknowledged_by=by, acknowledged_contact=contact, acknowledged_at=at, acknowledged_via=via)
    draft.set_timer("ack", draft.incident.plan.ack_timeout_s)
    draft.orders.append(TellBand(command="help_is_coming"))
    told = told_so_far(draft.incident)
    mine = {person.phone for person in told if person.contact == contact}
    tell(draft, (person for person in told if person.phone not in mine), "taken")
    if via == "text":
        tell(draft, (person for person in told if person.contact == contact), "confirmed")


def take(draft: Draft, event: Acknowledged) -> None:
    """A person takes it on without a leg."""
    person = next((one for one in told_so_far(draft.incident) if event.by in {one.contact, one.name}), None)
    by, contact = (person.name, person.contact) if person else (event.by, "")
    _taken_by(draft, by=by, contact=contact, at=event.at, via=event.via)


def _confirm(draft: Draft, event: KeyPressed | LegReported) -> bool:
    """Write a 1 down on its leg; False when this very press was written down before."""
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


def key(draft: Draft, event: KeyPressed) -> None:
    """A digit: 1 takes it, 2 passes it on, others mean nothing; any leg of this incident will do."""
    incident = draft.incident
    if not incident.owns(event.leg_id):
        return
    facts = incident.leg(event.leg_id)
    contact = facts.leg.contact if facts else contact_of(event.leg_id)
    if event.digit == DECLINE_KEY:
        ladder.decline(draft, event.leg_id, contact)
    elif event.digit == TAKE_KEY and _confirm(draft, event):
        person = incident.contact(contact)
        name = facts.leg.name if facts else person.name if person else contact
        _taken_by(draft, by=name, contact=contact, at=event.at, via=event.via, leg_id=event.leg_id)


def report(draft: Draft, event: LegReported) -> None:
    """While people are being rung."""
    if event.state is LegState.CONFIRMED:
        key(draft, KeyPressed(leg_id=event.leg_id, digit=TAKE_KEY, at=event.at))
        return
    facts = draft.hear(event)
    if facts is None:
        return
    if facts.leg.channel is Channel.TEXT:
        retry_texts(draft)
        return
    if facts.heard in LIVE and not facts.is_open:
        draft.orders.append(HangUp(leg_id=facts.leg.leg_id))
    ladder.call_changed(draft, facts)


def quiet_report(draft: Draft, event: LegReported) -> None:
    """When nobody is to be rung any more: a call that comes to life after all is ended."""
    facts = draft.hear(event)
    if facts is None:
        return
    if facts.leg.channel is Channel.TEXT:
        retry_texts(draft)
    elif facts.is_open and facts.state is not LegState.AMBIGUOUS:
        draft.close(facts, LegState.HUNG_UP)
    elif facts.heard in LIVE:
        draft.orders.append(HangUp(leg_id=facts.leg.leg_id))


def quiet_key(draft: Draft, event: KeyPressed) -> None:
    """Somebody else has it already, or it is over: the 1 is kept on its leg."""
    if event.digit == TAKE_KEY:
        _confirm(draft, event)


def resolve(draft: Draft, event: Resolved) -> None:
    """A person closes it."""
    _be_quiet(draft, Phase.RESOLVED)
    draft.change(resolved_by=event.by, resolved_at=event.at, note=event.note or None)


# --------------------------------------------------------------------------- timers


def _calls_due(draft: Draft) -> None:
    """Nobody took it on the texts alone: ring; a plan without calls turns to the staff instead."""
    if draft.incident.plan.calls:
        ladder.begin_cycle(draft)
    else:
        tell_staff_once(draft)
        ladder.exhaust(draft)


def _repeat_due(draft: Draft) -> None:
    if draft.incident.plan.calls:
        ladder.begin_cycle(draft, remind="reminder")
    else:
        retry_texts(draft)
        draft.set_timer("repeat", draft.incident.plan.repeat_after_s)


def _ack_due(draft: Draft) -> None:
    """Taken, and not closed in time: ring again, the next contact first."""
    ladder.begin_cycle(draft, remind="unresolved", after=draft.incident.acknowledged_contact)


TIMERS: MappingProxyType[str, tuple[frozenset[Phase], Callable[[Draft], None]]] = MappingProxyType(
    {
        "calls": (frozenset({Phase.NOTIFYING}), _calls_due),
        "guard": (frozenset({Phase.NOTIFYING}), ladder.guard_due),
        "settle": (frozenset({Phase.NOTIFYING}), lambda draft: ladder.advance(draft, force=True)),
        "pause": (frozenset({Phase.NOTIFYING}), lambda draft: ladder.advance(draft, paused=True)),
        "repeat": (frozenset({Phase.EXHAUSTED}), _repeat_due),
        "ack": (frozenset({Phase.ACKNOWLEDGED}), _ack_due),
        "position": (frozenset({Phase.NOTIFYING, Phase.EXHAUSTED, Phase.ACKNOWLEDGED}), tell_position),
        "texts": (frozenset(Phase) - {Phase.OPEN, Phase.RESOLVED}, retry_texts),
    }
)
"""Every timer of the cascade: the phases in which it means something, and what it does."""


def timer(draft: Draft, event: TimerDue) -> None:
    """Honour a timer that is pending; one that was moved, cleared or has come before is no news.

    Either clock may have been stepped: the event's own time or ours being there is enough.
    """
    pending = next((timer for timer in draft.incident.timers if timer.name == event.name), None)
    if pending is None or max(event.due_at, draft.now) < pending.due_at - EARLY:
        return
    draft.timer_went_off(event.name)
    phases, act = TIMERS[event.name]
    if draft.incident.phase in phases:
        act(draft)
