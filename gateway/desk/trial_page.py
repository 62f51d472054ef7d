"""The picture of a trial: one HTML file with its map, its legend and its alarms, nothing to fetch."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any, Literal

from gateway.backtest import Found, Trial, fence_map
from gateway.backtest.ground import LAYERS, PHONE_WIDTH
from gateway.desk.trial_words import clock, out_words, what_words

Lang = Literal["zh", "en"]
WORDS = {
    "title": ("围栏试算", "Fences tried"),
    "inside": ("在围栏或余量以内", "inside, or within the margin"),
    "unsure": ("定位太模糊，分不清里外", "too vague to tell"),
    "outside": ("超出围栏与余量", "outside, past the margin"),
    "gap": ("这段没有定位", "no fix in between"),
    "margin": ("离开余量：超出此线才算离开", "margin: past this line counts as left"),
    "alarm": ("会报警的位置", "would alarm here"),
    "at": ("时间", "when"),
    "fence": ("围栏", "fence"),
    "beyond": ("越过边界", "past the border"),
    "out": ("在外多久", "how long outside"),
    "was": ("当时报过吗", "was it raised"),
    "none": ("这段时间不会有报警。", "Nothing would have alarmed in this time."),
    "gone": ("当时报过，这样设置后不会再报", "raised then, not with these settings"),
}
STYLE = """
:root{color-scheme:light dark;--ink:#14252c;--soft:#4a5c64;--paper:#f4f7f6;--card:#fff;--line:#d5dfde;
--road:#fff;--house:#dfe5e4;--place:#e6edf4;--good:#1a6a3b;--warning:#b06a00;--danger:#b3261e;
--brand:#0b5a69;--ground:#eaf0ee}
@media(prefers-color-scheme:dark){:root{--ink:#e8f0f0;--soft:#a9bbc0;--paper:#0d1619;--card:#152126;--line:#2b3b41;
--road:#33454b;--house:#26353a;--place:#20303d;--good:#7fd39c;--warning:#f4bd63;--danger:#ff8a80;
--brand:#6cc6d3;--ground:#101b1f}}
*{box-sizing:border-box}
body{margin:0;padding:16px;background:var(--paper);color:var(--ink);line-height:1.55;
font-family:"PingFang SC","Microsoft YaHei","Noto Sans SC","Noto Sans CJK SC",system-ui,sans-serif}
main{max-width:1040px;margin:0 auto}
h1{font-size:1.5rem;margin:0}h1 small,h2 small,th small,.legend small{color:var(--soft);font-weight:400}
h1 small{font-size:1rem;margin-left:.5em}h2{font-size:1.125rem;margin:1.5em 0 .5em}
p{margin:.35em 0}.lead{font-size:1.125rem}.soft{color:var(--soft)}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden;margin:16px 0}
.map,.chart{display:block;width:100%;height:auto}.narrow{display:none}
@media(max-width:640px){.wide{display:none}.narrow{display:block}}
.paper{fill:var(--ground)}
.boundary{fill:none;stroke:var(--soft);stroke-width:1.5;stroke-dasharray:10 5;opacity:.6}
.roads{fill:none;stroke:var(--road);stroke-linecap:round;stroke-linejoin:round}
.buildings{fill:var(--house)}.places{fill:var(--place)}
.name{fill:var(--soft);font-size:12px;text-anchor:middle}
.fence{fill:var(--brand);fill-opacity:.1;stroke:var(--brand);stroke-width:2.5}
.keep-out{fill:var(--danger);stroke:var(--danger)}
.margin{fill:none;stroke:var(--brand);stroke-width:1.5;stroke-dasharray:5 5}
.fence-name{fill:var(--brand);font-size:15px;font-weight:600;text-anchor:middle}
.fence-name,.name,.when{paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}
.way{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round;opacity:.55}
.way.unsure{opacity:.35}
.way.gap{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:2 6}
.dot{fill:none;stroke-width:7;stroke-linecap:round}
.inside{stroke:var(--good)}.unsure{stroke:var(--warning)}.outside{stroke:var(--danger)}
.alarm rect{fill:var(--danger);stroke:var(--card);stroke-width:2}
.number{fill:var(--card);font-size:14px;font-weight:700;text-anchor:middle}
.when{fill:var(--ink);font-size:14px;font-weight:600}
.narrow .dot{stroke-width:4.5}.narrow .name{font-size:10px}.narrow .fence-name{font-size:13px}
.bar path{fill:none;stroke:var(--ink);stroke-width:2}
.bar text,.north text{fill:var(--ink);font-size:13px;text-anchor:middle}
.north path{fill:var(--ink)}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px;margin:0;
padding:12px 16px;list-style:none;border-top:1px solid var(--line)}
.legend li{display:flex;align-items:center;gap:8px}.legend svg{width:34px;height:16px;flex:none}
.legend .alarm rect{stroke:none}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:8px 16px;border-bottom:1px solid var(--line);white-space:nowrap}
th small{display:block}tr:last-child td{border-bottom:0}td.n{font-weight:700;color:var(--danger)}
"""


def page(trial: Trial, map_dir: Path, lang: Lang) -> str:
    """The whole file."""
    title = f"{trial.name} · {WORDS['title'][lang == 'en']}"
    span = f"{clock(trial.since)} – {clock(trial.until)}"
    changes = "、".join(f"{key} = {value:g}" for key, value in trial.changed.items())
    tried = (
        f'<p class="soft">{both("试用的设置", "tried with", lang)}: {escape(changes)}</p>' if changes else ""
    )
    layers = map_layers(map_dir)
    drawing = fence_map(trial, layers, lang, kind="map wide")
    drawing += fence_map(trial, layers, lang, kind="map narrow", width=PHONE_WIDTH)
    body = (
        f"<h1>{escape(trial.name)} {both(*WORDS['title'], lang)}</h1>"
        f'<p class="soft">{span}</p>{tried}<p class="lead">{_summary(trial, lang)}</p>'
        f'<div class="card">{drawing}{_legend(lang)}</div>'
        f"{_table(trial, lang)}{_gone(trial, lang)}"
    )
    return whole(title, body, lang)


def whole(title: str, body: str, lang: Lang, style: str = "") -> str:
    """A file of its own around the body of a picture."""
    return (
        f'<!doctype html><html lang="{"zh-Hans" if lang == "zh" else "en"}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style><body><main>{body}</main></body></html>\n"
    )


def map_layers(map_dir: Path) -> dict[str, Any]:
    """The features of the community's map by layer; a file that is missing has none."""
    files = {name: map_dir / f"{name}.geojson" for name in LAYERS}
    return {
        name: json.loads(path.read_text("utf-8"))["features"] for name, path in files.items() if path.exists()
    }


