"""Rules tried over what the journal remembers; the trying itself is `gateway.backtest`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from gateway import history
from gateway.backtest import WARM_UP, RuleTrial, Trial, try_fences, try_rule, warm_up
from gateway.config import Settings
from gateway.journal.reader import JournalReader
from gateway.model import FenceView, WearerView
from gateway.rules.fence import FenceRule


def fences_over(
    reader: JournalReader,
    settings: Settings,
    view: WearerView,
    *,
    since: datetime,
    until: datetime,
    fences: tuple[FenceView, ...] | None = None,
    changed: Mapping[str, float],
) -> Trial:
    """Run the fence rule over [since, until) of a wearer's history, as `gateway.backtest.try_fences`."""
    return try_fences(
        view,
        tuple(history.heard(reader, view.wearer, since=since - WARM_UP, until=until)),
        history.raised(reader, wearer=view.wearer, since=since, until=until),
        today=settings.wearer_rules[view.wearer, FenceRule.name],
        since=since,
        until=until,
        fences=fences,
        changed=changed,
    )


def rule_over(
    reader: JournalReader,
    settings: Settings,
    view: WearerView,
    *,
    rule: str,
    tried: Any,
    since: datetime,
    until: datetime,
) -> RuleTrial:
    """Run any other rule with the settings `tried`, and with those in force, over the same history."""
    judged = history.judged(reader, wearer=view.wearer, since=since, until=until, notices=True)
    return try_rule(
        view,
        rule,
        tuple(history.heard(reader, view.wearer, since=since - warm_up(rule), until=until)),
        [one.alarm for one in judged],
        today=settings.wearer_rules[view.wearer, rule],
        tried=tried,
        since=since,
        until=until,
    )


def fences_of(path: Path) -> tuple[FenceView, ...]:
    """Give the fences of a map file; raises OSError or ValueError, in words, when one of them is none."""
    from gateway.fence_files import view_of_drawn
    from geofence.files import read
    from geofence.judging import judge

    reading = read(path)
    judged = judge(reading.features, site=None)
    wrong = [one for one in (*reading.findings, *judged.findings) if one.weight == "error"]
    if wrong:
        raise ValueError(f"{path}\n" + "\n".join(map(str, wrong)))
    return tuple(view_of_drawn(fence) for fence in judged.fences)


def profile_rules(path: Path, rule: str) -> dict[str, Any]:
    """Give what a file says of one rule: a profile, or its `rules` alone, as TOML or JSON.

    Raises OSError, or ValueError in words when it is neither.
    """
    decode: Any = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        document = decode(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    rules = document.get("rules", document) if isinstance(document, dict) else None
    table = rules.get(rule) if isinstance(rules, dict) else None
    if not isinstance(table, dict):
        raise ValueError(f"{path}: there is no table rules.{rule}")  # noqa: TRY004 (the file is wrong)
    return table
