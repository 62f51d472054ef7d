"""Who is texted what, how failed texts are sent again, and when a new position is worth a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta

from sos.draft import Draft
from sos.events import Channel, LegState
from sos.incident import Incident, LegFacts, Phase
from sos.plan import Contact, diallable

MAX_TEXT_ATTEMPTS = 6
TEXT_RETRY_S = 30
"""The second attempt goes out at once, the third after this, each later one after twice as long."""
NOTICEABLE_MOVE_M = 50
METRES_A_DEGREE = 111_195
EARLY_S = 1

RINGING_PHASES = frozenset({Phase.NOTIFYING, Phase.EXHAUSTED})
USEFUL = {
    "alarm": RINGING_PHASES,
    "reminder": RINGING_PHASES,
    "unresolved": RINGING_PHASES,
    "position": RINGING_PHASES | {Phase.ACKNOWLEDGED},
    "taken": frozenset({Phase.ACKNOWLEDGED}),
    "confirmed": frozenset({Phase.ACKNOWLEDGED}),
    "cancelled": frozenset({Phase.CANCELLED}),
}
"""In which phases a text that failed is still worth sending."""


def told_so_far(incident: Incident) -> tuple[Contact, ...]:
    """The family, and the staff once their ladder began."""
    return (*incident.plan.family, *(incident.plan.staff if incident.staff_told else ()))


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


def tell_staff_once(draft: Draft) -> None:
    """Text the duty staff the alarm, the first time their ladder begins."""
    if not draft.incident.staff_told:
        draft.change(staff_told=True)
        tell(draft, draft.incident.plan.staff, "alarm")


# --------------------------------------------------------------------------- texts that failed


def _is_last_attempt(incident: Incident, facts: LegFacts) -> bool:
    leg = facts.leg
    return not any(
        other.leg.attempt > leg.attempt
        and (other.leg.contact, other.leg.purpose, other.leg.round, other.leg.channel)
        == (leg.contact, leg.purpose, leg.round, leg.channel)
        for other in incident.legs
    )


def _may_retry(incident: Incident, facts: LegFacts) -> bool:
    return (
        facts.leg.channel is Channel.TEXT
        and facts.state in {LegState.FAILED, LegState.ABSENT}
        and facts.leg.attempt < MAX_TEXT_ATTEMPTS
        and incident.phase in USEFUL[facts.leg.purpose]
        and _is_last_attempt(incident, facts)
    )


def _retry(draft: Draft, facts: LegFacts) -> None:
    leg = facts.leg
    person = Contact(contact=leg.contact, name=leg.name, phone=leg.phone, role=leg.role, lang=leg.lang)
    draft.send_text(person, leg.purpose, number=leg.round, attempt=leg.attempt + 1)


def _wait_s(facts: LegFacts) -> float:
    return 0 if facts.leg.attempt == 1 else TEXT_RETRY_S * 2.0 ** (facts.leg.attempt - 2)


def retry_texts(draft: Draft) -> None:
    """Send again what failed and has waited long enough; set the timer `texts` for the rest."""
    later: list[float] = []
    for facts in draft.incident.legs:
        if not _may_retry(draft.incident, facts):
            continue
        since = facts.ended_at or facts.at
        left_s = _wait_s(facts) - (draft.now - since).total_seconds()
        if left_s <= EARLY_S:
            _retry(draft, facts)
        else:
            later.append(min(left_s, _wait_s(facts)))
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
    audience = told_so_far(incident)
    if incident.phase is Phase.ACKNOWLEDGED:
        who = incident.contact(incident.acknowledged_contact or "")
        audience = (who,) if who else audience
    number = incident.position_texts + 1
    draft.change(position_texts=number, position_text_at=draft.now)
    tell(draft, audience, "position", number=number)
    draft.change(told_lat=incident.lat, told_lon=incident.lon, presses_told=incident.presses)
    draft.clear_timer("position")
