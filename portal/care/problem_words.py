"""Every phrase by which shapes, rules and a gateway refuse something, in the words of this portal.

The phrases are English and short; a test provokes every one of them, and fails where one is without words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask_babel import lazy_gettext

from portal.i18n import gettext

Table = Sequence[tuple[str, object]]
RANGE = lazy_gettext("数值超出范围，或者写法不对。")

SHAPES: Table = (
    (r"is no \(lat, lon\)", lazy_gettext("有一个点的坐标不对：先写纬度，再写经度，例如 31.1554, 121.1046。")),
    (r"a line has at least", lazy_gettext("路线至少要有 2 个不同的点。")),
    (r"different corners", lazy_gettext("多边形至少要有 3 个不同的角。")),
    (r"make no simple polygon", lazy_gettext("这些角按顺序连起来会自己交叉，请沿着边界一个一个写。")),
    (r"half_width_m is", lazy_gettext("两侧宽度应为 1 到 5000 米。")),
    (r"radius_m is", lazy_gettext("半径应为 1 到 50000 米。")),
    (r"has at most \d+ corners", lazy_gettext("点太多了，最多 1000 个。")),
    (r"has 1 to (?P<most>\d+) parts", lazy_gettext("一个区域最多 %(most)s 块。")),
    (r"from the middle", lazy_gettext("有的点离得太远，超过了 50 公里。")),
    (r"outer ring", lazy_gettext("挖去的部分超出了多边形。")),
    (r"touch or overlap", lazy_gettext("挖去的两部分碰在一起了，请画成一块。")),
    (r"holes belong to", lazy_gettext("只有多边形才能有挖去的部分。")),
    (r"a fence is .*not both", lazy_gettext("一个区域只能是一种形状。")),
    (r"a fence needs", lazy_gettext("区域没有画完整：圆形要有中心和半径，路线要有点和两侧宽度。")),
)
"""What a shape says, by a pattern of it."""
ORDERS: Table = (
    (
        r"this was made from|says which version it was made",
        lazy_gettext("守望设备用的是另一版。请在修改记录里恢复一版，然后再改。"),
    ),
    (r"is in force already", lazy_gettext("这一版正在使用，不用恢复。")),
    (r"any more; kept", lazy_gettext("守望设备上已经没有这一版，请照它重新填写。")),
    (r"is called", lazy_gettext("守望设备上没有这个人。")),
    (
        r"not something this gateway can do|cannot read it",
        lazy_gettext("守望设备的版本太旧，还不能在这里修改。请联系管理员升级。"),
    ),
    (r"needs the name of who|needs its wearer", lazy_gettext("守望设备没有认出是谁改的，请重新提交。")),
    (r"this gateway failed", lazy_gettext("守望设备处理时出错了，请联系管理员。")),
    (r"^JSON \(", lazy_gettext("守望设备上的这一版读不出来了，请照它重新填写。")),
    (r"and (?P<count>\d+) more$", lazy_gettext("还有 %(count)s 处。")),
)
"""Why an order was not carried out at all."""
KEYS: Table = (
    (r"E\.164", lazy_gettext("电话号码不对，或者不能自动拨打。")),
    (r"ids that differ", lazy_gettext("有两项重复了。")),
    (r"metres that rise", lazy_gettext("距离要从小到大写。")),
    (r"no holidays: none", lazy_gettext("这里不知道节假日，试不了按节假日的设置。")),
    (r"public holidays", lazy_gettext("守望设备上没有节假日表，不能按节假日设置。")),
    (r"at least one person", lazy_gettext("至少要留一位联系人。")),
    (r"(low|from)\w* must be (below|before)|by must lie", lazy_gettext("下限要比上限低。")),
    (r"must be above", lazy_gettext("这个数要比相关的另一个数大。")),
    (r"an hour such as", lazy_gettext("请写成 08:00 这样的钟点。")),
    (r"mon-fri 08:00", lazy_gettext("生效时间看不懂，请重新填写。")),
    (r"no other person", lazy_gettext("这个代号是值班人员或北斗站的，请删除后重新添加。")),
    (r"no other wearer", lazy_gettext("这个编号别人已经在用。")),
    (r"no such key", lazy_gettext("守望设备不认识这一项，可能要先升级。")),
    (r"bytes as JSON", lazy_gettext("设置太长了，请减少区域或角的数量。")),
    (r"visible characters", lazy_gettext("代号里有空格或特殊的符号。")),
    (r"of all fences together", lazy_gettext("所有区域的点加起来太多了。")),
    (r"^1 to (?P<most>\d+) fences", lazy_gettext("要有 1 到 %(most)s 个区域。")),
    (r"^metres from 0 to (?P<most>[\d.]+)", lazy_gettext("应为 0 到 %(most)s 米。")),
    (r"days from 1 to (?P<most>\d+)", lazy_gettext("应为 1 到 %(most)s 天。")),
    (r"^0 to (?P<most>\d+)$", lazy_gettext("应为 0 到 %(most)s。")),
    (r"^at most (?P<most>\d+)$", lazy_gettext("最多 %(most)s 个。")),
    (r"^GeoJSON|^a JSON object|^one table of", lazy_gettext("这段文字看不懂，应是 GeoJSON 或区域的表格。")),
)
"""What is wrong with one key."""
TYPES: Table = (
    (r">= (?P<least>-?\d+(?:\.\d*[1-9])?)", lazy_gettext("不能小于 %(least)s。")),
    (r"<= (?P<most>-?\d+(?:\.\d*[1-9])?)", lazy_gettext("不能大于 %(most)s。")),
    (r" > (?P<above>-?\d+(?:\.\d*[1-9])?)", lazy_gettext("要大于 %(above)s。")),
    (r" < (?P<below>-?\d+(?:\.\d*[1-9])?)", lazy_gettext("要小于 %(below)s。")),
    (r"\(Invalid enum|^one of |^\"", lazy_gettext("不在可以选的几种里。")),
    (r"\(Expected `float|^a number|^Annotated\[float", lazy_gettext("请填写数字。")),
    (r"\(Expected `int|^a whole number|^Annotated\[int", lazy_gettext("请填写整数。")),
    (r"^true or false", lazy_gettext("只能是“是”或“否”（true 或 false）。")),
    (r"^text", lazy_gettext("这里要写文字。")),
    (r"^a list|^a table", lazy_gettext("写法不对：这里应是列表或表格。")),
    (r"\(|[Nn]umber out of range|out of range|magnitude|too large", RANGE),
)
"""What is wrong with the type of a value, or with its size."""
MISSING = "(missing)"


def words_of(said: str, value: str = "") -> str | None:
    """Say a phrase in the reader's language; None for one nobody gave words. `value`: what stands there."""
    if value == MISSING:
        return gettext("这一项还没有填。")
    return _first((*SHAPES, *ORDERS, *KEYS, *TYPES), said)


def shape_words(said: str) -> str:
    """Say why a shape is none, in words for whoever drew it."""
    return _first(SHAPES, said) or gettext("这个形状不成立，请检查每个点。")


def _first(table: Table, said: str) -> str | None:
    for pattern, words in table:
        found = re.search(pattern, said)
        if found is not None:
            return str(words) % found.groupdict() if found.groupdict() else str(words)
    return None
