"""What care pages say: who, what, where, since when, and what is being done now.

Sentences come before numbers; every number has its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from flask_babel import lazy_gettext

from gateway.model import Why
from gateway.told import IncidentView, LegView
from portal.care.places import Where
from portal.i18n import gettext, ngettext
from portal.people.language import chosen_language
from portal.words import span

FRESH = timedelta(minutes=3)
FADING = timedelta(minutes=15)
"""Newer than FRESH is live, newer than FADING is fading, older is old."""

UNTAKEN_STATES = ("open", "notifying", "exhausted")
LEG_UNDER_WAY = frozenset({"ordered", "intended", "placed", "ringing", "answered", "ambiguous"})

KIND_WORDS: Mapping[str, object] = {
    "sos": lazy_gettext("按下求救"),
    "fall": lazy_gettext("可能跌倒了"),
    "fence": lazy_gettext("离开了安全区域"),
    "vitals": lazy_gettext("身体指标异常"),
    "silence": lazy_gettext("手环很久没有消息"),
    "low_battery": lazy_gettext("手环电量低"),
    "removed": lazy_gettext("手环被取下"),
    "band": lazy_gettext("手环发出提醒"),
    "system": lazy_gettext("守望设备需要检查"),
    "inactivity": lazy_gettext("很久没有活动"),
}
BAND_WORDS: Mapping[str, object] = {
    "id_claimed_twice": lazy_gettext("有两台设备自称是这只手环，请检查"),
    "cry_without_login": lazy_gettext("手环在求救，但没有通过登录验证，请立即联系佩戴者"),
}
"""Alarms about the band itself, by their code."""
LASTING_WORDS: Mapping[str, object] = {
    "not_up": lazy_gettext("今天还没有活动，已 %(lasting)s"),
    "still": lazy_gettext("已 %(lasting)s没有活动"),
    "vitals_missing": lazy_gettext("手环戴着，但已 %(lasting)s没有测到身体指标"),
    "off_wrist": lazy_gettext("手环取下已 %(lasting)s，没有在充电"),
    "never_heard": lazy_gettext("手环登记后从未有过消息，已 %(lasting)s"),
}
"""Alarms about a time that lasts, by their code; the value is in seconds."""
MEASURES: Mapping[str, object] = {
    "heart_rate": lazy_gettext("心率"),
    "systolic": lazy_gettext("收缩压"),
    "diastolic": lazy_gettext("舒张压"),
    "spo2": lazy_gettext("血氧"),
    "body_temp": lazy_gettext("体温"),
}
VERDICTS: Mapping[str, object] = {
    "true": lazy_gettext("确有其事"),
    "false": lazy_gettext("误报"),
    "test": lazy_gettext("测试"),
}
"""What an alarm turned out to be, said by whoever closes the incident (`gateway.told.Verdict`)."""
VITAL_WORDS: Mapping[str, object] = {
    "_crisis_high": lazy_gettext("%(measure)s危险地偏高：%(value)s"),
    "_crisis_low": lazy_gettext("%(measure)s危险地偏低：%(value)s"),
    "_unusual_high": lazy_gettext("%(measure)s比平时偏高：%(value)s"),
    "_unusual_low": lazy_gettext("%(measure)s比平时偏低：%(value)s"),
    "_rise": lazy_gettext("%(measure)s短时间内升高到 %(value)s"),
    "_fall": lazy_gettext("%(measure)s短时间内降到 %(value)s"),
    "_high": lazy_gettext("%(measure)s偏高：%(value)s"),
    "_low": lazy_gettext("%(measure)s偏低：%(value)s"),
}
"""What is said of a measure, by the end of the alarm's code; the longer endings first."""
LEG_WORDS: Mapping[str, object] = {
    "ordered": lazy_gettext("准备中"),
    "intended": lazy_gettext("正在发起"),
    "ambiguous": lazy_gettext("正在核实"),
    "placed": lazy_gettext("已发出"),
    "ringing": lazy_gettext("正在响铃"),
    "answered": lazy_gettext("已接听"),
    "delivered": lazy_gettext("已送达"),
    "confirmed": lazy_gettext("按 1 确认接手"),
    "no_key": lazy_gettext("接听了，没有按键"),
    "no_answer": lazy_gettext("无人接听"),
    "busy": lazy_gettext("占线"),
    "voicemail": lazy_gettext("转到语音信箱"),
    "failed": lazy_gettext("没有打通"),
    "unreached": lazy_gettext("所有线路都不通"),
    "absent": lazy_gettext("没有发出"),
    "hung_up": lazy_gettext("已挂断，不再需要"),
}
WRITTEN_WORDS: Mapping[str, object] = {
    "failed": lazy_gettext("没有发出去"),
    "confirmed": lazy_gettext("回复 1 确认接手"),
    "hung_up": lazy_gettext("不再发送"),
}
"""Where the same state means another thing for what is written than for what rings."""
SIREN_WORDS: Mapping[str, object] = {
    "ringing": lazy_gettext("正在响"),
    "answered": lazy_gettext("正在响"),
    "placed": lazy_gettext("正在响"),
    "failed": lazy_gettext("没有响"),
    "hung_up": lazy_gettext("已停止"),
}
LEG_TONES: Mapping[str, str] = {
    "confirmed": "good",
    "delivered": "good",
    "ringing": "information",
    "answered": "information",
    "no_answer": "warning",
    "busy": "warning",
    "voicemail": "warning",
    "no_key": "warning",
    "failed": "danger",
    "unreached": "danger",
    "absent": "warning",
}
SEVERITY_ORDER: Mapping[str, int] = {"critical": 0, "warning": 1, "notice": 2}
SOURCE_WORDS: Mapping[str, object] = {
    "gnss": lazy_gettext("北斗卫星定位"),
    "wifi": lazy_gettext("Wi-Fi 估算"),
    "cell": lazy_gettext("基站估算"),
}


