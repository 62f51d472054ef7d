"""The line of a gateway in the store: one row each, locked by whoever counts on it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.care.models import GatewayLine


def lock_line(session: Session, gateway: str) -> GatewayLine:
    """The gateway's line, locked until the transaction ends; made at its first word."""
    query = sa.select(GatewayLine).where(GatewayLine.gateway == gateway).with_for_update()
    line = session.scalar(query)
    if line is None:
        values = {"gateway": gateway, "through_seq": 0, "last_command": 0, "acknowledged_command": 0}
        session.execute(insert_once(session, GatewayLine).values(**values))
        line = session.scalars(query.execution_options(populate_existing=True)).one()
    return line


def insert_once(session: Session, model: type[Any]) -> Any:
    """An insert that does nothing where the row is there already, on either engine."""
    if session.connection().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415  # one of two dialects is used
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]  # noqa: PLC0415  # the same
    return insert(model).on_conflict_do_nothing()
