"""The public holidays of a site, from its file: years of days off, for schedules that name them."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from gateway.config_tables import Checker

EXPECTED = 'days = ["MM-DD", …] under a table of the year, such as [2026]'


def load_holidays(path: Path, checker: Checker) -> tuple[date, ...]:
    """Give the days off in order, none where there is no such file; what is wrong in it is noted."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        checker.add("site.holidays_file", str(path), f"a TOML file of public holidays ({error})")
        return ()
    found: set[date] = set()
    for year, table in document.items():
        days = table.get("days") if isinstance(table, dict) else None
        for day in days if isinstance(days, list) else [days]:
            off = _date(year, day)
            if off is None:
                checker.add(f"site.holidays_file: {year}", repr(day), EXPECTED)
            else:
                found.add(off)
    return tuple(sorted(found))


def _date(year: str, day: Any) -> date | None:
    try:
        return date.fromisoformat(f"{year}-{day}")
    except ValueError:
        return None
