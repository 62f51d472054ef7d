"""The power is cut and the disk forgets what was never synced: what a band was told is still there."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys

import pytest

from bench.power import HEAD, Change, Disk, changes, survivors

CUTS = int(os.environ.get("CUTS", "60"))


@pytest.mark.slow
@pytest.mark.timeout(CUTS * 4 + 60)
def test_a_power_cut_loses_no_acknowledged_press_and_no_intent(root, tmp_path):
    """`CUTS=1000` runs the long form; that this can fail is shown by the mutants of `bench.mutants`."""
    command = [sys.executable, "-m", "bench.power", "--cuts", str(CUTS), "--folder", str(tmp_path)]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-8000:]
    figures = re.search(r"(\d+) power cuts .* (\d+) syncs and (\d+) writes seen", run.stdout)
    assert figures, run.stdout
    assert int(figures[1]) == CUTS
    assert int(figures[2]) > CUTS, "the library sees the syncs of this machine's SQLite"
    assert int(figures[3]) > CUTS


def record(offset: int, data: bytes | None) -> bytes:
    return HEAD.pack(offset, -1 if data is None else len(data)) + (data or b"")


@pytest.fixture
def disk(tmp_path) -> Disk:
    (tmp_path / "live").mkdir()
    (tmp_path / "shadow").mkdir()
    return Disk(tmp_path / "live" / "j.db", tmp_path / "shadow")


def test_a_cut_leaves_exactly_what_was_synced(disk):
    disk.journal.write_bytes(b"new words")
    (disk.shadow / "j.db").write_bytes(b"old")
    (disk.shadow / "j.db.log").write_bytes(record(0, b"new words"))
    disk.cut("all", random.Random(1))
    assert disk.journal.read_bytes() == b"old"
    assert not (disk.shadow / "j.db.log").exists()


def test_a_file_that_was_never_synced_vanishes(disk):
    disk.journal.write_bytes(b"x")
    disk.journal.with_name("j.db-shm").write_bytes(b"x")
    disk.cut("all", random.Random(1))
    assert list(disk.journal.parent.iterdir()) == []


def test_a_prefix_of_what_was_not_synced_may_survive_torn_at_a_sector():
    unsynced = [Change(0, b"a" * 4096), Change(4096, b"b" * 4096), Change(100, None)]
    for seed in range(50):
        kept = survivors(unsynced, "tail", random.Random(seed))
        assert kept[:-1] == unsynced[: len(kept) - 1]
        last, whole = kept[-1], unsynced[len(kept) - 1]
        assert last.offset == whole.offset
        if last.data is not None and whole.data is not None:
            assert len(last.data) % 512 == 0
            assert whole.data.startswith(last.data)


def test_a_record_that_the_kill_cut_short_is_passed_over(tmp_path):
    log = tmp_path / "j.db.log"
    log.write_bytes(record(5, b"whole") + record(9, None) + record(1, b"cut short")[:-2])
    assert list(changes(log)) == [Change(5, b"whole"), Change(9, None)]


def test_writes_beyond_the_end_leave_zeros_and_a_truncate_cuts():
    content = bytearray(b"abc")
    Change(5, b"ef").on(content)
    assert content == b"abc\0\0ef"
    Change(2, None).on(content)
    assert content == b"ab"


def test_an_unlink_that_nothing_followed_may_be_forgotten(disk):
    found = set()
    for seed in range(20):
        (disk.shadow / "j.db-journal.gone").write_bytes(b"hot")
        disk.cut("some", random.Random(seed))
        path = disk.journal.with_name("j.db-journal")
        found.add(path.exists())
        path.unlink(missing_ok=True)
        (disk.shadow / "j.db-journal").unlink(missing_ok=True)
    assert found == {True, False}
