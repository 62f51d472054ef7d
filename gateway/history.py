"""What the journal remembers of one wearer, as a rule heard it and as it was raised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.backtest import Suspended
from gateway.journal.reader import JournalReader
from gateway.journal.records import from_ms, to_ms
from gateway.model import Alarm, Envelope, Uplink, rings_nobody
from gateway.told import FencesSuspended, Telemetry, Verdict

_telemetry = msgspec.json.Decoder(Telemetry).decode
_suspended = msgspec.json.Decoder(FencesSuspended).decode
_alarm = msgspec.json.Decoder(Alarm).decode


def heard(
    reader: JournalReader, wearer: str, *, since: datetime, until: datetime
) -> Iterator[Envelope | Suspended]:
    """Give every admitted frame of a wearer that was received in [since, until), in the order of receipt.

    Among them are the changes of what fences were suspended.

    What retention dropped is not there, and nobody can tell: see how far back the first frame goes.
    """
    for row in reader.telemetry_of(wearer, since_ms=to_ms(since), until_ms=to_ms(until)):
        if row["kind"] == "suspensions":
            stands = _suspended(row["payload"]).suspensions
            yield Suspended(at=from_ms(row["received_ms"]), suspensions=stands)
            continue
        told = _telemetry(row["payload"])
        uplink = Uplink(device=told.device, readings=told.readings, raw=b"", backlog=told.backlog)
        yield Envelope(
            uplink=uplink,
            wire=row["wire"] or "",
            device=told.device,
            wearer=told.wearer,
            received_at=told.received_at,
        )


class _Incident(msgspec.Struct, frozen=True):
    """What is read of an incident: what its alarm turned out to be."""

    verdict: Verdict | None = None


class _Stored(msgspec.Struct, frozen=True):
    """What is read of an incident's row."""

    incident: _Incident


_stored = msgspec.json.Decoder(_Stored).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An alarm that was raised, and what whoever closed its incident found it to be; None: not said."""

    alarm: Alarm
    verdict: Verdict | None


def judged(
    reader: JournalReader,
    *,
    wearer: str | None = None,
    since: datetime,
    until: datetime,
    notices: bool = False,
) -> list[Judged]:
    """Give the alarms that were really raised in [since, until), oldest first; of everybody without a wearer.

    Drills are left out, and unless `notices` those that ring nobody.
    What was said of an incident is not said of a notice that was only written beside it.
    """
    found = [
        Judged(
            alarm=_alarm(row["body"]),
            verdict=None if row["incident_body"] is None else _stored(row["incident_body"]).incident.verdict,
        )
        for row in reader.alarms(since_ms=to_ms(since), until_ms=to_ms(until), wearer=wearer)
    ]
    found = [
        Judged(alarm=one.alarm, verdict=None) if rings_nobody(one.alarm) else one
        for one in found
        if not one.alarm.drill
    ]
    return [one for one in found if notices or not rings_nobody(one.alarm)]


def raised(
    reader: JournalReader, *, wearer: str | None = None, since: datetime, until: datetime
) -> list[Alarm]:
    """Give the alarms of `judged` alone."""
    return [one.alarm for one in judged(reader, wearer=wearer, since=since, until=until)]
