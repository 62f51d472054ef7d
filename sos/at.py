"""One AT dialogue with a modem on a serial port (3GPP TS 27.007, ITU-T V.250).

One command at a time, each with a deadline; what the modem says unasked is handed on as it comes.
A command that is not answered in time, or is abandoned half-way, ends the dialogue:
its late answer would be taken for the next one's. Whoever owns the line opens a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from typing import Any

MAX_BUFFER_BYTES = 65_536
MAX_INFO_LINES = 512
_FINAL = re.compile(r"OK|ERROR|\+CM[ES] ERROR: .*")
_DIAL_FINAL = re.compile(r"NO CARRIER|BUSY|NO ANSWER|NO DIALTONE|NO DIAL TONE")
_UNASKED = re.compile(
    r"RING|NO CARRIER|BUSY|NO ANSWER"
    r"|\+(CMTI|CDSI|CDS|CMT|CLIP|CRING|CREG|CPIN|DTMF|RXDTMF|QTONEDET|CTTS|CUSD): ?.*"
)
_TWO_LINES = re.compile(r"\+(CDS|CMT): ?.*")
CTRL_Z, ESCAPE = b"\x1a", b"\x1b"


class AtError(Exception):
    """Root of what goes wrong in a dialogue; `command` is its name without arguments."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(f"{command}: {reason}")
        self.command = command
        self.reason = reason


class AtRefused(AtError):
    """The modem answered with anything but OK; `reason` is its final line."""


class AtSilent(AtError):
    """No answer in time; `written` tells whether the payload behind a prompt had gone out."""

    def __init__(self, command: str, *, written: bool) -> None:
        super().__init__(command, "no answer in time")
        self.written = written


class AtLost(AtError):
    """The port is gone, or cannot be opened; `written` as for AtSilent."""

    def __init__(self, command: str, reason: str, *, written: bool = True) -> None:
        super().__init__(command, reason)
        self.written = written


class AtLines:
    """Cuts what a modem sends into lines; the `> ` prompt, which no newline ends, is a line too."""

    def __init__(self) -> None:
        self._buffer = ""

    def feed(self, received: bytes) -> list[str]:
        """Give the lines these bytes complete, in order and without empty ones."""
        self._buffer += received.decode("latin-1")
        *whole, self._buffer = re.split(r"[\r\n]+", self._buffer)
        if self._buffer.lstrip().startswith(">") and len(self._buffer) <= 2:  # noqa: PLR2004  "> "
            whole.append(">")
            self._buffer = ""
        elif len(self._buffer) > MAX_BUFFER_BYTES:
            self._buffer = ""
        return [line.strip() for line in whole if line.strip()]


Unasked = Callable[[str, str], None]
"""Hears a line nobody asked for, and the line that belongs to it (empty for most)."""


class _Command:
    """The command under way: what was said so far, and who waits for the prompt and the end."""

    def __init__(self, text: str) -> None:
        loop = asyncio.get_running_loop()
        self.text = text
        self.name = text.removeprefix("AT").split("=")[0].rstrip("?;") or "AT"
        self.dials = text.startswith("ATD")
        self.name = "D" if self.dials else self.name
        self.info: list[str] = []
        self.prompt: asyncio.Future[str] = loop.create_future()
        self.end: asyncio.Future[str] = loop.create_future()

    def is_final(self, line: str) -> bool:
        return bool(_FINAL.fullmatch(line) or (self.dials and _DIAL_FINAL.fullmatch(line)))


