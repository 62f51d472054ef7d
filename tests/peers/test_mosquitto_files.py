"""A real Mosquitto on exactly the generated files: nobody speaks for another, and who is revoked is out."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from rigs.certificates import Authority
from rigs.mqtt_band import Band, HoldingSink, hello

from gateway.bands.allow_list import StoredDevice
from gateway.bands.keys import derive
from gateway.bands.store import DeviceStore
from gateway.codecs.mqtt_packets import V5, ConnAck, Publish, SubAck, Subscribe, Subscription
from gateway.config import Settings, load
from gateway.desk.mosquitto import follow
from gateway.paths import devices_path
from gateway.transports.base import Outcome, Settlement, Site
from gateway.transports.mqtt_client import TRANSPORT, MqttClient

pytestmark = pytest.mark.slow

SBIN = "/usr/sbin/mosquitto"
UP_A, DOWN_A, UP_B, DOWN_B = (f"sw/xinhe/{band}/{way}" for band in ("a", "b") for way in ("up", "down"))
STORED = Settlement(Outcome.STORED)
TABLES = """
[transports.mqtt_client]
host = "127.0.0.1"
port = {own_port}
username = "gateway"
password = {{ file = "broker" }}
backoff_min_s = 0.01
backoff_max_s = 0.05
{client}
[transports.mqtt_client.mosquitto]
dir = "broker.d"
pid_file = "{folder}/broker.d/pid"
store_dir = "{folder}/broker.d"
user = "{user}"
port = {port}
{table}
"""


class Desk:
    """An installer's box: its configuration, its bands a and b, its Mosquitto, its gateway's client."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.client_settings = settings.transports["mqtt_client"]
        self.port = self.client_settings.mosquitto.port
        self.sink = HoldingSink()
        self.client: MqttClient = TRANSPORT(
            self.client_settings, self.sink, Site(gateway="gw-1", community="xinhe", data_dir=folder)
        )
        self.process: asyncio.subprocess.Process | None = None

    def put(self, band: str, *, state: str = "active", key: str = "") -> str:
        """Write a band into the store and follow, as `shouwang device` does."""
        store = DeviceStore(devices_path(self.settings), make=True)
        row = {"device": band, "wire_id": band, "protocol": "senml", "wearer": "zhang", "state": state}
        with contextlib.closing(store), store.changing():
            new = msgspec.convert({**row, "keys": derive(key or f"key-{band}")}, StoredDevice)
            store.put(new, what="test", who="test", at_ms=1)
        return follow(self.settings)

    async def start_broker(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(SBIN, "-c", str(self.folder / "broker.d/mosquitto.conf")), stderr=subprocess.DEVNULL
        )
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return

    def words(self, program: str, band: str | None, topic: str, *more: str, key: str = "") -> list[str]:
        login = ["-u", band, "-P", key or f"key-{band}", "-i", f"{band}-{program}"] if band else []
        return [program, "-h", "127.0.0.1", "-p", str(self.port), *login, "-t", topic, "-q", "1", *more]

    async def run(self, *words: str) -> tuple[int, bytes, bytes]:
        process = await self.begin(*words)
        out, errors = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode or 0, out, errors

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    async def say(self, band: str, topic: str, message: str, *more: str, key: str = "") -> tuple[int, bytes]:
        code, _, errors = await self.run(
            *self.words("mosquitto_pub", band, topic, "-m", message, *more, key=key)
        )
        return code, errors

    async def order(self, band: str, order: bytes, subscriber: asyncio.subprocess.Process) -> bytes:
        """Send an order until the subscriber has one and ends; gives what it printed."""
        while subscriber.returncode is None:
            assert self.client.send(band, order, lambda: None)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(subscriber.wait(), 0.2)
        return (await subscriber.communicate())[0]

    async def band(self, name: str) -> Band:
        """A band that is connected and listens."""
        band = Band(*await asyncio.open_connection("127.0.0.1", self.port), V5)
        band.say(hello(V5, client_id=name, username=name, password=f"key-{name}".encode()))
        band.say(Subscribe(1, (Subscription(f"sw/xinhe/{name}/down", 1),)))
        assert [type(await band.hear()), type(await band.hear())] == [ConnAck, SubAck]
        return band

    async def heard(self) -> tuple[str | None, bytes]:
        inbound = await self.sink.next()
        inbound.settle(STORED)
        return inbound.link.device, inbound.data


