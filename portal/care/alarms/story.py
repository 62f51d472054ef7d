"""The story of an incident as a page tells it: a time, words, a tone and an icon a line.

The codes are those of the gateway (`what` of `gateway.model.StoryLine`);
one this portal does not know yet is shown as it came, so that no line is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext, lazy_gettext

from portal.care.models import IncidentLine
from portal.care.sentences import KIND_WORDS, LEG_TONES, leg_words

JOIN = "、"
CARRIER_WORDS: Mapping[str, object] = {
    "twilio": lazy_gettext("互联网电话"),
    "gsm_modem": lazy_gettext("本机电话卡"),
    "http_voice": lazy_gettext("云语音"),
    "http_text": lazy_gettext("云短信"),
    "rdss": lazy_gettext("北斗短报文"),
    "siren": lazy_gettext("现场警报器"),
    "simulated": lazy_gettext("模拟线路"),
}
CHANNEL_WORDS: Mapping[str, object] = {
    "text": lazy_gettext("短信"),
    "call": lazy_gettext("去电"),
    "beidou": lazy_gettext("北斗短报文"),
    "siren": lazy_gettext("警报器"),
}
VIA_WORDS: Mapping[str, object] = {
    "text": lazy_gettext("回复短信"),
    "call": lazy_gettext("电话按键"),
    "portal": lazy_gettext("网页"),
    "band": lazy_gettext("手环"),
    "beidou": lazy_gettext("北斗短报文"),
}
PURPOSE_WORDS: Mapping[str, object] = {
    "alarm": lazy_gettext("报警"),
    "worse": lazy_gettext("情况加重"),
    "reminder": lazy_gettext("仍无人接手"),
    "unresolved": lazy_gettext("接手后未处理完"),
    "position": lazy_gettext("最新位置"),
    "taken": lazy_gettext("已有人接手"),
    "joined": lazy_gettext("又有人接手"),
    "confirmed": lazy_gettext("确认由其处理"),
    "cancelled": lazy_gettext("本人取消，请确认平安"),
    "drill_over": lazy_gettext("演练结束"),
    "cancel_asked": lazy_gettext("本人想取消，请确认平安"),
}
LADDER_WORDS: Mapping[str, object] = {
    "family": lazy_gettext("亲属"),
    "staff": lazy_gettext("值班人员"),
}
ORDER_WORDS: Mapping[str, object] = {
    "help_is_coming": lazy_gettext("告诉手环：有人来了"),
    "cancelled": lazy_gettext("告诉手环：已取消"),
    "call_back": lazy_gettext("让手环回拨"),
}
KEY_WORDS: Mapping[str, object] = {
    "1": lazy_gettext("由其接手"),
    "2": lazy_gettext("转给下一位"),
    "3": lazy_gettext("接手并回拨"),
}
TONES: Mapping[str, str] = {
    "opened": "danger",
    "pressed_again": "danger",
    "raised_again": "danger",
    "exhausted": "danger",
    "not_closed": "warning",
    "cancel_too_late": "warning",
    "siren_on": "warning",
    "taken": "good",
    "acknowledged": "good",
    "resolved": "good",
}
ICONS: Mapping[str, str] = {
    "opened": "siren",
    "pressed_again": "siren",
    "raised_again": "siren",
    "moved": "map-pin",
    "cancelled": "undo-2",
    "cancel_too_late": "undo-2",
    "round_began": "list",
    "text_ordered": "message-square-text",
    "call_ordered": "phone",
    "beidou_ordered": "satellite",
    "siren_on": "volume-2",
    "siren_off": "volume-x",
    "key": "hand",
    "taken": "user-check",
    "acknowledged": "user-check",
    "not_closed": "hourglass",
    "exhausted": "circle-alert",
    "began_again": "rotate-ccw",
    "band_told": "watch",
    "resolved": "circle-check",
}
LEG_ICONS: Mapping[str, str] = {
    "text": "message-square-text",
    "call": "phone-call",
    "beidou": "satellite",
    "siren": "volume-2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRow:
    """One line as it is shown; `carrier` is in words."""

    at: datetime
    what: str
    who: str
    channel: str
    detail: str
    carrier: str
    words: str
    tone: str
    icon: str


def story_rows(lines: Iterable[IncidentLine]) -> list[StoryRow]:
    """The story in words; neighbours of one instant that differ only in the person are one row."""
    joined: list[StoryRow] = []
    for line in lines:
        row = _row(line)
        last = joined[-1] if joined else None
        if last is not None and row.who and _same_but_person(last, row):
            who = last.who if row.who in last.who.split(JOIN) else f"{last.who}{JOIN}{row.who}"
            joined[-1] = replace(last, who=who)
        else:
            joined.append(row)
    return [replace(row, words=_words(row)) for row in joined]


def carrier_words(carrier: str) -> str:
    """A way to people as staff know it; a second one of a kind keeps its number."""
    name, _, number = carrier.partition("@")
    return f"{CARRIER_WORDS.get(name, name)} {number}".rstrip()


def channel_words(channel: str) -> str:
    """A channel, as it stands in a table."""
    return str(CHANNEL_WORDS.get(channel, channel))


def _row(line: IncidentLine) -> StoryRow:
    is_leg = line.what == "leg"
    return StoryRow(
        at=line.at,
        what=line.what,
        who=line.who,
        channel=line.channel,
        detail=line.detail,
        carrier=carrier_words(line.carrier) if line.carrier else "",
        words="",
        tone=_leg_tone(line.detail) if is_leg else TONES.get(line.what, "quiet"),
        icon=LEG_ICONS.get(line.channel, "phone") if is_leg else ICONS.get(line.what, "circle-dot"),
    )


def _leg_tone(state: str) -> str:
    """In a story a delivered text is ordinary; only a person is good news."""
    return "quiet" if state == "delivered" else LEG_TONES.get(state, "quiet")


def _same_but_person(one: StoryRow, other: StoryRow) -> bool:
    return replace(one, who="") == replace(other, who="")


def _words(row: StoryRow) -> str:
    say = {
        "opened": _opened,
        "key": _key,
        "leg": _leg,
        "taken": _taken,
        "acknowledged": _taken,
        "round_began": _round,
        "band_told": _band,
        "resolved": _resolved,
    }.get(row.what)
    return str(say(row) if say is not None else _plain(row))


def _opened(row: StoryRow) -> str:
    return f"{row.who} {KIND_WORDS.get(row.detail, KIND_WORDS['system'])}"


def _key(row: StoryRow) -> str:
    meaning = KEY_WORDS.get(row.detail)
    values = {"who": row.who, "key": row.detail}
    if row.channel == "text":
        said = gettext("%(who)s 回复短信 %(key)s", **values)
    else:
        said = gettext("%(who)s 按 %(key)s", **values)
    return f"{said} · {meaning}" if meaning is not None else str(said)


def _leg(row: StoryRow) -> str:
    return f"{row.who} {channel_words(row.channel)} {leg_words(row.channel, row.detail)}"


def _taken(row: StoryRow) -> str:
    if row.what == "taken":
        return str(gettext("%(who)s 接手（%(count)s 人）", who=row.who, count=row.detail))
    return str(gettext("%(who)s 接手（%(how)s）", who=row.who, how=VIA_WORDS.get(row.detail, row.detail)))


def _round(row: StoryRow) -> str:
    ladder = LADDER_WORDS.get(row.who, row.who)
    return str(gettext("第 %(round)s 轮电话：%(who)s", round=row.detail, who=ladder))


def _band(row: StoryRow) -> str:
    return f"{ORDER_WORDS.get(row.detail, row.detail)} {row.who}".rstrip()


def _resolved(row: StoryRow) -> str:
    said = str(gettext("%(name)s 已处理完毕", name=row.who or gettext("有人")))
    return str(gettext("%(said)s：%(note)s", said=said, note=row.detail)) if row.detail else said


def _plain(row: StoryRow) -> str:
    """The lines that are one sentence with a name and a detail in it."""
    values = {"who": row.who, "detail": row.detail}
    purpose = PURPOSE_WORDS.get(row.detail, row.detail)
    said = {
        "pressed_again": lambda: gettext("%(who)s 再次求救（第 %(detail)s 次）", **values),
        "raised_again": lambda: gettext("%(who)s 再次触发同类报警（第 %(detail)s 次）", **values),
        "moved": lambda: gettext("%(who)s 在%(detail)s", **values),
        "cancelled": lambda: gettext("%(who)s 在手环上取消", who=row.who),
        "cancel_too_late": lambda: gettext("%(who)s 想取消，已过可取消的时间", who=row.who),
        "text_ordered": lambda: gettext("短信给 %(who)s：%(purpose)s", who=row.who, purpose=purpose),
        "call_ordered": lambda: gettext("拨打 %(who)s（第 %(detail)s 轮）", **values),
        "beidou_ordered": lambda: gettext("北斗短报文给 %(who)s：%(purpose)s", who=row.who, purpose=purpose),
        "siren_on": lambda: gettext("%(who)s 警报器响起", who=row.who),
        "siren_off": lambda: gettext("%(who)s 警报器停止", who=row.who),
        "not_closed": lambda: gettext("%(who)s 接手后没有按时处理完，重新拨打", who=row.who),
        "exhausted": lambda: gettext("所有人都拨打过了，暂时没有人接手，稍后继续"),
        "began_again": lambda: gettext("从头再次拨打（第 %(detail)s 遍）", detail=row.detail),
    }.get(row.what)
    return str(said()) if said is not None else " ".join(filter(None, (row.what, row.who, row.detail)))
