"""Carries committed events to the portal, in order, at least once; its answer says how far it got."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import httpx
import msgspec

from gateway.sync.batcher import Row, batch_of
from gateway.told import SyncAnswer

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 30.0
IDLE_S = 30.0

log = logging.getLogger(__name__)

ReadEvents = Callable[[int, int], list[Row]]


class SyncClient:
    """Reads the journal after the portal's own cursor and posts batches.

    `read(after, limit)` is called on a thread; `wake` is called on the loop after commits.
    `last_seq()` is the journal's own; a portal that says it has more than that knows an older journal
    of this gateway (a replaced disk, a restored backup): `overtaken(through_seq)` is called,
    and must give the new events numbers above it, or the portal would take them for repeats.
    A batch the portal refuses as malformed would block for ever, so it is split down to the row,
    and that row is skipped and counted: the journal still has it.
    """

    def __init__(
        self,
        *,
        url: str,
        gateway: str,
        token: str,
        batch_events: int,
        read: ReadEvents,
        last_seq: Callable[[], int],
        overtaken: Callable[[int], None],
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/gateway/v1/events"
        self._headers = {
            "Authorization": f"Bearer {token}",
            "X-Gateway": gateway,
            "Content-Type": "application/json",
        }
        self._gateway = gateway
        self._batch_events = batch_events
        self._read = read
        self._last_seq = last_seq
        self._overtaken = overtaken
        self._more = asyncio.Event()
        self.through_seq = 0
        self.refused = 0
        self.connected = False

    def wake(self) -> None:
        """Something was committed."""
        self._more.set()

    async def run(self) -> None:
        """Sync until cancelled; line loss is survived with backoff."""
        delay_s = BACKOFF_FIRST_S
        async with httpx.AsyncClient(headers=self._headers, timeout=30, trust_env=False) as client:
            while True:
                try:
                    if not self.connected:
                        self.through_seq = await self._post(client, [])
                        self.connected = True
                        if self.through_seq > self._last_seq():
                            self._overtaken(self.through_seq)
                    await self._drain(client)
                except (httpx.HTTPError, msgspec.DecodeError) as error:
                    if self.connected or delay_s == BACKOFF_FIRST_S:
                        log.warning("sync to the portal stands still: %s", error or type(error).__name__)
                    self.connected = False
                    await asyncio.sleep(delay_s * random.uniform(0.7, 1.3))  # noqa: S311 (spreads reconnects)
                    delay_s = min(delay_s * 2, BACKOFF_MAX_S)
                else:
                    delay_s = BACKOFF_FIRST_S

    async def _drain(self, client: httpx.AsyncClient) -> None:
        """Post until nothing is left, then wait to be woken."""
        self._more.clear()
        while rows := await asyncio.to_thread(self._read, self.through_seq, self._batch_events):
            await self._post_or_split(client, rows)
        try:
            async with asyncio.timeout(IDLE_S):
                await self._more.wait()
        except TimeoutError:
            pass

    async def _post_or_split(self, client: httpx.AsyncClient, rows: list[Row]) -> None:
        try:
            self.through_seq = await self._post(client, rows)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.BAD_REQUEST:
                raise
            if len(rows) == 1:
                self.refused += 1
                self.through_seq = rows[0].seq
                log.warning("the portal refuses event %d as malformed; skipped", rows[0].seq)
                return
            half = len(rows) // 2
            await self._post_or_split(client, rows[:half])
            await self._post_or_split(client, rows[half:])

    async def _post(self, client: httpx.AsyncClient, rows: list[Row]) -> int:
        answer = await client.post(self._url, content=batch_of(self._gateway, rows))
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=SyncAnswer).through_seq
