"""What a guardian reads and hears, in Chinese and in English.

Essentials first, because a telephone shows only the beginning: who, when, what, where, what to do.
The alarm text without its link aims at one UCS-2 part (70 characters, 3GPP TS 23.040 section 9.2.3.24.1).
Times are those of China (UTC+8 all year since 1991), so that no time-zone file is needed here.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from sos.incident import Incident, Subject

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
ONE_PART_CHARS = 70
ALMOST_DAY_S = 20 * 3600

KINDS = {
    "sos": ("按下求救", "pressed SOS"),
    "fall": ("疑似跌倒", "may have fallen"),
    "fence": ("离开活动范围", "left the safe area"),
    "vitals": ("生命体征异常", "has abnormal vital signs"),
    "silence": ("手环失去联系", "cannot be reached by the band"),
    "low_battery": ("手环电量低", "has a band low on battery"),
    "removed": ("手环被取下", "has taken the band off"),
    "band": ("手环报警", "has a band alarm"),
    "system": ("系统报警", "system alarm"),
}
MEASURES = {
    "heart_rate": ("心率", "heart rate"),
    "systolic": ("收缩压", "systolic pressure"),
    "diastolic": ("舒张压", "diastolic pressure"),
    "spo2": ("血氧", "oxygen saturation"),
    "body_temp": ("体温", "body temperature"),
}
UNITS = {"bpm": "次/分", "/min": "次/分", "%": "%", "c": "℃", "°c": "℃", "cel": "℃", "m": "米"}
SPOKEN_UNITS = {
    "mmhg": "毫米汞柱",
    "bpm": "次每分钟",
    "/min": "次每分钟",
    "%": "百分之",
    "c": "度",
    "°c": "度",
    "cel": "度",
}


def _number(value: float) -> str:
    """A number as people say it: no needless decimals."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"  # noqa: PLR2004 - one decimal


def _vitals(subject: Subject, *, lang: str, spoken: bool) -> str | None:
    """收缩压 186 mmHg,高于 150; None when the code or the number is not one of ours."""
    measure, _, side = subject.code.rpartition("_")
    if measure not in MEASURES or side not in {"high", "low"} or subject.value is None:
        return None
    unit = (subject.unit or "").strip()
    chinese, english = MEASURES[measure]
    value = _number(subject.value)
    if lang == "en":
        limit = (
            ""
            if subject.limit is None
            else f", {'above' if side == 'high' else 'below'} {_number(subject.limit)}"
        )
        return f"{english} {value} {unit}".rstrip() + limit
    limit = (
        "" if subject.limit is None else f"，{'高于' if side == 'high' else '低于'} {_number(subject.limit)}"
    )
    words = (SPOKEN_UNITS if spoken else UNITS).get(unit.lower(), unit)
    if words == "百分之":
        return f"{chinese} 百分之{value}{limit}"
    return f"{chinese} {value} {words}".rstrip() + limit


def _fence(subject: Subject, *, lang: str) -> str | None:
    """离开 5栋与中心花园 已超出 35 米; None when no fence is named."""
    if not subject.place:
        return None
    if lang == "en":
        return f"left {subject.place}" + (
            "" if subject.value is None else f", {_number(round(subject.value))} m outside"
        )
    return f"离开 {subject.place}" + (
        "" if subject.value is None else f" 已超出 {_number(round(subject.value))} 米"
    )


def headline(subject: Subject, lang: str = "zh", *, spoken: bool = False) -> str:
    """What happened, to follow the wearer's name in a sentence; `spoken` writes units out."""
    words = None
    if subject.kind == "vitals":
        words = _vitals(subject, lang=lang, spoken=spoken)
    elif subject.kind == "fence":
        words = _fence(subject, lang=lang)
    elif subject.kind == "silence" and subject.value is not None and subject.unit == "s":
        minutes = _number(max(1, round(subject.value / 60)))
        words = f"no data from the band for {minutes} min" if lang == "en" else f"手环已 {minutes} 分钟无数据"
    elif subject.kind == "low_battery" and subject.value is not None:
        charge = _number(subject.value)
        words = f"has a band at {charge}% battery" if lang == "en" else f"手环电量仅剩 {charge}%"
    if words is None:
        chinese, english = KINDS.get(subject.kind, KINDS["band"])
        words = english if lang == "en" else chinese
    return words


def clock_words(at: datetime, now: datetime, lang: str = "zh", *, spoken: bool = False) -> str:
    """20:03, with the date before it when that was not within the last day; `spoken` says 20点03分."""
    local = at.astimezone(CHINA)
    hour = f"{local.hour}点{local.minute:02d}分" if spoken and lang != "en" else f"{local:%H:%M}"
    if abs((now - at).total_seconds()) < ALMOST_DAY_S:
        return hour
    day = f"{local:%d %b}" if lang == "en" else f"{local.month}月{local.day}日"
    return f"{day} {hour}"


def where_words(incident: Incident, lang: str = "zh") -> str:
    """在3栋东门附近, else plain WGS-84 degrees, else that the position is not known."""
    if incident.where:
        return f"near {incident.where}" if lang == "en" else f"在{incident.where}"
    if incident.lat is not None and incident.lon is not None:
        degrees = f"{incident.lat:.5f},{incident.lon:.5f}"
        return f"at {degrees}" if lang == "en" else f"在{degrees}"
    return "position unknown" if lang == "en" else "位置不明"


