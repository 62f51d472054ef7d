"""What each number of a fence does, said in metres and minutes: under its question, and read back whole."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.profile import FenceTable
from portal.care.fences.rings import limits_m
from portal.care.profile.words import fence_words, schedule_words
from portal.i18n import gettext
from portal.words import span

MINUTE_S = 60


def fence_effects(fence: FenceTable, standards: Mapping[str, float]) -> dict[str, str]:
    """Give a sentence by the name of each question; `standards` hold where nothing is typed.

    Raises nothing: a schedule that cannot be read stands as it is.
    """
    keeps_in = fence.keep == "in"
    return {
        "keep": _keep(keeps_in=keeps_in),
        "when": when_words(fence),
        "exit_margin_m": _margin(fence, standards),
        "hysteresis_m": _back(fence, standards),
        "dwell_s": _dwell(fence, standards),
        "approach_m": _approach(fence),
        "escalate_m": _escalation(fence),
    }


def when_words(fence: FenceTable) -> str:
    """Read back when a fence counts: "每天 06:00–22:00 生效，其他时间不报警。"."""
    if not fence.schedule:
        return gettext("一天 24 小时、每天都生效。")
    return gettext("%(hours)s 生效，其他时间不报警。", hours=schedule_words(fence.schedule))


def whole_words(fence: FenceTable, standards: Mapping[str, float]) -> str:
    """Read a fence back in one breath: what it is, what raises an alarm, and how soon."""
    leave_m, _ = limits_m(fence, standards)
    dwell_s = _dwell_s(fence, standards)
    told = {"shape": fence_words(fence), "crossed": _crossed(leave_m, keeps_in=fence.keep == "in")}
    if dwell_s <= 0:
        return gettext("%(shape)s：%(crossed)s，马上报警。", **told)
    return gettext("%(shape)s：%(crossed)s、满 %(time)s，就报警。", time=time_words(dwell_s), **told)


def _crossed(leave_m: float, *, keeps_in: bool) -> str:
    if leave_m <= 0:
        return gettext("走出边界") if keeps_in else gettext("走进边界")
    metres = f"{leave_m:g}"
    if keeps_in:
        return gettext("走出边界 %(metres)s 米以上", metres=metres)
    return gettext("走进边界 %(metres)s 米以上", metres=metres)


def time_words(seconds: float) -> str:
    """Say a stretch of time as it is talked of: "45 秒", "2 分钟", else to the second."""
    minutes, rest = divmod(seconds, MINUTE_S)
    if not minutes:
        return gettext("%(count)s 秒", count=f"{seconds:g}")
    if rest or minutes >= MINUTE_S:
        return span(seconds)
    return gettext("%(count)s 分钟", count=f"{minutes:g}")


def _dwell_s(fence: FenceTable, standards: Mapping[str, float]) -> float:
    return standards.get("dwell_s", 0.0) if fence.dwell_s is None else fence.dwell_s


def _keep(*, keeps_in: bool) -> str:
    if keeps_in:
        return gettext("走出去时，家人和值班人员会收到报警。")
    return gettext("走进去时，家人和值班人员会收到报警。")


def _margin(fence: FenceTable, standards: Mapping[str, float]) -> str:
    leave_m, _ = limits_m(fence, standards)
    if leave_m <= 0:
        return gettext("一过边界就算。定位有误差，常在边上走动会多报。")
    if fence.keep == "in":
        return gettext("过了边界 %(metres)s 米（地图上的外圈虚线）才算离开。", metres=f"{leave_m:g}")
    return gettext("进了边界 %(metres)s 米（地图上的内圈虚线）才算进入。", metres=f"{leave_m:g}")


def _back(fence: FenceTable, standards: Mapping[str, float]) -> str:
    leave_m, back_m = limits_m(fence, standards)
    if back_m == leave_m:
        return gettext("离开和回来用同一条线，在线上来回走会反复报。")
    if back_m > 0:
        return gettext("回到离边界 %(metres)s 米（地图上的细点线）就算回来。", metres=f"{back_m:g}")
    if fence.keep == "in":
        return gettext("回到边界以内 %(metres)s 米（地图上的细点线）才算回来。", metres=f"{-back_m:g}")
    return gettext("退到边界以外 %(metres)s 米（地图上的细点线）才算离开。", metres=f"{-back_m:g}")


def _dwell(fence: FenceTable, standards: Mapping[str, float]) -> str:
    dwell_s = _dwell_s(fence, standards)
    if dwell_s <= 0:
        return gettext("第一个越界的位置就报警，定位跳一下也会报。")
    return gettext("越界满 %(time)s 才报警；之前回来就不报。", time=time_words(dwell_s))


def _approach(fence: FenceTable) -> str:
    if not fence.approach_m:
        return gettext("走近边界时不提醒。")
    return gettext("离边界不到 %(metres)s 米时先提醒一次，不打电话。", metres=f"{fence.approach_m:g}")


def _escalation(fence: FenceTable) -> str:
    if not fence.escalate_m:
        return gettext("报警后走得更远，不再另外报警。")
    steps = gettext("、").join(gettext("%(number)s 米", number=f"{one:g}") for one in fence.escalate_m)
    if fence.keep == "in":
        return gettext("报警后，走到边界外 %(steps)s 时各再报一次。", steps=steps)
    return gettext("报警后，走进边界 %(steps)s 时各再报一次。", steps=steps)
