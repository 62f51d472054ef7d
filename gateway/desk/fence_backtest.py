"""`shouwang fence backtest`: a fence, or another margin, tried over the journal before it goes live."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings

TRIED = ("exit_margin_m", "hysteresis_m", "dwell_s", "max_accuracy_m")
"""Keys of [rules.fence] that have an option of their own."""
MOST_DAYS = 3660


def add_to(asks: Any) -> None:
    """Add the sub-command to `shouwang fence`."""
    words = "what a wearer's fences would have alarmed over the last days, and what they did"
    ask = asks.add_parser("backtest", help=words, description=words)
    ask.set_defaults(run=run)
    ask.add_argument("--config", type=Path, default=Path("config.toml"))
    ask.add_argument("--file", type=Path, help="a journal file, instead of the configured one")
    ask.add_argument("--wearer", required=True, help="an id of [[wearers]]")
    ask.add_argument("--days", type=_days, default=7.0, help="so many days back from now (7)")
    ask.add_argument(
        "--fence-file", type=Path, help="fences of a map file, tried instead of the wearer's own"
    )
    for key in TRIED:
        option = "--" + key.replace("_", "-")
        ask.add_argument(option, type=float, help=f"tried instead of the {key} of today, for every fence")
    ask.add_argument("--picture", type=Path, metavar="FILE.html", help="write a map of it, one HTML file")
    ask.add_argument("--json", action="store_true", dest="as_json")
    ask.add_argument("--lang", choices=("zh", "en"), default="zh")


def _days(words: str) -> float:
    """A number of days; raises ValueError for one that is none."""
    days = float(words)
    if not 0 < days <= MOST_DAYS:
        raise ValueError
    return days


def run(options: argparse.Namespace) -> int:
    """`shouwang fence backtest`: 0 tried, 2 when it cannot be."""
    from gateway.clock import SystemClock
    from gateway.desk import trial, trial_page, trial_words
    from gateway.desk.in_force import settings_in_force
    from gateway.journal.reader import JournalReader
    from gateway.paths import journal_path
    from gateway.roster import People

    here = Path.cwd()
    settings = settings_in_force(checked_settings(options.config))
    until = SystemClock().now()
    view = People(settings).wearers.get(options.wearer)
    if view is None:
        print(f"there is no wearer {options.wearer}", file=sys.stderr)
        return CONFIG_WRONG
    try:
        reader = JournalReader(here / options.file if options.file else journal_path(settings))
        found = trial.fences_over(
            reader,
            settings,
            view,
            since=until - timedelta(days=options.days),
            until=until,
            fences=trial.fences_of(here / options.fence_file) if options.fence_file else None,
            changed={key: getattr(options, key) for key in TRIED if getattr(options, key) is not None},
        )
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG
    if options.picture:
        drawn = trial_page.page(found, Path(settings.site.map_dir), options.lang)
        (here / options.picture).write_text(drawn, encoding="utf-8")
    told = (
        trial_words.as_json(found) if options.as_json else "\n".join(trial_words.lines(found, options.lang))
    )
    print(told)
    return 0
