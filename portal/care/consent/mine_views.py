"""我自己: what a wearer sees of themself: where, how, who may see it, who looked, and how to take it back."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, render_template
from markupsafe import Markup

from portal.care import queries
from portal.care.cards import WearerCard, wearer_card
from portal.care.consent.page import Standing, guardians, standing
from portal.care.consent.sights import facts_of, sight_of
from portal.care.consent.who_looked import Look, looks_at
from portal.care.models import Guardianship, Wearer
from portal.care.sketch import sketch
from portal.db import db
from portal.people.models import Grant, User
from portal.people.models import Role as RoleRow
from portal.policy import Audience, Role, declare, is_wearer, only
from portal.security import viewer
from portal.words import now

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS_SHOWN = 10

blueprint = Blueprint("mine", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mine:
    """Everything a wearer is shown of themself."""

    wearer: Wearer
    card: WearerCard
    drawing: Markup | None
    standing: list[list[Standing]]
    looks: Sequence[Look]
    guardians: list[Guardianship]
    watchers: list[str]


@blueprint.get("/care/mine")
@declare(only(Role.WEARER))
def page() -> str:
    """The wearer's own page; "not found" for an account no wearer belongs to."""
    rows = [
        row
        for row in queries.visible_wearers(db.session, viewer(), absent=True)
        if is_wearer(viewer(), facts_of(row))
    ]
    if not rows:
        abort(HTTPStatus.NOT_FOUND)
    return render_template("care/mine.html", people=[_mine(row) for row in rows], everybody=Audience)


def _mine(wearer: Wearer) -> Mine:
    state, at = wearer.state, now()
    where = None if state is None else (state.lat, state.lon)
    return Mine(
        wearer=wearer,
        card=wearer_card(wearer, alarm=None, now=at, sight=sight_of(viewer(), wearer)),
        drawing=sketch(current_app.config["PORTAL"].map_dir, *where) if where is not None else None,
        standing=standing(wearer),
        looks=looks_at(db.session, wearer, at)[:LOOKS_SHOWN],
        guardians=guardians(wearer),
        watchers=_watchers(wearer),
    )


def _watchers(wearer: Wearer) -> list[str]:
    """The names of the staff and grid workers who watch over the place this wearer lives in."""
    offices = (Role.STAFF.value, Role.GRID_WORKER.value)
    users = db.session.scalars(
        sa.select(User).join(Grant, Grant.user_id == User.id).join(RoleRow).where(RoleRow.name.in_(offices))
    ).unique()
    return [
        user.name
        for user in users
        if any(
            grant.known in (Role.STAFF, Role.GRID_WORKER)
            and grant.organisation.community == wearer.community
            and wearer.place.startswith(grant.organisation.part)
            for grant in user.grants
        )
    ]
