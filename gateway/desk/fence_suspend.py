"""`shouwang fence suspend` and `resume`: fences that do not count for a while, ordered from this box."""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.desk.configured import checked_settings

CLOCK = re.compile(r"\d{1,2}:\d{2}")
UNTIL = '"18:00" (the next time it is), or "2026-03-01 18:00"; times are those of China'


def add_to(asks: Any) -> None:
    """Add the sub-commands to `shouwang fence`."""
    suspend = asks.add_parser("suspend", help="let a wearer's fences not count until a time")
    suspend.add_argument("--until", required=True, help=UNTIL)
    suspend.add_argument("--note", default="", help="why, such as: out with the daughter")
    resume = asks.add_parser("resume", help="let them count again before that time")
    for name, ask in (("suspend_fences", suspend), ("resume_fences", resume)):
        ask.add_argument("--wearer", required=True)
        ask.add_argument("--fence", help="only this one of the wearer's fences")
        ask.add_argument("--by", required=True, help="who says so")
        ask.add_argument("--config", type=Path, default=Path("config.toml"))
        ask.set_defaults(run=run, what=name, until=None, note="")


def run(options: argparse.Namespace) -> int:
    """`shouwang fence suspend|resume`: 0 done, 1 refused or no gateway runs here, 2 no such time."""
    from gateway.clock import SystemClock
    from gateway.desk import incidents

    settings = checked_settings(options.config)
    until = None
    if options.until is not None:
        try:
            until = time_of(options.until, SystemClock().now())
        except ValueError:
            print(f"--until: {options.until!r} is not a time; expected {UNTIL}")
            return 2
    answer = incidents.order(
        settings,
        name=options.what,
        wearer=options.wearer,
        fence=options.fence,
        until=until,
        by=options.by,
        note=options.note or None,
    )
    print(answer.reason or "done")
    return 0 if answer.done else 1


def time_of(text: str, now: datetime) -> datetime:
    """Give the time a person means; raises ValueError for what is none.

    A bare clock time is the next one: of today, or of tomorrow where it has passed.
    """
    from geofence.schedule import CHINA, next_clock

    if CLOCK.fullmatch(text.strip()):
        return next_clock(text, now)
    at = datetime.fromisoformat(text.strip())
    return at.replace(tzinfo=CHINA) if at.tzinfo is None else at
