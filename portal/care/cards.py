"""Wearers and incidents as a page shows them: words and times ready, nothing left to decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flask import current_app

from portal.care.alarms.next_steps import Next, next_step
from portal.care.alarms.why_words import rule_words, why_words
from portal.care.bands.notices import Notice, standing
from portal.care.models import Wearer
from portal.care.places import Where, gazetteer
from portal.care.queries import Case
from portal.care.sentences import (
    LEG_TONES,
    SOURCE_WORDS,
    doing_words,
    freshness,
    initials,
    leg_words,
    place_words,
    still_wanted,
    vital_parts,
    what_words,
    where_words,
)
from portal.i18n import gettext
from portal.words import now as clock_now

if TYPE_CHECKING:
    from gateway.told import LegView
    from portal.policy import Sight

PLACES = {"text": 0, "call": 1, "beidou": 2, "siren": 3}
NEWS_PLACE = 4
"""The order in which the legs of an incident are shown."""
ESTIMATED = frozenset({"wifi", "cell"})
SOURCE_ICONS = {"gnss": "satellite", "wifi": "wifi", "cell": "radio"}
VAGUE_M = 100.0
"""A fix vaguer than this is drawn as an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WearerCard:
    """One wearer's card: a sentence, its time, and what the ring on the map looks like."""

    id: int
    name: str
    initials: str
    where: str
    at: datetime | None
    vitals: tuple[str, ...]
    freshness: str
    estimated: bool
    source: str
    source_icon: str
    accuracy_m: int | None
    alarm: str | None
    sight: Sight
    """What of it is shown; the rest is left out of the card."""
    notices: tuple[Notice, ...] = ()
    """What somebody had better see to: a low battery, a silent band, one that is not worn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRow:
    """One text or call in words."""

    channel: str
    round: int
    name: str
    role: str
    words: str
    tone: str
    at: datetime | None
    carrier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegGroup:
    """The legs of one kind: the texts that tell of the alarm, the calls of one round, the later texts."""

    channel: str
    round: int
    news: bool
    rows: tuple[LegRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentCard:
    """One incident's card: who, what, where, since when, what is being done; then leg by leg."""

    case: Case
    what: str
    where: str
    doing: str
    wanted: int
    """How many more people are wanted; 0 once enough have taken it on."""
    rule: str
    """The rule that raised it; empty where none of ours did."""
    why: tuple[str, ...]
    """On what it rests, a sentence each."""
    groups: tuple[LegGroup, ...]
    next: Next | None
    """What it does next by itself, while somebody is still to do something."""


def wearer_card(wearer: Wearer, *, alarm: str | None, now: datetime, sight: Sight) -> WearerCard:
    """The card of a wearer, with no more than may be seen of them.

    Its time is the position's when there is one, else when the band was heard.
    """
    state = wearer.state
    placed = state if sight.location else None
    where = position(placed.lat, placed.lon) if placed is not None else None
    fix_at = placed.fix_at if placed is not None else None
    at = (fix_at or state.heard_at) if state is not None else None
    accuracy = placed.accuracy_m if placed is not None else None
    source = placed.source if placed is not None else None
    return WearerCard(
        id=wearer.id,
        name=wearer.name,
        initials=initials(wearer.name),
        where=where_words(where, wearer.home) if sight.location else str(gettext("位置未授权查看")),
        at=at,
        vitals=tuple(vital_parts(state, health=sight.health)) if state is not None else (),
        freshness=freshness(at, now),
        estimated=source in ESTIMATED or (accuracy is not None and accuracy > VAGUE_M),
        source=str(SOURCE_WORDS.get(source or "", "")),
        source_icon=SOURCE_ICONS.get(source or "", "radio"),
        accuracy_m=None if accuracy is None else round(accuracy),
        alarm=alarm,
        sight=sight,
        notices=standing(state, current_app.config["PORTAL"].community_rules, now),
    )


def incident_card(case: Case) -> IncidentCard:
    """The card of an incident."""
    view = case.view
    return IncidentCard(
        case=case,
        what=what_words(view.kind, view.why),
        where=place_words(position(view.lat, view.lon)),
        doing=doing_words(view),
        wanted=still_wanted(view),
        rule=rule_words(view.kind),
        why=why_words(view.kind, view.why),
        groups=tuple(_groups(view.legs)),
        next=next_step(view, clock_now()) if case.open else None,
    )


def position(lat: float | None, lon: float | None) -> Where | None:
    """Where a position is on the community's map, None when there is no position."""
    if lat is None or lon is None:
        return None
    return gazetteer(current_app.config["PORTAL"].map_dir).where(lat, lon)


def since(now: datetime, *, hours: int) -> datetime:
    """The time so many hours before now."""
    return now - timedelta(hours=hours)


def _groups(legs: Iterable[LegView]) -> Iterable[LegGroup]:
    """The texts of the alarm, the calls round by round, BeiDou, the siren, later texts; each in order."""
    found: dict[tuple[int, int, str], list[LegRow]] = {}
    for leg in legs:
        is_news = leg.channel == "text" and leg.purpose != "alarm"
        place = NEWS_PLACE if is_news else PLACES.get(leg.channel, NEWS_PLACE)
        key = (place, leg.round if leg.channel == "call" else 0, str(leg.channel))
        found.setdefault(key, []).append(_leg_row(leg))
    for (place, round_, channel), rows in sorted(found.items()):
        yield LegGroup(channel=channel, round=round_, news=place == NEWS_PLACE, rows=tuple(rows))


def _leg_row(leg: LegView) -> LegRow:
    return LegRow(
        channel=leg.channel,
        round=leg.round,
        name=leg.name,
        role=leg.role,
        words=leg_words(leg.channel, leg.state),
        tone=LEG_TONES.get(leg.state, "quiet"),
        at=leg.ended_at or leg.at,
        carrier=leg.carrier or "",
    )
