"""The register of residents: who reads which part of it, finding people, and changing an entry on record.

No Flask; time, viewer and keys are passed in. The caller commits.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from portal import audit
from portal.people import identity
from portal.people.addresses import households
from portal.people.models import Organisation, Resident, ResidentGram
from portal.people.organisations import inside
from portal.policy import REGISTER_READERS, Viewer

PAGE: Final = 50
TAGS: Final = (
    "lives_alone",
    "empty_nest",
    "needs_care",
    "disabled",
    "low_income",
    "veteran",
    "party_member",
    "tenant",
)
MOST_ID: Final = 2**31 - 1
SEARCH_CHARACTERS: Final = 60
FIELDS: Final = ("name", "sex", "birth_date", "phone", "relation", "tags", "note", "household_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of the register is asked for; `place` is the path of a grid or a building."""

    text: str = ""
    place: str = ""
    tag: str = ""
    age_from: int | None = None
    left: bool = False
    page: int = 1


def readable(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which rows this viewer may read: those of the communities, or the part of one, that are theirs."""
    if not viewer.roles & REGISTER_READERS or not viewer.scope:
        return sa.false()
    if viewer.part:
        return Resident.household.has(inside(viewer.part))
    if viewer.community:
        return Resident.community == viewer.community
    theirs = sa.select(Organisation.code).where(Organisation.kind == "community", inside(viewer.scope))
    return Resident.community.in_(theirs)


def one(session: Session, viewer: Viewer, resident_id: int) -> Resident | None:
    """One entry, None when there is none or this viewer may not read it."""
    if not 0 < resident_id <= MOST_ID:
        return None
    return session.scalar(sa.select(Resident).where(Resident.id == resident_id, readable(viewer)))


def query(session: Session, viewer: Viewer, asked: Asked, *, today: dt.date) -> sa.Select[Resident]:
    """The entries that match, in the order of the names."""
    found = sa.select(Resident).where(readable(viewer)).options(selectinload(Resident.household))
    found = found.where(Resident.left_at.is_not(None) if asked.left else Resident.left_at.is_(None))
    if asked.place:
        found = found.where(Resident.household.has(inside(asked.place)))
    if asked.tag in TAGS:
        found = found.where(sa.cast(Resident.tags, sa.String).like(f'%"{asked.tag}"%'))
    if asked.age_from:
        found = found.where(Resident.birth_date <= years_before(today, asked.age_from))
    if asked.text:
        found = found.where(_matching(session, viewer, asked.text))
    return found.order_by(Resident.name, Resident.id)


def page_of(session: Session, viewer: Viewer, asked: Asked, *, today: dt.date) -> tuple[list[Resident], int]:
    """One page of the entries that match, and how many there are in all."""
    matching = query(session, viewer, asked, today=today)
    counted = sa.select(sa.func.count()).select_from(matching.order_by(None).subquery())
    rows = session.scalars(matching.offset((asked.page - 1) * PAGE).limit(PAGE))
    return list(rows), session.scalar(counted) or 0


def grams(text: str) -> set[str]:
    """The signs of a text and its pairs of neighbours, as the search keeps and asks for them."""
    plain = _folded(text)
    return set(plain) | {plain[at : at + 2] for at in range(len(plain) - 1)}


def _matching(session: Session, viewer: Viewer, text: str) -> sa.ColumnElement[bool]:
    home = households(session, viewer.community).find(text) if viewer.community else None
    if home is not None:
        return Resident.household_id == home.id
    plain = _folded(text[:SEARCH_CHARACTERS])
    wanted = {plain[at : at + 2] for at in range(len(plain) - 1)} or set(plain)
    if not wanted:
        return sa.true()
    ids = sa.select(ResidentGram.resident_id).where(ResidentGram.gram.in_(wanted))
    ids = ids.group_by(ResidentGram.resident_id).having(sa.func.count() == len(wanted))
    return Resident.id.in_(ids)


def _folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def index(session: Session, residents: Iterable[Resident]) -> None:
    """Keep what these people are found by: name and telephone; they must have been flushed."""
    found = list(residents)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(found), 500):
        ids = [person.id for person in found[start : start + 500]]
        session.execute(sa.delete(ResidentGram).where(ResidentGram.resident_id.in_(ids)))
    for person in found:
        national = person.phone.removeprefix("+86")
        rows += [{"gram": gram, "resident_id": person.id} for gram in grams(person.name) | grams(national)]
    if rows:
        session.execute(sa.insert(ResidentGram), rows)


def put(
    session: Session,
    person: Resident,
    values: dict[str, Any],
    *,
    by: Viewer,
    at: dt.datetime,
    id_number: str | None = None,
    secret_key: str = "",
) -> list[str]:
    """Give an entry these values and give the names of what changed; the audit record says who and when.

    `id_number` None leaves it as it is, empty takes it away. Nothing that did not change is on record.
    """
    new = person.id is None
    changed: list[str] = [name for name in FIELDS if name in values and getattr(person, name) != values[name]]
    for name in changed:
        setattr(person, name, values[name])
    if id_number is not None:
        found = identity.digest(id_number, secret_key=secret_key) if id_number else None
        if found != person.id_number_digest:
            person.id_number_digest = found
            person.id_number_sealed = identity.seal(id_number, secret_key=secret_key) if id_number else None
            changed.append("id_number")
    if not changed and not new:
        return []
    if new:
        person.created_at = at
        session.add(person)
    person.changed_at = at
    session.flush()
    if new or {"name", "phone"} & set(changed):
        index(session, [person])
    note(session, person, "add_resident" if new else "edit_resident", by=by, at=at, detail=", ".join(changed))
    return changed


def note(
    session: Session, person: Resident, action: str, *, by: Viewer, at: dt.datetime, detail: str = ""
) -> None:
    """Put on record what was done with an entry; no value of it is written down."""
    subject = f"resident:{person.id}"
    audit.record(session, at=at, actor=f"user:{by.user}", action=action, subject=subject, detail=detail)


def set_left(session: Session, person: Resident, *, left: bool, by: Viewer, at: dt.datetime) -> None:
    """Somebody moved away, or did not after all."""
    person.left_at = at if left else None
    person.changed_at = at
    session.flush()
    note(session, person, "left_resident" if left else "returned_resident", by=by, at=at)


def age_of(born: dt.date | None, today: dt.date) -> int | None:
    """Full years, None where the birth date is not known."""
    if born is None:
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def years_before(day: dt.date, years: int) -> dt.date:
    """The same day so many years ago; of a 29 February, the 28th."""
    year = max(1, day.year - years)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)
