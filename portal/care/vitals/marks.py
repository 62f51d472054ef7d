"""What happened while vital signs were measured: alarms, drills, calls; numbered marks in a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import Why
from portal.care.consent.masking import shown_why
from portal.care.models import AlarmRecord, Incident, IncidentLine, Wearer
from portal.care.sentences import what_words
from portal.care.vitals.period import Period
from portal.i18n import gettext
from portal.policy import Sight

MOST_MARKS = 40
"""So many marks a chart bears; the newest are shown, and the alarm history has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that happened; `incident` is where to read more, empty where there is nothing."""

    number: int
    at_ms: int
    words: str
    icon: str
    drill: bool
    incident: str

    @property
    def at(self) -> datetime:
        """When it happened."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


def marks(session: Session, wearer: Wearer, period: Period, sight: Sight) -> list[Mark]:
    """Give what happened in a period, oldest first, the newest `MOST_MARKS` of it.

    Of a day everything, calls too; of longer periods what rang somebody.
    """
    found = [*_alarms(session, wearer, period, sight)]
    if period.span == "day":
        found += _calls(session, wearer, period)
    found.sort(key=lambda row: row[0])
    newest = found[-MOST_MARKS:]
    return [
        Mark(number=n, at_ms=at_ms, words=words, icon=icon, drill=drill, incident=incident)
        for n, (at_ms, words, icon, drill, incident) in enumerate(newest, start=1)
    ]


Row = tuple[int, str, str, bool, str]


def _alarms(session: Session, wearer: Wearer, period: Period, sight: Sight) -> Sequence[Row]:
    since = datetime.fromtimestamp(period.since_ms / 1000, UTC)
    until = datetime.fromtimestamp(period.until_ms / 1000, UTC)
    query = sa.select(AlarmRecord).where(
        AlarmRecord.wearer_id == wearer.id, AlarmRecord.at >= since, AlarmRecord.at < until
    )
    if period.span != "day":
        query = query.where(AlarmRecord.severity != "notice")
    newest = query.order_by(AlarmRecord.at.desc(), AlarmRecord.id.desc()).limit(MOST_MARKS)
    return [
        (
            round(row.at.timestamp() * 1000),
            what_words(row.kind, shown_why(row.kind, msgspec.convert(row.why, Why), sight)),
            "siren" if row.severity != "notice" else "bell",
            row.drill,
            row.incident or "",
        )
        for row in session.scalars(newest)
    ]


def _calls(session: Session, wearer: Wearer, period: Period) -> Sequence[Row]:
    query = (
        sa.select(IncidentLine.at_ms, IncidentLine.who, Incident.code, Incident.view)
        .join(Incident, Incident.id == IncidentLine.incident_id)
        .where(
            Incident.wearer_id == wearer.id,
            IncidentLine.what == "call_ordered",
            IncidentLine.at_ms >= period.since_ms,
            IncidentLine.at_ms < period.until_ms,
        )
        .order_by(IncidentLine.at_ms.desc(), IncidentLine.id.desc())
        .limit(MOST_MARKS)
    )
    return [
        (at_ms, gettext("拨打 %(name)s", name=who), "phone", _is_drill(view), code)
        for at_ms, who, code, view in session.execute(query)
    ]


class _Drill(msgspec.Struct):
    drill: bool = False


def _is_drill(view: str) -> bool:
    return msgspec.json.decode(view, type=_Drill).drill
