"""Profiles in words: what a change does, what a fence is, when it counts, what a gateway said against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext

from gateway.profile import FenceTable
from geofence.schedule import DAY_MIN, EVERY_DAY, Line, parse_line
from portal.care.profile.diff import GROUND, Change, Difference, masked_phone
from portal.i18n import gettext, ngettext

LIMITS: Mapping[str, tuple[object, object]] = {
    "heart_rate_low_bpm": (lazy_gettext("心率下限"), lazy_gettext("次/分")),
    "heart_rate_high_bpm": (lazy_gettext("心率上限"), lazy_gettext("次/分")),
    "systolic_low_mmhg": (lazy_gettext("收缩压（高压）下限"), "mmHg"),
    "systolic_high_mmhg": (lazy_gettext("收缩压（高压）上限"), "mmHg"),
    "diastolic_low_mmhg": (lazy_gettext("舒张压（低压）下限"), "mmHg"),
    "diastolic_high_mmhg": (lazy_gettext("舒张压（低压）上限"), "mmHg"),
    "spo2_low_pct": (lazy_gettext("血氧下限"), "%"),
    "body_temp_high_c": (lazy_gettext("体温上限"), "℃"),
}
"""The limits of the vitals rule that have a form, with their units."""
FIELDS: Mapping[str, object] = {
    "name": lazy_gettext("名称"),
    "phone": lazy_gettext("电话"),
    "relation": lazy_gettext("关系"),
    "lang": lazy_gettext("短信和电话用的语言"),
    "birth_year": lazy_gettext("出生年份"),
    "home": lazy_gettext("住址"),
    "beidou_number": lazy_gettext("北斗编号"),
    "exit_margin_m": lazy_gettext("越界多远才算"),
    "hysteresis_m": lazy_gettext("回来多深才算"),
    "dwell_s": lazy_gettext("停留多久才算"),
    "keep": lazy_gettext("规则"),
    "schedule": lazy_gettext("生效时间"),
    "approach_m": lazy_gettext("接近提醒"),
    "escalate_m": lazy_gettext("走远再报警"),
    "id": lazy_gettext("代号"),
    "centre": lazy_gettext("中心"),
    "polygon": lazy_gettext("边界的角"),
    "holes": lazy_gettext("挖去的部分"),
    "line": lazy_gettext("路线上的点"),
    "parts": lazy_gettext("分块"),
    "datum": lazy_gettext("坐标取自"),
    "contacts": lazy_gettext("联系人"),
    "fences": lazy_gettext("区域"),
    "fence": lazy_gettext("区域"),
    "rules": lazy_gettext("规则"),
    "vitals": lazy_gettext("身体指标的限值"),
    "days": lazy_gettext("天数"),
    "text": lazy_gettext("区域"),
    "radius_m": lazy_gettext("半径"),
    "half_width_m": lazy_gettext("两侧宽度"),
}
LANGUAGES: Mapping[str, object] = {"zh": lazy_gettext("中文"), "en": lazy_gettext("英文")}
KEEPS: Mapping[str, object] = {"in": lazy_gettext("应待在里面"), "out": lazy_gettext("不应进入")}
SOURCES: Mapping[str, object] = {
    "file": lazy_gettext("守望设备的配置文件"),
    "portal": lazy_gettext("在本站修改"),
    "rollback": lazy_gettext("恢复旧版本"),
}
DAYS = (
    lazy_gettext("周一"),
    lazy_gettext("周二"),
    lazy_gettext("周三"),
    lazy_gettext("周四"),
    lazy_gettext("周五"),
    lazy_gettext("周六"),
    lazy_gettext("周日"),
)
SENTENCES: Mapping[tuple[str, str], object] = {
    ("contact", "added"): lazy_gettext("添加联系人 %(name)s"),
    ("contact", "removed"): lazy_gettext("删除联系人 %(name)s"),
    ("contact", "changed"): lazy_gettext("联系人 %(name)s：%(what)s"),
    ("fence", "added"): lazy_gettext("添加区域「%(name)s」"),
    ("fence", "removed"): lazy_gettext("删除区域「%(name)s」"),
    ("fence", "changed"): lazy_gettext("区域「%(name)s」：%(what)s"),
}
WORKDAYS, WEEKEND = (0, 1, 2, 3, 4), (5, 6)


def change_words(change: Change) -> str:
    """Say one change in a sentence; telephone numbers are masked."""
    if change.part == "rule":
        return _setting(change.id, change.fields[0])
    if change.part == "person":
        return _fields(change.fields)
    if change.kind == "moved":
        return gettext("改变拨打顺序")
    return str(SENTENCES[change.part, change.kind]) % {"name": change.name, "what": _fields(change.fields)}


def fence_words(fence: FenceTable) -> str:
    """Say what ground a fence is: "圆形，半径 90 米"."""
    if fence.parts:
        return ngettext("由 %(num)s 块组成", "由 %(num)s 块组成", len(fence.parts))
    if fence.polygon:
        return ngettext("多边形，%(num)s 个角", "多边形，%(num)s 个角", len(fence.polygon))
    if fence.line:
        return gettext("路线，两侧各 %(metres)s 米", metres=f"{fence.half_width_m or 0:g}")
    return gettext("圆形，半径 %(metres)s 米", metres=f"{fence.radius_m or 0:g}")


def schedule_words(lines: Sequence[str]) -> str:
    """Say when a fence counts; a line that cannot be read stands as it is."""
    said = []
    for line in lines:
        try:
            said.append(_line_words(parse_line(line)))
        except ValueError:
            said.append(line)
    return gettext("；").join(said) if said else gettext("一直生效")


def field_words(field: str) -> str:
    """Say the name of a field or a limit; one without words stands as it is."""
    known = LIMITS[field][0] if field in LIMITS else FIELDS.get(field)
    return field if known is None else str(known)


def _setting(rule: str, said: Difference) -> str:
    if rule == "vitals" and said.field in LIMITS:
        name, unit = LIMITS[said.field]
        before, after = _limit(said.before, unit), _limit(said.after, unit)
        return gettext("%(what)s：%(before)s → %(after)s", what=str(name), before=before, after=after)
    before, after = ("-" if one is None else str(one) for one in (said.before, said.after))
    return f"{rule}.{said.field}: {before} → {after}"


def _limit(value: Any, unit: object) -> str:
    if value is None:
        return gettext("社区标准")
    return f"{value:g} {unit}" if isinstance(value, int | float) else str(value)


def _fields(fields: Sequence[Difference]) -> str:
    ground = any(one.field in GROUND for one in fields)
    said = [_field(one) for one in fields if one.field not in GROUND]
    sizes = [one for one in fields if one.field in {"radius_m", "half_width_m"}]
    only_size = ground and len(sizes) == sum(one.field in GROUND for one in fields)
    if only_size and all(one.before is not None and one.after is not None for one in sizes):
        said = [_field(one) for one in sizes] + said
    elif ground:
        said.insert(0, gettext("位置或形状改了"))
    return gettext("、").join(said)


def _field(field: Difference) -> str:
    before, after = (_value(field.field, one) for one in (field.before, field.after))
    return gettext(
        "%(what)s %(before)s → %(after)s", what=field_words(field.field), before=before, after=after
    )


def _value(field: str, value: Any) -> str:
    match field:
        case "phone":
            return masked_phone(value)
        case "lang":
            return str(LANGUAGES[value])
        case "keep":
            return str(KEEPS[value])
        case "schedule":
            return schedule_words(value)
        case "escalate_m":
            return "/".join(f"{one:g}" for one in value) or gettext("无")
    if value is None or value == "" or (field == "exit_margin_m" and not value):
        return gettext("社区标准") if field.endswith(("_m", "_s")) else gettext("无")
    if not isinstance(value, float):
        return str(value)
    number = f"{value:g}"
    return (
        gettext("%(number)s 米", number=number)
        if field.endswith("_m")
        else gettext("%(count)s 秒", count=number)
    )


def _line_words(line: Line) -> str:
    days = line.span.days
    named = {EVERY_DAY: gettext("每天"), WORKDAYS: gettext("周一至周五"), WEEKEND: gettext("周末")}
    said = named.get(days) or gettext("、").join(str(DAYS[day]) for day in days)
    if line.on == "holidays":
        said = gettext("节假日")
    elif line.on == "not holidays":
        said = gettext("%(days)s（节假日除外）", days=said)
    begin, end = line.span.begin_min, line.span.end_min
    if (begin, end) == (0, DAY_MIN):
        return gettext("%(days)s全天", days=said)
    return f"{said} {_clock(begin)}–{_clock(end)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
