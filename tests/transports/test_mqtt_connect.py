"""Coming and going: CONNECT, keep-alive, the will, DISCONNECT, the end (MQTT 3.1, 3.2, 3.12, 3.14)."""

from __future__ import annotations

import asyncio

import pytest
from rigs.mqtt_band import BOTH, SITE, Bench, HoldingSink, Make, hello

from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    ConnAck,
    Disconnect,
    PingReq,
    PingResp,
    PubAck,
    Publish,
    Reason,
    SubAck,
    Subscribe,
    Subscription,
    Will,
)
from gateway.errors import NeedsHuman
from gateway.transports.mqtt_hello import Settings
from gateway.transports.mqtt_listener import TRANSPORT


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


async def test_enhanced_authentication_is_refused(make: Make) -> None:
    bench = await make()
    band = await bench.stranger(V5)
    band.say(hello(V5, properties={"authentication_method": "SCRAM-SHA-256"}))
    assert [packet.code for packet in await band.rest()] == [Reason.BAD_AUTHENTICATION_METHOD]


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


async def test_single_bytes_keep_nobody_alive(make: Make) -> None:
    """Only a whole packet counts for the keep-alive: a client that drips bytes is lost like a silent one."""
    bench = await make()
    band = await bench.band(V311)
    connection = bench.session().connection
    before_s, heard = connection._heard_s, bench.listener.counters.bytes_in
    band.writer.write(b"\xc0")
    while bench.listener.counters.bytes_in == heard:  # noqa: ASYNC110 -- counted on this loop
        await asyncio.sleep(0)
    assert connection._heard_s == before_s
    band.writer.write(b"\x00")
    assert PingResp() == await band.hear()
    assert connection._heard_s > before_s


@BOTH
@pytest.mark.parametrize(("asked_s", "granted_s"), [(60, 60), (0, 1_200), (65_535, 1_200)])
async def test_the_keep_alive_is_the_clients_up_to_ours_and_a_half_more(
    make: Make, version: int, asked_s: int, granted_s: int
) -> None:
    bench = await make()
    await bench.band(version, keep_alive_s=asked_s)
    assert bench.session().connection._limit_s == granted_s * 1.5


@BOTH
async def test_a_pingreq_is_answered(make: Make, version: int) -> None:
    band = await (await make()).band(version)
    band.say(PingReq(), PingReq())
    assert [PingResp(), PingResp()] == [await band.hear(), await band.hear()]


@pytest.mark.parametrize("code", [Reason.UNSPECIFIED, Reason.PROTOCOL_ERROR, Reason.DISCONNECT_WITH_WILL])
async def test_a_goodbye_with_any_reason_but_success_leaves_the_will(make: Make, code: Reason) -> None:
    bench = await make()
    band = await bench.band(V5, will=Will("w", b"gone"))
    band.say(Disconnect(code))
    await asyncio.wait_for(bench.sink.closed_links.get(), 10)
    assert bench.listener.counters.wills == 1


@pytest.mark.parametrize(("qos", "retain"), [(0, False), (1, True), (2, False)])
@BOTH
async def test_a_will_of_any_qos_and_kind_is_taken(
    make: Make, version: int, qos: int, *, retain: bool
) -> None:
    band = await (await make()).band(version, will=Will("any/topic", b"gone", qos, retain))
    assert await band.ping() == []


async def test_a_client_that_cannot_take_our_terms_is_told_so_in_a_packet_it_can(make: Make) -> None:
    bench = await make()
    band = await bench.stranger(V5)
    band.say(hello(V5, properties={"maximum_packet_size": 10}))
    assert [ConnAck(session_present=False, code=Reason.PACKET_TOO_LARGE)] == await band.rest()


async def test_a_client_of_small_packets_gets_no_reason_strings(make: Make) -> None:
    bench = await make()
    for size, said in ((100, False), (1_000, True)):
        refused = await bench.stranger(V5)
        refused.say(hello(V5, password=b"wrong", properties={"maximum_packet_size": size}))
        assert [bool(packet.properties) for packet in await refused.rest()] == [said]
        closed = await bench.band(V5, client_id=str(size), properties={"maximum_packet_size": size})
        closed.say(hello(V5))
        assert [bool(packet.properties) for packet in await closed.rest()] == [said]


async def test_a_client_that_wants_no_problem_information_gets_it_only_with_the_end(make: Make) -> None:
    bench = await make()
    band = await bench.band(V5, properties={"request_problem_information": 0})
    band.say(Publish("another/topic", b"x", 1, 1), Subscribe(2, (Subscription("#", 0),)))
    assert [PubAck(1, Reason.NOT_AUTHORISED), SubAck(2, (0x87,))] == await band.ping()


async def test_response_information_is_never_given(make: Make) -> None:
    bench = await make()
    band = await bench.stranger(V5)
    band.say(hello(V5, properties={"request_response_information": 1}))
    assert "response_information" not in (await band.hear()).properties


@BOTH
@pytest.mark.parametrize("client_id", ["a", "0123456789abcdefghijklm", "甲" * 200, "A/+#$ z"])
async def test_every_client_id_is_allowed(make: Make, version: int, client_id: str) -> None:
    bench = await make()
    await bench.band(version, client_id=client_id)
    assert bench.session(client_id=client_id).connection is not None


@BOTH
async def test_a_client_without_an_id_gets_one_nobody_has(make: Make, version: int) -> None:
    bench = await make()
    await bench.band(version, client_id="gw-1-2")
    await bench.band(version, client_id="")
    await bench.band(version, client_id="")
    assert bench.listener.counters.sessions == 3
    assert len(bench.listener._devices["band-1"]) == 3


async def test_a_password_without_a_user_name_is_read_in_5_0_and_is_nobodys(make: Make) -> None:
    bench = await make()
    band = await bench.stranger(V5)
    band.say(hello(V5, username=None))
    assert [packet.code for packet in await band.rest()] == [Reason.NOT_AUTHORISED]


async def test_a_session_that_was_to_end_cannot_be_kept_by_the_goodbye(make: Make) -> None:
    band = await (await make()).band(V5)
    band.say(Disconnect(0, {"session_expiry_interval": 60}))
    assert [packet.code for packet in await band.rest()] == [Reason.PROTOCOL_ERROR]


async def test_strangers_that_say_nothing_never_keep_a_band_out(make: Make) -> None:
    bench = await make(max_connections=3)
    band = await bench.band(V311)
    first, second = [await bench.stranger() for _ in range(2)]
    other = await bench.band(V311, username="band-2", password=b"key-2")
    assert await first.rest() == [], "the oldest has made room"
    assert await band.ping() == await other.ping() == []
    third = await bench.band(V311, client_id="c3")
    assert await second.rest() == []
    assert await (await bench.stranger()).rest() == [], "no stranger is left to make room"
    assert await third.ping() == []
    counters = bench.listener.counters
    assert (counters.pushed_out, counters.turned_away, counters.connections) == (2, 1, 3)
