"""`shouwang reload`: the running gateway reads its configuration again, and uses what can change live."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.local_orders import Reloaded


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "the running gateway reads config.toml, drawn fences and holidays again"
    parser = commands.add_parser("reload", help=words, description=words)
    parser.add_argument("--config", type=Path, default=Path("config.toml"))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """`shouwang reload`: 0 used, 1 no gateway runs here, 2 something is wrong and all is as it was."""
    from gateway.transports.control import OrderRefused

    settings = checked_settings(options.config)
    try:
        told = reload(settings)
    except OrderRefused as error:
        print(error, file=sys.stderr)
        print("nothing has changed", file=sys.stderr)
        return CONFIG_WRONG
    except (ConnectionError, TimeoutError) as error:
        print(str(error) or "the gateway does not answer", file=sys.stderr)
        return 1
    for line in in_words(told):
        print(line)
    return 0


def reload(settings: Settings) -> Reloaded:
    """Have the gateway of this box reload.

    Raises OrderRefused with every wrong key, ConnectionError when no gateway runs here, TimeoutError.
    """
    from gateway.local_orders import Reload, Reloaded
    from gateway.paths import control_path
    from gateway.transports.control import ask_on

    async def ask() -> Reloaded:
        async for told in ask_on(control_path(settings), Reload(), Reloaded):
            return told
        raise ConnectionError("the gateway closed the door without an answer")

    return asyncio.run(ask())


def in_words(told: Reloaded) -> list[str]:
    """What holds now, what does not, and why, a line each."""
    lines = [f"in force: {one}" for one in told.applied] or ["nothing new that could be used now"]
    lines += [f"keeps the profile that was ordered, whatever the file says: {one}" for one in told.kept]
    return lines + [f"waits for a restart: {one}" for one in told.waits]
