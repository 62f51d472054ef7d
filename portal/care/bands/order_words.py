"""Orders to bands as a page shows them: what, by whom, when, and how far it got, in words and a tone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext

from portal.care.models import BandOrder
from portal.i18n import gettext, ngettext
from portal.policy import Sight

INTERVALS_S = (60, 300, 600, 1800, 3600)
HOUR_S = 3600
MAX_TEXT_CHARACTERS = 60

NAME_WORDS: Mapping[str, object] = {
    "find": lazy_gettext("让手环响铃"),
    "locate_now": lazy_gettext("立即定位"),
    "message": lazy_gettext("发消息"),
    "interval": lazy_gettext("定位间隔"),
    "fences": lazy_gettext("更新手环里的围栏"),
    "help_is_coming": lazy_gettext("告诉手环：有人来了"),
    "cancelled": lazy_gettext("告诉手环：已取消"),
    "call_back": lazy_gettext("让手环回拨"),
}
WHERE = frozenset({"locate_now"})
"""Orders a band may answer with where it is."""
ICONS: Mapping[str, str] = {
    "find": "bell",
    "locate_now": "locate",
    "message": "message-square-text",
    "interval": "clock",
    "fences": "map",
    "help_is_coming": "hand-helping",
    "cancelled": "circle-x",
    "call_back": "phone",
}
STATE_WORDS: Mapping[str, tuple[object, str]] = {
    "queued": (lazy_gettext("等待网关"), "information"),
    "waiting": (lazy_gettext("等手环上线"), "information"),
    "sent": (lazy_gettext("已发出"), "information"),
    "delivered": (lazy_gettext("手环已收到"), "good"),
    "done": (lazy_gettext("手环已执行"), "good"),
    "refused": (lazy_gettext("没有执行"), "danger"),
    "expired": (lazy_gettext("已过期，手环没有收到"), "warning"),
    "unsupported": (lazy_gettext("这款手环做不到"), "warning"),
    "given_up": (lazy_gettext("已作废"), "quiet"),
}
DETAIL_WORDS: Mapping[str, object] = {
    "no_band": lazy_gettext("没有登记手环"),
    "revoked": lazy_gettext("手环已停用或换了人"),
    "replaced": lazy_gettext("由新的指令代替"),
    "too_many": lazy_gettext("排队的指令太多"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One order to one band in words.

    `detail` is ours, in the reader's language; `said` is what the band or the gateway itself said.
    `device` names the band where the wearer has several.
    """

    id: int
    what: str
    icon: str
    text: str
    by: str
    given_at: datetime
    at: datetime
    words: str
    tone: str
    detail: str
    said: str
    device: str
    pending: bool


def order_rows(rows: Sequence[BandOrder], sight: Sight) -> list[OrderRow]:
    """Rows in words; each names its band where they are of several.

    A band's answer with a place in it is shown as far as `sight` goes.
    """
    several = len({row.device for row in rows if row.device}) > 1
    return [order_row(row, several=several, sight=sight) for row in rows]


def order_row(row: BandOrder, *, several: bool, sight: Sight) -> OrderRow:
    """One row in words; a state or name this portal does not know yet is shown as it came."""
    words, tone = STATE_WORDS.get(row.state, (row.state, "quiet"))
    known = DETAIL_WORDS.get(row.detail)
    waits = row.state == "delivered" and not row.final
    return OrderRow(
        id=row.id,
        what=_what(row),
        icon=ICONS.get(row.name, "watch"),
        text=row.text,
        by=row.by or (gettext("求救流程") if row.incident else ""),
        given_at=row.given_at,
        at=row.at,
        words=gettext("手环已收到，等它答复") if waits else str(words),
        tone="information" if waits else tone,
        detail="" if known is None else str(known),
        said=row.detail if known is None and (sight.location or row.name not in WHERE) else "",
        device=row.device if several else "",
        pending=not row.final and row.state != "delivered",
    )


def interval_words(seconds: int) -> str:
    """Say an interval: "5 分钟", "1 小时"."""
    if seconds >= HOUR_S and not seconds % HOUR_S:
        return ngettext("%(num)s 小时", "%(num)s 小时", seconds // HOUR_S)
    if seconds >= 60 and not seconds % 60:  # noqa: PLR2004 - seconds of a minute
        return ngettext("%(num)s 分钟", "%(num)s 分钟", seconds // 60)
    return ngettext("%(num)s 秒钟", "%(num)s 秒钟", seconds)


def _what(row: BandOrder) -> str:
    name = str(NAME_WORDS.get(row.name, row.name))
    return name if row.interval_s is None else f"{name} {interval_words(row.interval_s)}"
