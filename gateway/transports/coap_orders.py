"""Orders to a band over CoAP: kept until the band has acknowledged one, or it is withdrawn.

- A poll (GET) is first acknowledged empty, then answered by a confirmable message of its own
  (RFC 7252 section 5.2.2): only its acknowledgement makes the order done.
  Until then every GET gets the same order.
- An observer (GET with Observe 0, RFC 7641) gets each order at once as a confirmable notification,
  one at a time. One observer a band: who registers last has it. A reset, a GET with Observe 1 under the
  same token, or four repeats without an acknowledgement end it.
- A long order comes in blocks (RFC 7959): the first in the answer or the notification, the others by GET with
  Block2; it is done when the last one is acknowledged.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiocoap import Message
from aiocoap.numbers import CON
from aiocoap.numbers.codes import Code
from aiocoap.optiontypes import BlockOption

from gateway.transports.coap_door import Exchange, Refused

OCTET_STREAM = 42
MAX_DOWN = 8
MAX_TOLD = 16
REPEAT_S = 100.0
"""How long an observer may take to fetch the other blocks before it is notified again;
longer than a confirmable message is repeated (RFC 7252 section 4.8.2, 93 s)."""
REFRESH_S = 3600
"""An observer that has heard nothing for so long should register again (Max-Age of a notification)."""
CHECK_S = 12 * 3600
"""An idle observer is asked for a sign of life this often (at least daily: RFC 7641 section 4.5)."""
LARGEST_BLOCK = 6
"""1024 bytes."""
TICKS_A_S = 64
NUMBER_MASK = 0xFFFFFF


@dataclass(slots=True, eq=False)
class Order:
    """One order and everybody who waits to hear that it arrived."""

    data: bytes
    told: deque[Callable[[], None]] = field(default_factory=lambda: deque(maxlen=MAX_TOLD))
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def etag(self) -> bytes:
        """Tells the blocks of one order from those of another."""
        return hashlib.sha256(self.data).digest()[:4]


class Orders:
    """What waits for one band, in order, and its observer."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._waiting: deque[Order] = deque()
        self._news = asyncio.Event()
        self._observer: Exchange | None = None
        self._number = 0

    def add(self, data: bytes, done: Callable[[], None]) -> bool:
        """Keep it; the same order again is the same order. False when `MAX_DOWN` wait."""
        order = next((one for one in self._waiting if one.data == data), None)
        if order is None:
            if len(self._waiting) >= MAX_DOWN:
                return False
            order = Order(data)
            self._waiting.append(order)
        if len(order.told) == MAX_TOLD:
            self._counts["no longer told of an order"] += 1
        order.told.append(done)
        self._news.set()
        return True

    def head(self) -> Order | None:
        """The order to give now."""
        if not self._waiting:
            self._news.clear()
            return None
        return self._waiting[0]

    def withdraw(self, data: bytes) -> None:
        """Drop one order."""
        order = next((one for one in self._waiting if one.data == data), None)
        if order is not None:
            self._drop(order)

    def forget(self) -> None:
        """Drop everything, and the observer without a word."""
        while self._waiting:
            self._drop(self._waiting[0])
        self._observe(None)

    async def serve(self, exchange: Exchange) -> None:
        """Answer a GET; for an observer, until it is gone."""
        block = exchange.request.opt.block2
        if block is not None and block.block_number:
            self._check_later(block)
            await self._poll(exchange)
        elif exchange.request.opt.observe == 0:
            self._observe(exchange)
            try:
                await self._notify(exchange)
            finally:
                self._counts["observers gone"] += 1
                if self._observer is exchange:
                    self._observer = None
        else:
            await self._poll(exchange)

    # ------------------------------------------------------------------ inside

    def _observe(self, exchange: Exchange | None) -> None:
        before, self._observer = self._observer, exchange
        if before is not None:
            before.end()

    async def _notify(self, exchange: Exchange) -> None:
        order = self.head()
        if order is None:
            self._say(exchange, _message(max_age_s=REFRESH_S), last=False)
        else:
            await exchange.wire.heard(exchange.outer)
        while True:
            order = self.head()
            if order is not None:
                self._send(exchange, order, last=False)
                await _within(REPEAT_S, order.gone)
            elif not await _within(CHECK_S, self._news):
                sign = _message(max_age_s=REFRESH_S)
                sign.mtype = CON
                self._say(exchange, sign, last=False)

    async def _poll(self, exchange: Exchange) -> None:
        order = self.head()
        if order is None:
            self._say(exchange, _message(max_age_s=0), last=True)
            return
        if not self._block(exchange, order).more:
            await exchange.wire.heard(exchange.outer)
        self._send(exchange, order, last=True)

    def _check_later(self, block: Any) -> None:
        """Refuse a block of an order that is not there any more, or not so long."""
        order = self.head()
        if order is None or block.start >= len(order.data):
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE)

    def _send(self, exchange: Exchange, order: Order, *, last: bool) -> None:
        """The block asked for, confirmable; the acknowledgement of the last one makes the order done."""
        block = self._block(exchange, order)
        message = _message(max_age_s=0 if last else REFRESH_S)
        message.mtype = CON
        message.payload = order.data[block.start : block.start + block.size]
        if block.more or block.block_number:
            message.opt.block2 = block
            message.opt.etag = order.etag
        sent = self._say(exchange, message, last=last)
        if not block.more:
            exchange.wire.when_acknowledged(sent, functools.partial(self._arrived, order))

    def _block(self, exchange: Exchange, order: Order) -> Any:
        """Which block of the order is asked for, and whether another follows."""
        asked = exchange.request.opt.block2 or BlockOption.BlockwiseTuple(0, False, LARGEST_BLOCK)
        block = asked._replace(size_exponent=min(asked.size_exponent, LARGEST_BLOCK))
        return block._replace(more=block.start + block.size < len(order.data))

    def _say(self, exchange: Exchange, message: Any, *, last: bool) -> Any:
        self._counts["2.05"] += 1
        return exchange.answer(message, last=last, observe=None if last else self._next_number())

    def _arrived(self, order: Order) -> None:
        if order in self._waiting:
            self._waiting.remove(order)
            order.gone.set()
            self._counts["orders arrived"] += 1
            for done in order.told:
                done()

    def _drop(self, order: Order) -> None:
        self._waiting.remove(order)
        order.gone.set()
        self._counts["forgotten orders"] += 1

    def _next_number(self) -> int:
        """Grows with every notification, across registrations and restarts (RFC 7641 section 4.4)."""
        self._number = max(self._number + 1, int(time.monotonic() * TICKS_A_S))
        return self._number & NUMBER_MASK


def _message(*, max_age_s: int) -> Any:
    return Message(code=Code.CONTENT, content_format=OCTET_STREAM, max_age=max_age_s)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
