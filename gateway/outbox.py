"""What a record orders is carried out after its commit; an SOS waits only so long for the disk."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from gateway.downlink.rows import Pending
from gateway.journal.records import Record

CarryOut = Callable[[str, Any, tuple[int, int]], None]
"""Carries out one committed effect: (kind, order, its identity).

Under an early identity (a negative seq) it comes again with its own after the commit:
legs and orders to bands know themselves again by their ids.
"""


class Journal(Protocol):
    """What is needed of the journal."""

    def append(self, record: Record) -> None:
        """Queue a record."""
        ...


class Outbox:
    """Journals records; `counts` counts the effects that did not wait for their commit."""

    def __init__(
        self, journal: Journal, carry_out: CarryOut, counts: Counter[str], *, max_commit_wait_s: float
    ) -> None:
        self._journal = journal
        self._carry_out = carry_out
        self._counts = counts
        self.max_commit_wait_s = max_commit_wait_s
        self._early_seq = 0

    def commit(self, record: Record, pending: Pending, committed: Callable[[int], None] | None) -> None:
        """Queue a record; after its commit say so, and carry out what it ordered."""
        if not pending.orders:
            record.committed = committed
            self._journal.append(record)
            return
        handed_over = False

        def carry_out(seq: int) -> None:
            nonlocal handed_over
            handed_over = True
            for position, (kind, order) in enumerate(pending.orders):
                self._carry_out(kind, order, (seq, position))

        def on_disk(seq: int) -> None:
            if committed is not None:
                committed(seq)
            carry_out(seq)

        def too_long() -> None:
            """The disk is stuck: help is worth more than order (see the decision record on this)."""
            if not handed_over:
                self._counts["effects before their commit"] += 1
                self._early_seq -= 1
                carry_out(self._early_seq)

        record.committed = on_disk
        self._journal.append(record)
        if record.urgent:
            asyncio.get_running_loop().call_later(self.max_commit_wait_s, too_long)
