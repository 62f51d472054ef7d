"""Orders about wearers' profiles, carried out while the gateway runs: nothing restarts, no state is lost.

Everything an order changes is in one record: the version, the states and timers carried over,
the roster, what the portal is told. In memory it holds at once (`gateway.engine.Engine.take_rules` says why).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from sqlite3 import Row
from typing import Any, Protocol

from gateway import plugins
from gateway.config import Settings
from gateway.downlink.rows import Pending
from gateway.journal.records import Record
from gateway.profiles.book import GATEWAY, ProfileBook, Version
from gateway.profiles.judging import Judge, Judged, in_words, overlaid
from gateway.roster import Announcer, People
from gateway.told import PortalCommand

log = logging.getLogger(__name__)


class Stored(Protocol):
    """What is asked of the journal's reader."""

    def profile_versions(self, wearer: str) -> list[Row]:
        """The versions of a wearer that are kept, newest first."""
        ...


class Judges(Protocol):
    """What is asked of the engine."""

    def take_rules(
        self, wearer: str, rules: Mapping[str, Any], record: Record, pending: Pending, now: datetime
    ) -> None:
        """Judge this wearer by these rules from now on."""
        ...


class ProfileOrders:
    """Carries out `set_profile` and `restore_profile`; `admit` is told of settings with another wearer."""

    def __init__(
        self,
        *,
        book: ProfileBook,
        people: People,
        announcer: Announcer,
        stored: Stored,
        engine: Callable[[], Judges],
        admit: Callable[[Settings], None],
    ) -> None:
        self.book = book
        self._people = people
        self._announcer = announcer
        self._stored = stored
        self._engine = engine
        self._admit = admit

    def order(self, command: PortalCommand, record: Record, pending: Pending, now: datetime) -> str | None:
        """Change a profile within this record, or give the reason why not: then nothing has changed."""
        if not command.by or command.by == GATEWAY:
            return "a change of a profile needs the name of who orders it"
        if not command.wearer:
            return "a change of a profile needs its wearer"
        if command.name == "restore_profile":
            return self._restore(command, command.wearer, record, pending, now)
        return self._set(command, command.wearer, record, pending, now)

    def _set(
        self, command: PortalCommand, wearer: str, record: Record, pending: Pending, now: datetime
    ) -> str | None:
        in_force = self.book.version(wearer)
        if command.base_version is None:
            return "a new profile says which version it was made from (0 for a wearer not watched yet)"
        if command.base_version != in_force:
            there = f"version {in_force} is in force" if in_force else f"nobody is called {wearer} here"
            return f"{there}, this was made from version {command.base_version}"
        judged = Judge(self.book.settings).judge(wearer, command.profile)
        if judged.profile is None:
            return in_words(judged.problems)
        version = Version(
            wearer=wearer,
            version=self.book.counted.get(wearer, 0) + 1,
            source="portal",
            at=now,
            profile=judged.profile,
            by=command.by or "",
        )
        self._take(version, judged, record, pending, now)
        return None

    def _restore(
        self, command: PortalCommand, wearer: str, record: Record, pending: Pending, now: datetime
    ) -> str | None:
        in_force = self.book.version(wearer)
        if not in_force:
            return f"nobody is called {wearer} here"
        if command.version == in_force:
            return f"version {in_force} is in force already"
        kept = {row["version"]: row for row in self._stored.profile_versions(wearer)}
        row = kept.get(command.version)
        if row is None:
            return f"there is no version {command.version} of {wearer} any more; kept: {_numbers(kept)}"
        judged = Judge(self.book.settings).judge_stored(row)
        if judged.profile is None:
            return in_words(judged.problems)
        version = Version(
            wearer=wearer,
            version=self.book.counted[wearer] + 1,
            source="rollback",
            at=now,
            profile=judged.profile,
            by=command.by or "",
            restores=row["version"],
            follows_file=bool(row["follows_file"]),
        )
        self._take(version, judged, record, pending, now)
        return None

    def _take(
        self, version: Version, judged: Judged, record: Record, pending: Pending, now: datetime
    ) -> None:
        """Put one version in force."""
        wearer, known = version.wearer, version.wearer in self.book.in_force
        settings = overlaid(self.book.settings, {wearer: judged})
        self.book.take([version], settings)
        self._people.renew(settings, {wearer})
        version.write(record)
        rules = self._people.rules(wearer, settings, plugins.load("rule"))
        self._engine().take_rules(wearer, rules, record, pending, now)
        self._announcer.tell(record, now)
        if not known:
            self._admit(settings)
        log.info("profiles: %s, version %d (%s) is in force", wearer, version.version, version.source)


def _numbers(kept: Mapping[int, Row]) -> str:
    return ", ".join(map(str, sorted(kept))) or "none"
