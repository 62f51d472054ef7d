"""The real journal, written on the virtual loop instead of by a thread, and killed before or after a commit.

The transactions are the product's own (`gateway.journal.committer`), in a real SQLite file;
only `synchronous` is off, because a process dies here and not the power.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gateway.journal.committer import Committer
from gateway.journal.records import Record
from gateway.journal.schema import open_for_writing

GROUP_RECORDS = 1000
FSYNC_S = 0.004
"""What a commit takes; in the meantime the world goes on."""

Point = Callable[[str, Sequence[Record]], bool]


@cache
def _empty(folder: Path) -> Path:
    """A journal with its tables and nothing in it, made once a process: copying is faster than migrating."""
    path = folder / "empty.db"
    connection = open_for_writing(path)
    connection.execute("pragma journal_mode=delete")
    connection.close()
    return path


class VirtualJournal:
    """What `gateway.journal.writer.JournalWriter` is to the gateway, without its thread.

    `point(what, batch)` is asked before and after every commit; False means that the process is dead.
    Nothing is ever congested: a schedule has a handful of bands.
    """

    congested = False
    unwritable = retries = dropped = 0

    def __init__(
        self,
        path: Path,
        *,
        point: Point,
        group_commit_s: float,
        after_commit: Callable[[], None],
        **_more: Any,
    ) -> None:
        self.path = path
        self._point = point
        self._group_commit_s = group_commit_s
        self._after_commit = after_commit
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_empty(path.parent.parent), path)
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self._connection.execute("pragma journal_mode=memory")
        self._connection.execute("pragma synchronous=off")
        self._committer = Committer(self._connection)
        self._queue: deque[Record] = deque()
        self._due: asyncio.TimerHandle | None = None
        self._due_urgently = False
        self._closed = False

    @property
    def seq(self) -> int:
        """The highest seq ever committed."""
        return self._committer.seq

    @property
    def waiting(self) -> int:
        """Records not yet committed."""
        return len(self._queue)

    async def uncongested(self) -> None:
        """There is always room."""

    def start(self) -> None:
        """There is no thread to start."""

    def append(self, record: Record) -> None:
        """Queue a record; an urgent one takes along what stands before it."""
        if self._closed:
            return
        self._queue.append(record)
        if self._due is None or (record.urgent and not self._due_urgently):
            if self._due is not None:
                self._due.cancel()
            self._due_urgently = record.urgent
            delay_s = FSYNC_S if record.urgent else self._group_commit_s + FSYNC_S
            self._due = asyncio.get_running_loop().call_later(delay_s, self._commit_due)

    def _commit_due(self) -> None:
        self._due = None
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_RECORDS))]
        if self._closed or not batch or not self._point("before the commit of", batch):
            return
        seqs = self._committer.commit(batch)
        if not self._point("after the commit of", batch):
            return
        for record, seq in zip(batch, seqs, strict=True):
            if record.committed is not None:
                record.committed(seq)
        self._after_commit()

    async def stop(self) -> None:
        """Commit what waits, as an orderly end does; nothing when the process is dead."""
        if self._due is not None:
            self._due.cancel()
            self._commit_due()
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if not self._closed:
            self._closed = True
            self._connection.close()


def described(batch: Sequence[Record]) -> str:
    """What a batch holds, in a few words, for the story of a schedule."""
    words: list[str] = []
    for record in batch:
        words += [row.kind for row in record.events]
        if record.has_rest:
            rest = record.rest
            words += [f"intent {leg.leg_id}" for leg in rest.legs]
            words += [f"{change.state or 'reference'} {change.leg_id}" for change in rest.leg_changes]
            words += ["done" for _ in rest.done]
        words += [f"timer {name}" for _, name in record.timers]
    return ", ".join(words) or "nothing"
