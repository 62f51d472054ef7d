"""The moves of the cascade: what one event does to one incident, each a small function over a draft.

Which move belongs to which phase is the table's business (`sos.cascade`); nothing here asks for the phase
unless the same move differs in a word.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import MappingProxyType

from sos import ladder, last_resort, taking
from sos.closing import be_quiet, end_drill
from sos.draft import LIVE, Draft
from sos.events import (
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
from sos.incident import LegFacts, Phase
from sos.plan import diallable
from sos.subject import Subject
from sos.telling import (
    LIVE_PHASES,
    concerned,
    duty_staff,
    retry_texts,
    tell,
    tell_position,
    tell_staff,
    told_so_far,
)

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
        tell_staff(draft)
    if plan.calls and plan.calls_after_s == 0:
        ladder.begin_cycle(draft)
    else:
        draft.set_timer("calls", plan.calls_after_s if plan.calls else plan.repeat_after_s)


def _move_to(draft: Draft, event: Moved | PressedAgain) -> None:
    seen_at = draft.incident.position_at
    if event.lat is None or event.lon is None or (seen_at is not None and event.at < seen_at):
        return
    draft.change(
        lat=event.lat, lon=event.lon, where=event.where, where_en=event.where_en, position_at=event.at
    )


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
    if event.worse is not None:
        _grow_worse(draft, event.worse)
    else:
        tell_position(draft)
    if incident.phase is Phase.EXHAUSTED and incident.plan.calls:
        ladder.begin_cycle(draft, remind=None if event.worse else "reminder")


def _grow_worse(draft: Draft, worse: Subject) -> None:
    """Say what it is about now to whoever has it, else to all told so far; ring if nobody was rung yet."""
    draft.change(subject=worse)
    incident = draft.incident
    if incident.phase not in LIVE_PHASES:
        return
    tell(draft, concerned(incident), "worse", number=incident.presses)
    draft.change(told_lat=incident.lat, told_lon=incident.lon, presses_told=incident.presses)
    if incident.plan.calls and incident.has_timer("calls"):
        draft.clear_timer("calls")
        ladder.begin_cycle(draft)


def cancel(draft: Draft, event: CancelPressed) -> None:
    """The wearer takes it back; people are asked to check all the same.

    Too late it changes nothing in the ringing, and everybody told so far hears of it once.
    From before the press it means nothing.
    """
    incident = draft.incident
    after = event.at - incident.opened_at
    if after < timedelta(0):
        return
    if after > timedelta(seconds=incident.plan.cancel_window_s):
        if incident.cancel_asked_at is None and incident.phase in LIVE_PHASES:
            draft.change(cancel_asked_at=event.at)
            tell(draft, told_so_far(draft.incident), "cancel_asked")
        return
    be_quiet(draft, Phase.CANCELLED)
    staff = duty_staff(incident, draft.now)
    told = [one for one in incident.plan.staff if one in staff or one.contact in incident.told_staff]
    tell(draft, (*incident.plan.family, *told), "cancelled")
    draft.orders.append(TellBand(command="cancelled"))


def resolve(draft: Draft, event: Resolved) -> None:
    """A person closes it; people are told of the end of a drill."""
    told = () if draft.incident.phase is Phase.OPEN else told_so_far(draft.incident)
    be_quiet(draft, Phase.RESOLVED)
    draft.change(resolved_by=event.by, resolved_at=event.at, note=event.note or None, verdict=event.verdict)
    if draft.incident.drill:
        tell(draft, told, "drill_over")


# --------------------------------------------------------------------------- what is heard of legs


def report(draft: Draft, event: LegReported) -> None:
    """While people are being told."""
    if event.state is LegState.CONFIRMED:
        taking.key(draft, _as_key(draft, event))
        return
    facts = draft.hear(event)
    if facts is None:
        return
    match facts.leg.channel:
        case Channel.TEXT:
            retry_texts(draft)
        case Channel.CALL:
            _end_if_unwanted(draft, facts)
            ladder.call_changed(draft, facts)
        case Channel.SIREN:
            _end_if_unwanted(draft, facts)
        case Channel.BEIDOU:
            return
    last_resort.not_reached(draft, facts)


def _as_key(draft: Draft, event: LegReported) -> KeyPressed:
    facts = draft.incident.leg(event.leg_id)
    via = Channel.CALL if facts is None else facts.leg.channel
    return KeyPressed(leg_id=event.leg_id, digit=taking.TAKE_KEY, at=event.at, via=via.value)


def _end_if_unwanted(draft: Draft, facts: LegFacts) -> None:
    """What we ended comes to life after all: end it again."""
    if facts.heard in LIVE and not facts.is_open:
        draft.orders.append(HangUp(leg_id=facts.leg.leg_id))


def late_report(draft: Draft, event: LegReported) -> None:
    """Somebody has it: a 1 that comes as a state of its leg is a late 1."""
    if event.state is LegState.CONFIRMED:
        taking.late_key(draft, _as_key(draft, event))
    else:
        quiet_report(draft, event)


def quiet_report(draft: Draft, event: LegReported) -> None:
    """When nobody is to be rung any more: a call or a siren that comes to life after all is ended."""
    facts = draft.hear(event)
    if facts is None:
        return
    if facts.leg.channel is Channel.TEXT:
        retry_texts(draft)
    elif facts.leg.channel is Channel.BEIDOU:
        return
    elif facts.is_open and facts.state is not LegState.AMBIGUOUS:
        draft.close(facts, LegState.HUNG_UP)
    else:
        _end_if_unwanted(draft, facts)


# --------------------------------------------------------------------------- timers


def _calls_due(draft: Draft) -> None:
    """Nobody took it on the texts alone: ring; a plan without calls turns to the staff instead."""
    if draft.incident.plan.calls:
        ladder.begin_cycle(draft)
    else:
        tell_staff(draft)
        ladder.exhaust(draft)


def _repeat_due(draft: Draft) -> None:
    """Begin again; a plan without calls tells whoever has not been told and sounds the siren."""
    incident = draft.incident
    if incident.plan.calls:
        ladder.begin_cycle(draft, remind="reminder")
    else:
        number = incident.round + 1
        draft.change(round=number, cycle=max(1, incident.cycle) + 1, cycle_round=number)
        tell_staff(draft)
        retry_texts(draft)
        draft.set_timer("repeat", incident.plan.repeat_after_s)
    last_resort.sound_siren(draft)


def _ack_due(draft: Draft) -> None:
    """Taken, and not closed in time: ring again, the next contact first; a drill ends instead."""
    incident = draft.incident
    if incident.drill:
        end_drill(draft)
        return
    draft.change(takers=(), call_back_to=None, round=max(1, incident.round))
    ladder.begin_cycle(draft, remind="unresolved", after=incident.acknowledged_contact)


TIMERS: MappingProxyType[str, tuple[frozenset[Phase], Callable[[Draft], None]]] = MappingProxyType(
    {
        "calls": (frozenset({Phase.NOTIFYING}), _calls_due),
        "guard": (frozenset({Phase.NOTIFYING}), ladder.guard_due),
        "settle": (frozenset({Phase.NOTIFYING}), lambda draft: ladder.advance(draft, force=True)),
        "pause": (frozenset({Phase.NOTIFYING}), lambda draft: ladder.advance(draft, paused=True)),
        "repeat": (frozenset({Phase.EXHAUSTED}), _repeat_due),
        "ack": (frozenset({Phase.ACKNOWLEDGED}), _ack_due),
        "call_back": (frozenset({Phase.NOTIFYING, Phase.ACKNOWLEDGED}), taking.call_back),
        "beidou": (last_resort.UNANSWERED, last_resort.stations_due),
        "position": (LIVE_PHASES, tell_position),
        "texts": (frozenset(Phase) - {Phase.OPEN}, retry_texts),
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
