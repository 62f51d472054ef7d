"""`shouwang capture`: record what bands and the running gateway say to each other, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import IO, Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings

MEGABYTE = 1024 * 1024


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "record the raw traffic of one transport of the running gateway"
    capture = commands.add_parser("capture", help=words, description=words)
    capture.set_defaults(run=run)
    capture.add_argument("--config", type=Path, default=Path("config.toml"))
    capture.add_argument("--transport", required=True, help="tcp, mqtt_listener, coap, serial ...")
    capture.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="a new file")
    capture.add_argument("--seconds", type=float, help="how long (until Ctrl-C when left out)")
    capture.add_argument("--max-mb", type=float, default=64.0, help="stop when the file is so large")


def run(options: argparse.Namespace) -> int:
    """`shouwang capture --transport T --out FILE`."""
    from gateway.paths import control_path
    from gateway.transports.control import OrderRefused

    out = options.out.absolute()
    settings = checked_settings(options.config)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            found = asyncio.run(_record(control_path(settings), options, file))
            size = file.tell()
    except FileExistsError:
        print(f"{out} exists already; a capture is never written over another file", file=sys.stderr)
        return CONFIG_WRONG
    except (OrderRefused, OSError) as error:  # TimeoutError and ConnectionError are kinds of it
        print(error or "the gateway does not answer", file=sys.stderr)
        with contextlib.suppress(FileNotFoundError):
            if not out.stat().st_size:
                out.unlink()
        return 1
    pieces = ", ".join(f"{found[what]} {what}" for what in ("up", "reply", "down", "closed", "lost"))
    print(f"{out}: {pieces}; {size} bytes")
    return 0


async def _record(door: Path, options: argparse.Namespace, file: IO[bytes]) -> Counter[str]:
    """Write lines until told to stop, time is up, the file is full, or the gateway ends."""
    import msgspec

    from gateway.capture_format import Piece
    from gateway.local_orders import Capture
    from gateway.transports.control import ask_on

    found: Counter[str] = Counter()
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)

    async def write() -> None:
        async with contextlib.aclosing(
            ask_on(door, Capture(transport=options.transport), msgspec.Raw)
        ) as lines:
            async for line in lines:
                file.write(bytes(line) + b"\n")
                file.flush()
                if b'"what"' in bytes(line):
                    found[msgspec.json.decode(line, type=Piece).what] += 1
                else:
                    print(f"recording {options.transport}", flush=True)
                if file.tell() >= options.max_mb * MEGABYTE:
                    return

    writing = asyncio.create_task(write(), name="capture")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({writing, stopping}, timeout=options.seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in (writing, stopping):
        task.cancel()
    ends = await asyncio.gather(writing, stopping, return_exceptions=True)
    if isinstance(ends[0], Exception):
        raise ends[0]
    return found
