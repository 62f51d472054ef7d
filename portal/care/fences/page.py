"""What the page of a fence has beyond its questions: the map, beginnings, and what each answer does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app, url_for
from markupsafe import Markup
from msgspec import to_builtins

from gateway.fences import view_of
from gateway.profile import FenceTable
from portal.care.consent.sights import sight_of
from portal.care.fences.check import Checked, checked
from portal.care.fences.files import Drawn
from portal.care.fences.presets import Preset, presets
from portal.care.fences.sketch import fence_sketch
from portal.care.models import Wearer
from portal.care.places import gazetteer
from portal.care.trial import run as trial
from portal.db import db
from portal.fields import Field, Filled
from portal.i18n import gettext
from portal.security import viewer

Standards = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a fence was begun with: answers that were put in, drawings to choose from, words on top."""

    answers: Mapping[str, str] = field(default_factory=dict)
    choices: Sequence[Drawn] = ()
    problems: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """The editor of one fence, as its page shows it; `script` is what its script needs, as JSON."""

    presets: Sequence[Preset]
    check: Checked
    drawing: Markup | None
    parts: bool
    script: str


def fence_standards(wearer: Wearer) -> Standards:
    """Give the numbers that hold for a wearer's fences without their own, as far as the portal knows them."""
    community = current_app.config["PORTAL"].community_rules
    found: Standards = to_builtins(trial.in_force(db.session, wearer, "fence", community))
    return found


def editor(
    wearer: Wearer, fields: Sequence[Field], form: Filled, *, old: FenceTable | None, name: str
) -> Editor:
    """Give the editor of a fence whose form stands as `form`; `old` is the fence as it is, of id `name`."""
    folder = current_app.config["PORTAL"].map_dir
    raw = {question.name: form.lists.get(question.name, []) for question in fields}
    found = checked(fields, raw, old, fence_standards(wearer))
    parts = old is not None and bool(old.parts)
    return Editor(
        presets=[] if parts else presets(wearer, folder, location=sight_of(viewer(), wearer).location),
        check=found,
        drawing=_drawing(folder, found, old),
        parts=parts,
        script=json.dumps(_script(wearer, found, name, folder), ensure_ascii=False),
    )


def _drawing(folder: str, found: Checked, old: FenceTable | None) -> Markup | None:
    """A still picture for whoever has no map: of the fence as it is in force."""
    return None if old is None or not found.rings else fence_sketch(folder, to_builtins(view_of(old)))


def _script(wearer: Wearer, found: Checked, name: str, folder: str) -> dict[str, Any]:
    state = wearer.state if sight_of(viewer(), wearer).location else None
    seen = None if state is None or state.lat is None else {"lat": state.lat, "lon": state.lon}
    return {
        "style": url_for("care.map_style"),
        "check": url_for("fence_editor.check", wearer_id=wearer.id, id=name or None),
        "try": url_for("fence_editor.try_it", wearer_id=wearer.id, id=name or None),
        "begin": url_for("fence_editor.begin", wearer_id=wearer.id, id=name or None),
        "middle": gazetteer(folder).middle,
        "seen": seen,
        "checked": found.as_json(),
        "words": _words(),
    }


def _words() -> dict[str, str]:
    return {
        "map": gettext("地图"),
        "zoomIn": gettext("放大"),
        "zoomOut": gettext("缩小"),
        "failed": gettext("这台设备画不出地图，请在下面用数字填写。"),
        "circle": gettext("按住中心拖出大小，或先点中心、再点边上。"),
        "polygon": gettext("沿着边界一个一个点，点完按“完成”。"),
        "corridor": gettext("沿着路一个一个点，点完按“完成”。"),
        "hole": gettext("在多边形里面圈出不算的地方，点完按“完成”。"),
        "edit": gettext("拖动圆点改形状；拖动两点之间的小点可以加点。"),
        "editCircle": gettext("拖动边上的圆点改大小。"),
        "move": gettext("按住图形拖动，整个移走。"),
        "erase": gettext("点一下要去掉的点。"),
        "offline": gettext("网络不通，画的都还在；连上后再检查。"),
        "trying": gettext("正在用最近 7 天的记录试算…"),
        "busy": gettext("现在试算的人多，请过一会儿再试。您填写的内容都还在。"),
        "stillDrawing": gettext("还没有画完：请继续点，或按“完成”。"),
        "choose": gettext("选一种形状在地图上画，或者选一个起点。"),
        "parts": gettext("这个区域由几块组成，位置不能在这里改。"),
        "radius": gettext("半径 %(metres)s 米", metres="%s"),
        "length": gettext("长 %(metres)s 米", metres="%s"),
        "least": gettext("再少就不成形了。可以重新画。"),
    }
