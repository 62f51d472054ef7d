"""`shouwang vitals`: limits of vital signs, and of any other rule, tried before they go live."""

from __future__ import annotations

import argparse
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings

MOST_DAYS = 3660


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "limits of vital signs tried over what the journal remembers"
    asks = commands.add_parser("vitals", help=words, description=words)
    asks = asks.add_subparsers(title="what", required=True, metavar="WHAT")
    words = "what other limits would have alarmed over the last days, beside those in force"
    ask = asks.add_parser("backtest", help=words, description=words)
    ask.set_defaults(run=run)
    ask.add_argument("--config", type=Path, default=Path("config.toml"))
    ask.add_argument("--file", type=Path, help="a journal file, instead of the configured one")
    ask.add_argument("--wearer", required=True, help="an id of [[wearers]]")
    ask.add_argument("--days", type=_days, default=7.0, help="so many days back from now (7)")
    ask.add_argument("--rule", default="vitals", help="another rule: trend, baseline, battery, silence ...")
    ask.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        dest="changed",
        help="a key of [rules.<rule>] tried instead of today's; may be given several times",
    )
    words = "a profile (or its rules) as TOML or JSON, tried instead of the wearer's own"
    ask.add_argument("--profile", type=Path, metavar="FILE", help=words)
    ask.add_argument("--picture", type=Path, metavar="FILE.html", help="write charts of it, one HTML file")
    ask.add_argument("--json", action="store_true", dest="as_json")
    ask.add_argument("--lang", choices=("zh", "en"), default="zh")


def _days(words: str) -> float:
    """A number of days; raises ValueError for one that is none."""
    days = float(words)
    if not 0 < days <= MOST_DAYS:
        raise ValueError
    return days


def _pair(words: str) -> tuple[str, Any]:
    """A key and its value as TOML writes it, or as plain text; raises ValueError without a "="."""
    key, equals, value = words.partition("=")
    if not equals or not key.strip():
        raise ValueError
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def run(options: argparse.Namespace) -> int:
    """`shouwang vitals backtest`: 0 tried, 2 when it cannot be."""
    from gateway.backtest import rules_to_try
    from gateway.clock import SystemClock
    from gateway.desk import limits_page, limits_words, trial
    from gateway.desk.in_force import settings_in_force
    from gateway.journal.reader import JournalReader
    from gateway.paths import journal_path
    from gateway.roster import People

    here = Path.cwd()
    settings = settings_in_force(checked_settings(options.config))
    until = SystemClock().now()
    view = People(settings).wearers.get(options.wearer)
    if view is None:
        return _refused(f"there is no wearer {options.wearer}")
    if options.rule not in rules_to_try():
        return _refused(f"--rule is one of {', '.join(rules_to_try())}; fences: shouwang fence backtest")
    try:
        tried = _tried(options, settings, here)
        found = trial.rule_over(
            JournalReader(here / options.file if options.file else journal_path(settings)),
            settings,
            view,
            rule=options.rule,
            tried=tried,
            since=until - timedelta(days=options.days),
            until=until,
        )
    except (ValueError, OSError) as error:
        return _refused(str(error))
    if options.picture:
        drawn = limits_page.page(found, options.lang)
        (here / options.picture).write_text(drawn, encoding="utf-8")
    if options.as_json:
        print(limits_words.as_json(found))
    else:
        print("\n".join(limits_words.lines(found, options.lang)))
    return 0


def _tried(options: argparse.Namespace, settings: Any, here: Path) -> Any:
    """The settings to try; raises ValueError that names every key that is wrong."""
    from gateway.backtest import settings_with
    from gateway.desk.trial import profile_rules

    base = settings.wearer_rules[options.wearer, options.rule]
    problems: tuple[Any, ...] = ()
    if options.profile:
        table = profile_rules(here / options.profile, options.rule)
        community = settings.community_rules.settings[options.rule]
        base, problems = settings_with(options.rule, community, table, path=f"rules.{options.rule}")
    if not problems:
        base, problems = settings_with(options.rule, base, dict(options.changed))
    if problems:
        raise ValueError("\n".join(map(str, problems)))
    return base


def _refused(words: str) -> int:
    print(words, file=sys.stderr)
    return CONFIG_WRONG
