"""The command, the running gateway and the broker together: who is revoked is out, and is not believed."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import re
import subprocess
import sys
import time

import pytest
from rigs.mqtt_band import Band, hello

from gateway.codecs.mqtt_packets import V5, ConnAck, PubAck, Publish, Reason

pytestmark = pytest.mark.slow

READING = b'[{"bn":"urn:dev:sw:band-x:","n":"heart_rate","u":"beat/min","v":72}]'
UP = "sw/xinhe/band-x/up"
TABLES = """
[transports.mqtt_client]
host = "127.0.0.1"
port = {own_port}
username = "gateway"
password = {{ file = "{folder}/broker" }}
backoff_max_s = 0.1
[transports.mqtt_client.mosquitto]
dir = "{folder}/broker.d"
pid_file = "{folder}/broker.d/pid"
store_dir = "{folder}/broker.d"
user = "{user}"
port = {port}
"""


class Installer:
    """Who types `shouwang device …` at the box."""

    def __init__(self, house) -> None:
        self.house = house

    async def device(self, *words: str) -> str:
        command = (sys.executable, "-m", "shouwang", "device", *words, "--config", str(self.house.config))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, errors.decode()
        return out.decode()

    async def add(self) -> bytes:
        """A new band; gives its key."""
        said = await self.device("add", "--wearer", "zhang-guilan", "--protocol", "senml", "--id", "band-x")
        (key,) = set(re.findall(r"\b[\w-]{43}\b", said))
        return key.encode()


async def connect(port: int, key: bytes) -> tuple[Band, int]:
    """Say hello as band-x; gives the connection and the code it was answered with."""
    band = Band(*await asyncio.open_connection("127.0.0.1", port), V5)
    band.say(hello(V5, username="band-x", password=key))
    answer = await band.hear()
    assert isinstance(answer, ConnAck)
    return band, answer.code


async def let_in(port: int, key: bytes) -> Band:
    """Connect as soon as the running gateway has heard of the band."""
    while True:
        band, code = await connect(port, key)
        if code == 0:
            return band
        band.leave()
        await asyncio.sleep(0.05)


async def test_a_revoked_band_is_out_of_the_listener(house) -> None:
    made = house()
    await asyncio.to_thread(made.start, "gateway")
    installer, port = Installer(made), int(made.ports["18830"])
    key = await installer.add()
    band = await let_in(port, key)
    band.say(Publish(UP, READING, 1, 1))
    assert PubAck(1) == await band.hear()
    began = time.monotonic()
    revoking = asyncio.create_task(installer.device("revoke", "band-x"))
    (goodbye,) = await band.rest()
    print(f"revoked by command and out of the listener after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 5
    assert goodbye.code == Reason.NOT_AUTHORISED
    await revoking
    again, code = await connect(port, key)
    assert code == Reason.NOT_AUTHORISED
    for one in (band, again):
        one.leave()


@pytest.fixture
async def mosquitto():
    running: list[asyncio.subprocess.Process] = []

    async def start(folder, port: int) -> None:
        running.append(
            await asyncio.create_subprocess_exec(
                *("/usr/sbin/mosquitto", "-c", str(folder / "broker.d/mosquitto.conf")),
                stderr=subprocess.DEVNULL,
            )
        )
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)

    yield start
    for process in running:
        process.terminate()
        await process.wait()


async def test_a_revoked_band_is_out_of_mosquitto_and_what_waits_of_it_is_not_believed(
    house, mosquitto, tmp_path, free_port
) -> None:
    made, port = house(), free_port()
    (tmp_path / "broker").write_text("gateway-key")
    (tmp_path / "broker.d").mkdir()
    words = {"port": port, "own_port": free_port(), "folder": tmp_path, "user": getpass.getuser()}
    with made.config.open("a", encoding="utf-8") as file:
        file.write(TABLES.format(**words))
    installer = Installer(made)
    key = await installer.add()
    await mosquitto(tmp_path, port)
    gateway = await asyncio.to_thread(made.start, "gateway")
    band = await let_in(port, key)
    band.say(Publish(UP, READING, 1, 1))
    assert PubAck(1) == await band.hear()
    believed = "select count(*) from events where device = 'band-x'"
    while made.query(believed) != [(1,)]:  # noqa: ASYNC110 -- the gateway is another process
        await asyncio.sleep(0.05)
    await asyncio.to_thread(gateway.stop)
    band.say(Publish(UP, READING, 1, 2))
    assert PubAck(2) == await band.hear(), "Mosquitto keeps it for the gateway"
    began = time.monotonic()
    revoking = asyncio.create_task(installer.device("revoke", "band-x"))
    assert await band.rest() == []
    print(f"revoked by command and out of Mosquitto after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 5
    assert "told" in await revoking
    again, code = await connect(port, key)
    assert code == Reason.NOT_AUTHORISED
    await asyncio.to_thread(made.start, "gateway")
    while not made.query("select reason from quarantine"):  # noqa: ASYNC110 -- the same
        await asyncio.sleep(0.05)
    assert made.query("select reason from quarantine") == [("unknown device",)]
    assert made.query(believed) == [(1,)]
    for one in (band, again):
        one.leave()
