"""An incident as the portal is told of it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model import Alarm
from gateway.told import IncidentView, LegView, NextStep
from sos.incident import Incident, LegFacts

STEPS: Mapping[str, NextStep] = {
    "calls": "call",
    "guard": "next_person",
    "settle": "next_person",
    "pause": "next_person",
    "repeat": "again",
    "ack": "unresolved",
}
"""The timers of the cascade that ring somebody, by what they bring."""


def as_view(incident: Incident, alarm: Alarm) -> IncidentView:
    """The whole incident; `alarm` is the one that opened it."""
    ringing = [timer for timer in incident.timers if timer.name in STEPS]
    due = None if incident.is_over else min(ringing, key=lambda timer: timer.due_at, default=None)
    return IncidentView(
        incident_id=incident.incident_id,
        ref=incident.ref,
        wearer=incident.wearer,
        kind=alarm.kind,
        severity=incident.subject.severity,  # type: ignore[arg-type]  # of the worst alarm, as the rules know them
        state=incident.phase.value,
        why=alarm.why,
        opened_at=incident.opened_at,
        legs=tuple(_leg(facts) for facts in incident.legs),
        presses=incident.presses,
        lat=incident.lat,
        lon=incident.lon,
        acks_wanted=incident.acks_needed,
        takers=tuple(taker.name for taker in incident.takers),
        acknowledged_by=incident.acknowledged_by,
        acknowledged_at=incident.acknowledged_at,
        resolved_by=incident.resolved_by,
        resolved_at=incident.resolved_at,
        note=incident.note,
        verdict=incident.verdict,
        late=incident.late,
        drill=incident.drill,
        next_step=None if due is None else STEPS[due.name],
        next_at=None if due is None else due.due_at,
    )


def _leg(facts: LegFacts) -> LegView:
    leg = facts.leg
    return LegView(
        leg_id=leg.leg_id,
        contact=leg.contact,
        name=leg.name,
        role=leg.role,  # type: ignore[arg-type]  # family, staff, station or site, as the roster made it
        channel=leg.channel.value,
        round=leg.round,
        attempt=leg.attempt,
        state=facts.state.value,
        purpose=leg.purpose,
        carrier=facts.carrier,
        at=facts.ordered_at,
        ended_at=facts.ended_at,
    )
