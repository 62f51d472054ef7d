"""The five doors of every page, and the duty doors of those who watch over the community."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, request, url_for

from portal.i18n import gettext
from portal.policy import AUDITORS, KEEPERS, PROVISIONERS, REGISTER_READERS, WATCHERS, Role, Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One entry of the bar (phone) or the rail (desktop).

    `rail_only`: not on the bar of five; `minor`: not on the bar in elder mode; `gap`: begins a group.
    """

    endpoint: str
    href: str
    icon: str
    words: str
    current: bool
    rail_only: bool = False
    minor: bool = False
    gap: bool = False


CURRENT = {
    "home": "home.index",
    "posts": "posts.index",
    "people": "people.me",
    "security": "people.me",
    "account": "people.me",
    "audits": "audits.page",
    "mine": "mine.page",
    "leaving": "people.me",
    "account_data": "people.me",
    "join": "people.me",
    "capacity": "people.me",
}
"""Blueprint -> the door that is lit while one of its pages is open, where all its pages share one."""

KEEPING = frozenset({"places", "register", "intake", "bands", "invitations", "claims", "coverage"})
"""Blueprints of the pages about places and people, which share one door."""

OF_STAFF = {
    "reports": "care.alarms",
    "drills": "care.alarms",
    "duty": "duty.page",
    "devices": "devices.page",
    "device_orders": "devices.page",
}
"""The same for what only watchers open."""


def doors(viewer: Viewer) -> list[Door]:
    """Give the doors of this reader; a feature that is not wired has no door."""
    wanted = [
        ("home.index", "house", gettext("首页"), {}),
        ("posts.index", "newspaper", gettext("社区"), {"minor": True}),
        ("cases.services", "clipboard-list", gettext("办事"), {"minor": True}),
        ("mine.page", "shield-check", gettext("我自己"), {})
        if is_only_worn(viewer)
        else ("care.index", "shield-check", gettext("守护"), {}),
        ("people.me", "user-round", gettext("我的"), {}),
    ]
    if viewer.roles & WATCHERS:
        wanted += [
            ("care.alarms", "siren", gettext("值班台"), {"rail_only": True, "gap": True}),
            ("roll.page", "watch", gettext("佩戴者"), {"rail_only": True}),
            ("roll.gateways", "radio", gettext("守望设备"), {"rail_only": True}),
            *_office(viewer),
            ("duty.page", "calendar", gettext("值班表"), {"rail_only": True}),
            ("cases.desk", "inbox", gettext("办件处理"), {"rail_only": True}),
        ]
    if viewer.roles & AUDITORS:
        wanted.append(("audits.page", "history", gettext("操作记录"), {"rail_only": True}))
    if viewer.roles & REGISTER_READERS:
        wanted.append(("register.index", "users", gettext("居民和房屋"), {"rail_only": True}))
    elif viewer.roles & KEEPERS:
        first = {"rail_only": True, "gap": True}
        wanted.append(("places.index", "building-2", gettext("小区和房屋"), first))
    lit = _lit(on_duty=bool(viewer.roles & WATCHERS), viewer_reads=bool(viewer.roles & REGISTER_READERS))
    return [
        Door(
            endpoint=endpoint,
            href=url_for(endpoint),
            icon=icon,
            words=words,
            current=endpoint == lit,
            **kinds,
        )
        for endpoint, icon, words, kinds in wanted
        if endpoint in current_app.view_functions
    ]


def _office(viewer: Viewer) -> list[tuple[str, str, str, dict[str, bool]]]:
    """The door of those watchers who register bands."""
    return (
        [("devices.page", "key-round", gettext("手环设备"), {"rail_only": True})]
        if viewer.roles & PROVISIONERS
        else []
    )


def is_only_worn(viewer: Viewer) -> bool:
    """Whether this is a wearer who watches over nobody: their door of care leads to themselves."""
    return Role.WEARER in viewer.roles and not viewer.roles & (WATCHERS | {Role.GUARDIAN})


def _lit(*, on_duty: bool, viewer_reads: bool) -> str:
    endpoint = request.endpoint or ""
    if endpoint in {"care.alarms", "cases.desk", "roll.page", "roll.gateways"}:
        return endpoint
    if on_duty and endpoint in {"cases.case", "cases.act"}:
        return "cases.desk"
    feature = endpoint.partition(".")[0]
    if feature in KEEPING:
        return "register.index" if viewer_reads else "places.index"
    if feature in OF_STAFF:
        return OF_STAFF[feature]
    return CURRENT.get(feature, {"cases": "cases.services", "care": "care.index"}.get(feature, ""))
