"""What a viewer may see of a wearer: the facts a decision rests on, read from rows, and the decision."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy.orm import joinedload, selectinload

from gateway.told import IncidentView
from portal.care.lost import models as lost_models  # noqa: F401  # a wearer's searches are looked for with the wearer
from portal.care.models import Consent, Incident, Wearer
from portal.policy import Audience, Data, Facts, Sight, Viewer, sight
from portal.words import now

RESTS_ON = (
    selectinload(Wearer.contacts),
    selectinload(Wearer.guardianships),
    selectinload(Wearer.consents),
    selectinload(Wearer.open_incidents),
    selectinload(Wearer.open_searches),
    joinedload(Wearer.resident),
)
"""What to load with wearers, so that deciding about many of them asks the store no more."""

NOTHING = Sight(location=False, health=False)

_view_decoder = msgspec.json.Decoder(IncidentView)


def facts_of(wearer: Wearer, at: datetime | None = None) -> Facts:
    """The facts about a wearer at a time, now where none is given."""
    at = now() if at is None else at
    held = [row for row in wearer.guardianships if row.holds(at)]
    return Facts(
        community=wearer.community,
        place=wearer.place,
        contact_phones=frozenset(contact.phone for contact in wearer.contacts),
        guardians=frozenset(row.user_id for row in held if row.objected_at is None),
        deciders=frozenset(row.user_id for row in held if row.decides and row.objected_at is None),
        paused=frozenset(row.user_id for row in held if row.objected_at is not None),
        own=wearer.resident.user_id if wearer.resident is not None else None,
        consents=consented(wearer.consents, at),
        emergency=any(is_emergency(incident) for incident in wearer.open_incidents),
        searched=any(search.shows(at) for search in wearer.open_searches),
    )


def sight_of(viewer: Viewer, wearer: Wearer) -> Sight:
    """What this viewer may see of this wearer now; of one they may not see at all, nothing."""
    return sight(viewer, facts_of(wearer)) or NOTHING


def first_end(wearers: Iterable[Wearer], at: datetime) -> datetime | None:
    """When the first consent, guardianship or search in force at a time ends by itself, if any does."""
    ends: list[datetime] = []
    for wearer in wearers:
        ends += [row.until for row in wearer.consents if row.until is not None and row.holds(at)]
        ends += [row.until for row in wearer.guardianships if row.until is not None and row.holds(at)]
        ends += [search.shows_until for search in wearer.open_searches if search.shows(at)]
    return min(ends, default=None)


def consented(consents: list[Consent], at: datetime) -> frozenset[tuple[Data, Audience]]:
    """The consents in force at a time."""
    return frozenset((Data(row.data), Audience(row.audience)) for row in consents if row.holds(at))


def is_emergency(incident: Incident) -> bool:
    """Whether somebody is needed at once: a drill shows nobody's ways."""
    return not _view_decoder.decode(incident.view).drill
