"""The organisation tree: adding, renaming, moving and closing places and bodies, each in one transaction.

The caller commits; every function leaves all paths, those of wearers too, as the tree then stands.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.people.models import BODIES, PLACES, Organisation, Resident

PARTS: Final = frozenset({"grid", "building", "household"})
"""The kinds inside a community."""
MOST_AT_ONCE: Final = 5000
PATH_CHARACTERS: Final = 200


class Misplaced(ValueError):
    """A place that cannot stand under that one, such as a street in a building."""


class Inhabited(ValueError):
    """A place that cannot be closed: somebody still lives there; `count` says how many."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} people live there")
        self.count = count


def find(session: Session, code: str) -> Organisation | None:
    """The place or body of this code."""
    return session.scalar(sa.select(Organisation).where(Organisation.code == code))


def add(
    session: Session, *, code: str, name: str, kind: str, parent: Organisation | None = None
) -> Organisation:
    """Add a place or body and give it its path; raises `Misplaced` where it cannot stand there."""
    if kind not in PLACES and kind not in BODIES:
        raise Misplaced(f"{kind} is no kind of place or body")
    if parent is not None and not stands_under(kind, parent.kind):
        raise Misplaced(f"a {kind} cannot stand under a {parent.kind}")
    made = Organisation(code=code, name=name, kind=kind, parent=parent)
    session.add(made)
    session.flush()
    _settle(made, parent)
    session.flush()
    return made


def add_many(
    session: Session, parent: Organisation, *, kind: str, named: Sequence[tuple[str, str]]
) -> list[Organisation]:
    """Add many places (code, name) of one kind under one parent, in two statements.

    Raises `Misplaced` where they cannot stand there, or where they are more than `MOST_AT_ONCE`.
    """
    if not stands_under(kind, parent.kind):
        raise Misplaced(f"a {kind} cannot stand under a {parent.kind}")
    if len(named) > MOST_AT_ONCE:
        raise Misplaced(f"{len(named)} places at once")
    made = [
        Organisation(code=code, name=name, kind=kind, parent_id=parent.id, path="") for code, name in named
    ]
    session.add_all(made)
    session.flush()
    for place in made:
        _settle(place, parent)
    session.flush()
    return made


def new_code(community: str) -> str:
    """A code for a place nobody gave one."""
    return f"{community[:40]}-{secrets.token_hex(6)}"


def move(session: Session, place: Organisation, under: Organisation) -> None:
    """Put a place, and all that lies in it, under another; raises `Misplaced` where it cannot stand there.

    What lies in a community stays in it: its gateways, bands and register go by the community's code.
    """
    if under.path.startswith(place.path):
        raise Misplaced("a place cannot lie in itself")
    if not stands_under(place.kind, under.kind) or under.closed_at is not None:
        raise Misplaced(f"a {place.kind} cannot stand under a {under.kind}")
    if place.kind != "community" and place.community != under.community:
        raise Misplaced("another community")
    old, new = place.path, f"{under.path}{place.id}/"
    place.parent_id = under.id
    session.flush()
    _repath(session, old, new)
    session.expire_all()


def close(session: Session, place: Organisation, *, at: datetime) -> int:
    """Close a place and all in it, and give how many; raises `Inhabited` while people live there."""
    living = residents_in(session, place.path)
    if living:
        raise Inhabited(living)
    closed = session.execute(
        sa.update(Organisation)
        .where(inside(place.path), Organisation.closed_at.is_(None))
        .values(closed_at=at)
    )
    session.expire_all()
    return int(getattr(closed, "rowcount", 0))


def reopen(session: Session, place: Organisation) -> None:
    """Open a closed place again, and only it; raises `Misplaced` while the one above it is closed."""
    if place.parent is not None and place.parent.closed_at is not None:
        raise Misplaced("the place above is closed")
    place.closed_at = None
    session.flush()


def residents_in(session: Session, path: str) -> int:
    """How many people of the register live in a place."""
    query = sa.select(sa.func.count(Resident.id)).join(Organisation, Resident.household_id == Organisation.id)
    return session.scalar(query.where(inside(path), Resident.left_at.is_(None))) or 0


def stands_under(kind: str, parent_kind: str) -> bool:
    """Whether a place or body of one kind may stand directly under another: narrower places, and bodies."""
    if parent_kind not in PLACES:
        return False
    if kind in PARTS and parent_kind not in PARTS | {"community"}:
        return False
    if kind == "household" and parent_kind != "building":
        return False
    if kind in BODIES:
        return parent_kind not in {"building", "household"}
    return kind in PLACES and PLACES.index(kind) > PLACES.index(parent_kind)


def kinds_under(parent_kind: str) -> list[str]:
    """Every kind that may stand directly under this one, places first."""
    return [kind for kind in (*PLACES, *BODIES) if stands_under(kind, parent_kind)]


def inside(path: str) -> sa.ColumnElement[bool]:
    """Where an organisation is this place or lies in it."""
    return Organisation.path.startswith(path, autoescape=True)


def line_of(session: Session, place: Organisation) -> list[Organisation]:
    """The place and all above it, the widest first."""
    ids = [int(step) for step in place.path.strip("/").split("/") if step]
    found = {row.id: row for row in session.scalars(sa.select(Organisation).where(Organisation.id.in_(ids)))}
    return [found[number] for number in ids if number in found]


def children_of(session: Session, places: Iterable[int]) -> list[Organisation]:
    """What stands directly under these places."""
    query = sa.select(Organisation).where(Organisation.parent_id.in_(list(places)))
    return list(session.scalars(query.order_by(Organisation.id)))


def _settle(place: Organisation, parent: Organisation | None) -> None:
    place.path = f"{parent.path if parent is not None else '/'}{place.id}/"
    if len(place.path) > PATH_CHARACTERS:
        raise Misplaced("too deep")
    above = parent.community if parent is not None else ""
    place.community = place.code if place.kind == "community" else above


def _repath(session: Session, old: str, new: str) -> None:
    """Give everything that lay under the old path the new one: places and wearers."""
    for table, column in (("organisation", "path"), ("wearer", "place")):
        target = sa.table(table, sa.column(column))
        here = target.c[column]
        rest = sa.func.substr(here, len(old) + 1)
        moved = sa.update(target).where(here.startswith(old, autoescape=True))
        session.execute(moved.values({column: sa.literal(new).concat(rest)}))
