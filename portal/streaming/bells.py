"""How a commit in one process is heard in another.

PostgreSQL: whoever numbers a change or queues an order says NOTIFY in the same transaction; all LISTEN.
SQLite has no such thing: who committed sends an empty datagram to the stream's port on loopback.
Neither is trusted with anything: a ring only means "look", and everybody looks now and then without one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
from sqlalchemy import make_url

from portal.db import CHANNEL

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
LISTEN_S: Final = 1.0
"""How long one wait for a NOTIFY lasts; the thread ends at most so long after `close`."""
AGAIN_S: Final = 2.0


class Datagrams:
    """Rings the stream's process from another one on this machine; sends and forgets."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ring(self) -> None:
        """Send one empty datagram; whoever is not there does not hear it."""
        with contextlib.suppress(OSError):
            self._socket.sendto(b"", (LOOPBACK, self._port))

    def close(self) -> None:
        """Close the socket; idempotent."""
        self._socket.close()


class _Heard(asyncio.DatagramProtocol):
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Look, whatever it says."""
        del data, addr
        self._ring()


async def hear_datagrams(port: int, ring: Callable[[], None]) -> asyncio.DatagramTransport | None:
    """Call `ring` at every datagram; None where the port is taken: looking now and then must do."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Heard(ring), local_addr=(LOOPBACK, port))
    except OSError as error:
        log.warning("no rings on port %d (%s): changes are found by looking", port, error.strerror)
        return None
    return transport


class Notices(threading.Thread):
    """Listens to PostgreSQL's NOTIFY and calls `ring` at each; comes back by itself when the line is lost."""

    def __init__(self, database_url: str, ring: Callable[[], None]) -> None:
        super().__init__(name="notices", daemon=True)
        url = make_url(database_url).set(drivername="postgresql")
        self._conninfo = url.render_as_string(hide_password=False)
        self._ring = ring
        self._ended = threading.Event()
        self.listening = threading.Event()
        """Set while the line to the store is up."""

    def run(self) -> None:
        """Listen until `close`."""
        while not self._ended.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                log.warning("no notices from the store: %s", type(error).__name__)
                self.listening.clear()
                self._ended.wait(AGAIN_S)

    def close(self) -> None:
        """End the thread within `LISTEN_S`; idempotent."""
        self._ended.set()

    def _listen(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self.listening.set()
            self._ring()
            while not self._ended.is_set():
                for _ in connection.notifies(timeout=LISTEN_S, stop_after=1):
                    self._ring()


def listens(database_url: str) -> bool:
    """Whether this store can tell of changes by itself."""
    return make_url(database_url).get_backend_name() == "postgresql"
