"""The cascade: what happens in an incident, as one literal, total table.

An incident is told about by texts to everybody at once and by ringing one person after another.
It ends in front of a person and nowhere else: `exhausted` begins again by itself for ever,
`acknowledged` begins again when nobody closed it in time, and only `resolved` and `cancelled` are ends.

`step(incident, event, now)` looks (phase, kind of event) up in `TABLE`;
it gives the new incident and the orders.
It is pure and total, it never raises, and an event that is no news gives the same incident back.
In every phase that is no end a timer is pending (the guard of a call is one): no incident can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sos import moves, taking
from sos.draft import Draft
from sos.events import (
    Acknowledged,
    CancelPressed,
    Event,
    KeyPressed,
    LegReported,
    Moved,
    Opened,
    Order,
    PressedAgain,
    Resolved,
    TimerDue,
)
from sos.incident import Incident, Phase
from sos.plan import Plan
from sos.subject import Subject


def open_incident(
    *,
    incident_id: str,
    ref: str,
    wearer: str,
    subject: Subject,
    plan: Plan,
    at: datetime,
    lat: float | None = None,
    lon: float | None = None,
    late: bool = False,
    drill: bool = False,
) -> Incident:
    """A new incident in phase `open`; step it with `Opened` in the same transaction.

    `at` is when it happened (the press), aware UTC; `lat`, `lon` are WGS-84 degrees or both None.
    `incident_id` holds no full stop, because leg ids are made of it.
    """
    return Incident(
        incident_id=incident_id,
        ref=ref,
        wearer=wearer,
        subject=subject,
        plan=plan,
        opened_at=at,
        pressed_at=at,
        late=late,
        drill=drill,
        lat=lat,
        lon=lon,
        where=subject.where,
        where_en=subject.where_en,
        position_at=None if lat is None else at,
    )


def step(incident: Incident, event: Event, now: datetime) -> tuple[Incident, tuple[Order, ...]]:
    """Judge one event at `now` (aware UTC); give the incident as it is then, and what to do, in order."""
    draft = Draft(incident, now)
    TABLE[incident.phase, type(event)].act(draft, event)
    return draft.incident, tuple(draft.orders)


# --------------------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class Cell:
    """What one kind of event does in one phase: the move, in words, and where it may lead besides staying."""

    act: Callable[[Draft, Any], None]
    says: str
    to: tuple[Phase, ...] = ()


def ignore(reason: str) -> Cell:
    """Nothing happens, for a reason."""
    return Cell(lambda _draft, _event: None, f"nothing: {reason}")


_JOIN = "joins: count and position, texted at most once an interval"
_JOIN_OR_RING = f"{_JOIN}; a worse one is texted, and ends a gentler plan's wait before it rings"
_FOLLOW = "new position, texted if it is far enough and the interval is over"
_CANCEL = Cell(
    moves.cancel,
    "inside the window: hang up, tell family and staff to check, tell the band; "
    "after it: ringing goes on, everybody told hears of it once",
    (Phase.CANCELLED,),
)
_TAKE = (
    "1: quiet, tell the band and the others, start the clock, or ring on while more people are wanted; "
    "2: next, please; 3: as 1, and the band rings back"
)
_QUIET_KEY = Cell(taking.quiet_key, "the 1 is kept on its leg; nothing else changes")
_QUIET = Cell(
    moves.quiet_report,
    "kept; a call or siren that comes to life is hung up, a text still due is sent again",
)
_RESOLVE = Cell(
    moves.resolve,
    "hang up, silence the siren, stop every timer; of a drill everybody is told",
    (Phase.RESOLVED,),
)
_TAKEN = Cell(taking.take, "as a 1, by that person", (Phase.ACKNOWLEDGED,))
_DOUBLED = ignore("it was opened before")
_FRESH = ignore("a new press opens a new incident")
_ENDED = ignore("it is over")

TABLE: MappingProxyType[tuple[Phase, type], Cell] = MappingProxyType(
    {
        # ---- open: made, nobody told yet
        (Phase.OPEN, Opened): Cell(
            moves.start,
            "text all the family, ring the first or set the clock",
            (Phase.NOTIFYING, Phase.EXHAUSTED, Phase.RESOLVED),
        ),
        (Phase.OPEN, PressedAgain): Cell(moves.press_again, _JOIN),
        (Phase.OPEN, Moved): Cell(moves.moved, _FOLLOW),
        (Phase.OPEN, CancelPressed): _CANCEL,
        (Phase.OPEN, LegReported): ignore("there is no leg yet"),
        (Phase.OPEN, KeyPressed): Cell(taking.key, _TAKE, (Phase.ACKNOWLEDGED,)),
        (Phase.OPEN, Acknowledged): _TAKEN,
        (Phase.OPEN, Resolved): _RESOLVE,
        (Phase.OPEN, TimerDue): ignore("there is no timer yet"),
        # ---- notifying: texts are out, telephones ring
        (Phase.NOTIFYING, Opened): _DOUBLED,
        (Phase.NOTIFYING, PressedAgain): Cell(
            moves.press_again, _JOIN_OR_RING, (Phase.ACKNOWLEDGED, Phase.EXHAUSTED, Phase.RESOLVED)
        ),
        (Phase.NOTIFYING, Moved): Cell(moves.moved, _FOLLOW),
        (Phase.NOTIFYING, CancelPressed): _CANCEL,
        (Phase.NOTIFYING, LegReported): Cell(
            moves.report,
            "its end or its doubt rings the next; a failed text is sent again; "
            "what could not leave the house sounds the siren and tells the stations",
            (Phase.ACKNOWLEDGED, Phase.EXHAUSTED, Phase.RESOLVED),
        ),
        (Phase.NOTIFYING, KeyPressed): Cell(
            taking.key, _TAKE, (Phase.ACKNOWLEDGED, Phase.EXHAUSTED, Phase.RESOLVED)
        ),
        (Phase.NOTIFYING, Acknowledged): _TAKEN,
        (Phase.NOTIFYING, Resolved): _RESOLVE,
        (Phase.NOTIFYING, TimerDue): Cell(
            moves.timer,
            "begin ringing, give a silent call up, go on after a pause; "
            "everybody rung: whoever has it has it, else the siren, or the end of a drill",
            (Phase.ACKNOWLEDGED, Phase.EXHAUSTED, Phase.RESOLVED),
        ),
        # ---- exhausted: everybody was rung; it begins again by itself
        (Phase.EXHAUSTED, Opened): _DOUBLED,
        (Phase.EXHAUSTED, PressedAgain): Cell(
            moves.press_again,
            "joins, a worse one is texted, and ringing begins again at once",
            (Phase.NOTIFYING,),
        ),
        (Phase.EXHAUSTED, Moved): Cell(moves.moved, _FOLLOW),
        (Phase.EXHAUSTED, CancelPressed): _CANCEL,
        (Phase.EXHAUSTED, LegReported): Cell(
            moves.report, "kept; a failed text is sent again; the stations are told", (Phase.ACKNOWLEDGED,)
        ),
        (Phase.EXHAUSTED, KeyPressed): Cell(taking.key, _TAKE, (Phase.ACKNOWLEDGED,)),
        (Phase.EXHAUSTED, Acknowledged): _TAKEN,
        (Phase.EXHAUSTED, Resolved): _RESOLVE,
        (Phase.EXHAUSTED, TimerDue): Cell(
            moves.timer, "begin again from the top, remind everybody, sound the siren", (Phase.NOTIFYING,)
        ),
        # ---- acknowledged: a person has it; the clock runs
        (Phase.ACKNOWLEDGED, Opened): _DOUBLED,
        (Phase.ACKNOWLEDGED, PressedAgain): Cell(
            moves.press_again, "joins; who has it is texted, at once of a worse one"
        ),
        (Phase.ACKNOWLEDGED, Moved): Cell(moves.moved, "new position, texted to who has it"),
        (Phase.ACKNOWLEDGED, CancelPressed): _CANCEL,
        (Phase.ACKNOWLEDGED, LegReported): Cell(
            moves.late_report,
            "kept; a call or siren that comes to life is hung up, a text still due is sent again",
        ),
        (Phase.ACKNOWLEDGED, KeyPressed): Cell(
            taking.late_key, "the 1 is kept on its leg, and counts while fewer have it than were wanted"
        ),
        (Phase.ACKNOWLEDGED, Acknowledged): Cell(
            taking.late_take, "counts while fewer have it than were wanted; the first who took it keeps it"
        ),
        (Phase.ACKNOWLEDGED, Resolved): _RESOLVE,
        (Phase.ACKNOWLEDGED, TimerDue): Cell(
            moves.timer,
            "not closed in time: ring again, the next contact first; a drill ends",
            (Phase.NOTIFYING, Phase.EXHAUSTED, Phase.RESOLVED),
        ),
        # ---- cancelled: over, but somebody may still close it with a word
        (Phase.CANCELLED, Opened): _ENDED,
        (Phase.CANCELLED, PressedAgain): _FRESH,
        (Phase.CANCELLED, Moved): _ENDED,
        (Phase.CANCELLED, CancelPressed): _ENDED,
        (Phase.CANCELLED, LegReported): _QUIET,
        (Phase.CANCELLED, KeyPressed): _QUIET_KEY,
        (Phase.CANCELLED, Acknowledged): ignore("nothing rings any more; whoever checked closes it"),
        (Phase.CANCELLED, Resolved): _RESOLVE,
        (Phase.CANCELLED, TimerDue): Cell(
            moves.timer, "the text asking to check is sent again where it failed"
        ),
        # ---- resolved: over
        (Phase.RESOLVED, Opened): _ENDED,
        (Phase.RESOLVED, PressedAgain): _FRESH,
        (Phase.RESOLVED, Moved): _ENDED,
        (Phase.RESOLVED, CancelPressed): _ENDED,
        (Phase.RESOLVED, LegReported): _QUIET,
        (Phase.RESOLVED, KeyPressed): _QUIET_KEY,
        (Phase.RESOLVED, Acknowledged): _ENDED,
        (Phase.RESOLVED, Resolved): _ENDED,
        (Phase.RESOLVED, TimerDue): Cell(
            moves.timer, "the text that a drill is over is sent again where it failed"
        ),
    }
)


def as_markdown() -> str:
    """The table as the page docs/sos.md shows it; a test compares the two."""
    lines = ["| phase | event | what happens | may lead to |", "|---|---|---|---|"]
    lines += [
        f"| {phase.value} | {event.__name__} | {cell.says} | {', '.join(one.value for one in cell.to)} |"
        for (phase, event), cell in TABLE.items()
    ]
    return "\n".join(lines)


def as_diagram() -> str:
    """The phases and the events that lead from one to another, as a Mermaid state diagram."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, event), cell in TABLE.items():
        for to in cell.to:
            arrows.setdefault((phase, to), []).append(event.__name__)
    lines = ["stateDiagram-v2", "    [*] --> open"]
    lines += [f"    {start} --> {end}: {', '.join(names)}" for (start, end), names in arrows.items()]
    return "\n".join([*lines, "    resolved --> [*]"])
