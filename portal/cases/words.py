"""What states and steps are called at the screen."""

from __future__ import annotations

from portal.cases.workflow import State
from portal.i18n import gettext

PILLS: dict[str, tuple[str, str]] = {
    State.RECEIVED: ("information", "inbox"),
    State.ACCEPTED: ("information", "circle-check"),
    State.FORWARDED: ("information", "forward"),
    State.IN_PROGRESS: ("warning", "wrench"),
    State.WAITING: ("warning", "hourglass"),
    State.DONE: ("good", "circle-check"),
    State.REOPENED: ("danger", "rotate-ccw"),
    State.CLOSED: ("good", "star"),
    State.DECLINED: ("quiet", "circle-x"),
    State.WITHDRAWN: ("quiet", "undo-2"),
}
"""State -> the meaning and the icon of its pill."""

ICONS = {
    "open": "send",
    "accept": "circle-check",
    "forward": "forward",
    "start": "wrench",
    "ask": "circle-help",
    "answer": "message-circle",
    "reply": "message-square-text",
    "finish": "check",
    "decline": "circle-x",
    "rate": "star",
    "reopen": "rotate-ccw",
    "withdraw": "undo-2",
}
"""Action -> the icon of its mark on the timeline."""


def state_words(state: str) -> str:
    """Say where a case stands."""
    return {
        State.RECEIVED: gettext("已收到"),
        State.ACCEPTED: gettext("已受理"),
        State.FORWARDED: gettext("已转办"),
        State.IN_PROGRESS: gettext("处理中"),
        State.WAITING: gettext("等居民补充"),
        State.DONE: gettext("已办结"),
        State.REOPENED: gettext("退回重办"),
        State.CLOSED: gettext("已评价"),
        State.DECLINED: gettext("不予受理"),
        State.WITHDRAWN: gettext("已撤回"),
    }[State(state)]


def done_words(action: str) -> str:
    """Say what happened, for the timeline."""
    return {
        "open": gettext("提交"),
        "accept": gettext("受理"),
        "forward": gettext("转办"),
        "start": gettext("开始处理"),
        "ask": gettext("请居民补充"),
        "answer": gettext("居民补充"),
        "reply": gettext("回复"),
        "finish": gettext("办结"),
        "decline": gettext("不予受理"),
        "rate": gettext("居民评价"),
        "reopen": gettext("居民退回重办"),
        "withdraw": gettext("居民撤回"),
    }[action]


def step_words(action: str) -> str:
    """Say what the button of a step says."""
    return {
        "accept": gettext("我来受理"),
        "forward": gettext("转办"),
        "start": gettext("开始处理"),
        "ask": gettext("请居民补充"),
        "answer": gettext("补充情况"),
        "reply": gettext("回复居民"),
        "finish": gettext("办结"),
        "decline": gettext("不予受理"),
        "rate": gettext("评价"),
        "reopen": gettext("没解决，退回重办"),
        "withdraw": gettext("撤回"),
    }[action]


def level_words(level: str) -> str:
    """Say a level."""
    return {
        "community": gettext("社区"),
        "street": gettext("街道、镇"),
        "department": gettext("区级部门"),
    }.get(level, "")
