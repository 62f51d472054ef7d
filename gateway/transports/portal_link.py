"""What comes back from the portal, as one more wire: a long poll for commands."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Callable

import httpx
import msgspec

from gateway.told import PortalCommand, UnreadableCommand

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 30.0
COMMIT_WAIT_S = 2.0
"""As long as an effect waits for a stuck disk: a 1 that was pressed must not wait longer either."""

Command = PortalCommand | UnreadableCommand

log = logging.getLogger(__name__)


class _Page(msgspec.Struct, frozen=True):
    """A `gateway.told.CommandPage`, its commands read one by one: a bad one must not hold up a rescue."""

    commands: tuple[msgspec.Raw, ...]


class PortalLink:
    """Asks the portal for commands after the last one carried out, and hands over each one once.

    `last_number` is the highest number the journal has.
    `ordered(command, committed)` is called on the loop in rising order,
    and `committed` must be called once the command and what it did are on the disk.
    One that cannot be read is handed over as that, to be refused.
    """

    def __init__(
        self,
        *,
        url: str,
        gateway: str,
        token: str,
        poll_s: int,
        last_number: int,
        ordered: Callable[[Command, Callable[[int], None]], None],
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/gateway/v1/commands"
        self._headers = {"Authorization": f"Bearer {token}", "X-Gateway": gateway}
        self._poll_s = poll_s
        self._last_number = last_number
        self._ordered = ordered
        self.connected = False
        self._uncommitted: set[int] = set()
        self._all_committed = asyncio.Event()

    async def run(self) -> None:
        """Poll until cancelled; line loss is survived with backoff."""
        delay_s = BACKOFF_FIRST_S
        async with httpx.AsyncClient(
            headers=self._headers, timeout=httpx.Timeout(10, read=self._poll_s + 10), trust_env=False
        ) as client:
            while True:
                try:
                    await self._poll(client)
                except (httpx.HTTPError, msgspec.DecodeError, RecursionError) as error:
                    if self.connected or delay_s == BACKOFF_FIRST_S:
                        log.warning("portal link down: %s", error or type(error).__name__)
                    self.connected = False
                    await asyncio.sleep(delay_s * random.uniform(0.7, 1.3))  # noqa: S311 (spreads reconnects)
                    delay_s = min(delay_s * 2, BACKOFF_MAX_S)
                else:
                    self.connected = True
                    delay_s = BACKOFF_FIRST_S

    async def _poll(self, client: httpx.AsyncClient) -> None:
        # asking after a number gives it up for ever: it must be on the disk
        on_disk = min(self._uncommitted, default=self._last_number + 1) - 1
        answer = await client.get(self._url, params={"after": on_disk, "wait_s": self._poll_s})
        answer.raise_for_status()
        page = msgspec.json.decode(answer.content, type=_Page)
        commands, nameless = _read(page)
        for command in commands:
            if command.number > self._last_number:
                self._last_number = command.number
                self._uncommitted.add(command.number)
                self._all_committed.clear()
                self._ordered(command, functools.partial(self._committed, command.number))
        if nameless is not None:  # whoever made it must mend it; ask again, but not without a pause
            raise nameless
        if self._uncommitted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_WAIT_S):
                    await self._all_committed.wait()

    def _committed(self, number: int, _seq: int) -> None:
        self._uncommitted.discard(number)
        if not self._uncommitted:
            self._all_committed.set()


def _read(page: _Page) -> tuple[list[Command], msgspec.DecodeError | None]:
    """Give the commands in rising order, and what is wrong with one that does not even say which it is."""
    commands: list[Command] = []
    nameless: msgspec.DecodeError | None = None
    for raw in page.commands:
        try:
            commands.append(_command(raw))
        except msgspec.DecodeError as error:
            nameless = error
    commands.sort(key=lambda command: command.number)
    return commands, nameless


def _command(raw: msgspec.Raw) -> Command:
    try:
        return msgspec.json.decode(raw, type=PortalCommand)
    except (msgspec.DecodeError, RecursionError) as error:
        wrong = str(error)
    head = msgspec.json.decode(raw, type=UnreadableCommand)
    log.error("command %s of the portal cannot be read: %s", head.command, wrong)
    return msgspec.structs.replace(head, reason=f"this gateway cannot read it: {wrong}")
