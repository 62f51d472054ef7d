"""The gateway is killed at random moments of the evening, and nobody is forgotten or rung twice."""

from __future__ import annotations

import base64
import json
import random
import re
import time
import urllib.request
from collections import Counter

import pytest

KILLS = 50
SECONDS_TO_SETTLE = 150

MORE_PRESSES = {
    "band-liu": '  { do = "press_sos", at_s = 45 },\n',
    "band-xu": '  { do = "press_sos", at_s = 75 },\n',
    "band-chen": '  { do = "press_sos", at_s = 19 },\n',
}


def busier_evening(text: str) -> str:
    """The shipped evening with a press on every wire that has a button."""
    for device, press in MORE_PRESSES.items():
        before, mark, after = text.partition(f'device = "{device}"')
        band, bands, rest = after.partition("\n[[")
        if "events = [" in band:
            band = band.replace("events = [\n", "events = [\n" + press, 1)
        else:
            band = band.rstrip() + "\nevents = [\n" + press + "]\n"
        text = before + mark + band + bands + rest
    return text


def fake_calls(house) -> list[dict]:
    """Every call the simulated Twilio really has."""
    token = (house.folder / "var/secrets/twilio_auth_token").read_text()
    account = re.search(r'account_sid = "(\w+)"', house.config.read_text())
    request = urllib.request.Request(
        f"{house.twilio_url}/2010-04-01/Accounts/{account[1]}/Calls.json?PageSize=1000",
        headers={"Authorization": "Basic " + base64.b64encode(f"{account[1]}:{token}".encode()).decode()},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["calls"]


def open_states(house) -> list[str]:
    return [state for (state,) in house.query("select state from incidents where kind = 'sos'")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_sos_ends_acknowledged_and_nobody_is_dialled_twice_in_a_round(house, root, tmp_path):
    scenario = tmp_path / "busier.toml"
    evening = (root / "firmware_sim/scenarios/evening.toml").read_text(encoding="utf-8")
    scenario.write_text(busier_evening(evening), encoding="utf-8")
    there = house(**{'scenario = "evening"': f'scenario = "{scenario.with_suffix("")}"'})
    there.start("portal")
    sim = there.start("sim")
    dice = random.Random(2026)
    for _ in range(KILLS):
        gateway = there.start("gateway")
        time.sleep(dice.uniform(0.1, 3.0))
        gateway.kill()
    there.start("gateway")

    ends = time.monotonic() + SECONDS_TO_SETTLE
    while Counter(open_states(there)) != {"acknowledged": 4} and time.monotonic() < ends:
        time.sleep(0.5)
    assert Counter(open_states(there)) == {"acknowledged": 4}, "\n".join(sim.lines()[-60:])

    legs = there.query(
        "select incident, round, contact, reference, state from legs"
        " where channel = 'call' and carrier = 'twilio'"
    )
    calls = {call["sid"] for call in fake_calls(there)}
    owned = {reference for _, _, _, reference, _ in legs if reference}
    assert calls - owned == set(), "a call was placed that no leg knows of"
    dialled = Counter(
        (incident, number, contact) for incident, number, contact, ref, _ in legs if ref in calls
    )
    assert [slot for slot, count in dialled.items() if count > 1] == []

    presses = [line for line in sim.lines() if "按下求救" in line and "presses SOS" in line]
    assert len(presses) == 4
    texted = there.query(
        "select incident, contact, count(*) from legs where channel = 'text' and purpose = 'alarm'"
        " and incident in (select incident_id from incidents where kind = 'sos') group by 1, 2"
    )
    assert {count for _, _, count in texted} == {1}, "every family number was texted, once"
    print(f"{KILLS} kills, {len(presses)} presses, {len(calls)} calls, lost 0, doubled 0")
