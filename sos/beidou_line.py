"""One serial line with a BeiDou short-message module: sentences out, what was heard in.

Nothing is retried here and one question is asked at a time.
Whoever owns the line opens a new one when it is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

from sos.beidou_frame import SentenceBuffer, SentenceError
from sos.beidou_sentence import Heard, parse

READ_BYTES = 4096


class LineError(Exception):
    """Root of what goes wrong on the line; `reason` is for staff."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LineSilent(LineError):
    """No answer in time: the question was written, and may have been carried out."""


class LineLost(LineError):
    """The port is gone, or cannot be opened; `written` says whether the question had gone out whole."""

    def __init__(self, reason: str, *, written: bool) -> None:
        super().__init__(reason)
        self.written = written


class BeidouLine:
    """An open port. Build it inside a running loop; `close` when done.

    `heard` gets every sentence, those that answer a question too, before the one who asked.
    `unreadable` counts lines that were no sentence, or whose checksum was wrong.
    """

    def __init__(self, *, path: str, baud: int, heard: Callable[[Heard], None]) -> None:
        """Open the port. Raises LineLost when it cannot be opened or another program has it."""
        import serial  # noqa: PLC0415  lazy: only a box with a module needs it

        try:
            self._port: Any = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
            os.set_blocking(self._port.fileno(), False)
        except (OSError, ValueError) as error:  # pyserial's own errors are OSErrors
            raise LineLost(_reason(error), written=False) from None
        self._heard = heard
        self._sentences = SentenceBuffer()
        self._turn = asyncio.Lock()
        self._wanted: Callable[[Heard], bool] | None = None
        self._answer: asyncio.Future[Heard] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._port.fileno(), self._readable)
        self.closed = asyncio.Event()
        self.unreadable = 0

    async def ask(self, sentence: bytes, wanted: Callable[[Heard], bool], *, deadline_s: float) -> Heard:
        """Write a sentence and give the first that is `wanted` among those that come after it.

        Raises LineSilent or LineLost.
        """
        async with self._turn:
            answer: asyncio.Future[Heard] = self._loop.create_future()
            self._answer = answer
            self._wanted = wanted
            try:
                self._write(sentence)
                async with asyncio.timeout(deadline_s):
                    return await answer
            except TimeoutError:
                raise LineSilent("no answer in time") from None
            finally:
                self._answer = self._wanted = None

    def close(self) -> None:
        """Let go of the port; whoever still waits for an answer gets LineLost. Idempotent."""
        if self.closed.is_set():
            return
        self.closed.set()
        self._loop.remove_reader(self._port.fileno())
        with contextlib.suppress(OSError):
            self._port.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LineLost("the port was lost", written=True))

    def _write(self, octets: bytes) -> None:
        """Write at once: a port that does not take a few hundred bytes is hung."""
        if self.closed.is_set():
            raise LineLost("the port is closed", written=False)
        try:
            written, reason = os.write(self._port.fileno(), octets), "the module takes no more"
        except OSError as error:
            written, reason = 0, _reason(error)
        if written != len(octets):
            self._answer = None  # nobody waits for it: the error tells
            self.close()
            raise LineLost(reason, written=False)

    def _readable(self) -> None:
        try:
            received = os.read(self._port.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self.close()
            return
        for line in self._sentences.feed(received):
            try:
                heard = parse(line)
            except SentenceError:
                self.unreadable += 1
                continue
            self._heard(heard)
            answer = self._answer
            if answer is not None and not answer.done() and self._wanted is not None and self._wanted(heard):
                answer.set_result(heard)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
