"""`shouwang fence`: the fences of this gateway; each sub-command is a room of its own."""

from __future__ import annotations

import importlib
from typing import Any

EXTENSIONS: tuple[str, ...] = ("fence_backtest",)
"""Rooms of `gateway/desk` with a sub-command of `fence` each: `add_to(asks)`, and their own `run`."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "fences: what they would have alarmed"
    parser = commands.add_parser("fence", help=words, description=words)
    asks = parser.add_subparsers(title="what", required=True, metavar="WHAT")
    for room in EXTENSIONS:
        importlib.import_module(f"gateway.desk.{room}").add_to(asks)
