"""The door for people on the box itself: orders given by `shouwang sos drill` and the like.

A Unix socket beside the journal, readable by this user alone; one JSON line in, one or more JSON lines out.
An order is one of the portal's (`gateway.told.PortalCommand`), so there is one way in for both,
answered in one line after its commit; or it is one the portal must never give (`gateway.local_orders`),
which goes on answering until it is done or whoever asked hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.errors import ShouwangError
from gateway.local_orders import Execute, LocalAnswer, LocalOrder
from gateway.told import ControlAnswer, PortalCommand

MAX_LINE_BYTES = 2 * 1024 * 1024
"""An order with a whole profile is the longest (`gateway.profiles.judging.MOST_BYTES`)."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
ANSWER_WAIT_S = 10.0
NO_ORDER = (msgspec.DecodeError, RecursionError)
"""What a line that is no order ends in; the latter when it is nested without end."""

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class OrderRefused(ShouwangError):
    """The gateway will not do it; the message says why, in words for whoever asked."""


class _Kind(msgspec.Struct):
    """Tells a local order, which names itself, from one of the portal's."""

    order: str | None = None


class Control:
    """Serves the socket at `path`; `obey` carries one order out and gives its answer after the commit.

    `execute` carries out the orders that only this box may give.
    """

    def __init__(
        self, path: Path, *, obey: Callable[[PortalCommand], Awaitable[ControlAnswer]], execute: Execute
    ) -> None:
        self.path = path
        self.serving = asyncio.Event()
        self._obey = obey
        self._execute = execute

    async def run(self) -> None:
        """Serve until cancelled; a path that cannot be bound is said once, the gateway works without it."""
        try:
            door = _bound(self.path)
        except OSError as error:
            log.warning("no door for local commands at %s: %s", self.path, error)
            return
        server = await asyncio.start_unix_server(self._serve, sock=door, limit=MAX_LINE_BYTES)
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
            if _names_itself(line):
                await self._stream(line, reader, writer)
                return
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
        except NO_ORDER as error:
            return ControlAnswer(done=False, reason=f"not an order: {error}")
        return await self._obey(command)

    async def _stream(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a local order line by line, until it ends or the other side hangs up."""
        answering = asyncio.create_task(self._answer_all(line, writer), name="local order")
        hung_up = asyncio.create_task(reader.read(1), name="local order: hung up")
        try:
            await asyncio.wait({answering, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, hung_up):
                task.cancel()
            ends = await asyncio.gather(answering, hung_up, return_exceptions=True)
        if isinstance(ends[0], Exception):
            raise ends[0]

    async def _answer_all(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(self._answers(line)) as answers:
            async for answer in answers:
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()

    async def _answers(self, line: bytes) -> AsyncGenerator[LocalAnswer, None]:
        try:
            order = msgspec.json.decode(line, type=LocalOrder)
        except NO_ORDER as error:
            yield ControlAnswer(done=False, reason=f"not an order: {error}")
            return
        async with contextlib.aclosing(self._execute(order)) as answers:
            async for answer in answers:
                yield answer


def _names_itself(line: bytes) -> bool:
    try:
        return msgspec.json.decode(line, type=_Kind).order is not None
    except NO_ORDER:
        return False


def _bound(path: Path) -> socket.socket:
    """The socket at this path, ours alone from its first moment. Raises OSError.

    The mask is of the whole process, so nobody else has a turn while it is narrow.
    """
    door = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # what a killed gateway left; the journal's lock says that we are alone
        door.bind(str(path))
    except OSError:
        door.close()
        raise
    finally:
        os.umask(before)
    return door


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


async def ask_on(path: Path, order: LocalOrder, answer: type[Answer]) -> AsyncGenerator[Answer, None]:
    """Give an order that only this box may give; gives the lines of its answer as they come.

    Raises ConnectionError when no gateway runs here or it hangs up before its first line,
    and OrderRefused when it refuses.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER_BYTES)
    except OSError as error:
        raise ConnectionError(f"no gateway answers at {path}: {error}") from None
    try:
        writer.write(msgspec.json.encode(order) + b"\n")
        first = await asyncio.wait_for(reader.readline(), 2 * ANSWER_WAIT_S)
        if not first:
            raise ConnectionError("the gateway closed the door without an answer")
        said = msgspec.json.decode(first, type=ControlAnswer)
        if not said.done:
            raise OrderRefused(said.reason)
        while line := await reader.readline():
            yield msgspec.json.decode(line, type=answer)
    finally:
        writer.close()
