"""The story of an incident in words, Chinese and English, for a terminal and for a report.

A code nobody taught these tables is shown as it is: a line is never lost for want of a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sos.story import Line, What
from sos.texts import KINDS

CARRIERS = {
    "twilio": ("互联网电话", "internet telephone"),
    "gsm_modem": ("本机电话卡", "own SIM card"),
    "http_voice": ("云语音", "cloud voice"),
    "http_text": ("云短信", "cloud texts"),
    "rdss": ("北斗短报文", "BeiDou message"),
    "siren": ("现场警报器", "siren on the spot"),
    "simulated": ("模拟线路", "simulated line"),
}
"""Ways to people, by the name of the carrier; `name@2` is a second one of a kind."""
CHANNELS = {
    "text": ("短信", "text"),
    "call": ("电话", "call"),
    "beidou": ("北斗短报文", "BeiDou message"),
    "siren": ("警报器", "siren"),
    "portal": ("网页", "portal"),
    "band": ("手环", "band"),
}
LEGS = {
    "ordered": ("准备中", "being prepared"),
    "intended": ("正在发起", "being placed"),
    "ambiguous": ("结果不明，正在核实", "unclear, being checked"),
    "placed": ("已发出", "sent"),
    "ringing": ("正在响铃", "ringing"),
    "answered": ("已接听", "answered"),
    "delivered": ("已送达", "delivered"),
    "confirmed": ("确认接手", "confirmed"),
    "no_key": ("接听了，没有按键", "answered, no key"),
    "no_answer": ("无人接听", "no answer"),
    "busy": ("占线", "busy"),
    "voicemail": ("转到语音信箱", "voicemail"),
    "failed": ("没有打通", "failed"),
    "unreached": ("所有线路都不通", "no way to reach anybody"),
    "absent": ("核实后确认没有发出", "checked: never sent"),
    "hung_up": ("已挂断", "hung up"),
}
TEXT_LEGS = {
    "failed": ("没有发出去", "could not be sent"),
    "placed": ("已发出", "sent"),
    "hung_up": ("不再发送", "no longer needed"),
}
"""Where the same state means another thing for what is written than for what rings."""
PURPOSES = {
    "alarm": ("报警", "the alarm"),
    "worse": ("情况加重", "it is worse now"),
    "reminder": ("仍无人接手", "nobody has it yet"),
    "unresolved": ("接手后未处理完", "taken and not closed"),
    "position": ("最新位置", "the newest position"),
    "taken": ("已有人接手", "who has it"),
    "joined": ("又有人接手", "one more has it"),
    "confirmed": ("确认由其处理", "it is theirs"),
    "drill_over": ("演练结束", "the drill is over"),
    "cancelled": ("本人取消，请确认平安", "cancelled, please check"),
    "cancel_asked": ("本人想取消，请确认平安", "wants to cancel, please check"),
}
LADDERS = {"family": ("亲属", "family"), "staff": ("值班人员", "duty staff")}
ORDERS = {
    "help_is_coming": ("告诉手环：有人来了", "band told: help is coming"),
    "cancelled": ("告诉手环：已取消", "band told: cancelled"),
    "call_back": ("让手环回拨", "band told to ring back"),
}
KEYS = {
    "1": ("接手", "takes it"),
    "2": ("转给下一位", "next, please"),
    "3": ("接手并回拨", "takes it, call back"),
}


def _words(table: dict[str, tuple[str, str]], code: str, lang: str) -> str:
    chinese, english = table.get(code, (code, code))
    return english if lang == "en" else chinese


def carrier_words(carrier: str, lang: str = "zh") -> str:
    """A carrier as people know it; a second one of a kind keeps its number."""
    name, _, number = carrier.partition("@")
    words = _words(CARRIERS, name, lang)
    return f"{words} {number}" if number else words


def in_words(line: Line, lang: str = "zh") -> str:
    """One line of the story, without its time: "李晓梅 电话 无人接听（互联网电话）"."""
    words = _ENGLISH[line.what](line) if lang == "en" else _CHINESE[line.what](line)
    if not line.carrier:
        return words
    carrier = carrier_words(line.carrier, lang)
    return f"{words} ({carrier})" if lang == "en" else f"{words}（{carrier}）"


def _leg(line: Line, lang: str) -> str:
    written = line.channel in {"text", "beidou"}
    table = LEGS | TEXT_LEGS if written else LEGS
    return f"{line.who} {_words(CHANNELS, line.channel, lang)} {_words(table, line.detail, lang)}"


def _key(line: Line, lang: str) -> str:
    meaning = _words(KEYS, line.detail, lang) if line.detail in KEYS else ""
    if lang == "en":
        said = "answered the text with" if line.channel == "text" else "pressed"
        return f"{line.who} {said} {line.detail}" + (f": {meaning}" if meaning else "")
    said = "回复短信" if line.channel == "text" else "按"
    return f"{line.who} {said} {line.detail}" + (f"：{meaning}" if meaning else "")


def _order(line: Line, lang: str) -> str:
    words = _words(ORDERS, line.detail, lang)
    return f"{words} {line.who}".rstrip()


def _note(line: Line) -> str:
    return f"：{line.detail}" if line.detail else ""


_CHINESE: Mapping[What, Callable[[Line], str]] = MappingProxyType(
    {
        What.OPENED: lambda line: f"{line.who} {_words(KINDS, line.detail, 'zh')}",
        What.PRESSED_AGAIN: lambda line: f"{line.who} 再次求救（第 {line.detail} 次）",
        What.RAISED_AGAIN: lambda line: f"{line.who} 再次触发同类报警（第 {line.detail} 次）",
        What.MOVED: lambda line: f"{line.who} 在{line.detail}",
        What.CANCELLED: lambda line: f"{line.who} 在手环上取消",
        What.CANCEL_TOO_LATE: lambda line: f"{line.who} 想取消，已过可取消的时间",
        What.ROUND_BEGAN: lambda line: f"第 {line.detail} 轮电话：{_words(LADDERS, line.who, 'zh')}",
        What.TEXT_ORDERED: lambda line: f"短信给 {line.who}：{_words(PURPOSES, line.detail, 'zh')}",
        What.CALL_ORDERED: lambda line: f"拨打 {line.who}（第 {line.detail} 轮）",
        What.BEIDOU_ORDERED: lambda line: f"北斗短报文给 {line.who}：{_words(PURPOSES, line.detail, 'zh')}",
        What.SIREN_ON: lambda line: f"{line.who} 警报器响起",
        What.SIREN_OFF: lambda line: f"{line.who} 警报器停止",
        What.LEG: lambda line: _leg(line, "zh"),
        What.KEY: lambda line: _key(line, "zh"),
        What.TAKEN: lambda line: f"{line.who} 接手（{line.detail} 人）",
        What.ACKNOWLEDGED: lambda line: f"{line.who} 接手（{_words(CHANNELS, line.detail, 'zh')}）",
        What.NOT_CLOSED: lambda line: f"{line.who} 接手后未按时处理完，重新拨打",
        What.EXHAUSTED: lambda _line: "所有人都已拨打，暂时无人接手，稍后继续",
        What.BEGAN_AGAIN: lambda line: f"从头再次拨打（第 {line.detail} 遍）",
        What.BAND_TOLD: lambda line: _order(line, "zh"),
        What.RESOLVED: lambda line: f"{line.who} 处理完毕{_note(line)}",
    }
)
_ENGLISH: Mapping[What, Callable[[Line], str]] = MappingProxyType(
    {
        What.OPENED: lambda line: f"{line.who} {_words(KINDS, line.detail, 'en')}",
        What.PRESSED_AGAIN: lambda line: f"{line.who} pressed again (press {line.detail})",
        What.RAISED_AGAIN: lambda line: f"another alarm of this kind for {line.who} (number {line.detail})",
        What.MOVED: lambda line: f"{line.who} is near {line.detail}",
        What.CANCELLED: lambda line: f"{line.who} cancelled it on the band",
        What.CANCEL_TOO_LATE: lambda line: f"{line.who} wanted to cancel, too late",
        What.ROUND_BEGAN: lambda line: f"round {line.detail} of calls: {_words(LADDERS, line.who, 'en')}",
        What.TEXT_ORDERED: lambda line: f"text to {line.who}: {_words(PURPOSES, line.detail, 'en')}",
        What.CALL_ORDERED: lambda line: f"ringing {line.who} (round {line.detail})",
        What.BEIDOU_ORDERED: lambda line: (
            f"BeiDou message to {line.who}: {_words(PURPOSES, line.detail, 'en')}"
        ),
        What.SIREN_ON: lambda line: f"siren on: {line.who}",
        What.SIREN_OFF: lambda line: f"siren off: {line.who}",
        What.LEG: lambda line: _leg(line, "en"),
        What.KEY: lambda line: _key(line, "en"),
        What.TAKEN: lambda line: f"{line.who} took it ({line.detail} people)",
        What.ACKNOWLEDGED: lambda line: f"{line.who} has it ({_words(CHANNELS, line.detail, 'en')})",
        What.NOT_CLOSED: lambda line: f"{line.who} did not close it in time, ringing again",
        What.EXHAUSTED: lambda _line: "everybody was rung, nobody has it yet, more later",
        What.BEGAN_AGAIN: lambda line: f"beginning again from the top (time {line.detail})",
        What.BAND_TOLD: lambda line: _order(line, "en"),
        What.RESOLVED: lambda line: f"{line.who} closed it" + (f": {line.detail}" if line.detail else ""),
    }
)