@pytest.fixture
async def desk(small_config, tmp_path, free_port) -> AsyncIterator[Callable[..., Awaitable[Desk]]]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            *, client: str = "", table: str = "", own_door: bool = True, serve: bool = True
        ) -> Desk:
            (tmp_path / "broker").write_text("gateway-key")
            (tmp_path / "broker.d").mkdir()
            port = free_port()
            words = {"client": client, "table": table, "folder": tmp_path, "user": getpass.getuser()}
            tables = TABLES.format(port=port, own_port=free_port() if own_door else port, **words)
            made = Desk(
                load(small_config(('data_dir = "var"', f'data_dir = "{tmp_path}"'), more=tables)), tmp_path
            )
            made.put("a")
            made.put("b")
            await made.start_broker()
            stack.push_async_callback(ended, made)
            if serve:
                await connected(made, stack)
            return made

        with contextlib.chdir(tmp_path):
            yield start


async def connected(made: Desk, stack: contextlib.AsyncExitStack) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(made.client.run(ready.set_result))
    stack.push_async_callback(cancelled, task)
    await asyncio.wait_for(ready, 20)


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def ended(made: Desk) -> None:
    if made.process is not None:
        made.process.terminate()
        await made.process.wait()


async def test_a_band_publishes_its_own_uplink_and_never_anothers(desk) -> None:
    made = await desk()
    assert await made.say("a", UP_A, "mine") == (0, b"")
    assert await made.heard() == ("a", b"mine")
    await made.say("a", UP_B, "as b")
    await made.say("a", DOWN_B, "an order for b")
    await made.say("b", UP_B, "after")
    assert await made.heard() == ("b", b"after"), "what a said for b did not arrive"


async def test_a_band_reads_its_own_downlink_and_never_anothers(desk) -> None:
    made = await desk()
    for band, topic in (("a", UP_A), ("b", UP_B)):
        await made.say(band, topic, "hello")
        await made.heard()
    spying = ("-t", "#", "-t", DOWN_A, "-C", "1", "-v")
    spy = await made.begin(*made.words("mosquitto_sub", "a", DOWN_B, *spying))
    own = await made.begin(*made.words("mosquitto_sub", "b", DOWN_B, "-C", "1", "-v"))
    assert await made.order("b", b"for b", own) == b"sw/xinhe/b/down for b\n"
    assert await made.order("a", b"for a", spy) == b"sw/xinhe/a/down for a\n", "b's came first, if at all"


async def test_a_stranger_a_wrong_key_and_no_name_at_all_are_refused(desk) -> None:
    made = await desk()
    assert (await made.say("a", UP_A, "x", key="wrong"))[0] != 0
    assert (await made.say("nobody", UP_A, "x"))[0] != 0
    code, _, errors = await made.run(*made.words("mosquitto_pub", None, UP_A, "-m", "x"))
    assert code != 0
    assert b"uthori" in errors


async def test_a_band_cannot_take_over_the_session_of_another(desk) -> None:
    made = await desk()
    await made.say("b", UP_B, "hello")
    await made.heard()
    watching = await made.begin(*made.words("mosquitto_sub", "b", DOWN_B, "-C", "1"))
    assert (await made.say("a", UP_A, "x", "-i", "b-mosquitto_sub"))[0] == 0
    await made.heard()
    assert await made.order("b", b"locate", watching) == b"locate\n"


async def test_a_band_that_calls_itself_as_the_gateway_takes_nothing_of_what_waits_for_it(desk) -> None:
    made = await desk(own_door=False, serve=False)
    async with contextlib.AsyncExitStack() as once:
        await connected(made, once)
    assert (await made.say("b", UP_B, "fell down"))[0] == 0, "acknowledged while the gateway is away"
    assert (await made.say("a", UP_A, "x", "-i", "shouwang-gw-1"))[0] == 0
    made.client = TRANSPORT(made.client_settings, made.sink, made.client.site)
    async with contextlib.AsyncExitStack() as again:
        await connected(made, again)
        heard = {await asyncio.wait_for(made.heard(), 10) for _ in range(2)}
    assert heard == {("b", b"fell down"), ("a", b"x")}


