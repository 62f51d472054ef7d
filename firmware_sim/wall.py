"""What one card of the wall of telephones shows: transcripts folded into texts and calls. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from firmware_sim.people import Entry, Hand, Transcript
from firmware_sim.settings import SimPhone

MAX_ITEMS = 40
"""On one card; the oldest go first."""

State = Literal["ringing", "talking", "over"]
End = Literal["", "answered", "missed", "rejected", "machine"]
_TURNED_AWAY = frozenset({"busy", "BUSY"})


@dataclass(slots=True, kw_only=True)
class Text:
    """A text on the screen; `mine` was written by the owner of the telephone."""

    at: datetime
    words: str
    mine: bool
    via: str
    kind: Literal["text"] = "text"


@dataclass(slots=True, kw_only=True)
class Call:
    """A call: what was heard (each sentence once, with how often), which keys were pressed, how it ended."""

    at: datetime
    via: str
    state: State = "ringing"
    since: datetime
    end: End = ""
    machine: bool = False
    heard: dict[str, int] = field(default_factory=dict)
    keys: str = ""
    kind: Literal["call"] = "call"


def fold(entries: Iterable[Entry], *, via: str) -> list[Text | Call]:
    """One telephone's entries of one network, oldest first, as what its screen shows."""
    items: list[Text | Call] = []
    calls: list[Call] = []
    for entry in entries:
        if entry.kind in {"text", "replied"}:
            items.append(Text(at=entry.at, words=entry.words, mine=entry.kind == "replied", via=via))
            continue
        standing = calls[-1] if calls and calls[-1].state != "over" else None
        if entry.kind == "ringing" or standing is None:
            standing = Call(at=entry.at, since=entry.at, via=via)
            calls.append(standing)
            items.append(standing)
        _go_on(standing, entry)
    return items


def _go_on(call: Call, entry: Entry) -> None:
    match entry.kind:
        case "picked_up" | "voicemail":
            call.state, call.since, call.machine = "talking", entry.at, entry.kind == "voicemail"
        case "heard":
            call.heard[entry.words] = call.heard.get(entry.words, 0) + 1
        case "pressed":
            call.keys += entry.words
        case "hung_up":
            if call.state == "talking":
                call.end = "machine" if call.machine else "answered"
            else:
                call.end = "rejected" if entry.words in _TURNED_AWAY else "missed"
            call.state, call.since = "over", entry.at


def card_of(phone: SimPhone, transcripts: Mapping[str, Transcript], hand: Hand) -> dict[str, Any]:
    """The card of one telephone, as the page draws it; `call` is the one that stands now."""
    items: list[Text | Call] = []
    for via, transcript in transcripts.items():
        items += fold((entry for entry in transcript.entries if entry.phone == phone.phone), via=via)
    items.sort(key=lambda item: item.at)
    standing = [item for item in items if isinstance(item, Call) and item.state != "over"]
    person = next(iter(transcripts.values())).person(phone.phone) if transcripts else None
    return {
        "phone": phone.phone,
        "number": spaced(phone.phone),
        "name": phone.name or (person.name if person else "") or phone.phone,
        "relation": phone.relation,
        "of": phone.of,
        "held": hand.held,
        "can_reply": hand.can_reply,
        "habit": {} if person is None else _habit(person.answer, person.key, person.reply_text),
        "call": _shown(standing[-1]) if standing else None,
        "items": [_shown(item) for item in items[-MAX_ITEMS:]],
    }


def _habit(answer: str, key: str, reply_text: str | None) -> dict[str, str]:
    return {"answer": answer, "key": key, "reply": reply_text or ""}


def _shown(item: Text | Call) -> dict[str, Any]:
    shown = asdict(item)
    shown["at"] = item.at.isoformat()
    if isinstance(item, Call):
        shown["since"] = item.since.isoformat()
        shown["heard"] = [{"words": words, "times": times} for words, times in item.heard.items()]
    return shown


def spaced(phone: str) -> str:
    """+8613800138002 as people write it: 138 0013 8002; other numbers as they are."""
    if phone.startswith("+861") and len(phone) == len("+8613800138002"):
        return f"{phone[3:6]} {phone[6:10]} {phone[10:]}"
    return phone
