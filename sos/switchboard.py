"""Which carrier is asked next, how many legs it takes at a time, and which carriers are known to be down.

A carrier is never left out for good: those that were down lately only stand behind the others.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sos.carriers.base import Carrier
from sos.events import OUTSIDE, Channel, Leg

log = logging.getLogger(__name__)

CONCURRENT = 8
"""Legs a carrier is asked for at a time when it declares nothing itself."""

Health = Callable[[str, bool, str], None]
"""Told (carrier name, healthy, detail) when a carrier goes down or comes back."""


def urgency_of(leg: Leg) -> int:
    """What rings, sounds or goes by satellite first, then the alarm in words, then the rest.

    What belongs to no incident waits for all of them.
    """
    if leg.role == OUTSIDE:
        return 3
    if leg.channel is not Channel.TEXT:
        return 0
    return 1 if leg.purpose == "alarm" else 2


def lines_of(carrier: Carrier) -> int:
    """How many legs a carrier takes at a time."""
    return max(1, int(getattr(carrier, "concurrent", CONCURRENT)))


class Lane:
    """At most `width` turns at once; the most urgent waits least, equals in order of arrival."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = 0

    @asynccontextmanager
    async def turn(self, urgency: int) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        if self._free:
            self._free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            self._arrivals += 1
            heapq.heappush(self._waiting, (urgency, self._arrivals, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class CarrierHealth(NamedTuple):
    """How a carrier is: `detail` says why it cannot be used, `since` since when, None where it can."""

    name: str
    healthy: bool
    detail: str
    since: datetime | None


@dataclass(slots=True)
class _Outage:
    """Why and since when a carrier stands behind the others, and until when at least."""

    detail: str
    since: datetime
    last: datetime
    count: int = 1


class Switchboard:
    """The carriers in order of preference, with what is known of each.

    A carrier stands behind the others while it says itself that it is in trouble,
    for `down_s` after it was not reached or did not answer in time, until it does as it is asked again;
    for calls also while `relay_up` says that the keys pressed in its calls could not come back.
    While `alarm` says that somebody calls for help, a carrier with a single line takes nothing else.
    """

    def __init__(
        self,
        carriers: Sequence[Carrier],
        *,
        now: Callable[[], datetime],
        down_s: float,
        on_health: Health | None = None,
        relay_up: Callable[[], bool] = lambda: True,
        alarm: Callable[[], bool] = lambda: False,
    ) -> None:
        self.carriers = tuple(carriers)
        self._alarm = alarm
        self._now = now
        self._down = timedelta(seconds=down_s)
        self._on_health = on_health
        self._relay_up = relay_up
        self._outages: dict[tuple[str, Channel | None], _Outage] = {}
        self._troubles: dict[str, _Outage] = {}
        self._lanes = {one.name: Lane(lines_of(one)) for one in self.carriers}

    def named(self, name: str) -> Carrier | None:
        """The carrier of this name, None when it is no longer configured."""
        return next((one for one in self.carriers if one.name == name), None)

    def lane(self, carrier: Carrier) -> Lane:
        """Where one waits for a turn with this carrier."""
        return self._lanes[carrier.name]

    def order_for(self, leg: Leg) -> list[Carrier]:
        """Whom to ask for this leg.

        1. Those that work before those that are down or in trouble.
        2. For a call, those whose keys come back before those whose keys cannot now.
        3. Of those that are down, the one that failed longest ago.
        4. By preference; a later attempt begins with the next.
        """
        able = [one for one in self.carriers if leg.channel in one.channels]
        if leg.role == OUTSIDE and self._alarm():
            able = [one for one in able if lines_of(one) > 1]
        if not able:
            return []
        cut = (leg.attempt - 1) % len(able)
        able = able[cut:] + able[:cut]

        def rank(one: Carrier) -> tuple[bool, bool, float]:
            failed_at = self._failed_at(one, leg.channel)
            deaf = leg.channel is Channel.CALL and self._is_deaf(one)
            return failed_at is not None, deaf, failed_at.timestamp() if failed_at else 0.0

        return sorted(able, key=rank)

    def takes(self, channel: Channel, *, outside: bool = False) -> bool:
        """Whether any carrier takes such a leg; `outside`: now, though it belongs to no incident."""
        able = [one for one in self.carriers if channel in one.channels]
        return any(lines_of(one) > 1 for one in able) if outside and self._alarm() else bool(able)

    def has_better(self, carrier: Carrier, leg: Leg) -> bool:
        """Whether another carrier that works now could take such a leg."""
        able = (one for one in self.carriers if one is not carrier and leg.channel in one.channels)
        return any(self._failed_at(one, leg.channel) is None for one in able)

    def _is_deaf(self, carrier: Carrier) -> bool:
        """Whether keys pressed in this carrier's calls cannot come back now."""
        return bool(getattr(carrier, "needs_relay", False)) and not self._relay_up()

    def health(self) -> tuple[CarrierHealth, ...]:
        """How every carrier is, in order of preference."""
        return tuple(self._health_of(one) for one in self.carriers)

    def _health_of(self, carrier: Carrier) -> CarrierHealth:
        found = [self._trouble(carrier), *(self._outage(carrier, key) for key in (*Channel, None))]
        worst = min((one for one in found if one is not None), key=lambda one: one.since, default=None)
        if worst is None:
            return CarrierHealth(carrier.name, healthy=True, detail="", since=None)
        return CarrierHealth(carrier.name, healthy=False, detail=worst.detail, since=worst.since)

    def _failed_at(self, carrier: Carrier, channel: Channel) -> datetime | None:
        found = (self._trouble(carrier), self._outage(carrier, channel), self._outage(carrier, None))
        return max(
            (one.last for one in found if one is not None and (one.last + self._down > self._now())),
            default=None,
        )

    def _trouble(self, carrier: Carrier) -> _Outage | None:
        """What the carrier says of itself now; looked at often, so that `since` is about right."""
        detail, now = str(getattr(carrier, "trouble", "")), self._now()
        if not detail:
            self._troubles.pop(carrier.name, None)
            return None
        trouble = self._troubles.setdefault(carrier.name, _Outage(detail, since=now, last=now))
        trouble.detail, trouble.last = detail, now
        return trouble

    def _outage(self, carrier: Carrier, channel: Channel | None) -> _Outage | None:
        """An outage that was noted; over with time when the carrier itself says that it has no trouble."""
        outage = self._outages.get((carrier.name, channel))
        if outage is None or outage.last + self._down > self._now():
            return outage
        if getattr(carrier, "trouble", None) == "":
            self._over(carrier, channel)
            return None
        return outage

    def went_down(self, carrier: Carrier, channel: Channel | None, detail: str) -> None:
        """The carrier was not reached or did not answer; said once, then counted. No channel: all of them."""
        now = self._now()
        outage = self._outages.get((carrier.name, channel))
        if outage is not None:
            outage.last, outage.count = now, outage.count + 1
            return
        was_healthy = not any(name == carrier.name for name, _ in self._outages)
        self._outages[carrier.name, channel] = _Outage(detail, since=now, last=now)
        log.warning("carrier %s is down for %s: %s", carrier.name, _words(channel), detail)
        if was_healthy and self._on_health is not None:
            self._on_health(carrier.name, False, detail)

    def worked(self, carrier: Carrier, channel: Channel) -> None:
        """The carrier did as it was asked."""
        self._over(carrier, channel)
        self._over(carrier, None)

    def answered(self, carrier: Carrier) -> None:
        """The carrier answered a question; that it takes legs is not proved by that."""
        self._over(carrier, None)

    def _over(self, carrier: Carrier, channel: Channel | None) -> None:
        outage = self._outages.pop((carrier.name, channel), None)
        if outage is None:
            return
        log.info("carrier %s is back for %s after %d failures", carrier.name, _words(channel), outage.count)
        if self._on_health is not None and not any(name == carrier.name for name, _ in self._outages):
            self._on_health(carrier.name, True, "")


def _words(channel: Channel | None) -> str:
    return "questions" if channel is None else channel.value
