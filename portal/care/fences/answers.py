"""A fence as its form shows it, and the fence of a filled form."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.profile import FenceTable
from geofence.schedule import EVERY_DAY as DAILY
from geofence.schedule import parse_line
from portal.care.fences.presets import ground_answers
from portal.care.fences.questions import ALWAYS, CODES
from portal.care.problem_words import shape_words
from portal.care.profile.check import fence_problems
from portal.care.profile.words import WORKDAYS
from portal.fields import Filled
from portal.i18n import gettext

GROUND = frozenset({"kind", "lat", "lon", "radius_m", "corners", "holes", "line", "half_width_m", "datum"})
"""The questions that say where a fence is."""
WEEKS = {"daily": "daily", "workdays": "mon-fri"}
NAMED = {"day": "daily day", "night": "daily night", "holidays": "holidays"}
HOURS = re.compile(r"(?P<days>[a-z,-]+)(?P<but> not holidays)? (?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
HOLED = re.compile(r"\bholes?\b")
CLOCK = re.compile(r"(?P<hour>\d{1,2})(?:[:.点时]?(?P<minute>\d\d|半)?分?)?", re.ASCII)
Corners = tuple[tuple[float, float], ...]


def fence_raw(fence: FenceTable | None) -> dict[str, list[str]]:
    """Give a fence as its form shows it, each answer as a list."""
    if fence is None:
        return {"keep": ["in"], "kind": ["circle"], "datum": ["wgs84"], "when": [ALWAYS], "radius_m": ["100"]}
    raw: dict[str, Any] = {"name": fence.name, "keep": fence.keep, "datum": fence.datum}
    raw |= ground_answers(fence) | _schedule_raw(fence.schedule)
    for field in ("hysteresis_m", "dwell_s"):
        value = getattr(fence, field)
        raw[field] = "" if value is None else f"{value:g}"
    for field in ("exit_margin_m", "approach_m"):
        raw[field] = f"{getattr(fence, field):g}" if getattr(fence, field) else ""
    raw["escalate_m"] = ", ".join(f"{one:g}" for one in fence.escalate_m)
    return {name: value if isinstance(value, list) else [value] for name, value in raw.items()}


def fence_of(form: Filled, fence: FenceTable | None, name: str) -> FenceTable | None:
    """Give the fence of a filled form under its name; None where something is wrong, noted in the form."""
    found = fence_so_far(form, fence, name)
    return None if form.errors else found


def fence_so_far(form: Filled, fence: FenceTable | None, name: str) -> FenceTable:
    """Give the fence of a form that may be half filled, as far as it can be read; what is wrong is noted."""
    said = {key: str(value) for key, value in form.values.items() if isinstance(value, str)}
    ground = _ground(form, said, fence)
    made: dict[str, Any] = {
        "schedule": _schedule(form, said),
        "escalate_m": _read(form, "escalate_m", said.get("escalate_m", ""), _metres) or (),
        "exit_margin_m": float(said.get("exit_margin_m", 0)),
        "approach_m": float(said.get("approach_m", 0)),
        "hysteresis_m": _number(said, "hysteresis_m"),
        "dwell_s": _number(said, "dwell_s"),
        "keep": said.get("keep", "in"),
    }
    found = FenceTable(id=name, name=said.get("name", ""), **ground, **made)
    drawn = not GROUND & form.errors.keys()
    for field, error in fence_problems(found).items():
        if drawn or field:
            _note_shape(form, field, error, said.get("kind", ""))
    return found


def clock_of(text: str) -> str | None:
    """Give a clock time as people type it ("8：00", "8点半", "0830") as "08:30"; None where it is none."""
    found = CLOCK.fullmatch(re.sub(r"\s", "", unicodedata.normalize("NFKC", text)))
    if found is None:
        return None
    minute = 30 if found["minute"] == "半" else int(found["minute"] or 0)
    hour = int(found["hour"])
    good = (hour < 24 and minute < 60) or (hour, minute) == (24, 0)  # noqa: PLR2004 - hours and minutes
    return f"{hour:02d}:{minute:02d}" if good else None


def _schedule_raw(lines: Sequence[str]) -> dict[str, Any]:
    if not lines:
        return {"when": ALWAYS}
    if len(lines) == 1:
        line = " ".join(lines[0].lower().split())
        for value, named in NAMED.items():
            if line == named:
                return {"when": value}
        found = HOURS.fullmatch(line)
        if found is not None and found["days"] != "holidays":
            days = [CODES[day] for day in parse_line(line).span.days]
            more = {"not_holidays": "yes"} if found["but"] else {}
            which = {DAILY: "daily", WORKDAYS: "workdays"}.get(parse_line(line).span.days, "hours")
            return {"when": which, "days": days, "begin": found["begin"], "end": found["end"], **more}
    return {"when": "own", "schedule": "\n".join(lines)}


def _ground(form: Filled, said: Mapping[str, str], fence: FenceTable | None) -> dict[str, Any]:
    """The fields of a fence that say where it is; those of old where it has several parts."""
    if fence is not None and fence.parts:
        return {"parts": fence.parts, "datum": fence.datum}
    datum = {"datum": said.get("datum", "wgs84")}
    match said.get("kind"):
        case "circle" if {"lat", "lon", "radius_m"} <= said.keys():
            centre = (float(said["lat"]), float(said["lon"]))
            return {"centre": centre, "radius_m": float(said["radius_m"]), **datum}
        case "polygon":
            corners = _read(form, "corners", said.get("corners", ""), _corners) or ()
            return {"polygon": corners, "holes": _holes(form, said, fence), **datum}
        case "corridor":
            line = _read(form, "line", said.get("line", ""), _corners) or ()
            return {"line": line, "half_width_m": _number(said, "half_width_m"), **datum}
    return {}


def _holes(form: Filled, said: Mapping[str, str], fence: FenceTable | None) -> tuple[Corners, ...]:
    """The holes of a polygon; those of old where they were not asked for."""
    if "holes" not in form.raw:
        return () if fence is None else fence.holes
    return _read(form, "holes", said.get("holes", ""), _rings) or ()


def _schedule(form: Filled, said: Mapping[str, str]) -> tuple[str, ...]:
    match said.get("when"):
        case "day" | "night" | "holidays" as named:
            return (NAMED[named],)
        case "daily" | "workdays" | "hours" as which:
            clocks = {field: clock_of(said[field]) for field in ("begin", "end") if field in said}
            for field in (field for field, clock in clocks.items() if clock is None):
                form.errors[field] = gettext("请写成 08:00 这样的钟点。")
            if {"days", "begin", "end"} & form.errors.keys():
                return ()
            picked = ",".join(code for code in CODES if code in form.values.get("days", ()))
            days = WEEKS.get(which, picked)
            but = " not holidays" if said.get("not_holidays") else ""
            return (f"{days}{but} {clocks['begin']}-{clocks['end']}",)
        case "own":
            return _read(form, "schedule", said.get("schedule", ""), _schedule_lines) or ()
    return ()


def _read(form: Filled, field: str, text: str, read: Callable[[str], Any]) -> Any:
    """Read a field's text; what is wrong with it is noted, unless something already is."""
    try:
        return read(text) if text else None
    except ValueError as error:
        form.errors.setdefault(field, str(error))
        return None


