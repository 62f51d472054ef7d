"""Reads the configuration again while the gateway runs: judged whole beside the loop, and used whole or not.

What can change live is used at once: profiles of wearers who follow the file, [[staff]], [sos.plans],
[rules.*], the public holidays, the bands of the file. Everything else waits for a restart, and is named.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from gateway import plugins
from gateway.clock import Clock
from gateway.config import Settings, WearerTable, load
from gateway.downlink.rows import Pending
from gateway.errors import ConfigError, Problem
from gateway.journal.records import Record
from gateway.local_orders import Reloaded
from gateway.profiles.book import ProfileBook, Version
from gateway.profiles.differences import applied, waits
from gateway.profiles.judging import Judge, Judged, overlaid, profile_of, raw_of
from gateway.roster import Announcer, People

WEARERS_A_RECORD = 50
"""Some ten milliseconds of work between two looks at what bands say."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Engine(Protocol):
    """What is asked of the engine."""

    def take_rules(
        self, wearer: str, rules: Mapping[str, Any], record: Record, pending: Pending, now: datetime
    ) -> None:
        """Judge this wearer by these rules from now on."""
        ...

    def watches(self, wearer: str) -> bool:
        """Whether it judges anything of this wearer yet."""
        ...

    @property
    def commit(self) -> Callable[[Record, Pending, Callable[[int], None] | None], None]:
        """Journal a record and carry out what it orders."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration that was judged good, and what is to be changed for it."""

    settings: Settings
    people: People
    rules: Mapping[str, Mapping[str, Any]]
    changed: tuple[str, ...]
    told: Reloaded


