"""Judges a wearer's profile with the checks of `config.toml`, and lays profiles over a configuration. Pure.

A profile that is judged good has been tried: every rule was built with it, beside everybody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row
from typing import Any

import msgspec

from gateway import plugins
from gateway.config import Settings, WearerTable
from gateway.config_checks import check_names, check_profile, check_schedule
from gateway.config_tables import Checker, SecretSource
from gateway.config_wearers import rules_of
from gateway.errors import Problem
from gateway.fences import view_of
from gateway.model import WearerView
from gateway.profile import ContactTable, FenceTable, Profile

MOST_BYTES = 1024 * 1024
"""A profile as JSON is no larger than this: a few thousand corners for each of a dozen fences."""
ID_CHARACTERS = 64
REASON_CHARACTERS = 16_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a raw profile: `profile` and every rule's settings, or else every wrong key."""

    profile: Profile | None = None
    rules: Mapping[str, Any] | None = None
    problems: tuple[Problem, ...] = ()


class Judge:
    """Judges profiles one after the other, each beside the configuration and the profiles accepted so far."""

    def __init__(self, settings: Settings) -> None:
        """`settings` are those in force, other wearers' profiles and all."""
        self._community = settings.community_rules
        self._staffed = bool(settings.staff)
        self._others = {person.id: person.phone for person in settings.staff}
        self._others |= {station.id: station.card for station in settings.sos.stations}
        self._numbers: dict[str, int | None] = {one.id: one.beidou_number for one in settings.wearers}
        self._taken: dict[int, set[str]] = {}
        for wearer, number in self._numbers.items():
            self._add(wearer, number)

    def accept(self, wearer: str, profile: Profile) -> None:
        """Judge the next ones beside this profile of a wearer, instead of the one before."""
        before = self._numbers.get(wearer)
        if before is not None:
            self._taken[before].discard(wearer)
        self._add(wearer, profile.beidou_number)

    def _add(self, wearer: str, number: int | None) -> None:
        self._numbers[wearer] = number
        if number is not None:
            self._taken.setdefault(number, set()).add(wearer)

    def judge(self, wearer: str, raw: Any, path: str = "profile") -> Judged:
        """Judge a whole profile as plain data; every problem's path begins with `path`.

        What is right of a profile with wrong types is judged on, so that nothing has to be mended twice.
        """
        checker = Checker(SecretSource(base=Path(), demo=False))
        if not is_id(wearer):
            expected = f"1 to {ID_CHARACTERS} visible characters, without spaces and / + # $"
            checker.add("wearer", wearer, expected)
        if too_long(raw):
            checker.add(path, "(too long)", f"at most {MOST_BYTES} bytes as JSON")
            return Judged(problems=tuple(checker.problems))
        profile = checker.table(raw, Profile, path)
        seen = profile if profile is not None else _what_is_right(raw, checker.source)
        check_profile(checker, path, seen, staffed=self._staffed or bool(_of(raw, "contacts")))
        check_names(checker, path, seen.contacts, self._others)
        number = seen.beidou_number
        if number is not None and self._taken.get(number, set()) - {wearer}:
            checker.add(f"{path}.beidou_number", number, "a number no other wearer has")
        rules = rules_of(checker, self._community, seen.rules, f"{path}.rules")
        check_schedule(checker, path, seen.fences, rules.get("fence"))
        if not checker.problems and profile is not None:
            _try_rules(checker, wearer, profile, rules, path)
        if checker.problems or profile is None:
            return Judged(problems=tuple(checker.problems))
        return Judged(profile, rules)

    def judge_stored(self, row: Row) -> Judged:
        """Judge a row of the journal's table `profiles` again."""
        try:
            raw = msgspec.json.decode(row["body"])
        except msgspec.DecodeError as error:
            return Judged(problems=(Problem("profile", "(unreadable)", f"JSON ({error})"),))
        return self.judge(row["wearer"], raw)

    def what_fits(self, row: Row) -> Judged:
        """Judge what is left of a stored profile without each contact, fence and limit that does not fit.

        Somebody half known is better watched than not at all; no profile where nobody would be told.
        """
        wearer = row["wearer"]
        try:
            raw = msgspec.json.decode(row["body"])
        except msgspec.DecodeError:
            return Judged()
        left: dict[str, Any] = {"name": wearer, "contacts": []}
        best = self.judge(wearer, left)
        for change in _pieces(raw):
            more = left | {key: _joined(left.get(key), piece) for key, piece in change.items()}
            judged = self.judge(wearer, more)
            if judged.profile is not None:
                left, best = more, judged
        return best


