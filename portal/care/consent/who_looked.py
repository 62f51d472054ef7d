"""Who looked at a wearer's ways and numbers, read from the audit record, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session

from portal.care.consent.purposes import PURPOSES, split
from portal.care.history import milliseconds
from portal.care.models import AuditEntry, Wearer
from portal.people.models import User

PAST = timedelta(days=90)
MOST = 100
NUMBER_LOOK = "view_id_number"
"""A look into the register: it is on record with the resident, not with the band."""
ACTION_WORDS: Mapping[str, object] = {
    "view_track": lazy_gettext("看了行踪"),
    "view_vitals": lazy_gettext("看了身体情况"),
    "view_alarms": lazy_gettext("看了报警记录"),
    "view_profile": lazy_gettext("看了照护设置"),
    "view_lost": lazy_gettext("看了寻找页面"),
    "view_shared": lazy_gettext("打开了寻找链接"),
    NUMBER_LOOK: lazy_gettext("看了身份证号"),
    "export_track_gpx": lazy_gettext("下载了行踪"),
    "export_track_kml": lazy_gettext("下载了行踪"),
    "export_track_csv": lazy_gettext("下载了行踪"),
    "export_vitals": lazy_gettext("下载了身体情况"),
    "export_alarms": lazy_gettext("下载了报警记录"),
    "export_data": lazy_gettext("下载了全部资料"),
}
"""The looks; everything else in the record is something that was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: who, what, what for, when."""

    who: str
    words: str
    purpose: str
    at: datetime


def looks_at(session: Session, wearer: Wearer, now: datetime) -> list[Look]:
    """The looks of the last `PAST` at a wearer, newest first, at most `MOST`."""
    query = (
        sa.select(AuditEntry)
        .where(
            _at(wearer),
            AuditEntry.action.in_(ACTION_WORDS),
            AuditEntry.at_ms >= milliseconds(now - PAST),
        )
        .order_by(AuditEntry.seq.desc())
        .limit(MOST)
    )
    rows = list(session.scalars(query))
    names = actor_names(session, rows)
    return [
        Look(
            who=names.get(row.actor, row.actor),
            words=str(ACTION_WORDS[row.action]),
            purpose=str(PURPOSES.get(split(row.detail)[0], "")),
            at=datetime.fromtimestamp(row.at_ms / 1000, UTC),
        )
        for row in rows
    ]


def _at(wearer: Wearer) -> sa.ColumnElement[bool]:
    """What is on record about a wearer; of their entry in the register the looks at their number alone."""
    theirs = AuditEntry.subject == f"wearer:{wearer.id}"
    if wearer.resident_id is None:
        return theirs
    number = sa.and_(AuditEntry.subject == f"resident:{wearer.resident_id}", AuditEntry.action == NUMBER_LOOK)
    return sa.or_(theirs, number)


def actor_names(session: Session, rows: Sequence[AuditEntry]) -> dict[str, str]:
    """The names of those who acted, by how the record knows them."""
    said = {row.actor.removeprefix("user:") for row in rows if row.actor.startswith("user:")}
    numbers = {int(number) for number in said if number.isdecimal()}
    users = session.execute(sa.select(User.id, User.name).where(User.id.in_(numbers))) if numbers else ()
    names = {f"user:{user_id}": name for user_id, name in users}
    for row in rows:
        if row.actor.startswith("link:"):
            names[row.actor] = gettext("拿到寻找链接的人")
        elif row.actor == "portal":
            names[row.actor] = gettext("系统")
        elif row.actor not in names:
            names[row.actor] = gettext("已注销的账号")
    return names
