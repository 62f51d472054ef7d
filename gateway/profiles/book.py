"""Which version of each wearer's profile is in force: the file's, the portal's, or an older one again.

The gateway alone counts the versions; each is a row of the journal's table `profiles`.
A wearer who follows the file gets a new version when `config.toml` says something else.
A version the portal ordered, or one restored, stays in force over the file;
restoring a version that followed the file makes the wearer follow it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from sqlite3 import Row
from typing import Literal, Protocol

import msgspec

from gateway.config import Settings
from gateway.journal.records import EventRow, ProfileRow, Record, from_ms, to_ms
from gateway.profile import Profile
from gateway.profiles.judging import Judge, Judged, overlaid, profile_of
from gateway.told import ProfileInForce

GATEWAY = "守望"
"""Who orders a version that nobody ordered: one that no longer fits was replaced at the start."""

LOST_VERSIONS = 1000
"""More than anybody orders between a backup and the day it is put back."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a wearer's profile."""

    wearer: str
    version: int
    source: Literal["file", "portal", "rollback"]
    at: datetime
    profile: Profile
    by: str = ""
    restores: int | None = None
    follows_file: bool = False

    def write(self, record: Record) -> None:
        """Add the row of the table, and the event that tells the portal."""
        at_ms = to_ms(self.at)
        record.rest.profiles.append(
            ProfileRow(
                self.wearer,
                self.version,
                self.source,
                self.restores,
                self.by,
                at_ms,
                self.follows_file,
                msgspec.json.encode(self.profile),
            )
        )
        told = ProfileInForce(
            wearer=self.wearer,
            version=self.version,
            source=self.source,
            at=self.at,
            profile=self.profile,
            by=self.by,
            restores=self.restores,
        )
        body = msgspec.json.encode(told)
        record.events.append(EventRow(at_ms, at_ms, "profile", None, self.wearer, None, body, None))


class Stored(Protocol):
    """What is asked of the journal's reader."""

    def newest_profiles(self) -> list[Row]:
        """The newest version of every wearer."""
        ...

    def profile_versions(self, wearer: str) -> list[Row]:
        """The versions of a wearer that are kept, newest first."""
        ...


@dataclass(slots=True)
class ProfileBook:
    """`in_force` by wearer, what is wrong with some of them in words, and the settings with all of them.

    `counted` is the highest version a wearer ever had; it rises also where nobody is watched meanwhile.
    `fresh` are the versions made at the start, to be journalled.
    """

    settings: Settings
    in_force: dict[str, Version] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    fresh: list[Version] = field(default_factory=list)

    @property
    def trouble(self) -> str:
        """What an administrator should look at, in words; empty when all is well."""
        return "; ".join(self.troubles.values())

    def version(self, wearer: str) -> int:
        """The version in force, 0 for a wearer nobody knows."""
        known = self.in_force.get(wearer)
        return known.version if known is not None else 0

    def count_on(self, now: datetime) -> list[Version]:
        """Number every profile in force anew, above whatever a journal we do not have has counted."""
        anew = [
            replace(one, version=self.counted[wearer] + LOST_VERSIONS, at=now)
            for wearer, one in self.in_force.items()
        ]
        for one in anew:
            self.in_force[one.wearer] = one
            self.counted[one.wearer] = one.version
        return anew

    def take(self, versions: Iterable[Version], settings: Settings) -> None:
        """These are in force from now on; `settings` are those with them."""
        for one in versions:
            self.in_force[one.wearer] = one
            self.counted[one.wearer] = one.version
            self.troubles.pop(one.wearer, None)
        self.settings = settings


def at_start(settings: Settings, stored: Stored, now: datetime) -> ProfileBook:
    """Give what is in force after a start with this configuration file.

    1. Who follows the file, or was never stored, has what the file says; a change is a new version.
    2. Every other newest version is judged again, beside all the others.
    3. One that does not fit any more is replaced by the newest older one that does, else by the file's,
       else by what of it still fits: nobody is left unwatched for one wrong number.
    """
    book = ProfileBook(settings)
    newest = {row["wearer"]: row for row in stored.newest_profiles()}
    tables = {wearer.id: wearer for wearer in settings.wearers}
    for wearer, table in tables.items():
        row = newest.get(wearer)
        if row is None or row["follows_file"]:
            _follow(book, wearer, profile_of(table), row, now)
    others = [row for row in newest.values() if not row["follows_file"]]
    judge = Judge(settings)
    for row in others:
        profile = profile_in(row)
        if profile is not None:
            judge.accept(row["wearer"], profile)
    taken = _take_others(book, judge, stored, others, now)
    for wearer, version in book.in_force.items():
        if version.by == GATEWAY:
            book.troubles[wearer] = _replaced(version)
    book.counted = {wearer: row["version"] for wearer, row in newest.items()}
    book.counted |= {wearer: version.version for wearer, version in book.in_force.items()}
    for trouble in book.troubles.values():
        log.error("profiles: %s", trouble)
    book.settings = overlaid(settings, taken)
    return book