def leg_words(channel: str, state: str) -> str:
    """What is known of a leg, as it is said of what is written, rings, or sounds on the spot."""
    own = {"text": WRITTEN_WORDS, "beidou": WRITTEN_WORDS, "siren": SIREN_WORDS}.get(channel, {})
    return str(own.get(state) or LEG_WORDS.get(state, state))


def where_words(where: Where | None, home: str = "") -> str:
    """Say where: "在3栋附近", "在家附近", "在小区外,离北门约 120 米"; empty when nothing is known."""
    if where is None:
        return ""
    name = where.name if chosen_language() == "zh" else where.name_en
    if where.kind == "near":
        if where.name and home.startswith(where.name):
            return str(gettext("在家附近（%(place)s）", place=name))
        return str(gettext("在%(place)s附近", place=name))
    if where.kind == "outside" and name:
        metres = round(where.distance_m, -1)
        return str(gettext("在小区外，离%(place)s约 %(metres)d 米", place=name, metres=metres))
    return str(gettext("在小区外") if where.kind == "outside" else gettext("在小区内"))


def place_words(where: Where | None) -> str:
    """The same without the verb, for an alarm: "3栋附近"."""
    if where is None or where.kind == "inside":
        return ""
    name = where.name if chosen_language() == "zh" else where.name_en
    if where.kind == "near":
        return str(gettext("%(place)s附近", place=name))
    return str(gettext("小区外，离%(place)s不远", place=name) if name else gettext("小区外"))


def freshness(at: datetime | None, now: datetime) -> str:
    """`fresh`, `fading` or `old`, for a style; `never` when nothing was heard."""
    if at is None:
        return "never"
    age = now - at
    return "fresh" if age <= FRESH else "fading" if age <= FADING else "old"


def initials(name: str) -> str:
    """What stands in the ring on the map: the last two characters of a Chinese name, else initials."""
    if name.isascii():
        return "".join(word[0] for word in name.split()[:2]).upper()
    return name[-2:]


def what_words(kind: str, why: Why) -> str:
    """Say what happened: "按下求救", "离开了「5栋与中心花园」", "心率偏高:131 次/分"."""
    if kind == "fence" and why.place:
        return _fence_words(why.code, why.place)
    if why.code in LASTING_WORDS and why.value is not None:
        return str(LASTING_WORDS[why.code]) % {"lasting": span(why.value)}
    if kind == "vitals":
        return _vital_words(why)
    if kind == "low_battery" and why.value is not None:
        return str(gettext("手环电量只剩 %(value)d%%", value=round(why.value)))
    if kind == "band" and why.code in BAND_WORDS:
        return str(BAND_WORDS[why.code])
    return str(KIND_WORDS.get(kind, KIND_WORDS["system"]))


def _fence_words(code: str, place: str) -> str:
    match code:
        case "fence_enter" | "fence_deeper":
            return str(gettext("进入了不宜去的「%(place)s」", place=place))
        case "fence_return":
            return str(gettext("回到了「%(place)s」", place=place))
        case "fence_clear":
            return str(gettext("离开了不宜去的「%(place)s」", place=place))
        case "fence_approach":
            return str(gettext("接近「%(place)s」的边界", place=place))
        case _:
            return str(gettext("离开了「%(place)s」", place=place))


