"""What a person typed into the forms of a trial, made into what the JSON door takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext, lazy_gettext

from gateway.errors import Problem
from portal.care.profile.reasons import Reason, trial_reasons
from portal.care.trial.text import TextError, tables_of
from portal.fields import number_of

DAYS = (1, 7, 14, 30, 60, 90)
USUAL_DAYS = 7
LIMITS: tuple[tuple[str, object, str], ...] = (
    ("heart_rate_high_bpm", lazy_gettext("心率上限（次/分）"), "1"),
    ("heart_rate_low_bpm", lazy_gettext("心率下限（次/分）"), "1"),
    ("systolic_high_mmhg", lazy_gettext("收缩压上限（mmHg）"), "1"),
    ("systolic_low_mmhg", lazy_gettext("收缩压下限（mmHg）"), "1"),
    ("diastolic_high_mmhg", lazy_gettext("舒张压上限（mmHg）"), "1"),
    ("diastolic_low_mmhg", lazy_gettext("舒张压下限（mmHg）"), "1"),
    ("spo2_low_pct", lazy_gettext("血氧下限（%）"), "1"),
    ("body_temp_high_c", lazy_gettext("体温上限（℃）"), "0.1"),
)
"""The limits a person may try on the page, in words, and the step of the field."""
CIRCLE = ("lat", "lon", "radius_m", "exit_margin_m")


@dataclass(slots=True)
class Typed:
    """What was sent, and what became of it; `form` is what the fields show again."""

    body: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    what: str = ""
    problems: tuple[Problem, ...] = ()
    told: Any = None
    shown: Any = None

    @property
    def reasons(self) -> list[Reason]:
        """What is wrong, in words."""
        return trial_reasons(self.problems, self.body)

    @property
    def days(self) -> float:
        """The days that are chosen."""
        given = number(self.form.get("days", ""))
        return given if isinstance(given, float) else USUAL_DAYS


def fences_typed(form: Mapping[str, str]) -> Typed:
    """A circle, or a text of fences."""
    typed = Typed(form=form, what="fences")
    if form.get("kind") == "circle":
        lat, lon, radius_m, margin_m = (number(form.get(key, "")) for key in CIRCLE)
        table: dict[str, Any] = {
            "id": "tried",
            "name": form.get("name", "").strip() or gettext("试用的区域"),
            "centre": [lat, lon],
        }
        table |= {"radius_m": radius_m, "exit_margin_m": 0.0 if margin_m is None else margin_m}
        tables: list[Any] = [table]
    else:
        try:
            tables = tables_of(form.get("text", ""))
        except TextError as error:
            expected = "GeoJSON, or tables of fences as TOML or JSON"
            typed.problems = (Problem("text", str(error)[:120] or "(empty)", expected),)
            return typed
    typed.body = {"fences": tables, "days": number(form.get("days", ""))}
    return typed


def limits_typed(form: Mapping[str, str]) -> Typed:
    """The limits whose fields were filled in; an empty one stays as it is."""
    table = {key: number(form[key]) for key, _, _ in LIMITS if form.get(key, "").strip()}
    return Typed(form=form, what="limits", body={"vitals": table, "days": number(form.get("days", ""))})


def number(words: str) -> float | str | None:
    """A number; the words themselves where they are none, for the finding that says so; None for nothing."""
    words = words.strip()
    if not words:
        return None
    found = number_of(words)
    return words if found is None else float(found)
