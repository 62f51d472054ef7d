"""`shouwang portal retention`: delete what is over its time now, or count what would go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.settings import PortalSettings

SettingsOf = Callable[[Path], "PortalSettings | None"]


def add_to(commands: Any, settings_of: SettingsOf) -> None:
    """Add `retention [--dry-run]`; `settings_of` reads a configuration, None without a portal."""
    words = "delete what is kept no longer ([portal] …_days); the portal does so once a day"
    parser: argparse.ArgumentParser = commands.add_parser("retention", help=words, description=words)
    parser.add_argument("--config", type=Path, default=Path("config.toml"))
    parser.add_argument("--dry-run", action="store_true", help="only count what would go")
    parser.set_defaults(run=lambda options: run(options, settings_of))


def run(options: argparse.Namespace, settings_of: SettingsOf) -> int:
    """0: done, each kind and its number of rows a line; 2: no portal in the configuration."""
    from portal import create_app, retention  # noqa: PLC0415  # only who asks pays for the portal
    from portal.db import db  # noqa: PLC0415  # the same
    from portal.words import now  # noqa: PLC0415  # the same

    settings = settings_of(options.config)
    if settings is None:
        print("no [portal] table in the configuration", file=sys.stderr)
        return 2
    app = create_app(settings)
    with app.app_context():
        try:
            counts = (retention.count if options.dry_run else retention.sweep)(settings, now())
        finally:
            db.engine.dispose()
    for name, number in counts.items():
        print(f"{name} {number}")
    return 0
