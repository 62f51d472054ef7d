"""Bands, sealed keys, duty and test calls in the portal's store, on both engines."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
import sqlalchemy as sa

from gateway.model import Battery, Fix
from gateway.told import CommandDone, PortalCommand, Telemetry
from gateway.told_orders import (
    BandKeyTold,
    BandsTold,
    BandView,
    DutyInForce,
    OnDuty,
    TestCallChanged,
)
from portal.api import commands
from portal.care.models import Change, Command, Wearer
from portal.care.sites.models import Band, BandKey, DutyTold, TestCall
from portal.db import db

MINUTE = dt.timedelta(minutes=1)
LEFT = BandView(
    device="band-zhang",
    wire_id="band-zhang",
    protocol="senml",
    wearer="zhang-guilan",
    state="active",
    key="set",
    source="store",
    name="左手",
)
OLD = msgspec.structs.replace(LEFT, device="band-old", wire_id="band-old", state="revoked", name="")


@pytest.fixture
def read(store_app):
    """One value of the store, read in a session of its own."""

    def ask(query):
        with store_app.app_context():
            found = db.session.scalars(query).all()
            db.session.expunge_all()
            return found

    return ask


def heard(samples, at, *readings, device="band-zhang", backlog=False) -> Telemetry:
    return Telemetry(device=device, wearer="zhang-guilan", received_at=at, backlog=backlog, readings=readings)


def test_a_list_of_bands_replaces_the_last_and_keeps_when_each_was_heard(store_gateway, samples, read):
    at = samples.NOW - 10 * MINUTE
    store_gateway.send(samples.ROSTER, BandsTold(bands=(LEFT, OLD)))
    store_gateway.send(heard(samples, at, Battery(battery_pct=61)))
    renamed = msgspec.structs.replace(LEFT, name="右手")
    store_gateway.send(BandsTold(bands=(renamed,)))
    (band,) = read(sa.select(Band))
    assert (band.device, band.name, band.state, band.key) == ("band-zhang", "右手", "active", "set")
    assert (band.heard_at, band.battery_pct, band.battery_at) == (at, 61, at)


def test_when_a_band_was_heard_never_moves_back_and_stored_readings_say_no_charge(
    store_gateway, samples, read
):
    late, early = samples.NOW - MINUTE, samples.NOW - 5 * MINUTE
    store_gateway.send(samples.ROSTER, BandsTold(bands=(LEFT,)))
    store_gateway.send(heard(samples, late, Battery(battery_pct=50)))
    store_gateway.send(
        heard(samples, early, Battery(battery_pct=90)),
        heard(samples, late, Battery(battery_pct=12), backlog=True),
        heard(samples, samples.NOW, Fix(lat=31.1, lon=121.1, valid=True), device="stranger"),
    )
    (band,) = read(sa.select(Band))
    assert (band.heard_at, band.battery_pct) == (late, 50)


def test_a_sealed_key_is_kept_for_a_day_under_its_order(store_gateway, samples, read, store_app):
    told = BandKeyTold(command="c1", device="band-2", settings=(("host", "gw"), ("port", "8883")), sealed="x")
    store_gateway.send(told, told)
    (row,) = read(sa.select(BandKey))
    assert (row.command, row.settings, row.sealed) == ("c1", [["host", "gw"], ["port", "8883"]], "x")
    with store_app.app_context():
        db.session.execute(sa.update(BandKey).values(at=samples.NOW - dt.timedelta(days=400)))
        db.session.commit()
    store_gateway.send(msgspec.structs.replace(told, command="c2"))
    assert [row.command for row in read(sa.select(BandKey))] == ["c2"]


def test_who_is_on_duty_is_the_newest_word(store_gateway, samples, read):
    person = OnDuty(contact="zhou", name="周敏", phone="+8613800138090", source="portal")
    for version, people in ((1, (person,)), (2, ())):
        store_gateway.send(DutyInForce(version=version, at=samples.NOW, on_duty=people, until=None))
    (row,) = read(sa.select(DutyTold))
    assert (row.version, row.on_duty) == (2, [])
    store_gateway.send(DutyInForce(version=3, at=samples.NOW, on_duty=(person,), until=samples.NOW))
    (row,) = read(sa.select(DutyTold))
    assert row.on_duty[0]["name"] == "周敏"


def test_a_test_call_is_one_row_and_its_wearers_pages_are_told(store_gateway, samples, read):
    begun = TestCallChanged(
        test="t1",
        contact="li-jianguo",
        name="李建国",
        call="ringing",
        text="none",
        at=samples.NOW,
        ordered_at=samples.NOW,
        wearer="zhang-guilan",
        by="周敏",
    )
    ended = msgspec.structs.replace(begun, call="confirmed", digit="1", final=True)
    store_gateway.send(samples.ROSTER, begun)
    store_gateway.send(ended)
    store_gateway.send(ended)
    (row,) = read(sa.select(TestCall))
    assert (row.call, row.digit, row.final, row.by) == ("confirmed", "1", True, "周敏")
    (zhang,) = read(sa.select(Wearer.id).where(Wearer.code == "zhang-guilan"))
    assert row.wearer_id == zhang
    assert read(sa.select(Change.wearer_id).order_by(Change.seq.desc()).limit(1)) == [zhang]


@pytest.mark.parametrize(("done", "reason"), [(True, ""), (False, "expired")])
def test_the_words_of_a_text_that_has_ended_are_gone(store_app, store_gateway, samples, read, done, reason):
    with store_app.app_context():
        commands.queue(
            db.session,
            store_gateway.name,
            now=samples.NOW,
            command="code.1",
            name="send_text",
            phone="+8613800138002",
            text="您的登录码是 482913",
            purpose="code",
            until=samples.NOW + MINUTE,
        )
        db.session.commit()
    (order,) = store_gateway.commands()
    assert order["text"].endswith("482913")
    store_gateway.send(CommandDone(command="code.1", done=done, reason=reason))
    (row,) = read(sa.select(Command))
    assert "482913" not in row.body
    kept = msgspec.json.decode(row.body, type=PortalCommand)
    assert (kept.phone, kept.purpose, row.reason) == ("+8613800138002", "code", reason)
