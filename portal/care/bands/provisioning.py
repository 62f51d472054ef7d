"""Orders that register a band, give it another key or revoke it, in the store: given, looked up, taken back.

An order holds no secret; its key comes back sealed to the pair of the session that gave it (docs/adr/0023).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.bands.sealing import open_sealed
from gateway.told import PortalCommand
from portal import audit
from portal.api import commands
from portal.care.changes import announce
from portal.care.consent.sights import RESTS_ON, facts_of
from portal.care.models import MOST_ID, Command, Wearer
from portal.care.queries import visible_wearers
from portal.care.sites.models import Band, BandKey
from portal.policy import Viewer, provisions

NAMES = ("register_band", "rekey_band", "revoke_band")
WAITS, DONE, REFUSED, DROPPED = "queued", "done", "refused", "dropped"
SHOWN_FOR = timedelta(hours=1)
"""So long after it came a key is shown to the session that ordered it; then its row goes."""
RECENT = timedelta(days=7)
"""A refusal older than this is no news."""
COMMAND = re.compile(r"band\.\d+\.\d+\.(?P<once>[0-9a-f]{16})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order about a band; `body` is what the gateway was told, `device` the band's identity."""

    id: int
    command: str
    gateway: str
    name: str
    wearer: Wearer
    body: PortalCommand
    state: str
    reason: str
    by_user: int | None
    at: datetime
    ended_at: datetime | None

    @property
    def device(self) -> str:
        """The identity of the band it is about."""
        return self.body.device or self.body.wire_id or ""

    @property
    def once(self) -> str:
        """The press of the button it came from."""
        found = COMMAND.fullmatch(self.command)
        return found["once"] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A key as it is shown: what is typed and no secret, the secrets by name, the content of the QR code."""

    settings: tuple[tuple[str, str], ...]
    secrets: Mapping[str, str]
    qr: str = ""


def provisioned_wearers(session: Session, viewer: Viewer) -> dict[int, Wearer]:
    """The wearers whose bands this viewer looks after, those no roster names any more too."""
    rows = visible_wearers(session, viewer, absent=True)
    return {row.id: row for row in rows if provisions(viewer, facts_of(row))}


def find_band(session: Session, viewer: Viewer, gateway: str, device: str) -> Band | None:
    """One band, None when there is none or this viewer does not look after its wearer's."""
    band = session.get(Band, (gateway, device))
    return band if band is not None and provisions(viewer, facts_of(band.wearer)) else None


def give(
    session: Session, wearer: Wearer, name: str, *, once: str, who: Viewer, now: datetime, **body: str
) -> Command:
    """Queue an order for the wearer's gateway in the session's transaction, and record who gave it and why.

    `body` is what `PortalCommand` carries for it; `note` is the reason. The same press twice is one order.
    """
    known = known_order(session, wearer, once=once, who=who)
    if known is not None:
        return known
    told = {key: value for key, value in body.items() if value}
    row = commands.queue(
        session,
        wearer.gateway,
        now=now,
        by_user=who.user,
        command=_command(wearer, once, who),
        name=name,
        wearer=wearer.code,
        by=who.name,
        **told,
    )
    band = body.get("wire_id") or body.get("device", "")
    _record(session, who, name, wearer, f"{band} {body.get('note', '')}".rstrip(), now)
    announce(session, [("health", 0, None)])
    return row


def known_order(session: Session, wearer: Wearer, *, once: str, who: Viewer) -> Command | None:
    """The order of a press that was given before."""
    named = Command.command == _command(wearer, once, who)
    return session.scalar(sa.select(Command).where(Command.gateway == wearer.gateway, named))


def orders(session: Session, wearers: Mapping[int, Wearer], *, limit: int = 500) -> list[Order]:
    """The newest orders about the bands of these wearers, newest first."""
    rows = _newest(session, {row.gateway for row in wearers.values()}, limit)
    known = {(row.gateway, row.code): row for row in wearers.values()}
    return [one for row in rows if (one := _order(row, known)) is not None]


def orders_of_band(session: Session, viewer: Viewer, band: Band, *, limit: int = 500) -> list[Order]:
    """The newest orders about one band, newest first, those of whoever wore it before too."""
    rows = _newest(session, {band.gateway}, limit)
    codes = {msgspec.json.decode(row.body, type=PortalCommand).wearer for row in rows}
    query = sa.select(Wearer).where(Wearer.gateway == band.gateway, Wearer.code.in_(codes))
    known = {
        (row.gateway, row.code): row
        for row in session.scalars(query.options(*RESTS_ON))
        if provisions(viewer, facts_of(row))
    }
    found = (_order(row, known) for row in rows)
    return [one for one in found if one is not None and one.device == band.device]


