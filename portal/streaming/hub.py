"""Who is watching, and who is told what: one poller feeds every viewer's socket.

A viewer costs a socket and a set of numbers: no thread, no task that wakes an event, no database connection.
An event is encoded once for those who may see where somebody is and once for those who may not.

A viewer's life: `enter` (hears already, is told nothing yet), `admit` with the rights judged meanwhile,
told of what happens, ended. A stream ends
  - when rights change: a new roster ends all, `rights` of a wearer whoever sees them, `account` its person;
  - when a consent or a guardianship it rests on is over its time, within a second;
  - after `STREAM_LIFE_S`, so that rights are judged anew whatever was announced;
  - when its backlog grows over `MAX_BACKLOG_BYTES`: the browser comes back and hears what it missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from portal.policy import NOBODY, Viewer
from portal.stream import LiveEvent, Source, ping

log = logging.getLogger(__name__)

MAX_VIEWERS: Final = 2_000
MAX_STREAMS_A_PERSON: Final = 24
"""Tabs of one person; one more is refused, so that nobody fills the house alone."""
MAX_WAITING_EVENTS: Final = 256
MAX_BACKLOG_BYTES: Final = 128 * 1024
HEARTBEAT_S: Final = 15
POLL_S: Final = 0.25
"""How often the poller looks without a bell."""
STREAM_LIFE_S: Final = 15 * 60
LOOK_AGAIN: Final = "event: roster\ndata: {}\n\n"
CONTROL_TOPICS: Final = frozenset({"rights", "account", "roster"})


class Line(Protocol):
    """The way to one browser."""

    def send(self, frame: bytes) -> None:
        """Hand over a whole frame; never blocks, never raises."""

    def backlog_bytes(self) -> int:
        """How much the browser has not taken yet."""

    def cut(self) -> None:
        """Drop the connection with what waits; idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the doors found: who it is, whom they may see (True: also where), and what they missed.

    `judged_at`: the newest change before rights were read; `seen`: the newest change told in `first`.
    `rights_until`: when the first of what was judged ends by itself, such as a consent given for a year.
    """

    viewer: Viewer = NOBODY
    sees: Mapping[int, bool] = field(default_factory=dict)
    judged_at: int = 0
    seen: int = 0
    first: tuple[str, ...] = ()
    rights_until: datetime | None = None


Rejudge = Callable[[list[Viewer]], Awaitable[list[Mapping[int, bool]]]]


@dataclass(slots=True, eq=False)
class Subscription:
    """One viewer; `ended` is set when the stream is to end."""

    slot: int
    ends_at: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    line: Line | None = None
    admission: Admission = field(default_factory=Admission)
    waiting: list[LiveEvent] | None = field(default_factory=list)
    """What happened while the doors were judging; None once admitted."""

    def offer(self, event: LiveEvent, told: Frames) -> bool:
        """Tell this viewer what concerns them; False when their backlog is too long and they were cut off."""
        if self.ended.is_set():
            return True
        if self.waiting is not None:
            self.waiting.append(event)
            if len(self.waiting) > MAX_WAITING_EVENTS:
                self.ended.set()
            return True
        return self._tell(event, told)

    def _tell(self, event: LiveEvent, told: Frames) -> bool:
        if event.topic == "account":
            if event.subject == self.admission.viewer.user:
                self.ended.set()
            return True
        if event.wearer is not None and event.wearer not in self.admission.sees:
            return True
        located = event.wearer is None or self.admission.sees[event.wearer]
        taken = self.send(told.whole if located else told.blind)
        if event.topic in CONTROL_TOPICS:
            self.ended.set()
        return taken

    def send(self, frame: bytes) -> bool:
        """Send a frame; False when the viewer was too slow and is cut off."""
        assert self.line is not None
        if self.line.backlog_bytes() > MAX_BACKLOG_BYTES:
            self.line.cut()
            self.ended.set()
            return False
        self.line.send(frame)
        return True


class Frames:
    """An event ready for the sockets, encoded once however many watch."""

    __slots__ = ("_event", "_frame", "_made")

    def __init__(self, event: LiveEvent, frame: Callable[[str], bytes]) -> None:
        self._event, self._frame = event, frame
        self._made: dict[bool, bytes] = {}

    @property
    def whole(self) -> bytes:
        """For those who may see where the wearer is."""
        return self._get(located=True)

    @property
    def blind(self) -> bytes:
        """For those who may not."""
        return self._get(located=False)

    def _get(self, *, located: bool) -> bytes:
        if located not in self._made:
            self._made[located] = self._frame(self._event.encode(located=located))
        return self._made[located]


class Hub:
    """The viewers of this process; everything here runs on its one event loop.

    `source` is called in a worker thread; `rejudge` gives whom these viewers may see now;
    `frame` wraps a piece of text as the sockets want it; `clock` is the one rights end by.
    """

    def __init__(
        self,
        source: Source,
        *,
        rejudge: Rejudge,
        frame: Callable[[str], bytes] = str.encode,
        max_viewers: int = MAX_VIEWERS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source, self._rejudge, self._frame = source, rejudge, frame
        self._max_viewers, self._clock = max_viewers, clock
        self._viewers: set[Subscription] = set()
        self._people: dict[int | None, int] = {}
        self._entered = 0
        self._bell = asyncio.Event()
        self._seen = -1
        self._closed = False
        self.opened = asyncio.Event()
        """Set once the store was read for the first time: viewers are let in from then on."""
        self.refused = self.cut = self.failures = 0

    @property
    def viewers(self) -> int:
        """How many are watching or at the doors."""
        return len(self._viewers)

    def ring(self) -> None:
        """Something was committed: look now."""
        self._bell.set()

    def enter(self) -> Subscription | None:
        """A place for one viewer, who hears from now on; None when full, closing or not open yet."""
        if self._closed or self._seen < 0 or len(self._viewers) >= self._max_viewers:
            self.refused += 1
            return None
        self._entered += 1
        now_s = asyncio.get_running_loop().time()
        found = Subscription(slot=self._entered % HEARTBEAT_S, ends_at=now_s + STREAM_LIFE_S)
        self._viewers.add(found)
        return found

    def admit(self, viewer: Subscription, admission: Admission, line: Line) -> bool:
        """Begin to tell a viewer, first what happened meanwhile; False refuses one tab too many."""
        user = admission.viewer.user
        if viewer.ended.is_set() or self._people.get(user, 0) >= MAX_STREAMS_A_PERSON:
            self.refused += 1
            return False
        self._people[user] = self._people.get(user, 0) + 1
        waited, viewer.waiting = viewer.waiting or [], None
        viewer.admission, viewer.line = admission, line
        for event in waited:
            known = admission.judged_at if event.topic in CONTROL_TOPICS else admission.seen
            if event.seq > known:
                viewer.offer(event, Frames(event, self._frame))
        return True

    def leave(self, viewer: Subscription) -> None:
        """Forget a viewer; idempotent."""
        if viewer not in self._viewers:
            return
        self._viewers.discard(viewer)
        if viewer.waiting is None:
            user = viewer.admission.viewer.user
            self._people[user] -= 1
            if not self._people[user]:
                del self._people[user]

    def close(self) -> None:
        """End every stream and take no more; idempotent."""
        self._closed = True
        for viewer in tuple(self._viewers):
            viewer.ended.set()
        self._bell.set()

    async def run(self) -> None:
        """Follow the changes until `close`; a store that is away for a moment ends nothing."""
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat(), name="heartbeat of live pages")
            try:
                await self._follow(tasks)
            finally:
                beating.cancel()

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        while not self._closed:
            self._bell.clear()
            try:
                seen, events = await asyncio.to_thread(self._source, self._seen)
            except Exception:
                if not self.failures:
                    log.exception("the changes cannot be read; live pages wait")
                self.failures += 1
                events = []
            else:
                self._seen = seen
                self.opened.set()
            for event in events:
                self.tell(event)
            if any(event.topic == "rights" for event in events):
                tasks.create_task(self._judge_anew(), name="rights judged anew")
            try:
                await asyncio.wait_for(self._bell.wait(), POLL_S)
            except TimeoutError:
                continue

    def tell(self, event: LiveEvent) -> None:
        """Tell everybody whom an event concerns."""
        told = Frames(event, self._frame)
        for viewer in tuple(self._viewers):
            if not viewer.offer(event, told):
                self.cut += 1

    async def _judge_anew(self) -> None:
        """End the streams of those who may see others, or more, than when they came."""
        admitted = [one for one in self._viewers if one.waiting is None and not one.ended.is_set()]
        people = list({one.admission.viewer for one in admitted})
        try:
            found = dict(zip(people, await self._rejudge(people), strict=True))
        except Exception:
            log.exception("rights could not be judged anew; every stream ends")
            found = {}
        for viewer in admitted:
            if found.get(viewer.admission.viewer) != viewer.admission.sees and not viewer.ended.is_set():
                viewer.send(self._frame(LOOK_AGAIN))
                viewer.ended.set()

    async def _beat(self) -> None:
        """One second, one fifteenth of the viewers; and end whoever has watched long enough."""
        slot = 0
        while True:
            await asyncio.sleep(1)
            slot = (slot + 1) % HEARTBEAT_S
            frame = self._frame(ping(max(self._seen, 0)))
            now_s = asyncio.get_running_loop().time()
            for viewer in tuple(self._viewers):
                if now_s >= viewer.ends_at:
                    viewer.ended.set()
                elif self._is_over(viewer):
                    viewer.send(self._frame(LOOK_AGAIN))
                    viewer.ended.set()
                elif viewer.slot == slot and viewer.waiting is None and not viewer.ended.is_set():
                    self.cut += not viewer.send(frame)

    def _is_over(self, viewer: Subscription) -> bool:
        """Whether something this viewer's rights rest on has ended by itself."""
        until = viewer.admission.rights_until
        return until is not None and not viewer.ended.is_set() and self._clock() >= until

    def figures(self) -> dict[str, Any]:
        """What the process can say of itself."""
        return {
            "viewers": len(self._viewers),
            "refused": self.refused,
            "cut": self.cut,
            "failures": self.failures,
            "seen": self._seen,
        }
