"""Who of the register wears which band: suggested by the roster's name and home, said by the committee.

No Flask; time and people are passed in. The caller commits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from portal.care.changes import rights_changed
from portal.care.models import Wearer
from portal.people import register
from portal.people.addresses import spot_of
from portal.people.models import Organisation, Resident
from portal.policy import Viewer


def suggestions(session: Session, wearers: Sequence[Wearer]) -> dict[int, Resident]:
    """Who each wearer probably is: the same name at the same home, else the same name and year of birth.

    Nobody is suggested where two people fit equally, or where the person has a band already.
    """
    open_ones = [wearer for wearer in wearers if wearer.resident_id is None]
    names = {wearer.name for wearer in open_ones}
    taken = sa.select(Wearer.resident_id).where(Wearer.resident_id.is_not(None), Wearer.present)
    query = sa.select(Resident).where(
        Resident.name.in_(names), Resident.left_at.is_(None), Resident.id.not_in(taken)
    )
    query = query.options(joinedload(Resident.household).joinedload(Organisation.parent))
    people = list(session.scalars(query))
    found = {}
    for wearer in open_ones:
        alike = [one for one in people if (one.name, one.community) == (wearer.name, wearer.community)]
        here = [one for one in alike if lives_at(one, wearer.home)]
        born = [one for one in alike if one.birth_date and one.birth_date.year == wearer.birth_year]
        best = here or born
        if len(best) == 1:
            found[wearer.id] = best[0]
    return found


def lives_at(person: Resident, home: str) -> bool:
    """Whether a home as the roster writes it is this person's household."""
    household = person.household
    if household is None or household.parent is None:
        return False
    spot = spot_of(home)
    return spot is not None and spot == spot_of(household.parent.name + household.name)


def link(session: Session, wearer: Wearer, person: Resident | None, *, by: Viewer, at: dt.datetime) -> None:
    """Say who a wearer is, or (None) that this is not known; their place follows, and who may see them."""
    before = session.get(Resident, wearer.resident_id) if wearer.resident_id else None
    _set(session, wearer, person)
    if before is not None and before is not person:
        register.note(session, before, "unlink_wearer", by=by, at=at)
    if person is not None and before is not person:
        register.note(session, person, "link_wearer", by=by, at=at)
    rights_changed(session, wearer.id)


def link_for_demonstration(session: Session, wearer: Wearer) -> None:
    """Tie an invented wearer to the invented person of the register, once."""
    known = session.get(Resident, wearer.resident_id) if wearer.resident_id else None
    found = known or suggestions(session, [wearer]).get(wearer.id)
    if found is not None and lives_at(found, wearer.home):
        _set(session, wearer, found)


def follow(session: Session, people: Sequence[Resident]) -> None:
    """The bands of these people live where they live now."""
    ids = [person.id for person in people]
    for wearer in session.scalars(sa.select(Wearer).where(Wearer.resident_id.in_(ids))):
        place = wearer.place
        _set(session, wearer, session.get(Resident, wearer.resident_id))
        if wearer.place != place:
            rights_changed(session, wearer.id)


def _set(session: Session, wearer: Wearer, person: Resident | None) -> None:
    wearer.resident_id = person.id if person is not None else None
    home = session.get(Organisation, person.household_id) if person and person.household_id else None
    if home is None:
        home = session.scalar(sa.select(Organisation).where(Organisation.code == wearer.community))
    wearer.place = home.path if home is not None else ""
    session.flush()
