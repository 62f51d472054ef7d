"""`shouwang journal`: look at the journal, while the gateway runs and when it does not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "look at the journal: tail, export, verify"
    journal = commands.add_parser("journal", help=words, description=words)
    journal.set_defaults(run=run)
    journal.add_argument("what", choices=("tail", "export", "verify"))
    journal.add_argument("--config", type=Path, default=Path("config.toml"))
    journal.add_argument("--file", type=Path, help="a journal file, instead of the configured one")
    journal.add_argument("--lines", type=int, default=20, help="tail: how many events")
    journal.add_argument("--after", type=int, default=0, help="export: only events after this seq")


def run(options: argparse.Namespace) -> int:
    """`shouwang journal tail|export|verify`."""
    import json

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
                print(json.dumps(as_json(row), ensure_ascii=False))
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
