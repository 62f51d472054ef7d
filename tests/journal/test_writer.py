"""The journal keeps what it said it kept, in order, and says so only afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from gateway.errors import JournalDamaged, NeedsHuman
from gateway.journal.reader import JournalReader, verify
from gateway.journal.records import (
    AlarmRow,
    EventRow,
    LegChange,
    LegRow,
    OutboxChange,
    OutboxRow,
    ProfileRow,
    QuarantineRow,
    Record,
    Rest,
    from_ms,
    to_ms,
)
from gateway.journal.retention import drop_oldest, used_bytes
from gateway.journal.schema import open_for_writing
from gateway.journal.writer import JournalWriter


def event(number: int, kind: str = "telemetry") -> EventRow:
    return EventRow(number, number, kind, "band", "zhang", "test", b'{"n":%d}' % number, b"raw")


@pytest.fixture
async def journal(tmp_path):
    writer = JournalWriter(tmp_path / "journal.db")
    writer.start()
    yield writer
    await writer.stop()


async def test_a_commit_is_readable_by_another_connection_when_it_is_reported(journal):
    seq = await journal.commit(Record(events=[event(1)]))
    reader = JournalReader(journal.path)
    assert [row["seq"] for row in reader.events(after=0, limit=10)] == [seq] == [1]
    reader.close()


async def test_the_files_of_a_new_journal_are_for_their_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        writer = JournalWriter(tmp_path / "new.db")
        writer.start()
        await writer.commit(Record(events=[event(1)]))
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("new.db*")}
        await writer.stop()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


async def test_records_are_committed_in_the_order_they_were_made_and_reported_with_rising_seq(journal):
    seqs: list[int] = []
    for number in range(2500):
        journal.append(Record(events=[event(number)], committed=seqs.append))
    await journal.commit(Record(events=[event(2500)]))
    assert seqs == list(range(1, 2501))
    reader = JournalReader(journal.path)
    assert [row["at_ms"] for row in reader.events(after=0, limit=3000)] == list(range(2501))
    reader.close()


async def test_an_urgent_record_takes_what_waits_before_it_along_and_does_not_wait_for_the_group(tmp_path):
    writer = JournalWriter(tmp_path / "journal.db", group_commit_s=3600)
    writer.start()
    earlier: list[int] = []
    writer.append(Record(events=[event(1)], committed=earlier.append))
    await writer.commit(Record(events=[event(2)]))
    assert earlier == [1]
    await writer.stop()


async def test_the_last_state_of_a_group_wins(journal):
    for number in range(10):
        journal.append(Record(states={"fence/zhang": b"%d" % number}))
    await journal.commit(Record(timers={("fence/zhang", "dwell"): 5}))
    reader = JournalReader(journal.path)
    assert reader.states() == {"fence/zhang": b"9"}
    assert [(row["owner"], row["name"], row["due_ms"]) for row in reader.timers()] == [
        ("fence/zhang", "dwell", 5)
    ]
    await journal.commit(Record(timers={("fence/zhang", "dwell"): None}))
    assert reader.timers() == []
    reader.close()


async def test_a_second_intent_for_the_same_slot_never_becomes_a_row(journal):
    leg = LegRow("i.1.son.call.1", "i", 1, "son", "call", "alarm", 1, "twilio", None, "intended", 0, b"{}")
    await journal.commit(Record(rest=Rest(legs=[leg])))
    await journal.commit(Record(rest=Rest(legs=[leg._replace(leg_id="other")])))
    await journal.commit(Record(rest=Rest(leg_changes=[LegChange("i.1.son.call.1", "placed", None, "CA1")])))
    reader = JournalReader(journal.path)
    assert [(row["leg_id"], row["state"], row["reference"]) for row in reader.unsettled_legs()] == [
        ("i.1.son.call.1", "placed", "CA1")
    ]
    reader.close()


async def test_effects_stay_open_until_they_are_marked_done(journal):
    seq = await journal.commit(
        Record([event(1)], rest=Rest(outbox=[OutboxRow("Down", b"{}"), OutboxRow("HangUp", b"{}")]))
    )
    reader = JournalReader(journal.path)
    assert [(row["seq"], row["position"]) for row in reader.open_outbox()] == [(seq, 0), (seq, 1)]
    await journal.commit(Record(rest=Rest(done=[(seq, 0)])))
    assert [(row["seq"], row["position"]) for row in reader.open_outbox()] == [(seq, 1)]
    reader.close()


async def test_an_effect_under_way_is_read_as_it_was_written_last(journal):
    seq = await journal.commit(Record([event(1)], rest=Rest(outbox=[OutboxRow("Down", b"{}")])))
    change = OutboxChange(b'{"bands":[]}', seq, 0)
    await journal.commit(Record(rest=Rest(outbox_changes=[change])))
    reader = JournalReader(journal.path)
    assert [row["body"] for row in reader.open_outbox()] == [change.body]
    reader.close()


async def test_a_full_disk_acknowledges_nothing_loses_nothing_and_says_so(tmp_path):
    """`max_page_count` makes SQLite itself answer SQLITE_FULL, as a full disk does."""
    told: list[str | None] = []
    heard = asyncio.Event()

    def degraded(reason):
        told.append(reason)
        heard.set()

    writer = JournalWriter(tmp_path / "journal.db", degraded=degraded)
    (pages,) = writer._connection.execute("pragma page_count").fetchone()
    writer._connection.execute(f"pragma max_page_count = {pages}")
    writer.start()
    big = event(1)._replace(payload=b'"' + b"x" * 100_000 + b'"')
    task = asyncio.create_task(writer.commit(Record(events=[big])))
    await heard.wait()
    assert "full" in (told[0] or "")
    assert not task.done()
    writer._connection.execute("pragma max_page_count = 1000000")
    assert await task == 1
    await asyncio.sleep(0)
    assert told[-1] is None
    await writer.stop()


async def test_a_record_that_can_never_be_written_holds_up_nobody_and_is_not_acknowledged(journal, caplog):
    """A number beyond 64 bits stands for whatever SQLite refuses for good."""
    told: list[str] = []
    bad = event(1)._replace(at_ms=2**70)
    for name, row in (("before", event(1)), ("bad", bad), ("after", event(2))):
        journal.append(Record([row], committed=lambda _, name=name: told.append(name)))
    await journal.commit(Record([event(3)]))
    assert told == ["before", "after"]
    assert journal.unwritable == 1
    assert "cannot be written" in caplog.text
    assert verify(journal.path).events == 3


async def test_the_transports_are_told_to_wait_while_too_much_is_queued(tmp_path):
    writer = JournalWriter(tmp_path / "journal.db", max_queue=10)
    writer.start()
    writer._connection.execute("begin immediate")  # the thread cannot begin its own while this stands
    for number in range(10):
        writer.append(Record(events=[event(number)]))
    assert writer.congested
    writer._connection.execute("rollback")
    await asyncio.wait_for(writer.uncongested(), 10)
    assert not writer.congested
    await writer.stop()


async def test_stopping_commits_what_waits(tmp_path):
    writer = JournalWriter(tmp_path / "journal.db", group_commit_s=3600)
    writer.start()
    for number in range(5):
        writer.append(Record(events=[event(number)]))
    await writer.stop()
    assert verify(tmp_path / "journal.db").events == 5


async def test_seq_rises_past_a_restart_even_when_every_row_was_dropped(tmp_path):
    path = tmp_path / "journal.db"
    writer = JournalWriter(path)
    writer.start()
    await writer.commit(Record(events=[event(1), event(2)]))
    await writer.stop()
    connection = sqlite3.connect(path)
    connection.execute("delete from events")
    connection.commit()
    connection.close()
    writer = JournalWriter(path)
    writer.start()
    assert await writer.commit(Record(events=[event(3)])) == 3
    await writer.stop()


def test_retention_drops_the_oldest_telemetry_and_never_an_alarm(tmp_path):
    connection = open_for_writing(tmp_path / "journal.db")
    insert = "insert into events values (?, 0, 0, ?, null, null, null, ?, null, 0)"
    connection.execute("begin")
    for seq in range(1, 12_001):
        connection.execute(insert, (seq, "alarm" if seq % 1000 == 0 else "telemetry", b"x" * 200))
    connection.execute("commit")
    dropped = drop_oldest(connection, max_size_bytes=used_bytes(connection) - 100_000)
    left = [row[0] for row in connection.execute("select seq from events order by seq")]
    assert dropped == 5000
    assert len(left) == 7000
    assert [seq for seq in range(1000, 12_001, 1000) if seq not in left] == []
    assert connection.execute("select value from marks where name = 'dropped_telemetry'").fetchone() == (
        5000,
    )
    connection.close()


async def test_the_quarantine_keeps_reason_offset_and_raw_bytes(journal):
    row = QuarantineRow(7, "tcp", "watch", "127.0.0.1:9", None, "no closing bracket", 3, b"\xff[3G")
    await journal.commit(Record(rest=Rest(quarantine=[row])))
    reader = JournalReader(journal.path)
    (kept,) = reader.quarantine(5)
    assert tuple(kept)[1:] == tuple(row)
    reader.close()


async def test_verify_finds_a_changed_payload_and_a_lost_incident(journal, tmp_path):
    await journal.commit(Record(events=[event(1)]))
    await journal.commit(
        Record(
            [event(2, "alarm")],
            rest=Rest(alarms=[AlarmRow("a1", "zhang", "sos", "critical", 2, "gone", b"{}")]),
        )
    )
    connection = sqlite3.connect(journal.path)
    connection.execute("update events set payload = '{}' where seq = 1")
    connection.commit()
    connection.close()
    faults = verify(journal.path).faults
    assert len(faults) == 2
    assert "event 1" in faults[0]
    assert "a1" in faults[1]


async def test_a_second_gateway_on_the_same_journal_is_refused_in_words(journal):
    with pytest.raises(NeedsHuman, match="another gateway"):
        JournalWriter(journal.path)


def test_a_file_that_is_no_journal_is_refused_in_words(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, it is a letter" * 100)
    with pytest.raises(JournalDamaged, match="move it aside"):
        open_for_writing(path)


def test_times_survive_the_journal_to_the_millisecond():
    assert to_ms(from_ms(1_790_000_000_123)) == 1_790_000_000_123


KILLED = """
import asyncio, sys
from pathlib import Path
from gateway.journal.records import EventRow, Record
from gateway.journal.writer import JournalWriter

