"""The battery rule warns once per discharge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.model import Battery, Envelope, Uplink, WearerView
from gateway.rules.battery import RULE

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
RULE_OF_LIU = RULE(WearerView(wearer="liu", name="刘素珍"), RULE.Settings())


def frame(minute, charge, *, backlog=False, device="band", at=None):
    readings = (Battery(battery_pct=charge, at=at),)
    uplink = Uplink(device=device, readings=readings, raw=b"", backlog=backlog)
    heard_at = START + timedelta(minutes=minute)
    return Envelope(uplink=uplink, wire="test", device=device, wearer="liu", received_at=heard_at)


def raised(events):
    state, found = RULE_OF_LIU.initial(), []
    for event in events:
        state, effects = RULE_OF_LIU.step(state, event, event.received_at)
        found += [effect.alarm for effect in effects]
    return found


def test_it_warns_at_the_limit_and_once_until_charged():
    charges = [30, 16, 15, 14, 16, 15, 19, 2, 60, 15]
    found = raised([frame(k, charge) for k, charge in enumerate(charges)])
    assert [(a.why.value, a.at) for a in found] == [
        (15, START + timedelta(minutes=2)),
        (15, START + timedelta(minutes=9)),
    ]
    assert (found[0].kind, found[0].severity, found[0].why.code, found[0].why.unit) == (
        "low_battery",
        "notice",
        "battery_low",
        "%",
    )
    assert found[0].alarm_id != found[1].alarm_id


def test_two_bands_of_one_wearer_are_two_batteries():
    found = raised([frame(0, 10), frame(1, 10, device="other"), frame(2, 9), frame(3, 9, device="other")])
    assert len(found) == 2


@pytest.mark.parametrize("charge", [-1, 101, 255, float("nan")])
def test_an_impossible_charge_is_as_if_it_never_came(charge):
    assert raised([frame(0, charge)]) == []
    assert len(raised([frame(0, 10), frame(1, charge), frame(2, 10)])) == 1


def test_backlog_and_old_readings_do_not_warn():
    assert raised([frame(0, 5, backlog=True), frame(20, 5, at=START)]) == []


def test_a_rearm_that_is_not_above_the_limit_is_refused():
    with pytest.raises(msgspec.ValidationError, match="rearm_pct must be above low_pct"):
        msgspec.convert({"low_pct": 25}, RULE.Settings)
