"""Gives docs/what-the-family-hears.md: every text and every script, from the code that sends them.

A residents' committee reads and approves this page; nothing on it is written by hand but the headings.
"""

# ruff: noqa: INP001 - a program of the docs, in no package
from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from portal.api import telephone
from sos.cascade import open_incident
from sos.incident import Incident, Taker
from sos.pdu import encode_text
from sos.plan import Contact, Plan
from sos.subject import Subject
from sos.texts import PURPOSES, siren_script, voice_script

PRESSED_AT = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
LINK = "https://xinhe.example.org/i/A7K2"
SON = Contact(contact="son", name="李建国", phone="+8613800138001", relation="儿子")
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002", relation="女儿")
WHERE, WHERE_EN = "3栋东门附近", "near the east gate of building 3"

WHEN = {
    "alarm": ("报警一发生，家人同时收到", "at the alarm, to all the family at once"),
    "worse": ("情况加重（危急值，或走得更远）", "it is worse: a crisis, or much farther away"),
    "reminder": ("一轮无人接手，再次开始时", "nobody took it, and it begins again"),
    "unresolved": ("有人接手，但在规定时间内没有处理完", "somebody took it, and it was not closed in time"),
    "position": ("老人走动，或再次按下求救", "the wearer moved, or pressed again"),
    "joined": ("有人接手，还需要更多人", "somebody took it, and more people are wanted"),
    "taken": ("有人接手后，告诉其他人", "to the others, once somebody took it"),
    "confirmed": ("短信回复 1 的人", "to whoever took it by a text"),
    "cancel_asked": ("老人取消得太晚，报警继续", "the wearer cancelled too late, and it goes on"),
    "cancelled": ("老人在手环上取消", "the wearer took it back on the band"),
    "drill_over": ("演练结束", "a drill is over"),
}
SUBJECTS = {
    "按下求救 · SOS": Subject(name="张桂兰", kind="sos"),
    "疑似跌倒 · Fall": Subject(name="张桂兰", kind="fall"),
    "离开活动范围 · Left the safe area": Subject(
        name="王德顺", kind="fence", code="fence_exit", value=35, limit=20, unit="m", place="5栋与中心花园"
    ),
    "生命体征异常 · Vital signs": Subject(
        name="陈秀英", kind="vitals", code="systolic_high", value=168, limit=150, unit="mmHg"
    ),
    "手环失去联系 · Band out of reach": Subject(name="刘素珍", kind="silence", value=1920, unit="s"),
    "久未活动 · No movement": Subject(
        name="徐文彬", kind="inactivity", code="not_up", value=36_000, unit="s"
    ),
}
ANSWERS = {
    "confirmed": ("按 1", "1"),
    "call_back": ("按 3（手环回拨）", "3 (the band calls back)"),
    "passed_on": ("按 1 或 3，正在转达", "1 or 3, being passed on"),
    "taken": ("按 1，已有人接手", "1, somebody else has it"),
    "declined": ("按 2", "2"),
    "again": ("其他按键", "another key"),
}

HEAD = """# 家人看到和听到什么 · What the family sees and hears

Generated from the code that sends the texts and speaks in the calls (`make docs`); not written by hand.
本页由发送短信和拨打电话的程序自动生成，供居委会和家属逐条审阅。

Names, times and places are examples. 姓名、时间和地点均为示例。
**条数 · parts** is how many short messages one text takes: a message holds 70 characters of Chinese (UCS-2),
160 of plain English (GSM-7), and less of each where several are joined.
The second figure is with the link to the alarm's page, which stands at the end of every text (`{link}` here).
第二个数字是加上报警页面链接后的条数。

110, 119 and 120 are never dialled by the machine: the text asks the person to do it.
系统从不自动拨打 110、119、120，由接手的人决定并拨打。
"""


def page() -> str:
    """docs/what-the-family-hears.md; the same every time."""
    parts = [HEAD.format(link=LINK)]
    parts += [_kind(title, subject) for title, subject in SUBJECTS.items()]
    parts += [_variants(), _answers()]
    return "\n".join(parts)


def incident_of(subject: Subject, *, drill: bool = False, acks_wanted: int = 2) -> Incident:
    """An alarm about this subject, just opened, that nobody has taken yet."""
    plan = Plan(family=(SON, DAUGHTER), acks_wanted=acks_wanted)
    subject = replace(subject, where=WHERE, where_en=WHERE_EN)
    return open_incident(
        incident_id="i1",
        ref="A7K2",
        wearer="w",
        subject=subject,
        plan=plan,
        at=PRESSED_AT,
        drill=drill,
    )


def taken(incident: Incident) -> Incident:
    """The same, once its son took it on."""
    at = PRESSED_AT + timedelta(minutes=2)
    taker = Taker(contact=SON.contact, name=SON.name, at=at, via="call")
    return replace(incident, takers=(taker,), acknowledged_by=SON.name, acknowledged_at=at)


