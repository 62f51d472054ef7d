"""Reads the journal without ever writing to it: for sync, for restarts, for the person with a question."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from gateway.journal.records import from_ms
from gateway.journal.schema import open_for_reading

OPEN_LEGS = "('intended', 'ambiguous', 'placed', 'ringing', 'answered')"
REMEMBERED = f"""(incidents.state not in ('resolved', 'cancelled')
    or incidents.incident_id in (select substr(owner, 10) from timers where owner like 'incident/%')
    or incidents.incident_id in (select late.incident from legs as late where late.state in {OPEN_LEGS}
        and (late.channel = 'siren'
            or late.intended_ms > (select max(received_ms) from events) - 3600000)))"""
"""Incidents that are not over, those of the last hour whose last texts are still on their way,
and those whose siren was not heard to be silent: however long it sounded, it is ended once more."""


class JournalReader:
    """A read-only view; one instance a thread."""

    def __init__(self, path: Path) -> None:
        self._connection = open_for_reading(path)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def last_seq(self) -> int:
        """The highest seq ever committed, 0 for an empty journal."""
        rows = self._rows("select seq from sqlite_sequence where name = 'events'")
        return rows[0][0] if rows else 0

    def events(self, *, after: int, limit: int, kind: str | None = None) -> list[sqlite3.Row]:
        """Events with seq > `after` in order, at most `limit`; columns as in the table."""
        where = "" if kind is None else " and kind = :kind"
        return self._connection.execute(
            f"select * from events where seq > :after{where} order by seq limit :limit",
            {"after": after, "limit": limit, "kind": kind},
        ).fetchall()

    def telemetry_of(self, wearer: str, *, since_ms: int, until_ms: int) -> Iterator[sqlite3.Row]:
        """What was heard of a wearer in [since_ms, until_ms), and what was suspended, in order.

        Columns: kind (telemetry or suspensions), received_ms, wire, payload.

        Walks the whole table once (it has no index of wearers: each would cost every reading its time).
        """
        yield from self._connection.execute(
            "select kind, received_ms, wire, payload from events"
            " where kind in ('telemetry', 'suspensions') and wearer = ?"
            " and received_ms >= ? and received_ms < ? order by seq",
            (wearer, since_ms, until_ms),
        )

    def alarms(self, *, since_ms: int, until_ms: int, wearer: str | None = None) -> list[sqlite3.Row]:
        """Alarms that happened in [since_ms, until_ms), in order, with how their incident stands.

        Columns: body, incident, and incident_body (null for one that opened or joined none).
        """
        return self._connection.execute(
            "select alarms.body, alarms.incident, incidents.body as incident_body from alarms"
            " left join incidents on incidents.incident_id = alarms.incident"
            " where alarms.at_ms >= :since_ms and alarms.at_ms < :until_ms"
            " and (:wearer is null or alarms.wearer = :wearer) order by alarms.seq",
            {"since_ms": since_ms, "until_ms": until_ms, "wearer": wearer},
        ).fetchall()

    def states(self) -> dict[str, bytes]:
        """Every stored rule state, by owner."""
        return {row["owner"]: row["body"] for row in self._rows("select * from states")}

    def timers(self) -> list[sqlite3.Row]:
        """Every timer: owner, name, due_ms."""
        return self._rows("select * from timers order by due_ms")

    def open_outbox(self) -> list[sqlite3.Row]:
        """Effects committed and not marked done, in order: seq, position, kind, body, received_ms."""
        return self._rows(
            "select outbox.*, events.received_ms from outbox join events using (seq)"
            " where done_ms is null order by seq, position"
        )

    def open_incidents(self) -> list[sqlite3.Row]:
        """Incidents that are not over, or whose last texts are still on their way."""
        return self._rows(f"select * from incidents where {REMEMBERED} order by opened_ms")

    def incident(self, name: str) -> sqlite3.Row | None:
        """The newest incident of this id or of this short reference (A7K2), open or over."""
        rows = self._rows(
            "select * from incidents where incident_id = ? or ref = upper(?)"
            " order by incident_id = ? desc, opened_ms desc limit 1",
            name,
            name.lstrip("#"),
            name,
        )
        return rows[0] if rows else None

    def steps(self, incident: str) -> list[bytes]:
        """Every event of an incident, in order."""
        found = self._rows("select body from steps where incident = ? order by number", incident)
        return [row["body"] for row in found]

    def step_counts(self) -> dict[str, int]:
        """How many steps of each open incident are journalled."""
        rows = self._rows(
            "select incident, max(number) + 1 as steps from steps join incidents"
            f" on incident = incident_id where {REMEMBERED} group by incident"
        )
        return {row["incident"]: row["steps"] for row in rows}

    def recent_alarm_ids(self, limit: int) -> list[str]:
        """The newest alarm ids, oldest first."""
        return [row[0] for row in self._rows("select alarm_id from alarms order by seq desc limit ?", limit)][
            ::-1
        ]

    def unsettled_legs(self) -> list[sqlite3.Row]:
        """Legs whose end is not known and may still be heard of.

        Those of open incidents, sirens, and whatever was begun in the last day and not wiped since:
        a text whose delivery was never reported would else be asked after at every start for ever.
        """
        return self._rows(
            f"select * from legs where state in {OPEN_LEGS} and (channel = 'siren'"
            " or intended_ms > coalesce((select max(received_ms) from events), 0) - 86400000"
            " or incident in (select incident_id from incidents"
            "  where state not in ('resolved', 'cancelled')))"
            " and body <> x'' order by intended_ms"
        )

    def legs_of_open_incidents(self) -> list[sqlite3.Row]:
        """Every leg of the incidents that are not over."""
        return self._rows(
            "select legs.* from legs join incidents on incidents.incident_id = legs.incident"
            f" where {REMEMBERED} order by legs.intended_ms"
        )

    def leg_references(self, limit: int) -> list[sqlite3.Row]:
        """Carrier and reference of the newest legs that have one."""
        return self._rows(
            "select leg_id, carrier, reference, intended_ms from legs where reference is not null"
            " order by intended_ms desc limit ?",
            limit,
        )

    def first_after(self, seq: int) -> int | None:
        """When the first event above a seq was received, in ms; None when there is none."""
        rows = self._rows("select received_ms from events where seq > ? order by seq limit 1", seq)
        return rows[0][0] if rows else None

    def quarantine_size(self) -> int:
        """How many frames are in the quarantine."""
        return int(self._rows("select count(*) from quarantine")[0][0])

    def mark(self, name: str) -> int:
        """A stored number, 0 when it was never set."""
        rows = self._rows("select value from marks where name = ?", name)
        return rows[0][0] if rows else 0

    def newest_profiles(self) -> list[sqlite3.Row]:
        """The newest version of every wearer's profile; columns as in `ProfileRow`."""
        return self._rows(
            "select profiles.* from profiles join"
            " (select wearer, max(version) as version from profiles group by wearer) using (wearer, version)"
            " order by wearer"
        )

    def profile_versions(self, wearer: str) -> list[sqlite3.Row]:
        """The versions of a wearer's profile that are kept, newest first."""
        return self._rows("select * from profiles where wearer = ? order by version desc", wearer)

    def profile(self, wearer: str, version: int) -> sqlite3.Row | None:
        """One version of a wearer's profile, None when it is not kept."""
        rows = self._rows("select * from profiles where wearer = ? and version = ?", wearer, version)
        return rows[0] if rows else None

    def quarantine(self, limit: int) -> list[sqlite3.Row]:
        """The newest quarantined frames, newest first."""
        return self._rows("select * from quarantine order by number desc limit ?", limit)

    def claims(self) -> list[sqlite3.Row]:
        """Every wire id that quarantined frames claim, by protocol, the newest first.

        Columns: device, protocol, frames (how many), first_ms, last_ms, and peer of the newest.
        """
        return self._rows(
            "select device, protocol, count(*) as frames, min(received_ms) as first_ms,"
            " max(received_ms) as last_ms, peer from quarantine where device is not null"
            " group by device, protocol order by last_ms desc"
        )

    def quarantined(
        self,
        *,
        numbers: Sequence[int] = (),
        reason: str | None = None,
        device: str | None = None,
        since_ms: int = 0,
        after: int = 0,
        limit: int,
    ) -> list[sqlite3.Row]:
        """Quarantined frames that fit everything asked for, oldest first, those with a number > `after`."""
        return self._connection.execute(
            "select * from quarantine where number > :after and received_ms >= :since_ms"
            " and (:reason is null or reason = :reason) and (:device is null or device = :device)"
            " and (:numbers = '[]' or number in (select value from json_each(:numbers)))"
            " order by number limit :limit",
            {
                "numbers": json.dumps(list(numbers)),
                "reason": reason,
                "device": device,
                "since_ms": since_ms,
                "after": after,
                "limit": limit,
            },
        ).fetchall()

    # ------------------------------------------------------------------ for people

    def export(self, *, after: int = 0) -> Iterator[str]:
        """Every event after a seq as one JSON line, with the fields of `as_json`."""
        while rows := self.events(after=after, limit=500):
            for row in rows:
                yield json.dumps(as_json(row), ensure_ascii=False)
            after = rows[-1]["seq"]


