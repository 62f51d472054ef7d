"""What a family had better see to about a wearer's band, and how: charge it, put it on, ask why it is silent.

Pure but for the words of the reader's language. These ring nobody; what rings is an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from flask_babel import lazy_gettext

from portal.i18n import gettext, ngettext
from portal.words import duration

LOW_PCT, SILENT_S = 15.0, 1800.0
"""The rules' own defaults (docs/rules.md), where the community's are not known."""
STALE = timedelta(days=2)
"""A charge, or a word about the wrist, older than this says nothing of now."""
HOUR_S = 3600.0
ADVICE: Mapping[str, object] = {
    "low_battery": lazy_gettext("请帮忙把手环充上电。没电以后，求救和位置都发不出来。"),
    "silence": lazy_gettext("请先打电话问平安，再看手环是不是没电、没戴，或在没有信号的地方。"),
    "removed": lazy_gettext("请问一问是不是洗澡后忘了戴，戴回去才能求救。"),
    "inactivity": lazy_gettext("请打电话问平安；没有人接，请邻居或值班人员上门看看。"),
    "vitals": lazy_gettext("请问一问感觉怎么样，休息几分钟再量一次；不舒服请就医。"),
    "fence": lazy_gettext("请打电话问一问在哪里，要不要接。"),
}
"""What to do about a notice, by the kind of its alarm."""


GOOD_NEWS = frozenset({"fence_return", "fence_clear"})
"""Codes of notices that say it is over."""


class State(Protocol):
    """What is read of the newest of a wearer; `portal.care.models.WearerState` is one."""

    heard_at: datetime | None
    battery_at: datetime | None
    battery_pct: float | None
    worn_at: datetime | None
    worn: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to see to: short words for a card, since when, what to do."""

    kind: str
    icon: str
    words: str
    since: datetime | None
    advice: str


def standing(
    state: State | None, rules: Mapping[str, Mapping[str, Any]], now: datetime
) -> tuple[Notice, ...]:
    """Give what stands now, the gravest first; `rules` are the community's tables.

    A band that is silent says no more how it is: then that alone is told, with the charge it had.
    """
    if state is None:
        return ()
    silent = _silent(state, rules, now)
    if silent is not None:
        return (silent,)
    return tuple(filter(None, (_battery(state, rules, now), _off(state, now))))


def advice_of(kind: str, code: str = "") -> str:
    """Say what to do about a notice of this kind and code; empty where there is nothing to do."""
    return "" if code in GOOD_NEWS else str(ADVICE.get(kind, ""))


def _silent(state: State, rules: Mapping[str, Mapping[str, Any]], now: datetime) -> Notice | None:
    at = state.heard_at
    if at is None or now - at < timedelta(seconds=_number(rules, "silence", "silent_after_s", SILENT_S)):
        return None
    lasting = _lasting((now - at).total_seconds())
    words = gettext("手环 %(lasting)s没有消息", lasting=lasting)
    low = _number(rules, "battery", "low_pct", LOW_PCT)
    if state.battery_pct is not None and state.battery_pct <= low:
        words = gettext("%(words)s，之前电量只剩 %(value)d%%", words=words, value=round(state.battery_pct))
    return Notice(kind="silence", icon="wifi-off", words=words, since=at, advice=advice_of("silence"))


def _lasting(seconds: float) -> str:
    if seconds < HOUR_S:
        return ngettext("%(num)s 分钟", "%(num)s 分钟", round(seconds / 60))
    return duration(seconds / HOUR_S)


def _battery(state: State, rules: Mapping[str, Mapping[str, Any]], now: datetime) -> Notice | None:
    value, at = state.battery_pct, state.battery_at
    if value is None or at is None or now - at > STALE:
        return None
    if value > _number(rules, "battery", "low_pct", LOW_PCT):
        return None
    words = gettext("手环电量只剩 %(value)d%%", value=round(value))
    return Notice(
        kind="low_battery", icon="battery-low", words=words, since=at, advice=advice_of("low_battery")
    )


def _off(state: State, now: datetime) -> Notice | None:
    at = state.worn_at
    if state.worn is not False or at is None or now - at > STALE:
        return None
    words = gettext("手环没有戴着")
    return Notice(kind="removed", icon="watch", words=words, since=at, advice=advice_of("removed"))


def _number(rules: Mapping[str, Mapping[str, Any]], rule: str, key: str, default: float) -> float:
    value = rules.get(rule, {}).get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
