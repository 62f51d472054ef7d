"""Orders to bands in the store: given here, carried to the gateway as a command, told by it how they fare.

The gateway's journal is the record; a row of ours stands from the moment the button was pressed,
so that an order to a gateway that is away is seen to wait.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import DownCommand
from gateway.told import BandOrderChanged, CommandDone
from portal import audit
from portal.api import commands
from portal.care.changes import announce
from portal.care.models import BandOrder, Wearer
from portal.policy import Viewer

SHOWN = 20
TEXT_CHARACTERS, DETAIL_CHARACTERS, BY_CHARACTERS = 200, 400, 120
"""What the store's columns hold."""
QUEUED = "queued"


def give(
    session: Session, wearer: Wearer, down: DownCommand, *, who: Viewer, once: str, now: datetime
) -> None:
    """Queue an order for the wearer's gateway in the session's transaction, and record who gave it.

    `once` names the press of the button: the same press twice is one order.
    """
    order = f"down.{wearer.id}.{who.user}.{once}"
    known = sa.select(BandOrder.id).where(BandOrder.gateway == wearer.gateway, BandOrder.order == order)
    if session.scalar(known.limit(1)) is not None:
        return
    commands.queue(
        session,
        wearer.gateway,
        now=now,
        by_user=who.user,
        command=order,
        name="send_down",
        wearer=wearer.code,
        down=down,
        by=who.name,
        given_at=now,
    )
    session.add(
        BandOrder(
            gateway=wearer.gateway,
            order=order,
            wearer_id=wearer.id,
            name=down.name,
            text=(down.text or "")[:TEXT_CHARACTERS],
            interval_s=down.interval_s,
            state=QUEUED,
            by=who.name[:BY_CHARACTERS],
            given_at=now,
            at=now,
        )
    )
    subject, detail = f"wearer:{wearer.id}", "" if down.interval_s is None else f"{down.interval_s} s"
    action = f"order_{down.name}"
    audit.record(session, at=now, actor=f"user:{who.user}", action=action, subject=subject, detail=detail)
    announce(session, [("wearer", wearer.id, wearer.id)])


def take(session: Session, gateway: str, told: BandOrderChanged, *, wearer_id: int, now: datetime) -> None:
    """Take what a gateway says of an order; the first band it names takes over the row without one."""
    query = sa.select(BandOrder).where(BandOrder.gateway == gateway, BandOrder.order == told.order)
    rows = {row.device: row for row in session.scalars(query)}
    row = rows.get(told.device) or rows.get("")
    if row is None:
        row = BandOrder(gateway=gateway, order=told.order)
        session.add(row)
    row.device, row.wearer_id = told.device, wearer_id
    row.name, row.text, row.interval_s = told.name[:32], (told.text or "")[:TEXT_CHARACTERS], told.interval_s
    row.state, row.final, row.detail = told.state, told.final, told.detail[:DETAIL_CHARACTERS]
    row.by, row.incident = told.by[:BY_CHARACTERS], told.incident
    row.given_at, row.at, row.until = min(told.given_at, now), min(told.at, now), told.until
    session.flush()


def refuse(session: Session, gateway: str, told: CommandDone, now: datetime) -> int | None:
    """Say that a gateway did not take an order at all; gives the wearer's id, None for no order of ours."""
    query = sa.select(BandOrder).where(BandOrder.gateway == gateway, BandOrder.order == told.command)
    row = session.scalar(query.where(BandOrder.state == QUEUED))
    if row is None:
        return None
    row.state, row.final, row.detail, row.at = "refused", True, told.reason[:DETAIL_CHARACTERS], now
    session.flush()
    return row.wearer_id


def recent(session: Session, wearer: Wearer) -> list[BandOrder]:
    """The newest orders to a wearer's bands, newest first."""
    query = sa.select(BandOrder).where(BandOrder.wearer_id == wearer.id)
    return list(session.scalars(query.order_by(BandOrder.given_at.desc(), BandOrder.id.desc()).limit(SHOWN)))


def of_incident(session: Session, gateway: str, incident: str) -> list[BandOrder]:
    """What the wearer's bands were told in an incident, oldest first."""
    query = sa.select(BandOrder).where(BandOrder.gateway == gateway, BandOrder.incident == incident)
    return list(session.scalars(query.order_by(BandOrder.given_at, BandOrder.id)))
