"""`shouwang journal`: look at the journal, while the gateway runs and when it does not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.desk import tuning_command
from gateway.desk.configured import CONFIG_WRONG, checked_settings

LISTED = 50
MOST_NUMBER = 2**63 - 1


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "look at the journal: tail, export, verify, quarantine, tuning"
    journal = commands.add_parser("journal", help=words, description=words)
    journal.set_defaults(run=run)
    _where(journal, config=Path("config.toml"), file=None)
    journal.set_defaults(lines=20, after=0)
    asks = journal.add_subparsers(title="what", dest="what", required=True, metavar="WHAT")
    for name, words in (
        ("tail", "the newest events"),
        ("export", "every event, one JSON line each"),
        ("verify", "check every row of the file"),
    ):
        ask = asks.add_parser(name, help=words, description=words)
        _where(ask)
        ask.add_argument("--lines", type=int, default=argparse.SUPPRESS, help="tail: how many events")
        ask.add_argument("--after", type=int, default=argparse.SUPPRESS, help="export: only behind this seq")
    _add_quarantine(asks)
    tuning_command.add_to(asks, _where)


def _where(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """Which journal; may stand before or behind the sub-command, so only the outer parser has defaults."""
    parser.add_argument("--config", type=Path, default=defaults.get("config", argparse.SUPPRESS))
    words = "a journal file, instead of the configured one"
    parser.add_argument("--file", type=Path, default=defaults.get("file", argparse.SUPPRESS), help=words)


def _add_quarantine(asks: Any) -> None:
    words = "frames that were not understood, or not ours"
    quarantine = asks.add_parser("quarantine", help=words, description=words)
    quarantine.set_defaults(run=run_quarantine)
    looks = quarantine.add_subparsers(title="what", dest="look", required=True, metavar="WHAT")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        look: argparse.ArgumentParser = looks.add_parser(name, help=words, description=words)
        _where(look)
        look.add_argument("--reason", help="only frames with this reason")
        look.add_argument("--device", help="only frames that claim this wire id")
        look.add_argument("--since", metavar="WHEN", help="30m, 2h, 1d ago, or an ISO time")
        return look

    listing = add("list", "show the newest, with their first bytes")
    listing.add_argument("--limit", type=int, default=LISTED)
    replay = add("replay", "judge them again with today's codecs and bands; what is good becomes history")
    replay.add_argument("numbers", type=_number, nargs="*", metavar="NUMBER")
    words = "believe frames of a protocol with a login (jt808) without it: look at them first"
    replay.add_argument("--without-login", action="store_true", help=words)
    replay.add_argument("--dry-run", action="store_true", help="only say what would become of them")


def _number(words: str) -> int:
    """The number of a frame. Raises ValueError for one that no row can have."""
    number = int(words)
    if not 1 <= number <= MOST_NUMBER:
        raise ValueError
    return number


def run(options: argparse.Namespace) -> int:
    """`shouwang journal tail|export|verify`."""
    import json

    from gateway.desk.device_words import harmless
    from gateway.journal.reader import JournalReader, as_json, verify
    from gateway.paths import journal_path

    path = options.file or journal_path(checked_settings(options.config))
    try:
        reader = JournalReader(path)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG
    match options.what:
        case "tail":
            for row in reader.events(after=reader.last_seq() - options.lines, limit=options.lines):
                print(harmless(json.dumps(as_json(row), ensure_ascii=False)))
        case "export":
            for line in reader.export(after=options.after):
                print(line)
        case "verify":
            verdict = verify(path)
            for fault in verdict.faults:
                print(fault)
            print(f"{path}: {verdict.events} events, {len(verdict.faults)} faults")
            return 1 if verdict.faults else 0
    return 0


def run_quarantine(options: argparse.Namespace) -> int:
    """`shouwang journal quarantine list|replay`."""
    from gateway.clock import SystemClock
    from gateway.desk import quarantine
    from gateway.journal.reader import JournalReader
    from gateway.local_orders import ReplayQuarantine
    from gateway.paths import journal_path

    replays = options.look == "replay"
    if replays and options.file:
        print("a replay needs the running gateway, and so its --config", file=sys.stderr)
        return CONFIG_WRONG
    path = options.file or journal_path(settings := checked_settings(options.config))
    try:
        since_at = quarantine.since(options.since, SystemClock().now()) if options.since else None
        reader = JournalReader(path)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG
    asked = {"reason": options.reason, "device": options.device, "since_at": since_at}
    if not replays:
        rows = list(quarantine.chosen(reader, **asked))
        for row in rows[-options.limit :]:
            print("\n".join(quarantine.lines_of(row)))
        print(f"{len(rows)} frames fit; {reader.mark('dropped_quarantine')} older ones were dropped for room")
        return 0
    if not options.numbers and not any(asked.values()):
        print("say which: numbers, --reason, --device or --since", file=sys.stderr)
        return CONFIG_WRONG
    rows = list(quarantine.chosen(reader, numbers=options.numbers, **asked))
    order = ReplayQuarantine(
        numbers=tuple(row["number"] for row in rows),
        dry_run=options.dry_run,
        without_login=options.without_login,
    )
    return _replayed(settings, order)


def _replayed(settings: Any, order: Any) -> int:
    """Replay and count; 0 when every frame was good, 1 when one stays or the gateway does not answer."""
    from gateway.desk import quarantine
    from gateway.transports.control import OrderRefused

    try:
        found = quarantine.replay(settings, order, print)
    except (ConnectionError, TimeoutError, OrderRefused) as error:
        print(error or "the gateway does not answer", file=sys.stderr)
        return 1
    taken = "would be taken" if order.dry_run else "taken"
    print(f"{found['taken']} {taken}, {found['stays']} stay, {found['gone']} gone")
    return 1 if found["stays"] else 0
