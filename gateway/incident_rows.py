"""What an incident leaves in a record: rows of alarms, incidents and events, and the orders to carry out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.downlink.orders import DownOrder
from gateway.downlink.rows import Pending, down_rows
from gateway.incident_view import as_view
from gateway.journal.records import AlarmRow, EventRow, IncidentRow, OutboxRow, Record, to_ms
from gateway.model import Alarm, DownCommand
from gateway.told import AlarmRaised, IncidentChanged, StoryLine
from sos.events import Event, HangUp, Order, PlaceCall, SendBeidou, SendText, SoundSiren, TellBand
from sos.incident import Incident
from sos.story import lines

encode = msgspec.json.encode


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an incident's row: the cascade's state and the alarm that opened it."""

    incident: Incident
    alarm: Alarm


def alarm_rows(alarm: Alarm, incident_id: str | None, record: Record, now: datetime) -> None:
    """Write an alarm down, with the incident it opened or joined."""
    at_ms = to_ms(alarm.at)
    record.rest.alarms.append(
        AlarmRow(alarm.alarm_id, alarm.wearer, alarm.kind, alarm.severity, at_ms, incident_id, encode(alarm))
    )
    payload = encode(AlarmRaised(alarm=alarm, incident=incident_id))
    record.events.append(EventRow(at_ms, to_ms(now), "alarm", None, alarm.wearer, None, payload, None))


def change_rows(
    before: Incident,
    event: Event,
    after: Incident,
    orders: Sequence[Order],
    *,
    alarm: Alarm,
    record: Record,
    now: datetime,
) -> None:
    """Write down how an incident stands after an event, and tell the portal with the lines of its story."""
    story = tuple(
        StoryLine(
            at=line.at,
            what=line.what.value,
            who=line.who,
            channel=line.channel,
            detail=line.detail,
            carrier=line.carrier,
        )
        for line in lines(before, event, after, orders, now)
    )
    view = as_view(after, alarm)
    record.rest.incidents.append(
        IncidentRow(
            after.incident_id,
            after.ref,
            after.wearer,
            alarm.kind,
            view.state,
            to_ms(after.opened_at),
            encode(Stored(incident=after, alarm=alarm)),
        )
    )
    payload = encode(IncidentChanged(incident=view, story=story))
    record.events.append(
        EventRow(to_ms(now), to_ms(now), "incident", None, after.wearer, None, payload, None)
    )


def order_row(order: Order, incident: Incident, record: Record, pending: Pending, now: datetime) -> None:
    """Put an order into the outbox, and remember it for the moment after the commit."""
    match order:
        case TellBand(command=command, phone=phone):
            told = DownCommand(name=command, phone=phone or None)  # type: ignore[arg-type]
            down = DownOrder(
                order=f"{incident.incident_id}.{command}.{to_ms(now)}",
                wearer=incident.wearer,
                command=told,
                incident=incident.incident_id,
                given_at=now,
            )
            down_rows(down, record, pending, now)
        case SendText() | PlaceCall() | SendBeidou() | SoundSiren() | HangUp():
            kind = type(order).__name__
            record.rest.outbox.append(OutboxRow(kind, encode(order)))
            pending.orders.append((kind, order))