def _corners(text: str) -> Corners:
    found = []
    for number, line in enumerate(filter(str.strip, text.splitlines()), start=1):
        pair = re.split(r"[,，\s]+", line.strip().strip("[]()（），,"))
        try:
            lat, lon = (float(part) for part in pair)
        except ValueError:
            raise ValueError(gettext("第 %(number)s 行不是“纬度, 经度”。", number=number)) from None
        found.append((lat, lon))
    return tuple(found)


def _rings(text: str) -> tuple[Corners, ...]:
    """Rings with an empty line between them; a wrong line is told by its number in the whole text."""
    _corners(text)
    return tuple(_corners(ring) for ring in re.split(r"\n\s*\n", text.strip()) if ring.strip())


def _metres(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in re.split(r"[,，、/;；\s]+", text) if part)
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise ValueError(gettext("请填写数字，用逗号隔开。"))
    return found


def _schedule_lines(text: str) -> tuple[str, ...]:
    lines = tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())
    for number, line in enumerate(lines, start=1):
        try:
            parse_line(line)
        except ValueError:
            raise ValueError(gettext("第 %(number)s 行看不懂，请照例子写。", number=number)) from None
    return lines


def _note_shape(form: Filled, field: str, error: str, kind: str) -> None:
    """Note under the question it belongs to what makes a fence none."""
    if field == "escalate_m":
        form.errors.setdefault(field, gettext("距离要从小到大写，都大于 0。"))
        return
    if field.startswith("schedule"):
        form.errors.setdefault("when", gettext("这样的时间不成立，请重新选择。"))
        return
    if kind == "polygon" and HOLED.search(error):
        form.errors.setdefault("holes", shape_words(error))
        return
    question = {"polygon": "corners", "corridor": "line", "circle": "lat"}.get(kind, "name")
    form.errors.setdefault(question, shape_words(error))


def _number(said: Mapping[str, str], field: str) -> float | None:
    return float(said[field]) if field in said else None
