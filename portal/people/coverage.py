"""How far a community has come in: households claimed and residents registered, building by building."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.people.addresses import natural
from portal.people.models import Grant, Organisation, Resident, Role
from portal.people.organisations import inside
from portal.policy import Role as RoleName
from portal.policy import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One building: its households, how many of them are claimed, its residents, how many have an account."""

    community: str
    name: str
    households: int
    claimed: int
    residents: int
    accounts: int

    @property
    def share_pct(self) -> int:
        """Households claimed, of a hundred."""
        return self.claimed * 100 // self.households if self.households else 0


def buildings(session: Session, viewer: Viewer) -> list[Built]:
    """Every open building inside this viewer's own place, by community and number."""
    if not viewer.scope:
        return []
    building, home = aliased(Organisation), aliased(Organisation)
    homes = (
        sa.select(building.id, sa.func.count(home.id))
        .join(home, home.parent_id == building.id)
        .where(building.kind == "building", home.kind == "household", home.closed_at.is_(None))
        .group_by(building.id)
    )
    claimed = (
        sa.select(home.parent_id, sa.func.count(sa.distinct(home.id)))
        .join(Grant, Grant.organisation_id == home.id)
        .join(Role, Grant.role_id == Role.id)
        .where(home.kind == "household", home.closed_at.is_(None), Role.name == RoleName.RESIDENT.value)
        .group_by(home.parent_id)
    )
    people = (
        sa.select(home.parent_id, sa.func.count(Resident.id), sa.func.count(Resident.user_id))
        .join(Resident, Resident.household_id == home.id)
        .where(Resident.left_at.is_(None))
        .group_by(home.parent_id)
    )
    in_all = {row[0]: row[1] for row in session.execute(homes)}
    taken = {row[0]: row[1] for row in session.execute(claimed)}
    known = {row[0]: (row[1], row[2]) for row in session.execute(people)}
    open_ones = sa.select(Organisation).where(
        inside(viewer.scope), Organisation.kind == "building", Organisation.closed_at.is_(None)
    )
    rows = sorted(session.scalars(open_ones), key=lambda row: (row.community, natural(row.name)))
    return [
        Built(
            community=row.community,
            name=row.name,
            households=in_all.get(row.id, 0),
            claimed=taken.get(row.id, 0),
            residents=known.get(row.id, (0, 0))[0],
            accounts=known.get(row.id, (0, 0))[1],
        )
        for row in rows
    ]


def total(rows: list[Built]) -> Built:
    """All of them together."""
    return Built(
        community="",
        name="",
        households=sum(row.households for row in rows),
        claimed=sum(row.claimed for row in rows),
        residents=sum(row.residents for row in rows),
        accounts=sum(row.accounts for row in rows),
    )
