"""Orders to bands: translated by the band's codec, sent over the wire that has it, kept until it has them."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import Clock
from gateway.model import DownCommand
from gateway.registry import Device, Registry
from gateway.transports.base import Transport

RETRY_S = 5.0
RESEND_S = 60.0
EXPIRES_S = 900
CALL_BACK_EXPIRES_S = 45
"""A call-back is of use at once or not at all, and is never sent a second time."""
MAX_WAITING = 2000


def expired(command: DownCommand, since: datetime, now: datetime) -> bool:
    """Whether an order given at `since` is too old to be of use."""
    expires_s = CALL_BACK_EXPIRES_S if command.name == "call_back" else EXPIRES_S
    return now - since > timedelta(seconds=expires_s)


@dataclass(slots=True)
class _Waiting:
    device: str
    data: bytes
    key: tuple[int, int]
    command: DownCommand
    since: datetime
    sent_at: datetime | None = None


class Downlink:
    """Keeps each order until a transport says the band has it, or it is too old to be of use.

    An order whose session ended before the band had it is sent again after `RESEND_S`:
    a band that buzzes twice is better than one that never says that help is coming.

    `done(key)` marks the outbox row.
    Bounded: past `MAX_WAITING` the oldest order is given up and counted.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        transports: Sequence[Transport],
        codec: Callable[[Device], Any],
        clock: Clock,
        done: Callable[[tuple[int, int]], None],
    ) -> None:
        self._registry = registry
        self._transports = transports
        self._codec = codec
        self._clock = clock
        self._done = done
        self._waiting: OrderedDict[tuple[tuple[int, int], str], _Waiting] = OrderedDict()
        self.counts: Counter[str] = Counter()

    def send(self, wearer: str, command: DownCommand, key: tuple[int, int]) -> None:
        """Send to every band of the wearer; idempotent by `key`."""
        for device in self._registry.of_wearer(wearer):
            order = self._codec(device).encode_down(command, device.wire_id)
            if order is None or (key, device.device) in self._waiting:
                continue
            self._waiting[key, device.device] = _Waiting(
                device.wire_id, order.data, key, command, self._clock.now()
            )
            while len(self._waiting) > MAX_WAITING:
                _, given_up = self._waiting.popitem(last=False)
                self._finish(given_up, "given up: too many waiting")
        self._try_all()
        if not any(waiting_key == key for waiting_key, _ in self._waiting):
            self._done(key)

    async def run(self) -> None:
        """Try again every few seconds until cancelled."""
        while True:
            await asyncio.sleep(RETRY_S)
            self._try_all()

    def _try_all(self) -> None:
        now = self._clock.now()
        resend = now - timedelta(seconds=RESEND_S)
        for slot, waiting in list(self._waiting.items()):
            if expired(waiting.command, waiting.since, now):
                del self._waiting[slot]
                self._finish(waiting, "given up: expired")
            elif waiting.sent_at is None or waiting.sent_at < resend:
                arrived = functools.partial(self._arrived, slot)
                if any(one.send(waiting.device, waiting.data, arrived) for one in self._transports):
                    waiting.sent_at = now

    def _arrived(self, slot: tuple[tuple[int, int], str]) -> None:
        waiting = self._waiting.pop(slot, None)
        if waiting is not None:
            self._finish(waiting, "delivered")

    def _finish(self, waiting: _Waiting, how: str) -> None:
        self.counts[how] += 1
        if not any(key == waiting.key for key, _ in self._waiting):
            self._done(waiting.key)
