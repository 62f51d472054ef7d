"""The MQTT listener, heard through a plain socket and the packets of `gateway.codecs.mqtt`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PingReq,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    Reason,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from gateway.errors import NeedsHuman
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site
from gateway.transports.mqtt_hello import Settings
from gateway.transports.mqtt_listener import TRANSPORT, MqttListener

SITE = Site(gateway="gw-1", community="xinhe", data_dir=Path())
UP, DOWN = "sw/xinhe/band-1/up", "sw/xinhe/band-1/down"
KEYS = {"band-1": b"key-1", "band-2": b"key-2"}
BOTH = pytest.mark.parametrize("version", [V311, V5])


class HoldingSink:
    """A sink that keeps what it hears until the test settles it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Inbound] = asyncio.Queue()
        self.closed_links: asyncio.Queue[Link] = asyncio.Queue()
        self.congested_after: int | None = None
        self._free = asyncio.Event()

    def receive(self, inbound: Inbound) -> None:
        self.heard.put_nowait(inbound)

    def admits(self, device: str, secret: bytes) -> bool:
        return KEYS.get(device) == secret

    def closed(self, link: Link) -> None:
        self.closed_links.put_nowait(link)

    @property
    def congested(self) -> bool:
        return self.congested_after is not None and self.heard.qsize() >= self.congested_after

    async def uncongested(self) -> None:
        await self._free.wait()

    def relieve(self) -> None:
        self.congested_after = None
        self._free.set()

    async def next(self) -> Inbound:
        return await asyncio.wait_for(self.heard.get(), 10)

    async def settle(self, outcome: Outcome = Outcome.STORED, *, replies: tuple[bytes, ...] = ()) -> Inbound:
        inbound = await self.next()
        inbound.settle(Settlement(outcome, replies))
        return inbound


@dataclass
class Band:
    """A client that says exactly what the test tells it to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    version: int
    decoder: mqtt.Decoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = mqtt.Decoder(version=self.version)

    def say(self, *packets: Packet) -> None:
        self.writer.write(b"".join(mqtt.encode(packet, self.version) for packet in packets))

    async def hear(self) -> Packet | None:
        """The next packet; None once the listener has closed."""
        while (packet := self.decoder.next_packet()) is None:
            try:
                data = await asyncio.wait_for(self.reader.read(65_536), 10)
            except ConnectionError:
                return None
            if not data:
                return None
            self.decoder.feed(data)
        return packet

    async def rest(self) -> list[Packet]:
        """All that comes until the listener closes."""
        found = []
        while (packet := await self.hear()) is not None:
            found.append(packet)
        return found

    async def ping(self) -> list[Packet]:
        """All that comes before the answer to a PINGREQ said now: proof of what did not come."""
        self.say(PingReq())
        found: list[Packet] = []
        while (packet := await self.hear()) != PingResp():
            assert packet is not None, f"closed after {found}"
            found.append(packet)
        return found

    def leave(self) -> None:
        self.writer.close()


class Bench:
    """A running listener and the bands of one test."""

    def __init__(self, listener: MqttListener, sink: HoldingSink, port: int) -> None:
        self.listener, self.sink, self.port = listener, sink, port
        self.bands: list[Band] = []

    async def stranger(self, version: int = V311) -> Band:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.bands.append(Band(reader, writer, version))
        return self.bands[-1]

    async def band(
        self, version: int, *, clean: bool = True, present: bool | None = False, **extra: object
    ) -> Band:
        band = await self.stranger(version)
        band.say(hello(version, clean=clean, **extra))
        answer = await band.hear()
        assert isinstance(answer, ConnAck)
        assert answer.code == 0
        if present is not None:
            assert answer.session_present is present
        return band


def hello(version: int, **extra: object) -> Connect:
    given = {"client_id": "c1", "username": "band-1", "password": b"key-1", "keep_alive_s": 60}
    return Connect(version=version, **{**given, **extra})


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Start a listener with these settings; all of them are ended with the test."""
    running: list[asyncio.Task] = []
    benches: list[Bench] = []

    async def start(**settings: object) -> Bench:
        sink = HoldingSink()
        listener = TRANSPORT(Settings(port=0, **settings), sink, SITE)
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        running.append(asyncio.create_task(listener.run(address.set_result)))
        benches.append(Bench(listener, sink, int((await address).rpartition(":")[2])))
        return benches[-1]

    yield start
    for bench in benches:
        for band in bench.bands:
            band.leave()
            with contextlib.suppress(ConnectionError):
                await band.writer.wait_closed()
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def kept(version: int) -> dict:
    """What a client says to have its session kept."""
    return {"clean": False, "properties": {"session_expiry_interval": 600} if version == V5 else {}}


