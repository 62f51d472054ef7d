"""Who is texted what, how failed texts are sent again, and when a new position is worth a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from sos.draft import Draft
from sos.events import Channel, LegState
from sos.incident import Incident, LegFacts, Phase
from sos.last_resort import ALARMING
from sos.plan import Contact, diallable, on_duty_now

MAX_TEXT_FAILURES = 6
"""Refused or never placed; an attempt that could not leave the house is no failure and not bounded."""
TEXT_RETRY_S = 30
"""The second attempt goes out at once, the third after this, each later one after twice as long."""
UNREACHED_RETRY_S = 60
"""While nothing can leave the house, a text waits at most this long."""
NOTICEABLE_MOVE_M = 50
METRES_A_DEGREE = 111_195
EARLY_S = 1

RINGING_PHASES = frozenset({Phase.NOTIFYING, Phase.EXHAUSTED})
LIVE_PHASES = RINGING_PHASES | {Phase.ACKNOWLEDGED}
USEFUL = {
    "alarm": RINGING_PHASES,
    "reminder": RINGING_PHASES,
    "unresolved": RINGING_PHASES,
    "position": LIVE_PHASES,
    "worse": LIVE_PHASES,
    "joined": frozenset({Phase.NOTIFYING, Phase.ACKNOWLEDGED}),
    "taken": frozenset({Phase.ACKNOWLEDGED}),
    "confirmed": frozenset({Phase.NOTIFYING, Phase.ACKNOWLEDGED}),
    "cancel_asked": LIVE_PHASES,
    "cancelled": frozenset({Phase.CANCELLED}),
    "drill_over": frozenset({Phase.RESOLVED}),
}
"""In which phases a text that failed is still worth sending."""


def told_so_far(incident: Incident) -> tuple[Contact, ...]:
    """The family, and whoever of the staff was told."""
    staff = (one for one in incident.plan.staff if one.contact in incident.told_staff)
    return (*incident.plan.family, *staff)


def concerned(incident: Incident) -> tuple[Contact, ...]:
    """Whoever has it, else all who were told so far."""
    told = told_so_far(incident)
    if incident.phase is not Phase.ACKNOWLEDGED:
        return told
    return tuple(filter(None, (incident.contact(one.contact) for one in incident.takers))) or told


def tell(draft: Draft, people: Iterable[Contact], purpose: str, *, number: int | None = None) -> None:
    """Text these people, each telephone once; nobody when the plan sends no texts."""
    incident = draft.incident
    if not incident.plan.texts:
        return
    phones: set[str] = set()
    for person in people:
        if diallable(person.phone) and person.phone not in phones:
            phones.add(person.phone)
            draft.send_text(person, purpose, number=max(1, incident.round) if number is None else number)


def duty_staff(incident: Incident, now: datetime) -> tuple[Contact, ...]:
    """Whose business it is now: those on duty, everybody when nobody is or when it begins again.

    Those on duty stand first.
    """
    staff = incident.plan.staff
    there = on_duty_now(staff, now)
    if there and incident.cycle <= 1:
        return there
    return (*there, *(one for one in staff if one not in there))


def tell_staff(draft: Draft) -> None:
    """Text the alarm to those of the staff whose business it is and who have not had it yet."""
    incident = draft.incident
    new = [one for one in duty_staff(incident, draft.now) if one.contact not in incident.told_staff]
    if new:
        draft.change(told_staff=(*incident.told_staff, *(one.contact for one in new)))
        tell(draft, new, "alarm")


# --------------------------------------------------------------------------- texts that failed


def _series(facts: LegFacts) -> tuple[str, str, int]:
    return facts.leg.contact, facts.leg.purpose, facts.leg.round


def _standing_texts(incident: Incident) -> list[LegFacts]:
    """The texts nothing newer stands for, oldest first.

    A later attempt stands for the one before, a newer call for help for an older one to the same person.
    """
    seen: set[tuple[str, ...]] = set()
    standing: list[LegFacts] = []
    for facts in reversed(incident.legs_of(Channel.TEXT)):
        contact, purpose, number = _series(facts)
        key = (contact,) if purpose in ALARMING else (contact, purpose, str(number))
        if key not in seen:
            seen.add(key)
            standing.append(facts)
    return standing[::-1]


def _failures(incident: Incident, facts: LegFacts) -> int:
    """How often this text was refused or found never placed."""
    bad = {LegState.FAILED, LegState.ABSENT}
    return sum(one.state in bad and _series(one) == _series(facts) for one in incident.legs_of(Channel.TEXT))


def _may_retry(incident: Incident, facts: LegFacts) -> bool:
    if incident.phase not in USEFUL[facts.leg.purpose]:
        return False
    if facts.state in {LegState.FAILED, LegState.ABSENT}:
        return _failures(incident, facts) < MAX_TEXT_FAILURES
    return facts.state is LegState.UNREACHED


def _retry(draft: Draft, facts: LegFacts) -> None:
    leg = facts.leg
    person = Contact(contact=leg.contact, name=leg.name, phone=leg.phone, role=leg.role, lang=leg.lang)
    draft.send_text(person, leg.purpose, number=leg.round, attempt=leg.attempt + 1)


def _wait_s(incident: Incident, facts: LegFacts) -> float:
    if facts.leg.attempt == 1:
        return 0
    if facts.state is LegState.UNREACHED:
        return TEXT_RETRY_S if facts.leg.attempt == 2 else UNREACHED_RETRY_S  # noqa: PLR2004 - the second
    return TEXT_RETRY_S * 2.0 ** max(0, _failures(incident, facts) - 2)


def retry_texts(draft: Draft) -> None:
    """Send again what failed and has waited long enough; set the timer `texts` for the rest."""
    later: list[float] = []
    for facts in _standing_texts(draft.incident):
        if not _may_retry(draft.incident, facts):
            continue
        since = facts.ended_at or facts.at
        wait_s = _wait_s(draft.incident, facts)
        left_s = wait_s - (draft.now - since).total_seconds()
        if left_s <= EARLY_S:
            _retry(draft, facts)
        else:
            later.append(min(left_s, wait_s))
    if later:
        due_at = draft.now + timedelta(seconds=min(later))
        if not any(timer.name == "texts" and timer.due_at <= due_at for timer in draft.incident.timers):
            draft.set_timer("texts", min(later))


# --------------------------------------------------------------------------- where the wearer is


def metres_between(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Distance of two WGS-84 positions in metres, on a flat Earth: good for a neighbourhood."""
    north = (other_lat - lat) * METRES_A_DEGREE
    east = (other_lon - lon) * METRES_A_DEGREE * math.cos(math.radians((lat + other_lat) / 2))
    return math.hypot(north, east)


def _news_of_position(incident: Incident) -> bool:
    if incident.presses > incident.presses_told:
        return True
    if incident.lat is None or incident.lon is None:
        return False
    if incident.told_lat is None or incident.told_lon is None:
        return True
    moved_m = metres_between(incident.lat, incident.lon, incident.told_lat, incident.told_lon)
    return moved_m > NOTICEABLE_MOVE_M


def tell_position(draft: Draft) -> None:
    """Text the new position or the new press, once in the plan's interval at most; else wait for it."""
    incident = draft.incident
    interval_s = incident.plan.position_text_interval_s
    if not interval_s or incident.phase not in USEFUL["position"] or not _news_of_position(incident):
        return
    if incident.position_text_at is not None:
        left_s = interval_s - (draft.now - incident.position_text_at).total_seconds()
        if left_s > EARLY_S:
            if not incident.has_timer("position"):
                draft.set_timer("position", min(left_s, interval_s))
            return
    number = incident.position_texts + 1
    draft.change(position_texts=number, position_text_at=draft.now)
    tell(draft, concerned(incident), "position", number=number)
    draft.change(told_lat=incident.lat, told_lon=incident.lon, presses_told=incident.presses)
    draft.clear_timer("position")
