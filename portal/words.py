"""Times and numbers as people say them: Asia/Shanghai at the screen, relative words with the clock behind.

Pure but for the reader's language, which Flask-Babel knows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date as babel_date
from flask import Flask, current_app
from markupsafe import Markup, escape

from portal.fields import Field, Filled, Problem, Raw, check
from portal.i18n import gettext, ngettext
from portal.people.language import chosen_language, chosen_locale

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
TENTHS_BELOW_S: Final = 10
RELATIVE_DAYS: Final = 7
"""Older than this many days, a date says more than "23 days ago"."""


def now() -> dt.datetime:
    """Give the time of the portal's clock in UTC; a test sets `app.config["NOW"]`."""
    clock = current_app.config.get("NOW")
    at: dt.datetime = clock() if clock is not None else dt.datetime.now(dt.UTC)
    return at


def local(at: dt.datetime) -> dt.datetime:
    """Give an aware time as the clocks of the community show it."""
    return at.astimezone(SHANGHAI)


def clock(at: dt.datetime) -> str:
    """Give date and time: "11月23日 14:05", with the year when it is another one."""
    here = local(at)
    return f"{day(at)} {here:%H:%M}"


def date(at: dt.datetime) -> str:
    """Give the date with its year, for paper: "2026年11月23日"."""
    here = local(at)
    if chosen_language() == "zh":
        return f"{here.year}年{here.month}月{here.day}日"
    return str(babel_date(here, "d MMM y", locale=chosen_locale()))


def second(at: dt.datetime) -> str:
    """Give the time of day to the second: "20:03:01"."""
    return f"{local(at):%H:%M:%S}"


def span(seconds: float) -> str:
    """Say how long something took: "0.8 秒", "42 秒", "3 分 05 秒", "4 小时 00 分"."""
    if seconds < TENTHS_BELOW_S:
        return gettext("%(count)s 秒", count=f"{max(0.0, seconds):.1f}")
    minutes, rest = divmod(round(seconds), MINUTE_S)
    if not minutes:
        return gettext("%(count)s 秒", count=rest)
    if minutes < MINUTE_S:
        return gettext("%(minutes)s 分 %(seconds)s 秒", minutes=minutes, seconds=f"{rest:02d}")
    hours, minutes = divmod(minutes, MINUTE_S)
    return gettext("%(hours)s 小时 %(minutes)s 分", hours=hours, minutes=f"{minutes:02d}")


def day(at: dt.datetime | dt.date) -> str:
    """Give the date: "11月23日" this year, "2025年11月23日" otherwise; English in its own order."""
    here = local(at).date() if isinstance(at, dt.datetime) else at
    this_year = here.year == local(now()).year
    if chosen_language() == "zh":
        return f"{here.month}月{here.day}日" if this_year else f"{here.year}年{here.month}月{here.day}日"
    return str(babel_date(here, "d MMM" if this_year else "d MMM y", locale=chosen_locale()))


def ago(at: dt.datetime) -> str:
    """Say how long ago, or in how long: "刚刚", "3 分钟前", "2 小时后", else the date."""
    seconds = int((now() - at).total_seconds())
    past, span = seconds >= 0, abs(seconds)
    if span < MINUTE_S:
        return gettext("刚刚") if past else gettext("马上")
    if span < HOUR_S:
        count = span // MINUTE_S
        return (
            ngettext("%(num)s 分钟前", "%(num)s 分钟前", count)
            if past
            else ngettext("%(num)s 分钟后", "%(num)s 分钟后", count)
        )
    if span < DAY_S:
        count = span // HOUR_S
        return (
            ngettext("%(num)s 小时前", "%(num)s 小时前", count)
            if past
            else ngettext("%(num)s 小时后", "%(num)s 小时后", count)
        )
    count = span // DAY_S
    if count > RELATIVE_DAYS:
        return day(at)
    return (
        ngettext("%(num)s 天前", "%(num)s 天前", count)
        if past
        else ngettext("%(num)s 天后", "%(num)s 天后", count)
    )


def when(at: dt.datetime | None) -> Markup:
    """Give `<time>`: the relative words, the clock's words on hover and for readers of the screen."""
    if at is None:
        return Markup()
    return _time(at, ago(at), local(now()).year, chosen_language())


@lru_cache(maxsize=4096)
def _time(at: dt.datetime, words: str, _year: int, _language: str) -> Markup:
    """A list shows the same times again and again; the year and the language decide what the clock says."""
    moment = local(at).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment, clock(at), words)


def duration(hours: float) -> str:
    """Say a span of hours as hours or days: "4 小时", "3 天"."""
    if hours < DAY_S / HOUR_S * 2:
        return ngettext("%(num)s 小时", "%(num)s 小时", round(hours))
    return ngettext("%(num)s 天", "%(num)s 天", round(hours / 24))


def lines(text: str) -> Markup:
    """Give plain text as HTML with its line breaks, everything escaped."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())


def translated(typed: str) -> str:
    """Give what a person typed in the reader's language where the catalogue knows it, else as it stands.

    Never `_(typed)` in a template: that takes its text for HTML of ours, and a "%" in it for a format.
    """
    return str(gettext(typed)) if typed else ""


def problem(found: Problem) -> str:
    """Say why an answer was not taken, and what to do."""
    said = {
        "missing": gettext("这一项还没有填。"),
        "too_long": gettext("太长了，最多 %(limit)s 个字。", limit=found.limit),
        "phone": gettext("电话号码不对，请核对后再填。"),
        "id_number": gettext("身份证号码不对，请核对 18 位号码。"),
        "date": gettext("日期不对，请重新选择。"),
        "number": gettext("请填写数字。"),
        "range": gettext("数字超出范围，应为 %(limit)s。", limit=found.limit),
        "choice": gettext("请从列出的选项里选择。"),
        "spot": gettext("地图上的位置没有读到，请重新点选。"),
    }
    return said[found.reason]


def fill(fields: Sequence[Field], raw: Raw) -> Filled:
    """Check what a person sent and give the form back with its errors in words."""
    values, problems = check(fields, raw)
    lists = {question.name: list(raw.get(question.name, ())) for question in fields}
    return Filled(
        raw={name: typed[-1] for name, typed in lists.items() if typed},
        lists=lists,
        values=values,
        errors={name: problem(found) for name, found in problems.items()},
        labels={question.name: question.label for question in fields},
    )


def init_app(app: Flask) -> None:
    """Give the templates their filters."""
    app.jinja_env.filters.update(
        clock=clock,
        day=day,
        date=date,
        second=second,
        span=span,
        ago=ago,
        when=when,
        duration=duration,
        lines=lines,
        translated=translated,
    )