async def test_a_band_that_sets_the_retain_flag_is_heard_like_any_other_and_once(desk) -> None:
    made = await desk()
    assert (await made.say("a", UP_A, "help", "-r"))[0] == 0
    assert await asyncio.wait_for(made.heard(), 10) == ("a", b"help")
    async with contextlib.AsyncExitStack() as another:
        made.client = TRANSPORT(
            made.client_settings, made.sink, Site(gateway="gw-2", community="xinhe", data_dir=made.folder)
        )
        await connected(made, another)
        assert (await made.say("a", UP_A, "next"))[0] == 0
        assert await made.heard() == ("a", b"next"), "what is kept for a new subscriber is old"


async def test_a_revoked_band_that_is_connected_is_out_and_stays_out(desk) -> None:
    made = await desk()
    a, b = [await made.band(name) for name in ("a", "b")]
    began = time.monotonic()
    assert "told" in made.put("a", state="revoked")
    assert await a.rest() == [], "cut off without a word"
    print(f"revoked and out of Mosquitto after {time.monotonic() - began:.3f} s")
    assert time.monotonic() - began < 5
    assert (await made.say("a", UP_A, "x"))[0] != 0
    assert await b.ping() == [], "the other one is not disturbed"
    b.say(Publish(UP_B, b"still here", 1, 1))
    assert await made.heard() == ("b", b"still here"), "nor is the gateway"
    for band in (a, b):
        band.leave()


async def test_a_rotated_key_lets_the_old_one_out_and_the_new_one_in(desk) -> None:
    made = await desk()
    made.put("a", key="new-key")
    while (await made.say("a", UP_A, "x"))[0] == 0:
        pass
    assert (await made.say("a", UP_A, "renewed", key="new-key"))[0] == 0


async def test_mosquitto_and_the_gateway_know_each_other_by_certificates(desk, tmp_path) -> None:
    """The gateway comes through the bands' door: a private authority, and a certificate on both sides."""
    site, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    broker, gateway, band = (site.issue(name) for name in ("broker", "gateway", "a"))
    made = await desk(
        own_door=False,
        client=f'tls_ca = "{site.ca}"\ntls_certificate = "{gateway[0]}"\ntls_key_file = "{gateway[1]}"',
        table=f'certificate = "{broker[0]}"\nkey_file = "{broker[1]}"\nclient_ca = "{site.ca}"',
    )
    mine = ("--cert", str(band[0]), "--key", str(band[1]))
    assert await made.say("a", UP_A, "in private", "--cafile", str(site.ca), *mine) == (0, b"")
    assert await made.heard() == ("a", b"in private")
    strange, expired = other.issue("a"), site.issue("a", file="old", days=-1)
    for wrong in (
        ("--cafile", str(site.ca)),
        ("--cafile", str(other.ca), *mine),
        ("--cafile", str(site.ca), "--cert", str(strange[0]), "--key", str(strange[1])),
        ("--cafile", str(site.ca), "--cert", str(expired[0]), "--key", str(expired[1])),
    ):
        assert (await made.say("a", UP_A, "x", *wrong))[0] != 0


@pytest.mark.parametrize("fault", ["authority", "name", "none"])
async def test_the_client_refuses_a_broker_it_does_not_know(desk, tmp_path, fault) -> None:
    site, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    broker = site.issue("broker", san="DNS:elsewhere.example" if fault == "name" else "IP:127.0.0.1")
    own = site.issue("gateway")
    trusted = other.ca if fault == "authority" else site.ca
    certificate = f'\ntls_certificate = "{own[0]}"\ntls_key_file = "{own[1]}"' if fault != "none" else ""
    made = await desk(
        own_door=False,
        serve=False,
        client=f'tls_ca = "{trusted}"{certificate}',
        table=f'certificate = "{broker[0]}"\nkey_file = "{broker[1]}"\nclient_ca = "{site.ca}"',
    )
    task = asyncio.create_task(made.client.run(pytest.fail))
    while made.client.counters.failures < 2:  # noqa: ASYNC110 -- the broker is another process
        await asyncio.sleep(0.01)
    await cancelled(task)
    assert made.client.counters.connects == 0