class Reloading:
    """Carries reloads out, one at a time; `path` is None for a gateway that was not started from a file."""

    def __init__(
        self,
        path: Path | None,
        *,
        book: ProfileBook,
        people: People,
        announcer: Announcer,
        engine: Engine,
        clock: Clock,
        admit: Callable[[Settings], None],
    ) -> None:
        self._path = path
        self._book = book
        self._people = people
        self._announcer = announcer
        self._engine = engine
        self._clock = clock
        self._admit = admit
        self._one_at_a_time = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    def hang_up(self) -> None:
        """SIGHUP: reload; what is wrong with the file stands in the log."""
        self._start(self._heard())

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin what goes on whoever loses interest in it."""
        task = asyncio.get_running_loop().create_task(work, name="reload")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _heard(self) -> None:
        try:
            await self.reload()
        except ConfigError as wrong:
            problems = wrong.problems
        else:
            problems = ()
        for problem in problems:
            log.error("not reloaded: %s", problem)

    async def reload(self) -> Reloaded:
        """Read, judge and use the file; returns after the commit.

        It is carried through also when whoever asked for it hangs up: half of it would never be made whole.
        Raises ConfigError with every wrong key; then everything is as it was.
        """
        return await asyncio.shield(self._start(self._reload()))

    async def _reload(self) -> Reloaded:
        if self._path is None:
            raise ConfigError((Problem("config.toml", "(none)", "a gateway started from a file"),))
        async with self._one_at_a_time:
            while True:
                running = self._book.settings
                in_force = dict(self._book.in_force)
                prepared = await asyncio.to_thread(_prepared, self._path, running, in_force, self._people)
                if running is self._book.settings:  # else a profile was changed meanwhile
                    break
            told = await self._use(prepared)
        log.info("reloaded: %s", ", ".join(told.applied) or "nothing new that could be used now")
        for key in told.waits:
            log.warning("reloaded: %s waits for a restart", key)
        for wearer in told.kept:
            log.warning("reloaded: %s keeps the profile that was ordered", wearer)
        return told

    async def _use(self, prepared: Prepared) -> Reloaded:
        """Put it in force: first who everybody is, in one record, then the rules, a few wearers a record.

        Between two records bands are heard: ten thousand wearers must not hold up one press of a button.
        A crash in between loses nothing, for the next start reads the same file.
        """
        record, pending, now = Record(urgent=True), Pending(), self._clock.now()
        tables = {wearer.id: wearer for wearer in prepared.settings.wearers}
        versions = [
            Version(
                wearer=wearer,
                version=self._book.counted.get(wearer, 0) + 1,
                source="file",
                at=now,
                profile=profile_of(tables[wearer]),
                follows_file=True,
            )
            for wearer in prepared.changed
        ]
        self._book.take(versions, prepared.settings)
        self._people.become(prepared.people)
        for version in versions:
            version.write(record)
        self._announcer.tell(record, now)
        new = [wearer for wearer in prepared.rules if not self._engine.watches(wearer)]
        for wearer in new:
            self._engine.take_rules(wearer, prepared.rules[wearer], record, pending, now)
        self._engine.commit(record, pending, None)
        self._admit(prepared.settings)
        in_force = dict(self._book.in_force)
        for slice_ in batched((one for one in prepared.rules if one not in new), WEARERS_A_RECORD):
            await asyncio.sleep(0)
            record, pending, now = Record(), Pending(), self._clock.now()
            for wearer in slice_:
                if self._book.in_force.get(wearer) is in_force.get(wearer):  # else it was ordered meanwhile
                    self._engine.take_rules(wearer, prepared.rules[wearer], record, pending, now)
            self._engine.commit(record, pending, None)
        committed = asyncio.Event()
        self._engine.commit(Record(urgent=True), Pending(), lambda _: committed.set())
        await committed.wait()
        named = tuple(f"wearers.{version.wearer} (version {version.version})" for version in versions)
        return msgspec.structs.replace(prepared.told, applied=(*named, *prepared.told.applied))


def _prepared(path: Path, *now: Any) -> Prepared:
    """Prepare; a file that nobody thought of is a wrong one too, for the gateway goes on as it is."""
    try:
        return prepare(path, *now)
    except ConfigError:
        raise
    except Exception as error:
        log.exception("%s could not be judged", path)
        problem = Problem(
            str(path), "(failed)", f"a file that can be judged ({type(error).__name__}: {error})"
        )
        raise ConfigError((problem,)) from error


def prepare(path: Path, running: Settings, in_force: Mapping[str, Version], known: People) -> Prepared:
    """Judge the file beside the profiles in force; `running` and `known` are the settings and people of now.

    Raises ConfigError listing every wrong key, of the file and of the profiles that stay over it.
    """
    try:
        read = load(path, make_demo_secrets=True)
    except OSError as error:
        raise ConfigError((Problem(str(path), "(unreadable)", f"a readable file: {error}"),)) from error
    in_file = {wearer.id: wearer for wearer in read.wearers}
    follows = {wearer for wearer in in_file if wearer not in in_force or in_force[wearer].follows_file}
    others = (wearer for wearer in running.wearers if wearer.id not in in_file)
    base = msgspec.structs.replace(
        running,
        wearers=(*others, *read.wearers),
        staff=read.staff,
        sos=msgspec.structs.replace(running.sos, plans=read.sos.plans),
        rules=read.rules,
        wearer_rules=read.wearer_rules,
        community_rules=read.community_rules,
    )
    stay = {wearer: version for wearer, version in in_force.items() if wearer not in follows}
    settings = overlaid(base, _judged_again(base, stay))
    now, before = _tables(settings), _tables(running)
    anew = [wearer for wearer in now if not _same_rules(wearer, settings, running, now, before)]
    people = People(settings, before=known)
    rules = {wearer: _built(people, wearer, settings) for wearer in anew}
    return Prepared(
        settings=settings,
        people=people,
        rules=rules,
        changed=tuple(one for one in sorted(follows) if _is_new(in_file[one], in_force.get(one))),
        told=Reloaded(
            applied=tuple(applied(running, settings)),
            kept=tuple(one for one in sorted(stay) if one in in_file and _is_new(in_file[one], stay[one])),
            waits=(
                *waits(running, read),
                *_gone(stay, in_file),
            ),
        ),
    )


def _judged_again(base: Settings, stay: Mapping[str, Version]) -> dict[str, Judged]:
    """Judge what stays over the file, or is gone from it, in what the file makes of the community."""
    judge = Judge(base)
    for wearer, version in stay.items():
        judge.accept(wearer, version.profile)
    problems: list[Problem] = []
    taken: dict[str, Judged] = {}
    for wearer, version in stay.items():
        path = f"profiles.{wearer} (version {version.version} stays in force)"
        taken[wearer] = judge.judge(wearer, raw_of(version.profile), path)
        problems += taken[wearer].problems
    if problems:
        raise ConfigError(tuple(problems))
    return taken


def _tables(settings: Settings) -> dict[str, WearerTable]:
    return {wearer.id: wearer for wearer in settings.wearers}


def _same_rules(
    wearer: str,
    after: Settings,
    before: Settings,
    now: Mapping[str, WearerTable],
    then: Mapping[str, WearerTable],
) -> bool:
    """Whether a wearer is judged exactly as before."""
    return wearer in then and (
        now[wearer].fences == then[wearer].fences
        and now[wearer].name == then[wearer].name
        and all(
            after.wearer_rules.get((wearer, name)) == before.wearer_rules.get((wearer, name))
            for name in plugins.names("rule")
        )
    )


def _built(people: People, wearer: str, settings: Settings) -> Mapping[str, Any]:
    try:
        return people.rules(wearer, settings, plugins.load("rule"))
    except (ValueError, ArithmeticError) as error:
        raise ConfigError((Problem(f"wearers.{wearer}", "(table)", str(error)),)) from error


def _is_new(table: WearerTable, version: Version | None) -> bool:
    return version is None or profile_of(table) != version.profile


def _gone(stay: Mapping[str, Version], in_file: Mapping[str, Any]) -> Iterable[str]:
    gone = sorted(one for one, version in stay.items() if version.follows_file and one not in in_file)
    return (f"wearers.{wearer} (gone)" for wearer in gone)


def batched(many: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Give them in order, so many at once."""
    rest = iter(many)
    while some := tuple(islice(rest, size)):
        yield some
