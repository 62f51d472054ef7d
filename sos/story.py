"""The story of an incident: what each step of the cascade meant, in one line a person understands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sos.events import (
    Acknowledged,
    CancelPressed,
    Channel,
    Event,
    HangUp,
    KeyPressed,
    Leg,
    LegReported,
    LegState,
    Moved,
    Opened,
    Order,
    PlaceCall,
    PressedAgain,
    SendBeidou,
    SendText,
    SoundSiren,
    TellBand,
)
from sos.incident import Incident, Phase, Taker, contact_of


class What(StrEnum):
    """What a line of the story says."""

    OPENED = "opened"
    """`who` is the wearer, as in every line about the wearer; `detail` is the kind of the alarm."""
    PRESSED_AGAIN = "pressed_again"
    RAISED_AGAIN = "raised_again"
    """`detail` is how often by now."""
    MOVED = "moved"
    """`detail` says where, in words or in degrees."""
    CANCELLED = "cancelled"
    CANCEL_TOO_LATE = "cancel_too_late"
    ROUND_BEGAN = "round_began"
    """`detail` is the round; `who` is "family" or "staff"."""
    TEXT_ORDERED = "text_ordered"
    """`detail` is the leg's purpose."""
    CALL_ORDERED = "call_ordered"
    """`detail` is the round."""
    BEIDOU_ORDERED = "beidou_ordered"
    """`who` is the station."""
    SIREN_ON = "siren_on"
    SIREN_OFF = "siren_off"
    LEG = "leg"
    """What became known of a leg; `detail` is the leg's new state."""
    KEY = "key"
    """A digit; `detail` is the digit."""
    TAKEN = "taken"
    """Somebody took it on, and more people are wanted; `detail` is "1/2": so many of so many."""
    ACKNOWLEDGED = "acknowledged"
    """`detail` says how: call, text, portal or beidou."""
    NOT_CLOSED = "not_closed"
    """Taken on, and not closed in time: ringing again; `who` had it."""
    EXHAUSTED = "exhausted"
    BEGAN_AGAIN = "began_again"
    """`detail` counts how often it began from the top."""
    BAND_TOLD = "band_told"
    """`detail` is the order; `who` is whom the band is to ring (`call_back`)."""
    RESOLVED = "resolved"
    """`detail` is the note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `who` is a person's name (or empty), `channel` that of the leg, `carrier` its carrier."""

    at: datetime
    what: What
    who: str = ""
    channel: str = ""
    detail: str = ""
    carrier: str = ""


JOIN = "、"
UNTOLD = frozenset({LegState.ORDERED, LegState.INTENDED})
"""States of a leg that are our own affair: its order has a line already."""


def lines(
    before: Incident | None, event: Event, after: Incident, orders: Sequence[Order], now: datetime
) -> tuple[Line, ...]:
    """What one step of the cascade meant; empty for a step that was no news.

    `before` is the incident as it stood (None or in phase `open` at its opening), `after` and `orders` are
    what `sos.cascade.step` gave for `event` at `now`.
    The event itself comes first, then where the incident stands, then what became of other legs,
    then what was ordered.
    Names only: no line holds a telephone number.
    """
    if before is after and not orders:
        return ()
    told = _Telling(before or after, after, now)
    opening = before is None or (isinstance(event, Opened) and before.phase is Phase.OPEN)
    if opening:
        told.say(What.OPENED, at=after.opened_at, who=after.subject.name, detail=after.subject.kind)
    else:
        _event(told, event)
    if before is not None:
        _standing(told, event)
    _round(told, orders, since=before.round if before else 0)
    told.legs()
    for order in orders:
        _order(told, order)
    return tuple(told.found)


def joined(told: Iterable[Line]) -> tuple[Line, ...]:
    """The same story with neighbours that differ only in the person made one: "李建国、李晓梅"."""
    shorter: list[Line] = []
    for line in told:
        last = shorter[-1] if shorter else None
        if last is not None and line.who and replace(line, who=last.who) == last:
            if line.who not in last.who.split(JOIN):
                shorter[-1] = replace(last, who=f"{last.who}{JOIN}{line.who}")
        else:
            shorter.append(line)
    return tuple(shorter)


class _Telling:
    """The lines of one step while they are found."""

    __slots__ = ("after", "before", "found", "now", "told_legs")

    def __init__(self, before: Incident, after: Incident, now: datetime) -> None:
        self.before = before
        self.after = after
        self.now = now
        self.found: list[Line] = []
        self.told_legs: set[str] = set()

    def say(self, what: What, *, at: datetime | None = None, who: str = "", detail: str = "") -> None:
        """Add a line that is about no leg; a time ahead of ours is ours."""
        self.found.append(Line(at=min(at or self.now, self.now), what=what, who=who, detail=detail))

    def of_leg(self, what: What, leg: Leg, detail: str, *, at: datetime | None = None) -> None:
        """Add a line about a leg."""
        facts = self.after.leg(leg.leg_id)
        self.found.append(
            Line(
                at=min(at or self.now, self.now),
                what=what,
                who=leg.name,
                channel=leg.channel.value,
                detail=detail,
                carrier=(facts.carrier if facts else None) or "",
            )
        )

    def legs(self) -> None:
        """Add a line for every leg known before of which more is known now."""
        known = {facts.leg.leg_id: facts for facts in self.before.legs}
        for facts in self.after.legs:
            leg_id = facts.leg.leg_id
            old = known.get(leg_id)
            if old is None or old.state is facts.state or facts.state in UNTOLD or leg_id in self.told_legs:
                continue
            if facts.leg.channel is Channel.SIREN and facts.state is LegState.HUNG_UP:
                continue  # its order says so
            self.of_leg(What.LEG, facts.leg, facts.state.value, at=facts.at)


