"""Thirty days of vital signs on paper, for a doctor: figures by time of day, what was beyond limits, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from flask import render_template
from flask_babel import lazy_gettext
from markupsafe import Markup

from portal.care.alarms.history import AlarmRow
from portal.care.models import Wearer
from portal.care.vitals.chart import Chart, Series
from portal.care.vitals.measures import STEPS, Measure
from portal.care.vitals.page import Vitals
from portal.care.vitals.stats import HOURS, Spread, by_hour, spread
from portal.care.vitals.svg import drawing, steps_drawing
from portal.care.vitals.words import Told, dates_words, limits_words, summary, told
from portal.i18n import gettext, html_lang
from portal.words import local, now

CSS: Final = Path(__file__).parents[2] / "static" / "css" / "vitals-paper.css"
WIDTH, HEIGHT, STEPS_HEIGHT = 680, 160, 100
MOST_BEYOND, MOST_ALARMS = 60, 40
QUARTERS = (
    (range(6), lazy_gettext("夜里 0–6 点")),
    (range(6, 12), lazy_gettext("上午 6–12 点")),
    (range(12, 18), lazy_gettext("下午 12–18 点")),
    (range(18, HOURS), lazy_gettext("晚上 18–24 点")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """One measurement beyond a limit."""

    at_ms: int
    name: str
    value: str
    limits: str

    @property
    def at(self) -> datetime:
        """When it was measured."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One chart on paper, and its figures by time of day: (words, figures) a row, under each quantity."""

    name: str
    unit: str
    picture: Markup
    told: Told
    limits: tuple[tuple[str, str], ...]
    tables: tuple[tuple[str, tuple[tuple[str, tuple[str, ...] | None], ...]], ...]


def paper(wearer: Wearer, vitals: Vitals, alarms: Sequence[AlarmRow], made_by: str) -> str:
    """Give the document as HTML in the reader's language; its style is `style()`."""
    today = local(now()).date()
    beyond = beyond_limits(vitals)
    return render_template(
        "care/vitals_paper.html",
        lang=html_lang(),
        wearer=wearer,
        age=None if wearer.birth_year is None else today.year - wearer.birth_year,
        dates=dates_words(vitals.period),
        summary=summary(vitals.charts, vitals.steps, vitals.period, today),
        counts=[(str(chart.panel.name), len(chart.readings), chart.doubtful) for chart in vitals.charts],
        parts=[_part(chart) for chart in vitals.charts if not chart.empty],
        unmeasured=[str(chart.panel.name) for chart in vitals.charts if chart.empty],
        steps=_steps(vitals),
        beyond=beyond[:MOST_BEYOND],
        more_beyond=max(0, len(beyond) - MOST_BEYOND),
        alarms=alarms[:MOST_ALARMS],
        more_alarms=max(0, len(alarms) - MOST_ALARMS),
        cut=vitals.cut_ms is not None,
        made_at=now(),
        made_by=made_by,
    )


@cache
def style() -> str:
    """Give the style of the paper."""
    return CSS.read_text("utf-8")


def beyond_limits(vitals: Vitals) -> list[Beyond]:
    """Give every measurement beyond a limit, newest first; doubtful ones are none."""
    found = [
        Beyond(
            at_ms=at_ms,
            name=str(series.measure.name),
            value=_with_unit(series.measure, value),
            limits=limits_words(series),
        )
        for chart in vitals.charts
        for series in chart.series
        for at_ms, value in series.beyond
    ]
    return sorted(found, key=lambda one: one.at_ms, reverse=True)


def quarters(series: Series) -> list[tuple[str, Spread | None]]:
    """Give the figures of each quarter of the day."""
    hours = by_hour(series.good)
    return [(str(words), spread(value for hour in span for value in hours[hour])) for span, words in QUARTERS]


def _part(chart: Chart) -> Part:
    name = str(chart.panel.name)
    limits = [(str(one.measure.name), limits_words(one)) for one in chart.series]
    return Part(
        name=name,
        unit=str(chart.panel.measures[0].unit),
        picture=drawing(chart, (), name, width=WIDTH, height=HEIGHT, paper=True),
        told=told(chart),
        limits=tuple(one for one in limits if one[1]),
        tables=tuple(
            (
                str(series.measure.name) if len(chart.series) > 1 else "",
                tuple((words, _cells(series.measure, found)) for words, found in quarters(series)),
            )
            for series in chart.series
        ),
    )


def _cells(measure: Measure, found: Spread | None) -> tuple[str, ...] | None:
    if found is None:
        return None
    figures = (found.least, found.p10, found.p50, found.p90, found.most)
    return (str(found.count), *(measure.figure(value) for value in figures))


def _steps(vitals: Vitals) -> Markup | None:
    if vitals.steps.total is None:
        return None
    name = str(STEPS.name)
    return steps_drawing(vitals.steps, vitals.period, name, width=WIDTH, height=STEPS_HEIGHT, paper=True)


def _with_unit(measure: Measure, value: float) -> str:
    return gettext("%(value)s %(unit)s", value=measure.figure(value), unit=str(measure.unit))
