"""`shouwang decode`: a captured frame in, a line out: what it holds, or whether its source agrees."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

from gateway.desk.configured import CONFIG_WRONG

DIFFERS = 1


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "read one frame a line, print one JSON line a frame"
    decode = commands.add_parser("decode", help=words, description=words)
    decode.set_defaults(run=run)
    decode.add_argument("codec", nargs="?")
    decode.add_argument("file", type=Path, nargs="?", help="standard input when left out")
    decode.add_argument("--hex", action="store_true", help="the lines are hexadecimal")
    decode.add_argument("--model", help="the band's model, a file of the models' folder")
    decode.add_argument("--models", type=Path, default=Path("data/models"), help="the models' folder")
    decode.add_argument(
        "--vectors", type=Path, nargs="+", metavar="FILE", help="compare rows of test vectors instead"
    )


def run(options: argparse.Namespace) -> int:
    """`shouwang decode CODEC [FILE] [--hex] [--model NAME]`, or `--vectors FILE.jsonl …`.

    With vectors it gives 1 when a row differs without a reason, or has a reason and does not differ.
    """
    from gateway import plugins

    if options.vectors:
        return _compare(options.vectors, options.models)
    if options.codec not in plugins.names("codec"):
        print(f"no codec {options.codec!r}; known: {', '.join(plugins.names('codec'))}", file=sys.stderr)
        return CONFIG_WRONG
    try:
        source = sys.stdin.buffer if options.file is None else options.file.open("rb")
    except OSError as error:
        print(f"{options.file}: {error.strerror}", file=sys.stderr)
        return CONFIG_WRONG
    with source:
        return _decode(options, source)


def _decode(options: argparse.Namespace, source: Any) -> int:
    from gateway import plugins
    from gateway.bands.models import model_settings
    from gateway.clock import SystemClock
    from gateway.codecs.decode import decode_lines
    from gateway.errors import ConfigError

    settings = None
    if options.model is not None:
        try:
            settings = model_settings(options.models, options.model)
        except (ConfigError, KeyError) as error:
            print(f"{options.models}: no usable model {options.model!r}: {error}", file=sys.stderr)
            return CONFIG_WRONG
        if not isinstance(settings, plugins.settings_of("codec", options.codec)):
            print(f"model {options.model!r} does not speak {options.codec}", file=sys.stderr)
            return CONFIG_WRONG
    now = SystemClock().now
    for line in decode_lines(options.codec, source, hex_lines=options.hex, now=now, settings=settings):
        print(line)
    return 0


def _compare(files: list[Path], models: Path) -> int:
    unsettled = 0
    for path in files:
        try:
            found = compared(path, models)
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
            return CONFIG_WRONG
        for verdict in found:
            print(verdict)
        differ = sum(bool(verdict.trouble) for verdict in found)
        wrong = sum(not verdict.is_settled for verdict in found)
        unsettled += wrong
        print(f"{path}: {len(found)} rows, {len(found) - differ} agree, {differ} differ, {wrong} unexplained")
    return DIFFERS if unsettled else 0


def compared(path: Path, models: Path) -> list[Any]:
    """The verdicts (`gateway.codecs.vectors`) over a file, with the notes of `differs.toml` beside it.

    Raises OSError for a file that cannot be read, KeyError for a note of a model that is not in `models`.
    """
    import msgspec

    from gateway.bands.models import model_settings
    from gateway.codecs.vectors import Note, verdicts

    notes_file = path.parent / "differs.toml"
    tables = tomllib.loads(notes_file.read_text(encoding="utf-8")) if notes_file.exists() else {}
    notes = msgspec.convert(tables.get(path.stem, []), list[Note])
    named = {note.model for note in notes if note.model}
    settings = {name: model_settings(models, name) for name in named}
    with path.open(encoding="utf-8") as lines:
        return list(verdicts(path.stem, lines, notes=notes, models=settings))