def as_json(row: sqlite3.Row) -> dict[str, Any]:
    """One event row as plain data; `raw`, the frame as received, is hex."""
    return {
        "seq": row["seq"],
        "at": from_ms(row["at_ms"]).isoformat(),
        "received_at": from_ms(row["received_ms"]).isoformat(),
        "kind": row["kind"],
        "device": row["device"],
        "wearer": row["wearer"],
        "wire": row["wire"],
        "payload": json.loads(row["payload"]),
        "raw": row["raw"].hex() if row["raw"] is not None else None,
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many rows were read, and every fault in words."""

    events: int
    faults: tuple[str, ...]


def verify(path: Path) -> Verdict:
    """Check the journal: the file's own integrity, every row's checksum, order and references.

    Telemetry that retention dropped is no fault; a missing row of any other kind cannot be told from it by
    its seq, so references (alarm -> event, order -> event, leg -> incident, alarm -> incident) are walked.
    """
    connection = open_for_reading(path)
    faults: list[str] = []
    faults += [f"sqlite: {row[0]}" for row in connection.execute("pragma integrity_check") if row[0] != "ok"]
    events = 0
    previous = 0
    for row in connection.execute(
        "select seq, cast(payload as blob) as payload, crc from events order by seq"
    ):
        events += 1
        if crc32(row["payload"]) != row["crc"]:
            faults.append(f"event {row['seq']}: its payload is not what was written (checksum differs)")
        if row["seq"] <= previous:
            faults.append(f"event {row['seq']}: out of order after {previous}")
        previous = row["seq"]
    for what, sql in REFERENCES.items():
        faults += [f"{what}: {row[0]}" for row in connection.execute(sql)]
    connection.close()
    return Verdict(events, tuple(faults))


REFERENCES = {
    "alarm without its event": "select alarm_id from alarms where seq not in (select seq from events)",
    "alarm without its incident": "select alarm_id from alarms where incident is not null"
    " and incident not in (select incident_id from incidents)",
    "leg without its incident": "select leg_id from legs where incident not like 'errand-%'"
    " and incident not in (select incident_id from incidents)",
    "order without its event": "select seq || '/' || position from outbox"
    " where seq not in (select seq from events)",
}