def find_order(session: Session, viewer: Viewer, order_id: int) -> Order | None:
    """One order, None when there is none or this viewer does not look after that wearer's bands."""
    row = session.get(Command, order_id) if 0 < order_id <= MOST_ID else None
    if row is None or row.name not in NAMES:
        return None
    code = msgspec.json.decode(row.body, type=PortalCommand).wearer
    wearer = session.scalar(sa.select(Wearer).where(Wearer.gateway == row.gateway, Wearer.code == code))
    if wearer is None or not provisions(viewer, facts_of(wearer)):
        return None
    return _order(row, {(wearer.gateway, wearer.code): wearer})


def take_back(session: Session, order: Order, *, who: Viewer, now: datetime) -> bool:
    """Take back an order its gateway has not answered, or lay a refused one aside.

    A gateway that has it already may carry it out all the same.
    """
    row = session.get(Command, order.id)
    if row is None or row.state not in {WAITS, REFUSED}:
        return False
    row.state, row.ended_at = DROPPED, now
    _record(session, who, "drop_band_order", order.wearer, order.device, now)
    announce(session, [("health", 0, None)])
    return True


def opened(session: Session, order: Order, *, private: str, now: datetime) -> Opened | None:
    """What came back for an order, with the key where this private half opens it.

    None where nothing is there (any more), or a key is there that is sealed to another session.
    """
    row = session.get(BandKey, (order.gateway, order.command))
    if row is None or now - row.at > SHOWN_FOR:
        return None
    settings = tuple((what, value) for what, value in row.settings)
    if not row.sealed:
        return Opened(settings=settings, secrets={})
    try:
        secret = msgspec.json.decode(open_sealed(row.sealed, private, command=order.command))
    except ValueError:
        return None
    return Opened(settings=settings, secrets=secret["typed"], qr=secret["qr"])


def looked(session: Session, order: Order, *, who: Viewer, now: datetime) -> None:
    """Put on record, once an order, that its key was shown."""
    actor, subject = f"user:{who.user}", f"wearer:{order.wearer.id}"
    since = order.ended_at or order.at
    known = {"actor": actor, "action": "show_band_key", "subject": subject, "detail": order.device}
    if not audit.recorded_since(session, **known, since=since):
        _record(session, who, "show_band_key", order.wearer, order.device, now)


def put_away(session: Session, order: Order, *, who: Viewer, now: datetime) -> None:
    """Delete the sealed key of an order: it was written down."""
    row = session.get(BandKey, (order.gateway, order.command))
    if row is not None:
        session.delete(row)
        _record(session, who, "put_away_band_key", order.wearer, order.device, now)


def drop_old_keys(session: Session, now: datetime) -> None:
    """Delete the keys that are shown to nobody any more."""
    session.execute(sa.delete(BandKey).where(BandKey.at < now - SHOWN_FOR))


def has_old_keys(session: Session, now: datetime) -> bool:
    """Whether there are any."""
    return session.scalar(sa.select(BandKey.at).where(BandKey.at < now - SHOWN_FOR).limit(1)) is not None


def _newest(session: Session, gateways: Collection[str], limit: int) -> list[Command]:
    query = sa.select(Command).where(Command.name.in_(NAMES), Command.gateway.in_(gateways))
    return list(session.scalars(query.order_by(Command.id.desc()).limit(limit)))


def _command(wearer: Wearer, once: str, who: Viewer) -> str:
    return f"band.{wearer.id}.{who.user}.{once}"


def _order(row: Command, wearers: Mapping[tuple[str, str], Wearer]) -> Order | None:
    body = msgspec.json.decode(row.body, type=PortalCommand)
    wearer = wearers.get((row.gateway, body.wearer or ""))
    if wearer is None:
        return None
    return Order(
        id=row.id,
        command=row.command,
        gateway=row.gateway,
        name=row.name,
        wearer=wearer,
        body=body,
        state=row.state,
        reason=row.reason,
        by_user=row.by_user,
        at=row.created_at,
        ended_at=row.ended_at,
    )


def _record(session: Session, who: Viewer, action: str, wearer: Wearer, detail: str, now: datetime) -> None:
    subject, actor = f"wearer:{wearer.id}", f"user:{who.user}"
    audit.record(session, at=now, actor=actor, action=action, subject=subject, detail=detail)