# --------------------------------------------------------------------------- acknowledgement


@BOTH
async def test_puback_comes_after_the_settlement_and_not_before(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"hr", 1, 7))
    inbound = await bench.sink.next()
    assert await band.ping() == []
    inbound.settle(Settlement(Outcome.STORED))
    assert PubAck(7) == await band.hear()
    assert (
        inbound.data,
        inbound.link.device,
        inbound.link.wire,
        inbound.link.protocol,
        inbound.link.streaming,
    ) == (b"hr", "band-1", "mqtt_listener", "senml", False)


@BOTH
async def test_what_goes_to_quarantine_is_acknowledged_too(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"?", 1, 1))
    await bench.sink.settle(Outcome.QUARANTINED)
    assert PubAck(1) == await band.hear()


@BOTH
async def test_what_could_not_be_stored_is_not_acknowledged_and_the_band_must_come_again(
    make: Make, version: int
) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"x", 1, 1))
    await bench.sink.settle(Outcome.UNAVAILABLE)
    said = await band.rest()
    assert [packet for packet in said if isinstance(packet, PubAck)] == []
    assert (bench.listener.counters.unavailable, bench.listener.counters.acknowledged) == (1, 0)


async def test_a_forbidden_device_is_told_so_in_5_0_and_cut_off(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 9))
    await bench.sink.settle(Outcome.FORBIDDEN)
    refused, goodbye = await band.rest()
    assert PubAck(9, Reason.NOT_AUTHORISED) == refused
    assert goodbye.code == Reason.NOT_AUTHORISED


async def test_a_forbidden_device_is_only_cut_off_in_3_1_1(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Publish(UP, b"x", 1, 9))
    await bench.sink.settle(Outcome.FORBIDDEN)
    assert await band.rest() == []


async def test_pubacks_follow_the_order_of_settlement(make: Make) -> None:
    """In order they leave in order; a settlement that overtakes (an SOS) makes its PUBACK overtake."""
    bench = await make()
    band = await bench.band(V311)
    band.say(*(Publish(UP, b"x", 1, number) for number in (1, 2, 3)))
    first, second, sos = [await bench.sink.next() for _ in range(3)]
    for inbound in (sos, first, second):
        inbound.settle(Settlement(Outcome.STORED))
    assert [PubAck(3), PubAck(1), PubAck(2)] == [await band.hear() for _ in range(3)]


async def test_a_settlement_after_the_connection_is_gone_is_harmless(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Publish(UP, b"x", 1, 1), Publish(UP, b"y", 2, 2), Publish(UP, b"z"))
    waiting = [await bench.sink.next() for _ in range(3)]
    band.leave()
    assert (await asyncio.wait_for(bench.sink.closed_links.get(), 10)).device == "band-1"
    for inbound in waiting:
        inbound.settle(Settlement(Outcome.STORED))
    assert (bench.listener.counters.in_flight, bench.listener.counters.acknowledged) == (0, 0)


@BOTH
async def test_qos_0_is_handed_over_and_never_answered(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"x"))
    await bench.sink.settle()
    assert await band.ping() == []


async def test_the_protocols_own_replies_go_down(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)), Publish(UP, b"x", 1, 2))
    await bench.sink.settle(replies=(b"echo",))
    assert [SubAck(1, (1,)), PubAck(2), Publish(DOWN, b"echo", 1, 1)] == [await band.hear() for _ in range(3)]


# --------------------------------------------------------------------------- QoS 2


