"""`shouwang device mosquitto`: the files of the site's broker, written whole and taken up at once.

It is the command that writes them, never the running gateway:
a band is revoked at the broker when the gateway is down as well, and the gateway needs no right
to signal another program.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.bands.mosquitto import Files

MODE = 0o640


def add_to(asks: Any) -> None:
    """Add the command to those of `shouwang device`."""
    words = "write passwd, acl and mosquitto.conf for the site's own broker"
    ask = asks.add_parser("mosquitto", help=words, description=words)
    ask.set_defaults(run=run)
    ask.add_argument("--config", type=Path, default=Path("config.toml"))
    ask.add_argument("--out", type=Path, help="a folder, instead of the configured one")
    ask.add_argument("--reload", type=Path, metavar="PIDFILE", help="tell the Mosquitto of this file")


def run(options: argparse.Namespace) -> int:
    """`shouwang device mosquitto [--out DIR] [--reload PIDFILE]`."""
    from gateway.desk.configured import CONFIG_WRONG, checked_settings
    from gateway.errors import NeedsHuman

    out = options.out.resolve() if options.out else None
    pid_file = options.reload.resolve() if options.reload else None
    settings = checked_settings(options.config)
    try:
        words = follow(settings, out=out, pid_file=pid_file)
    except NeedsHuman as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG
    print(words or "no table [transports.mqtt_client.mosquitto] in the configuration: nothing to write")
    return 0 if words else CONFIG_WRONG


def follow(settings: Any, *, out: Path | None = None, pid_file: Path | None = None) -> str:
    """Write the files for the bands of now and have Mosquitto take them up; gives what was done in words.

    Empty when the configuration has no such broker. Idempotent; call it after each change of a band.
    Raises NeedsHuman when they cannot be written or Mosquitto cannot be told: the broker has the old ones.
    """
    from gateway.errors import NeedsHuman

    client = settings.transports.get("mqtt_client")
    if client is None or client.mosquitto is None:
        return ""
    if not client.password:
        raise NeedsHuman(
            "Mosquitto still goes by its old files: the gateway has no password of its own there"
        )
    folder = out or Path(client.mosquitto.dir).resolve()
    pid_file = pid_file or (Path(client.mosquitto.pid_file) if client.mosquitto.pid_file else None)
    try:
        with _one_at_a_time(folder):
            made = _made(settings, client, str(folder))
            for name, text in made.texts.items():
                _replace(folder / name, text)
            words = [f"{folder}: {', '.join(made.texts)} written"]
            if pid_file is not None:
                words.append(_reload(pid_file))
    except (OSError, ValueError) as error:
        raise NeedsHuman(f"Mosquitto still goes by its old files: {error}") from error
    if made.left_out:
        words.append("left out, for a user name cannot be so: " + ", ".join(map(repr, made.left_out)))
    return "; ".join(words)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two commands at once must not leave the list of the slower one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _made(settings: Any, client: Any, folder: str) -> Files:
    from gateway.bands.keys import derive
    from gateway.bands.mosquitto import Account, files
    from gateway.desk.device_book import admitted_now
    from gateway.transports.mqtt_hello import on_loopback

    table = client.mosquitto
    own_port = client.port if on_loopback(client.host) and client.port != table.port else None
    return files(
        admitted_now(settings),
        community=settings.site.community,
        account=Account(
            username=client.username,
            verifier=derive(client.password).verifier,
            port=own_port,
            workers=bool(client.share),
        ),
        table=table,
        folder=folder,
    )


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, readable for the group of its folder and nobody else."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchown(file.fileno(), -1, path.parent.stat().st_gid)
        os.fchmod(file.fileno(), MODE)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _reload(pid_file: Path) -> str:
    """Tell the Mosquitto of this file to read its files again; no other program is ever signalled."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "Mosquitto does not run; it will read them when it starts"
    if name != "mosquitto":
        return f"{pid_file} is of an earlier run; Mosquitto will read them when it starts"
    os.kill(pid, signal.SIGHUP)
    return f"Mosquitto ({pid}) told"
