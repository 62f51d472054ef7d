"""What the journal remembers of one wearer, as a rule heard it and as it was raised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from gateway.journal.reader import JournalReader
from gateway.journal.records import to_ms
from gateway.model import Alarm, Envelope, Uplink, rings_nobody
from gateway.told import Telemetry

_telemetry = msgspec.json.Decoder(Telemetry).decode
_alarm = msgspec.json.Decoder(Alarm).decode


def heard(reader: JournalReader, wearer: str, *, since: datetime, until: datetime) -> Iterator[Envelope]:
    """Give every admitted frame of a wearer that was received in [since, until), in the order of receipt.

    What retention dropped is not there, and nobody can tell: see how far back the first frame goes.
    """
    for row in reader.telemetry_of(wearer, since_ms=to_ms(since), until_ms=to_ms(until)):
        told = _telemetry(row["payload"])
        uplink = Uplink(device=told.device, readings=told.readings, raw=b"", backlog=told.backlog)
        yield Envelope(
            uplink=uplink,
            wire=row["wire"] or "",
            device=told.device,
            wearer=told.wearer,
            received_at=told.received_at,
        )


def raised(
    reader: JournalReader, *, wearer: str | None = None, since: datetime, until: datetime
) -> list[Alarm]:
    """Give the alarms that were really raised in [since, until), oldest first; of everybody without a wearer.

    Drills are left out, and notices that ring nobody.
    """
    rows = reader.alarms(since_ms=to_ms(since), until_ms=to_ms(until), wearer=wearer)
    told = (_alarm(row["body"]) for row in rows)
    return [alarm for alarm in told if not alarm.drill and not rings_nobody(alarm)]
