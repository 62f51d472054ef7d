"""What the pages of a search show: where she was last, the trail of the last hours, and the forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from flask_babel import lazy_gettext

from portal.care.history import milliseconds
from portal.care.lost import search as lost
from portal.care.lost.models import LostSearch, Sighting
from portal.care.models import Wearer
from portal.care.places import gazetteer
from portal.care.sentences import SOURCE_WORDS, initials, place_words
from portal.care.track import read as track_read
from portal.care.track.shown import columns
from portal.db import db
from portal.fields import Field
from portal.i18n import gettext
from portal.words import now

TRAIL = timedelta(hours=3)
SHARED_TRAIL = timedelta(hours=1)
"""Helpers see less: where to look, not where she was."""
CALLED_CHARACTERS, DESCRIPTION_CHARACTERS, NOTE_CHARACTERS, WORDS_CHARACTERS = 40, 500, 500, 300
OUTCOME_WORDS: Mapping[str, object] = {
    "found": lazy_gettext("找到了，人平安"),
    "mistake": lazy_gettext("虚惊一场，没有走失"),
    "stopped": lazy_gettext("先停止，另想办法"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """The newest position in words."""

    where: str
    at: datetime
    source: str
    accuracy_m: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a helper said, in words."""

    id: int
    number: int
    words: str
    where: str
    seen_at: datetime
    name: str
    phone: str
    lat: float | None
    lon: float | None


def told_fields() -> list[Field]:
    """The questions about what helpers are told."""
    return [
        Field(
            name="called",
            kind="text",
            label=gettext("怎么称呼走失的人"),
            hint=gettext("帮忙的人会这样喊，例如：张奶奶。"),
            max_length=CALLED_CHARACTERS,
        ),
        Field(
            name="description",
            kind="textarea",
            label=gettext("穿什么、长什么样"),
            hint=gettext("例如：灰色毛衣，黑裤子，花白短发，拄拐杖，说上海话。"),
            required=False,
            rows=3,
            max_length=DESCRIPTION_CHARACTERS,
        ),
        Field(
            name="phone",
            kind="phone",
            label=gettext("看到的人打哪个电话"),
            max_length=20,
            autocomplete="tel",
        ),
    ]


def last_seen(wearer: Wearer) -> LastSeen | None:
    """Where the wearer was last, None where that was never known."""
    state = wearer.state
    if state is None or state.fix_at is None or state.lat is None or state.lon is None:
        return None
    return LastSeen(
        where=place(state.lat, state.lon),
        at=state.fix_at,
        source=str(SOURCE_WORDS.get(state.source or "", "")),
        accuracy_m=None if state.accuracy_m is None else round(state.accuracy_m),
    )


def seen_rows(rows: list[Sighting]) -> list[Seen]:
    """What helpers said, newest first; the first that was said is number 1."""
    return [
        Seen(
            id=row.id,
            number=len(rows) - place_in_list,
            words=row.words,
            where="" if row.lat is None or row.lon is None else place(row.lat, row.lon),
            seen_at=row.seen_at,
            name=row.name,
            phone=row.phone,
            lat=row.lat,
            lon=row.lon,
        )
        for place_in_list, row in enumerate(rows)
    ]


def trail(wearer: Wearer, *, past: timedelta) -> dict[str, Any]:
    """The newest position and the way of the last hours, as columns."""
    end = now() + timedelta(seconds=1)
    start = end - past
    found = track_read.way(db.session, wearer, start=start, end=end)
    drawn = columns(found, (), start_ms=milliseconds(start), end_ms=milliseconds(end))
    state = wearer.state
    drawn["here"] = None
    if state is not None and state.fix_at is not None:
        drawn["here"] = {
            "lat": state.lat,
            "lon": state.lon,
            "accuracy_m": state.accuracy_m,
            "source": state.source,
            "at": state.fix_at.isoformat(),
        }
    drawn["initials"] = initials(wearer.name)
    return drawn


def seen_columns(search: LostSearch) -> list[dict[str, Any]]:
    """The places where helpers saw her, as the map draws them."""
    rows = seen_rows(lost.sightings(db.session, search))
    return [{"lat": row.lat, "lon": row.lon, "number": row.number} for row in rows if row.lat is not None]


def place(lat: float, lon: float) -> str:
    """Where a position is, without a verb."""
    where = gazetteer(current_app.config["PORTAL"].map_dir).where(lat, lon)
    return place_words(where) or (gettext("小区内") if where is not None else gettext("地图之外"))
