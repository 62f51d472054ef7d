"""The door for people on the box itself: orders given by `shouwang sos drill` and the like.

A Unix socket beside the journal, readable by this user alone; one JSON line in, one JSON line out.
The order is one of the portal's (`gateway.model.PortalCommand`), so there is one way in for both;
the answer comes after its commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from gateway.model import ControlAnswer, PortalCommand

MAX_LINE_BYTES = 65_536
ANSWER_WAIT_S = 10.0

log = logging.getLogger(__name__)


class Control:
    """Serves the socket at `path`; `obey` carries one order out and gives its answer after the commit."""

    def __init__(self, path: Path, *, obey: Callable[[PortalCommand], Awaitable[ControlAnswer]]) -> None:
        self.path = path
        self.serving = asyncio.Event()
        self._obey = obey

    async def run(self) -> None:
        """Serve until cancelled; a path that cannot be bound is said once, the gateway works without it."""
        before = os.umask(0o177)  # the socket is ours alone from its first moment
        try:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()  # what a killed gateway left; the journal's lock says that we are alone
            server = await asyncio.start_unix_server(self._serve, self.path, limit=MAX_LINE_BYTES)
        except OSError as error:
            log.warning("no door for local commands at %s: %s", self.path, error)
            return
        finally:
            os.umask(before)
        try:
            async with server:
                self.serving.set()
                await server.serve_forever()
        finally:
            with contextlib.suppress(OSError):
                self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_WAIT_S)
            if not line:
                return  # somebody only looked whether we are here
            answer = await asyncio.wait_for(self._answer(line), ANSWER_WAIT_S)
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
        except (TimeoutError, ValueError, ConnectionError) as error:
            log.warning("a local command was not answered: %s", error or type(error).__name__)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> ControlAnswer:
        try:
            command = msgspec.json.decode(line, type=PortalCommand)
        except msgspec.DecodeError as error:
            return ControlAnswer(done=False, reason=f"not an order: {error}")
        return await self._obey(command)


async def ask(path: Path, command: PortalCommand) -> ControlAnswer:
    """Give one order to the gateway that runs here.

    Raises ConnectionError when none does, TimeoutError when it does not answer.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE_BYTES)
    except OSError as error:
        raise ConnectionError(f"no gateway answers at {path}: {error}") from None
    try:
        writer.write(msgspec.json.encode(command) + b"\n")
        line = await asyncio.wait_for(reader.readline(), 2 * ANSWER_WAIT_S)
    finally:
        writer.close()
    if not line:
        raise ConnectionError("the gateway closed the door without an answer")
    return msgspec.json.decode(line, type=ControlAnswer)
