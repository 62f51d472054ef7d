"""What a gateway, or a shape, has against a change of a profile: every reason, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext

from gateway.profile import Profile
from portal.care.profile_words import field_words
from portal.i18n import gettext

PATH = re.compile(r"profile(?P<path>\S*) = (?P<value>.*?): expected (?P<rest>.+)")
SHAPES: Sequence[tuple[str, object]] = (
    ("is no (lat, lon)", lazy_gettext("有一个点的坐标不对：先写纬度，再写经度，例如 31.1554, 121.1046。")),
    ("a line has at least", lazy_gettext("路线至少要有 2 个不同的点。")),
    ("different corners", lazy_gettext("多边形至少要有 3 个不同的角。")),
    ("make no simple polygon", lazy_gettext("这些角按顺序连起来会自己交叉，请沿着边界一个一个写。")),
    ("radius_m is", lazy_gettext("半径应为 1 到 50000 米。")),
    ("half_width_m is", lazy_gettext("两侧宽度应为 1 到 5000 米。")),
    ("at most", lazy_gettext("点太多了，最多 1000 个。")),
    ("from the middle", lazy_gettext("有的点离得太远，超过了 50 公里。")),
    ("outer ring", lazy_gettext("挖去的部分超出了多边形。")),
)
KNOWN: Sequence[tuple[str, object]] = (
    *SHAPES,
    ("E.164", lazy_gettext("电话号码不对，或者不能自动拨打。")),
    ("ids that differ", lazy_gettext("有两项重复了。")),
    ("metres that rise", lazy_gettext("距离要从小到大写。")),
    ("public holidays", lazy_gettext("守望设备上没有节假日表，不能按节假日设置。")),
    ("at least one person", lazy_gettext("至少要留一位联系人。")),
    ("must be below", lazy_gettext("下限要比上限低。")),
    ("daily night", lazy_gettext("生效时间看不懂，请重新填写。")),
    ("no other person", lazy_gettext("这个代号是值班人员或北斗站的，请删除后重新添加。")),
    ("no other wearer", lazy_gettext("这个编号别人已经在用。")),
    ("no such key", lazy_gettext("守望设备不认识这一项，可能要先升级。")),
    ("this was made from", lazy_gettext("守望设备用的是另一版。请在修改记录里恢复一版，然后再改。")),
    ("is in force already", lazy_gettext("这一版正在使用，不用恢复。")),
    ("any more; kept", lazy_gettext("守望设备上已经没有这一版，请照它重新填写。")),
    ("is called", lazy_gettext("守望设备上没有这个人。")),
    ("bytes as JSON", lazy_gettext("设置太长了，请减少区域或角的数量。")),
    ("one of ", lazy_gettext("不在可以选的几种里。")),
    ("(Expected", lazy_gettext("数值超出范围，或者写法不对。")),
)
"""What shape and gateway say, by a phrase of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing a gateway has against a change: what it is about, and what it said.

    `said` is in the gateway's own words where `ours` is false, and those are English.
    """

    about: str
    said: str
    ours: bool
    part: str = ""
    """The key of the profile it is about: `contacts`, `fences`, `rules`; empty where it names none."""
    id: str = ""
    """Which contact or fence."""


def reasons(text: str, profile: Profile | None) -> list[Reason]:
    """Give everything a gateway has against a change, a line each, with what it is about."""
    return [_reason(line.strip(), profile) for line in text.splitlines() if line.strip()]


def about_words(parts: Sequence[str], piece: Any) -> str:
    """Say what the keys of a path are about: `contacts`, `li`, `phone` is "联系人 李晓梅 · 电话"."""
    if not parts:
        return ""
    head, *rest = parts
    if head in {"contacts", "fences"} and rest:
        name = rest[0] if piece is None else piece.name
        sentence = gettext("联系人 %(name)s") if head == "contacts" else gettext("区域「%(name)s」")
        return " · ".join((sentence % {"name": name}, *(field_words(one) for one in rest[1:2])))
    if head == "contacts":
        return gettext("联系人")
    return field_words(rest[-1] if head == "rules" and rest else head)


def _reason(text: str, profile: Profile | None) -> Reason:
    found = PATH.fullmatch(text)
    said = text if found is None else found["rest"]
    parts = [] if found is None else [part for part in re.split(r"[.\[\]]+", found["path"]) if part]
    pieces: Sequence[Any] = getattr(profile, parts[0], ()) if parts and profile is not None else ()
    piece = _piece(pieces, parts[1]) if len(parts) > 1 and parts[0] in {"contacts", "fences"} else None
    ours = next((str(words) for start, words in KNOWN if start in said), None)
    return Reason(
        about=about_words(parts, piece),
        said=ours or said,
        ours=ours is not None,
        part=parts[0] if parts else "",
        id="" if piece is None else piece.id,
    )


def shape_words(error: str) -> str:
    """Say why a shape is none, in words for whoever drew it."""
    return next(
        (str(words) for start, words in SHAPES if start in error), gettext("这个形状不成立，请检查每个点。")
    )


def _piece(pieces: Sequence[Any], said: str) -> Any:
    """The contact or fence a path names, by its id or its place."""
    if said.isdecimal() and int(said) < len(pieces):
        return pieces[int(said)]
    return next((one for one in pieces if one.id == said), None)
