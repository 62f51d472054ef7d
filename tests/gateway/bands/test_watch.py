"""What is written at the desk holds in the running gateway, and nothing that cannot be read undoes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3

import pytest

from gateway.bands.allow_list import Known, StoredDevice
from gateway.bands.registry import Device
from gateway.bands.store import DeviceStore
from gateway.bands.watch import PASSING_LOOKS, DeviceWatch

KNOWN = Known(wearers={"zhang"}, protocols={"watch"}, models={})
CONFIGURED = Device(device="c", protocol="watch", wearer="zhang")


class Rig:
    """A watch on a file, and a store that writes it."""

    def __init__(self, path) -> None:
        self.path = path
        self.taken = []
        self.followed = 0
        self.watch = None
        self.start()

    def start(self) -> None:
        """Begin to watch, as a gateway does that is started (again)."""
        if self.watch is not None:
            self.watch.close()
        self.watch = DeviceWatch(
            self.path,
            configured=[CONFIGURED],
            known=KNOWN,
            take=self._take,
            followed=self.followed,
            follow=self._follow,
        )

    def _follow(self, number) -> None:
        self.followed = number

    def _take(self, devices) -> None:
        self.taken.append(sorted(device.device for device in devices))

    def put(self, device, **changes) -> None:
        row = StoredDevice(
            **{"device": device, "wire_id": device, "protocol": "watch", "wearer": "zhang"} | changes
        )
        store = DeviceStore(self.path, make=True)
        with store.changing():
            store.put(row, what="put", who="t", at_ms=1)
        store.close()

    def look(self):
        self.watch.look()
        return self.taken[-1] if self.taken else None


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path / "gw.devices.db")
    yield rig
    rig.watch.close()


def test_without_a_store_the_configured_bands_stay(rig):
    assert rig.look() is None
    assert rig.watch.trouble == ""


def test_a_store_made_later_is_found_and_each_change_is_taken_once(rig):
    rig.look()
    rig.put("b1")
    assert rig.look() == ["b1", "c"]
    rig.put("b2")
    assert rig.look() == ["b1", "b2", "c"]
    rig.look()
    assert len(rig.taken) == 2


def test_a_revoked_band_of_the_configuration_is_gone(rig):
    rig.put("c", state="revoked")
    assert rig.look() == []


def test_a_row_that_cannot_be_is_told_once_and_again_when_it_is_mended(rig, caplog):
    caplog.set_level(logging.WARNING)
    rig.put("b1", wearer="nobody")
    for _ in range(3):
        rig.look()
    assert "no wearer nobody" in rig.watch.trouble
    assert len(caplog.records) == 1
    rig.put("b1")
    assert rig.look() == ["b1", "c"]
    assert (rig.watch.trouble, len(caplog.records)) == ("", 2)


@pytest.mark.parametrize("damage", ["garbage", "gone", "row"])
def test_a_store_that_cannot_be_read_changes_nothing_and_is_told_once(rig, caplog, damage):
    rig.put("b1")
    assert rig.look() == ["b1", "c"]
    kept = rig.path.read_bytes()
    if damage == "row":
        with contextlib.closing(sqlite3.connect(rig.path, isolation_level=None)) as hand:
            hand.execute("update devices set name = x'00ff'")
    else:
        rig.path.unlink()
    if damage == "garbage":
        rig.path.write_bytes(b"no database at all, sorry " * 100)
    for _ in range(3):
        rig.look()
    assert rig.taken == [["b1", "c"]]
    assert "cannot be read" in rig.watch.trouble
    assert (damage != "row") or "no band" in rig.watch.trouble
    assert len([one for one in caplog.records if one.levelno >= logging.ERROR]) == 1
    rig.path.unlink(missing_ok=True)
    rig.path.write_bytes(kept)
    rig.put("b2")
    assert rig.look() == ["b1", "b2", "c"]
    assert rig.watch.trouble == ""


def test_a_writer_at_work_is_no_trouble_until_it_never_ends(rig):
    rig.put("b1")
    rig.look()
    writer = DeviceStore(rig.path, make=True)
    writer._connection.execute("begin exclusive")
    for _ in range(PASSING_LOOKS - 1):
        rig.look()
    assert rig.watch.trouble == ""
    rig.look()
    assert "locked" in rig.watch.trouble
    writer._connection.execute("rollback")
    writer.close()
    rig.look()
    assert rig.watch.trouble == ""


def test_a_store_just_being_made_is_no_trouble(rig):
    rig.path.touch()
    rig.look()
    assert rig.watch.trouble == ""
    rig.put("b1")
    assert rig.look() == ["b1", "c"]


@pytest.mark.parametrize("restarted", [False, True])
def test_an_older_store_that_is_put_back_holds_but_not_in_silence(rig, restarted):
    rig.put("b1")
    rig.look()
    older = rig.path.read_bytes()
    rig.put("c", state="revoked")
    assert rig.look() == ["b1"]
    rig.path.unlink()
    rig.path.write_bytes(older)
    if restarted:
        rig.start()
    assert rig.look() == ["b1", "c"]
    assert "older store" in rig.watch.trouble
    rig.start()
    rig.look()
    assert "1 changes of 2" in rig.watch.trouble, "a restart settles nothing"
    rig.put("b2")
    assert rig.look() == ["b1", "b2", "c"]
    assert (rig.watch.trouble, rig.followed) == ("", 2)


def test_a_store_that_is_gone_at_the_start_is_said_aloud_and_locks_no_configured_band_out(rig):
    rig.put("c", state="revoked")
    rig.look()
    rig.path.unlink()
    rig.start()
    assert rig.look() == []
    assert "cannot be read" in rig.watch.trouble
    rig.path.touch()
    rig.put("b1")
    rig.put("b2")
    assert rig.look() == ["b1", "b2", "c"]
    assert rig.watch.trouble == ""


# ------------------------------------------------------------------ other wearers, another configuration

WITH_ZHOU = Known(wearers={"zhang", "zhou"}, protocols={"watch"}, models={})


def test_a_band_of_the_store_is_admitted_once_its_wearer_is_known(rig):
    """A wearer the portal adds: the band may have been there first."""
    rig.put("b", wearer="zhou")
    rig.look()
    assert (rig.taken, "there is no wearer zhou" in rig.watch.trouble) == ([], True)
    rig.watch.renew(configured=[CONFIGURED], known=WITH_ZHOU)
    assert (rig.taken, rig.watch.trouble) == ([["b", "c"]], "")
    assert rig.look() == ["b", "c"]


def test_other_bands_of_the_configuration_hold_with_and_without_a_store(rig):
    other = Device(device="d", protocol="watch", wearer="zhang")
    rig.watch.renew(configured=[other], known=KNOWN)
    assert rig.taken == [["d"]]
    rig.put("b")
    assert rig.look() == ["b", "d"]
    rig.watch.renew(configured=[CONFIGURED], known=KNOWN)
    assert rig.look() == ["b", "c"]


async def test_what_was_read_for_others_meanwhile_is_judged_again(rig, monkeypatch):
    """The store is read beside the loop; a change of the wearers may come in between."""
    monkeypatch.setattr("gateway.bands.watch.LOOK_EVERY_S", 0)
    rig.put("b", wearer="zhou")
    read, renewed = rig.watch._read, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly():
        found = read()
        if not renewed.is_set():
            asyncio.run_coroutine_threadsafe(renew(), loop).result(10)
        return found

    async def renew() -> None:
        rig.watch.renew(configured=[CONFIGURED], known=WITH_ZHOU)
        renewed.set()

    monkeypatch.setattr(rig.watch, "_read", slowly)
    running = asyncio.create_task(rig.watch.run())
    await renewed.wait()
    for _ in range(20):
        await asyncio.sleep(0.002)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert rig.taken == [["b", "c"]]
