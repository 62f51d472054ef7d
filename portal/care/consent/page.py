"""The page of a wearer's consents: each as it stands, what came before, who guards them, who looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import render_template

from portal import media
from portal.care.consent.sights import facts_of
from portal.care.consent.who_looked import looks_at
from portal.care.consent.words import AUDIENCE_WORDS, DATA_WORDS, Asked, asked, basis_words
from portal.care.guardians.record import LATELY, ended_since
from portal.care.models import Consent, Guardianship, Wearer
from portal.db import db
from portal.policy import REGISTRARS, Audience, Data, Role, consents_as, guards, is_paused, is_wearer
from portal.security import viewer
from portal.words import now


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One decision as it stands: given by whom and until when, or not given."""

    asked: Asked
    given: Consent | None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One consent of the history in words."""

    what: str
    who: str
    basis: str
    given_by: str
    proof: str
    paper: str
    granted_at: datetime
    until: datetime | None
    withdrawn_at: datetime | None
    withdrawn_by: str
    holds: bool


def consent_page(wearer: Wearer) -> str:
    """The page for who looks."""
    facts, who = facts_of(wearer), viewer()
    may_decide = consents_as(who, facts)
    theirs = guards(who, facts) or is_wearer(who, facts)
    return render_template(
        "care/consents.html",
        wearer=wearer,
        standing=standing(wearer),
        history=history(wearer, papers=may_decide is not None),
        basis=None if may_decide is None else may_decide.value,
        guardians=None if is_paused(who, facts) else guardians(wearer),
        may_object=theirs,
        looks=looks_at(db.session, wearer, now()) if theirs or Role.ADMIN in who.roles else None,
        judges=bool(REGISTRARS & who.roles),
    )


def standing(wearer: Wearer) -> list[list[Standing]]:
    """Every decision there is to make, by what it is about."""
    held = {(row.data, row.audience): row for row in wearer.consents if row.holds(now())}
    rows = []
    for data in Data:
        of_data = []
        for audience in Audience:
            given = held.get((data.value, audience.value))
            basis = "" if given is None else basis_words(given.basis)
            of_data.append(Standing(asked=asked(data, audience), given=given, basis=basis))
        rows.append(of_data)
    return rows


def history(wearer: Wearer, *, papers: bool) -> list[Past]:
    """Every consent there ever was, newest first; what was shown only for who may decide."""
    rows = sorted(wearer.consents, key=lambda row: (row.granted_at, row.id), reverse=True)
    kept = media.of_subjects(db.session, "consent", [row.id for row in rows]) if papers else {}
    return [
        Past(
            what=str(DATA_WORDS[row.data]),
            who=str(AUDIENCE_WORDS[row.audience]),
            basis=basis_words(row.basis),
            given_by=row.given_by,
            proof=row.proof if papers else "",
            paper=kept[row.id][-1].id if row.id in kept else "",
            granted_at=row.granted_at,
            until=row.until,
            withdrawn_at=row.withdrawn_at,
            withdrawn_by=row.withdrawn_by,
            holds=row.holds(now()),
        )
        for row in rows
    ]


def guardians(wearer: Wearer) -> list[Guardianship]:
    """Whoever guards this wearer now, or asks to; then who did until a while ago."""
    live = Guardianship.state.in_(("claimed", "confirmed"))
    query = sa.select(Guardianship).where(
        Guardianship.wearer_id == wearer.id, sa.or_(live, ended_since(now() - LATELY))
    )
    rows = db.session.scalars(query.order_by(Guardianship.ended_at.is_not(None), Guardianship.id))
    return [row for row in rows if row.state != "confirmed" or row.holds(now())]
