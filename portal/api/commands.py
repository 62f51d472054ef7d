"""Orders to gateways: numbered in one place, queued durably, waited for without busy loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.told import PortalCommand
from portal.api.lines import lock_line
from portal.care.changes import announce
from portal.care.models import Command, Incident
from portal.db import nudge
from portal.stream import Bell

PAGE_COMMANDS = 200
LOOK_EVERY_S = 1.0
"""How often a waiter looks without a bell: another process may have written what it waits for."""

Found = TypeVar("Found")


def queue(
    session: Session, gateway: str, *, now: datetime, by_user: int | None = None, **body: Any
) -> Command:
    """Queue a command for a gateway in the session's transaction and give its row.

    `body` holds the fields of `PortalCommand` but for the number; `command` names it for ever.
    A command queued before under the same name is given back as it stands: a repeat orders nothing twice.
    """
    line = lock_line(session, gateway)
    found = session.scalar(
        sa.select(Command).where(Command.gateway == gateway, Command.command == body["command"])
    )
    if found is not None:
        return found
    line.last_command += 1
    order = PortalCommand(number=line.last_command, **body)
    row = Command(
        gateway=gateway,
        number=order.number,
        command=order.command,
        name=order.name,
        incident=order.incident,
        body=msgspec.json.encode(order).decode(),
        by_user=by_user,
        state="queued",
        created_at=now,
    )
    session.add(row)
    session.flush()
    nudge(session)
    if order.incident is not None:
        _tell_pages(session, gateway, order.incident)
    return row


def after(session: Session, gateway: str, number: int) -> tuple[PortalCommand, ...]:
    """The commands of a gateway above `number`, in order, at most a page of them; none that was dropped."""
    rows = session.scalars(
        sa.select(Command.body)
        .where(Command.gateway == gateway, Command.number > number, Command.state != "dropped")
        .order_by(Command.number)
        .limit(PAGE_COMMANDS)
    )
    return tuple(msgspec.json.decode(body, type=PortalCommand) for body in rows)


def number_on(session: Session, gateway: str, *, above: int) -> None:
    """Number on above what a gateway has seen, when it has seen more than we ever gave.

    That gateway knows an older store of this portal (a restored backup, a new disk) and would take
    our numbers for repeats: what waits is given new ones, what comes later rises from there.
    """
    line = lock_line(session, gateway)
    if above <= line.last_command:
        return
    waiting = session.scalars(
        sa.select(Command)
        .where(Command.gateway == gateway, Command.state == "queued")
        .where(Command.number > line.acknowledged_command)
        .order_by(Command.number)
    ).all()
    line.last_command = line.acknowledged_command = above
    for row in waiting:
        line.last_command += 1
        order = msgspec.json.decode(row.body, type=PortalCommand)
        row.number = line.last_command
        row.body = msgspec.json.encode(msgspec.structs.replace(order, number=row.number)).decode()
    session.flush()


def wait_for(look: Callable[[], Found | None], bell: Bell, *, timeout_s: float) -> Found | None:
    """What `look` finds, looking again at every ring of the bell and every second; None after `timeout_s`."""
    ends = time.monotonic() + timeout_s
    while True:
        heard = bell.count
        found = look()
        left = ends - time.monotonic()
        if found is not None or left <= 0 or bell.closed:
            return found
        bell.wait(heard, timeout_s=min(left, LOOK_EVERY_S))


def _tell_pages(session: Session, gateway: str, incident: str) -> None:
    found = session.scalar(sa.select(Incident).where(Incident.gateway == gateway, Incident.code == incident))
    if found is not None:
        announce(session, [("incident", found.id, found.wearer_id)])


def count_ended(session: Session, gateway: str, *, incident: str, name: str) -> int:
    """How many orders of this name about this incident the gateway has already answered."""
    query = sa.select(sa.func.count()).select_from(Command)
    query = query.where(Command.gateway == gateway, Command.incident == incident, Command.name == name)
    return session.scalar(query.where(Command.state != "queued")) or 0
