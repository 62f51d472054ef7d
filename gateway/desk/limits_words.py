"""A trial of limits in lines for a terminal, and as JSON for another program."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Literal

from gateway.backtest import Episode, RuleTrial
from gateway.desk.device_words import harmless
from gateway.desk.trial_words import HOUR_S, MINUTE_S, clock

Lang = Literal["zh", "en"]
MEASURES = {
    "heart_rate": ("心率", "heart rate"),
    "systolic": ("收缩压", "systolic pressure"),
    "diastolic": ("舒张压", "diastolic pressure"),
    "spo2": ("血氧", "blood oxygen"),
    "body_temp": ("体温", "temperature"),
}
ENDS = {
    "_crisis_high": ("危险地偏高", "dangerously high"),
    "_crisis_low": ("危险地偏低", "dangerously low"),
    "_unusual_high": ("比平时偏高", "higher than usual"),
    "_unusual_low": ("比平时偏低", "lower than usual"),
    "_rise": ("短时间内升高", "fast rise"),
    "_fall": ("短时间内降低", "fast fall"),
    "_high": ("偏高", "high"),
    "_low": ("偏低", "low"),
}
"""The longer endings first."""
OTHERS = {
    "vitals_missing": ("没有测到身体指标", "nothing measured"),
    "silent": ("手环静默", "silent band"),
    "never_heard": ("从未有过消息", "never heard"),
    "battery_low": ("电量低", "low battery"),
    "off_wrist": ("手环取下", "band off the wrist"),
    "not_up": ("早上没有活动", "not up"),
    "still": ("长时间没有活动", "no movement"),
}


def lines(trial: RuleTrial, lang: Lang) -> list[str]:
    """Each would-be alarm, the totals a week, and what would not be raised any more."""
    zh = lang == "zh"
    told = [f"{trial.name} ({trial.wearer})  [{trial.rule}]  {clock(trial.since)} – {clock(trial.until)}"]
    told += [
        f"{'试用' if zh else 'tried with'}: {key} = {shown(after)} "
        f"{'（现行' if zh else '(in force'} {shown(before)}{'）' if zh else ')'}"
        for key, (before, after) in trial.changed.items()
    ]
    told.append(heard_words(trial, lang))
    told += [f"{one.number:>3}  {_episode(one, lang)}" for one in trial.found]
    told += [f"  -  {_episode(one, lang)}  {'不再报' if zh else 'not any more'}" for one in trial.gone]
    told += totals(trial, lang)
    return [harmless(line) for line in told]


def heard_words(trial: RuleTrial, lang: Lang) -> str:
    """How much was heard, and since when: what retention dropped is not there."""
    if trial.first_at is None:
        return "这段时间没有收到消息" if lang == "zh" else "nothing was heard in this time"
    first, count = clock(trial.first_at), trial.frames
    return f"{count} 条消息，最早 {first}" if lang == "zh" else f"{count} frames, the first at {first}"


def totals(trial: RuleTrial, lang: Lang) -> list[str]:
    """The counts a week: tried, in force, really raised; then by what was raised."""
    count, now = len(trial.found), trial.in_force
    weekly, weekly_now = count / trial.weeks, now / trial.weeks
    both = sum(one.in_force for one in trial.found)
    was = sum(one.was for one in trial.found)
    by_code = Counter(one.alarm.why.code for one in trial.found)
    if lang == "zh":
        compared = f"{both} 次相同，新增 {count - both} 次，减少 {now - both} 次"
        told = [
            f"试用：{count} 次，每周 {weekly:.1f} 次；现行：{now} 次，每周 {weekly_now:.1f} 次；{compared}",
            f"实际报过 {trial.raised} 次，其中 {was} 次试用时也会报",
        ]
        told += [f"  {what_words(code, lang)}：{number} 次" for code, number in by_code.most_common()]
        return told
    compared = f"{both} the same, {count - both} new, {now - both} fewer"
    told = [
        f"tried: {count}, {weekly:.1f} a week; in force: {now}, {weekly_now:.1f} a week ({compared})",
        f"really raised: {trial.raised}, {was} of them with the limits tried too",
    ]
    told += [f"  {what_words(code, lang)}: {number}" for code, number in by_code.most_common()]
    return told


def _episode(one: Episode, lang: Lang) -> str:
    alarm, zh = one.alarm, lang == "zh"
    limit = "" if alarm.why.limit is None else ("限值 " if zh else "limit ") + _number(alarm.why.limit)
    parts = [clock(alarm.at), what_words(alarm.why.code, lang), value_words(one), limit]
    parts.append(lasted_words(one.lasted_s, lang) if one.lasted_s is not None else "")
    parts.append(("现行也报" if zh else "in force too") if one.in_force else "")
    parts.append(("当时报过" if zh else "was raised") if one.was else "")
    return "  ".join(filter(None, parts))


def what_words(code: str, lang: Lang) -> str:
    """What would have been told; the code where there are no words for it."""
    english = lang == "en"
    if code in OTHERS:
        return OTHERS[code][english]
    for end, words in ENDS.items():
        if code.endswith(end):
            begin = code.removesuffix(end)
            name = MEASURES.get(begin)
            if name is not None:
                return f"{name[english]} {words[english]}" if english else name[0] + words[0]
    return code


def value_words(one: Episode) -> str:
    """The readings it rests on, or its value alone."""
    why = one.alarm.why
    unit = why.unit or ""
    if why.readings:
        values = " ".join(_number(each.value) for each in why.readings)
        dots = "… " if why.count is not None and why.count > len(why.readings) else ""
        return f"{dots}{values} {unit}"
    return "" if why.value is None else f"{_number(why.value)} {unit}"


def lasted_words(lasted_s: float | None, lang: Lang) -> str:
    """How long it was beyond the limit."""
    if lasted_s is None:
        return "未见恢复" if lang == "zh" else "not seen back"
    if lasted_s < HOUR_S:
        minutes = max(1, round(lasted_s / MINUTE_S))
        return f"持续 {minutes} 分钟" if lang == "zh" else f"for {minutes} min"
    return f"持续 {lasted_s / HOUR_S:.1f} 小时" if lang == "zh" else f"for {lasted_s / HOUR_S:.1f} h"


def shown(value: Any) -> str:
    """A setting as a person reads it."""
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def as_json(trial: RuleTrial) -> str:
    """The trial as one JSON object; times are ISO 8601 in UTC."""
    return json.dumps(
        {
            "wearer": trial.wearer,
            "rule": trial.rule,
            "since": trial.since.isoformat(),
            "until": trial.until.isoformat(),
            "changed": {key: {"in_force": old, "tried": new} for key, (old, new) in trial.changed.items()},
            "frames": trial.frames,
            "first_at": None if trial.first_at is None else trial.first_at.isoformat(),
            "alarms": [episode_json(one) for one in trial.found],
            "not_any_more": [episode_json(one) for one in trial.gone],
            "a_week": round(len(trial.found) / trial.weeks, 2),
            "a_week_in_force": round(trial.in_force / trial.weeks, 2),
            "in_force": trial.in_force,
            "really_raised": trial.raised,
        },
        ensure_ascii=False,
        indent=1,
        default=str,
    )


def episode_json(one: Episode) -> dict[str, Any]:
    """One alarm for another program."""
    why = one.alarm.why
    return {
        "at": one.alarm.at.isoformat(),
        "code": why.code,
        "severity": one.alarm.severity,
        "value": why.value,
        "limit": why.limit,
        "unit": why.unit,
        "readings": [{"at": each.at.isoformat(), "value": each.value} for each in why.readings],
        "lasted_s": one.lasted_s,
        "in_force": one.in_force,
        "was_raised": one.was,
    }
