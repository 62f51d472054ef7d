"""What live pages are made of: the bell that says "something was committed", and the events of a stream.

The bell rings in the process that committed; `portal/streaming` is the process that holds the viewers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

RETRY_MS: Final = 5_000
"""How soon a browser asks again after an answer that ended."""


class Bell:
    """Rings when something was committed; waiters wake and look."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pass_on: list[Callable[[], None]] = []
        self.count = 0
        self.closed = False

    def ring(self) -> None:
        """Wake every waiter of this process, and pass the ring on to other processes."""
        self.hear()
        for tell in self._pass_on:
            tell()

    def hear(self) -> None:
        """Wake every waiter of this process: another process rang."""
        with self._condition:
            self.count += 1
            self._condition.notify_all()

    def pass_on(self, tell: Callable[[], None]) -> None:
        """Call `tell` at every ring of this process; it must neither block nor raise."""
        self._pass_on.append(tell)

    def wait(self, heard: int, *, timeout_s: float) -> None:
        """Return at the first ring after `heard` (a `count` read before looking), at `close`, or in time."""
        with self._condition:
            self._condition.wait_for(lambda: self.count != heard or self.closed, timeout_s)

    def close(self) -> None:
        """Let every waiter go, now and for ever."""
        with self._condition:
            self.closed = True
            self._condition.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something that changed; `wearer` decides who may hear of it, None is for everybody.

    `where` is added to `data` for those who may see where the wearer is.
    The topics `rights` (of one wearer) and `account` (of one account, the `subject`) end streams.
    """

    seq: int
    topic: str
    data: dict[str, Any] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=dict)
    wearer: int | None = None
    subject: int = 0

    def encode(self, *, located: bool = True) -> str:
        """The event as `text/event-stream` has it (HTML Standard, 9.2.6).

        New rights are to a page what a new roster is: a reason to look at everything again.
        """
        told = self.data | self.where if located else self.data
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        topic = "roster" if self.topic == "rights" else self.topic
        return f"id: {self.seq}\nevent: {topic}\ndata: {body}\n\n"


RESET: Final = "event: reset\ndata: {}\n\n"
Source = Callable[[int], tuple[int, list[LiveEvent]]]
"""Given the last number seen, the newest number and the events in between."""


def ping(seq: int) -> str:
    """The heartbeat; its number lets a page that nothing concerned go on from here."""
    return f"id: {seq}\nevent: ping\ndata: {{}}\n\n"


def retry(milliseconds: int) -> str:
    """How long a browser is to wait before it asks again."""
    return f"retry: {milliseconds}\n\n"
