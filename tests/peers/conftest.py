"""Real peers: a Mosquitto of its own for each test that asks for one."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
MOSQUITTO = shutil.which("mosquitto", path=SBIN) or ""

CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {home}/passwd
acl_file {home}/acl
persistence {persistence}
persistence_location {home}/
autosave_interval 1
max_inflight_messages 1000
max_queued_messages 0
log_type none
"""

ACL = """\
user gateway
topic readwrite sw/#
topic readwrite $share/#

pattern write sw/xinhe/%u/up
pattern read sw/xinhe/%u/down
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A Mosquitto of a test: it can be ended and started again on the same port with the same store."""

    home: Path
    port: int
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            MOSQUITTO, "-c", str(self.home / "mosquitto.conf")
        )
        await listening(self.port)

    async def stop(self) -> None:
        """End it in order, so that a persistent one writes its store."""
        if self.process is not None:
            self.process.terminate()
            await self.process.wait()
            self.process = None


async def listening(port: int) -> None:
    """Wait until somebody accepts connections there; the test's own time limit bounds it."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        await writer.wait_closed()
        return


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Broker]]]:
    """Starts brokers that end with the test, each with a store or without: `persistence=True`.

    Users: gateway/gateway-key (everything), band-1/key-1 and band-2/key-2 (their own topics).
    """
    assert MOSQUITTO, "mosquitto is not installed"
    started: list[Broker] = []

    async def start(*, persistence: bool = False) -> Broker:
        home = tmp_path / f"mosquitto-{len(started)}"
        home.mkdir()
        broker = Broker(home, free_port())
        users = {"gateway": "gateway-key", "band-1": "key-1", "band-2": "key-2"}
        (home / "acl").write_text(ACL)
        (home / "acl").chmod(0o700)
        (home / "passwd").write_text("".join(f"{name}:{key}\n" for name, key in users.items()))
        hashing = await asyncio.create_subprocess_exec("mosquitto_passwd", "-U", str(home / "passwd"))
        assert await hashing.wait() == 0
        (home / "passwd").chmod(0o700)
        settings = {"port": broker.port, "home": home, "persistence": str(persistence).lower()}
        # Started by root, Mosquitto becomes the user of this line; it must be able to read its files.
        owner = f"user {home.owner()}\n"
        (home / "mosquitto.conf").write_text(CONFIG.format(**settings) + owner)
        await broker.start()
        started.append(broker)
        return broker

    yield start
    for broker in started:
        await broker.stop()
