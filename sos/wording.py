"""The facts of an incident in words, Chinese and English, and how they are made to fit one short message.

Times are those of China (`sos.shifts.CHINA`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from sos.incident import Incident
from sos.shifts import CHINA
from sos.subject import Subject

ONE_PART_CHARS = 70
"""UTF-16 code units in one UCS-2 part (3GPP TS 23.040 section 9.2.3.24.1)."""
ONE_PART_SEPTETS = 160
"""In one part of the GSM 7-bit alphabet, which a text in plain ASCII uses."""
TWO_SEPTETS = frozenset("[]{}\\^~|")
ALMOST_DAY_S = 20 * 3600
SHORTEST_PLACE_CHARS = 6
SHORTEST_PLACE_CHARS_EN = 12

KINDS = {
    "sos": ("按下求救", "pressed SOS"),
    "fall": ("疑似跌倒", "may have fallen"),
    "fence": ("离开活动范围", "left the safe area"),
    "vitals": ("生命体征异常", "has abnormal vital signs"),
    "silence": ("手环失去联系", "cannot be reached by the band"),
    "low_battery": ("手环电量低", "has a band low on battery"),
    "removed": ("手环被取下", "has taken the band off"),
    "band": ("手环报警", "has a band alarm"),
    "system": ("系统故障，请检查", "has a system fault, please check"),
    "inactivity": ("久未活动，请去看看", "has not moved for long, please look in"),
}
SYSTEM = {
    "carriers": ("系统无法拨打电话和发送短信", "has a system that can neither call nor text"),
    "journal": ("系统无法保存记录", "has a system that cannot write its records"),
    "portal": ("系统与门户失去联系", "has a system that has lost its portal"),
    "many_calls": ("系统呼叫异常频繁", "has a system that places unusually many calls"),
}
"""By the alarm's code; any other is a fault to look at."""
BAND = {
    "id_claimed_twice": ("手环号码被两台设备使用", "has a band whose id two devices use"),
    "cry_without_login": ("手环求救但未通过登录验证", "has a band that calls for help and is not logged in"),
}
"""The same for alarms about the band itself."""
ENTERED = frozenset({"fence_enter", "fence_deeper"})
"""Alarms about a place to keep away from."""
MEASURES = {
    "heart_rate": ("心率", "heart rate"),
    "systolic": ("收缩压", "systolic pressure"),
    "diastolic": ("舒张压", "diastolic pressure"),
    "spo2": ("血氧", "oxygen saturation"),
    "body_temp": ("体温", "body temperature"),
}
SHORT_EN = {
    "heart_rate": "heart rate",
    "systolic": "BP sys",
    "diastolic": "BP dia",
    "spo2": "SpO2",
    "body_temp": "temp",
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
    measure = measure.removesuffix("_crisis")
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
    """离开 5栋与中心花园 已超出 35 米, 进入 池塘 已深入 12 米; None when no fence is named."""
    if not subject.place:
        return None
    entered = subject.code in ENTERED
    metres = "" if subject.value is None else _number(round(subject.value))
    if lang == "en":
        far = f", {metres} m {'inside' if entered else 'outside'}" if metres else ""
        return f"{'entered' if entered else 'left'} {subject.place}{far}"
    far = f" 已{'深入' if entered else '超出'} {metres} 米" if metres else ""
    return f"{'进入' if entered else '离开'} {subject.place}{far}"


def _still(value_s: float, *, lang: str) -> str:
    """已 4 小时没有活动; up to an hour and a half in minutes."""
    hours = value_s / 3600 >= 1.5  # noqa: PLR2004
    number = _number(max(1, round(value_s / (3600 if hours else 60))))
    if lang == "en":
        return f"has not moved for {number} {'hours' if hours else 'min'}"
    return f"已 {number} {'小时' if hours else '分钟'}没有活动"


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
    elif subject.kind == "inactivity" and subject.value is not None:
        words = _still(subject.value, lang=lang)
    elif subject.kind == "low_battery" and subject.value is not None:
        charge = _number(subject.value)
        words = f"has a band at {charge}% battery" if lang == "en" else f"手环电量仅剩 {charge}%"
    elif subject.kind == "system" and subject.code in SYSTEM:
        words = SYSTEM[subject.code][lang == "en"]
    elif subject.kind == "band" and subject.code in BAND:
        words = BAND[subject.code][lang == "en"]
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


def headline_en_short(subject: Subject) -> str:
    """`headline` in English in as few letters as say the same."""
    measure, _, side = subject.code.rpartition("_")
    measure = measure.removesuffix("_crisis")
    if subject.kind == "vitals":
        if measure not in SHORT_EN or side not in {"high", "low"} or subject.value is None:
            return "abnormal vitals"
        beyond = "" if subject.limit is None else f"{'>' if side == 'high' else '<'}{_number(subject.limit)}"
        return f"{SHORT_EN[measure]} {_number(subject.value)}{beyond}"
    if subject.kind == "fence":
        where = "" if subject.value is None else f" {_number(round(subject.value))} m"
        verb = "entered" if subject.code in ENTERED else "left"
        return f"{verb} {subject.place}{where}" if subject.place else "left safe area"
    words = {
        "sos": "SOS",
        "fall": "fall?",
        "low_battery": "low battery",
        "removed": "band off",
        "system": "system fault",
    }
    if subject.kind == "inactivity" and subject.value is not None:
        return f"no movement {_number(max(1, round(subject.value / 3600)))} h"
    if subject.kind == "silence":
        minutes = "" if subject.value is None else f" {_number(max(1, round(subject.value / 60)))} min"
        return f"no data{minutes}"
    return words.get(subject.kind, "band alarm")


def where_words(incident: Incident, lang: str = "zh") -> str:
    """在3栋东门附近, else plain WGS-84 degrees, else that the position is not known."""
    return next(places(incident, lang))


def places(incident: Incident, lang: str = "zh") -> Iterator[str]:
    """The place in words, then shorter and shorter; degrees are never cut, they would be another place."""
    english = lang == "en"
    words = (incident.where_en or incident.where) if english else (incident.where or incident.where_en)
    if words:
        least = SHORTEST_PLACE_CHARS_EN if english else SHORTEST_PLACE_CHARS
        for cut in [words, *(cut_short(words, room) for room in range(len(words) - 1, least - 1, -1))]:
            if not english:
                yield f"在{cut}"
            else:
                yield cut if cut.startswith(("about ", "near ")) else f"near {cut}"
    elif incident.lat is not None and incident.lon is not None:
        degrees = f"{incident.lat:.5f},{incident.lon:.5f}"
        yield f"at {degrees}" if english else f"在{degrees}"
    else:
        yield "position unknown" if english else "位置不明"


def cut_short(words: str, room: int) -> str:
    """The beginning of some words and a sign that more stood there, `room` characters or fewer.

    `words` are longer than `room`; English is cut between words where that leaves the better part.
    """
    if not words.isascii():
        return words[: room - 1].rstrip() + "…"
    kept = words[: room - 3]
    whole_words = kept.rpartition(" ")[0] if words[room - 3] != " " else kept
    return (whole_words if len(whole_words) > len(kept) / 2 else kept).rstrip() + "..."


def length(text: str) -> int:
    """UTF-16 code units, as UCS-2 short messages count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fits_one_part(text: str) -> bool:
    """Whether one short message carries it (3GPP TS 23.038: 160 septets of plain text, or 70 UCS-2 units)."""
    if text.isascii() and "`" not in text:
        return len(text) + sum(letter in TWO_SEPTETS for letter in text) <= ONE_PART_SEPTETS
    return length(text) <= ONE_PART_CHARS


def first_that_fits(texts: Iterable[str]) -> str:
    """The first text that one part carries; the last one, the shortest, when none does."""
    text = ""
    for text in texts:
        if fits_one_part(text):
            return text
    return text
