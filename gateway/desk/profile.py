"""`shouwang profile`: the versions of wearers' profiles, tried, changed and put back on this box.

0 is done, 1 refused by the gateway or none runs here, 2 something in the file or the question is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings
from gateway.errors import ShouwangError

if TYPE_CHECKING:
    from sqlite3 import Row

    from gateway.config import Settings


class Refused(ShouwangError):
    """What was asked cannot be; the message says why."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "the versions of wearers' profiles: who they are, whom to tell, their fences and limits"
    parser = commands.add_parser("profile", help=words, description=words)
    asks = parser.add_subparsers(title="what", required=True, metavar="WHAT")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        ask: argparse.ArgumentParser = asks.add_parser(name, help=words, description=words)
        ask.set_defaults(run=run, what=name)
        ask.add_argument("--config", type=Path, default=Path("config.toml"))
        return ask

    ask = add("list", "the version in force of every wearer, or every kept version of one")
    ask.add_argument("wearer", nargs="?")
    ask = add("show", "a profile as JSON, as `set` takes it")
    ask.add_argument("wearer")
    ask.add_argument("--version", type=int, help="this one instead of the one in force")
    ask = add("check", "judge a profile beside everybody else's; nothing is changed")
    ask.add_argument("file", type=Path, help="a .json, or a .toml with the keys of a [[wearers]] table")
    ask.add_argument("--wearer", default="", help="whose it is to be; left out: somebody new")
    ask = add("set", "put a profile in force at once; it stays over config.toml")
    ask.add_argument("wearer")
    ask.add_argument("--file", type=Path, required=True, help="as for check")
    ask.add_argument("--base", type=int, help="the version it was made from (the one in force)")
    _by(ask)
    ask = add("restore", "put what a former version says in force again, as a new version")
    ask.add_argument("wearer")
    ask.add_argument("version", type=int)
    _by(ask)


def _by(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--by", help="who says so (your login name)")


def run(options: argparse.Namespace) -> int:
    """`shouwang profile list|show|check|set|restore`."""
    from gateway.desk.device_words import harmless

    if getattr(options, "file", None) is not None:
        options.file = Path.cwd() / options.file
    settings = checked_settings(options.config)
    try:
        return RUNS[options.what](settings, options)
    except (ShouwangError, OSError) as error:
        for line in str(error).splitlines():
            print(harmless(line), file=sys.stderr)
        return CONFIG_WRONG


# --------------------------------------------------------------------------- one function a command


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from gateway.desk.device_words import harmless

    rows = _rows(settings, options.wearer)
    for row in sorted(rows, key=lambda row: (row["wearer"], -row["version"])):
        print(harmless("  ".join(_told(row))))
    return 0


def _show(settings: Settings, options: argparse.Namespace) -> int:
    import msgspec

    from gateway.profiles.book import profile_in

    rows = _rows(settings, options.wearer)
    version = rows[0]["version"] if options.version is None else options.version
    row = next((row for row in rows if row["version"] == version), None)
    if row is None:
        kept = ", ".join(str(one["version"]) for one in reversed(rows))
        raise Refused(f"there is no version {version} of {options.wearer}; kept: {kept}")
    profile = profile_in(row)
    raw = msgspec.json.decode(row["body"]) if profile is None else plain(profile)
    print("  ".join(_told(row)), file=sys.stderr)
    print(msgspec.json.format(msgspec.json.encode(raw)).decode())
    return 0


def _check(settings: Settings, options: argparse.Namespace) -> int:
    from gateway.desk.in_force import settings_in_force
    from gateway.profiles.judging import Judge

    raw = _read(options.file)
    judged = Judge(settings_in_force(settings)).judge(options.wearer or "(new)", raw)
    if judged.problems:
        raise Refused("\n".join(map(str, judged.problems)) + f"\n{len(judged.problems)} wrong")
    print(f"{options.file.name}: right")
    return 0


def _set(settings: Settings, options: argparse.Namespace) -> int:
    raw = _read(options.file)
    base = options.base
    if base is None:
        base = max((row["version"] for row in _rows_or_none(settings, options.wearer)), default=0)
    return _order(settings, options, name="set_profile", profile=raw, base_version=base)


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    return _order(settings, options, name="restore_profile", version=options.version)


def _order(settings: Settings, options: argparse.Namespace, **fields: Any) -> int:
    from gateway.desk import incidents
    from gateway.desk.device_book import login_name
    from gateway.desk.device_words import harmless

    answer = incidents.order(settings, wearer=options.wearer, by=options.by or login_name(), **fields)
    if not answer.done:
        for line in answer.reason.splitlines():
            print(harmless(line), file=sys.stderr)
        return 1
    row = _rows(settings, options.wearer)[0]
    print(f"{options.wearer}: version {row['version']} is in force")
    if row["follows_file"]:
        print("it follows config.toml again: `shouwang reload` brings in what stands there")
    return 0


# --------------------------------------------------------------------------- files and rows


def _rows_or_none(settings: Settings, wearer: str | None) -> list[Row]:
    """The kept versions of a wearer, newest first; the newest of everybody without one."""
    import sqlite3

    from gateway.journal.reader import JournalReader
    from gateway.paths import journal_path

    reader = JournalReader(journal_path(settings))
    try:
        return reader.newest_profiles() if wearer is None else reader.profile_versions(wearer)
    except sqlite3.OperationalError:
        return []
    finally:
        reader.close()


def _rows(settings: Settings, wearer: str | None) -> list[Row]:
    rows = _rows_or_none(settings, wearer)
    if not rows:
        raise Refused(f"there is no profile of {wearer}" if wearer else "no gateway has used a profile yet")
    return rows


def _told(row: Row) -> tuple[str, ...]:
    from gateway.desk.device_words import moment

    source = row["source"]
    if row["restores"] is not None:
        source += f" to version {row['restores']}"
    if row["follows_file"] and row["source"] != "file":
        source += ", follows the file"
    return row["wearer"], f"version {row['version']}", source, row["ordered_by"] or "-", moment(row["at_ms"])


def _read(path: Path) -> Any:
    """A profile as plain data; its keys are judged elsewhere. Raises Refused for what is neither format."""
    import json
    import tomllib

    text = path.read_bytes()
    try:
        if path.suffix == ".toml":
            return tomllib.loads(text.decode("utf-8"))
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name}: expected a profile as JSON or TOML in UTF-8 ({error})") from error


def plain(table: Any) -> Any:
    """A profile as plain data, without what is as it would be anyway."""
    import msgspec

    if isinstance(table, msgspec.Struct):
        kept = {
            one.name: getattr(table, one.name)
            for one in msgspec.structs.fields(type(table))
            if getattr(table, one.name) != (one.default if one.default is not msgspec.NODEFAULT else {})
        }
        return {name: plain(value) for name, value in kept.items()}
    return [plain(one) for one in table] if isinstance(table, tuple) else table


RUNS: dict[str, Callable[[Any, argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "check": _check,
    "set": _set,
    "restore": _restore,
}
