"""`shouwang decode`: one captured frame a line in, one JSON line a frame out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.desk.configured import CONFIG_WRONG


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "read one frame a line, print one JSON line a frame"
    decode = commands.add_parser("decode", help=words, description=words)
    decode.set_defaults(run=run)
    decode.add_argument("codec")
    decode.add_argument("file", type=Path, nargs="?", help="standard input when left out")
    decode.add_argument("--hex", action="store_true", help="the lines are hexadecimal")


def run(options: argparse.Namespace) -> int:
    """`shouwang decode CODEC [FILE] [--hex]`."""
    from gateway import plugins
    from gateway.clock import SystemClock
    from gateway.codecs.decode import decode_lines

    if options.codec not in plugins.names("codec"):
        print(f"no codec {options.codec!r}; known: {', '.join(plugins.names('codec'))}", file=sys.stderr)
        return CONFIG_WRONG
    try:
        source = sys.stdin.buffer if options.file is None else options.file.open("rb")
    except OSError as error:
        print(f"{options.file}: {error.strerror}", file=sys.stderr)
        return CONFIG_WRONG
    with source:
        now = SystemClock().now
        for line in decode_lines(options.codec, source, hex_lines=options.hex, now=now):
            print(line)
    return 0