@BOTH
async def test_qos_2_is_handed_over_once_however_often_it_is_repeated(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    band.say(Publish(UP, b"x", 2, 5), Publish(UP, b"x", 2, 5, dup=True))
    assert await band.ping() == []
    await bench.sink.settle()
    assert PubRec(5) == await band.hear()
    band.say(Publish(UP, b"x", 2, 5, dup=True))
    assert PubRec(5) == await band.hear()
    band.say(PubRel(5))
    assert PubComp(5) == await band.hear()
    assert bench.sink.heard.empty()
    assert (bench.listener.counters.messages, bench.listener.counters.duplicates) == (1, 2)
    band.say(Publish(UP, b"new", 2, 5))
    assert (await bench.sink.settle()).data == b"new"


@BOTH
async def test_a_qos_2_message_pending_through_a_reconnect_is_handed_over_once(
    make: Make, version: int
) -> None:
    bench = await make()
    band = await bench.band(version, **kept(version))
    band.say(Publish(UP, b"x", 2, 5))
    pending = await bench.sink.next()
    band.leave()
    await bench.sink.closed_links.get()
    again = await bench.band(version, present=True, **kept(version))
    again.say(Publish(UP, b"x", 2, 5, dup=True))
    assert await again.ping() == []
    pending.settle(Settlement(Outcome.STORED))
    assert PubRec(5) == await again.hear()
    assert bench.sink.heard.empty()


async def test_an_unknown_pubrel_is_answered_as_each_version_wants(make: Make) -> None:
    bench = await make()
    old, new = await bench.band(V311), await bench.band(V5, client_id="c2")
    old.say(PubRel(3))
    new.say(PubRel(3))
    assert PubComp(3) == await old.hear()
    assert PubComp(3, Reason.ID_NOT_FOUND) == await new.hear()


async def test_a_forbidden_qos_2_message_gets_its_reason_in_pubrec(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 2, 5))
    await bench.sink.settle(Outcome.FORBIDDEN)
    assert PubRec(5, Reason.NOT_AUTHORISED) == (await band.rest())[0]


# --------------------------------------------------------------------------- who may do what


@pytest.mark.parametrize(
    ("username", "password"),
    [("band-1", b"wrong"), ("nobody", b"key-1"), (None, None), ("band-1", None), ("band-1/up", b"")],
)
@BOTH
async def test_wrong_credentials_are_refused_and_counted(
    make: Make, version: int, username: str | None, password: bytes | None
) -> None:
    bench = await make()
    band = await bench.stranger(version)
    band.say(hello(version, username=username, password=password))
    answer = (await band.rest())[0]
    assert (5 if version == V311 else 0x87) == answer.code
    assert (bench.listener.counters.refused, bench.listener.counters.accepted) == (1, 0)
    assert bench.sink.closed_links.empty(), "a link that never was is not closed"


@pytest.mark.parametrize("topic", ["sw/xinhe/band-2/up", DOWN, "sw/other/band-1/up", "up"])
async def test_a_band_publishes_only_its_own_uplink(make: Make, topic: str) -> None:
    bench = await make()
    old, new = await bench.band(V311), await bench.band(V5, client_id="c2")
    for band in (old, new):
        band.say(Publish(topic, b"x", 1, 4))
    assert await old.rest() == []
    assert [PubAck(4, Reason.NOT_AUTHORISED)] == await new.ping()
    assert bench.sink.heard.empty()
    assert bench.listener.counters.forbidden == 2


@pytest.mark.parametrize("wanted", ["sw/xinhe/band-2/down", "sw/xinhe/+/down", "#", UP])
async def test_a_band_subscribes_only_to_its_own_downlink(make: Make, wanted: str) -> None:
    bench = await make()
    old, new = await bench.band(V311), await bench.band(V5, client_id="c2")
    for band in (old, new):
        band.say(Subscribe(6, (Subscription(wanted, 1), Subscription(DOWN, 2))))
    assert SubAck(6, (0x80, 1)) == await old.hear()
    assert SubAck(6, (0x87, 1)) == await new.hear()


async def test_the_first_packet_must_be_connect_and_only_the_first(make: Make) -> None:
    bench = await make()
    mute, twice = await bench.stranger(), await bench.band(V5)
    mute.say(PingReq())
    twice.say(hello(V5))
    assert await mute.rest() == []
    assert [packet.code for packet in await twice.rest()] == [Reason.PROTOCOL_ERROR]


async def test_an_old_protocol_version_is_told_so(make: Make) -> None:
    bench = await make()
    band = await bench.stranger()
    band.writer.write(bytes.fromhex("10 0e 00 06 4d 51 49 73 64 70 03 02 00 3c 00 00"))
    assert [ConnAck(session_present=False, code=1)] == await band.rest()


