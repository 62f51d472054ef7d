"""The TLS door of the listener: who comes in, who does not, and what bounds the handshakes."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from rigs.certificates import Authority
from rigs.mqtt_band import UP, Band, Bench, Make, hello, served

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import V311, ConnAck, PubAck, Publish
from gateway.errors import NeedsHuman
from gateway.transports.mqtt_hello import Settings, on_loopback
from gateway.transports.tls import Certificates, ServerTls, device_names

YES, NO = ConnAck(session_present=False, code=0), ConnAck(session_present=False, code=5)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.issue("gateway")
    made.issue("band-1", san="URI:urn:dev:sw:band-1")
    made.issue("band-2")
    made.issue("serial 4711", file="by-urn", san="URI:urn:dev:sw:band-1")
    made.issue("band-1", file="expired", days=-1)
    return made


Secure = Callable[..., Awaitable[Bench]]


@pytest.fixture
def secure(make: Make, authority: Authority) -> Secure:
    """Start a listener with TLS only."""

    async def start(pem: str = "gateway", **tls: object) -> Bench:
        return await make(**wish(authority, pem, **tls))

    return start


def wish(authority: Authority, pem: str = "gateway", **tls: object) -> dict[str, object]:
    """The settings of a listener with TLS only."""
    own, key = pair(authority, pem)
    given = {"certificate": str(own), "key_file": str(key), "port": 0, **tls}
    return {"plain": "off", "tls": ServerTls(**given)}


def pair(authority: Authority, name: str) -> tuple[Path, Path]:
    return authority.folder / f"{name}.pem", authority.folder / f"{name}.key"


async def dial(bench: Bench, context: ssl.SSLContext, name: str = "localhost") -> Band:
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=context, server_hostname=name)
    bench.bands.append(Band(reader, writer, V311))
    return bench.bands[-1]


async def greeting(bench: Bench, context: ssl.SSLContext, **extra: object) -> object:
    """What a CONNECT is answered with over TLS; None when the connection is closed instead."""
    band = await dial(bench, context)
    band.say(hello(V311, **extra))
    return await band.hear()


async def test_a_band_is_acknowledged_through_tls(secure: Secure, authority: Authority) -> None:
    bench = await secure()
    band = await dial(bench, authority.trust())
    band.say(hello(V311), Publish(UP, b"hr", 1, 7))
    assert await band.hear() == YES
    assert (await bench.sink.settle()).data == b"hr"
    assert PubAck(7) == await band.hear()
    band.say(Publish(UP, bytes(200_000), 1, 8))
    await bench.sink.settle()
    assert PubAck(8) == await band.hear()


def test_the_same_on_uvloop_which_the_gateway_runs_on(authority: Authority) -> None:
    async def story() -> None:
        settings = wish(authority, client_ca=str(authority.ca), require_client_certificate=True)
        async with served(**settings) as bench:
            band = await dial(bench, authority.trust(pair(authority, "band-1")))
            band.say(hello(V311), Publish(UP, bytes(200_000), 1, 7))
            assert await band.hear() == YES
            await bench.sink.settle()
            assert PubAck(7) == await band.hear()
            assert await greeting(bench, authority.trust(pair(authority, "band-2"))) == NO
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                assert await greeting(bench, authority.trust()) is not None
            silent = await bench.stranger()
            silent.leave()
            while bench.listener.counters.handshakes_failed < 2:  # noqa: ASYNC110 -- counted on this loop
                await asyncio.sleep(0)
            assert bench.listener.counters.connections == 1

    uvloop.run(story())


async def test_a_wrong_key_is_refused_through_tls_too(secure: Secure, authority: Authority) -> None:
    bench = await secure()
    assert await greeting(bench, authority.trust(), password=b"wrong") == NO


async def test_a_band_refuses_a_listener_of_another_authority(
    secure: Secure, authority: Authority, tmp_path: Path
) -> None:
    bench = await secure()
    with pytest.raises(ssl.SSLCertVerificationError):
        await dial(bench, Authority(tmp_path, "other").trust())
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        await dial(bench, authority.trust(), "other.example")
    while bench.listener.counters.handshakes_failed < 2:  # noqa: ASYNC110 -- counted on this loop
        await asyncio.sleep(0)
    assert await greeting(bench, authority.trust()) == YES


async def test_a_band_refuses_a_listener_whose_certificate_has_expired(
    secure: Secure, authority: Authority
) -> None:
    bench = await secure("expired")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await dial(bench, authority.trust())


async def test_tls_before_1_2_is_refused(
    secure: Secure, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await secure()
    old = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        *("-connect", f"127.0.0.1:{bench.port}", "-CAfile", str(authority.ca)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert await asyncio.wait_for(old.wait(), 20) == 1
    assert "unsupported protocol" in caplog.text


@pytest.mark.parametrize("mine", [None, "expired", "strange"])
async def test_no_certificate_or_a_bad_one_does_not_come_in_where_one_is_required(
    secure: Secure, authority: Authority, tmp_path: Path, mine: str | None
) -> None:
    bench = await secure(client_ca=str(authority.ca), require_client_certificate=True)
    strange = Authority(tmp_path, "other").issue("band-1") if mine == "strange" else None
    given = strange or (None if mine is None else pair(authority, mine))
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        assert await greeting(bench, authority.trust(given)) is not None
    while not bench.listener.counters.handshakes_failed:  # noqa: ASYNC110 -- counted on this loop
        await asyncio.sleep(0)
    assert (bench.listener.counters.accepted, bench.listener.counters.connections) == (0, 0)


@pytest.mark.parametrize(("mine", "answer"), [("band-1", YES), ("by-urn", YES), ("band-2", NO)])
async def test_a_band_comes_in_with_its_own_certificate_and_not_with_anothers(
    secure: Secure, authority: Authority, mine: str, answer: ConnAck
) -> None:
    bench = await secure(client_ca=str(authority.ca), require_client_certificate=True)
    assert await greeting(bench, authority.trust(pair(authority, mine))) == answer


async def test_a_certificate_does_not_replace_the_key_unless_told_so(
    secure: Secure, authority: Authority
) -> None:
    both = await secure(client_ca=str(authority.ca))
    certified = authority.trust(pair(authority, "band-1"))
    assert await greeting(both, certified, password=None) == NO
    assert await greeting(both, authority.trust()) == YES, "none is required here"
    either = await secure(client_ca=str(authority.ca), certificate_is_login=True)
    assert await greeting(either, certified, password=None) == YES
    assert await greeting(either, certified, username="band-2", password=b"key-2") == NO
    assert await greeting(either, authority.trust(), password=b"wrong") == NO


async def test_a_certificate_of_a_revoked_band_is_no_login(secure: Secure, authority: Authority) -> None:
    bench = await secure(client_ca=str(authority.ca), certificate_is_login=True)
    bench.sink.revoked.add("band-1")
    assert await greeting(bench, authority.trust(pair(authority, "band-1"))) == NO


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_a_resumed_tls_session_brings_no_revoked_band_back_nor_another(
    secure: Secure, authority: Authority, version: ssl.TLSVersion
) -> None:
    bench = await secure(client_ca=str(authority.ca), certificate_is_login=True)
    context = authority.trust(pair(authority, "band-1"))
    context.minimum_version = context.maximum_version = version

    def answer(session: ssl.SSLSession | None, name: str) -> tuple[bytes, ssl.SSLSession | None, bool]:
        raw = socket.create_connection(("127.0.0.1", bench.port))
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as line:
            line.sendall(mqtt.encode(hello(V311, password=None, username=name), V311))
            return line.recv(4), line.session, bool(line.session_reused)

    yes, session, _ = await asyncio.to_thread(answer, None, "band-1")
    assert yes == mqtt.encode(YES, V311)
    yes, session, resumed = await asyncio.to_thread(answer, session, "band-1")
    assert (yes, resumed) == (mqtt.encode(YES, V311), True)
    no, session, resumed = await asyncio.to_thread(answer, session, "band-2")
    assert (no, resumed) == (mqtt.encode(NO, V311), True)
    bench.sink.revoked.add("band-1")
    no, _, resumed = await asyncio.to_thread(answer, session, "band-1")
    assert (no, resumed) == (mqtt.encode(NO, V311), True)


async def test_a_band_revoked_between_its_handshake_and_its_connect_is_refused(
    secure: Secure, authority: Authority
) -> None:
    bench = await secure(client_ca=str(authority.ca), certificate_is_login=True)
    band = await dial(bench, authority.trust(pair(authority, "band-1")))
    bench.sink.revoked.add("band-1")
    bench.listener.forget("band-1")
    band.say(hello(V311, password=None))
    assert await band.hear() == NO


async def test_a_renewed_certificate_is_used_without_a_restart(
    secure: Secure, authority: Authority, tmp_path: Path
) -> None:
    files = {"certificate": tmp_path / "own.pem", "key_file": tmp_path / "own.key"}
    for source, target in zip(pair(authority, "expired"), files.values(), strict=True):
        target.write_bytes(source.read_bytes())
    bench = await secure(**{name: str(path) for name, path in files.items()})
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await dial(bench, authority.trust())
    for source, target in zip(pair(authority, "gateway"), files.values(), strict=True):
        (tmp_path / "new").write_bytes(source.read_bytes())
        (tmp_path / "new").replace(target)
    assert await greeting(bench, authority.trust()) == YES


def test_a_renewal_that_does_not_fit_together_leaves_the_last_good_one(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own.pem", tmp_path / "own.key"
    for source, target in zip(pair(authority, "gateway"), own, strict=True):
        target.write_bytes(source.read_bytes())
    held = Certificates(ServerTls(certificate=str(own[0]), key_file=str(own[1])))
    good = held.current()
    own[1].write_bytes(pair(authority, "band-1")[1].read_bytes())
    os.utime(own[1], ns=(1, 1))
    assert held.current() is good
    assert held.current() is good
    assert [record.levelname for record in caplog.records] == ["ERROR"], "said once"
    own[1].unlink()
    assert held.current() is good


async def test_a_handshake_that_does_not_come_is_given_up(secure: Secure) -> None:
    bench = await secure(handshake_timeout_s=0.05)
    silent = await bench.stranger()
    assert await silent.rest() == []
    counters = bench.listener.counters
    assert (counters.handshakes_failed, counters.connections) == (1, 0)


async def test_strangers_that_end_no_handshake_keep_no_band_out(secure: Secure, authority: Authority) -> None:
    bench = await secure(max_handshakes=2, handshake_timeout_s=600)
    silent = [await bench.stranger() for _ in range(5)]
    assert await greeting(bench, authority.trust()) == YES
    assert [await one.rest() for one in silent[:4]] == [[]] * 4
    assert bench.listener.counters.handshakes_turned_away == 4


def test_the_same_with_the_sockets_of_uvloop(authority: Authority) -> None:
    async def story() -> None:
        async with served(**wish(authority, max_handshakes=1, handshake_timeout_s=600)) as bench:
            silent = [await bench.stranger() for _ in range(3)]
            assert await greeting(bench, authority.trust()) == YES
            assert [await one.rest() for one in silent] == [[]] * 3

    uvloop.run(story())


async def test_plain_bytes_at_the_tls_door_are_no_handshake(secure: Secure) -> None:
    bench = await secure()
    plain = await bench.stranger()
    plain.say(hello(V311))
    await plain.reader.read()
    assert (bench.listener.counters.handshakes_failed, bench.listener.counters.connections) == (1, 0)


async def test_missing_files_need_a_human(secure: Secure, tmp_path: Path) -> None:
    with pytest.raises(NeedsHuman, match="table tls"):
        Certificates(ServerTls(certificate=str(tmp_path / "no"), key_file=str(tmp_path / "no")))


@pytest.mark.parametrize(
    ("common", "sans", "names"),
    [
        ((), (), set()),
        (("band-1",), (), {"band-1"}),
        (("band-1",), (("DNS", "band-8"), ("URI", "urn:x:band-3")), {"band-1"}),
        (("4711",), (("DNS", "band-8"), ("URI", "urn:dev:sw:band-2"), ("URI", "urn:x:band-3")), {"band-2"}),
        (("Band-1",), (), {"Band-1"}),
        (("band-1\0.evil",), (), {"band-1\0.evil"}),
    ],
)
def test_a_certificate_speaks_for_its_uris_and_without_them_for_its_common_name(
    common: tuple[str, ...], sans: tuple[tuple[str, str], ...], names: set[str]
) -> None:
    subject = ((("organizationName", "band-9"),), *((("commonName", name),) for name in common))
    assert device_names({"subject": subject, "subjectAltName": sans}) == names


def test_a_certificate_without_names_speaks_for_nobody() -> None:
    assert device_names({}) == frozenset()


def test_an_unencrypted_network_must_be_said_aloud() -> None:
    with pytest.raises(ValueError, match="heard on the network"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", plain="network").host == "0.0.0.0"
    with pytest.raises(ValueError, match="plain"):
        Settings(plain="off")
    with pytest.raises(ValueError, match="client_ca"):
        ServerTls(certificate="a", key_file="b", require_client_certificate=True)
    heard = ["127.0.0.1", "127.8.0.1", "::1", "localhost", "0.0.0.0", "::", "gateway.example", "192.168.1.2"]
    assert [on_loopback(host) for host in heard] == [True] * 4 + [False] * 4
