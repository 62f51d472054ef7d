"""The page of a wearer's care settings: who is told, fences, limits, every version, and what waits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import current_app, render_template
from markupsafe import Markup
from msgspec import to_builtins

from gateway.fences import view_of
from gateway.profile import ContactTable, FenceTable, Profile
from portal.care.changes import newest_change
from portal.care.consent.sight import sees_location
from portal.care.consent.sights import facts_of
from portal.care.fences.sketch import fence_sketch
from portal.care.models import GatewayLine, ProfileVersion, Wearer
from portal.care.profile import versions as profiles
from portal.care.profile.check import Problems, staff_only
from portal.care.profile.diff import Change, changes
from portal.care.profile.reasons import Reason, reasons
from portal.care.profile.versions import Standing
from portal.care.profile.words import KEEPS, LIMITS, SOURCES, change_words, fence_words, schedule_words
from portal.care.sites.health import SILENT_AFTER
from portal.care.wearer_page import ONCE_BYTES
from portal.db import db
from portal.policy import edits_profile, tunes_rules
from portal.security import viewer
from portal.words import now

SHOWN_VERSIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceRow:
    """One fence in words and as a picture."""

    fence: FenceTable
    words: tuple[str, ...]
    drawing: Markup | None
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit: the wearer's own, or the community's where it is known."""

    name: str
    unit: str
    own: float | None
    standard: float | None
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change of what waits or was refused, and the piece whose form mends it."""

    words: str
    part: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version: what it changed against the one before, in words."""

    version: int
    at: datetime
    by: str
    source: str
    restores: int | None
    words: tuple[str, ...]
    first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """What waits or was refused, in words."""

    standing: Standing
    changes: tuple[ChangeRow, ...]
    reasons: tuple[Reason, ...]


def may_edit(wearer: Wearer) -> bool:
    """Whether who looks may change this wearer's settings."""
    return edits_profile(viewer(), facts_of(wearer))


def not_theirs(wearer: Wearer, before: Profile, after: Profile) -> Problems:
    """Give what of a change who looks may not make."""
    if tunes_rules(viewer(), facts_of(wearer)):
        return {}
    return staff_only(before, after)


def profile_page(wearer: Wearer) -> str:
    """The page as it is now; without forms where the gateway has told of no profile yet."""
    rows = profiles.versions(db.session, wearer)
    found = profiles.current(db.session, wearer)
    editing = found is not None and may_edit(wearer)
    told = profiles.profile_of(rows[0]) if rows else None
    waiting = changes(told, found.profile) if told is not None and found is not None else []
    located = sees_location(wearer)
    return render_template(
        "care/profile.html",
        wearer=wearer,
        current=found,
        contacts=[] if found is None else _contact_rows(found.profile, waiting),
        fences=[] if found is None or not located else _fence_rows(found.profile, waiting),
        located=located,
        limits=[] if found is None else _limit_rows(found.profile, waiting),
        standing=_standing(wearer, told) if may_edit(wearer) else None,
        history=version_rows(rows[: SHOWN_VERSIONS + 1], located=located)[:SHOWN_VERSIONS],
        may_edit=editing,
        ringable={contact.code for contact in wearer.contacts},
        silent=is_silent(wearer.gateway),
        once=secrets.token_hex(ONCE_BYTES),
        seen=newest_change(db.session),
    )


def is_silent(gateway: str) -> bool:
    """Whether a gateway has not been heard of for a while, or never."""
    heard_at = db.session.scalar(sa.select(GatewayLine.heard_at).where(GatewayLine.gateway == gateway))
    return heard_at is None or now() - heard_at > SILENT_AFTER


def version_rows(rows: list[ProfileVersion], *, located: bool) -> list[VersionRow]:
    """Versions in words, each against the one after it in the list, which is the one before in time.

    Fences are left out where the wearer's places may not be seen (`located`).
    """
    contents = [profiles.profile_of(row) for row in rows]
    befores = [*contents[1:], *([None] if contents else [])]
    return [
        VersionRow(
            version=row.version,
            at=row.at,
            by=row.by,
            source=str(SOURCES[row.source]),
            restores=row.restores,
            words=()
            if before is None
            else tuple(map(change_words, _seen(changes(before, content), located=located))),
            first=before is None,
        )
        for row, content, before in zip(rows, contents, befores, strict=True)
    ]


def standing_reasons(standing: Standing) -> list[Reason]:
    """What the gateway has against what was refused."""
    return [] if standing.waits or standing.outdated else reasons(standing.reason, standing.profile)


def _told(before: Profile | None, after: Profile, *, located: bool) -> tuple[str, ...]:
    made = [] if before is None else changes(before, after)
    return tuple(map(change_words, _seen(made, located=located)))


def _seen(made: list[Change], *, located: bool) -> list[Change]:
    """The changes that may be seen."""
    return [one for one in made if located or one.part != "fence"]


def _standing(wearer: Wearer, told: Profile | None) -> StandingRow | None:
    found = profiles.standing(db.session, wearer)
    if found is None:
        return None
    made = changes(told, found.profile) if told is not None and found.profile is not None else []
    located = sees_location(wearer)
    made = _seen(made, located=located)
    return StandingRow(
        standing=found,
        changes=tuple(ChangeRow(words=change_words(one), part=_form_of(one), id=one.id) for one in made),
        reasons=tuple(one for one in standing_reasons(found) if located or one.part != "fences"),
    )


def _form_of(change: Change) -> str:
    """Which form mends a change: that of a contact or fence that is still there, or of the limits."""
    if change.part == "rule":
        return "limits" if change.name in LIMITS else ""
    return change.part if change.kind in {"added", "changed"} else ""


def _contact_rows(profile: Profile, waiting: list[Change]) -> list[tuple[ContactTable, bool]]:
    touched = {one.id for one in waiting if one.part == "contact"}
    return [(contact, contact.id in touched) for contact in profile.contacts]


def _fence_rows(profile: Profile, waiting: list[Change]) -> list[FenceRow]:
    folder = current_app.config["PORTAL"].map_dir
    touched = {one.id for one in waiting if one.part == "fence"}
    return [
        FenceRow(
            fence=fence,
            words=(str(KEEPS[fence.keep]), fence_words(fence), schedule_words(fence.schedule)),
            drawing=fence_sketch(folder, to_builtins(view_of(fence))),
            waits=fence.id in touched,
        )
        for fence in profile.fences
    ]


def _limit_rows(profile: Profile, waiting: list[Change]) -> list[LimitRow]:
    standards = current_app.config["PORTAL"].community_rules.get("vitals", {})
    touched = {one.name for one in waiting if one.part == "rule" and one.id == "vitals"}
    own = profile.rules.get("vitals", {})
    return [
        LimitRow(
            name=str(name),
            unit=str(unit),
            own=own[key] if isinstance(own.get(key), int | float) else None,
            standard=standards.get(key),
            waits=key in touched,
        )
        for key, (name, unit) in LIMITS.items()
    ]
