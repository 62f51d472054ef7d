"""Makes an incident again from its journalled steps, and tells it as a time line.

The steps are folded through `sos.cascade.step` from the opening on;
the incident that comes out is written as its row is written and compared with the row, byte for byte.
A difference means that the cascade decides otherwise than it did (another version), or that the journal is
not what was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row
from typing import Any, Protocol

import msgspec

from gateway.errors import ShouwangError
from gateway.incident_rows import Stored
from gateway.model import Alarm
from gateway.steps import Opening, UnreadableStep, decode
from gateway.telemetry import masked
from gateway.time_line import time_line
from sos.cascade import step
from sos.incident import Incident
from sos.story import Line, lines

TRIES = 5
"""A gateway may be writing meanwhile: so often the steps and the row are read until they belong together."""
SHOWN_CHARACTERS = 80


class JournalOfIncidents(Protocol):
    """What a replay needs of `gateway.journal.reader.JournalReader`."""

    def incident(self, name: str) -> Row | None:
        """The newest incident of this id or short reference."""
        ...

    def steps(self, incident: str) -> list[bytes]:
        """Every step of an incident, in order."""
        ...


class NotReplayable(ShouwangError):
    """There is no such incident, or its steps are missing or damaged; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """An incident made again.

    `lines` is its story; `steps` counts the opening and every event,
    `size_bytes` is the length of the row's body.
    `same` is whether the row was met byte for byte; `difference` is the first one in words, empty when none.
    """

    incident: Incident
    alarm: Alarm
    lines: tuple[Line, ...]
    steps: int
    size_bytes: int
    same: bool
    difference: str = ""


def replay(reader: JournalOfIncidents, name: str) -> Replay:
    """Make the incident `name` (its id, or its short reference with or without #) again.

    Reads only; raises `NotReplayable`.
    """
    body, steps = _read(reader, name)
    try:
        incident, alarm, story = fold(steps)
    except UnreadableStep as error:
        raise NotReplayable(f"the journal's steps of {name} are damaged: {error.reason}") from error
    made = msgspec.json.encode(Stored(incident=incident, alarm=alarm))
    return Replay(
        incident=incident,
        alarm=alarm,
        lines=story,
        steps=len(steps),
        size_bytes=len(body),
        same=made == body,
        difference="" if made == body else difference(body, made),
    )


def _read(reader: JournalOfIncidents, name: str) -> tuple[bytes, list[bytes]]:
    """The row's body and the steps that led to it."""
    row = reader.incident(name)
    if row is None:
        raise NotReplayable(f"no incident {name} in this journal")
    incident_id = row["incident_id"]
    for _ in range(TRIES):
        steps = reader.steps(incident_id)
        row = reader.incident(incident_id) or row
        if len(reader.steps(incident_id)) == len(steps):
            break
    if not steps:
        raise NotReplayable(f"incident {name} has no steps: it is older than the journal's record of steps")
    return bytes(row["body"]), steps


def fold(steps: list[bytes]) -> tuple[Incident, Alarm, tuple[Line, ...]]:
    """The incident after all these steps, its alarm and its story; raises `UnreadableStep`."""
    opening, *rest = (decode(body) for body in steps)
    if not isinstance(opening, Opening):
        raise UnreadableStep("the first step is no opening")
    incident = opening.incident
    story: list[Line] = []
    for one in rest:
        if isinstance(one, Opening):
            raise UnreadableStep("a second opening")
        before = incident
        incident, orders = step(before, one.event, one.now)
        story += lines(before, one.event, incident, orders, one.now)
    return incident, opening.alarm, tuple(story)


# --------------------------------------------------------------------------- where they differ


def difference(journalled: bytes, made: bytes) -> str:
    """The first difference of two bodies in words; telephone numbers are masked."""
    try:
        found = _first(msgspec.json.decode(journalled), msgspec.json.decode(made), "")
    except msgspec.DecodeError:
        return "the journalled body is no JSON"
    if found is not None:
        return found
    pairs = enumerate(zip(journalled, made, strict=False))
    shorter = min(len(journalled), len(made))
    at = next((at for at, (one, other) in pairs if one != other), shorter)
    return f"the same values, written differently from byte {at}"


def _first(journalled: Any, made: Any, path: str) -> str | None:
    if isinstance(journalled, dict) and isinstance(made, dict):
        for key in (*journalled, *(key for key in made if key not in journalled)):
            found = _first(
                journalled.get(key, "nothing"), made.get(key, "nothing"), f"{path}.{key}".lstrip(".")
            )
            if found is not None:
                return found
        return None
    if isinstance(journalled, list) and isinstance(made, list):
        for number, (one, other) in enumerate(zip(journalled, made, strict=False)):
            found = _first(one, other, f"{path}[{number}]")
            if found is not None:
                return found
        if len(journalled) == len(made):
            return None
        return f"{path}: {len(journalled)} journalled, {len(made)} made again"
    if type(journalled) is type(made) and journalled == made:
        return None
    return f"{path}: journalled {_shown(journalled)}, made again {_shown(made)}"


def _shown(value: Any) -> str:
    text = masked(msgspec.json.encode(value).decode())
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


# --------------------------------------------------------------------------- for people


def report(reader: JournalOfIncidents, name: str, lang: str = "zh") -> tuple[str, bool]:
    """The printed time line of an incident and whether it was met byte for byte.

    An incident that cannot be replayed gives the reason and False.
    """
    try:
        found = replay(reader, name)
    except NotReplayable as error:
        return f"{error.reason}\n", False
    return f"{time_line(found.incident, found.lines, lang)}\n\n{_verdict(found, lang)}\n", found.same


def _verdict(found: Replay, lang: str) -> str:
    english = lang == "en"
    if found.same:
        counted = (
            f"{found.steps} steps, {found.size_bytes} bytes"
            if english
            else f"{found.steps} 步，{found.size_bytes} 字节"
        )
        words = "byte for byte as journalled"
        return f"{words} ({counted})" if english else f"与日志逐字节一致 · {words}（{counted}）"
    words = "NOT as journalled" if english else "与日志不一致 · NOT as journalled"
    return f"{words}: {found.difference}"
