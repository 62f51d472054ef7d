"""Real clients against our listener: mosquitto_pub, mosquitto_sub and paho, in both versions."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site
from gateway.transports.mqtt_hello import Settings
from gateway.transports.mqtt_listener import TRANSPORT, MqttListener

pytestmark = pytest.mark.slow

SITE = Site(gateway="gw-1", community="xinhe", data_dir=Path())
UP, DOWN = "sw/xinhe/band-1/up", "sw/xinhe/band-1/down"
STORED = Settlement(Outcome.STORED)
LOGIN = ("-h", "127.0.0.1", "-u", "band-1", "-P", "key-1", "-i", "pub-1")


class HoldingSink:
    """A sink that keeps what it hears until the test settles it."""

    congested = False

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Inbound] = asyncio.Queue()
        self.gone: asyncio.Queue[Link] = asyncio.Queue()

    def receive(self, inbound: Inbound) -> None:
        self.heard.put_nowait(inbound)

    def admits(self, device: str, secret: bytes) -> bool:
        return (device, secret) == ("band-1", b"key-1")

    def closed(self, link: Link) -> None:
        self.gone.put_nowait(link)

    async def uncongested(self) -> None:
        return


@pytest.fixture
async def listener() -> AsyncIterator[tuple[MqttListener, HoldingSink, int]]:
    sink = HoldingSink()
    transport = TRANSPORT(Settings(port=0), sink, SITE)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(transport.run(address.set_result))
    yield transport, sink, int((await address).rpartition(":")[2])
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def run(*command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["1", "2"])
async def test_mosquitto_pub_ends_only_after_the_settlement(listener, version: str, qos: str) -> None:
    """With QoS 1 or 2 it waits for its acknowledgement before it disconnects and exits with 0."""
    transport, sink, port = listener
    pub = await run("mosquitto_pub", *LOGIN, "-V", version, "-p", str(port), "-q", qos, "-t", UP, "-m", "sos")
    inbound = await asyncio.wait_for(sink.heard.get(), 20)
    assert inbound.data == b"sos"
    assert pub.returncode is None
    assert transport.counters.connections == 1, "it still waits"
    inbound.settle(STORED)
    _, errors = await asyncio.wait_for(pub.communicate(), 20)
    assert (pub.returncode, errors) == (0, b"")
    assert (transport.counters.messages, transport.counters.wills) == (1, 0)


async def test_paho_repeats_what_could_not_be_stored(listener) -> None:
    """A kept session and no PUBACK: the client connects again and the message comes a second time."""
    transport, sink, port = listener
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id="p", protocol=paho.MQTTv311, clean_session=False
    )
    client.username_pw_set("band-1", "key-1")
    await asyncio.to_thread(client.connect, "127.0.0.1", port)
    client.loop_start()
    try:
        info = client.publish(UP, b"sos", qos=1)
        first = await asyncio.wait_for(sink.heard.get(), 20)
        first.settle(Settlement(Outcome.UNAVAILABLE))
        second = await asyncio.wait_for(sink.heard.get(), 20)
        assert not info.is_published()
        second.settle(STORED)
        await asyncio.to_thread(info.wait_for_publish, 20)
        assert info.is_published()
    finally:
        await asyncio.to_thread(client.disconnect)
        await asyncio.to_thread(client.loop_stop)
    assert first.data == second.data == b"sos"
    assert (
        transport.counters.accepted,
        transport.counters.unavailable,
        transport.counters.acknowledged,
    ) == (2, 1, 1)


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_with_a_wrong_key_is_refused(listener, version: str) -> None:
    transport, _, port = listener
    login = (*LOGIN[:-3], "wrong", "-i", "x")
    pub = await run("mosquitto_pub", *login, "-V", version, "-p", str(port), "-q", "1", "-t", UP, "-m", "x")
    _, errors = await asyncio.wait_for(pub.communicate(), 20)
    assert pub.returncode != 0
    assert b"uthori" in errors
    assert transport.counters.refused == 1


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_sub_hears_its_orders(listener, version: str) -> None:
    transport, sink, port = listener
    sub = await run(
        *("mosquitto_sub", *LOGIN, "-V", version, "-p", str(port), "-q", "1", "-t", DOWN, "-C", "1")
    )
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    while not transport.send("band-1", b"locate", lambda: done.set_result(None)):  # noqa: ASYNC110 -- a process
        await asyncio.sleep(0.01)
    out, _ = await asyncio.wait_for(sub.communicate(), 20)
    await asyncio.wait_for(done, 20)
    assert (sub.returncode, out) == (0, b"locate\n")
    assert (await asyncio.wait_for(sink.gone.get(), 20)).device == "band-1"


@pytest.mark.parametrize("version", [paho.MQTTv311, paho.MQTTv5])
async def test_paho_publishes_and_hears(listener, version: int) -> None:
    transport, sink, port = listener
    loop = asyncio.get_running_loop()
    subscribed: asyncio.Future[list] = loop.create_future()
    heard: asyncio.Future[bytes] = loop.create_future()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="paho", protocol=version)
    client.username_pw_set("band-1", "key-1")
    client.on_connect = lambda *_: client.subscribe(DOWN, qos=1)
    client.on_subscribe = lambda _c, _u, _m, codes, _p: loop.call_soon_threadsafe(
        subscribed.set_result, codes
    )
    client.on_message = lambda _c, _u, message: loop.call_soon_threadsafe(heard.set_result, message.payload)
    await asyncio.to_thread(client.connect, "127.0.0.1", port)
    client.loop_start()
    try:
        assert [code.value for code in await asyncio.wait_for(subscribed, 20)] == [1]
        sent = [client.publish(UP, b"reading", qos=qos) for qos in (1, 2)]
        for _ in sent:
            inbound = await asyncio.wait_for(sink.heard.get(), 20)
            inbound.settle(STORED)
        for info in sent:
            await asyncio.to_thread(info.wait_for_publish, 20)
            assert info.is_published()
        assert transport.send("band-1", b"locate", lambda: None)
        assert await asyncio.wait_for(heard, 20) == b"locate"
    finally:
        await asyncio.to_thread(client.disconnect)
        await asyncio.to_thread(client.loop_stop)
    assert transport.counters.wills == 0
