"""A journal that remembers a walk of 王德顺 and what was made of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from gateway import plugins
from gateway.backtest import replay
from gateway.config import load
from gateway.journal.records import AlarmRow, EventRow, IncidentRow, Record, Rest, to_ms
from gateway.journal.writer import JournalWriter
from gateway.roster import People
from gateway.told import Telemetry


def heard_row(envelope) -> EventRow:
    told = Telemetry(
        device=envelope.device,
        wearer=envelope.wearer,
        received_at=envelope.received_at,
        backlog=envelope.uplink.backlog,
        readings=envelope.uplink.readings,
    )
    at_ms = to_ms(envelope.received_at)
    body = msgspec.json.encode(told)
    return EventRow(at_ms, at_ms, "telemetry", envelope.device, envelope.wearer, envelope.wire, body, None)


@pytest.fixture
def remember():
    """Writes what was heard, the alarms a configured rule raised of it, and a verdict on each in turn."""

    def write(config, walk, *, verdicts=(), rule="fence") -> int:
        settings = load(config, make_demo_secrets=True)
        build = plugins.get("rule", rule)
        watching = build(People(settings).wearers["wang"], settings.wearer_rules["wang", rule])
        until = walk[-1].received_at + timedelta(hours=1)
        raised = list(replay(watching, walk, until=until, notices=rule != "fence"))
        record = Record([heard_row(one) for one in walk], rest=Rest())
        for number, one in enumerate(raised):
            at_ms, body = to_ms(one.at), msgspec.json.encode(one)
            incident = f"inc{number}"
            verdict = verdicts[number] if number < len(verdicts) else None
            stored = msgspec.json.encode({"incident": {"verdict": verdict}, "alarm": one})
            record.rest.alarms.append(
                AlarmRow(one.alarm_id, one.wearer, one.kind, one.severity, at_ms, incident, body)
            )
            record.rest.incidents.append(
                IncidentRow(incident, f"R{number}", one.wearer, one.kind, "resolved", at_ms, stored)
            )

        async def commit() -> None:
            writer = JournalWriter(config.parent / "var/gw-test.journal.db")
            writer.start()
            await writer.commit(record)
            await writer.stop()

        asyncio.run(commit())
        return len(raised)

    return write
