"""The client through a real Mosquitto: nothing is acknowledged before it is settled, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import NeedsHuman
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site
from gateway.transports.mqtt_client import TRANSPORT, MqttClient, MqttClientSettings

pytestmark = pytest.mark.slow

SITE = Site(gateway="gw-1", community="xinhe", data_dir=Path())
UP, DOWN = "sw/xinhe/band-1/up", "sw/xinhe/band-1/down"
STORED = Settlement(Outcome.STORED)
BOTH = pytest.mark.parametrize("protocol", [4, 5])


class HoldingSink:
    """A sink that keeps what it hears until the test settles it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Inbound] = asyncio.Queue()
        self.closed_links: list[Link] = []
        self.congested_after: int | None = None
        self.free = asyncio.Event()

    def receive(self, inbound: Inbound) -> None:
        self.heard.put_nowait(inbound)

    def admits(self, _device: str, _secret: bytes) -> bool:
        return False

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)

    @property
    def congested(self) -> bool:
        return self.congested_after is not None and self.heard.qsize() >= self.congested_after

    async def uncongested(self) -> None:
        await self.free.wait()

    async def next(self) -> Inbound:
        return await asyncio.wait_for(self.heard.get(), 15)


class Gateway:
    """A running client and its sink; it can be ended and another begun, as after a crash."""

    def __init__(self, port: int, **settings: Any) -> None:
        given = {
            "username": "gateway",
            "password": "gateway-key",
            "backoff_min_s": 0.01,
            "backoff_max_s": 0.05,
        }
        self.settings = MqttClientSettings(host="127.0.0.1", port=port, **{**given, **settings})
        self.sink = HoldingSink()
        self.client: MqttClient = TRANSPORT(self.settings, self.sink, SITE)
        self._task: asyncio.Task | None = None

    async def start(self) -> Gateway:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self.client.run(address.set_result))
        await asyncio.wait({address, self._task}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert address.done(), self._task
        assert address.result() == f"127.0.0.1:{self.settings.port}"
        return self

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None


@pytest.fixture
async def gateway() -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    made: list[Gateway] = []

    async def start(port: int, **settings: Any) -> Gateway:
        made.append(Gateway(port, **settings))
        return await made[-1].start()

    yield start
    for one in made:
        await one.stop()


async def command(*words: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return out


async def pub(port: int, message: str, *extra: str, band: str = "band-1") -> None:
    key = band.replace("band", "key")
    await command(
        *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-u", band, "-P", key),
        *("-q", "1", "-t", f"sw/xinhe/{band}/up", "-m", message, *extra),
    )


@BOTH
async def test_what_was_not_settled_comes_again_to_the_next_gateway(mosquitto, gateway, protocol) -> None:
    broker = await mosquitto()
    first = await gateway(broker.port, protocol=protocol)
    for message in ("hr-1", "sos"):
        await pub(broker.port, message)
    (await first.sink.next()).settle(STORED)
    late = await first.sink.next()
    await first.stop()
    late.settle(STORED)
    assert (first.client.counters.acknowledged, first.client.counters.acks_dropped) == (1, 1)
    second = await gateway(broker.port, protocol=protocol)
    again = await second.sink.next()
    again.settle(STORED)
    assert (again.data, again.link.device, again.link.wire) == (b"sos", "band-1", "mqtt_client")
    await second.stop()
    third = await gateway(broker.port, protocol=protocol)
    await pub(broker.port, "last")
    assert (await third.sink.next()).data == b"last", "what was acknowledged does not come again"


@BOTH
async def test_what_comes_while_the_gateway_is_away_waits_at_the_broker(mosquitto, gateway, protocol) -> None:
    broker = await mosquitto()
    first = await gateway(broker.port, protocol=protocol)
    await first.stop()
    await pub(broker.port, "while away")
    second = await gateway(broker.port, protocol=protocol)
    assert (await second.sink.next()).data == b"while away"


@BOTH
async def test_a_message_that_could_not_be_stored_is_delivered_again(mosquitto, gateway, protocol) -> None:
    broker = await mosquitto()
    one = await gateway(broker.port, protocol=protocol)
    await pub(broker.port, "sos")
    (await one.sink.next()).settle(Settlement(Outcome.UNAVAILABLE))
    again = await one.sink.next()
    again.settle(Settlement(Outcome.QUARANTINED))
    assert again.data == b"sos"
    assert (one.client.counters.unavailable, one.client.counters.acknowledged) == (1, 1)


@BOTH
async def test_a_restart_of_the_broker_is_survived(mosquitto, gateway, protocol) -> None:
    """The store keeps the session: an unsettled message comes again, its late settlement is dropped."""
    broker = await mosquitto(persistence=True)
    one = await gateway(broker.port, protocol=protocol)
    await pub(broker.port, "before")
    before = await one.sink.next()
    await broker.stop()
    await broker.start()
    again = await one.sink.next()
    before.settle(STORED)
    again.settle(STORED)
    assert again.data == b"before"
    await pub(broker.port, "after")
    assert (await one.sink.next()).data == b"after"
    assert (
        one.client.counters.connects,
        one.client.counters.acks_dropped,
        one.client.counters.acknowledged,
    ) == (2, 1, 1)


@BOTH
async def test_an_order_reaches_mosquitto_sub(mosquitto, gateway, protocol) -> None:
    broker = await mosquitto()
    one = await gateway(broker.port, protocol=protocol)
    assert one.client.send("band-1", b"locate", pytest.fail) is False, "not heard here yet"
    login = ("-h", "127.0.0.1", "-p", str(broker.port), "-u", "band-1", "-P", "key-1")
    # A session of its own, made first, so that the order cannot be earlier than the subscription.
    kept = ("-i", "sub-1", "-c", "-q", "1", "-t", DOWN)
    await command("mosquitto_sub", *login, *kept, "-E")
    await pub(broker.port, "hello")
    (await one.sink.next()).settle(STORED)
    done = asyncio.get_running_loop().create_future()
    assert one.client.send("band-1", b"locate", lambda: done.set_result(None)) is True
    await asyncio.wait_for(done, 30)
    heard = await command("mosquitto_sub", *login, *kept, "-C", "1", "-V", "5", "-F", "%p %E")
    words, _, left_s = heard.decode().strip().partition(" ")
    assert words == "locate"
    assert not left_s if protocol == 4 else 86_000 < int(left_s) <= 86_400


async def test_orders_taken_while_the_broker_is_away_go_out_when_it_is_back(mosquitto, gateway) -> None:
    broker = await mosquitto(persistence=True)
    one = await gateway(broker.port, max_queued_down=1)
    await pub(broker.port, "hello")
    (await one.sink.next()).settle(STORED)
    await broker.stop()
    done = asyncio.get_running_loop().create_future()
    assert one.client.send("band-1", b"1", lambda: done.set_result(None)) is True
    assert one.client.send("band-1", b"2", pytest.fail) is False, "the queue is bounded"
    await broker.start()
    await asyncio.wait_for(done, 30)
    assert (one.client.counters.down_done, one.client.counters.down_refused) == (1, 1)


async def test_an_order_withdrawn_while_the_broker_is_away_does_not_go_out(mosquitto, gateway) -> None:
    broker = await mosquitto(persistence=True)
    one = await gateway(broker.port)
    await pub(broker.port, "hello")
    (await one.sink.next()).settle(STORED)
    await broker.stop()
    done = asyncio.get_running_loop().create_future()
    finished = functools.partial(done.set_result, None)
    assert one.client.send("band-1", b"find", pytest.fail) is True
    assert [one.client.send("band-1", b"message", finished) for _ in range(2)] == [True, True]
    one.client.withdraw("band-1", b"find")
    await broker.start()
    await asyncio.wait_for(done, 30)
    assert (one.client.counters.down_done, one.client.counters.down_queued) == (1, 2)


async def test_a_congested_sink_leaves_the_messages_at_the_broker(mosquitto, gateway) -> None:
    broker = await mosquitto()
    one = await gateway(broker.port)
    one.sink.congested_after = 1
    await pub(broker.port, "1")
    await pub(broker.port, "2", band="band-2")
    first = await one.sink.next()
    one.sink.heard.put_nowait(first)
    while not one.client.counters.held:  # noqa: ASYNC110 -- counted on this loop, turn by turn
        await asyncio.sleep(0)
    assert one.sink.heard.qsize() == 1
    one.sink.congested_after = None
    one.sink.free.set()
    assert (await one.sink.next()) is first
    assert (await one.sink.next()).data == b"2"


async def test_links_are_bounded_and_the_silent_one_is_closed(mosquitto, gateway) -> None:
    broker = await mosquitto()
    one = await gateway(broker.port, max_links=1)
    for band in ("band-1", "band-2"):
        await pub(broker.port, "x", band=band)
        (await one.sink.next()).settle(STORED)
    assert [link.device for link in one.sink.closed_links] == ["band-1"]
    assert one.client.send("band-1", b"x", pytest.fail) is False


@BOTH
async def test_a_retained_message_of_old_is_no_news(mosquitto, gateway, protocol) -> None:
    """A band that publishes its SOS retained must not call for help at every reconnect of the gateway."""
    broker = await mosquitto()
    await pub(broker.port, "old sos", "-r")
    one = await gateway(broker.port, protocol=protocol)
    await pub(broker.port, "news")
    assert (await one.sink.next()).data == b"news"


async def test_a_shared_subscription_divides_the_messages(mosquitto, gateway) -> None:
    broker = await mosquitto()
    workers = [await gateway(broker.port, share="workers", client_id=f"worker-{n}") for n in range(2)]
    for number in range(4):
        await pub(broker.port, str(number))
    heard = []
    while len(heard) < 4:
        waits = [asyncio.create_task(worker.sink.heard.get()) for worker in workers]
        done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        for task in rest:
            task.cancel()
        heard += [task.result().data for task in done]
    assert sorted(heard) == [b"0", b"1", b"2", b"3"]
    assert all(worker.client.counters.messages for worker in workers)


async def test_a_wrong_password_is_retried_and_not_fatal(mosquitto) -> None:
    broker = await mosquitto()
    wrong = Gateway(broker.port, password="wrong")
    task = asyncio.create_task(wrong.client.run(pytest.fail))
    while wrong.client.counters.failures < 2:  # noqa: ASYNC110 -- the broker is another process
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_missing_certificate_file_needs_a_human(tmp_path: Path) -> None:
    one = Gateway(1, tls_ca=str(tmp_path / "none.pem"))
    with pytest.raises(NeedsHuman, match="tls_ca"):
        await one.client.run(pytest.fail)
