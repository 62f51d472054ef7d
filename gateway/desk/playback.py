"""`shouwang sim replay`: play a capture back to a gateway over a real wire, as the bands spoke it."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.desk.configured import CONFIG_WRONG

if TYPE_CHECKING:
    from firmware_sim.playback import Pace, Played
    from gateway.capture_format import Header, Piece

OPENED_WITHIN_S = 30.0
OVER_MQTT = ("mqtt_listener", "mqtt_client", "coap")


def add_to(commands: Any) -> None:
    """Add the command below `shouwang sim`."""
    words = "play a capture back over TCP, a serial port or MQTT"
    replay = commands.add_parser("replay", help=words, description=words)
    replay.set_defaults(run=run)
    replay.add_argument("file", type=Path)
    replay.add_argument("--host", default="127.0.0.1")
    replay.add_argument("--port", type=int, help="of the gateway's listener")
    replay.add_argument("--serial", type=Path, metavar="PATH", help="make the port of the gateway here")
    replay.add_argument(
        "--speed", type=float, default=1.0, help="1 as it was, 10 ten times faster, 0 at once"
    )
    replay.add_argument("--device", metavar="OLD=NEW", help="another band's id in place of this one's")
    words = "MQTT: the band's key alone, or one line 'ID KEY' a band"
    replay.add_argument("--key-file", type=Path, help=words)


def run(options: argparse.Namespace) -> int:
    """`shouwang sim replay FILE`: 0 when every reply came, 1 when not, 2 when it cannot be played."""
    from firmware_sim.playback import Pace, renamed
    from gateway.capture_format import CaptureError, read

    try:
        header, pieces = read(options.file.read_bytes().splitlines())
        if options.device is not None:
            old, _, new = options.device.partition("=")
            pieces = renamed(pieces, old, new)
        wrong = _misfit(options, header, pieces)
        key_of = _keys(options.key_file) if options.key_file is not None else None
    except (OSError, CaptureError) as error:
        wrong = str(error)
    if wrong:
        print(wrong, file=sys.stderr)
        return CONFIG_WRONG
    pace = Pace(options.speed, time.monotonic, asyncio.sleep)
    try:
        played = asyncio.run(_play(options, header, pieces, pace, key_of))
    except OSError as error:
        print(f"the gateway cannot be reached: {error}", file=sys.stderr)
        return 1
    print(played)
    return 0 if played.answered == played.replies and not played.cut else 1


def _misfit(options: argparse.Namespace, header: Header, pieces: Sequence[Piece]) -> str:
    """Why this capture cannot be played over what was asked for; empty when it can."""
    if not any(piece.what == "up" for piece in pieces):
        return "no band says anything in this capture"
    if options.speed < 0:
        return "--speed must not be below 0"
    if (options.port is None) == (options.serial is None):
        return "say where to: --port, or --serial"
    if header.transport in OVER_MQTT and options.port is not None and options.key_file is None:
        return f"a capture of {header.transport} is played over MQTT: give the band's key in --key-file"
    return ""


def _keys(file: Path) -> Callable[[str], str]:
    """The keys of a file: one key for whoever asks, or `ID KEY` a line."""
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    named = {words[0]: words[1] for words in lines if len(words) > 1}
    alone = lines[0][0] if len(lines) == 1 and len(lines[0]) == 1 else ""
    return lambda device: named.get(device, alone)


async def _play(
    options: argparse.Namespace,
    header: Header,
    pieces: Sequence[Piece],
    pace: Pace,
    key_of: Callable[[str], str] | None,
) -> Played:
    from firmware_sim.playback import play
    from firmware_sim.playback_wires import MqttWire, SerialWire, TcpWire

    if options.serial is not None:
        port = SerialWire(options.serial.absolute())
        try:
            if not await port.opened(OPENED_WITHIN_S):
                raise ConnectionRefusedError(f"nobody opens {options.serial}")
            return await play(pieces, port, pace)
        finally:
            port.unplug()
    if header.transport in OVER_MQTT and key_of is not None:
        return await play(pieces, MqttWire(options.host, options.port, header.community, key_of), pace)
    return await play(pieces, TcpWire(options.host, options.port), pace)
