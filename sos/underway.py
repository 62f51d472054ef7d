"""A leg that is being carried out, what was counted on the way, and the reports that wait to be written."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sos.carriers.base import Carrier, Message
from sos.draft import FINAL, RANK
from sos.events import KeyPressed, Leg, LegReported, LegState


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds; `sos.dispatcher.Dispatcher` says what each means."""

    settle_s: float = 16
    place_deadline_s: float = 5
    skew_s: float = 5
    poll_s: float = 3
    patience_s: float = 10
    max_intent_wait_s: float = 2


@dataclass(slots=True)
class Underway:
    """One leg in this process, from the order to its end."""

    leg: Leg
    message: Message
    carrier: Carrier | None = None
    reference: str | None = None
    intended_at: datetime | None = None
    state: LegState = LegState.ORDERED
    unwanted: bool = False
    recorded: bool = True
    gave_way: set[str] = field(default_factory=set)
    """Carriers it waited for and then passed, because they had stopped answering meanwhile."""
    late: asyncio.Task[str] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_alive(self) -> bool:
        """Something only a placed leg can do was seen of it."""
        return RANK[self.state] >= RANK[LegState.PLACED]

    @property
    def has_ended(self) -> bool:
        """Nothing more will come of it."""
        return self.state in FINAL

    def hear(self, state: LegState) -> bool:
        """Take a state in; True when it is news."""
        if RANK[state] <= RANK[self.state]:
            return False
        self.state = state
        self.changed.set()
        return True


@dataclass(slots=True)
class Counters:
    """What happened since the start, for the metrics page."""

    placed: int = 0
    refused: int = 0
    down: int = 0
    ambiguous: int = 0
    adopted: int = 0
    absent: int = 0
    undecided: int = 0
    lost_sight: int = 0
    no_carrier: int = 0
    unrecorded: int = 0
    refused_full: int = 0
    reports_dropped: int = 0
    reports_lost: int = 0
    broken: int = 0

    def as_dict(self) -> dict[str, int]:
        """Name to number."""
        return asdict(self)


class ReportQueue:
    """Reports on their way to the record, in order.

    Bounded by `most`: when full, a state is dropped and counted, because the next poll tells it again;
    a pressed key is never dropped, because nobody would tell it again.
    """

    def __init__(self, most: int, counters: Counters) -> None:
        self._most = most
        self._counters = counters
        self._waiting: deque[LegReported | KeyPressed] = deque()
        self._filled = asyncio.Event()

    def put(self, event: LegReported | KeyPressed) -> None:
        """Add one; never blocks."""
        if len(self._waiting) >= self._most and isinstance(event, LegReported):
            self._counters.reports_dropped += 1
            return
        self._waiting.append(event)
        self._filled.set()

    async def get(self) -> LegReported | KeyPressed:
        """Take the oldest, waiting for one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.popleft()
