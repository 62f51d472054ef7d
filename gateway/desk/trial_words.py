"""A trial of fences in lines for a terminal, and as JSON for another program."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Literal

from gateway.backtest import Found, Trial
from gateway.desk.device_words import harmless
from gateway.model import Alarm
from sos.shifts import CHINA

Lang = Literal["zh", "en"]
WHAT = {
    "fence_exit": ("离开", "left"),
    "fence_farther": ("更远离", "farther from"),
    "fence_enter": ("进入", "entered"),
    "fence_deeper": ("更深入", "deeper in"),
}
HOUR_S, MINUTE_S = 3600, 60


def lines(trial: Trial, lang: Lang) -> list[str]:
    """Each would-be alarm, the total a week, and what was really raised."""
    zh = lang == "zh"
    span = f"{clock(trial.since)} – {clock(trial.until)}"
    told = [f"{trial.name} ({trial.wearer})  {span}"]
    if trial.changed:
        changes = ", ".join(f"{key} = {value:g}" for key, value in trial.changed.items())
        told.append(f"{'试用' if zh else 'tried with'}: {changes}")
    told.append(_heard(trial, lang))
    told += [_line(one, lang) for one in trial.found]
    count, weekly = len(trial.found), len(trial.found) / trial.weeks
    told.append(
        f"会报警 {count} 次，每周 {weekly:.1f} 次" if zh else f"{count} would-be alarms, {weekly:.1f} a week"
    )
    compared = trial.compared
    both, missed = len(compared.both), len(compared.only_raised)
    told.append(
        f"实际报过 {both + missed} 次：其中 {both} 次仍会报，{missed} 次不会再报；"
        f"新增 {len(compared.only_would)} 次"
        if zh
        else f"really raised: {both + missed}; of these {both} again and {missed} not;"
        f" {len(compared.only_would)} new"
    )
    told += [_gone(one, lang) for one in compared.only_raised]
    return [harmless(line) for line in told]


def _heard(trial: Trial, lang: Lang) -> str:
    if not trial.track:
        return "这段时间没有收到位置" if lang == "zh" else "no position was heard in this time"
    first, count = clock(trial.track[0].at), len(trial.track)
    return f"{count} 个位置，最早 {first}" if lang == "zh" else f"{count} positions, the first at {first}"


def _line(one: Found, lang: Lang) -> str:
    zh = lang == "zh"
    mark = ("" if one.was else "  （实际未报）") if zh else ("" if one.was else "  (was not raised)")
    beyond = f"越界 {one.distance_m:.0f} 米" if zh else f"{one.distance_m:.0f} m past the border"
    what = f"{what_words(one.alarm, lang)} {one.fence}"
    return f"{one.number:>3}  {clock(one.alarm.at)}  {what}  {beyond}  {out_words(one.out_s, lang)}{mark}"


def _gone(alarm: Alarm, lang: Lang) -> str:
    what = "不会再报" if lang == "zh" else "not again"
    return f"  -  {clock(alarm.at)}  {alarm.why.place or ''}  {alarm.why.value or 0:.0f} m  {what}"


def what_words(alarm: Alarm, lang: Lang) -> str:
    """What would have been told of a fence; its code where there are no words for it."""
    words = WHAT.get(alarm.why.code)
    return alarm.why.code if words is None else words[lang == "en"]


def clock(at: datetime) -> str:
    """A time as people in the community read it, to the minute."""
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M}"


def out_words(out_s: float | None, lang: Lang) -> str:
    """How long somebody was outside."""
    if out_s is None:
        return "未见返回" if lang == "zh" else "not seen back"
    if out_s < MINUTE_S:
        return f"在外 {out_s:.0f} 秒" if lang == "zh" else f"out for {out_s:.0f} s"
    if out_s < HOUR_S:
        return f"在外 {out_s / MINUTE_S:.0f} 分钟" if lang == "zh" else f"out for {out_s / MINUTE_S:.0f} min"
    return f"在外 {out_s / HOUR_S:.1f} 小时" if lang == "zh" else f"out for {out_s / HOUR_S:.1f} h"


def as_json(trial: Trial) -> str:
    """The trial as one JSON object; times are ISO 8601 in UTC, distances metres."""
    compared = trial.compared
    return json.dumps(
        {
            "wearer": trial.wearer,
            "since": trial.since.isoformat(),
            "until": trial.until.isoformat(),
            "changed": dict(trial.changed),
            "positions": len(trial.track),
            "alarms": [
                {
                    "at": one.alarm.at.isoformat(),
                    "code": one.alarm.why.code,
                    "fence": one.fence,
                    "distance_m": one.distance_m,
                    "out_s": one.out_s,
                    "was_raised": one.was,
                }
                for one in trial.found
            ],
            "a_week": round(len(trial.found) / trial.weeks, 2),
            "really_raised": len(compared.both) + len(compared.only_raised),
            "not_again": [
                {"at": one.at.isoformat(), "code": one.why.code, "fence": one.why.place}
                for one in compared.only_raised
            ],
        },
        ensure_ascii=False,
        indent=1,
    )
