"""`shouwang journal tuning`: alarms a week by wearer and rule, how many were false, what could be tuned."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings

if TYPE_CHECKING:
    from gateway.desk.tuning import Line, Report, Suggestion

MOST_WEEKS = 520
UNITS = {"exit_margin_m": ("m", "米"), "dwell_s": ("s", "秒")}


def add_to(asks: Any, where: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the sub-command to `shouwang journal`; `where` adds the options that say which journal."""
    words = "alarms a week by wearer and rule, how many were false, and what could be tuned"
    ask = asks.add_parser("tuning", help=words, description=words)
    where(ask)
    ask.set_defaults(run=run)
    ask.add_argument("--weeks", type=_weeks, default=4.0, help="so many weeks back from now (4)")
    ask.add_argument("--json", action="store_true", dest="as_json")
    ask.add_argument("--lang", choices=("zh", "en"), default="zh")


def _weeks(words: str) -> float:
    """A number of weeks; raises ValueError for one that is none."""
    weeks = float(words)
    if not 0 < weeks <= MOST_WEEKS:
        raise ValueError
    return weeks


def run(options: argparse.Namespace) -> int:
    """`shouwang journal tuning`: 0 told, 2 when there is no journal."""
    from pathlib import Path

    from gateway.clock import SystemClock
    from gateway.desk.device_words import harmless
    from gateway.desk.in_force import settings_in_force
    from gateway.desk.tuning import report
    from gateway.journal.reader import JournalReader
    from gateway.paths import journal_path

    here = Path.cwd()
    settings = settings_in_force(checked_settings(options.config))
    try:
        reader = JournalReader(here / options.file if options.file else journal_path(settings))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG
    until = SystemClock().now()
    found = report(reader, settings, since=until - timedelta(weeks=options.weeks), until=until)
    if options.as_json:
        print(as_json(found))
        return 0
    for words in told(found, english=options.lang == "en"):
        print(harmless(words))
    return 0


def told(found: Report, *, english: bool) -> list[str]:
    """The report in lines."""
    if not found.lines:
        return ["no alarms in this time" if english else "这段时间没有报警"]
    said = [_line(line, english=english) for line in found.lines]
    said += [_suggestion(one, english=english) for one in found.suggestions]
    if not found.suggestions:
        said.append("nothing that was tried is worth changing" if english else "试过的设置都不值得改动")
    return said


def _line(line: Line, *, english: bool) -> str:
    counts = [line.said[key] for key in ("true", "false", "test", "")]
    share = line.false_share
    if english:
        shown = "nobody said" if share is None else f"{share:.0%} false"
        told = "{} true, {} false, {} test, {} not said".format(*counts)
        return f"{line.name}  {line.code}  {line.a_week:.1f} a week ({line.alarms})  {shown}: {told}"
    shown = "还没有人判断" if share is None else f"误报 {share:.0%}"
    told = "属实 {}，误报 {}，测试 {}，未说明 {}".format(*counts)
    return f"{line.name}  {line.code}  每周 {line.a_week:.1f} 次（共 {line.alarms} 次）  {shown}：{told}"


def _suggestion(one: Suggestion, *, english: bool) -> str:
    avoided = one.alarms_today - one.alarms_tried
    unit, unit_zh = UNITS[one.key]
    if english:
        sure = "none of them closed as true" if one.judged else "but nobody said yet whether they were true"
        return (
            f"-> {one.name}: {one.key} = {one.tried:g} {unit} instead of {one.today:g} would have avoided"
            f" {avoided} of {one.alarms_today} exits, {sure}"
        )
    sure = "其中没有一次被判断为属实" if one.judged else "但还没有人说明过是否属实，请先核实"
    return (
        f"→ {one.name}：{one.key} 从 {one.today:g} 改为 {one.tried:g} {unit_zh}，"
        f"{one.alarms_today} 次离开围栏报警会少 {avoided} 次，{sure}"
    )


def as_json(found: Report) -> str:
    """The report as one JSON object."""
    return json.dumps(
        {
            "since": found.since.isoformat(),
            "until": found.until.isoformat(),
            "alarms": [
                {
                    "wearer": line.wearer,
                    "kind": line.kind,
                    "code": line.code,
                    "alarms": line.alarms,
                    "a_week": round(line.a_week, 2),
                    "true": line.said["true"],
                    "false": line.said["false"],
                    "test": line.said["test"],
                    "not_said": line.said[""],
                    "false_share": line.false_share,
                }
                for line in found.lines
            ],
            "suggestions": [
                {
                    "wearer": one.wearer,
                    "key": one.key,
                    "today": one.today,
                    "tried": one.tried,
                    "alarms_today": one.alarms_today,
                    "alarms_tried": one.alarms_tried,
                    "judged": one.judged,
                }
                for one in found.suggestions
            ],
        },
        ensure_ascii=False,
        indent=1,
    )
