"""A trial as a page shows it and as JSON tells it: the same episodes, in words and in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from markupsafe import Markup

from gateway.model import Alarm
from portal.care.alarms.why_words import why_words
from portal.care.sentences import what_words
from portal.care.trial import run as trial
from portal.i18n import gettext, ngettext
from portal.words import clock, span

MOST_SHOWN = 300
"""So many episodes are listed at most; the counts are of all."""
Lang = Literal["zh", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One episode in words; `number` is its mark in the picture, none for one that would not be."""

    number: int | None
    at: datetime
    what: str
    why: tuple[str, ...]
    lasting: str
    in_force: bool | None
    was: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything a page shows of a trial; the pictures are for a desk and for a telephone."""

    summary: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    gone: tuple[Row, ...]
    more: int
    """How many episodes are counted and not listed."""
    wide: Markup
    narrow: Markup
    is_map: bool


def shown(told: trial.Told, layers: Mapping[str, Any], lang: Lang) -> Shown:
    """Give a trial in the words of this request's language."""
    found = told.trial
    is_map = hasattr(found, "fences")
    rows = [_fence_row(one) for one in found.found] if is_map else [_row(one) for one in found.found]
    gone = [_gone(one) for one in found.compared.only_raised] if is_map else [_row(one) for one in found.gone]
    return Shown(
        summary=_fences_summary(found) if is_map else _limits_summary(found),
        notes=tuple(_notes(told, is_map=is_map)),
        rows=tuple(rows[:MOST_SHOWN]),
        gone=tuple(gone[:MOST_SHOWN]),
        more=max(0, len(rows) - MOST_SHOWN) + max(0, len(gone) - MOST_SHOWN),
        wide=_picture(found, layers, lang, phone=False),
        narrow=_picture(found, layers, lang, phone=True),
        is_map=is_map,
    )


def _picture(found: Any, layers: Mapping[str, Any], lang: Lang, *, phone: bool) -> Markup:
    if hasattr(found, "fences"):
        return trial.map_of(found, layers, lang, phone=phone)
    return trial.charts_of(found, lang, phone=phone)


def _fences_summary(found: Any) -> str:
    """How many alarms there would have been, and how many there were."""
    both = len(found.compared.both)
    return _would(found) + _were(both + len(found.compared.only_raised), both=both)


def _limits_summary(found: Any) -> str:
    in_force = gettext("现在的限值会报 %(count)s 次。", count=found.in_force)
    return _would(found) + in_force + _were(found.raised, both=sum(one.was for one in found.found))


def _were(raised: int, *, both: int) -> str:
    if not raised:
        return gettext("当时没有报过警。")
    return gettext("当时实际报过 %(was)s 次，其中 %(both)s 次这样设也会报。", was=raised, both=both)


def _would(found: Any) -> str:
    count = len(found.found)
    weekly = f"{count / found.weeks:.1f}"
    said = ngettext(
        "会报警 %(num)s 次（每周 %(weekly)s 次）。",
        "会报警 %(num)s 次（每周 %(weekly)s 次）。",
        count,
        weekly=weekly,
    )
    return str(said)


def _notes(told: trial.Told, *, is_map: bool) -> list[str]:
    """What the reader must know to believe it no more than it deserves."""
    found, notes = told.trial, []
    first = (found.track[0].at if found.track else None) if is_map else found.first_at
    if first is None:
        notes.append(gettext("这段时间没有收到读数。"))
    if told.cut_at is not None:
        notes.append(gettext("记录太多，只算了最近的一段：从 %(at)s 开始。", at=clock(told.cut_at)))
    notes.append(gettext("按这里存下的记录和已知的设置计算；网关自己的设置若不同，结果会有出入。"))
    if is_map:
        notes.append(gettext("在网关本机上暂停的时段这里不知道，会照常计算。"))
    return [str(one) for one in notes]


def _fence_row(one: Any) -> Row:
    lasting = (
        gettext("到最后也没有回来") if one.out_s is None else gettext("在外 %(span)s", span=span(one.out_s))
    )
    return Row(
        number=one.number,
        at=one.alarm.at,
        what=_what(one.alarm),
        why=why_words(one.alarm.kind, one.alarm.why),
        lasting=str(lasting),
        in_force=None,
        was=one.was,
    )


def _gone(alarm: Alarm) -> Row:
    return Row(
        number=None,
        at=alarm.at,
        what=_what(alarm),
        why=why_words(alarm.kind, alarm.why),
        lasting="",
        in_force=None,
        was=True,
    )


def _row(one: Any) -> Row:
    lasting = "" if one.lasted_s is None else gettext("持续 %(span)s", span=span(one.lasted_s))
    return Row(
        number=one.number,
        at=one.alarm.at,
        what=_what(one.alarm),
        why=why_words(one.alarm.kind, one.alarm.why),
        lasting=str(lasting),
        in_force=one.in_force,
        was=one.was,
    )


def _what(alarm: Alarm) -> str:
    return what_words(alarm.kind, alarm.why)


def as_json(told: trial.Told, said: Shown) -> dict[str, Any]:
    """The trial for a program, with the sentences a page shows; times are ISO 8601 in UTC."""
    found = told.trial
    answer: dict[str, Any] = {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "days": told.days,
        "cut": None if told.cut_at is None else {"from": told.cut_at.isoformat()},
        "summary": said.summary,
        "notes": list(said.notes),
        "settings": msgspec.to_builtins(told.settings),
        "a_week": round(len(found.found) / found.weeks, 2),
        "count": len(found.found),
        "not_listed": said.more,
    }
    if said.is_map:
        compared = found.compared
        return answer | {
            "positions": len(found.track),
            "episodes": [
                _alarm(one.alarm)
                | {"distance_m": one.distance_m, "out_s": one.out_s, "was_raised": one.was, "words": row.what}
                for one, row in zip(found.found, said.rows, strict=False)
            ],
            "really_raised": len(compared.both) + len(compared.only_raised),
            "not_again": [_alarm(one) for one in compared.only_raised[:MOST_SHOWN]],
        }
    return answer | {
        "rule": found.rule,
        "changed": {key: {"in_force": old, "tried": new} for key, (old, new) in found.changed.items()},
        "episodes": _episodes(found.found, said.rows),
        "in_force": found.in_force,
        "a_week_in_force": round(found.in_force / found.weeks, 2),
        "really_raised": found.raised,
        "not_again": _episodes(found.gone, said.gone),
    }


def _episodes(episodes: Sequence[Any], rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        _alarm(one.alarm)
        | {"lasted_s": one.lasted_s, "in_force": one.in_force, "was_raised": one.was, "words": row.what}
        for one, row in zip(episodes, rows, strict=False)
    ]


def _alarm(alarm: Alarm) -> dict[str, Any]:
    why = alarm.why
    return {
        "at": alarm.at.isoformat(),
        "severity": alarm.severity,
        "code": why.code,
        "fence": why.place,
        "value": why.value,
        "limit": why.limit,
        "unit": why.unit,
        "readings": msgspec.to_builtins(why.readings),
        "lat": alarm.lat,
        "lon": alarm.lon,
    }
