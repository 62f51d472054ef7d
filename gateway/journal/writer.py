"""The one thread that writes: takes records in order, commits them in groups, then says so on the loop.

Records queue in the order the engine made them and are committed in that order, so a later state
never lands before an earlier one.
Ordinary records wait up to `group_commit_s` to share an fsync;
an urgent one wakes the thread at once and takes whatever stands before it along.
How a group becomes one transaction is `gateway.journal.committer`.

A commit that fails (disk full, I/O error) is rolled back and tried again for ever, with backoff:
nothing is dropped, nothing is acknowledged, `degraded` tells the engine.
A record that SQLite can never take must not hold up the others: the group is then committed one by one,
and that record alone stays uncommitted and unacknowledged, counted in `unwritable` and logged.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from gateway.errors import NeedsHuman
from gateway.journal.committer import Committer
from gateway.journal.records import Record
from gateway.journal.retention import drop_oldest
from gateway.journal.schema import open_for_writing

GROUP_RECORDS = 1000
RETRY_FIRST_S = 0.05
RETRY_MAX_S = 5.0
RETENTION_EVERY_ROWS = 20_000

log = logging.getLogger(__name__)


class JournalWriter:
    """Owns the writing connection and its thread.

    `append` is called on the loop; `Record.committed` comes back on the same loop.
    `max_queue` bounds what may wait: `congested` turns true there, and the transports stop reading.
    """

    def __init__(
        self,
        path: Path,
        *,
        group_commit_s: float = 0.005,
        max_size_mb: int = 2048,
        max_queue: int = 2000,
        degraded: Callable[[str | None], None] | None = None,
        after_commit: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.retries = 0
        self.unwritable = 0
        self.dropped = 0
        self._group_commit_s = group_commit_s
        self._max_size_bytes = max_size_mb * 1024 * 1024
        self._max_queue = max_queue
        self._degraded = degraded
        self._after_commit = after_commit
        self._lock = hold(path.with_suffix(".lock"))
        self._connection = open_for_writing(path)
        self._committer = Committer(self._connection)
        self._queue: deque[Record] = deque()
        self._condition = threading.Condition()
        self._urgent = False
        self._stopping = False
        self._in_commit = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._records_at_retention = 0

    # ------------------------------------------------------------------ on the loop

    def start(self) -> None:
        """Start the thread; call on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        """Queue a record; its `committed` is called on the loop once it is on the disk."""
        queue = self._queue
        wake = record.urgent or not queue
        queue.append(record)
        if record.urgent:
            self._urgent = True
        if wake or len(queue) >= GROUP_RECORDS:
            with self._condition:
                self._condition.notify()
        if len(queue) >= self._max_queue:
            self._room.clear()

    async def commit(self, record: Record) -> int:
        """Queue an urgent record and wait for its commit; gives its seq."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def committed(seq: int) -> None:
            if not future.done():
                future.set_result(seq)

        record.urgent = True
        record.committed = committed
        self.append(record)
        return await future

    @property
    def seq(self) -> int:
        """The highest seq ever committed."""
        return self._committer.seq

    @property
    def rows(self) -> int:
        """Events committed since the start."""
        return self._committer.rows

    @property
    def commits(self) -> int:
        """Transactions since the start."""
        return self._committer.commits

    @property
    def congested(self) -> bool:
        """True while too much waits."""
        return not self._room.is_set()

    async def uncongested(self) -> None:
        """Wait for room."""
        await self._room.wait()

    @property
    def waiting(self) -> int:
        """Records not yet committed."""
        return len(self._queue) + self._in_commit

    async def stop(self) -> None:
        """Commit what waits, end the thread and close the file."""
        if self._thread is not None:
            with self._condition:
                self._stopping = True
                self._condition.notify()
            await asyncio.to_thread(self._thread.join)
            await asyncio.sleep(0)  # lets the last `committed` callbacks run
        self._connection.close()
        self._lock.close()

    def _deliver(self, batch: Sequence[Record], seqs: Sequence[int | None]) -> None:
        for record, seq in zip(batch, seqs, strict=True):
            if record.committed is not None and seq is not None:
                record.committed(seq)
        if self._after_commit is not None:
            self._after_commit()
        if len(self._queue) < self._max_queue // 2:
            self._room.set()

    # ------------------------------------------------------------------ on the thread

    def _run(self) -> None:
        while True:
            batch = self._take()
            if not batch:
                return
            seqs = self._commit_for_ever(batch)
            self._in_commit = 0
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._deliver, batch, seqs)
            self._keep_bounded()

    def _take(self) -> list[Record]:
        queue = self._queue
        with self._condition:
            while not queue and not self._stopping:
                self._condition.wait()
            if queue and not self._urgent and not self._stopping and len(queue) < GROUP_RECORDS:
                self._condition.wait_for(
                    lambda: self._urgent or self._stopping or len(queue) >= GROUP_RECORDS,
                    timeout=self._group_commit_s,
                )
            self._urgent = False
        batch = [queue.popleft() for _ in range(min(len(queue), GROUP_RECORDS))]
        if queue and any(record.urgent for record in tuple(queue)):
            self._urgent = True
        self._in_commit = len(batch)
        return batch

    def _commit_for_ever(self, batch: Sequence[Record]) -> list[int | None]:
        """Commit a group, however long the disk is in trouble; None: that record cannot be written."""
        delay_s = RETRY_FIRST_S
        while True:
            try:
                seqs = self._committer.commit(batch)
            except Exception as error:  # noqa: BLE001 (this thread must outlive every record)
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                if not is_trouble_of_the_disk(error):
                    return self._one_by_one(batch, error)
                self.retries += 1
                self._tell(f"{type(error).__name__}: {error}")
                time.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)
            else:
                if delay_s > RETRY_FIRST_S:
                    self._tell(None)
                return list(seqs)

    def _one_by_one(self, batch: Sequence[Record], error: Exception) -> list[int | None]:
        if len(batch) > 1:
            return [seq for record in batch for seq in self._commit_for_ever([record])]
        self.unwritable += 1
        log.critical(
            "a record cannot be written and stays unacknowledged: %s: %s", type(error).__name__, error
        )
        return [None]

    def _tell(self, reason: str | None) -> None:
        if self._degraded is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._degraded, reason)

    def _keep_bounded(self) -> None:
        """Every so often drop what the size limit and the quarantine's bound demand; never an alarm.

        It waits for a quiet moment, but not for ever.
        """
        committed = self._committer.records - self._records_at_retention
        overdue = committed >= 5 * RETENTION_EVERY_ROWS
        if committed < RETENTION_EVERY_ROWS or (self._queue and not overdue):
            return
        self._records_at_retention = self._committer.records
        try:
            self.dropped += drop_oldest(self._connection, max_size_bytes=self._max_size_bytes)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            self._tell(f"{type(error).__name__}: {error}")


def is_trouble_of_the_disk(error: Exception) -> bool:
    """Whether the same commit may succeed later (full, locked, I/O): not so a value SQLite cannot hold."""
    never = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.Error) and not isinstance(error, never)


def hold(path: Path) -> IO[str]:
    """Hold a journal for this process alone; the hold ends with the file, and so with the process.

    Two writers would undo each other's checkpoints (docs/adr/0002).
    Raises NeedsHuman when another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise NeedsHuman(f"another gateway is running on this journal ({path}); stop it first") from error
    return file
