"""Live pages: one poller a process follows the changes and feeds every viewer's own bounded queue.

A viewer costs a sleeping thread and a small queue, no database connection.
There are at most `MAX_VIEWERS` of them; one more is refused, and its page falls back to reloading by itself.
A viewer too slow for its queue is told to reload (`reset`) and its backlog is dropped and counted.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_VIEWERS = 128
QUEUE_EVENTS = 256
HEARTBEAT_S = 15.0
POLL_S = 0.5
STREAM_LIFE_S = 15 * 60.0
"""A stream ends after this long and the browser asks again: rights are judged anew."""


class Bell:
    """Rings when something was committed; waiters wake and look."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.count = 0
        self.closed = False

    def ring(self) -> None:
        """Wake every waiter."""
        with self._condition:
            self.count += 1
            self._condition.notify_all()

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
    """Something for the pages; `wearer` decides who may hear of it, None is for everybody."""

    seq: int
    topic: str
    data: dict[str, Any]
    wearer: int | None = None

    def encode(self) -> str:
        """The event as `text/event-stream` has it (HTML Standard, 9.2.6)."""
        body = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.seq}\nevent: {self.topic}\ndata: {body}\n\n"


RESET = "event: reset\ndata: {}\n\n"
PING = "event: ping\ndata: {}\n\n"
Source = Callable[[int], tuple[int, list[LiveEvent]]]
"""Given the last number seen, the newest number and the events in between."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One viewer's queue; None in it ends the stream."""

    sees: Callable[[int], bool]
    events: queue.Queue[str | None] = field(default_factory=lambda: queue.Queue(QUEUE_EVENTS))
    dropped: int = 0

    def offer(self, event: LiveEvent) -> None:
        """Queue the event if this viewer may see it; when full, drop the backlog and ask for a reload.

        A new roster may change who may see whom: the stream ends after it and is asked for anew.
        """
        if event.wearer is not None and not self.sees(event.wearer):
            return
        try:
            self.events.put_nowait(event.encode())
            if event.topic == "roster":
                self.events.put_nowait(None)
        except queue.Full:
            self._drop_backlog()
            self.events.put_nowait(RESET)
            self.events.put_nowait(None)

    def end(self) -> None:
        """End the stream after what is queued, at once when the queue is full."""
        try:
            self.events.put_nowait(None)
        except queue.Full:
            self._drop_backlog()
            self.events.put_nowait(None)

    def _drop_backlog(self) -> None:
        while True:
            try:
                self.events.get_nowait()
            except queue.Empty:
                return
            self.dropped += 1


class Hub:
    """The process's one poller and its viewers; threads start with the first viewer."""

    def __init__(self, source: Source, bell: Bell, *, max_viewers: int = MAX_VIEWERS) -> None:
        self._source = source
        self._bell = bell
        self._max_viewers = max_viewers
        self._lock = threading.Lock()
        self._viewers: set[Subscription] = set()
        self._poller: threading.Thread | None = None
        self._seen = 0
        self._closed = False
        self.refused = 0
        self.failures = 0

    @property
    def viewers(self) -> int:
        """How many are watching."""
        return len(self._viewers)

    def subscribe(self, sees: Callable[[int], bool]) -> Subscription | None:
        """A queue for one viewer, None when the house is full or closing; never blocks."""
        with self._lock:
            if self._closed or len(self._viewers) >= self._max_viewers:
                self.refused += 1
                return None
            subscription = Subscription(sees)
            self._viewers.add(subscription)
            if self._poller is None:
                self._seen = self._source(-1)[0]
                self._poller = threading.Thread(target=self._poll, name="live-poller", daemon=True)
                self._poller.start()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a viewer; idempotent."""
        with self._lock:
            self._viewers.discard(subscription)

    def close(self) -> None:
        """End every stream and the poller; idempotent."""
        with self._lock:
            self._closed = True
            viewers, poller = tuple(self._viewers), self._poller
        self._bell.close()
        for viewer in viewers:
            viewer.end()
        if poller is not None and poller is not threading.current_thread():
            poller.join(timeout=5)

    def _poll(self) -> None:
        while not self._closed:
            heard = self._bell.count
            try:
                self._seen, events = self._source(self._seen)
            except Exception:  # noqa: BLE001  # a store that is away for a moment must not end live pages for good
                self.failures += 1
                events = []
            for event in events:
                for viewer in tuple(self._viewers):
                    viewer.offer(event)
            self._bell.wait(heard, timeout_s=POLL_S)


def stream(hub: Hub, subscription: Subscription, first: Iterable[LiveEvent | str]) -> Iterator[str]:
    """The body of one live answer: what was missed, then what happens, a heartbeat in between.

    Ends after `STREAM_LIFE_S` of heartbeats, at `Hub.close`, or when the reader goes away.
    """
    try:
        yield "retry: 3000\n\n"
        for event in first:
            yield event if isinstance(event, str) else event.encode()
        silence_s = 0.0
        while silence_s < STREAM_LIFE_S:
            try:
                text = subscription.events.get(timeout=HEARTBEAT_S)
            except queue.Empty:
                silence_s += HEARTBEAT_S
                yield PING
                continue
            if text is None:
                return
            yield text
    finally:
        hub.leave(subscription)