async def test_who_says_nothing_is_cut_off(make: Make) -> None:
    bench = await make(connect_timeout_s=0.05)
    band = await bench.stranger()
    assert await band.rest() == []
    assert bench.listener.counters.connect_timeouts == 1


async def test_one_connection_too_many_is_hung_up_on(make: Make) -> None:
    bench = await make(max_connections=1)
    first = await bench.band(V311)
    second = await bench.stranger()
    assert await second.rest() == []
    assert await first.ping() == []
    assert (bench.listener.counters.turned_away, bench.listener.counters.connections) == (1, 1)


# --------------------------------------------------------------------------- 5.0 terms


async def test_connack_of_5_0_states_the_terms(make: Make) -> None:
    bench = await make(receive_maximum=7, keep_alive_max_s=30, session_expiry_max_s=100)
    band = await bench.stranger(V5)
    band.say(hello(V5, client_id="", clean=False, properties={"session_expiry_interval": 0xFFFFFFFF}))
    answer = await band.hear()
    assert answer.properties == {
        "receive_maximum": 7,
        "maximum_packet_size": 262_144,
        "wildcard_subscription_available": 0,
        "subscription_identifier_available": 0,
        "shared_subscription_available": 0,
        "assigned_client_identifier": "gw-1-1",
        "server_keep_alive": 30,
        "session_expiry_interval": 100,
    }


async def test_a_kept_session_without_a_client_id_is_refused_in_3_1_1(make: Make) -> None:
    bench = await make()
    band = await bench.stranger()
    band.say(hello(V311, client_id="", clean=False))
    assert [ConnAck(session_present=False, code=2)] == await band.rest()


async def test_a_topic_alias_is_refused_because_none_was_offered(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 1, properties={"topic_alias": 1}))
    assert [packet.code for packet in await band.rest()] == [Reason.TOPIC_ALIAS_INVALID]


async def test_enhanced_authentication_is_refused(make: Make) -> None:
    bench = await make()
    band = await bench.stranger(V5)
    band.say(hello(V5, properties={"authentication_method": "SCRAM-SHA-256"}))
    assert [packet.code for packet in await band.rest()] == [Reason.BAD_AUTHENTICATION_METHOD]


async def test_an_oversized_packet_ends_the_connection(make: Make) -> None:
    bench = await make(max_packet_bytes=2_000)
    band = await bench.band(V5)
    band.say(Publish(UP, bytes(2_000), 1, 1))
    assert [packet.code for packet in await band.rest()] == [Reason.PACKET_TOO_LARGE]
    assert bench.listener.counters.malformed == 1


async def test_user_properties_of_a_message_do_no_harm(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Publish(UP, b"x", 1, 1, properties={"user_property": (("fw", "1.2"),)}))
    assert (await bench.sink.settle()).data == b"x"
    assert PubAck(1) == await band.hear()


# --------------------------------------------------------------------------- flow control


async def test_a_5_0_client_over_its_receive_maximum_is_disconnected(make: Make) -> None:
    bench = await make(receive_maximum=2)
    band = await bench.band(V5)
    band.say(Publish(UP, b"1", 1, 1), Publish(UP, b"2", 2, 2), Publish(UP, b"3", 1, 3))
    assert [packet.code for packet in await band.rest()] == [Reason.RECEIVE_MAXIMUM_EXCEEDED]
    assert bench.sink.heard.qsize() == 2


async def test_a_3_1_1_client_is_read_only_as_fast_as_the_journal_settles(make: Make) -> None:
    bench = await make(receive_maximum=2)
    band = await bench.band(V311)
    band.say(*(Publish(UP, str(number).encode(), 1, number) for number in range(1, 7)))
    settled = []
    for number in range(1, 7):
        inbound = await bench.sink.next()
        assert bench.listener.counters.in_flight <= 2
        inbound.settle(Settlement(Outcome.STORED))
        settled.append(inbound.data)
        assert PubAck(number) == await band.hear()
    assert settled == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert await band.ping() == []


