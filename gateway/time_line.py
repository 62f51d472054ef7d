"""An incident as a time line for a terminal: days, times and words in columns that fit Chinese.

Times are those of China (UTC+8 all year since 1991).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from unicodedata import east_asian_width

from sos.incident import Incident, LegFacts, Phase
from sos.story import Line, What, joined
from sos.story_words import CHANNELS, LEGS, TEXT_LEGS, carrier_words, in_words
from sos.texts import headline

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
WORDS_COLUMNS = 46
TENTHS_BELOW_S = 10
RANG = frozenset({"ringing", "answered", "confirmed", "no_key", "no_answer", "voicemail"})
SENT = frozenset({"placed", "delivered", "confirmed"})
DAYS_ZH = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")


def time_line(incident: Incident, story: Sequence[Line], lang: str = "zh") -> str:
    """Who, what and where; the story line by line; every text and call; how long each thing took."""
    parts = (_head(incident, lang), _days(story, lang), _legs(incident, lang), _marks(incident, story, lang))
    return "\n\n".join(part for part in parts if part)


def _head(incident: Incident, lang: str) -> str:
    english = lang == "en"
    where = (incident.where_en or incident.where) if english else incident.where
    title = f"#{incident.ref}  {incident.subject.name} {headline(incident.subject, lang)}"
    if where:
        title += f" · near {where}" if english else f" · {where}"
    for marked, words in (
        (incident.drill, "drill" if english else "演练"),
        (incident.late, "received late" if english else "迟到的报警"),
    ):
        title += f" · {words}" if marked else ""
    zone = "China time" if english else "北京时间"
    return f"{title}\n{incident.incident_id} · {zone}"


def _day(at: datetime, lang: str) -> str:
    here = at.astimezone(CHINA)
    if lang == "en":
        return f"{here:%A} {here.day} {here:%B %Y}"
    return f"{here.year}年{here.month}月{here.day}日 {DAYS_ZH[here.weekday()]}"


def _days(story: Sequence[Line], lang: str) -> str:
    """One line a step, a heading a day."""
    rows: list[str] = []
    today = ""
    told = joined(story)
    words = [in_words(replace(line, carrier=""), lang) for line in told]
    width = min(WORDS_COLUMNS, max((columns(one) for one in words), default=0))
    for line, said in zip(told, words, strict=True):
        day = _day(line.at, lang)
        if day != today:
            today = day
            rows.append(day)
        carrier = carrier_words(line.carrier, lang) if line.carrier else ""
        rows.append(f"{line.at.astimezone(CHINA):%H:%M:%S}  {pad(said, width)}  {carrier}".rstrip())
    return "\n".join(rows)


def _legs(incident: Incident, lang: str) -> str:
    """One row a text or call: to whom, how, which round and attempt, how it ended, when, by which carrier."""
    english = lang == "en"
    table = [_leg_row(facts, english=english) for facts in incident.legs]
    if not table:
        return ""
    widths = [max(columns(row[at]) for row in table) for at in range(len(table[0]))]
    title = "texts and calls" if english else "各次联络"
    dropped = incident.legs_dropped
    if dropped:
        title += f" ({dropped} older ones left out)" if english else f"（较早的 {dropped} 次未列出）"
    rows = ["  ".join(pad(cell, wide) for cell, wide in zip(row, widths, strict=True)) for row in table]
    return "\n".join([title, *(row.rstrip() for row in rows)])


def _leg_row(facts: LegFacts, *, english: bool) -> tuple[str, ...]:
    leg, side = facts.leg, int(english)
    states = LEGS if leg.channel.value in {"call", "siren"} else LEGS | TEXT_LEGS
    return (
        facts.ordered_at.astimezone(CHINA).strftime("%H:%M:%S"),
        leg.name,
        CHANNELS[leg.channel.value][side],
        f"{leg.round}.{leg.attempt}",
        states[facts.state.value][side],
        "" if facts.ended_at is None else facts.ended_at.astimezone(CHINA).strftime("%H:%M:%S"),
        carrier_words(facts.carrier, "en" if english else "zh") if facts.carrier else "",
    )


def _marks(incident: Incident, story: Sequence[Line], lang: str) -> str:
    """How long it took from the press to the first text, the first ring, and a person."""
    english = lang == "en"
    legs = [line for line in story if line.what is What.LEG]
    moments = (
        ("first text", "第一条短信", _first_at(legs, "text", SENT)),
        ("first ring", "第一次响铃", _first_at(legs, "call", RANG)),
        ("somebody has it", "有人接手", _first_taken(story)),
        ("closed", "处理完毕", incident.resolved_at),
    )
    title = "from the press" if english else "从按下算起"
    names = [en if english else zh for en, zh, _at in moments]
    width = max(map(columns, names))
    rows = []
    for name, (_en, _zh, at) in zip(names, moments, strict=True):
        never = "not" if english else "没有"
        took = never if at is None else seconds_words((at - incident.opened_at).total_seconds(), lang)
        rows.append(f"{pad(name, width)}  {took}")
    if incident.phase is Phase.CANCELLED:
        rows.append("cancelled by the wearer" if english else "本人已取消")
    return "\n".join([title, *rows])


def _first_at(legs: Iterable[Line], channel: str, states: frozenset[str]) -> datetime | None:
    times = [line.at for line in legs if line.channel == channel and line.detail in states]
    return min(times, default=None)


def _first_taken(story: Sequence[Line]) -> datetime | None:
    taken = (line.at for line in story if line.what in {What.TAKEN, What.ACKNOWLEDGED})
    return min(taken, default=None)


def seconds_words(seconds: float, lang: str = "zh") -> str:
    """A span as people read it: 0.8 秒, 42 秒, 3 分 05 秒."""
    english = lang == "en"
    if seconds < TENTHS_BELOW_S:
        return f"{max(0.0, seconds):.1f} {'s' if english else '秒'}"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} {'s' if english else '秒'}"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min" if english else f"{hours} 小时 {minutes:02d} 分"
    return f"{minutes} min {rest:02d} s" if english else f"{minutes} 分 {rest:02d} 秒"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: two a wide character (Unicode UAX #11)."""
    return sum(2 if east_asian_width(one) in "WF" else 1 for one in text)


def pad(text: str, width: int) -> str:
    """The text filled up to `width` columns."""
    return text + " " * max(0, width - columns(text))