def both(chinese: str, english: str, lang: Lang) -> str:
    """The words of this language, those of the other one small beside them."""
    own, other = (chinese, english) if lang == "zh" else (english, chinese)
    return f"{escape(own)} <small>{escape(other)}</small>"


def _summary(trial: Trial, lang: Lang) -> str:
    count, weekly = len(trial.found), len(trial.found) / trial.weeks
    compared = trial.compared
    was = len(compared.both) + len(compared.only_raised)
    if lang == "zh":
        return (
            f"{len(trial.track)} 个位置，会报警 <strong>{count}</strong> 次（每周 {weekly:.1f} 次）；"
            f"当时实际报过 {was} 次，其中 {len(compared.both)} 次相同。"
        )
    return (
        f"{len(trial.track)} positions would have raised <strong>{count}</strong> alarms"
        f" ({weekly:.1f} a week); {was} were really raised, {len(compared.both)} of them the same."
    )


def _legend(lang: Lang) -> str:
    line = '<svg viewBox="0 0 34 16" aria-hidden="true">{}</svg>'
    dots = '<path class="way {0}" d="M3 8H31"/><path class="dot {0}" d="M17 8h0"/>'
    keys = [(kind, line.format(dots.format(kind))) for kind in ("inside", "unsure", "outside")]
    keys.append(("gap", line.format('<path class="way gap" d="M3 8H31"/>')))
    keys.append(("margin", line.format('<path class="margin" d="M3 8H31"/>')))
    mark = '<g class="alarm"><rect x="10" y="1" width="14" height="14" rx="7"/></g>'
    keys.append(("alarm", line.format(mark)))
    items = "".join(f"<li>{drawn}<span>{both(*WORDS[name], lang)}</span></li>" for name, drawn in keys)
    return f'<ul class="legend">{items}</ul>'


def _table(trial: Trial, lang: Lang) -> str:
    if not trial.found:
        return f'<p class="lead">{escape(WORDS["none"][lang == "en"])}</p>'
    heads = "".join(
        f"<th>{both(*WORDS[name], lang)}</th>" for name in ("at", "fence", "beyond", "out", "was")
    )
    rows = "".join(_row(one, lang) for one in trial.found)
    return f'<div class="card scroll"><table><tr><th>#</th>{heads}</tr>{rows}</table></div>'


def _row(one: Found, lang: Lang) -> str:
    unit, what = "米" if lang == "zh" else "m", what_words(one.alarm, lang)
    was = ("报过" if one.was else "没有") if lang == "zh" else ("yes" if one.was else "no")
    return (
        f'<tr><td class="n">{one.number}</td><td>{clock(one.alarm.at)}</td>'
        f"<td>{escape(what)} {escape(one.fence)}</td>"
        f"<td>{one.distance_m:.0f} {unit}</td><td>{escape(out_words(one.out_s, lang))}</td>"
        f"<td>{was}</td></tr>"
    )


def _gone(trial: Trial, lang: Lang) -> str:
    if not trial.compared.only_raised:
        return ""
    rows = "".join(
        f"<tr><td>{clock(one.at)}</td><td>{escape(one.why.place or '')}</td></tr>"
        for one in trial.compared.only_raised
    )
    return f'<h2>{both(*WORDS["gone"], lang)}</h2><div class="card scroll"><table>{rows}</table></div>'
