"""A way in sentences, in the order of time: the list twin of the map, and the totals on top of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from gateway.model import Why
from portal.care.consent.masking import shown_why
from portal.care.models import AlarmRecord
from portal.care.places import Where
from portal.care.sentences import place_words, what_words
from portal.care.track.read import Way
from portal.care.track.stays import sections, travelled_m
from portal.care.track.way import plane
from portal.i18n import gettext, ngettext
from portal.people.language import chosen_language
from portal.policy import Sight
from portal.words import MINUTE_S, local, span

Places = Callable[[float, float], Where | None]
KILOMETRE_M = 1000
LEAST_WALK_M = 30.0
"""A shorter way between two stays is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sentence about the way; `number` says which stay, gap or alarm it is on the map."""

    kind: str
    """`stay`, `walk`, `gap` or `alarm`."""
    at_ms: int
    end_ms: int
    title: str
    detail: str = ""
    number: int = 0
    lat: float | None = None
    lon: float | None = None

    @property
    def at(self) -> datetime:
        """When it began."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    @property
    def end(self) -> datetime:
        """When it ended."""
        return datetime.fromtimestamp(self.end_ms / 1000, UTC)


def lines(
    found: Way, alarms: Sequence[AlarmRecord], *, places: Places, home: str, sight: Sight
) -> list[Line]:
    """Stays, walks, gaps and alarms as sentences, in the order of time."""
    told = [*_stays(found, places, home), *_walks(found), *_gaps(found, places)]
    told += _alarms(alarms, places, sight)
    order = {"alarm": 0, "stay": 1, "walk": 2, "gap": 3}
    return sorted(told, key=lambda line: (line.at_ms, order[line.kind]))


def metres_words(metres: float) -> str:
    """Say a distance: "620 米", "2.4 公里"."""
    if metres >= KILOMETRE_M:
        return gettext("%(count)s 公里", count=f"{metres / 1000:.1f}")
    return gettext("%(count)d 米", count=round(metres, -1))


def lasting_words(seconds: float) -> str:
    """Say how long without seconds: "5 分钟", "1 小时 28 分"."""
    if 1 <= seconds < MINUTE_S:
        return span(seconds)
    minutes = round(seconds / MINUTE_S)
    return ngettext("%(num)s 分钟", "%(num)s 分钟", minutes) if minutes < 60 else span(minutes * 60)  # noqa: PLR2004


def clock_words(at: datetime) -> str:
    """The time of day: "08:12"."""
    return f"{local(at):%H:%M}"


def _place(where: Where | None, home: str) -> str:
    """Where somebody stayed, without a verb: "家附近（3栋）", "2栋附近", "小区外"."""
    if where is not None and where.kind == "near" and home.startswith(where.name or " "):
        name = where.name if chosen_language() == "zh" else where.name_en
        return gettext("家附近（%(place)s）", place=name)
    return place_words(where) or (gettext("小区内") if where is not None else gettext("地图之外"))


def _stays(found: Way, places: Places, home: str) -> list[Line]:
    told = []
    for number, stay in enumerate(found.stays, 1):
        place = _place(places(stay.lat, stay.lon), home)
        title = gettext("在%(place)s停留 %(lasting)s", place=place, lasting=lasting_words(stay.lasting_s))
        told.append(
            Line(
                kind="stay",
                at_ms=stay.start_ms,
                end_ms=stay.end_ms,
                title=title,
                number=number,
                lat=stay.lat,
                lon=stay.lon,
            )
        )
    return told


def _walks(found: Way) -> list[Line]:
    east, north = plane(found.exact)
    told = []
    for first, last in sections(found.pieces, found.stays):
        metres = travelled_m(east[first : last + 1], north[first : last + 1])
        if metres < LEAST_WALK_M:
            continue
        start_ms, end_ms = int(found.exact.at_ms[first]), int(found.exact.at_ms[last])
        lasting = lasting_words((end_ms - start_ms) / 1000)
        title = gettext("走了 %(distance)s，用了 %(lasting)s", distance=metres_words(metres), lasting=lasting)
        told.append(Line(kind="walk", at_ms=start_ms, end_ms=end_ms, title=title))
    return told


def _gaps(found: Way, places: Places) -> list[Line]:
    told = []
    for number, gap in enumerate(found.gaps, 1):
        lasting = lasting_words(gap.lasting_s)
        title = (
            ngettext(
                "%(lasting)s里只有 %(num)s 个粗略的估算位置",
                "%(lasting)s里只有 %(num)s 个粗略的估算位置",
                gap.rough,
                lasting=lasting,
            )
            if gap.rough
            else gettext("%(lasting)s没有位置", lasting=lasting)
        )
        ends = [
            place_words(places(float(found.exact.lat[at]), float(found.exact.lon[at])))
            for at in (gap.before, gap.before + 1)
        ]
        detail = (
            gettext("之前在%(before)s，之后在%(after)s", before=ends[0], after=ends[1]) if all(ends) else ""
        )
        told.append(
            Line(kind="gap", at_ms=gap.start_ms, end_ms=gap.end_ms, title=title, detail=detail, number=number)
        )
    return told


def _alarms(alarms: Sequence[AlarmRecord], places: Places, sight: Sight) -> list[Line]:
    told = []
    for number, row in enumerate(alarms, 1):
        at_ms = round(row.at.timestamp() * 1000)
        where = "" if row.lat is None or row.lon is None else place_words(places(row.lat, row.lon))
        told.append(
            Line(
                kind="alarm",
                at_ms=at_ms,
                end_ms=at_ms,
                title=what_words(row.kind, shown_why(row.kind, msgspec.convert(row.why, Why), sight)),
                detail=where,
                number=number,
                lat=row.lat,
                lon=row.lon,
            )
        )
    return told
