"""The doors between the pages of those who keep places and people, each only for who may go through it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, url_for

from portal.i18n import gettext
from portal.policy import Verdict, Viewer, judge
from portal.security import policy_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One door; `count` is how much waits behind it."""

    name: str
    href: str
    words: str
    count: int = 0


def tabs(viewer: Viewer) -> list[Tab]:
    """The doors this viewer may go through."""
    wanted = (
        ("register", "register.index", gettext("居民名册")),
        ("places", "places.index", gettext("楼栋房屋")),
        ("claims", "claims.queue", gettext("住户认领")),
        ("guardians", "guardians.queue", gettext("监护核对")),
        ("invitations", "invitations.index", gettext("邀请")),
        ("bands", "bands.index", gettext("手环关联")),
        ("coverage", "coverage.page", gettext("认领进度")),
    )
    found = []
    for name, endpoint, words in wanted:
        if endpoint not in current_app.view_functions:
            continue
        if judge(policy_of(current_app, endpoint), viewer) is not Verdict.ALLOWED:
            continue
        counted = current_app.extensions.get(f"waiting_{name}")
        found.append(
            Tab(name=name, href=url_for(endpoint), words=words, count=counted(viewer) if counted else 0)
        )
    return found
