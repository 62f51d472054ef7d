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

from sos.carriers.base import Carrier
from sos.events import Channel, Leg

log = logging.getLogger(__name__)

CONCURRENT = 8
"""Legs a carrier is asked for at a time when it declares nothing itself."""

Health = Callable[[str, bool, str], None]
"""Told (carrier name, healthy, detail) when a carrier goes down or comes back."""


def urgency_of(leg: Leg) -> int:
    """What rings, sounds or goes by satellite first, then the alarm in words, then the rest."""
    if leg.channel is not Channel.TEXT:
        return 0
    return 1 if leg.purpose == "alarm" else 2


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


@dataclass(slots=True)
class _Outage:
    until: datetime
    count: int = 1


class Switchboard:
    """The carriers in order of preference, with what is known of each.

    `down_s` is how long a carrier that was not reached stands behind the others.
    """

    def __init__(
        self,
        carriers: Sequence[Carrier],
        *,
        now: Callable[[], datetime],
        down_s: float,
        on_health: Health | None = None,
        relay_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self.carriers = tuple(carriers)
        self._now = now
        self._down_s = down_s
        self._on_health = on_health
        self._relay_up = relay_up
        self._outages: dict[tuple[str, Channel], _Outage] = {}
        self._lanes = {
            one.name: Lane(max(1, getattr(one, "concurrent", CONCURRENT))) for one in self.carriers
        }

    def named(self, name: str) -> Carrier | None:
        """The carrier of this name, None when it is no longer configured."""
        return next((one for one in self.carriers if one.name == name), None)

    def lane(self, carrier: Carrier) -> Lane:
        """Where one waits for a turn with this carrier."""
        return self._lanes[carrier.name]

    def order_for(self, leg: Leg) -> list[Carrier]:
        """Whom to ask for this leg: by preference, a later attempt by another one, the down ones last."""
        able = [one for one in self.carriers if leg.channel in one.channels]
        if not able:
            return []
        cut = (leg.attempt - 1) % len(able)
        able = able[cut:] + able[:cut]
        return sorted(able, key=lambda one: self._is_down(one, leg.channel))

    def _is_down(self, carrier: Carrier, channel: Channel) -> bool:
        outage = self._outages.get((carrier.name, channel))
        return outage is not None and outage.until > self._now()

    def went_down(self, carrier: Carrier, channel: Channel, detail: str) -> None:
        """The carrier was not reached; said once, then counted."""
        key = (carrier.name, channel)
        until = self._now() + timedelta(seconds=self._down_s)
        outage = self._outages.get(key)
        if outage is not None:
            outage.until, outage.count = until, outage.count + 1
            return
        self._outages[key] = _Outage(until=until)
        log.warning("carrier %s is down for %s: %s", carrier.name, channel.value, detail)
        if self._on_health is not None:
            self._on_health(carrier.name, False, detail)

    def worked(self, carrier: Carrier, channel: Channel) -> None:
        """The carrier did as it was asked."""
        outage = self._outages.pop((carrier.name, channel), None)
        if outage is None:
            return
        log.info("carrier %s is back for %s after %d failures", carrier.name, channel.value, outage.count)
        if self._on_health is not None and not any(name == carrier.name for name, _ in self._outages):
            self._on_health(carrier.name, True, "")
