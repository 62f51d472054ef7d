"""What stands between an alarm and a person: ways to people that are down, a gateway nobody hears of.

Staff are told which way is down since when; a guardian only hears what she must act on herself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.told import CarrierHealth, GatewayHealth
from portal.care.alarms.story import carrier_words
from portal.care.models import GatewayLine, HealthReport
from portal.care.queries import visible_gateways
from portal.i18n import gettext
from portal.policy import WATCHERS, Viewer

SILENT_AFTER = timedelta(minutes=3)
"""A gateway asks for commands twice a minute; nothing for this long means it is off or cut off."""
NO_TELEPHONE = frozenset({"rdss", "siren"})
"""Ways that reach a station or the neighbours, but no family's telephone."""

_decoder = msgspec.json.Decoder(GatewayHealth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong: how grave (`danger` or `warning`), in words, since when, what to do."""

    tone: str
    icon: str
    words: str
    since: datetime | None = None
    advice: str = ""
    detail: str = ""


def troubles(session: Session, viewer: Viewer, now: datetime) -> list[Trouble]:
    """What this viewer has to know about the gateways of the wearers they see; the gravest first."""
    gateways = visible_gateways(session, viewer)
    if not gateways:
        return []
    heard = sa.select(GatewayLine.gateway, GatewayLine.heard_at).where(GatewayLine.gateway.in_(gateways))
    silent = [row.heard_at for row in session.execute(heard) if _is_silent(row.heard_at, now)]
    reports = session.scalars(sa.select(HealthReport).where(HealthReport.gateway.in_(gateways)))
    told = [_decoder.decode(row.body) for row in reports]
    on_duty = bool(viewer.roles & WATCHERS)
    found = [_silent(at, on_duty=on_duty) for at in silent]
    for health in told:
        found += _of_staff(health) if on_duty else _of_family(health)
    if not on_duty:
        return found[:1]
    return sorted(found, key=lambda trouble: trouble.tone != "danger")


def _is_silent(heard_at: datetime | None, now: datetime) -> bool:
    return heard_at is not None and now - heard_at > SILENT_AFTER


def _silent(at: datetime, *, on_duty: bool) -> Trouble:
    if on_duty:
        advice = gettext("求救仍由守望设备自己通知，这一页看不到新情况。请检查设备的电源和网络。")
        words = gettext("守望设备离线")
    else:
        advice, words = "", gettext("守望设备离线，请直接打电话")
    return Trouble(tone="danger", icon="wifi-off", words=str(words), since=at, advice=str(advice))


def telephones(health: GatewayHealth) -> tuple[CarrierHealth, ...]:
    """The ways that reach a family's telephone."""
    return tuple(one for one in health.carriers if one.carrier.partition("@")[0] not in NO_TELEPHONE)


def all_down(health: GatewayHealth) -> bool:
    """No family can be rung or texted."""
    ways = telephones(health)
    return bool(ways) and not any(one.healthy for one in ways)


def _latest(ways: Iterable[CarrierHealth]) -> datetime | None:
    """Since when all of these are down: since the last of them went."""
    return max((one.since for one in ways if one.since is not None), default=None)


def _of_family(health: GatewayHealth) -> list[Trouble]:
    if not all_down(health):
        return []
    words = gettext("求助通道异常，请直接打电话")
    return [Trouble(tone="danger", icon="phone", words=str(words), since=_latest(telephones(health)))]


def _of_staff(health: GatewayHealth) -> list[Trouble]:
    found = []
    down = [one for one in health.carriers if not one.healthy]
    if all_down(health):
        up = [carrier_words(one.carrier) for one in health.carriers if one.healthy]
        advice = gettext("有人求救时打不通亲属的电话。请马上检查守望设备，并请专人盯住本页。")
        if up:
            still = gettext("还能用：%(ways)s。", ways="、".join(up))
            advice = f"{advice} {still}"
        words = gettext("所有电话和短信都发不出去")
        ways = telephones(health)
        trouble = Trouble(
            tone="danger",
            icon="circle-alert",
            words=str(words),
            since=_latest(ways),
            advice=str(advice),
            detail=" · ".join(f"{carrier_words(one.carrier)} {one.detail}".rstrip() for one in ways),
        )
        found.append(trouble)
        down = [one for one in down if one not in ways]
    for one in down:
        words = gettext("求助通道异常：%(way)s", way=carrier_words(one.carrier))
        found.append(
            Trouble(tone="warning", icon="wifi-off", words=str(words), since=one.since, detail=one.detail)
        )
    if health.journal:
        words = gettext("守望设备写不进记录")
        advice = gettext("新的求救可能收不到。请马上检查守望设备的磁盘。")
        trouble = Trouble(
            tone="danger", icon="circle-alert", words=str(words), advice=str(advice), detail=health.journal
        )
        found.append(trouble)
    found += [Trouble(tone="warning", icon="info", words=_warning(code)) for code in health.warnings]
    return found


def _warning(code: str) -> str:
    words = {
        "many_legs": gettext("最近拨打的电话特别多，请管理员看一下原因和费用"),
        "profile": gettext("有人的照护设置和守望设备对不上，设备换用了旧的一版，请管理员查看"),
        "disk": gettext("守望设备的磁盘快满了，请管理员清理或换大一点的磁盘"),
        "certificate": gettext("守望设备的证书快到期了，请管理员更换，否则手环会连不上"),
        "devices": gettext("手环名单有问题，有的手环可能没有接入，请管理员在守望设备上查看"),
    }
    return str(words.get(code, gettext("请管理员检查守望设备（%(code)s）", code=code)))
