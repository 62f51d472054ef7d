"""Orders that register, rekey and revoke as a page lists them: who, when, why, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext

from portal.care.bands.provisioning import DONE, DROPPED, REFUSED, WAITS, Order
from portal.care.bands.refusals import refusal_words, remark_words

WORDS: Mapping[str, tuple[object, str]] = {
    "register_band": (lazy_gettext("登记"), "plus"),
    "rekey_band": (lazy_gettext("换密钥"), "key-round"),
    "revoke_band": (lazy_gettext("停用"), "circle-x"),
}
STATES: Mapping[str, tuple[object, str]] = {
    WAITS: (lazy_gettext("等守望设备"), "information"),
    DONE: (lazy_gettext("已办好"), "good"),
    REFUSED: (lazy_gettext("没有办成"), "danger"),
    DROPPED: (lazy_gettext("已撤回"), "quiet"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One order in words."""

    id: int
    what: str
    icon: str
    by: str
    at: datetime
    why: str
    words: str
    tone: str
    detail: str


def told_orders(orders: Sequence[Order]) -> list[Told]:
    """Orders in words, in the order given."""
    return [told_order(one) for one in orders]


def told_order(order: Order) -> Told:
    """One order in words; why it was refused, or what is left to do."""
    what, icon = WORDS[order.name]
    words, tone = STATES[order.state]
    say = refusal_words if order.state == REFUSED else remark_words
    return Told(
        id=order.id,
        what=str(what),
        icon=icon,
        by=order.body.by or "",
        at=order.at,
        why=order.body.note or "",
        words=str(words),
        tone=tone,
        detail=say(order.reason) if order.reason else "",
    )