class AtDialogue:
    """An open serial port and the dialogue on it. Build it inside a running loop; `close` when done."""

    def __init__(self, *, path: str, baud: int, unasked: Unasked) -> None:
        """Open the port. Raises AtLost when it cannot be opened or another program has it."""
        import serial  # noqa: PLC0415  lazy: only a box with a modem needs it

        try:
            self._port: Any = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
            os.set_blocking(self._port.fileno(), False)
        except (OSError, ValueError) as error:  # pyserial's own errors are OSErrors
            raise AtLost("open", _reason(error), written=False) from None
        self._unasked = unasked
        self._lines = AtLines()
        self._header = ""
        self._command: _Command | None = None
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self.closed = asyncio.Event()
        self.drops_lines = False
        """Whether DTR goes down when the port is closed: a hung modem may come to itself by that."""
        self._loop.add_reader(self._port.fileno(), self._readable)

    async def ask(
        self, command: str, *, deadline_s: float = 5.0, payload: str | None = None
    ) -> tuple[str, ...]:
        """Write one command and give the lines between it and OK.

        `payload` is written behind the modem's `>` prompt and ended with Ctrl-Z.
        Raises AtRefused, AtSilent or AtLost; after the last two the dialogue is closed.
        """
        async with self._turn:
            current = self._command = _Command(command)
            written = payload is None
            try:
                async with asyncio.timeout(deadline_s):
                    self._write(command.encode("latin-1") + b"\r")
                    if payload is not None:
                        await self._prompted(current)
                        written = True
                        self._write(payload.encode("latin-1") + CTRL_Z)
                    final = await current.end
            except TimeoutError:
                self.close(ESCAPE if payload is not None and not written else b"")
                raise AtSilent(current.name, written=written) from None
            except asyncio.CancelledError:
                self.close()
                raise
            except AtLost as lost:
                lost.written = written
                raise
            finally:
                self._command = None
        if final != "OK":
            raise AtRefused(current.name, final)
        return tuple(current.info)

    async def _prompted(self, current: _Command) -> None:
        """Wait for the prompt; an error before it is the command's answer."""
        await asyncio.wait({current.prompt, current.end}, return_when=asyncio.FIRST_COMPLETED)
        if current.end.done():
            raise AtRefused(current.name, current.end.result())

    async def tried(self, command: str, *, deadline_s: float = 5.0) -> bool:
        """Ask what some modems do not know; whether this one does. Raises AtSilent or AtLost."""
        try:
            await self.ask(command, deadline_s=deadline_s)
        except AtRefused:
            return False
        return True

    async def closed_or(self, event: asyncio.Event, *, timeout_s: float) -> None:
        """Wait until the port is lost or the event is set, at most `timeout_s`."""
        waiters = [asyncio.ensure_future(each.wait()) for each in (event, self.closed)]
        try:
            await asyncio.wait(waiters, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()

    def close(self, last_words: bytes = b"") -> None:
        """Let go of the port; whoever still waits for an answer gets AtLost. Idempotent."""
        if self.closed.is_set():
            return
        self.closed.set()
        with contextlib.suppress(OSError):
            if last_words:
                os.write(self._port.fileno(), last_words)
        self._loop.remove_reader(self._port.fileno())
        if self.drops_lines:
            with contextlib.suppress(OSError):  # not every port has modem lines
                self._port.dtr = False
        with contextlib.suppress(OSError):
            self._port.close()
        if self._command is not None and not self._command.end.done():
            self._command.end.set_exception(AtLost(self._command.name, "the port was lost"))

    def _write(self, octets: bytes) -> None:
        """Write at once: a modem that does not take a few hundred bytes is hung."""
        if self.closed.is_set():
            raise AtLost("write", "the port is closed")
        try:
            whole = os.write(self._port.fileno(), octets) == len(octets)
            reason = "the modem takes no more"
        except OSError as error:
            whole, reason = False, _reason(error)
        if not whole:
            self.close()
            raise AtLost("write", reason)

    def _readable(self) -> None:
        try:
            received = os.read(self._port.fileno(), 4096)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self.close()
            return
        for line in self._lines.feed(received):
            self._take(line)

    def _take(self, line: str) -> None:
        current = self._command
        if self._header:
            header, self._header = self._header, ""
            self._unasked(header, line)
        elif current is None or current.end.done():
            self._aside(line)
        elif line == ">":
            if not current.prompt.done():
                current.prompt.set_result(line)
        elif current.is_final(line):
            current.end.set_result(line)
        elif _UNASKED.fullmatch(line) and not line.startswith(current.name + ":"):
            self._aside(line)
        elif not line.startswith((current.text, ">")) and len(current.info) < MAX_INFO_LINES:
            current.info.append(line)

    def _aside(self, line: str) -> None:
        if _TWO_LINES.fullmatch(line):
            self._header = line
        else:
            self._unasked(line, "")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
