"""Every alarm there was of a wearer, newest first: filtered, by pages, with how soon people were told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from flask_babel import lazy_gettext
from sqlalchemy.orm import Session

from gateway.model import Why
from gateway.told import IncidentView
from portal.care.alarms.response_times import TELLING, ResponseTimes, response_times
from portal.care.alarms.why_words import why_words
from portal.care.consent.masking import shown_why
from portal.care.models import AlarmRecord, Incident, IncidentLine, Wearer
from portal.care.sentences import VERDICTS, doing_words, what_words
from portal.i18n import gettext
from portal.policy import Sight
from portal.words import SHANGHAI, local

PAGE = 25
MOST_EXPORTED = 20_000
"""So many alarms one table holds, the newest."""
AT_ONCE = 200
MOST_PAGE = 100_000
FIRST_YEAR, LAST_YEAR = 1900, 2200
KINDS: Mapping[str, object] = {
    "sos": lazy_gettext("求救"),
    "fall": lazy_gettext("跌倒"),
    "fence": lazy_gettext("安全区域"),
    "vitals": lazy_gettext("身体指标"),
    "inactivity": lazy_gettext("长时间没有活动"),
    "silence": lazy_gettext("手环没有消息"),
    "low_battery": lazy_gettext("电量低"),
    "removed": lazy_gettext("手环取下"),
    "band": lazy_gettext("手环自己的提醒"),
    "system": lazy_gettext("守望设备"),
}
SEVERITIES: Mapping[str, object] = {
    "critical": lazy_gettext("紧急"),
    "warning": lazy_gettext("注意"),
    "notice": lazy_gettext("提醒"),
}

_incident = msgspec.json.Decoder(IncidentView).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to look for; empty and None mean all. Both days belong to it."""

    kind: str = ""
    severity: str = ""
    since: dt.date | None = None
    until: dt.date | None = None
    drills: bool = False
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """One alarm in words; `times` is None where nobody was to be told."""

    at: dt.datetime
    kind: str
    severity: str
    what: str
    why: tuple[str, ...]
    drill: bool
    late: bool
    incident: str
    state: str
    taker: str
    verdict: str
    note: str
    times: ResponseTimes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of alarms, and how many there are in all."""

    rows: tuple[AlarmRow, ...]
    total: int
    page: int
    pages: int


def asked_of(query: Mapping[str, str]) -> Asked:
    """Read the questions of an address; what cannot be read is not asked, days the wrong way are turned."""
    since, until = _day(query.get("since")), _day(query.get("until"))
    if since is not None and until is not None and since > until:
        since, until = until, since
    page = query.get("page", "")
    return Asked(
        kind=query.get("kind", "") if query.get("kind") in KINDS else "",
        severity=query.get("severity", "") if query.get("severity") in SEVERITIES else "",
        since=since,
        until=until,
        drills=query.get("drills") == "1",
        page=min(int(page), MOST_PAGE) if page.isascii() and page.isdigit() and int(page) > 0 else 1,
    )


def find(session: Session, wearer: Wearer, asked: Asked, sight: Sight) -> Found:
    """Give one page; whoever calls has asked the policy. A page beyond the last is the last."""
    count = sa.select(sa.func.count()).select_from(AlarmRecord).where(*_matching(wearer, asked))
    total = session.scalar(count) or 0
    pages = max(1, -(-total // PAGE))
    page = min(asked.page, pages)
    records = _page(session, wearer, asked, offset=(page - 1) * PAGE, limit=PAGE)
    return Found(rows=tuple(_rows(session, wearer, records, sight)), total=total, page=page, pages=pages)


def every(session: Session, wearer: Wearer, asked: Asked, sight: Sight) -> Iterator[AlarmRow]:
    """Give every alarm that matches, newest first, the newest `MOST_EXPORTED`; read as they are taken."""
    for offset in range(0, MOST_EXPORTED, AT_ONCE):
        records = _page(session, wearer, asked, offset=offset, limit=AT_ONCE)
        yield from _rows(session, wearer, records, sight)
        if len(records) < AT_ONCE:
            return


def sheet(rows: Iterator[AlarmRow]) -> Iterator[tuple[str | float | None, ...]]:
    """Give alarms as a table with a row of heads first; times are seconds from the alarm on."""
    yield (
        gettext("时间（北京时间）"),
        gettext("类别"),
        gettext("程度"),
        gettext("发生了什么"),
        gettext("依据"),
        gettext("演练"),
        gettext("第一条短信发出（秒）"),
        gettext("第一次响铃（秒）"),
        gettext("有人接手（秒）"),
        gettext("处理完毕（秒）"),
        gettext("接手的人"),
        gettext("情况"),
        gettext("结果"),
        gettext("处理情况"),
    )
    for row in rows:
        times = row.times or ResponseTimes()
        yield (
            f"{local(row.at):%Y-%m-%d %H:%M:%S}",
            str(KINDS.get(row.kind, row.kind)),
            str(SEVERITIES.get(row.severity, row.severity)),
            row.what,
            gettext("；").join(row.why),
            gettext("是") if row.drill else "",
            *(
                None if one is None else round(one, 1)
                for one in (times.first_text_s, times.first_ring_s, times.taken_s, times.resolved_s)
            ),
            row.taker,
            row.state,
            row.verdict,
            row.note,
        )


def _day(text: str | None) -> dt.date | None:
    """A day of this century or the last; None for anything else."""
    try:
        day = dt.date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def _begins(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), SHANGHAI)


def _matching(wearer: Wearer, asked: Asked) -> list[sa.ColumnElement[bool]]:
    matching: list[sa.ColumnElement[bool]] = [AlarmRecord.wearer_id == wearer.id]
    if asked.kind:
        matching.append(AlarmRecord.kind == asked.kind)
    if asked.severity:
        matching.append(AlarmRecord.severity == asked.severity)
    if asked.since is not None:
        matching.append(AlarmRecord.at >= _begins(asked.since))
    if asked.until is not None:
        matching.append(AlarmRecord.at < _begins(asked.until + dt.timedelta(days=1)))
    if not asked.drills:
        matching.append(AlarmRecord.drill.is_(False))
    return matching


def _page(session: Session, wearer: Wearer, asked: Asked, *, offset: int, limit: int) -> list[AlarmRecord]:
    query = sa.select(AlarmRecord).where(*_matching(wearer, asked))
    query = query.order_by(AlarmRecord.at.desc(), AlarmRecord.id.desc())
    return list(session.scalars(query.offset(offset).limit(limit)))


def _rows(
    session: Session, wearer: Wearer, records: Sequence[AlarmRecord], sight: Sight
) -> Iterator[AlarmRow]:
    views, times = _incidents(session, wearer, {row.incident for row in records if row.incident})
    for row in records:
        view = views.get(row.incident or "")
        why = shown_why(row.kind, msgspec.convert(row.why, Why), sight)
        yield AlarmRow(
            at=row.at,
            kind=row.kind,
            severity=row.severity,
            what=what_words(row.kind, why),
            why=why_words(row.kind, why),
            drill=row.drill,
            late=row.late,
            incident=row.incident if view is not None and row.incident else "",
            state="" if view is None else doing_words(view),
            taker="" if view is None else "、".join(view.takers) or view.acknowledged_by or "",
            verdict="" if view is None or not view.verdict else str(VERDICTS[view.verdict]),
            note="" if view is None else view.note or "",
            times=times.get(row.incident or ""),
        )


def _incidents(
    session: Session, wearer: Wearer, codes: set[str]
) -> tuple[dict[str, IncidentView], dict[str, ResponseTimes]]:
    """The incidents of these names, and how soon people were told; two queries however many there are."""
    if not codes:
        return {}, {}
    found = list(
        session.execute(
            sa.select(Incident.id, Incident.code, Incident.view).where(
                Incident.wearer_id == wearer.id, Incident.code.in_(codes)
            )
        )
    )
    lines: dict[int, list[IncidentLine]] = {}
    telling = sa.select(IncidentLine).where(
        IncidentLine.incident_id.in_([one.id for one in found]), IncidentLine.what.in_(TELLING)
    )
    for line in session.scalars(telling):
        lines.setdefault(line.incident_id, []).append(line)
    views = {one.code: _incident(one.view) for one in found}
    return views, {one.code: response_times(views[one.code], lines.get(one.id, ())) for one in found}
