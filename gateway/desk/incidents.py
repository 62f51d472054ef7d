"""What a person at the box can ask: a drill, the story of an incident, how the gateway is.

Orders go through the gateway's own door (`gateway.transports.control`); stories are read from the journal,
which works while the gateway runs and when it does not.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Literal
from uuid import uuid4

import msgspec

from gateway.config import Settings
from gateway.journal.reader import JournalReader
from gateway.model import AlarmKind
from gateway.paths import control_path, journal_path, state_path
from gateway.told import ControlAnswer, IncidentChanged, PortalCommand, Verdict
from sos.story import Line, What

LOOK_EVERY_S = 0.5
OVER = frozenset({"resolved", "cancelled"})

Say = Callable[[str], None]


def reader(settings: Settings) -> JournalReader:
    """The journal of the configured gateway; raises FileNotFoundError when there is none yet."""
    return JournalReader(journal_path(settings))


def order(settings: Settings, **fields: object) -> ControlAnswer:
    """Give one order to the gateway that runs on this box; a gateway that does not answer is a refusal."""
    from gateway.transports.control import ask

    try:
        command = msgspec.convert({"number": 0, "command": f"desk.{uuid4().hex}", **fields}, PortalCommand)
        return asyncio.run(ask(control_path(settings), command))
    except (ConnectionError, TimeoutError, msgspec.ValidationError) as error:
        return ControlAnswer(done=False, reason=str(error) or "the gateway does not answer")


def drill(
    settings: Settings,
    *,
    wearer: str,
    kind: AlarmKind,
    follow_s: float,
    in_words: Callable[[Line], str],
    say: Say,
) -> bool:
    """Begin a drill and tell its story until it is over, or for `follow_s`; False when it was refused."""
    journal = reader(settings)
    after = journal.last_seq()
    answer = order(settings, name="drill", wearer=wearer, kind=kind)
    if not answer.done:
        say(answer.reason)
        return False
    say(f"#{answer.ref} ({answer.incident})")
    for line in follow(journal, answer.incident, after=after, until_s=follow_s):
        say(in_words(line))
    return True


def follow(journal: JournalReader, incident: str, *, after: int, until_s: float) -> Iterator[Line]:
    """The story of an incident as it is journalled behind `after`, until it is over or time is up."""
    ends_s = time.monotonic() + until_s
    while True:
        over = False
        while rows := journal.events(after=after, limit=500, kind="incident"):
            after = rows[-1]["seq"]
            for row in rows:
                changed = msgspec.json.decode(row["payload"], type=IncidentChanged)
                if changed.incident.incident_id == incident:
                    for line in changed.story:
                        yield Line(**msgspec.structs.asdict(line) | {"what": What(line.what)})
                    over = changed.incident.state in OVER
        if over or time.monotonic() >= ends_s:
            return
        time.sleep(LOOK_EVERY_S)


def close(
    settings: Settings,
    *,
    what: Literal["acknowledge", "resolve"],
    incident: str,
    by: str,
    note: str,
    verdict: Verdict | None = None,
) -> str:
    """Take an incident on, or close it, by its id or short reference; empty, or why that cannot be done."""
    row = reader(settings).incident(incident)
    if row is None:
        return f"the journal has no incident {incident}"
    answer = order(
        settings, name=what, incident=row["incident_id"], by=by, note=note or None, verdict=verdict
    )
    return "" if answer.done else answer.reason


def state(settings: Settings) -> str:
    """What the gateway last wrote of itself; says so when no gateway answers at its door."""
    if not answers(settings):
        return "the gateway is not running on this box"
    try:
        return state_path(settings).read_text(encoding="utf-8").rstrip()
    except OSError:
        return "the gateway has only just started"


def answers(settings: Settings) -> bool:
    """Whether a gateway listens at its door; a killed one leaves the door and its last words behind."""
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.connect(str(control_path(settings)))
        except OSError:
            return False
    return True
