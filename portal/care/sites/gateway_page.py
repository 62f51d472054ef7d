"""A gateway as staff see it: one sentence first, then its figures in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from flask_babel import lazy_gettext
from sqlalchemy.orm import Session

from gateway.told import CarrierHealth, GatewayHealth
from gateway.told_health import GatewayFigures
from portal.care.alarms.story import carrier_words
from portal.care.models import GatewayLine, HealthReport
from portal.care.queries import visible_gateways
from portal.care.sites.health import SILENT_AFTER
from portal.i18n import gettext, ngettext
from portal.policy import Viewer
from portal.words import clock, duration

WEAK_DBM, GOOD_DBM = -100, -85
"""At or below the first a modem hardly hears its cell, from the second on well (3GPP TS 27.007, +CSQ)."""
DISK_MB = 1000.0
CERTIFICATE_DAYS = 21
UNSENT_FOR = timedelta(minutes=10)
CLOCKS = {
    "synchronised": lazy_gettext("准，由时间服务校准"),
    "free": lazy_gettext("没有时间服务校准"),
    "unknown": lazy_gettext("不清楚"),
}
_decode = msgspec.json.Decoder(GatewayHealth).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing that is wrong and what to do about it."""

    tone: str
    words: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCard:
    """One gateway: its sentence, what is wrong with it, figures as (what, value), its ways to people."""

    name: str
    tone: str
    sentence: str
    heard_at: datetime | None
    wrong: tuple[Advice, ...]
    figures: tuple[tuple[str, str], ...]
    carriers: tuple[tuple[str, CarrierHealth], ...]


def gateway_cards(session: Session, viewer: Viewer, now: datetime) -> list[GatewayCard]:
    """The gateways of the wearers this viewer sees, the worst first."""
    names = visible_gateways(session, viewer)
    lines = {row.gateway: row for row in session.scalars(sa.select(GatewayLine)) if row.gateway in names}
    reports = {
        row.gateway: _decode(row.body)
        for row in session.scalars(sa.select(HealthReport))
        if row.gateway in names
    }
    cards = [_card(name, lines.get(name), reports.get(name), now) for name in sorted(names)]
    return sorted(cards, key=lambda card: ("danger", "warning", "good").index(card.tone))


def _card(name: str, line: GatewayLine | None, health: GatewayHealth | None, now: datetime) -> GatewayCard:
    heard_at = None if line is None else line.heard_at
    wrong = tuple(_wrong(heard_at, health, now))
    tones = {one.tone for one in wrong}
    tone = "danger" if "danger" in tones else "warning" if tones else "good"
    figures = None if health is None else health.figures
    return GatewayCard(
        name=name,
        tone=tone,
        sentence=wrong[0].words if wrong else _fine(figures),
        heard_at=heard_at,
        wrong=wrong,
        figures=() if figures is None else tuple(_figures(figures, now)),
        carriers=()
        if health is None
        else tuple((carrier_words(one.carrier), one) for one in health.carriers),
    )


def signal_words(dbm: int | None) -> str:
    """How well the modem hears: "信号好（-71 dBm）"; empty where it did not say."""
    if dbm is None:
        return ""
    value = {"dbm": dbm}
    if dbm >= GOOD_DBM:
        return gettext("信号好（%(dbm)d dBm）", **value)
    return (
        gettext("信号一般（%(dbm)d dBm）", **value)
        if dbm > WEAK_DBM
        else gettext("信号弱（%(dbm)d dBm）", **value)
    )


def _fine(figures: GatewayFigures | None) -> str:
    dbm = None if figures is None or figures.modem is None else figures.modem.signal_dbm
    return gettext("信号好，一切正常") if dbm is not None and dbm >= GOOD_DBM else gettext("一切正常")


