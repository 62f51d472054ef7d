"""The organisation tree: adding a place or a body under another."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.people.models import BODIES, PLACES, Organisation


class Misplaced(ValueError):
    """A place that cannot stand under that one, such as a street in a building."""


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
    made.path = f"{parent.path if parent is not None else '/'}{made.id}/"
    made.community = code if kind == "community" else parent.community if parent is not None else ""
    session.flush()
    return made


def stands_under(kind: str, parent_kind: str) -> bool:
    """Whether a place or body of one kind may stand directly under another: narrower places, and bodies."""
    if parent_kind not in PLACES:
        return False
    return kind in BODIES or PLACES.index(kind) > PLACES.index(parent_kind)


def inside(path: str) -> sa.ColumnElement[bool]:
    """Where an organisation is this place or lies in it."""
    return Organisation.path.startswith(path, autoescape=True)