def _pieces(raw: Any) -> Iterable[dict[str, Any]]:
    """Each part of a profile that can be left out alone."""
    for key in ("contacts", "fences"):
        many = _of(raw, key)
        yield from ({key: [one]} for one in (many if isinstance(many, list) else ()))
    rules = _of(raw, "rules")
    for name, table in rules.items() if isinstance(rules, dict) else ():
        yield from ({"rules": {name: table}},)
    yield from ({key: _of(raw, key)} for key in ("name", "birth_year", "home", "beidou_number"))


def _joined(known: Any, piece: Any) -> Any:
    if isinstance(piece, list):
        return [*(known or ()), *piece]
    return {**(known or {}), **piece} if isinstance(piece, dict) else piece


def is_id(wearer: str) -> bool:
    """Whether a wearer can be called so: it stands in file names, in topics and in the owners of timers."""
    return 0 < len(wearer) <= ID_CHARACTERS and wearer.isprintable() and not set(wearer) & set(" /+#$")


def too_long(raw: Any) -> bool:
    """Whether a profile as plain data is longer than may be kept; so is one that JSON cannot hold."""
    try:
        return len(msgspec.json.encode(raw)) > MOST_BYTES
    except (TypeError, ValueError, RecursionError):
        return True


def _of(raw: Any, key: str) -> Any:
    return raw.get(key) if isinstance(raw, dict) else None


def _what_is_right(raw: Any, source: SecretSource) -> Profile:
    """The parts of a wrong profile that are right; their problems are noted already."""
    silent = Checker(source)
    rules = _of(raw, "rules")
    number = _of(raw, "beidou_number")
    return Profile(
        name="",
        contacts=tuple(silent.tables(_of(raw, "contacts"), ContactTable, "")),
        beidou_number=number if type(number) is int else None,
        fences=tuple(silent.tables(_of(raw, "fences"), FenceTable, "")),
        rules=rules if isinstance(rules, dict) else {},
    )


def _try_rules(checker: Checker, wearer: str, profile: Profile, rules: Mapping[str, Any], path: str) -> None:
    """Build every rule as the gateway will."""
    view = WearerView(
        wearer=wearer, name=profile.name, fences=tuple(view_of(fence) for fence in profile.fences)
    )
    for name, settings in rules.items():
        try:
            plugins.get("rule", name)(view, settings)
        except (ValueError, ArithmeticError) as error:
            checker.add(f"{path}.rules.{name}", "(table)", str(error))


def in_words(problems: Iterable[Problem]) -> str:
    """Give every problem, a line each, as the reason of a refusal; what is too long for one is counted."""
    lines: list[str] = []
    room = REASON_CHARACTERS
    all_of_them = tuple(problems)
    for problem in all_of_them:
        room -= len(str(problem)) + 1
        if room < 0:
            return "\n".join([*lines, f"… and {len(all_of_them) - len(lines)} more"])
        lines.append(str(problem))
    return "\n".join(lines)


# --------------------------------------------------------------------------- over a configuration


def profile_of(table: WearerTable) -> Profile:
    """The profile in a `[[wearers]]` table, as it is when it has been stored and read again."""
    told = Profile(**{name: getattr(table, name) for name in Profile.__struct_fields__})
    return msgspec.json.decode(msgspec.json.encode(told), type=Profile)


def raw_of(profile: Profile) -> Any:
    """A profile as plain data, to be judged again."""
    return msgspec.json.decode(msgspec.json.encode(profile))


def overlaid(settings: Settings, taken: Mapping[str, Judged]) -> Settings:
    """The settings with these wearers' profiles instead of their own; who is not among them is added.

    The bands of a wearer stay as they are; an added wearer has none of the configuration.
    """
    if not taken:
        return settings
    tables = {wearer.id: wearer for wearer in settings.wearers}
    rules = dict(settings.wearer_rules)
    for wearer, one in taken.items():
        assert one.profile is not None
        assert one.rules is not None
        devices = tables[wearer].devices if wearer in tables else ()
        tables[wearer] = WearerTable(id=wearer, devices=devices, **msgspec.structs.asdict(one.profile))
        rules |= {(wearer, name): made for name, made in one.rules.items()}
    return msgspec.structs.replace(settings, wearers=tuple(tables.values()), wearer_rules=rules)
