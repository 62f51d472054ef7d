"""Compares what bands and telephones saw with the journal: what was lost, what was doubled.

Lost is, each one counted:
a press that was acknowledged and has no incident, an incident that no person ended up taking,
a family number that no network took the alarm text for, a call that no leg knows of.

Doubled is a person who was called twice in one round of one incident.
A modem keeps no list of past calls: when its gateway dies between dialling and writing that down,
and the call is over before the next one looks at the line, nobody can ever know, and it rings again
(sos.md, "truly undecidable = ring again, and count it").
Such a pair is `undecidable`; with Twilio, whose lists can be asked, there is no such excuse.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bench.bands import Pressed
from bench.street import Reached
from gateway.journal.reader import verify

SAME_MOMENT = timedelta(milliseconds=5)
"""The journal keeps whole milliseconds, the street microseconds."""


@dataclass(slots=True)
class Books:
    """What a run came to."""

    presses: int = 0
    acknowledged: int = 0
    incidents: int = 0
    calls: int = 0
    texts: int = 0
    spared: int = 0
    """Texts found never sent when a person had taken the incident already."""
    lost: list[str] = field(default_factory=list)
    undecidable: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing lost, nobody doubled, the journal whole."""
        return not (self.lost or self.doubled or self.faults)


def read(path: Path, sql: str) -> list[sqlite3.Row]:
    """Ask the journal, read-only."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def incidents_by_press(path: Path) -> dict[tuple[str, int], str | None]:
    """(device, milliseconds of the press) -> incident of every SOS alarm, as its id says."""
    found = {}
    for row in read(path, "select alarm_id, incident from alarms where kind = 'sos'"):
        _, device, *_, at = row["alarm_id"].split(".")
        found[device, int(at.lstrip("t"))] = row["incident"]
    return found


def unanswered(path: Path, presses: Iterable[Pressed]) -> list[str]:
    """Acknowledged presses that the journal has no incident for."""
    incidents = incidents_by_press(path)
    return [
        f"press {press.press_id} of {press.device} ({press.wire}) was acknowledged and has no incident"
        for press in presses
        if press.acknowledged_at is not None
        and incidents.get((press.device, round(press.at.timestamp() * 1000))) is None
    ]


def unintended(path: Path, reached: Iterable[Reached]) -> list[str]:
    """Calls and texts that a network took and the journal has no intent of."""
    legs = {row["leg_id"] for row in read(path, "select leg_id from legs")}
    return [
        f"{one.network} took {one.leg_id}, and there is no intent of it"
        for one in reached
        if one.leg_id and one.leg_id not in legs
    ]


def audit(
    path: Path,
    *,
    presses: Sequence[Pressed],
    calls: Sequence[Reached],
    texts: Sequence[Reached],
    family: Mapping[str, Sequence[str]],
) -> Books:
    """Read the journal at its end and compare; `family` maps a wearer to the telephones of the family."""
    books = Books(
        presses=len(presses),
        acknowledged=sum(press.acknowledged_at is not None for press in presses),
        calls=len(calls),
        texts=len(texts),
    )
    books.faults += verify(path).faults
    books.lost += unanswered(path, presses)
    incidents = read(path, "select incident_id, wearer, state, body from incidents where kind = 'sos'")
    books.incidents = len(incidents)
    for row in incidents:
        stored = msgspec.json.decode(row["body"])["incident"]
        if stored["acknowledged_by"] is None:
            books.lost.append(f"incident {row['incident_id']} ({row['state']}) was taken by nobody")
        _texted(stored, texts, family[row["wearer"]], books)
    _called(path, calls, books)
    return books


def _texted(
    incident: Mapping[str, Any], texts: Sequence[Reached], phones: Sequence[str], books: Books
) -> None:
    """Look for the alarm text of every family number among what the networks really took."""
    mark = f"#{incident['ref']}"
    for phone in phones:
        if any(text.phone == phone and mark in text.words for text in texts):
            continue
        if _settled_too_late(incident, phone):
            books.spared += 1
        else:
            books.lost.append(f"{phone[-4:]} was never texted about {incident['incident_id']} ({mark})")


def _settled_too_late(incident: Mapping[str, Any], phone: str) -> bool:
    """Whether the last text to this number was still unclear when a person took the incident.

    Then it is not sent again: somebody goes there already.
    """
    legs = [facts for facts in incident["legs"] if facts["leg"]["phone"] == phone]
    legs = [
        facts for facts in legs if (facts["leg"]["channel"], facts["leg"]["purpose"]) == ("text", "alarm")
    ]
    if not legs or incident["acknowledged_at"] is None:
        return False
    last = max(legs, key=lambda facts: facts["leg"]["attempt"])
    if last["state"] == "ambiguous":
        return True
    return bool(last["state"] == "absent" and last["ended_at"] >= incident["acknowledged_at"])


def _called(path: Path, calls: Sequence[Reached], books: Books) -> None:
    """Give every call that was placed to the leg that placed it, and look for two in one round."""
    legs = read(path, "select *, json_extract(body, '$.leg.phone') as phone from legs where channel = 'call'")
    by_id = {row["leg_id"]: row for row in legs}
    by_phone: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in legs:
        by_phone[row["phone"]].append(row)
    slots: dict[Any, list[Reached]] = defaultdict(list)
    for call in calls:
        leg = by_id.get(call.leg_id) if call.leg_id else _before(by_phone[call.phone], call.at)
        if leg is None:
            books.lost.append(f"a call of {call.network} to {call.phone[-4:]} that no leg knows of")
        else:
            slots[leg["incident"], leg["round"], leg["contact"]].append(call)
    for (incident, number, contact), placed in slots.items():
        if len(placed) < 2:
            continue
        said = f"{contact} was called {len(placed)} times in round {number} of {incident}"
        if any(call.network == "gsm_modem" for call in placed):
            books.undecidable.append(said)
        else:
            books.doubled.append(said)


def _before(legs: Sequence[sqlite3.Row], at: datetime) -> sqlite3.Row | None:
    """The last leg of the modem intended before this moment."""
    limit_ms = (at + SAME_MOMENT).timestamp() * 1000
    earlier = [row for row in legs if row["carrier"] == "gsm_modem" and row["intended_ms"] <= limit_ms]
    return max(earlier, key=lambda row: row["intended_ms"], default=None)
