"""What the page of vital signs shows: one sentence, then a card a chart with its figures and table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app
from markupsafe import Markup
from sqlalchemy.orm import Session

from portal.care.history import milliseconds
from portal.care.models import Wearer
from portal.care.trial import run as trial
from portal.care.vitals.chart import Chart, Steps, charts, steps
from portal.care.vitals.data import chart_data, steps_data
from portal.care.vitals.history import History, read
from portal.care.vitals.marks import Mark, marks
from portal.care.vitals.measures import STEPS, Limits, limits_of
from portal.care.vitals.period import Period
from portal.care.vitals.svg import drawing, steps_drawing
from portal.care.vitals.tables import Table, steps_table, table_of
from portal.care.vitals.words import Told, limits_words, told
from portal.i18n import gettext
from portal.policy import Sight
from portal.words import now

PHONE_WIDTH, PHONE_HEIGHT = 350, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Everything of a period: what a page, a sheet, paper and a bundle are made of."""

    period: Period
    charts: tuple[Chart, ...]
    steps: Steps
    marks: tuple[Mark, ...]
    cut_ms: int | None

    @property
    def empty(self) -> bool:
        """Whether nothing at all was measured."""
        return all(chart.empty for chart in self.charts) and self.steps.total is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One chart on the page; `picture` is for a desk, `narrow` for a telephone."""

    key: str
    name: str
    icon: str
    unit: str
    told: Told
    limits: tuple[tuple[str, str], ...]
    usual: bool
    chart: Chart
    picture: Markup
    narrow: Markup
    data: dict[str, Any]
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsCard:
    """The steps on the page."""

    picture: Markup
    narrow: Markup
    data: dict[str, Any]
    table: Table


def limits_in_force(session: Session, wearer: Wearer) -> dict[str, Limits]:
    """The limits in force for a wearer, by measure: their own, else the community's."""
    community = current_app.config["PORTAL"].community_rules
    return dict(limits_of(trial.in_force(session, wearer, "vitals", community)))


def vitals_of(session: Session, wearer: Wearer, period: Period, sight: Sight) -> Vitals:
    """Read and weigh a period; whoever calls has asked the policy, and passes on what it allows."""
    history = read(session, wearer.id, period.usual_ms, period.until_ms)
    return weigh(history, limits_in_force(session, wearer), marks(session, wearer, period, sight), period)


def weigh(history: History, limits: dict[str, Limits], found: Sequence[Mark], period: Period) -> Vitals:
    """Give a period of a history that reaches back to `period.usual_ms`."""
    cut_ms = history.cut_ms if history.cut_ms is not None and history.cut_ms > period.since_ms else None
    return Vitals(
        period=period,
        charts=tuple(charts(history, period, limits, milliseconds(now()))),
        steps=steps(history, period),
        marks=tuple(found),
        cut_ms=cut_ms,
    )


def cards(vitals: Vitals) -> list[Card]:
    """A card for each chart in which there is anything."""
    return [_card(chart, vitals.marks) for chart in vitals.charts if not chart.empty]


def steps_card(vitals: Vitals) -> StepsCard | None:
    """The card of the steps, None where none were counted."""
    if vitals.steps.total is None:
        return None
    title = gettext("%(what)s的图，数值见下面的表格", what=str(STEPS.name))
    picture = steps_drawing(vitals.steps, vitals.period, title)
    narrow = steps_drawing(vitals.steps, vitals.period, title, width=PHONE_WIDTH)
    return StepsCard(
        picture=picture,
        narrow=narrow,
        data=steps_data(vitals.steps, vitals.period, (), str(STEPS.unit)),
        table=steps_table(vitals.steps, vitals.period),
    )


def _card(chart: Chart, found: Sequence[Mark]) -> Card:
    name = str(chart.panel.name)
    title = gettext("%(what)s的图，数值见下面的表格", what=name)
    limits = [(str(one.measure.name), limits_words(one)) for one in chart.series]
    return Card(
        key=chart.panel.kind,
        name=name,
        icon=chart.panel.icon,
        unit=str(chart.panel.measures[0].unit),
        told=told(chart),
        limits=tuple(one for one in limits if one[1]),
        usual=any(one.usual for one in chart.series),
        chart=chart,
        picture=drawing(chart, found, title),
        narrow=drawing(chart, found, title, width=PHONE_WIDTH, height=PHONE_HEIGHT),
        data=chart_data(chart, found),
        table=table_of(chart),
    )
