"""The questions about a fence, all in numbers and words (`portal.care.fences.answers` reads the answers).

A fence of several parts keeps its ground: only its other fields are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.profile import FenceTable
from portal.care.profile.words import DAYS, KEEPS
from portal.fields import Choice, Field
from portal.i18n import gettext

NAME_CHARACTERS, CORNERS_CHARACTERS, LINES_CHARACTERS = 40, 40_000, 400
CODES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = "always"
SIZES = {"radius_m": 50_000, "half_width_m": 5_000}


def fence_form(fence: FenceTable | None, community: Mapping[str, float]) -> tuple[Field, ...]:
    """Ask for a fence; `community` has what holds where nothing is typed."""
    ground = () if fence is not None and fence.parts else _ground_fields()
    return (
        Field(
            name="name",
            kind="text",
            label=gettext("区域名称"),
            hint=gettext("例如“家和花园”。报警时会读给家人听。"),
            max_length=NAME_CHARACTERS,
            autocomplete="off",
        ),
        Field(name="keep", kind="choice", label=gettext("规则"), choices=_choices(KEEPS)),
        *ground,
        *_when_fields(),
        *_margin_fields(community),
    )


def _ground_fields() -> tuple[Field, ...]:
    circle, polygon, corridor = map(_for_kind, ("circle", "polygon", "corridor"))
    corners: dict[str, Any] = {"kind": "textarea", "max_length": CORNERS_CHARACTERS, "rows": 6}
    return (
        Field(
            name="kind",
            kind="choice",
            label=gettext("形状"),
            choices=(
                Choice(value="circle", label=gettext("圆形：一个中心和半径")),
                Choice(value="polygon", label=gettext("多边形：沿着边界的角")),
                Choice(value="corridor", label=gettext("路线：常走的路和两侧宽度")),
            ),
        ),
        _metres_field("lat", gettext("中心纬度"), -85, 85, **circle),
        _metres_field("lon", gettext("中心经度"), -180, 180, **circle),
        _metres_field("radius_m", gettext("半径（米）"), 1, SIZES["radius_m"], **circle),
        Field(name="corners", label=gettext("边界的角"), hint=_pairs_hint(), **corners, **polygon),
        Field(
            name="holes",
            label=gettext("中间挖去的部分"),
            hint=gettext("不算在内的地方，例如池塘。写法同上，两块之间空一行。"),
            required=False,
            **(corners | {"rows": 3}),
            **polygon,
        ),
        Field(name="line", label=gettext("路线上的点"), hint=_pairs_hint(), **corners, **corridor),
        _metres_field("half_width_m", gettext("两侧各多宽（米）"), 1, SIZES["half_width_m"], **corridor),
        Field(
            name="datum",
            kind="select",
            label=gettext("坐标取自"),
            choices=(
                Choice(value="wgs84", label=gettext("北斗、GPS 或天地图")),
                Choice(value="gcj02", label=gettext("高德或腾讯地图")),
                Choice(value="bd09", label=gettext("百度地图")),
            ),
        ),
    )


def _for_kind(kind: str) -> dict[str, Any]:
    return {"when_field": "kind", "when_value": kind}


def _when_fields() -> tuple[Field, ...]:
    days: dict[str, Any] = {"when_field": "when", "when_value": "hours"}
    hours: dict[str, Any] = {"when_field": "when", "when_value": "daily|workdays|hours"}
    clock: dict[str, Any] = {"kind": "text", "max_length": 5, "autocomplete": "off"}
    return (
        Field(
            name="when",
            kind="choice",
            label=gettext("什么时候生效"),
            choices=(
                Choice(value=ALWAYS, label=gettext("一直")),
                Choice(value="day", label=gettext("每天白天（6:00–22:00）")),
                Choice(value="night", label=gettext("每天夜里（22:00–6:00）")),
                Choice(value="holidays", label=gettext("节假日全天")),
                Choice(value="daily", label=gettext("每天，自己定钟点")),
                Choice(value="workdays", label=gettext("周一至周五，自己定钟点")),
                Choice(value="hours", label=gettext("自己选星期和钟点")),
                Choice(value="own", label=gettext("用文字写几段时间（熟悉写法的人用）")),
            ),
        ),
        Field(
            name="days",
            kind="choices",
            label=gettext("星期"),
            **days,
            choices=_choices(dict(zip(CODES, DAYS, strict=True))),
        ),
        Field(name="begin", label=gettext("从几点"), placeholder="08:00", **clock, **hours),
        Field(
            name="end",
            label=gettext("到几点"),
            hint=gettext("比开始早就是到第二天。"),
            placeholder="20:00",
            **clock,
            **hours,
        ),
        Field(name="not_holidays", kind="agree", label=gettext("节假日除外"), required=False, **hours),
        Field(
            name="schedule",
            kind="textarea",
            label=gettext("每行一段时间"),
            hint=gettext("写成 mon-fri 08:00-20:00、sat,sun 09:00-18:00、holidays、daily night。"),
            max_length=LINES_CHARACTERS,
            rows=3,
            when_field="when",
            when_value="own",
        ),
    )


def _margin_fields(community: Mapping[str, float]) -> tuple[Field, ...]:
    def own(name: str, label: str, most: float, hint: str = "") -> Field:
        standard = community.get(name)
        placeholder = (
            gettext("社区标准") if standard is None else gettext("社区标准 %(value)s", value=f"{standard:g}")
        )
        return _metres_field(name, label, 0, most, required=False, placeholder=placeholder, hint=hint)

    return (
        own("exit_margin_m", gettext("越过边界多少米才算离开"), 5_000),
        own("hysteresis_m", gettext("回到边界内多少米才算回来"), 5_000),
        own("dwell_s", gettext("在外面停留多少秒才报警"), 86_400),
        _metres_field(
            "approach_m",
            gettext("离边界多少米先提醒"),
            0,
            5_000,
            required=False,
            placeholder=gettext("不提醒"),
        ),
        Field(
            name="escalate_m",
            kind="text",
            label=gettext("走出多少米再报警"),
            hint=gettext("可以写几个，从小到大，例如 300, 1000。"),
            required=False,
            max_length=60,
            placeholder=gettext("不再报警"),
            autocomplete="off",
        ),
    )


def _metres_field(name: str, label: str, least: float, most: float, **more: Any) -> Field:
    return Field(
        name=name,
        kind="number",
        label=label,
        minimum=least,
        maximum=most,
        max_length=24,
        autocomplete="off",
        **more,
    )


def _pairs_hint() -> str:
    return gettext("每行一个点：纬度, 经度。例如 31.15535, 121.10460。")


def _choices(words: Mapping[str, object]) -> tuple[Choice, ...]:
    return tuple(Choice(value=value, label=str(label)) for value, label in words.items())
