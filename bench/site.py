"""A bench site in a temporary folder: a configuration with many wearers, and the processes around it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_site(
    folder: Path,
    *,
    wearers: int,
    transports: str,
    twilio_port: int,
    second_contact: bool = False,
    protocol: str = "senml",
) -> Path:
    """Write config, keys.json (device -> key) and secrets; every wearer has 2 fences and one contact.

    `second_contact` gives each a second one, whose number begins with +86139 instead of +86138.
    Bands of a `protocol` other than senml have a number for their id (`number_of`) and no key.
    """
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    (secrets / "twilio").write_text("bench-token", encoding="ascii")
    lines = [
        'mode = "demo"',
        '[site]\ngateway = "gw-bench"\ncommunity = "bench"\nname = "bench"\ndata_dir = "var"',
        transports,
        '[sos]\ncarriers = ["twilio"]',
        '[carriers.twilio]\naccount_sid = "ACbench"\nauth_token = { file = "secrets/twilio" }',
        'from_number = "+15005550006"\ncallback_url = "http://127.0.0.1:1/twilio"',
        f'base_url = "http://127.0.0.1:{twilio_port}"',
    ]
    keys = {}
    for number in range(wearers):
        device = f"band-{number:05}" if protocol == "senml" else number_of(number)
        login = ""
        if protocol == "senml":
            keys[device] = f"key-{number:05}"
            (secrets / device).write_text(keys[device], encoding="ascii")
            login = f', key = {{ file = "secrets/{device}" }}'
        lines += [
            f'[[wearers]]\nid = "w{number}"\nname = "王{number}"',
            f'devices = [{{ id = "{device}", protocol = "{protocol}"{login} }}]',
            "contacts = ["
            f'{{ id = "c", name = "李", phone = "+86138{number:08}" }}'
            + (f', {{ id = "d", name = "李", phone = "+86139{number:08}" }}' if second_contact else "")
            + "]",
            '[[wearers.fences]]\nid = "a"\nname = "a"\ncentre = [31.1553, 121.1050]\nradius_m = 400',
            '[[wearers.fences]]\nid = "b"\nname = "b"',
            "polygon = [[31.15, 121.10], [31.15, 121.11], [31.16, 121.11], [31.16, 121.10]]",
        ]
    path = folder / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    (folder / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    return path


def number_of(number: int) -> str:
    """The twelve digits of a band without a key."""
    return f"139{number:09}"


def resident_bytes(pid: int) -> int:
    """What a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@contextmanager
def process(*command: str, ready: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program, wait for a line beginning with `ready`, end it by its own process id."""
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert running.stdout is not None
    try:
        if ready is not None:
            for line in running.stdout:
                if line.startswith(ready):
                    break
            else:
                raise RuntimeError(f"{command} ended before it was ready")
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        running.stdout.close()


def gateway(config: Path) -> tuple[str, ...]:
    """The command of the gateway under test."""
    return (sys.executable, "-m", "shouwang", "gateway", "--config", str(config))


def cpu_s(pid: int) -> float:
    """User and system seconds this process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
