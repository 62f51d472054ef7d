"""What a gateway tells of its bands, its duty and its test calls, taken into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import Battery, Reading
from gateway.told_orders import BandKeyTold, BandsTold, BandView, DutyInForce, TestCallChanged
from portal.care.sites.models import Band, BandKey, DutyTold, TestCall

KEY_KEPT = timedelta(days=1)


@dataclass(slots=True)
class Heard:
    """The newest of a band in one batch: when it was heard, and its charge where it said so."""

    at: datetime
    battery_pct: float | None = None
    battery_at: datetime | None = None

    def take(self, at: datetime, readings: Iterable[Reading], *, backlog: bool) -> None:
        """Take one frame in; stored readings say nothing of the charge now."""
        self.at = max(self.at, at)
        if backlog:
            return
        for reading in readings:
            if isinstance(reading, Battery):
                self.battery_pct, self.battery_at = reading.battery_pct, at


def take_bands(session: Session, gateway: str, told: BandsTold, wearer_id: Callable[[str], int]) -> None:
    """Replace what was known of a gateway's bands; one that is still named keeps when it was heard."""
    known = {row.device: row for row in session.scalars(sa.select(Band).where(Band.gateway == gateway))}
    for view in told.bands:
        row = known.pop(view.device, None)
        if row is None:
            row = Band(gateway=gateway, device=view.device)
            session.add(row)
        row.wearer_id = wearer_id(view.wearer)
        _describe(row, view)
    for row in known.values():
        session.delete(row)
    session.flush()


def _describe(row: Band, view: BandView) -> None:
    row.wire_id, row.protocol, row.model = view.wire_id[:64], view.protocol[:32], view.model[:64]
    row.serial, row.name = view.serial[:64], view.name[:64]
    row.state, row.key, row.source, row.changed_at = view.state, view.key, view.source, view.changed_at


def write_heard(session: Session, gateway: str, heard: Mapping[str, Heard]) -> None:
    """Move the newest values of the bands heard in a batch; never back, and of strangers nothing is kept."""
    if not heard:
        return
    rows = session.scalars(sa.select(Band).where(Band.gateway == gateway, Band.device.in_(heard)))
    for row in rows:
        one = heard[row.device]
        row.heard_at = one.at if row.heard_at is None else max(row.heard_at, one.at)
        if one.battery_at is not None and (row.battery_at is None or row.battery_at <= one.battery_at):
            row.battery_pct, row.battery_at = one.battery_pct, one.battery_at


def take_key(session: Session, gateway: str, told: BandKeyTold, now: datetime) -> None:
    """Keep a sealed key for whoever ordered it; those nobody fetched in a day go."""
    session.execute(sa.delete(BandKey).where(BandKey.gateway == gateway, BandKey.at < now - KEY_KEPT))
    row = session.get(BandKey, (gateway, told.command))
    if row is None:
        row = BandKey(gateway=gateway, command=told.command)
        session.add(row)
    row.device, row.settings, row.sealed, row.at = (
        told.device,
        [list(pair) for pair in told.settings],
        told.sealed,
        now,
    )


def take_duty(session: Session, gateway: str, told: DutyInForce, now: datetime) -> None:
    """Replace what was known of a gateway's duty."""
    row = session.get(DutyTold, gateway)
    if row is None:
        row = DutyTold(gateway=gateway)
        session.add(row)
    row.version, row.at, row.until = told.version, min(told.at, now), told.until
    row.on_duty = [msgspec.to_builtins(one) for one in told.on_duty]


def take_test(
    session: Session, gateway: str, told: TestCallChanged, *, wearer_id: int | None, now: datetime
) -> None:
    """Replace what was known of a test call."""
    row = session.get(TestCall, (gateway, told.test))
    if row is None:
        row = TestCall(gateway=gateway, command=told.test)
        session.add(row)
    row.wearer_id, row.contact, row.name = wearer_id, told.contact[:64], told.name[:80]
    row.call, row.text, row.digit, row.by = told.call, told.text, told.digit[:4], told.by[:120]
    row.ordered_at, row.at, row.final = told.ordered_at, min(told.at, now), told.final
