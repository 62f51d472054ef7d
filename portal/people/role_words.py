"""Roles and capacities as people say them."""

from __future__ import annotations

from collections.abc import Sequence

from portal.i18n import gettext
from portal.people.models import PRIVATE_CAPACITY, Grant
from portal.policy import Role


def role_words() -> dict[Role, str]:
    """What each role is called."""
    return {
        Role.RESIDENT: gettext("居民"),
        Role.GUARDIAN: gettext("监护人"),
        Role.WEARER: gettext("戴手环的人"),
        Role.VOLUNTEER: gettext("志愿者"),
        Role.GRID_WORKER: gettext("网格员"),
        Role.PROPERTY: gettext("物业"),
        Role.OWNERS: gettext("业委会"),
        Role.STAFF: gettext("居委会工作人员"),
        Role.DEPARTMENT: gettext("职能部门"),
        Role.STREET: gettext("街道（镇）"),
        Role.DISTRICT: gettext("区级"),
        Role.ADMIN: gettext("管理员"),
    }


def capacity_words(capacity: str, grants: Sequence[Grant]) -> tuple[str, str]:
    """A capacity in words: what it is, and where; as a private person, what that person is."""
    words = role_words()
    if capacity == PRIVATE_CAPACITY:
        mine = dict.fromkeys(words[grant.known] for grant in grants if grant.known is not None)
        return gettext("个人"), gettext("、").join(mine)
    grant = grants[0]
    return (words[grant.known] if grant.known is not None else ""), grant.organisation.name
