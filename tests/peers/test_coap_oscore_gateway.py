"""aiocoap's own OSCORE client against the real gateway process, killed and started again in between."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from aiocoap import GET, Message
from aiocoap.oscore import NotAProtectedMessage
from rigs.coap_band import band, said_again

PULSE = '[{"bn":"urn:dev:sw:band-chen:","n":"hr","u":"beat/min","v":72}]'


def rows(house) -> int:
    return house.query("select count(*) from events where kind = 'telemetry'")[0][0]


@pytest.mark.slow
async def test_a_band_goes_on_over_a_kill_and_what_was_recorded_before_it_is_refused(house, tmp_path):
    there = house()
    gateway = there.start("gateway")
    port = int(there.ports["15683"])
    key = (there.folder / "var/secrets/band-chen").read_text()
    flash = tmp_path / "flash"
    async with band(port, flash, "band-chen", key) as chen:
        assert (await chen.ask("band-chen/up", data=PULSE.encode())).code.dotted == "2.04"
        asking = chen.client.request(Message(code=GET, uri=f"{chen.base}/sw/xinhe/band-chen/down", observe=0))
        answer = await asking.response
        assert (answer.code.dotted, answer.opt.observe is not None) == ("2.05", True)
        asking.observation.cancel()
        recorded = chen.relay.recorded[0:3]
    assert rows(there) == 1
    gateway.kill()
    there.start("gateway")
    for datagram in recorded:
        await said_again(port, datagram)
    async with band(port, flash, "band-chen", key) as chen:
        assert (await chen.ask("band-chen/up", data=PULSE.encode())).code.dotted == "2.04"
    for datagram in recorded:
        assert (await said_again(port, datagram)).code.dotted == "4.01"
    assert rows(there) == 2
    (kept,) = (there.folder / "var" / "oscore").iterdir()
    assert key not in kept.read_text()
    assert kept.stat().st_mode & 0o77 == 0
    assert kept.parent.stat().st_mode & 0o77 == 0


@pytest.mark.slow
async def test_a_guessed_key_stores_nothing(house, tmp_path):
    there = house()
    there.start("gateway")
    port = int(there.ports["15683"])
    async with band(port, tmp_path / "thief", "band-chen", "a guess") as thief:
        with pytest.raises(Exception, match="No Object-Security"):
            await thief.ask("band-chen/up", data=PULSE.encode())
        refusal = await said_again(port, thief.relay.recorded[0])
    assert refusal.code.dotted == "4.00"
    assert rows(there) == 0
    gateway = there.programs[-1]
    assert sum("refused: 4.00 wrong key" in line for line in gateway.lines()) == 1


def told(there, *words: str) -> str:
    """What `shouwang device` says, with what it exits."""
    run = subprocess.run(
        [sys.executable, "-m", "shouwang", "device", *words, "--config", str(there.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    return f"{run.returncode} {run.stdout}{run.stderr}"


async def heard_until_refused(chen) -> int:
    """How many requests of a revoked band are let in before the gateway looks at its list: within 5 s."""
    heard = 0
    async with asyncio.timeout(5):
        with contextlib.suppress(NotAProtectedMessage):
            while await chen.ask("band-chen/up", data=PULSE.encode()):
                heard += 1
    return heard


@pytest.mark.slow
async def test_an_observer_hears_an_order_from_the_box_and_nothing_more_once_revoked(house, tmp_path):
    there = house()
    there.start("gateway")
    port = int(there.ports["15683"])
    key = (there.folder / "var/secrets/band-chen").read_text()
    async with band(port, tmp_path / "flash", "band-chen", key) as chen:
        asking = chen.client.request(Message(code=GET, uri=f"{chen.base}/sw/xinhe/band-chen/down", observe=0))
        assert (await asking.response).payload == b""
        notes = aiter(asking.observation)
        ordered = asyncio.create_task(asyncio.to_thread(told, there, "send", "band-chen", "find"))
        async with asyncio.timeout(30):
            assert b"find" in (await anext(notes)).payload
        assert (await ordered).startswith("0 ")
        assert (await asyncio.to_thread(told, there, "revoke", "band-chen")).startswith("0 ")
        let_in = await heard_until_refused(chen)
        refusal = await said_again(port, chen.relay.recorded[-1])
        assert refusal.code.dotted == "4.01"
        await asyncio.to_thread(told, there, "send", "band-chen", "find")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(notes), 1)
        asking.observation.cancel()
    assert rows(there) == let_in
