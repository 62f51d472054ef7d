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
    from gateway.desk.tuning import Report
    from gateway.desk.weighing import Line, Suggestion

MOST_WEEKS = 520
ENOUGH = 5
"""`gateway.desk.tuning.ENOUGH_JUDGED`, which is imported with the work."""
LIMITS_OF_A_DOCTOR = frozenset({"vitals", "trend", "baseline"})
OUTCOMES = {
    "suggested": ("", ""),
    "never": (
        "never tuned: crisis values, an SOS, a fall and what a band itself raises stay as they are",
        "从不建议改动：危急值、求救、跌倒和手环自己的报警保持不变",
    ),
    "few": ("not enough: fewer than {least} alarms", "还不够：少于 {least} 次报警"),
    "unjudged": (
        "not enough: of {judged} of {alarms} somebody said whether they were true",
        "还不够：{alarms} 次里只有 {judged} 次有人说明是否属实",
    ),
    "mostly_true": ("left alone: too many of them were true", "不改：属实的不少"),
    "not_reproduced": (
        "not enough: the journal no longer holds what these alarms came from",
        "还不够：日志里已没有这些报警的依据",
    ),
    "true_lost": (
        "left alone: every value tried would have lost or delayed a true alarm",
        "不改：试过的设置都会漏掉或推迟一次属实的报警",
    ),
    "no_use": (
        "left alone: no value tried would have avoided half of the false ones",
        "不改：试过的设置都减少不了一半误报",
    ),
}
"""Why nothing is suggested, by `gateway.desk.weighing.Outcome`."""


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
    """The report in lines: the counts, why there is nothing to suggest, and what could be tuned."""
    if not found.lines:
        return ["no alarms in this time" if english else "这段时间没有报警"]
    said: list[str] = []
    for line in found.lines:
        said.append(_line(line, english=english))
        mine = [one for one in found.suggestions if (one.wearer, one.code) == (line.wearer, line.code)]
        said += [_suggestion(one, english=english) for one in mine]
        if not mine:
            said.append(_outcome(line, english=english))
    return said


def _outcome(line: Line, *, english: bool) -> str:
    """Why nothing is suggested."""
    words, words_zh = OUTCOMES[line.outcome]
    counts = {"judged": line.judged, "alarms": line.alarms, "least": ENOUGH}
    return "   " + (words if english else words_zh).format(**counts)


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
    unit, unit_zh = one.knob.unit
    doctor = one.knob.rule in LIMITS_OF_A_DOCTOR
    minutes = round(one.later_s / 60)
    if english:
        kept = f"all {one.true_kept} true ones would still come" if one.true_kept else "there was no true one"
        kept += f", at most {minutes} min later" if minutes else ""
        unknown = f"; of {one.unjudged_avoided} more it would silence nobody said what they were"
        return (
            f"-> {one.name}: {one.key} = {_value(one.tried)} {unit}".rstrip()
            + f" instead of {_value(one.today)} would have avoided {one.false_avoided} of"
            f" {one.false_seen} false alarms; {kept}{unknown if one.unjudged_avoided else ''}"
            f"{'; ask the doctor' if doctor else ''}"
        )
    kept = f"{one.true_kept} 次属实的都还会报" if one.true_kept else "没有属实的报警"
    kept += f"，最多晚 {minutes} 分钟" if minutes else ""
    unknown = f"；还会少报 {one.unjudged_avoided} 次未说明的"
    return (
        f"→ {one.name}：{one.key} 从 {_value(one.today)} 改为 {_value(one.tried)} {unit_zh}".rstrip()
        + f"，{one.false_seen} 次误报会少 {one.false_avoided} 次，{kept}"
        f"{unknown if one.unjudged_avoided else ''}{'；请先问医生' if doctor else ''}"
    )


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


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
                    "outcome": line.outcome,
                }
                for line in found.lines
            ],
            "suggestions": [
                {
                    "wearer": one.wearer,
                    "code": one.code,
                    "rule": one.knob.rule,
                    "key": one.key,
                    "today": one.today,
                    "tried": one.tried,
                    "alarms_today": one.alarms_today,
                    "alarms_tried": one.alarms_tried,
                    "judged": one.judged,
                    "false_seen": one.false_seen,
                    "false_avoided": one.false_avoided,
                    "true_kept": one.true_kept,
                    "unjudged_avoided": one.unjudged_avoided,
                    "later_s": one.later_s,
                }
                for one in found.suggestions
            ],
        },
        ensure_ascii=False,
        indent=1,
    )
