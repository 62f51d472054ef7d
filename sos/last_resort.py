"""What is left when no telephone helps: the siren on the spot, and a BeiDou message to a station.

The siren sounds when everybody was rung in vain, or as soon as a leg could not leave the house,
and until the first person takes it. A drill never sounds it.
The stations are told when a leg could not leave the house, and again every `BEIDOU_AGAIN_S`
while that is still so and the station has not answered.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

from sos import beidou
from sos.draft import RANK, Draft
from sos.events import Channel, LegState
from sos.incident import Incident, LegFacts, Phase
from sos.plan import Contact

SITE = Contact(contact="siren", name="警报器", phone="", role="site")
BEIDOU_AGAIN_S = 300
"""A card may send about once a minute, and there may be several incidents."""
STUCK_S = 900
"""An attempt nothing was heard of for so long is not waited for any more."""
EARLY_S = 1
ALARMING = frozenset({"alarm", "worse", "reminder", "unresolved"})
"""Texts that ask for help; the others only tell news."""
UNANSWERED = frozenset({Phase.NOTIFYING, Phase.EXHAUSTED})


def nobody_has_it(incident: Incident) -> bool:
    """Whether everybody is still wanted."""
    return incident.phase in UNANSWERED and not incident.takers


def not_reached(draft: Draft, facts: LegFacts) -> None:
    """A leg has ended: if it could not leave the house, sound the siren and tell the stations.

    A siren that went off by itself in this cycle is not ordered again here but when the cycle is through.
    """
    if facts.heard is not LegState.UNREACHED or facts.leg.purpose not in ALARMING:
        return
    incident = draft.incident
    if not any(one.leg.round >= incident.cycle_round for one in incident.legs_of(Channel.SIREN)):
        sound_siren(draft)
    tell_stations(draft)


# --------------------------------------------------------------------------- the siren


def sound_siren(draft: Draft) -> None:
    """Sound it, unless it sounds already, somebody has it, or it is a drill."""
    incident = draft.incident
    wanted = incident.plan.siren and not incident.drill and nobody_has_it(incident)
    if not wanted or incident.open_sirens():
        return
    number = max(1, incident.round)
    attempts = [one.leg.attempt for one in incident.legs_of(Channel.SIREN) if one.leg.round == number]
    draft.sound_siren(SITE, number=number, attempt=max(attempts, default=0) + 1)


def silence_siren(draft: Draft) -> None:
    """Somebody has it, or it is over."""
    for facts in draft.incident.open_sirens():
        draft.close(facts, LegState.HUNG_UP)


# --------------------------------------------------------------------------- the stations


def beidou_body(incident: Incident) -> str | None:
    """The twenty bytes in hexadecimal; None when the wearer has no number or it cannot be said in them."""
    subject = incident.subject
    if subject.beidou_number is None:
        return None
    known = incident.lat is not None and incident.lon is not None
    try:
        body = beidou.pack(
            beidou.BeidouAlarm(
                number=subject.beidou_number,
                kind=subject.kind if subject.kind in beidou.KINDS else "band",
                at=incident.opened_at,
                seq=crc32(incident.incident_id.encode()) & 0xFF,
                lat=incident.lat if known else None,
                lon=incident.lon if known else None,
                heart_rate_bpm=subject.heart_rate_bpm,
                battery_pct=subject.battery_pct,
                drill=incident.drill,
            )
        )
    except (ValueError, OverflowError, struct.error):
        return None
    return body.hex()


def telephones_are_dead(incident: Incident) -> bool:
    """Whether the newest word of any telephone is that it could not be reached."""
    heard = [
        facts
        for facts in incident.legs
        if facts.leg.channel in {Channel.TEXT, Channel.CALL} and RANK[facts.heard] >= RANK[LegState.PLACED]
    ]
    newest = max(heard, key=lambda facts: facts.at, default=None)
    return newest is not None and newest.heard is LegState.UNREACHED


def _waits(draft: Draft) -> Iterator[tuple[Contact, LegFacts | None, float]]:
    """Each station that has not answered, its last leg, and how long it is to wait in seconds."""
    for station in draft.incident.plan.stations:
        legs = [one for one in draft.incident.legs_of(Channel.BEIDOU) if one.leg.contact == station.contact]
        if any(one.heard in {LegState.DELIVERED, LegState.CONFIRMED} for one in legs):
            continue
        last = max(legs, key=lambda one: one.leg.attempt, default=None)
        if last is None:
            yield station, None, 0.0
        else:
            waited_s = (draft.now - last.ordered_at).total_seconds()
            yield station, last, min(BEIDOU_AGAIN_S, max(0.0, BEIDOU_AGAIN_S - waited_s))


def _is_stuck(draft: Draft, facts: LegFacts) -> bool:
    return (draft.now - facts.ordered_at).total_seconds() >= STUCK_S


def tell_stations(draft: Draft) -> None:
    """Send what is due now and set the timer for the next look; an attempt that never left is waited for."""
    incident = draft.incident
    body = beidou_body(incident)
    if body is None or not nobody_has_it(incident):
        return
    next_s: list[float] = []
    for station, last, left_s in _waits(draft):
        if left_s > EARLY_S:
            next_s.append(left_s)
            continue
        next_s.append(BEIDOU_AGAIN_S)
        if last is None:
            draft.send_beidou(station, body, number=max(1, incident.round), attempt=1)
        elif RANK[last.heard] >= RANK[LegState.ABSENT] or _is_stuck(draft, last):
            draft.send_beidou(station, body, number=last.leg.round, attempt=last.leg.attempt + 1)
    if next_s:
        draft.set_timer("beidou", min(next_s))
    else:
        draft.clear_timer("beidou")


def stations_due(draft: Draft) -> None:
    """The timer `beidou`: tell them again while no telephone works; the next dead leg begins anew."""
    if telephones_are_dead(draft.incident):
        tell_stations(draft)