def _wrong(heard_at: datetime | None, health: GatewayHealth | None, now: datetime) -> Iterator[Advice]:
    if heard_at is None or now - heard_at > SILENT_AFTER:
        yield Advice(
            tone="danger",
            words=gettext("守望设备离线"),
            advice=gettext("求救仍由守望设备自己通知，这一页看不到新情况。请检查设备的电源和网络。"),
        )
    if health is None:
        return
    if health.journal:
        yield Advice(
            tone="danger",
            words=gettext("守望设备写不进记录"),
            advice=gettext("新的求救可能收不到。请马上检查守望设备的磁盘。"),
        )
    for one in health.carriers:
        if not one.healthy:
            yield Advice(
                tone="warning",
                words=gettext("求助通道异常：%(way)s", way=carrier_words(one.carrier)),
                advice=one.detail,
            )
    if health.figures is not None:
        yield from _of_figures(health.figures, now)


def _of_figures(figures: GatewayFigures, now: datetime) -> Iterator[Advice]:
    if (
        figures.modem is not None
        and figures.modem.signal_dbm is not None
        and figures.modem.signal_dbm <= WEAK_DBM
    ):
        yield Advice(
            tone="warning",
            words=gettext("本机电话卡的信号弱"),
            advice=gettext("请把天线移到窗边，或换一处放设备。"),
        )
    if figures.disk_free_mb is not None and figures.disk_free_mb < DISK_MB:
        yield Advice(
            tone="warning",
            words=gettext("守望设备的磁盘快满了"),
            advice=gettext("请管理员清理或换大一点的磁盘。"),
        )
    if figures.unsent_since is not None and now - figures.unsent_since > UNSENT_FOR:
        count = figures.unsent_events
        yield Advice(
            tone="warning",
            words=ngettext("有 %(num)s 条消息还没有传上来", "有 %(num)s 条消息还没有传上来", count),
            advice=gettext("网络慢或断过，连上后会自己补传。一直这样请检查网络。"),
        )
    if figures.clock == "free":
        yield Advice(
            tone="warning",
            words=gettext("守望设备的时钟没有校准"),
            advice=gettext("请管理员打开时间服务，否则报警的时间会不准。"),
        )
    for one in figures.certificates:
        days = (one.ends_at - now).days
        if days < CERTIFICATE_DAYS:
            yield Advice(
                tone="danger" if days < 1 else "warning",
                words=ngettext("证书还有 %(num)s 天到期", "证书还有 %(num)s 天到期", max(0, days)),
                advice=gettext("请管理员更换，否则手环会连不上。"),
            )
    if figures.quarantined:
        count = figures.quarantined
        yield Advice(
            tone="warning",
            words=ngettext(
                "有 %(num)s 个没有登记的设备在发消息", "有 %(num)s 个没有登记的设备在发消息", count
            ),
            advice=gettext("是自己的手环就登记，不是就不用管。"),
        )


def _figures(figures: GatewayFigures, now: datetime) -> Iterator[tuple[str, str]]:
    yield gettext("软件版本"), figures.version
    up = duration((now - figures.started_at).total_seconds() / 3600)
    yield gettext("已运行"), gettext("%(lasting)s，从%(at)s起", lasting=up, at=clock(figures.started_at))
    yield gettext("等待上传"), ngettext("%(num)s 条", "%(num)s 条", figures.unsent_events)
    yield gettext("本机记录"), gettext("%(size)s MB", size=f"{figures.journal_mb:.0f}")
    if figures.disk_free_mb is not None:
        yield gettext("磁盘剩余"), gettext("%(size)s GB", size=f"{figures.disk_free_mb / 1000:.1f}")
    if figures.modem is not None:
        said = " · ".join(filter(None, (figures.modem.operator, signal_words(figures.modem.signal_dbm))))
        yield gettext("本机电话卡"), said or gettext("不清楚")
    yield gettext("时钟"), str(CLOCKS[figures.clock])
    yield gettext("没有登记的设备"), str(figures.quarantined)
    for one in figures.certificates:
        days = max(0, (one.ends_at - now).days)
        yield (
            gettext("证书 %(name)s", name=one.listener),
            ngettext("还有 %(num)s 天", "还有 %(num)s 天", days),
        )
