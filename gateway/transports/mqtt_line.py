"""One connection of the broker client: aiomqtt's, with paho's manual acknowledgement and our own reading.

What is private in aiomqtt 2.5 and needed here is touched in this room only.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTMessage

from gateway.transports.base import Sink

READS_PER_WAKE: Final = 64
"""Packets read each time the socket is ready; paho itself would read one and go back to the selector."""


class TlsSocket(ssl.SSLSocket):
    """A socket that is closed when its handshake fails; paho 2.2 leaves it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 -- as the base class has it
        """Shake hands. Raises OSError when that fails."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Line:
    """One connection to the broker: hands its messages over, and acknowledges only while it lives."""

    def __init__(self, client: aiomqtt.Client, hear: Callable[[Line, MQTTMessage], None], sink: Sink) -> None:
        self.client = client
        self.paho: Paho = client._client  # noqa: SLF001 -- aiomqtt 2.5 has no manual acknowledgement of its own
        self.alive = True
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.congested = asyncio.Event()
        self._hear = hear
        self._sink = sink
        self._loop = self.broken.get_loop()
        self._heard = 0
        self._fd = -1
        self._open: Callable[..., None] = self.paho.on_socket_open  # type: ignore[assignment]
        self._shut: Callable[..., None] = self.paho.on_socket_close  # type: ignore[assignment]
        self.paho.manual_ack_set(True)
        self.paho.on_message = self._on_message
        self.paho.on_socket_open = self._on_open
        self.paho.on_socket_close = self._on_close
        client._disconnected.add_done_callback(self._on_disconnected)  # noqa: SLF001 -- no public sign of it

    def acknowledge(self, packet_id: int, qos: int) -> bool:
        """Send the PUBACK; False when this connection is gone and the broker will deliver again."""
        if not self.alive:
            return False
        if qos:
            self.paho.ack(packet_id, qos)
        return True

    def give_up(self, why: str) -> None:
        """End this connection, so that the broker delivers again what was not acknowledged."""
        self.alive = False
        if not self.broken.done():
            self.broken.set_exception(aiomqtt.MqttError(why))

    def close(self) -> None:
        """Leave nothing open or unanswered, however the connection ended."""
        self.alive = False
        if not self.broken.done():
            self.broken.cancel()
        elif not self.broken.cancelled():
            self.broken.exception()
        sock = self.paho.socket()
        if sock is not None:
            self._stop_reading()
            self._loop.remove_writer(sock)
            sock.close()

    def resume(self) -> None:
        """Read the socket again after congestion."""
        self.congested.clear()
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._read)

    def _on_message(self, _paho: Paho, _data: Any, message: MQTTMessage) -> None:
        self._heard += 1
        self._hear(self, message)

    def _on_open(self, paho: Paho, data: Any, sock: Any) -> None:
        """Let aiomqtt do its part (it runs in a thread here), then read the socket our way."""
        self._open(paho, data, sock)
        self._loop.call_soon_threadsafe(self._start_reading, sock.fileno())

    def _on_close(self, paho: Paho, data: Any, sock: Any) -> None:
        """Called on the loop, or in aiomqtt's thread when it could not even connect."""
        self._stop_reading()
        self._shut(paho, data, sock)
        self.alive = False
        self._loop.call_soon_threadsafe(self.give_up, "the connection was closed")

    def _on_disconnected(self, ended: asyncio.Future[None]) -> None:
        error = None if ended.cancelled() else ended.exception()
        self.give_up(str(error or "disconnected"))

    def _stop_reading(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
        self._fd = -1

    def _start_reading(self, fd: int) -> None:
        if self.alive and fd >= 0:
            self._fd = fd
            self._loop.add_reader(fd, self._read)

    def _read(self) -> None:
        """Read packets until none comes, the turn is long enough, or the sink is congested."""
        try:
            for _ in range(READS_PER_WAKE):
                heard = self._heard
                self.paho.loop_read()
                if self._sink.congested and self._fd >= 0:
                    self._loop.remove_reader(self._fd)
                    self.congested.set()
                    return
                if heard == self._heard and not self._pending():
                    return
            if self._pending():
                self._loop.call_soon(self._read)
        except Exception as error:  # noqa: BLE001 -- whatever paho meets on the socket ends this connection
            self.give_up(f"reading failed: {error}")

    def _pending(self) -> bool:
        """Whether TLS holds bytes that the selector cannot see."""
        sock = self.paho.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
