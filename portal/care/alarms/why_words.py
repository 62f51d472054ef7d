"""Why an alarm was raised, in words: the rule, the readings, the limits, the distances, when.

Made from the gateway's `Why` alone; a code this portal does not know yet is told by its readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask_babel import lazy_gettext

from gateway.model import Why
from portal.care.sentences import number_words
from portal.i18n import gettext, ngettext
from portal.words import day, local, span

RULE_WORDS: Mapping[str, object] = {
    "fence": lazy_gettext("电子围栏"),
    "vitals": lazy_gettext("身体指标"),
    "silence": lazy_gettext("手环静默"),
    "low_battery": lazy_gettext("手环电量"),
    "inactivity": lazy_gettext("活动"),
}
"""The rule behind a kind of alarm; other kinds come from the band itself."""


def rule_words(kind: str) -> str:
    """The rule that raised this kind; empty where no rule of ours judged anything."""
    return str(RULE_WORDS.get(kind, ""))


def why_words(kind: str, why: Why) -> tuple[str, ...]:
    """Say on what an alarm rests, a sentence each; nothing where there are no numbers."""
    if kind == "fence":
        return _fence(why)
    if kind not in RULE_WORDS:
        return ()
    if why.readings:
        return (_readings(why),)
    if why.value is None or why.limit is None:
        return ()
    if kind == "silence":
        spans = {"quiet": span(why.value), "limit": span(why.limit)}
        return (str(gettext("%(quiet)s没有任何消息，超过 %(limit)s", **spans)),)
    if why.unit == "s":
        spans = {"lasting": span(why.value), "limit": span(why.limit)}
        return (str(gettext("已 %(lasting)s，超过 %(limit)s", **spans)),)
    value = number_words(why.value, why.unit)
    return (f"{value}{_comma()}{_against(why, number_words(why.limit, why.unit), all_of_them=False)}",)


def _fence(why: Why) -> tuple[str, ...]:
    """The distances beyond the border, the margin, and how vague the fixes were."""
    if why.value is None:
        return ()
    count = why.count or len(why.readings) or 1
    metres = _values(why) if why.readings else number_words(why.value, None)
    names = {"metres": metres, "limit": number_words(why.limit or 0.0, None), "span": _span(why)}
    said = _inside(count, names) if why.code == "fence_enter" and not why.limit else ""
    said = said or _fixes(why.code, count, names)
    if not said:
        return ()
    radii_m = [one.accuracy_m for one in why.readings if one.accuracy_m is not None]
    if not radii_m:
        return (said,)
    return said, str(gettext("定位误差约 %(metres)d 米", metres=round(max(radii_m))))


def _inside(count: int, names: Mapping[str, str]) -> str:
    """Fixes in a place to keep out of that has no margin."""
    said = ngettext(
        "%(num)s 次定位在边界内 %(metres)s 米%(span)s",
        "%(num)s 次定位在边界内 %(metres)s 米%(span)s",
        count,
        **{name: words for name, words in names.items() if name != "limit"},
    )
    return str(said)


def _fixes(code: str, count: int, names: Mapping[str, str]) -> str:
    """Where the fixes were, by the side to keep to; nothing for a notice that somebody is back."""
    match code:
        case "fence_exit":
            said = ngettext(
                "%(num)s 次定位在边界外 %(metres)s 米，超出 %(limit)s 米的余量%(span)s",
                "%(num)s 次定位在边界外 %(metres)s 米，超出 %(limit)s 米的余量%(span)s",
                count,
                **names,
            )
        case "fence_farther":
            said = gettext("已在边界外 %(metres)s 米，超过 %(limit)s 米%(span)s", **names)
        case "fence_enter":
            said = ngettext(
                "%(num)s 次定位在边界内 %(metres)s 米，超出 %(limit)s 米的余量%(span)s",
                "%(num)s 次定位在边界内 %(metres)s 米，超出 %(limit)s 米的余量%(span)s",
                count,
                **names,
            )
        case "fence_deeper":
            said = gettext("已在边界内 %(metres)s 米，超过 %(limit)s 米%(span)s", **names)
        case "fence_approach":
            said = gettext("离边界不到 %(limit)s 米%(span)s", **names)
        case _:
            return ""
    return str(said)


def _readings(why: Why) -> str:
    """How many readings, which, all or the last of them beyond the limit, from when to when."""
    count = why.count or len(why.readings)
    values = _values(why) + number_words(0.0, why.unit).removeprefix("0")
    said = str(ngettext("%(num)s 次读数 %(values)s", "%(num)s 次读数 %(values)s", count, values=values))
    if why.limit is not None:
        limit = number_words(why.limit, None)
        all_of_them = len(why.readings) > 1 and all(_beyond(why, one.value) for one in why.readings)
        said += _comma() + _against(why, limit, all_of_them=all_of_them)
    return said + _span(why)


def _beyond(why: Why, value: float) -> bool:
    if why.limit is None:
        return False
    return value < why.limit if _is_low(why) else value > why.limit


def _against(why: Why, limit: str, *, all_of_them: bool) -> str:
    """The limit, and on which side of it the readings were."""
    low = _is_low(why)
    names = {"name": _limit_name(why.code, low=low), "limit": limit}
    if all_of_them:
        said = (
            gettext("均低于%(name)s %(limit)s", **names)
            if low
            else gettext("均高于%(name)s %(limit)s", **names)
        )
    else:
        said = (
            gettext("低于%(name)s %(limit)s", **names) if low else gettext("高于%(name)s %(limit)s", **names)
        )
    return str(said)


def _is_low(why: Why) -> bool:
    """Whether the trouble is below the limit: so by its code, else by its numbers."""
    if why.code.endswith(("_low", "_fall")):
        return True
    if why.code.endswith(("_high", "_rise")):
        return False
    return why.value is not None and why.value < (why.limit or 0.0)


def _limit_name(code: str, *, low: bool) -> str:
    """What kind of limit it is: a doctor's, what is usual for this person, or that of a sudden change."""
    if "_unusual_" in code:
        return str(gettext("平时的范围"))
    if code.endswith(("_rise", "_fall")):
        return str(gettext("短时间变化的界限"))
    return str(gettext("下限") if low else gettext("上限"))


def _values(why: Why) -> str:
    """The values of the readings that came along; earlier ones, where there were more, as dots."""
    shown = [number_words(one.value, None) for one in why.readings]
    if why.count is not None and why.count > len(shown):
        shown.insert(0, "…")
    return str(gettext("、")).join(shown)


def _comma() -> str:
    return str(gettext("，"))


def _span(why: Why) -> str:
    """From the first reading to the last, in brackets; empty where no time came along."""
    if not why.readings:
        return ""
    first, last = why.since or why.readings[0].at, why.readings[-1].at
    began, ended = _clock(first, last), f"{local(last):%H:%M}"
    times = ended if began == ended else f"{began}–{ended}"
    return str(gettext("（%(span)s）", span=times))


def _clock(at: datetime, other: datetime) -> str:
    """The time of day, with its date where it is of another day than the other one."""
    here = local(at)
    return f"{here:%H:%M}" if here.date() == local(other).date() else f"{day(at)} {here:%H:%M}"