def _event(told: _Telling, event: Event) -> None:
    """What happened, where it is more than what the rest of the lines say."""
    before, after = told.before, told.after
    wearer = after.subject.name
    match event:
        case PressedAgain(at=at):
            if after.presses > before.presses:
                what = What.PRESSED_AGAIN if after.subject.kind == "sos" else What.RAISED_AGAIN
                told.say(what, at=at, who=wearer, detail=str(after.presses))
            _position(told, at)
        case Moved(at=at):
            _position(told, at)
        case CancelPressed(at=at):
            over = after.phase is Phase.CANCELLED
            told.say(What.CANCELLED if over else What.CANCEL_TOO_LATE, at=at, who=wearer)
        case LegReported(leg_id=leg_id):
            facts = after.leg(leg_id)
            old = before.leg(leg_id)
            if facts and old and facts.state is not old.state and facts.state not in UNTOLD:
                told.of_leg(What.LEG, facts.leg, facts.state.value, at=event.at)
                told.told_legs.add(leg_id)
        case KeyPressed(leg_id=leg_id, digit=digit, at=at, via=via):
            _key(told, leg_id, digit, at, via)
        case _:
            pass


def _position(told: _Telling, at: datetime) -> None:
    """A new position is worth a line when people were told of it or when the place has another name."""
    before, after = told.before, told.after
    renamed = bool(after.where) and after.where != before.where
    if after.position_texts > before.position_texts or renamed:
        degrees = "" if after.lat is None or after.lon is None else f"{after.lat:.5f},{after.lon:.5f}"
        told.say(What.MOVED, at=at, who=after.subject.name, detail=after.where or degrees)


def _key(told: _Telling, leg_id: str, digit: str, at: datetime, via: str) -> None:
    facts = told.after.leg(leg_id)
    if facts is not None:
        told.of_leg(What.KEY, facts.leg, digit, at=at)
        told.told_legs.add(leg_id)
        return
    contact = contact_of(leg_id)
    person = told.after.contact(contact)
    line = Line(at=min(at, told.now), what=What.KEY, who=person.name if person else contact, detail=digit)
    told.found.append(replace(line, channel=via))


def _standing(told: _Telling, event: Event) -> None:
    """Where the incident stands now, where that is news."""
    before, after = told.before, told.after
    came = after.phase if after.phase is not before.phase else None
    if before.phase is Phase.ACKNOWLEDGED and came in {Phase.NOTIFYING, Phase.EXHAUSTED}:
        told.say(What.NOT_CLOSED, who=before.acknowledged_by or "")
    elif came is Phase.NOTIFYING and before.phase is Phase.EXHAUSTED:
        told.say(What.BEGAN_AGAIN, detail=str(after.cycle))
    fresh = _fresh_takers(before, after)
    if came is Phase.ACKNOWLEDGED:
        who = fresh[-1].name if fresh else after.acknowledged_by or ""
        told.say(What.ACKNOWLEDGED, at=getattr(event, "at", None), who=who, detail=_via(event, after))
    else:
        counted = f"{len(after.takers)}/{after.acks_needed}"
        for taker in fresh:
            told.say(What.TAKEN, at=taker.at, who=taker.name, detail=counted)
    if came is Phase.EXHAUSTED:
        told.say(What.EXHAUSTED)
    if came is Phase.RESOLVED:
        told.say(What.RESOLVED, at=after.resolved_at, who=after.resolved_by or "", detail=after.note or "")


def _fresh_takers(before: Incident, after: Incident) -> tuple[Taker, ...]:
    """Who took it on in this step."""
    return tuple(taker for taker in after.takers if taker not in before.takers)


def _via(event: Event, after: Incident) -> str:
    """How it was taken on: call, text, portal, beidou."""
    match event:
        case Acknowledged(via=via) | KeyPressed(via=via):
            return via
        case _:
            return after.acknowledged_via or ""


def _round(told: _Telling, orders: Sequence[Order], *, since: int) -> None:
    """A round later than round `since` began, if there is anybody to ring in it."""
    after = told.after
    rings = any(isinstance(order, PlaceCall) and order.leg.round == after.round for order in orders)
    if after.round > since and (rings or after.queue):
        told.say(What.ROUND_BEGAN, who=after.ladder.value, detail=str(after.round))


def _order(told: _Telling, order: Order) -> None:
    """What is to be done, one line an order; timers and the end of a call need none."""
    match order:
        case SendText(leg=leg):
            told.of_leg(What.TEXT_ORDERED, leg, leg.purpose)
        case PlaceCall(leg=leg):
            told.of_leg(What.CALL_ORDERED, leg, str(leg.round))
        case SendBeidou(leg=leg):
            told.of_leg(What.BEIDOU_ORDERED, leg, leg.purpose)
        case SoundSiren(leg=leg):
            told.of_leg(What.SIREN_ON, leg, "")
        case HangUp(leg_id=leg_id):
            facts = told.after.leg(leg_id) or told.before.leg(leg_id)
            if facts is not None and facts.leg.channel is Channel.SIREN:
                told.of_leg(What.SIREN_OFF, facts.leg, "")
        case TellBand(command=command, phone=phone):
            told.say(What.BAND_TOLD, who=_name_of(told.after, phone), detail=command)
        case _:
            pass


def _name_of(incident: Incident, phone: str) -> str:
    """Whose telephone it is, empty where the plan does not know: a number never becomes a line."""
    people = (*incident.plan.family, *incident.plan.staff)
    return next((person.name for person in people if phone and person.phone == phone), "")
