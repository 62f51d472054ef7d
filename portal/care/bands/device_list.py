"""Every band of the viewer's place in one list, whoever needs a look first, with orders under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_babel import lazy_gettext
from sqlalchemy.orm import Session

from portal.care.bands import provisioning
from portal.care.bands.makes import line_words, make_words
from portal.care.bands.notices import standing
from portal.care.bands.provisioning import DONE, RECENT, REFUSED, WAITS, Order
from portal.care.bands.refusals import refusal_words
from portal.care.models import Wearer
from portal.care.sites.models import Band
from portal.i18n import gettext
from portal.policy import Viewer
from portal.words import ago

STATES: Mapping[str, tuple[object, str, str]] = {
    "refused": (lazy_gettext("没有办成"), "danger", "circle-alert"),
    "waiting": (lazy_gettext("等守望设备"), "information", "hourglass"),
    "silence": (lazy_gettext("没有消息"), "warning", "wifi-off"),
    "low_battery": (lazy_gettext("电量低"), "warning", "battery-low"),
    "never": (lazy_gettext("还没有连上过"), "warning", "wifi-off"),
    "good": (lazy_gettext("正常"), "good", "circle-check"),
    "revoked": (lazy_gettext("停用了"), "quiet", "circle-x"),
}
"""How a band stands, in words, its tone and icon; whoever needs a look first comes first."""
WAITING_WORDS: Mapping[str, object] = {
    "register_band": lazy_gettext("等守望设备登记"),
    "rekey_band": lazy_gettext("等守望设备换密钥"),
    "revoke_band": lazy_gettext("等守望设备停用"),
}
REFUSED_WORDS: Mapping[str, object] = {
    "register_band": lazy_gettext("没有登记上"),
    "rekey_band": lazy_gettext("没有换成密钥"),
    "revoke_band": lazy_gettext("没有停用成"),
}
_PLACES = {name: place for place, name in enumerate(STATES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One band, or one that is ordered: what it is, whose, how it stands, and what is said of it.

    `device` is empty where its gateway does not know it yet; `order` is the one under way or refused.
    """

    gateway: str
    device: str
    number: str
    called: str
    make: str
    line: str
    serial: str
    wearer: Wearer
    battery_pct: float | None = None
    heard_at: datetime | None = None
    key: str = ""
    state: str
    words: str
    detail: str = ""
    order: int | None = None

    @property
    def tone(self) -> str:
        """Of its pill."""
        return STATES[self.state][1]

    @property
    def icon(self) -> str:
        """Of its pill."""
        return STATES[self.state][2]

    def says(self, words: str) -> bool:
        """Whether a search for these words finds it."""
        told = (self.number, self.device, self.called, self.make, self.line, self.serial, self.gateway)
        return words.casefold() in " ".join((*told, self.wearer.name, self.wearer.home)).casefold()


@dataclass(slots=True)
class _Charge:
    """A band alone, as `notices.standing` asks of a wearer."""

    heard_at: datetime | None
    battery_pct: float | None
    battery_at: datetime | None
    worn: bool | None = None
    worn_at: datetime | None = None


def device_rows(
    session: Session, viewer: Viewer, *, rules: Mapping[str, Mapping[str, Any]], now: datetime
) -> list[Row]:
    """Every band this viewer looks after; who needs a look first, then by whose it is."""
    wearers = provisioning.provisioned_wearers(session, viewer)
    given = provisioning.orders(session, wearers)
    keyed = keyed_at(given)
    newest: dict[tuple[str, str], Order] = {}
    for one in given:
        newest.setdefault((one.gateway, one.device), one)
    bands = list(session.scalars(sa.select(Band).where(Band.wearer_id.in_(wearers))))
    rows = [
        band_row(band, newest.get((band.gateway, band.device)), key_words(band, keyed), rules=rules, now=now)
        for band in bands
    ]
    rows += [row for one in newest.values() for row in _ordered(one, now)]
    places = {wearer_id: place for place, wearer_id in enumerate(wearers)}
    return sorted(rows, key=lambda row: (_PLACES[row.state], places[row.wearer.id], row.number))


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many stand how; what nobody does is left out."""
    found = {name: sum(row.state == name for row in rows) for name in STATES}
    return {name: count for name, count in found.items() if count}


def band_row(
    band: Band, order: Order | None, key: str, *, rules: Mapping[str, Mapping[str, Any]], now: datetime
) -> Row:
    """A band its gateway knows; an order under way, or one refused lately, is said before all else.

    A registration has a row of its own: it may be refused because this band has the number.
    """
    if order is not None and order.name == "register_band":
        order = None
    state, words, detail = _stands(band, order, rules, now)
    return Row(
        gateway=band.gateway,
        device=band.device,
        number=band.wire_id,
        called=band.name,
        make=make_words(band.protocol, band.model),
        line=line_words(band.protocol),
        serial=band.serial,
        wearer=band.wearer,
        battery_pct=band.battery_pct,
        heard_at=band.heard_at,
        key=key,
        state=state,
        words=words,
        detail=detail,
        order=order.id if order is not None and state in {"waiting", "refused"} else None,
    )


def keyed_at(given: Sequence[Order]) -> Mapping[tuple[str, str], datetime]:
    """When each band got its last key by an order, by gateway and identity."""
    return {
        (one.gateway, one.device): one.ended_at
        for one in reversed(given)
        if one.state == DONE and one.name != "revoke_band" and one.ended_at is not None
    }


def key_words(band: Band, keyed: Mapping[tuple[str, str], datetime]) -> str:
    """How old a band's key is, as far as it is known."""
    if band.key != "set":
        return gettext("这种线路没有")
    since = keyed.get((band.gateway, band.device))
    if since is not None:
        return gettext("%(when)s换的", when=ago(since))
    if band.changed_at is not None:
        return gettext("至少从%(when)s用起", when=ago(band.changed_at))
    return gettext("在守望设备的配置里")


def _stands(
    band: Band, order: Order | None, rules: Mapping[str, Mapping[str, Any]], now: datetime
) -> tuple[str, str, str]:
    """How a band stands: state, words, and what is said beside them."""
    if order is not None and order.state == WAITS:
        return "waiting", str(WAITING_WORDS[order.name]), ""
    if order is not None and order.state == REFUSED and now - order.at < RECENT:
        return "refused", str(REFUSED_WORDS[order.name]), refusal_words(order.reason)
    if band.state == "revoked":
        return "revoked", str(STATES["revoked"][0]), ""
    if band.heard_at is None:
        return "never", str(STATES["never"][0]), ""
    notices = standing(_Charge(band.heard_at, band.battery_pct, band.battery_at), rules, now)
    if notices:
        return notices[0].kind, str(STATES[notices[0].kind][0]), ""
    return "good", str(STATES["good"][0]), ""


def _ordered(order: Order, now: datetime) -> Iterator[Row]:
    """A registration while it waits, and while its refusal is news."""
    body = order.body
    if order.name != "register_band" or order.state not in {WAITS, REFUSED}:
        return
    if order.state == REFUSED and now - order.at >= RECENT:
        return
    refused = order.state == REFUSED
    yield Row(
        gateway=order.gateway,
        device="",
        number=body.wire_id or "",
        called=body.label or "",
        make=make_words(body.protocol or "", body.model or ""),
        line=line_words(body.protocol or ""),
        serial=body.serial or "",
        wearer=order.wearer,
        state="refused" if refused else "waiting",
        words=str((REFUSED_WORDS if refused else WAITING_WORDS)[order.name]),
        detail=refusal_words(order.reason) if refused else "",
        order=order.id,
    )
