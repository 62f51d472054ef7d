"""Bands provisioned from the portal: the desk's own book, a key nobody else can read, kills included."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3

import msgspec
import pytest

from gateway.app import Gateway
from gateway.bands.sealing import new_pair, open_sealed
from gateway.bands.store import DeviceStore
from gateway.config import load
from gateway.errands.bands import carry_out
from gateway.paths import devices_path
from gateway.told import CommandDone, PortalCommand, SyncPayload
from gateway.told_orders import BandKeyTold

WIRES = """
[transports.mqtt_listener]
port = 1883
[transports.coap]
port = 5683
[transports.tcp]
listeners = [ { port = 5093, protocol = "watch" } ]
"""
PRIVATE, PUBLIC = new_pair()


@pytest.fixture
def settings(small_config, tmp_path):
    changes = ('data_dir = "var"', f'data_dir = "{tmp_path}/var"')
    return load(small_config(changes, more=WIRES), make_demo_secrets=True)


def order(name="register_band", command="c1", **fields):
    given = {"by": "周敏", "seal_to": PUBLIC}
    if name == "register_band":
        given |= {"wearer": "zhang", "protocol": "senml", "wire_id": "band-2", "label": "左手"}
    return PortalCommand(number=1, command=command, name=name, **(given | fields))


def opened(told: BandKeyTold) -> dict:
    return json.loads(open_sealed(told.sealed, PRIVATE, command=told.command))


def stored(settings):
    store = DeviceStore(devices_path(settings), make=False)
    try:
        return {row.device: row for row in store.rows()}, {
            device: [change.what for change in store.log(device)] for device in ("band-2", "band-zhang")
        }
    finally:
        store.close()


def test_a_band_is_added_and_its_key_opens_for_nobody_but_who_ordered_it(settings):
    done = carry_out(order(), settings)
    assert (done.done, done.reason) == (True, "")
    secret = opened(done.told)
    rows, log = stored(settings)
    row = rows["band-2"]
    assert row.keys.fits(secret["typed"]["password"].encode())
    assert secret["typed"]["master secret"].startswith(row.keys.oscore_secret.hex())
    assert json.loads(secret["qr"])["key"] == secret["typed"]["password"]
    assert (row.wearer, row.name, row.state) == ("zhang", "左手", "active")
    assert log["band-2"][0].startswith("added (order errand-")
    assert secret["typed"]["password"] not in msgspec.json.encode(done.told).decode()
    typed = done.told.settings
    assert ("user name", "band-2") in typed
    assert not [pair for pair in typed if pair[0] in ("password", "master secret")]
    assert devices_path(settings).read_bytes().find(secret["typed"]["password"].encode()) == -1


def test_the_same_order_again_gives_another_key_to_the_same_band(settings):
    first, second = (opened(carry_out(order(), settings).told) for _ in range(2))
    rows, log = stored(settings)
    assert first["typed"] != second["typed"]
    assert rows["band-2"].keys.fits(second["typed"]["password"].encode())
    assert [words.partition(" (")[0] for words in log["band-2"]] == ["added", "another key"]


def test_another_order_for_a_band_that_is_there_is_refused(settings):
    carry_out(order(), settings)
    done = carry_out(order(command="c2"), settings)
    assert not done.done
    assert "there is a band band-2 already" in done.reason


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"wearer": "nobody"}, "wearer 'nobody'"),
        ({"protocol": "smoke"}, "protocol 'smoke'"),
        ({"wire_id": "a/b"}, "id 'a/b'"),
        ({"model": "none"}, "model 'none'"),
        ({"seal_to": "A" * 43 + "="}, "shared key"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(settings, fields, words):
    done = carry_out(order(**fields), settings)
    assert not done.done
    assert words in done.reason
    assert "band-2" not in stored(settings)[0]


def test_a_wire_without_a_login_needs_no_key(settings):
    done = carry_out(order(protocol="watch", wire_id="4700186599"), settings)
    assert (done.done, done.told.sealed) == (True, "")
    assert ("id", "4700186599") in done.told.settings
    refused = carry_out(order("rekey_band", device="4700186599"), settings)
    assert "has no login" in refused.reason


def test_another_key_and_a_revocation_hold_for_a_band_of_the_file_too(settings):
    done = carry_out(order("rekey_band", device="band-zhang"), settings)
    assert opened(done.told)["typed"]["password"]
    revoke = order("revoke_band", "c2", device="band-zhang", seal_to=None)
    assert carry_out(revoke, settings) == carry_out(revoke, settings)
    rows, log = stored(settings)
    assert rows["band-zhang"].state == "revoked"
    assert [words.partition(" (")[0] for words in log["band-zhang"]] == ["another key", "revoked"]
    assert "revoked already" in carry_out(msgspec.structs.replace(revoke, command="c3"), settings).reason
    assert "there is no band 'none'" in carry_out(order("revoke_band", device="none"), settings).reason


def test_the_log_says_who_ordered_it(settings):
    carry_out(order(), settings)
    store = DeviceStore(devices_path(settings), make=False)
    try:
        assert [change.who for change in store.log("band-2")] == ["portal: 周敏"]
    finally:
        store.close()


# ---------------------------------------------------------------- inside a gateway


@contextlib.asynccontextmanager
async def life(settings, *, works=True):
    """One life of a gateway without its wires; it ends without a word."""
    gateway = Gateway(settings, carriers=[])
    gateway.journal.start()
    gateway.device_watch.look()
    gateway.restart.restore()
    working = asyncio.create_task(gateway.band_orders.run()) if works else None
    try:
        yield gateway
    finally:
        if working is not None:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        gateway.device_watch.close()
        await gateway.journal.stop()
        gateway.reader.close()


def events(gateway, kind):
    with contextlib.closing(sqlite3.connect(gateway.path)) as journal:
        rows = journal.execute("select payload from events where kind = ? order by seq", (kind,)).fetchall()
    return [msgspec.json.decode(row[0], type=SyncPayload) for row in rows]


async def until(true) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  the file is looked at, and nobody tells of it
            await asyncio.sleep(0.01)


async def test_an_order_is_answered_with_its_sealed_key_in_one_record(settings):
    async with life(settings) as gateway:
        gateway.engine.ordered(order())
        await until(lambda: events(gateway, "command"))
        assert events(gateway, "command") == [CommandDone(command="c1", done=True)]
        (told,) = events(gateway, "band_key")
        assert opened(told)["typed"]["password"]
        assert gateway.reader.states().keys() == set()


async def test_a_kill_between_the_order_and_its_answer_leaves_one_band_and_one_key_that_fits(settings):
    async with life(settings, works=False) as gateway:
        gateway.engine.ordered(order())
        await until(gateway.reader.states)
    carry_out(order(), settings)  # the store was changed, and the process died before it could say so
    async with life(settings) as gateway:
        await until(lambda: events(gateway, "command"))
        (told,) = events(gateway, "band_key")
        rows, _ = stored(settings)
        assert rows["band-2"].keys.fits(opened(told)["typed"]["password"].encode())
        assert events(gateway, "command") == [CommandDone(command="c1", done=True)]


@pytest.mark.parametrize("fields", [{"by": None}, {"seal_to": None}, {"seal_to": "AAAA"}])
async def test_an_order_without_a_name_or_a_key_to_seal_to_is_refused_at_once(settings, fields):
    async with life(settings, works=False) as gateway:
        gateway.engine.ordered(order(**fields))
        await until(lambda: events(gateway, "command"))
        assert not events(gateway, "command")[0].done
        assert len(gateway.band_orders) == 0


async def test_every_band_is_told_once_and_again_when_one_changes(settings):
    async with life(settings) as gateway:
        gateway._say_who_is_watched()
        gateway._say_who_is_watched()
        gateway.engine.ordered(order("revoke_band", device="band-zhang"))
        await until(lambda: events(gateway, "command"))
        gateway.device_watch.look()
        await until(lambda: len(events(gateway, "bands")) == 2)
        before, after = events(gateway, "bands")
    assert {(band.device, band.state, band.source, band.key) for band in before.bands} == {
        ("band-zhang", "active", "file", "set"),
        ("4700186508", "active", "file", "none"),
    }
    assert {(band.device, band.state, band.source) for band in after.bands} == {
        ("band-zhang", "revoked", "store"),
        ("4700186508", "active", "file"),
    }
