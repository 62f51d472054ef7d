"""`shouwang portal audit`: check the audit record of the store, and tell where it ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.settings import PortalSettings

SettingsOf = Callable[[Path], "PortalSettings | None"]
WORDS = {
    "changed": "is not what was sealed",
    "missing": "does not follow the entry before it: one is missing, or was put in",
    "cut": "was the end when the portal last wrote: entries were cut off, or added without the key",
    "anchor": "the end of the record is not sealed with this portal's key",
    "rolled_back": "is not what --told says: an older record was put back",
}


def add_to(commands: Any, settings_of: SettingsOf) -> None:
    """Add `audit verify` and `audit anchor`; `settings_of` reads a configuration, None without a portal."""
    words = "check the audit record, or tell where it ends"
    parser: argparse.ArgumentParser = commands.add_parser("audit", help=words, description=words)
    parser.add_argument("what", choices=("verify", "anchor"))
    parser.add_argument("--config", type=Path, default=Path("config.toml"))
    parser.add_argument("--told", default="", metavar="LINE", help="what `audit anchor` or the log said")
    parser.set_defaults(run=lambda options: run(options, settings_of))


def run(options: argparse.Namespace, settings_of: SettingsOf) -> int:
    """0: whole; 1: tampered with, the first broken entry is named; 2: cannot be checked."""
    from portal import audit, create_app  # noqa: PLC0415  # only who asks pays for the portal
    from portal.audits.check import line_of  # noqa: PLC0415  # the same
    from portal.db import db, reading  # noqa: PLC0415  # the same

    try:
        told = line_of(options.told) if options.told else ""
    except ValueError as error:
        print(f"--told: {error}", file=sys.stderr)
        return 2
    settings = settings_of(options.config)
    if settings is None:
        print("no [portal] table in the configuration", file=sys.stderr)
        return 2
    app = create_app(settings)
    with app.app_context():
        try:
            with reading() as session:
                if options.what == "anchor":
                    print(audit.anchor_line(session))
                    return 0
                broken = audit.verify(session, key=settings.secret_key, told=told)
                count = audit.length(session)
        finally:
            db.engine.dispose()
    if broken is None:
        print(f"whole: {count} entries")
        return 0
    print(f"entry {broken.seq}: {WORDS[broken.reason]}", file=sys.stderr)
    return 1
