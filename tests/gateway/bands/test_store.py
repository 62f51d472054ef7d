"""The store of bands: two processes, one file, nothing half-done."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys

import pytest

from gateway.bands.allow_list import StoredDevice
from gateway.bands.keys import derive
from gateway.bands.store import Change, DeviceStore
from gateway.errors import NeedsHuman

ROW = StoredDevice(
    device="band-1",
    wire_id="470",
    protocol="jt808",
    wearer="zhang",
    model="m",
    serial="s",
    name="张桂兰的手环",
    keys=derive("only-shown-once"),
)

ADDS = """
import sys
from pathlib import Path
from gateway.bands.allow_list import StoredDevice
from gateway.bands.store import DeviceStore
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = DeviceStore(path, make=True)
for number in range(count):
    one = f"{name}-{number}"
    with store.changing():
        store.put(StoredDevice(device=one, wire_id=one, protocol="watch", wearer="w"),
                  what="added", who="t", at_ms=1)
        store.put(StoredDevice(device=one + "b", wire_id=one + "b", protocol="watch", wearer="w"),
                  what="added", who="t", at_ms=1)
    print(one, flush=True)
"""


def adding(path, name, count, root) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", ADDS, str(path), name, str(count)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def store(tmp_path):
    store = DeviceStore(tmp_path / "var" / "gw.devices.db", make=True)
    yield store
    store.close()


def put(store, row, what="added", at_ms=1000) -> None:
    with store.changing():
        store.put(row, what=what, who="li", at_ms=at_ms)


def test_what_is_put_is_read_and_logged(store):
    put(store, ROW)
    put(store, StoredDevice(**{**fields(ROW), "name": "new"}), what="renamed", at_ms=2000)
    (row,) = store.rows()
    assert (row.name, row.keys, row.added_ms, row.changed_ms) == ("new", ROW.keys, 1000, 2000)
    assert store.log("band-1") == (
        Change(at_ms=1000, who="li", device="band-1", what="added"),
        Change(at_ms=2000, who="li", device="band-1", what="renamed"),
    )


def fields(row) -> dict:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def test_the_file_is_for_its_owner_alone_and_no_wal_is_beside_it(store, tmp_path):
    put(store, ROW)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [one.name for one in store.path.parent.iterdir()] == ["gw.devices.db"]
    reader = sqlite3.connect(store.path)
    assert reader.execute("pragma journal_mode").fetchone() == ("delete",)
    reader.close()


def test_a_file_put_back_for_everybody_to_read_is_closed_again(store):
    store.path.chmod(0o644)
    DeviceStore(store.path, make=True).close()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_made_by_root_it_belongs_to_whom_the_folder_belongs(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _file, *owner: given.append(owner))
    DeviceStore(tmp_path / "gw.devices.db", make=True).close()
    folder = tmp_path.stat()
    assert given == [(folder.st_uid, folder.st_gid)]


def test_the_key_itself_is_not_in_the_file(store):
    put(store, ROW)
    assert b"only-shown-once" not in store.path.read_bytes()


def test_an_exception_undoes_all_of_a_change(store):
    def half_done() -> None:
        with store.changing():
            store.put(ROW, what="added", who="li", at_ms=1)
            raise KeyError

    with pytest.raises(KeyError):
        half_done()
    assert (store.rows(), store.log("band-1")) == ((), ())


def test_two_active_bands_never_have_one_wire_id(store):
    put(store, ROW)
    twin = StoredDevice(**{**fields(ROW), "device": "band-2"})
    with pytest.raises(sqlite3.IntegrityError):
        put(store, twin)
    put(store, StoredDevice(**{**fields(ROW), "state": "revoked"}))
    put(store, twin)
    assert [(row.device, row.state) for row in store.rows()] == [("band-1", "revoked"), ("band-2", "active")]


def test_a_missing_or_a_foreign_file_is_said_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        DeviceStore(tmp_path / "none.db", make=False)
    (tmp_path / "text.db").write_text("this is no database, but long enough to be taken for one" * 20)
    with pytest.raises(NeedsHuman, match=r"text\.db cannot be used"):
        DeviceStore(tmp_path / "text.db", make=True)


def test_the_version_changes_with_every_commit_of_somebody_else(store):
    other = DeviceStore(store.path, make=False)
    before = other.version()
    assert other.version() == before
    put(store, ROW)
    assert other.version() != before
    other.close()


@pytest.mark.slow
def test_writers_at_once_lose_nothing_of_each_other(tmp_path, root):
    path = tmp_path / "gw.devices.db"
    writers = [adding(path, name, 10, root) for name in "abcd"]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    store = DeviceStore(path, make=False)
    assert len(store.rows()) == 4 * 10 * 2
    store.close()


@pytest.mark.slow
def test_kill_9_in_the_middle_of_adding_leaves_the_old_or_the_new(tmp_path, root):
    """Each transaction adds a pair; what was said to be added is there, and there is no half pair."""
    path = tmp_path / "gw.devices.db"
    for round_ in range(5):
        writer = adding(path, f"r{round_}", 100_000, root)
        said = [writer.stdout.readline().strip() for _ in range(3 + 7 * round_)]
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = writer.communicate(timeout=30)
        said += rest.split("\n")[:-1]
        store = DeviceStore(path, make=False)
        kept = {row.device for row in store.rows()}
        assert set(said) <= kept
        assert {name + "b" for name in kept if not name.endswith("b")} <= kept
        assert len(kept) % 2 == 0
        store.close()


MOMENTS = {
    "made": lambda path: path.exists(),
    "begun": lambda path: path.with_name(path.name + "-journal").exists(),
    "written": lambda path: path.exists() and path.stat().st_size > 0,
    "grown": lambda path: path.exists() and path.stat().st_size > 12_288,
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_9_while_the_store_is_made_leaves_one_that_can_be_used(tmp_path, root, moment):
    """Whoever comes after rolls back what was half-done, and makes what is missing."""
    for round_ in range(4):
        path = tmp_path / f"{round_}.devices.db"
        maker = adding(path, "a", 1, root)
        while not MOMENTS[moment](path) and maker.poll() is None:
            continue
        maker.kill()
        said, _ = maker.communicate(timeout=30)
        store = DeviceStore(path, make=True)
        kept = {row.device for row in store.rows()}
        assert kept in ({"a-0", "a-0b"}, set())
        assert kept or not said
        put(store, ROW)
        store.close()