async def main():
    writer = JournalWriter(Path(sys.argv[1]))
    writer.start()
    def said(seq):
        print(seq, flush=True)
    number = 0
    while True:
        number += 1
        writer.append(Record(events=[EventRow(number, 0, "telemetry", None, None, None, b"{}", None)],
                             committed=said, urgent=number % 7 == 0))
        if number % 20 == 0:
            await asyncio.sleep(0.001)
asyncio.run(main())
"""


@pytest.mark.slow
def test_what_was_acknowledged_before_kill_9_is_there_afterwards(tmp_path, root):
    path = tmp_path / "journal.db"
    acknowledged = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        deadline = time.monotonic() + 60
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged % 500 > 450 or time.monotonic() > deadline:
                break
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
        acknowledged = max([acknowledged, *map(int, rest[:-1])])
        process.wait()
        process.stdout.close()
        verdict = verify(path)
        assert verdict.faults == ()
        assert verdict.events >= acknowledged


async def test_events_can_be_numbered_on_above_what_the_portal_knows(journal):
    await journal.commit(Record(events=[event(1)]))
    assert await journal.commit(Record([event(2)], rest=Rest(skip_to=500))) == 501
    assert await journal.commit(Record(events=[event(3)])) == 502
    assert await journal.commit(Record([event(4)], rest=Rest(skip_to=100))) == 503
    assert verify(journal.path).faults == ()


def version(wearer: str, number: int) -> ProfileRow:
    return ProfileRow(wearer, number, "portal", None, "x", number, False, b'{"n":%d}' % number)


async def test_the_newest_twenty_versions_of_each_wearer_are_kept(journal):
    for number in range(1, 26):
        await journal.commit(Record(rest=Rest(profiles=[version("zhang", number)])))
    await journal.commit(Record(rest=Rest(profiles=[version("wang", 3)])))
    reader = JournalReader(journal.path)
    assert [row["version"] for row in reader.profile_versions("zhang")] == list(range(25, 5, -1))
    newest = {row["wearer"]: row["body"] for row in reader.newest_profiles()}
    assert newest == {"zhang": b'{"n":25}', "wang": b'{"n":3}'}
    reader.close()


async def test_versions_that_are_counted_on_far_higher_lose_none_before_them(journal):
    for number in (1, 2, 1002, 1003):
        await journal.commit(Record(rest=Rest(profiles=[version("zhang", number)])))
    reader = JournalReader(journal.path)
    assert [row["version"] for row in reader.profile_versions("zhang")] == [1003, 1002, 2, 1]
    reader.close()


async def test_a_full_journal_never_drops_a_profile(journal):
    await journal.commit(Record([event(1, "profile")], rest=Rest(profiles=[version("zhang", 1)])))
    await journal.commit(Record([event(2)]))
    connection = sqlite3.connect(journal.path, isolation_level=None)
    assert drop_oldest(connection, max_size_bytes=0) == 1
    assert connection.execute("select count(*) from profiles").fetchone() == (1,)
    assert connection.execute("select kind from events").fetchall() == [("profile",)]
    connection.close()


async def test_a_version_that_cannot_be_written_takes_its_whole_record_along(journal):
    """The same version twice: neither its event nor its mark is there without it."""
    await journal.commit(Record(rest=Rest(profiles=[version("zhang", 1)])))
    rest = Rest(profiles=[version("zhang", 1)], marks={"command_number": 9})
    journal.append(Record([event(1, "profile")], rest=rest, urgent=True))
    await journal.commit(Record([event(2)]))
    reader = JournalReader(journal.path)
    assert [row["at_ms"] for row in reader.events(after=0, limit=9)] == [2]
    assert (reader.mark("command_number"), journal.unwritable) == (0, 1)
    reader.close()