def _framed(incident: Incident, body: str, lang: str) -> str:
    """The sign the law wants in front, the reference and the link behind; a drill says so first."""
    if lang == "en":
        sign = "[Shouwang] DRILL, no emergency: " if incident.drill else "[Shouwang] "
    else:
        sign = "【守望演练】这是演练:" if incident.drill else "【守望】"
    link = f" {incident.subject.link}" if incident.subject.link else ""
    return f"{sign}{body} #{incident.ref}{link}"


def _what(incident: Incident, now: datetime, lang: str) -> str:
    """张桂兰 20:03 按下求救, with the word that it comes late where it does."""
    when = clock_words(incident.opened_at, now, lang)
    if lang == "en":
        late = " (received late)" if incident.late else ""
        return f"{incident.subject.name} {headline(incident.subject, lang)} at {when}{late}"
    late = "(迟到的报警)" if incident.late else ""
    return f"{incident.subject.name} {when} {headline(incident.subject)}{late}"


def alarm_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """The first text.

    【守望】张桂兰 20:03 按下求救，在3栋东门附近。请立即联系，接手回复1，危急拨120 #A7K2
    """
    what, where = _what(incident, now, lang), where_words(incident, lang)
    if lang == "en":
        return _framed(
            incident, f"{what}, {where}. Please call now. Reply 1 to take it. In danger dial 120", lang
        )
    return _framed(incident, f"{what}，{where}。请立即联系，接手回复1，危急拨120", lang)


def reminder_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """Everybody was rung and nobody took it."""
    what, where = _what(incident, now, lang), where_words(incident, lang)
    if lang == "en":
        return _framed(
            incident,
            f"Nobody has answered yet: {what}, {where}. Reply 1 to take it. In danger dial 120",
            lang,
        )
    return _framed(incident, f"仍无人接手：{what}，{where}。接手回复1，危急拨120", lang)


def unresolved_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """Somebody took it, and it was not closed in time."""
    minutes = _number(max(1, round(incident.plan.ack_timeout_s / 60)))
    what, who = _what(incident, now, lang), incident.acknowledged_by or ""
    if lang == "en":
        return _framed(
            incident, f"Not closed {minutes} min after {who} took it: {what}. Reply 1 to take it", lang
        )
    return _framed(
        incident, f"{who}接手{minutes}分钟后仍未处理完：{what}，{where_words(incident)}。接手回复1", lang
    )


def position_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """The wearer moved, or pressed again."""
    name, where = incident.subject.name, where_words(incident, lang)
    when = clock_words(incident.position_at or now, now, lang)
    again = incident.presses > incident.presses_told
    if lang == "en":
        pressed = f" pressed again (press {incident.presses})" if again else " has moved"
        return _framed(incident, f"{name}{pressed}, {where} at {when}", lang)
    pressed = f"再次求救（第{incident.presses}次）" if again else "位置有变"
    return _framed(incident, f"{name} {when} {pressed}，{where}", lang)


def taken_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """李晓梅已接手: what the others are told."""
    name, who = incident.subject.name, incident.acknowledged_by or ""
    when = clock_words(incident.acknowledged_at or now, now, lang)
    if lang == "en":
        return _framed(incident, f"{who} took the alarm of {name} at {when}; you need not call", lang)
    what = f"{name} {headline(incident.subject)}（{when}）"
    return _framed(incident, f"{who}已接手：{what}，您无需再拨打", lang)


def confirmed_text(incident: Incident, _now: datetime, lang: str = "zh") -> str:
    """What a person who took it by text is told, so that they know it arrived."""
    name = incident.subject.name
    if lang == "en":
        return _framed(
            incident,
            f"Confirmed: the alarm of {name} is yours. Please go or call now. In danger dial 120",
            lang,
        )
    return _framed(
        incident, f"已确认由您处理：{name} {headline(incident.subject)}。请立即前往或联系，危急拨120", lang
    )


def cancelled_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """The wearer took it back; people are asked to check all the same."""
    what, where = _what(incident, now, lang), where_words(incident, lang)
    if lang == "en":
        return _framed(
            incident, f"{what}, then cancelled it on the band, {where}. Please check that all is well", lang
        )
    return _framed(incident, f"{what}，随后在手环上取消，{where}。请致电确认平安", lang)


def voice_script(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """What the call says, already said twice: who, when, what, where, and which key does what."""
    name, subject = incident.subject.name, incident.subject
    when = clock_words(incident.opened_at, now, lang, spoken=True)
    what = headline(subject, lang, spoken=True)
    place = incident.where
    if lang == "en":
        drill = "This is a drill, no emergency. " if incident.drill else ""
        late = " This alarm reached us late." if incident.late else ""
        where = f", near {place}" if place else ""
        once = f"{name} {what} at {when}{where}.{late} Press 1 to take it. Press 2 if you cannot."
        return f"This is Shouwang. {drill}{once} Again: {drill}{once}"
    drill = "这是演练。" if incident.drill else ""
    late = "这是一条迟到的报警。" if incident.late else ""
    where = f",在{place}" if place else ""
    once = f"{name}，{when}，{what}{where}。{late}按1表示由您处理，按2转给下一位。"
    return f"这里是守望。{drill}{once}重复一遍。{drill}{once}"


PURPOSES = {
    "alarm": alarm_text,
    "reminder": reminder_text,
    "unresolved": unresolved_text,
    "position": position_text,
    "taken": taken_text,
    "confirmed": confirmed_text,
    "cancelled": cancelled_text,
}
