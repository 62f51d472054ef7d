"""The socket of one MQTT connection: when it is read, when it is written, when it is given up.

Reading stops, each reason for itself, for as long as any `Hold` stands.
What came meanwhile waits in the decoder, at most what one read of the socket gave.
Everything that is said in one turn of the loop leaves in one write.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from enum import IntFlag
from typing import Protocol, cast

from gateway.codecs import mqtt
from gateway.transports.mqtt_hello import Counters, Settings


class Hold(IntFlag):
    """Why nothing is read from the socket now."""

    WINDOW = 1
    CONGESTED = 2
    WRITING = 4


class Shore(Protocol):
    """Who counts the connections."""

    def arrived(self, flow: Flow) -> bool:
        """Take in a new connection; False when there are too many."""
        ...

    def left(self, flow: Flow) -> bool:
        """A connection is gone; False when it was never taken in."""
        ...


class Flow(asyncio.Protocol):
    """Bytes in, bytes out, and a stop to either; its heir reads the packets."""

    _decoder: mqtt.Decoder

    def __init__(self, shore: Shore, settings: Settings, counters: Counters) -> None:
        self._shore = shore
        self._settings = settings
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._out = bytearray()
        self._holds = 0
        self._reading = False
        self._flush_due = False
        self._closing = False
        self._heard_s = 0.0
        self._limit_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def read(self) -> None:
        """Take the packets that came, until something holds."""

    @abstractmethod
    def lost(self) -> None:
        """The socket of a connection that was taken in is closed."""

    @abstractmethod
    def quit(self, code: int, reason: str) -> None:
        """Close from our side, saying why where the version can."""

    @abstractmethod
    def no_connect(self) -> None:
        """Nothing was said in time."""

    # ------------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it a little time to say CONNECT; one connection too many is hung up on."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._shore.arrived(self):
            self._counters.turned_away += 1
            self.abort()
            return
        self._counters.connections += 1
        self._wake_in(self._settings.connect_timeout_s, self.no_connect)

    def data_received(self, data: bytes) -> None:
        """Read what came, unless something holds; then it waits in the decoder."""
        self._counters.bytes_in += len(data)
        self._decoder.feed(data)
        if not self._holds and not self._closing:
            self.read()

    def pause_writing(self) -> None:
        """The band does not take what we send: hear no more from it until it does."""
        self._hold(Hold.WRITING)

    def resume_writing(self) -> None:
        """It takes our bytes again."""
        self._release(Hold.WRITING)

    def connection_lost(self, _error: Exception | None) -> None:
        """The socket is closed, by whomever."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._shore.left(self):
            self._counters.connections -= 1
            self.lost()

    # ------------------------------------------------------------------ reading

    def _hold(self, why: Hold) -> None:
        if not self._holds and not self._closing:
            self._counters.held += 1
            self._transport.pause_reading()
        self._holds |= why

    def _release(self, why: Hold) -> None:
        if not self._holds & why:
            return
        self._holds &= ~why
        if not self._holds and not self._closing:
            self._heard_s = self._loop.time()
            self._transport.resume_reading()
            self._loop.call_soon(self._read_on)

    def thaw(self) -> None:
        """The sink is no longer congested: read what waits in the decoder now, in this call."""
        self._release(Hold.CONGESTED)
        self._read_on()

    def _read_on(self) -> None:
        if not self._holds and not self._closing and not self._reading:
            self.read()

    # ------------------------------------------------------------------ writing

    def _say(self, data: bytes) -> None:
        self._out += data
        if not self._reading and not self._flush_due:
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._flush_due = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._out and not self._transport.is_closing():
            out, self._out = self._out, bytearray()
            self._transport.write(out)

    # ------------------------------------------------------------------ the end

    def _wake_in(self, delay_s: float, call: Callable[[], None]) -> None:
        """Set the one timer of this connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, call)

    def _end(self) -> None:
        """Let the last bytes out and close; a band that does not take them is dropped after the grace."""
        self._flush()
        self._closing = True
        self._transport.close()
        self._wake_in(self._settings.close_grace_s, self._transport.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._closing = True
        self._transport.abort()