def _take_others(
    book: ProfileBook, judge: Judge, stored: Stored, rows: Iterable[Row], now: datetime
) -> dict[str, Judged]:
    """Put in force what stands over the file; gives those of them that do not fall back to it."""
    taken: dict[str, Judged] = {}
    for row in rows:
        wearer = row["wearer"]
        version, judged = _standing(judge, stored, book.settings, row, now)
        if version is None:
            book.troubles[wearer] = f"{wearer}: no version of the profile fits this gateway; nobody watches"
            continue
        if judged is not None:
            taken[wearer] = judged
        if version.version != row["version"]:
            book.fresh.append(version)
        judge.accept(wearer, version.profile)
        book.in_force[wearer] = version
    return taken


def _follow(book: ProfileBook, wearer: str, profile: Profile, row: Row | None, now: datetime) -> None:
    """Put in force what the file says of a wearer."""
    if row is not None and profile_in(row) == profile:
        book.in_force[wearer] = version_of(row, profile)
        return
    number = 1 if row is None else row["version"] + 1
    version = Version(
        wearer=wearer, version=number, source="file", at=now, profile=profile, follows_file=True
    )
    book.in_force[wearer] = version
    book.fresh.append(version)


def _standing(
    judge: Judge, stored: Stored, settings: Settings, row: Row, now: datetime
) -> tuple[Version | None, Judged | None]:
    """Give the version of a wearer that fits, and what it was judged to be; None for what the file says."""
    wearer, number = row["wearer"], row["version"]
    judged = judge.judge_stored(row)
    if judged.profile is not None:
        return version_of(row, judged.profile), judged
    for problem in judged.problems:
        log.error("profiles: %s, version %d: %s", wearer, number, problem)
    in_file = next((profile_of(one) for one in settings.wearers if one.id == wearer), None)
    for older in stored.profile_versions(wearer)[1:]:
        if older["follows_file"] and in_file is not None:
            break
        judged = judge.judge_stored(older)
        if judged.profile is not None:
            restored = Version(
                wearer=wearer,
                version=number + 1,
                source="rollback",
                at=now,
                profile=judged.profile,
                by=GATEWAY,
                restores=older["version"],
            )
            return restored, judged
    if in_file is None:
        left = judge.what_fits(row)
        return (None, None) if left.profile is None else (_rest(row, left.profile, now), left)
    file = Version(
        wearer=wearer,
        version=number + 1,
        source="file",
        at=now,
        profile=in_file,
        by=GATEWAY,
        follows_file=True,
    )
    return file, None


def _rest(row: Row, profile: Profile, now: datetime) -> Version:
    """What still fits of a version, as the next one."""
    wearer, number = row["wearer"], row["version"]
    return Version(
        wearer=wearer,
        version=number + 1,
        source="rollback",
        at=now,
        profile=profile,
        by=GATEWAY,
        restores=number,
    )


def _replaced(version: Version) -> str:
    what = "what config.toml says" if version.restores is None else f"version {version.restores}"
    if version.restores == version.version - 1:
        what = f"only what fits of {what}"
    return (
        f"{version.wearer}: the profile last ordered does not fit this gateway, {what} is in force again"
        f" as version {version.version}; look at it and order it anew"
    )


def profile_in(row: Row) -> Profile | None:
    """The profile of a stored version; None for one of another shape than today's."""
    try:
        return msgspec.json.decode(row["body"], type=Profile)
    except msgspec.DecodeError:
        return None


def version_of(row: Row, profile: Profile) -> Version:
    """A stored version, with its profile."""
    return Version(
        wearer=row["wearer"],
        version=row["version"],
        source=row["source"],
        at=from_ms(row["at_ms"]),
        profile=profile,
        by=row["ordered_by"],
        restores=row["restores"],
        follows_file=bool(row["follows_file"]),
    )
