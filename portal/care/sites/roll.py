"""Every wearer in one list, whoever needs a look first: what is wrong, since when, with band and gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_babel import lazy_gettext
from sqlalchemy.orm import Session

from portal.care.bands.notices import standing
from portal.care.consent.sights import facts_of
from portal.care.models import GatewayLine, Wearer
from portal.care.queries import alarming_wearers, visible_wearers
from portal.care.sites.health import SILENT_AFTER
from portal.care.sites.models import Band
from portal.i18n import gettext
from portal.policy import Viewer
from portal.words import local

FILTERS: Mapping[str, object] = {
    "alarm": lazy_gettext("报警中"),
    "silence": lazy_gettext("没有消息"),
    "low_battery": lazy_gettext("电量低"),
    "removed": lazy_gettext("没有戴"),
    "no_band": lazy_gettext("没有手环"),
    "no_contact": lazy_gettext("没有联系人"),
    "no_consent": lazy_gettext("没有同意书"),
    "gateway": lazy_gettext("守望设备离线"),
}
"""What somebody may need a look for, the gravest first."""
ICONS: Mapping[str, str] = {
    "alarm": "siren",
    "silence": "wifi-off",
    "low_battery": "battery-low",
    "removed": "watch",
    "no_band": "watch",
    "no_contact": "phone",
    "no_consent": "file-text",
    "gateway": "wifi-off",
}
_PLACES = {name: place for place, name in enumerate(FILTERS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One wearer: what is wrong with them and theirs, gravest first, and how band and gateway are."""

    id: int
    name: str
    home: str
    heard_at: datetime | None
    battery_pct: float | None
    worn: bool | None
    bands: tuple[str, ...]
    gateway: str
    needs: tuple[str, ...]

    @property
    def grave(self) -> bool:
        """Whether somebody should look today."""
        return bool(set(self.needs) & {"alarm", "silence", "low_battery", "no_band", "no_contact", "gateway"})


def roll(
    session: Session, viewer: Viewer, *, rules: Mapping[str, Mapping[str, Any]], now: datetime
) -> list[Row]:
    """Everybody this viewer may see; who needs a look comes first, the gravest before, then the roster."""
    wearers = visible_wearers(session, viewer)
    ids = [wearer.id for wearer in wearers]
    alarms = alarming_wearers(session, ids)
    bands: dict[int, list[Band]] = {}
    for band in session.scalars(sa.select(Band).where(Band.wearer_id.in_(ids), Band.state == "active")):
        bands.setdefault(band.wearer_id, []).append(band)
    told = set(session.scalars(sa.select(Band.gateway).distinct()))
    lines = {
        row.gateway: row.heard_at
        for row in session.execute(sa.select(GatewayLine.gateway, GatewayLine.heard_at))
    }
    silent = {name for name, at in lines.items() if at is not None and now - at > SILENT_AFTER}
    rows = []
    for wearer in wearers:
        own = bands.get(wearer.id, [])
        needs = {notice.kind for notice in standing(wearer.state, rules, now)} & FILTERS.keys()
        needs |= {"alarm"} if wearer.id in alarms else set()
        needs |= {"no_band"} if not own and wearer.gateway in told else set()
        needs |= set() if any(one.role == "family" for one in wearer.contacts) else {"no_contact"}
        needs |= set() if facts_of(wearer, now).consents else {"no_consent"}
        needs |= {"gateway"} if wearer.gateway in silent else set()
        rows.append(_row(wearer, own, needs))
    return sorted(rows, key=lambda row: [_PLACES[need] for need in row.needs[:1]] or [len(_PLACES)])


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many need a look for each thing; what nobody does is left out."""
    found = {name: sum(name in row.needs for row in rows) for name in FILTERS}
    return {name: count for name, count in found.items() if count}


def sheet(rows: Sequence[Row]) -> Iterator[tuple[str | float | None, ...]]:
    """The list as a table with a row of heads."""
    yield (
        gettext("姓名"),
        gettext("住址"),
        gettext("要留意"),
        gettext("最后消息（北京时间）"),
        gettext("电量（%）"),
        gettext("戴着"),
        gettext("手环"),
        gettext("守望设备"),
    )
    for row in rows:
        yield (
            row.name,
            row.home,
            gettext("；").join(str(FILTERS[need]) for need in row.needs),
            "" if row.heard_at is None else f"{local(row.heard_at):%Y-%m-%d %H:%M}",
            None if row.battery_pct is None else round(row.battery_pct),
            "" if row.worn is None else gettext("是") if row.worn else gettext("否"),
            "、".join(row.bands),
            row.gateway,
        )


def _row(wearer: Wearer, bands: Sequence[Band], needs: set[str]) -> Row:
    state = wearer.state
    return Row(
        id=wearer.id,
        name=wearer.name,
        home=wearer.home,
        heard_at=None if state is None else state.heard_at,
        battery_pct=None if state is None else state.battery_pct,
        worn=None if state is None else state.worn,
        bands=tuple(band.model or band.protocol for band in bands),
        gateway=wearer.gateway,
        needs=tuple(sorted(needs, key=_PLACES.__getitem__)),
    )
