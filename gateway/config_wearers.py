"""The rules of each wearer: the community's tables of a configuration, overridden key by key. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from gateway import plugins
from gateway.config_tables import Checker

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CommunityRules:
    """The table of every rule before a wearer overrides it, as written, and the same as settings.

    To the `[rules.*]` tables is added what is of the site: `journal.max_event_age_s`, the public holidays.
    A table that is wrong has no settings; one that is no table is left out.
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def community_rules(
    document: Mapping[str, Any], checker: Checker, holidays: tuple[date, ...]
) -> CommunityRules:
    """Give the community's rules of a configuration; what is wrong in them is noted elsewhere."""
    written, journal = (_table(document.get(name, {})) for name in ("rules", "journal"))
    tables: dict[str, Table] = {}
    for name in plugins.names("rule"):
        base = written.get(name, {})
        if not isinstance(base, dict):
            continue
        kind = plugins.settings_of("rule", name)
        if "max_event_age_s" in kind.__struct_fields__ and "max_event_age_s" in journal:
            base = {"max_event_age_s": journal["max_event_age_s"]} | base
        if holidays and "holidays" in kind.__struct_fields__:
            base = {"holidays": holidays} | base
        tables[name] = base
    silent = Checker(checker.source)
    settings = {
        name: silent.table(base, plugins.settings_of("rule", name), name) for name, base in tables.items()
    }
    return CommunityRules(tables, settings)


def _table(value: Any) -> Table:
    return value if isinstance(value, dict) else {}


def rules_of(checker: Checker, community: CommunityRules, own: Any, path: str) -> dict[str, Any]:
    """Give one wearer's settings of every rule; None for those that are wrong.

    `own` is the `rules` table of the wearer, `path` where it stands.
    A problem is noted once: in the community's table where it stands there, else here.
    """
    known = plugins.names("rule")
    if not isinstance(own, dict):
        return {}
    for name in sorted(set(own) - set(known)):
        checker.add(f"{path}.{name}", "(table)", "one of " + ", ".join(known))
    merged: dict[str, Any] = {}
    for name, base in community.tables.items():
        over = own.get(name, {})
        if not isinstance(over, dict):
            continue
        if not over:
            merged[name] = community.settings[name]
            continue
        here, trial = f"{path}.{name}", Checker(checker.source)
        merged[name] = trial.table(base | over, plugins.settings_of("rule", name), here)
        checker.problems += [
            one for one in trial.problems if one.path == here or one.path.rpartition(".")[2] in over
        ]
    return merged
