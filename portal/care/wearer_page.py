"""The page of one wearer: the card, the newest vitals, orders to the band, incidents, who is called."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

import msgspec
from flask import render_template

from gateway.model import Why
from portal.care import queries
from portal.care.bands import orders as band_orders
from portal.care.bands.notices import advice_of
from portal.care.bands.order_words import INTERVALS_S, MAX_TEXT_CHARACTERS, interval_words, order_rows
from portal.care.cards import incident_card, since, wearer_card
from portal.care.changes import newest_change
from portal.care.consent.masking import shown_why
from portal.care.consent.sights import facts_of, sight_of
from portal.care.consent.why import choices, purpose_of
from portal.care.fences import suspensions
from portal.care.models import Wearer
from portal.care.sentences import what_words
from portal.db import db
from portal.policy import commands_band, provisions
from portal.security import viewer
from portal.words import now

VITALS_HOURS = 24
NOTICE_HOURS = 7 * 24
VITALS_SHOWN = 12
ONCE_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a person typed into the forms, and what is wrong with it."""

    text: str = ""
    problem: str = ""
    note: str = ""
    until_problem: str = ""


def may_command(wearer: Wearer) -> bool:
    """Whether who looks may give orders to this wearer's band."""
    return commands_band(viewer(), facts_of(wearer))


def wearer_page(wearer: Wearer, typed: Typed = Typed()) -> str:
    """The page, with what was typed still in its form."""
    alarms = queries.alarming_wearers(db.session, [wearer.id])
    day_ago = since(now(), hours=VITALS_HOURS)
    sight = sight_of(viewer(), wearer)
    asks = sight.health and not purpose_of(wearer)
    if asks:
        sight = replace(sight, health=False)
    pulses = queries.recent_vitals(db.session, wearer, "heart_rate", day_ago) if sight.health else []
    pressures = queries.recent_vitals(db.session, wearer, "blood_pressure", day_ago) if sight.health else []
    return render_template(
        "care/wearer.html",
        wearer=wearer,
        may_provision=provisions(viewer(), facts_of(wearer)),
        sight=sight,
        asks=asks,
        choices=choices(),
        card=wearer_card(wearer, alarm=alarms.get(wearer.id), now=now(), sight=sight),
        incidents=[incident_card(case) for case in queries.cases_of(db.session, viewer(), wearer)],
        pulses=pulses[:VITALS_SHOWN],
        pressures=pressures[:VITALS_SHOWN],
        age=None if wearer.birth_year is None else now().year - wearer.birth_year,
        orders=order_rows(band_orders.recent(db.session, wearer), sight),
        notices=[
            (
                what_words(row.kind, shown_why(row.kind, msgspec.convert(row.why, Why), sight)),
                row.at,
                advice_of(row.kind, row.why.get("code", "")),
            )
            for row in queries.recent_notices(db.session, wearer, since(now(), hours=NOTICE_HOURS))
        ],
        suspended=suspensions.current(wearer, now()),
        suspension_asked=suspensions.asked(db.session, wearer),
        max_note=suspensions.NOTE_CHARACTERS,
        may_command=may_command(wearer),
        once=secrets.token_hex(ONCE_BYTES),
        typed=typed,
        max_text=MAX_TEXT_CHARACTERS,
        intervals=[(seconds, interval_words(seconds)) for seconds in INTERVALS_S],
        seen=newest_change(db.session),
    )
