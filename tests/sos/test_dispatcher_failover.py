"""Both simulated networks: Twilio is cut off in an alarm, then everything is, then one comes back."""

from __future__ import annotations

import asyncio

import pytest

from bench import failover
from bench.failover import DAUGHTER, PLAN, SON, WAYS, measure, site, table
from firmware_sim.people import Persona
from sos import ladder
from sos.events import LegState
from sos.incident import Phase

pytestmark = pytest.mark.slow


async def test_however_twilio_is_cut_off_the_next_ring_goes_out_on_the_modem(tmp_path, capsys):
    figures = await measure(tmp_path)
    with capsys.disabled():
        print("\n" + table(figures))
    assert [one.way for one in figures] == list(WAYS)


@pytest.mark.parametrize("way", ["refused", "never answers"])
async def test_who_was_rung_by_twilio_before_the_cut_can_still_take_it(way, tmp_path):
    """The daughter's telephone rings by the modem meanwhile; the 1 from the lost call ends it all."""
    people = (Persona(phone=SON.phone, answer="presses", after_s=0.5, key_after_s=60),)
    async with site(tmp_path, people=people) as here, asyncio.timeout(60):
        here.house.press()
        await here.twilio.transcript.seen(SON.phone, "picked_up")
        await here.cut(way)
        await here.modem.transcript.seen(DAUGHTER.phone, "ringing")
        (leg,) = [one for one in here.house.incident.legs if one.leg.leg_id == "i1.1.son.call.1"]
        assert (leg.state, here.house.dispatcher.counters.lost_sight) == (LegState.FAILED, 1)
        here.relay.press(leg.leg.leg_id, "1")
        await here.house.until_phase(Phase.ACKNOWLEDGED)
        assert here.house.incident.acknowledged_by == SON.name
        assert await here.modem.transcript.seen(DAUGHTER.phone, "hung_up") == ("by us",)


async def test_with_everything_dead_the_alarm_waits_and_goes_on_when_the_modem_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "UNREACHED_REPEAT_S", 1)
    monkeypatch.setattr(ladder, "MIN_ROUND_S", 1)
    people = (Persona(phone=DAUGHTER.phone, answer="presses", after_s=0.2, key_after_s=0.5),)
    async with site(tmp_path, people=people, patience_s=0.5) as here, asyncio.timeout(60):
        house = here.house
        await here.cut("refused")
        here.modem.unplug()
        house.press()
        await house.until(lambda: house.incident.cycle > 1)
        calls = [one for one in house.incident.legs if one.leg.channel == "call"]
        assert {one.heard for one in calls if one.leg.round == 1} == {LegState.UNREACHED}
        assert [one.healthy for one in house.dispatcher.carrier_health()] == [False, False]
        assert here.twilio.transcript.entries == here.modem.transcript.entries == ()
        here.modem.plug()
        await house.until_phase(Phase.ACKNOWLEDGED)
        assert house.incident.acknowledged_by == DAUGHTER.name
        health = {one.name: (one.healthy, one.detail) for one in house.dispatcher.carrier_health()}
        assert health["gsm_modem"] == (True, "")
        assert health["twilio"][0] is False
        assert "not reached" in health["twilio"][1]


async def test_when_twilio_is_back_it_is_preferred_again(tmp_path, monkeypatch):
    monkeypatch.setattr(failover.twilio, "RECHECK_S", 0.1)
    monkeypatch.setattr(ladder, "MIN_ROUND_S", 1)
    people = (Persona(phone=SON.phone, answer="busy"), Persona(phone=DAUGHTER.phone, answer="busy"))
    async with site(tmp_path, people=people, plan=PLAN, down_s=0.5) as here, asyncio.timeout(60):
        await here.cut("answers 500")
        here.house.press()
        await here.house.until(lambda: here.house.dispatcher.counters.placed > 0)
        assert here.twilio.transcript.entries == ()
        await here.join()
        await here.twilio.transcript.seen(SON.phone, "hung_up")
        assert all(one.healthy for one in here.house.dispatcher.carrier_health())
