"""Keeps the stream's process alive: starts it, starts it again when it dies, ends it with the portal."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Final, Self

import msgspec

from portal.settings import PortalSettings

log = logging.getLogger(__name__)

SOONEST_S: Final = 0.2
LATEST_S: Final = 5.0
"""The wait before a new start: doubled each time, short again after a life of `WELL_S`."""
WELL_S: Final = 30.0
END_S: Final = 2.0


class Keeper:
    """A context manager around the life of the portal; does nothing where there is no `stream_port`."""

    def __init__(self, settings: PortalSettings) -> None:
        self._settings = settings
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="stream-keeper", daemon=True)

    def __enter__(self) -> Self:
        """Start the process; it is listening a moment later.

        The first is started here and not in the thread: a server that forks at the same moment would keep
        the far ends of our pipes open, and both would wait for ever.
        """
        if self._settings.stream_port:
            self._start()
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process in order, or by force after `END_S`."""
        self._ended.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread.is_alive():
            self._thread.join(END_S)

    def _keep(self) -> None:
        wait_s = SOONEST_S
        while self._process is not None:
            began = time.monotonic()
            status = self._process.wait()
            if self._ended.is_set():
                return
            wait_s = SOONEST_S if time.monotonic() - began > WELL_S else min(wait_s * 2, LATEST_S)
            log.error("the stream's process ended with status %d; a new one starts", status)
            self._ended.wait(wait_s)
            with self._lock:
                if self._ended.is_set():
                    return
                self._start()

    def _start(self) -> None:
        """Start a process and tell it its settings."""
        process = self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "portal.streaming", str(os.getpid())],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; we pass it on in order
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as told:
            told.write(msgspec.json.encode(self._settings) + b"\n")