def stage(purpose: str, subject: Subject, *, drill: bool = False) -> tuple[Incident, datetime]:
    """The incident at which a text of this purpose is sent, and the time of it."""
    now = PRESSED_AT + timedelta(minutes=5)
    wanted = 2 if purpose == "joined" else 1
    incident = incident_of(subject, drill=drill or purpose == "drill_over", acks_wanted=wanted)
    match purpose:
        case "alarm":
            return incident, PRESSED_AT
        case "position":
            return replace(
                incident, where="中心花园", where_en="near the central garden", position_at=now
            ), now
        case "cancel_asked":
            return replace(incident, cancel_asked_at=now), now
        case "unresolved":
            now = PRESSED_AT + timedelta(minutes=17)
            return taken(incident), now
        case "worse" | "reminder" | "cancelled":
            return incident, now
        case _:
            return taken(incident), now


def text_of(purpose: str, subject: Subject, lang: str, *, drill: bool = False, link: bool = False) -> str:
    """One text."""
    subject = replace(subject, link=LINK if link else "")
    incident, now = stage(purpose, subject, drill=drill)
    return PURPOSES[purpose](incident, now, lang)


def _parts(text: str) -> int:
    return len(encode_text(text, reference=0))


def _text_row(purpose: str, subject: Subject, *, drill: bool = False) -> list[str]:
    rows = []
    for lang, when in zip(("zh", "en"), WHEN.get(purpose, (purpose, purpose)), strict=True):
        short = text_of(purpose, subject, lang, drill=drill)
        whole = text_of(purpose, subject, lang, drill=drill, link=True)
        rows.append(f"| {when} | {short} | {_parts(short)} / {_parts(whole)} |")
    return rows


def _table(rows: list[str]) -> str:
    return "\n".join(["| 何时 · when | 短信 · text | 条数 · parts |", "| --- | --- | --- |", *rows])


def _kind(title: str, subject: Subject) -> str:
    rows = [row for purpose in PURPOSES if purpose != "drill_over" for row in _text_row(purpose, subject)]
    incident = incident_of(subject, acks_wanted=1)
    said = []
    for lang, call, siren in (
        ("zh", "电话里说", "现场喇叭说"),
        ("en", "The call says", "A voice on the spot says"),
    ):
        said += [
            f"**{call}**\n\n> {voice_script(incident, PRESSED_AT, lang)}\n",
            f"**{siren}**\n\n> {siren_script(incident, PRESSED_AT, lang)}\n",
        ]
    return f"## {title}\n\n{_table(rows)}\n\n" + "\n".join(said)


def _variants() -> str:
    """What changes in a drill, in a late alarm, without a place, and without a band that can ring."""
    sos = next(iter(SUBJECTS.values()))
    rows = _text_row("alarm", sos, drill=True) + _text_row("drill_over", sos)
    drill = incident_of(sos, drill=True, acks_wanted=1)
    late = replace(incident_of(sos, acks_wanted=1), late=True)
    nowhere = replace(incident_of(sos, acks_wanted=1), where="", where_en="")
    again = replace(stage("position", sos)[0], presses=2)
    mute = incident_of(sos, acks_wanted=1)
    mute = replace(mute, plan=replace(mute.plan, call_back=False))
    others = []
    for words, purpose, one in (
        ("迟到的报警 · received late", "alarm", late),
        ("位置不明 · position unknown", "alarm", nowhere),
        ("再次按下求救 · pressed again", "position", again),
    ):
        for lang in ("zh", "en"):
            text = PURPOSES[purpose](one, PRESSED_AT + timedelta(minutes=5), lang)
            others.append(f"| {words} | {text} | {_parts(text)} |")
    said = [
        f"**{words}**\n\n> {voice_script(one, PRESSED_AT, lang)}\n"
        for words, one in (
            ("演练电话 · the call of a drill", drill),
            ("手环不能回拨时 · where the band cannot ring back", mute),
        )
        for lang in ("zh", "en")
    ]
    return "\n".join(
        ["## 演练与其他情形 · Drills and other cases\n", _table(rows), "", _table(others), "", *said]
    )


def _answers() -> str:
    """What the person on the line hears after a key."""
    rows = ["| 按键 · key | 听到 · heard | English |", "| --- | --- | --- |"]
    for phrase in fields(telephone.Phrases):
        if phrase.name == "language":
            continue
        chinese, english = ANSWERS.get(phrase.name, (phrase.name, phrase.name))
        heard = [getattr(phrases, phrase.name) for phrases in (telephone.CHINESE, telephone.ENGLISH)]
        rows.append(f"| {chinese} · {english} | {heard[0]} | {heard[1]} |")
    return "## 按键之后 · After a key\n\n" + "\n".join(rows) + "\n"
