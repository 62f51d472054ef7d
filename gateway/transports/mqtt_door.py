"""Where bands come in: the plain socket, the TLS socket, and the handshakes that go on.

A TLS connection becomes an MQTT one only after its handshake;
until then it is one of at most `max_handshakes`, with a deadline, and costs no seat of `max_connections`.
One more takes the place of the oldest: a band's handshake is over in a moment, and whoever begins thousands
and ends none keeps no band out.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from gateway.errors import NeedsHuman
from gateway.transports.mqtt_flow import Flow
from gateway.transports.mqtt_hello import Counters, Settings
from gateway.transports.tls import Certificates, ServerTls

log = logging.getLogger(__name__)

BACKLOG: Final = 1_024
"""Connections the kernel may hold before we accept them: a whole estate reconnects at once."""


ACCEPT_AGAIN_S: Final = 1.0
"""The pause after a connection could not be accepted, because files are short for example."""


@contextlib.asynccontextmanager
async def open_doors(settings: Settings, counters: Counters, make: Callable[[], Flow]) -> AsyncIterator[str]:
    """Listen on the plain and the TLS address, as configured; gives "host:port" of each, the plain first.

    `make` makes the protocol of a connection.
    Raises NeedsHuman when an address cannot be listened on or a certificate cannot be used.
    """
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        addresses = []
        if settings.plain != "off":
            with _needed(settings.host, settings.port):
                server = await loop.create_server(make, settings.host, settings.port, backlog=BACKLOG)
            stack.callback(server.close)
            addresses.append(_words(server.sockets[0].getsockname()))
        if settings.tls is not None:
            door = TlsDoor(settings.tls, counters, make)
            stack.push_async_callback(door.close)
            addresses.append(f"tls {await door.open()}")
        yield ", ".join(addresses)


@contextlib.contextmanager
def _needed(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NeedsHuman(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def _words(address: tuple[Any, ...]) -> str:
    return f"{address[0]}:{address[1]}"


class TlsDoor:
    """Accepts connections, lets them shake hands, and makes an MQTT connection of those that could.

    It accepts by itself, because `create_server(ssl=…)` tells nobody of handshakes that go on or fail.
    """

    def __init__(self, settings: ServerTls, counters: Counters, make: Callable[[], Flow]) -> None:
        self._settings = settings
        self._counters = counters
        self._make = make
        self._certificates = Certificates(settings)
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshakes: dict[asyncio.Task[None], None] = {}

    async def open(self) -> str:
        """Listen; gives "host:port". Raises NeedsHuman when it cannot."""
        host, port = self._settings.host, self._settings.port
        with _needed(host, port):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in found:
                self._listen(family, address)
        return _words(self._sockets[0].getsockname())

    def _listen(self, family: int, address: Any) -> None:
        sock = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        sock.setblocking(False)
        self._sockets.append(sock)
        task = asyncio.get_running_loop().create_task(self._accept(sock), name="mqtt_listener.tls")
        self._tasks.add(task)

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(sock)
            except OSError as error:
                log.error("a TLS connection could not be accepted: %s", error)  # noqa: TRY400 -- one line
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            if len(self._handshakes) >= self._settings.max_handshakes:
                oldest = next(iter(self._handshakes))
                del self._handshakes[oldest]
                oldest.cancel()
                self._counters.handshakes_turned_away += 1
            task = loop.create_task(self._shake(accepted, _words(peer)), name="mqtt_listener.handshake")
            self._handshakes[task] = None
            task.add_done_callback(functools.partial(self._shaken, accepted))

    def _shaken(self, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        if task.cancelled():  # perhaps before it had begun
            accepted.close()

    async def _shake(self, accepted: socket.socket, peer: str) -> None:
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                accepted,
                ssl=self._certificates.current(),
                ssl_handshake_timeout=self._settings.handshake_timeout_s,
            )
        except (OSError, ssl.SSLError) as error:
            accepted.close()
            failed = self._counters.handshakes_failed = self._counters.handshakes_failed + 1
            if not failed & (failed - 1):  # the 1st, 2nd, 4th, 8th …
                why = str(error) or type(error).__name__
                log.warning("TLS handshake with %s failed: %s (%d so far)", peer, why, failed)

    async def close(self) -> None:
        """Accept no more, and end the handshakes that go on."""
        tasks = (*self._tasks, *self._handshakes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in self._sockets:
            sock.close()