def _vital_words(why: Why) -> str:
    for ending, words in VITAL_WORDS.items():
        measure = MEASURES.get(why.code.removesuffix(ending))
        if why.code.endswith(ending) and measure is not None:
            return str(words) % {"measure": measure, "value": number_words(why.value, why.unit)}
    return str(KIND_WORDS["vitals"])


def number_words(value: float | None, unit: str | None) -> str:
    """A number with its unit in the reader's language."""
    if value is None:
        return ""
    shown = f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"  # noqa: PLR2004  # one decimal
    units = {"bpm": gettext("次/分"), "mmhg": "mmHg", "pct": "%", "c": "℃", "°c": "℃", "m": gettext("米")}
    words = units.get((unit or "").lower(), unit or "")
    return f"{shown}{words}" if words == "%" else f"{shown} {words}".strip()


def vital_parts(state: object, *, health: bool = True) -> list[str]:
    """The short vitals of a card: "心率 76", "血压 132/84", "电量 64%"; what is unknown is left out.

    Without `health` nothing of the body, only how the band is.
    """
    parts = []
    body = state if health else None
    heart = getattr(body, "heart_rate_bpm", None)
    systolic, diastolic = getattr(body, "systolic_mmhg", None), getattr(body, "diastolic_mmhg", None)
    battery = getattr(state, "battery_pct", None)
    if heart is not None:
        parts.append(gettext("心率 %(value)d", value=round(heart)))
    if systolic is not None and diastolic is not None:
        values = {"high": round(systolic), "low": round(diastolic)}
        parts.append(gettext("血压 %(high)d/%(low)d", **values))
    if battery is not None:
        parts.append(gettext("电量 %(value)d%%", value=round(battery)))
    if getattr(state, "worn", None) is False:
        parts.append(gettext("手环没有戴着"))
    return [str(part) for part in parts]


def doing_words(view: IncidentView) -> str:
    """Say what is being done about an incident now."""
    if view.state == "acknowledged":
        return str(gettext("%(name)s 已接手", name=view.acknowledged_by or gettext("有人")))
    if view.state == "resolved":
        return str(gettext("%(name)s 已处理完毕", name=view.resolved_by or gettext("有人")))
    if view.state == "cancelled":
        return str(gettext("本人已取消，请再确认一下"))
    taken = taken_words(view)
    return f"{taken} · {_under_way(view)}" if taken else _under_way(view)


def still_wanted(view: IncidentView) -> int:
    """How many more people are wanted before nobody else is rung."""
    return max(0, view.acks_wanted - len(view.takers)) if view.state in UNTAKEN_STATES else 0


def taken_words(view: IncidentView) -> str:
    """Who has taken it on while more people are wanted; empty where nobody has, or nobody more is."""
    more = still_wanted(view)
    if not view.takers or not more:
        return ""
    names = "、".join(view.takers)
    return str(
        ngettext("%(names)s 已接手，还需 %(num)s 人", "%(names)s 已接手，还需 %(num)s 人", more, names=names)
    )


def _under_way(view: IncidentView) -> str:
    """Say what is being done while somebody is still wanted."""
    call = next((leg for leg in reversed(view.legs) if leg.channel == "call"), None)
    if call is not None and call.state in LEG_UNDER_WAY:
        return str(_calling_words(call))
    if view.state == "exhausted" and view.takers:
        return str(gettext("会继续反复拨打其他人"))
    if view.state == "exhausted":
        return str(gettext("暂时没有人接手，会继续反复拨打"))
    texts = [leg for leg in view.legs if leg.channel == "text" and leg.purpose == "alarm"]
    if texts:
        told = len({leg.contact for leg in texts})
        return str(ngettext("已短信通知 %(num)s 人，等人接手", "已短信通知 %(num)s 人，等人接手", told))
    return str(gettext("正在通知"))


def _calling_words(leg: LegView) -> object:
    if leg.role == "staff":
        return gettext("亲属都没有接手，正在拨打 %(name)s", name=leg.name)
    if leg.state == "answered":
        return gettext("%(name)s 已接听，等待按 1 确认", name=leg.name)
    return gettext("正在拨打 %(name)s（第 %(round)d 轮）", name=leg.name, round=leg.round)
