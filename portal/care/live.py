"""What live pages are told: small events without words; a page fetches the words in its own language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from portal.care.changes import can_replay, changes_after, newest_change
from portal.care.consent.sights import first_end, sight_of
from portal.care.models import Change, Incident, Wearer
from portal.care.queries import alarming_wearers, visible_sights, visible_wearers
from portal.care.sentences import initials
from portal.db import READ_ONLY
from portal.policy import Sight, Viewer
from portal.stream import RESET, LiveEvent, Source, ping
from portal.streaming.hub import Admission
from portal.words import now

REPLAY_CHANGES = 2_000
"""More missed changes than this are cheaper to reload than to replay."""
FOLLOW_CHANGES = 1_000
WHERE = ("lat", "lon", "accuracy_m", "source", "fix_at")
"""What of a marker is told only to those who may see where the wearer is."""


def source_of(maker: sessionmaker[Session]) -> Source:
    """What the hub's poller asks: the changes since a number, -1 for only the newest number."""

    def look(seen: int) -> tuple[int, list[LiveEvent]]:
        with maker() as session:
            session.connection(execution_options={READ_ONLY: True})
            if seen < 0:
                return newest_change(session), []
            changes = changes_after(session, seen, limit=FOLLOW_CHANGES)
            if not changes:
                return seen, []
            return changes[-1].seq, events_of(session, changes)

    return look


def sees(session: Session, who: Viewer) -> dict[int, bool]:
    """Whom this viewer may hear of, and whether also where they are."""
    return {id_: sight.location for id_, sight in visible_sights(session, who).items()}


def admit(session: Session, who: Viewer, after: int | None) -> Admission:
    """What a viewer who saw everything up to `after` is admitted with; None: who comes fresh.

    The newest change is read before the rights are: whatever changes rights later ends the stream.
    """
    judged_at = newest_change(session)
    rows = visible_wearers(session, who, absent=True)
    seen_by = {row.id: sight_of(who, row).location for row in rows}
    if after is None:
        seen, first = judged_at, []
    else:
        seen, events = missed(session, after)
        first = [RESET] if events is None else told(events, seen_by)
    return Admission(
        viewer=who,
        sees=seen_by,
        judged_at=judged_at,
        seen=seen,
        first=(*first, ping(seen)),
        rights_until=first_end(rows, now()),
    )


def told(events: list[LiveEvent], seen_by: Mapping[int, bool]) -> list[str]:
    """Events as text for a viewer who sees these wearers; anybody's new rights are a reason to look again."""
    return [
        event.encode(located=event.wearer is None or seen_by.get(event.wearer, False))
        for event in events
        if event.topic == "rights"
        or (event.topic != "account" and (event.wearer is None or event.wearer in seen_by))
    ]


def missed(session: Session, after: int) -> tuple[int, list[LiveEvent] | None]:
    """The newest number and the events after `after`; None when they cannot be replayed."""
    if not can_replay(session, after):
        return newest_change(session), None
    changes = changes_after(session, after, limit=REPLAY_CHANGES + 1)
    if len(changes) > REPLAY_CHANGES:
        return newest_change(session), None
    return (changes[-1].seq if changes else after), events_of(session, changes)


def events_of(session: Session, changes: list[Change]) -> list[LiveEvent]:
    """One event a subject, the newest change of each, in order of change."""
    newest = {(change.topic, change.subject): change for change in changes}
    wearers = _wearers(session, [change.subject for change in newest.values() if change.topic == "wearer"])
    codes = _incidents(session, [change.subject for change in newest.values() if change.topic == "incident"])
    events = []
    for change in sorted(newest.values(), key=lambda change: change.seq):
        data: dict[str, Any] | None = {}
        if change.topic == "wearer":
            data = wearers.get(change.subject)
        elif change.topic == "incident":
            code = codes.get(change.subject)
            data = None if code is None else {"incident": code, "wearer": change.wearer_id}
        if data is not None:
            events.append(_event(change, data))
    return events


def _event(change: Change, data: dict[str, Any]) -> LiveEvent:
    return LiveEvent(
        seq=change.seq,
        topic=change.topic,
        subject=change.subject,
        data={name: value for name, value in data.items() if name not in WHERE},
        where={name: value for name, value in data.items() if name in WHERE},
        wearer=change.wearer_id,
    )


def marker(wearer: Wearer, alarm: str | None, sight: Sight | None = None) -> dict[str, Any]:
    """A wearer as the map draws them; where they are only when that is known, and not against a `sight`."""
    state = wearer.state
    drawn: dict[str, Any] = {
        "id": wearer.id,
        "name": wearer.name,
        "initials": initials(wearer.name),
        "alarm": alarm,
        "heard_at": state.heard_at.isoformat() if state is not None and state.heard_at else None,
        "battery_pct": state.battery_pct if state is not None else None,
        "worn": state.worn if state is not None else None,
    }
    may_place = sight is None or sight.location
    if state is not None and state.fix_at is not None and may_place:
        drawn |= {
            "lat": state.lat,
            "lon": state.lon,
            "accuracy_m": state.accuracy_m,
            "source": state.source,
            "fix_at": state.fix_at.isoformat(),
        }
    return drawn


def _wearers(session: Session, ids: list[int]) -> dict[int, dict[str, Any]]:
    if not ids:
        return {}
    alarms = alarming_wearers(session, ids)
    rows = session.query(Wearer).filter(Wearer.id.in_(ids), Wearer.present)
    return {row.id: marker(row, alarms.get(row.id)) for row in rows}


def _incidents(session: Session, ids: list[int]) -> dict[int, str]:
    if not ids:
        return {}
    rows = session.query(Incident.id, Incident.code).filter(Incident.id.in_(ids))
    return {incident_id: code for incident_id, code in rows}  # noqa: C416  # `dict(rows)` would hide what they are
