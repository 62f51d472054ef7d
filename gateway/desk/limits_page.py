"""The picture of a trial of limits: one HTML file with its charts, its legend and its alarms."""

from __future__ import annotations

from html import escape
from typing import Literal

from gateway.backtest import Episode, RuleTrial, charts
from gateway.backtest.chart import PHONE_WIDTH
from gateway.desk.limits_words import heard_words, lasted_words, shown, totals, value_words, what_words
from gateway.desk.trial_page import both, whole
from gateway.desk.trial_words import clock

Lang = Literal["zh", "en"]
WORDS = {
    "title": ("限值试算", "Limits tried"),
    "tried": ("试用的设置", "tried with"),
    "key": ("设置", "setting"),
    "today": ("现行", "in force"),
    "reading": ("读数", "readings"),
    "beyond": ("超出试用限值的读数", "readings beyond a limit tried"),
    "limit": ("试用的限值", "limit tried"),
    "limit today": ("现行限值（不同时）", "limit in force, where it differs"),
    "limit crisis": ("危急限值", "crisis limit"),
    "alarm": ("会报警", "would alarm"),
    "gone": ("不再报警", "would not alarm any more"),
    "at": ("时间", "when"),
    "what": ("报警", "alarm"),
    "value": ("读数", "readings"),
    "bound": ("限值", "limit"),
    "lasted": ("多久", "how long"),
    "now": ("现行也报吗", "in force too?"),
    "was": ("当时报过吗", "was it raised?"),
    "none": ("这段时间不会有报警。", "Nothing would have alarmed in this time."),
    "fewer": ("这样设置后不会再报", "Not raised any more with these settings"),
}
STYLE = """
.chart{border-bottom:1px solid var(--line)}.chart .paper{fill:none}
.title{fill:var(--ink);font-size:15px;font-weight:600}.unit{fill:var(--soft);font-size:12px;font-weight:400}
.grid{stroke:var(--line);stroke-width:1}.scale{fill:var(--soft);font-size:12px}
.reading{fill:none;stroke:var(--brand);stroke-width:1.4}.reading.thin{opacity:.45}
.reading.dot,.beyond.dot{stroke-width:4.5;stroke-linecap:round}
.beyond{fill:none;stroke:var(--danger)}
path.limit{fill:none;stroke:var(--warning);stroke-width:1.8}
path.limit.today{stroke:var(--soft);stroke-dasharray:6 5}path.limit.crisis{stroke:var(--danger)}
text.limit{fill:var(--warning);font-size:12px;font-weight:600}
text.limit.today{fill:var(--soft)}text.limit.crisis{fill:var(--danger)}
text.limit,.scale{paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}
.chart .number{font-size:12px}
.gone{fill:var(--card);fill-opacity:.6;stroke:var(--soft);stroke-width:2.2}
.settings{border-collapse:collapse;width:auto;margin:0}
.card td,.card th{vertical-align:top}td.values{white-space:normal;min-width:9em}
"""


def page(trial: RuleTrial, lang: Lang) -> str:
    """The whole file."""
    title = f"{trial.name} · {WORDS['title'][lang == 'en']}"
    wide, narrow = (
        charts(trial, lang, kind="chart wide"),
        charts(trial, lang, kind="chart narrow", width=PHONE_WIDTH),
    )
    drawing = "".join(one + other for one, other in zip(wide, narrow, strict=True))
    drawn = f'<div class="card">{drawing}{_legend(lang)}</div>' if drawing else ""
    told = totals(trial, lang)
    span = f"{clock(trial.since)} – {clock(trial.until)}"
    body = (
        f"<h1>{escape(trial.name)} {both(*WORDS['title'], lang)}</h1>"
        f'<p class="soft">{span} · {escape(heard_words(trial, lang))}</p>'
        f"{_settings(trial, lang)}"
        f'<p class="lead">{escape(told[0])}</p><p>{escape(told[1])}</p>{drawn}'
        f"{_table(trial.found, lang)}{_gone(trial.gone, lang)}"
    )
    return whole(title, body, lang, STYLE)


def _settings(trial: RuleTrial, lang: Lang) -> str:
    if not trial.changed:
        return ""
    heads = "".join(f"<th>{both(*WORDS[name], lang)}</th>" for name in ("key", "today", "tried"))
    rows = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(shown(old))}</td>"
        f"<td><strong>{escape(shown(new))}</strong></td></tr>"
        for key, (old, new) in trial.changed.items()
    )
    return f'<div class="card scroll"><table class="settings"><tr>{heads}</tr>{rows}</table></div>'


def _legend(lang: Lang) -> str:
    line = '<svg viewBox="0 0 34 16" aria-hidden="true">{}</svg>'
    drawn = {
        "reading": '<path class="reading thin" d="M3 8H31"/><path class="reading dot" d="M17 8h0"/>',
        "beyond": '<path class="beyond dot" d="M17 8h0"/>',
        "limit": '<path class="limit" d="M3 8H31"/>',
        "limit today": '<path class="limit today" d="M3 8H31"/>',
        "limit crisis": '<path class="limit crisis" d="M3 8H31"/>',
        "alarm": '<g class="alarm"><rect x="10" y="1" width="14" height="14" rx="7"/></g>',
        "gone": '<circle class="gone" cx="17" cy="8" r="6"/>',
    }
    items = "".join(
        f"<li>{line.format(mark)}<span>{both(*WORDS[name], lang)}</span></li>" for name, mark in drawn.items()
    )
    return f'<ul class="legend">{items}</ul>'


def _table(episodes: tuple[Episode, ...], lang: Lang) -> str:
    if not episodes:
        return f'<p class="lead">{escape(WORDS["none"][lang == "en"])}</p>'
    return _rows(episodes, lang, ("at", "what", "value", "bound", "lasted", "now", "was"))


def _gone(episodes: tuple[Episode, ...], lang: Lang) -> str:
    if not episodes:
        return ""
    rows = _rows(episodes, lang, ("at", "what", "value", "bound", "lasted", "now", "was"))
    return f"<h2>{both(*WORDS['fewer'], lang)}</h2>{rows}"


def _rows(episodes: tuple[Episode, ...], lang: Lang, names: tuple[str, ...]) -> str:
    heads = "".join(f"<th>{both(*WORDS[name], lang)}</th>" for name in names)
    rows = "".join(_row(one, lang) for one in episodes)
    return f'<div class="card scroll"><table><tr><th>#</th>{heads}</tr>{rows}</table></div>'


def _row(one: Episode, lang: Lang) -> str:
    why, yes_no = one.alarm.why, (("没有", "是") if lang == "zh" else ("no", "yes"))
    limit = "" if why.limit is None else shown(why.limit)
    lasted = "" if not why.readings else lasted_words(one.lasted_s, lang)
    return (
        f'<tr><td class="n">{one.number or "–"}</td><td>{clock(one.alarm.at)}</td>'
        f'<td>{escape(what_words(why.code, lang))}</td><td class="values">{escape(value_words(one))}</td>'
        f"<td>{limit}</td><td>{escape(lasted)}</td><td>{yes_no[one.in_force]}</td><td>{yes_no[one.was]}</td></tr>"
    )
