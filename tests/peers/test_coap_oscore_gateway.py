"""aiocoap's own OSCORE client against the real gateway process, killed and started again in between."""

from __future__ import annotations

import pytest
from aiocoap import GET, Message
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