async def test_a_congested_sink_stops_the_reading_until_it_is_free_again(make: Make) -> None:
    bench = await make()
    bench.sink.congested_after = 1
    one, two = await bench.band(V311), await bench.band(V5, client_id="c2")
    one.say(Publish(UP, b"1", 1, 1), Publish(UP, b"2", 1, 2), PingReq())
    first = await bench.sink.next()
    bench.sink.heard.put_nowait(first)
    two.say(Publish(UP, b"3", 1, 1), PingReq())
    while bench.listener.counters.held < 2:  # noqa: ASYNC110 -- counted on this loop, turn by turn
        await asyncio.sleep(0)
    assert bench.sink.heard.qsize() == 2, "one message each, and nothing after it"
    bench.sink.relieve()
    assert PingResp() == await one.hear()
    assert PingResp() == await two.hear()
    assert bench.sink.heard.qsize() == 3


async def test_silence_beyond_the_keep_alive_ends_the_connection_and_leaves_the_will(make: Make) -> None:
    bench = await make(keep_alive_grace=1.0)
    band = await bench.band(V5, keep_alive_s=1, will=Will("any/topic", b"gone"))
    assert [packet.code for packet in await band.rest()] == [Reason.KEEP_ALIVE_TIMEOUT]
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert (bench.listener.counters.keep_alive_timeouts, bench.listener.counters.wills) == (1, 1)


@BOTH
async def test_a_lost_band_leaves_its_will_and_one_that_says_goodbye_does_not(
    make: Make, version: int
) -> None:
    bench = await make()
    polite = await bench.band(version, will=Will("w", b"gone"))
    polite.say(Disconnect())
    assert await polite.rest() == []
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert bench.listener.counters.wills == 0
    lost = await bench.band(version, will=Will("w", b"gone"))
    lost.leave()
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert bench.listener.counters.wills == 1


async def test_disconnect_with_will_leaves_the_will(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, will=Will("w", b"gone"))
    band.say(Disconnect(Reason.DISCONNECT_WITH_WILL))
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert bench.listener.counters.wills == 1


# --------------------------------------------------------------------------- sessions and downlink


async def test_a_second_connection_takes_the_session_over(make: Make) -> None:
    bench = await make()
    old = await bench.band(V5, will=Will("w", b"gone"), **kept(V5))
    new = await bench.band(V5, present=True, **kept(V5))
    assert [packet.code for packet in await old.rest()] == [Reason.TAKEN_OVER]
    assert await new.ping() == []
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    counters = bench.listener.counters
    assert (counters.takeovers, counters.wills, counters.sessions) == (1, 0, 1)


async def test_another_device_with_the_same_client_id_takes_nothing_over(make: Make) -> None:
    bench = await make()
    mine = await bench.band(V311, **kept(V311))
    await bench.band(V311, username="band-2", password=b"key-2", **kept(V311))
    assert await mine.ping() == []
    assert bench.listener.counters.takeovers == 0


async def test_a_device_has_only_so_many_sessions(make: Make) -> None:
    bench = await make(max_sessions_per_device=2)
    bands = [await bench.band(V5, client_id=str(number)) for number in range(3)]
    assert [packet.code for packet in await bands[0].rest()] == [Reason.QUOTA_EXCEEDED]
    assert await bands[1].ping() == []
    assert bench.listener.counters.sessions == 2


@BOTH
async def test_an_order_reaches_the_band_and_is_done_on_its_puback(make: Make, version: int) -> None:
    bench = await make()
    band = await bench.band(version)
    done: list[str] = []
    assert bench.listener.send("band-1", b"locate", lambda: done.append("early")) is False
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    assert SubAck(1, (1,)) == await band.hear()
    assert bench.listener.send("band-1", b"locate", lambda: done.append("locate")) is True
    assert Publish(DOWN, b"locate", 1, 1) == await band.hear()
    assert done == []
    band.say(PubAck(1))
    assert await band.ping() == []
    assert done == ["locate"]


@BOTH
async def test_orders_wait_for_a_band_that_is_away_and_are_repeated_until_it_has_them(
    make: Make, version: int
) -> None:
    bench = await make()
    done: list[int] = []
    band = await bench.band(version, **kept(version))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    assert SubAck(1, (1,)) == await band.hear()
    assert bench.listener.send("band-1", b"1", lambda: done.append(1))
    assert Publish(DOWN, b"1", 1, 1) == await band.hear()
    band.leave()
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert bench.listener.send("band-1", b"2", lambda: done.append(2))
    again = await bench.band(version, present=True, **kept(version))
    assert Publish(DOWN, b"1", 1, 1, dup=True) == await again.hear()
    assert Publish(DOWN, b"2", 1, 2) == await again.hear()
    again.say(PubAck(1), PubAck(2), PubAck(2))
    assert await again.ping() == []
    assert done == [1, 2]


