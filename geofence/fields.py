"""The columns of a fence in a map file, by name: to values and back; pure, standard library only.

A Shapefile cuts column names to ten characters, so the longer ones have a short name there (`SHORT`);
names are read in any case, short, long or cut.
A list is one text with semicolons between ("mon-fri 08:00-20:00; sat 09:00-12:00"),
because few formats hold lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, isnan
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["text", "texts", "number", "numbers"]
Value = str | float | tuple[str, ...] | tuple[float, ...]

FIELDS: Mapping[str, Kind] = MappingProxyType(
    {
        "id": "text",
        "name": "text",
        "radius_m": "numbers",
        "half_width_m": "numbers",
        "exit_margin_m": "number",
        "keep": "text",
        "hysteresis_m": "number",
        "dwell_s": "number",
        "schedule": "texts",
        "approach_m": "number",
        "escalate_m": "numbers",
    }
)
"""Every column of ours; radius_m and half_width_m are one number, or one for each part in order."""
EXPECTED: Mapping[Kind, str] = MappingProxyType(
    {
        "text": "text",
        "texts": "texts with ; between",
        "number": "a number",
        "numbers": "numbers with ; between",
    }
)
GEOMETRY_FIELDS = frozenset({"id", "name", "radius_m", "half_width_m"})
"""Those that name a fence or belong to its drawing; the others say how it is judged."""
SHORT: Mapping[str, str] = MappingProxyType(
    {"half_width_m": "half_wid_m", "exit_margin_m": "exit_mrg_m", "hysteresis_m": "hyster_m"}
)
"""What the long ones are called in a Shapefile."""
CUT = 10
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in FIELDS},
        **{name[:CUT]: name for name in FIELDS},
        **{short: name for name, short in SHORT.items()},
        "名称": "name",
        "半径": "radius_m",
    }
)
SILENT = frozenset(
    {"fid", "description", "timestamp", "begin", "end", "altitudemode", "tessellate", "extrude"}
    | {"visibility", "draworder", "icon"}
)
"""Columns that formats bring along by themselves."""


def known(columns: Mapping[str, Any]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Give the values of our columns by their full name, without empty ones, and what is wrong in words."""
    found: dict[str, Value] = {}
    wrong: list[str] = []
    for column, value in columns.items():
        name = ALIASES.get(column.lower())
        if name is None or _empty(value) or name in found:
            continue
        try:
            found[name] = _value(FIELDS[name], value)
        except (TypeError, ValueError):
            wrong.append(f"{column} is {value!r}, expected {EXPECTED[FIELDS[name]]}")
    return found, tuple(wrong)


def strangers(columns: Iterable[str]) -> tuple[str, ...]:
    """Give the columns that are neither ours nor brought along by a format."""
    return tuple(one for one in columns if one.lower() not in ALIASES and one.lower() not in SILENT)


def written(values: Mapping[str, Value | None], *, short: bool = False) -> dict[str, str | float | None]:
    """Give the columns as they stand in a file: lists as one text, names cut for a Shapefile on `short`."""
    return {
        SHORT.get(name, name) if short else name: as_column(value)
        for name, value in values.items()
        if name in FIELDS
    }


def as_column(value: Value | None) -> str | float | None:
    """One value as a file holds it."""
    if isinstance(value, tuple):
        return "; ".join(one if isinstance(one, str) else repr(float(one)) for one in value) or None
    return value


def _value(kind: Kind, value: Any) -> Value:
    if kind == "number":
        return _number(value)
    if kind == "text":
        return _text(value)
    parts = value if isinstance(value, list | tuple) else str(value).split(";")
    parts = [part for part in parts if not _empty(part)]
    return tuple(map(_text, parts)) if kind == "texts" else tuple(map(_number, parts))


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _number(value: Any) -> float:
    """Raises TypeError or ValueError for what is no number."""
    number = float(value)
    if isinstance(value, bool) or not isfinite(number):
        raise ValueError
    return number


def _empty(value: Any) -> bool:
    """None, text of spaces, an empty list, and the not-a-number by which tables say nothing."""
    if isinstance(value, float):
        return isnan(value)
    return value is None or value == [] or (isinstance(value, str) and not value.strip())
