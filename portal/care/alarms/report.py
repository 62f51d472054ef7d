"""The report of one incident: what is printed for the file, and the same as a table for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flask_babel import gettext, lazy_gettext

from portal.care.alarms.response_times import response_times
from portal.care.alarms.story import StoryRow, carrier_words, channel_words, story_rows
from portal.care.cards import IncidentCard, incident_card
from portal.care.models import IncidentLine
from portal.care.sentences import leg_words
from portal.sheets import csv_chunks
from portal.words import local

if TYPE_CHECKING:
    from gateway.told import LegView
    from portal.care.queries import Case

ROLE_WORDS = {
    "family": lazy_gettext("亲属"),
    "staff": lazy_gettext("值班"),
    "station": lazy_gettext("北斗站"),
    "site": lazy_gettext("现场"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLeg:
    """One text, call, BeiDou message or siren in words."""

    at: datetime | None
    name: str
    role: str
    channel: str
    round: int
    words: str
    ended_at: datetime | None
    carrier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How long something took from the press, in seconds; None when it has not come to that."""

    words: str
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a report says."""

    card: IncidentCard
    marks: tuple[Mark, ...]
    legs: tuple[ReportLeg, ...]
    rows: tuple[StoryRow, ...]


def report_of(case: Case, lines: Sequence[IncidentLine]) -> Report:
    """The report of an incident and its story."""
    return Report(
        card=incident_card(case),
        marks=tuple(_marks(case, lines)),
        legs=tuple(_leg(leg) for leg in case.view.legs),
        rows=tuple(story_rows(lines)),
    )


def _leg(leg: LegView) -> ReportLeg:
    return ReportLeg(
        at=leg.at,
        name=leg.name,
        role=str(ROLE_WORDS.get(leg.role, leg.role)),
        channel=channel_words(leg.channel),
        round=leg.round,
        words=leg_words(leg.channel, leg.state),
        ended_at=leg.ended_at,
        carrier=carrier_words(leg.carrier) if leg.carrier else "",
    )


def _marks(case: Case, lines: Sequence[IncidentLine]) -> Iterable[Mark]:
    """From the press to the first text, the first ring, a person, and the end."""
    times = response_times(case.view, lines)
    for words, seconds in (
        (gettext("第一条短信发出"), times.first_text_s),
        (gettext("第一次响铃"), times.first_ring_s),
        (gettext("有人接手"), times.taken_s),
        (gettext("处理完毕"), times.resolved_s),
    ):
        yield Mark(words=str(words), seconds=seconds)


def as_csv(report: Report) -> bytes:
    """The story and the legs, one row each, as UTF-8 with a byte order mark; no cell is ever a formula."""
    return b"".join(csv_chunks(_rows(report)))


def _rows(report: Report) -> Iterable[Sequence[object]]:
    yield _heads()
    for row in report.rows:
        channel = channel_words(row.channel) if row.channel else ""
        yield gettext("经过"), _stamp(row.at), row.words, row.who, channel, row.carrier, ""
    for leg in report.legs:
        name = f"{leg.name}（{leg.role}）"
        cells = (gettext("联络"), _stamp(leg.at), leg.words, name, leg.channel, leg.carrier)
        yield *cells, _stamp(leg.ended_at)


def _heads() -> tuple[str, ...]:
    heads = (
        gettext("类别"),
        gettext("时间"),
        gettext("内容"),
        gettext("人员"),
        gettext("方式"),
        gettext("线路"),
        gettext("结束时间"),
    )
    return tuple(str(head) for head in heads)


def _stamp(at: datetime | None) -> str:
    return "" if at is None else f"{local(at):%Y-%m-%d %H:%M:%S}"