async def test_a_clean_start_forgets_what_waited(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311, **kept(V311))
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    band.leave()
    await bench.sink.closed_links.get()
    assert bench.listener.send("band-1", b"1", pytest.fail)
    again = await bench.band(V311, clean=True)
    assert await again.ping() == []
    assert bench.listener.send("band-1", b"2", pytest.fail) is False


async def test_a_session_ends_with_its_connection_or_when_its_time_is_up(make: Make) -> None:
    bench = await make(session_expiry_max_s=0)
    band = await bench.band(V311, clean=False)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    band.leave()
    await bench.sink.closed_links.get()
    assert bench.listener.send("band-1", b"1", pytest.fail) is False
    assert bench.listener.counters.sessions == 0


async def test_a_full_queue_refuses_orders(make: Make) -> None:
    bench = await make(max_queued_down=2)
    band = await bench.band(V311)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    assert [bench.listener.send("band-1", b"x", pytest.fail) for _ in range(3)] == [True, True, False]
    assert bench.listener.counters.down_refused == 1


async def test_the_bands_own_receive_maximum_and_packet_size_are_kept(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, properties={"receive_maximum": 1, "maximum_packet_size": 60})
    band.say(Subscribe(1, (Subscription(DOWN, 1),)))
    await band.hear()
    for order in (b"1", b"2", bytes(100), b"3"):
        assert bench.listener.send("band-1", order, lambda: None)
    assert [Publish(DOWN, b"1", 1, 1)] == await band.ping()
    band.say(PubAck(1))
    assert [Publish(DOWN, b"2", 1, 2)] == await band.ping()
    band.say(PubAck(2))
    assert [Publish(DOWN, b"3", 1, 4)] == await band.ping()
    assert bench.listener.counters.down_too_large == 1


async def test_after_unsubscribe_nothing_is_sent(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5)
    band.say(Subscribe(1, (Subscription(DOWN, 1),)), Unsubscribe(2, (DOWN, "other")))
    assert [SubAck(1, (1,)), UnsubAck(2, (0, 0x11))] == [await band.hear(), await band.hear()]
    assert bench.listener.send("band-1", b"x", pytest.fail) is False


async def test_a_qos_0_subscriber_is_sent_to_while_it_is_there(make: Make) -> None:
    bench = await make()
    band = await bench.band(V311)
    band.say(Subscribe(1, (Subscription(DOWN, 0),)))
    assert SubAck(1, (0,)) == await band.hear()
    done: list[bool] = []
    assert bench.listener.send("band-1", b"x", lambda: done.append(True))
    assert Publish(DOWN, b"x") == await band.hear()
    assert done == [True]


async def test_an_order_to_two_sessions_of_a_band_is_done_once(make: Make) -> None:
    bench = await make()
    bands = [await bench.band(V311, client_id=name) for name in ("a", "b")]
    done: list[bool] = []
    for band in bands:
        band.say(Subscribe(1, (Subscription(DOWN, 1),)))
        await band.hear()
    assert bench.listener.send("band-1", b"x", lambda: done.append(True))
    for band in bands:
        assert Publish(DOWN, b"x", 1, 1) == await band.hear()
        band.say(PubAck(1))
        await band.ping()
    assert done == [True]


# --------------------------------------------------------------------------- the end


async def test_shutting_down_tells_the_bands_and_closes() -> None:
    sink = HoldingSink()
    listener = TRANSPORT(Settings(port=0), sink, SITE)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(listener.run(address.set_result))
    bench = Bench(listener, sink, int((await address).rpartition(":")[2]))
    band = await bench.band(V5, will=Will("w", b"gone"))
    task.cancel()
    assert [packet.code for packet in await band.rest()] == [Reason.SHUTTING_DOWN]
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (listener.counters.connections, listener.counters.wills) == (0, 0)
    with pytest.raises(ConnectionRefusedError):
        await bench.stranger()
    band.leave()
    await band.writer.wait_closed()


async def test_a_port_in_use_needs_a_human(make: Make) -> None:
    bench = await make()
    second = TRANSPORT(Settings(port=bench.port), HoldingSink(), SITE)
    with pytest.raises(NeedsHuman, match="cannot listen"):
        await second.run(pytest.fail)
