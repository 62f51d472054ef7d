"""What somebody wants to try, made into what a rule takes; everything that is wrong is listed at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway import plugins
from gateway.config_checks import check_fence
from gateway.config_tables import Checker, SecretSource
from gateway.errors import Problem
from gateway.fences import view_of
from gateway.model import FenceView
from gateway.profile import FenceTable
from gateway.rules.fence import FenceSettings, watch
from geofence.schedule import parse_line

MOST_FENCES = 50
MOST_MARGIN_M = 5_000.0
MOST_CORNERS = 5_000
"""Of all fences together: what a trial can look at in good time."""


def settings_in_force(rule: str, *tables: Mapping[str, Any]) -> Any:
    """Give a rule's settings of these tables, a later one over the ones before, key by key.

    Keys that are none and values that are wrong are passed over: what is in force was checked by its gateway.
    """
    kind = plugins.settings_of("rule", rule)
    found: dict[str, Any] = {}
    for table in tables:
        found |= {key: value for key, value in table.items() if _right(rule, kind, {key: value})}
    return _checked(kind, found, rule)[0] or kind()


def settings_with(
    rule: str, today: Any, table: Any, *, path: str | None = None
) -> tuple[Any, tuple[Problem, ...]]:
    """Give a rule's settings of today with the keys of a table changed, or None and all that is wrong.

    `path` is what the paths of the problems begin with; the rule's name where it is left out.
    """
    where = rule if path is None else path
    if not isinstance(table, dict):
        return None, (Problem(where, _shown(table), "a table"),)
    plain = msgspec.structs.asdict(today)
    return _checked(type(today), plain | table, where)


def fences_of_tables(
    tables: Any, settings: FenceSettings, *, path: str = "fences"
) -> tuple[tuple[FenceView, ...], tuple[Problem, ...]]:
    """Give the fences of `[[wearers.fences]]` tables in WGS-84, or none and all that is wrong with them."""
    if not isinstance(tables, list):
        return (), (Problem(path, _shown(tables), "a list of tables"),)
    if not 0 < len(tables) <= MOST_FENCES:
        return (), (Problem(path, f"({len(tables)} fences)", f"1 to {MOST_FENCES} fences"),)
    checker = Checker(SecretSource(base=Path(), demo=True))
    views: list[FenceView] = []
    for number, one in enumerate(tables):
        where = f"{path}[{number}]"
        table = checker.table(one, FenceTable, where)
        if table is not None:
            views += _view(checker, where, table, settings)
    names = [view.fence for view in views]
    for name in sorted({name for name in names if names.count(name) > 1}):
        checker.add(path, name, "ids that differ")
    corners = sum(map(_corners, views))
    if corners > MOST_CORNERS:
        checker.add(path, f"({corners} corners)", f"at most {MOST_CORNERS} corners of all fences together")
    return ((), tuple(checker.problems)) if checker.problems else (tuple(views), ())


def _view(checker: Checker, path: str, table: FenceTable, settings: FenceSettings) -> list[FenceView]:
    """The fence of a table, or nothing and its problems noted."""
    before = len(checker.problems)
    check_fence(checker, path, table)
    if not 0 <= table.exit_margin_m <= MOST_MARGIN_M:
        checker.add(f"{path}.exit_margin_m", table.exit_margin_m, f"metres from 0 to {MOST_MARGIN_M:g}")
    for line in table.schedule:
        try:
            on = parse_line(line).on
        except ValueError as error:
            checker.add(f"{path}.schedule", line, str(error))
            continue
        if on != "any" and not settings.holidays:
            checker.add(f"{path}.schedule", line, "no holidays: none are known here")
    if len(checker.problems) > before:
        return []
    view = view_of(table)
    try:
        watch(view, settings)
    except (ValueError, OverflowError) as error:
        checker.add(path, "(table)", str(error))
        return []
    return [view]


def _corners(view: FenceView) -> int:
    return sum(len(part.polygon) + len(part.line) + sum(map(len, part.holes)) for part in (view, *view.parts))


def _checked(kind: Any, table: dict[str, Any], path: str) -> tuple[Any, tuple[Problem, ...]]:
    checker = Checker(SecretSource(base=Path(), demo=True))
    settings = checker.table(table, kind, path)
    return settings, tuple(checker.problems)


def _right(rule: str, kind: Any, table: dict[str, Any]) -> bool:
    fields: Sequence[str] = kind.__struct_fields__
    return set(table) <= set(fields) and not _checked(kind, table, rule)[1]


def _shown(value: Any) -> str:
    return "(missing)" if value is None else repr(value)[:60]
