"""A relay on a serial port, driven to a level: by the bytes it understands, or by the DTR or RTS line.

Everything here blocks for at most about a second and belongs into a thread.
The relay gives no answer: what is known is that the bytes went out and that the port was there afterwards.
A siren that starts may pull the supply down and take the adapter with it, so the port is looked at once more.
"""

from __future__ import annotations

import contextlib
import termios
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

WRITE_TIMEOUT_S = 1.0
SETTLE_S = 0.05
"""From the switching to the second look at the port; four bytes at 9600 baud take 4 ms."""

Line = Literal["data", "dtr", "rts"]
_FAULTS = (OSError, ValueError, termios.error)
"""What a port that is away raises; pyserial's own errors are OSErrors."""


class RelayLost(Exception):
    """The port is not there; `written` tells whether the relay may have heard the order all the same."""

    def __init__(self, reason: str, *, written: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.written = written


class RelayLine:
    """One relay. The port is opened when it is needed, and again after it was lost."""

    def __init__(self, *, path: str, baud: int, line: Line, on: bytes, off: bytes) -> None:
        self._path = path
        self._baud = baud
        self._line = line
        self._orders = {True: on, False: off}
        self._port: Any = None
        self._lock = threading.Lock()

    def drive(self, wanted: Callable[[], bool]) -> bool:
        """Put the relay to what `wanted` says when its turn has come; gives that level. Idempotent.

        Raises RelayLost.
        """
        with self._lock:
            level, written = wanted(), False
            try:
                if self._port is None:
                    self._port = self._open()
                self._write(level=level)
                written = True
                time.sleep(SETTLE_S)
                _ = self._port.in_waiting
            except _FAULTS as error:
                self._close()
                written = written or type(error).__name__ == "SerialTimeoutException"
                reason = getattr(error, "strerror", None) or type(error).__name__
                raise RelayLost(reason, written=written) from None
            return level

    def release(self) -> None:
        """Switch off as well as can be done and let go of the port. Idempotent, never raises."""
        with self._lock:
            if self._port is not None:
                with contextlib.suppress(*_FAULTS):
                    self._write(level=False)
            self._close()

    def _open(self) -> Any:
        import serial  # noqa: PLC0415  lazy: only a box with a relay needs it

        port = serial.serial_for_url(
            self._path,
            self._baud,
            do_not_open=True,
            timeout=0,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )
        port.dtr = port.rts = False
        port.open()
        return port

    def _write(self, *, level: bool) -> None:
        match self._line:
            case "data":
                self._port.read(self._port.in_waiting)  # some relays echo, and nobody else reads it
                self._port.write(self._orders[level])
            case "dtr":
                self._port.dtr = level
            case "rts":
                self._port.rts = level

    def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(*_FAULTS):
                port.close()
