"""What a guardian reads and hears, in Chinese and in English.

Essentials first, because a telephone shows only the beginning: who, when, what, where, what to do.
An alarm text without its link is made to fit one short message (70 characters of Chinese):
the place is shortened first, then the advice; never the name, the time, what happened or the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sos.incident import Incident
from sos.wording import (
    KINDS,
    ONE_PART_CHARS,
    clock_words,
    first_that_fits,
    headline,
    headline_en_short,
    length,
    places,
    where_words,
)

__all__ = [
    "KINDS",
    "ONE_PART_CHARS",
    "PURPOSES",
    "alarm_text",
    "clock_words",
    "headline",
    "siren_script",
    "voice_script",
    "where_words",
]

MAX_SPOKEN_CHARS = 120
"""A modem that speaks takes no more of a script, so what is said once must not be longer."""


# --------------------------------------------------------------------------- the frame of every text


def _framed(incident: Incident, body: str, lang: str, *, link: bool = True, terse: bool = False) -> str:
    """The sign the law wants in front, the reference and the link behind; a drill says so first."""
    if lang == "en":
        drill = "DRILL: " if terse else "DRILL, no emergency: "
        sign = f"[Shouwang] {drill if incident.drill else ''}"
    else:
        drill = "" if terse else "这是演练："
        sign = f"【守望演练】{drill}" if incident.drill else "【守望】"
    behind = f" {incident.subject.link}" if link and incident.subject.link else ""
    return f"{sign}{body} #{incident.ref}{behind}"


def _fitted(incident: Incident, bodies: Iterator[tuple[str, bool]], lang: str) -> str:
    """The first body that makes one part without its link, with its link; `bodies` say whether terse."""
    text = first_that_fits(_framed(incident, body, lang, link=False, terse=terse) for body, terse in bodies)
    return f"{text} {incident.subject.link}" if incident.subject.link else text


def _what(incident: Incident, now: datetime, lang: str, *, terse: bool = False) -> str:
    """张桂兰 20:03 按下求救, with the word that it comes late where it does."""
    name, when = incident.subject.name, clock_words(incident.opened_at, now, lang)
    if lang == "en":
        late = " (received late)" if incident.late else ""
        if terse:
            late = " late" if incident.late else ""
            return f"{name} {headline_en_short(incident.subject)} {when}{late}"
        return f"{name} {headline(incident.subject, lang)} at {when}{late}"
    late = ("(迟报)" if terse else "(迟到的报警)") if incident.late else ""
    return f"{name} {when} {headline(incident.subject)}{late}"


ADVICE = ("请立即联系，接手回复1，危急拨120", "接手回复1，危急拨120", "回1接手，危急拨120", "回1接手", "")
ADVICE_EN = (
    "Please call now. Reply 1 to take it. In danger dial 120",
    "Reply 1 to take it. In danger dial 120",
    "Reply 1. Danger: 120",
    "Reply 1",
    "",
)


def _bodies(
    incident: Incident, now: datetime, lang: str, *, before: str = "", skip: int = 0
) -> Iterator[tuple[str, bool]]:
    """What an alarm text may say, the longest first; `before` stands in front, `skip` leaves advice out."""
    advices = (ADVICE_EN if lang == "en" else ADVICE)[skip:]
    comma, stop = (", ", ". ") if lang == "en" else ("，", "。")
    for terse in (False, True):
        what = before + _what(incident, now, lang, terse=terse)
        for advice in advices[:-1]:
            for where in places(incident, lang):
                yield f"{what}{comma}{where}{stop}{advice}", terse
    for advice in advices[-2:]:
        yield f"{what}{stop}{advice}" if advice else what, True


# --------------------------------------------------------------------------- the texts


def alarm_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """The first text.

    【守望】张桂兰 20:03 按下求救，在3栋东门附近。请立即联系，接手回复1，危急拨120 #A7K2
    """
    return _fitted(incident, _bodies(incident, now, lang), lang)


def reminder_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """Everybody was rung and nobody took it."""
    before = "Nobody has answered yet: " if lang == "en" else "仍无人接手："
    return _fitted(incident, _bodies(incident, now, lang, before=before, skip=1), lang)


def worse_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """What it is about is worse than what was told before."""
    before = "It is worse now: " if lang == "en" else "情况加重："
    return _fitted(incident, _bodies(incident, now, lang, before=before), lang)


def unresolved_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """Somebody took it, and it was not closed in time."""
    minutes = max(1, round(incident.plan.ack_timeout_s / 60))
    who = incident.acknowledged_by or ""
    before = f"{who}接手{minutes}分钟后仍未处理完："
    if lang == "en":
        before = f"Not closed {minutes} min after {who} took it: "
    return _fitted(incident, _bodies(incident, now, lang, before=before, skip=1), lang)


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


def _takers(incident: Incident, lang: str) -> str:
    names = [one.name for one in incident.takers] or [incident.acknowledged_by or ""]
    return (" and " if lang == "en" else "、").join(names)


def joined_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """Somebody took it, and more people are wanted."""
    name, who = incident.subject.name, _takers(incident, lang)
    more = max(0, incident.acks_needed - len(incident.takers))
    where = where_words(incident, lang)
    when = clock_words(incident.opened_at, now, lang)
    if lang == "en":
        wanted = f"{more} more needed, reply 1 to take it" if more else "that is enough"
        what = f"{name} {headline(incident.subject, lang)} at {when}, {where}"
        return _framed(incident, f"{who} took it, {wanted}: {what}", lang)
    wanted = f"还需{more}人" if more else "人数已够"
    reply = "。接手回复1" if more else ""
    what = f"{name} {when} {headline(incident.subject)}，{where}"
    return _framed(incident, f"{who}已接手，{wanted}：{what}{reply}", lang)


def taken_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """李晓梅已接手: what the others are told, also when fewer took it than were wanted."""
    name, who = incident.subject.name, _takers(incident, lang)
    when = clock_words(incident.acknowledged_at or now, now, lang)
    more = incident.acks_needed - len(incident.takers) if incident.takers else 0
    if lang == "en":
        rest = f"{more} more were wanted and nobody else answered" if more > 0 else "you need not call"
        return _framed(incident, f"{who} took the alarm of {name} at {when}; {rest}", lang)
    rest = f"还缺{more}人，其余无人接听" if more > 0 else "您无需再拨打"
    what = f"{name} {headline(incident.subject)}（{when}）"
    return _framed(incident, f"{who}已接手：{what}，{rest}", lang)


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


def cancel_asked_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """The wearer took it back too late for it to count."""
    name, where = incident.subject.name, where_words(incident, lang)
    when = clock_words(incident.cancel_asked_at or now, now, lang)
    if lang == "en":
        late = "but too late for it to count: the alarm goes on"
        return _framed(incident, f"{name} pressed cancel at {when}, {late}, {where}. Please check", lang)
    return _framed(incident, f"{name} {when} 按了取消，但已超时，报警继续，{where}。请仍确认平安", lang)


def cancelled_text(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """The wearer took it back; people are asked to check all the same."""
    what, where = _what(incident, now, lang), where_words(incident, lang)
    if lang == "en":
        return _framed(
            incident, f"{what}, then cancelled it on the band, {where}. Please check that all is well", lang
        )
    return _framed(incident, f"{what}，随后在手环上取消，{where}。请致电确认平安", lang)


def drill_over_text(incident: Incident, _now: datetime, lang: str = "zh") -> str:
    """The drill has ended, and whatever comes from now on is real."""
    name, who = incident.subject.name, _takers(incident, lang)
    if lang == "en":
        result = f"{who} took it" if incident.takers else "nobody took it"
        return _framed(
            incident, f"the drill for {name} is over, {result}. Any alarm from now on is real", lang
        )
    result = f"{who}已接手" if incident.takers else "无人接手"
    return _framed(incident, f"{name}的演练已结束（{result}）。此后收到的报警都是真的", lang)


PURPOSES = {
    "alarm": alarm_text,
    "worse": worse_text,
    "reminder": reminder_text,
    "unresolved": unresolved_text,
    "position": position_text,
    "joined": joined_text,
    "taken": taken_text,
    "confirmed": confirmed_text,
    "cancel_asked": cancel_asked_text,
    "cancelled": cancelled_text,
    "drill_over": drill_over_text,
}


# --------------------------------------------------------------------------- what is said aloud


def voice_script(incident: Incident, now: datetime, lang: str = "zh") -> str:
    """What the call says, already said twice: who, when, what, where, and which key does what.

    Said once it has at most `MAX_SPOKEN_CHARS` characters; the place gives way first.
    """
    intro = "Shouwang. " if lang == "en" else "这里是守望。"
    room = MAX_SPOKEN_CHARS - length(intro)
    once = ""
    for once in _spoken(incident, now, lang):
        if length(once) <= room:
            break
    again = " Again: " if lang == "en" else "重复一遍。"
    return f"{intro}{once}{again}{once}"


def _spoken(incident: Incident, now: datetime, lang: str) -> Iterator[str]:
    """What is said once, the longest first."""
    english = lang == "en"
    subject = incident.subject
    when = clock_words(incident.opened_at, now, lang, spoken=True)
    wheres = [*places(incident, lang), ""] if incident.where or incident.where_en else [""]
    for terse in (False, True):
        what = headline_en_short(subject) if english and terse else headline(subject, lang, spoken=True)
        notes, keys = _spoken_notes(incident, english=english, terse=terse)
        drill = ("A drill. " if english else "这是演练。") if incident.drill else ""
        for where in wheres:
            if english:
                place = f", {where}" if where else ""
                yield f"{drill}{subject.name} {what} at {when}{place}. {notes}{keys}"
            else:
                place = f"，{where}" if where else ""
                yield f"{drill}{subject.name}，{when}，{what}{place}。{notes}{keys}"


def _spoken_notes(incident: Incident, *, english: bool, terse: bool) -> tuple[str, str]:
    """That it is late, who has it already; and the keys. 3 stands there only where the band can ring."""
    more = incident.acks_needed - len(incident.takers)
    taken = bool(incident.takers) and more > 0
    back = incident.plan.call_back
    if english:
        late = "Received late. " if incident.late else ""
        joined = f"{more} more needed. " if taken else ""
        keys = "Press 1 to take it, 2 if you cannot" + (", 3 for a call from the band." if back else ".")
        short = "Press 1: yes, 2: no" + (", 3: band calls you." if back else ".")
    else:
        late = "这是一条迟到的报警。" if incident.late else ""
        joined = f"{_takers(incident, 'zh')}已接手，还需{more}人。" if taken else ""
        keys = "按1表示由您处理，按2转给下一位" + ("，按3并让手环拨打您的电话。" if back else "。")
        short = "按1接手，按2转下一位" + ("，按3接手并回拨。" if back else "。")
    return ("", short) if terse else (late + joined, keys)


def siren_script(incident: Incident, _now: datetime, lang: str = "zh") -> str:
    """What a voice on the spot says, again and again.

    张桂兰求救，在3栋东门附近，请立即前往。
    """
    name, subject = incident.subject.name, incident.subject
    is_sos = subject.kind == "sos"
    if lang == "en":
        drill = "This is a drill. " if incident.drill else ""
        what = "needs help" if is_sos else headline(subject, lang, spoken=True)
        where = f", {where_words(incident, lang)}" if incident.where or incident.where_en else ""
        return f"{drill}{name} {what}{where}. Please go there now."
    drill = "这是演练。" if incident.drill else ""
    what = "求救" if is_sos else f"，{headline(subject, spoken=True)}"
    where = f"，{where_words(incident)}" if incident.where or incident.where_en else ""
    return f"{drill}{name}{what}{where}，请立即前往。"
