"""mosquitto_pub against the TLS door of our listener: who comes in with which certificate."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from rigs.certificates import Authority
from rigs.mqtt_band import UP, Bench, served

from gateway.transports.base import Outcome, Settlement
from gateway.transports.tls import ServerTls

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ca"))
    for name in ("gateway", "band-1", "band-2"):
        made.issue(name)
    made.issue("gateway", file="expired", days=-1)
    made.issue("gateway", file="elsewhere", san="DNS:elsewhere.example")
    made.issue("band-1", file="old", days=-1)
    return made


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("other"), "other")
    made.issue("band-1")
    return made


def door(site: Authority, pem: str = "gateway", **tls: object) -> dict[str, object]:
    files = {"certificate": str(site.folder / f"{pem}.pem"), "key_file": str(site.folder / f"{pem}.key")}
    return {"plain": "off", "tls": ServerTls(port=0, **files, **tls)}


def own(authority: Authority, pem: str) -> tuple[str, ...]:
    return "--cert", str(authority.folder / f"{pem}.pem"), "--key", str(authority.folder / f"{pem}.key")


async def publish(bench: Bench, *more: str | Path, key: str = "key-1") -> int:
    """Publish as band-1 with QoS 1; gives the exit status, 0 only after our PUBACK."""
    login = ("-h", "127.0.0.1", "-p", str(bench.port), "-u", "band-1", "-P", key, "-i", "c1")
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", *login, "-t", UP, "-m", "hr", "-q", "1", *map(str, more)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ended = asyncio.create_task(process.wait())
    heard = asyncio.create_task(bench.sink.heard.get())
    await asyncio.wait({ended, heard}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    if heard.done():
        heard.result().settle(Settlement(Outcome.STORED))
    heard.cancel()
    return await asyncio.wait_for(ended, 20)


async def test_a_band_that_trusts_the_sites_authority_is_acknowledged(site: Authority) -> None:
    async with served(**door(site)) as bench:
        for version in ("mqttv311", "mqttv5"):
            for tls in ("tlsv1.2", "tlsv1.3"):
                more = ("--cafile", site.ca, "-V", version, "--tls-version", tls)
                assert await publish(bench, *more) == 0
        assert await publish(bench, "--cafile", site.ca, key="wrong") != 0
        assert bench.listener.counters.acknowledged == 4


@pytest.mark.parametrize("pem", ["expired", "elsewhere"])
async def test_a_band_refuses_a_gateway_that_is_expired_or_another(site: Authority, pem: str) -> None:
    async with served(**door(site, pem)) as bench:
        assert await publish(bench, "--cafile", site.ca) != 0
        assert bench.listener.counters.accepted == 0


async def test_a_band_refuses_a_gateway_of_another_authority(site: Authority, strange: Authority) -> None:
    async with served(**door(site)) as bench:
        assert await publish(bench, "--cafile", strange.ca) != 0
        assert bench.listener.counters.handshakes_failed == 1


async def test_with_mutual_tls_only_the_bands_own_good_certificate_comes_in(
    site: Authority, strange: Authority
) -> None:
    wish = door(site, client_ca=str(site.ca), require_client_certificate=True)
    async with served(**wish) as bench:
        trust = ("--cafile", site.ca)
        assert await publish(bench, *trust, *own(site, "band-1")) == 0
        assert await publish(bench, *trust, *own(site, "band-1"), key="wrong") != 0
        assert await publish(bench, *trust, *own(site, "band-2")) != 0, "another band's"
        assert bench.listener.counters.refused == 2
        assert await publish(bench, *trust, *own(site, "old")) != 0, "expired"
        assert await publish(bench, *trust, *own(strange, "band-1")) != 0, "another authority's"
        assert await publish(bench, *trust) != 0, "none"
        assert (bench.listener.counters.accepted, bench.listener.counters.handshakes_failed) == (1, 3)


async def test_a_certificate_can_be_the_login(site: Authority) -> None:
    wish = door(site, client_ca=str(site.ca), certificate_is_login=True)
    async with served(**wish) as bench:
        certified = ("--cafile", site.ca, *own(site, "band-1"))
        assert await publish(bench, *certified, key="whatever") == 0
        bench.sink.revoked.add("band-1")
        assert await publish(bench, *certified) != 0
