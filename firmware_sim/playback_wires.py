"""The wires a capture is played back over: TCP, a serial line on a pseudo-terminal, MQTT with bands' keys."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import Callable
from pathlib import Path

import aiomqtt

from firmware_sim import playback

READ_BYTES = 65_536
WRITE_WAIT_S = 0.002
LOOK_S = 0.05


class _Heard:
    """Counts what comes down, and wakes whoever waits for it."""

    def __init__(self) -> None:
        self.bytes = 0
        self._changed = asyncio.Event()

    def add(self, count: int) -> None:
        """So many more bytes came."""
        self.bytes += count
        self._changed.set()

    async def until(self, count: int) -> bool:
        """Wait for so many bytes in all; False when they do not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(playback.ANSWER_S):
                while self.bytes < count:
                    self._changed.clear()
                    await self._changed.wait()
        return self.bytes >= count


class TcpWire:
    """Lines to one listener; each link of the capture is a connection of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def open(self, device: str | None) -> playback.Line:
        """See `Wire.open`; on TCP a band names itself."""
        del device
        return _TcpLine(*await asyncio.open_connection(self._host, self._port))


class _TcpLine:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._heard = _Heard()
        self._reading = asyncio.create_task(self._read(reader), name="playback reads")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                self._heard.add(len(data))

    async def send(self, data: bytes) -> None:
        """See `Line.send`."""
        if self._reading.done():
            raise ConnectionResetError("the gateway hung up")
        self._writer.write(data)
        await self._writer.drain()

    async def answered(self, replies: int, reply_bytes: int) -> bool:
        """See `Line.answered`: a stream has bytes, no frames."""
        del replies
        return await self._heard.until(reply_bytes)

    async def close(self) -> None:
        """See `Line.close`."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class SerialWire:
    """A pseudo-terminal with a symbolic link to it at `path`, where the gateway opens its port.

    There is one line: every link of the capture speaks on it.
    What is said before the gateway has opened the port is lost, as on a real wire: `opened` waits for that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        path.symlink_to(os.ttyname(self._theirs))
        self._heard = _Heard()
        self._set_up = False
        asyncio.get_running_loop().add_reader(self._ours, self._read)

    async def opened(self, within_s: float) -> bool:
        """Wait until somebody has opened the port and set it up for reading; False when nobody does."""
        for _ in range(round(within_s / LOOK_S)):
            await asyncio.sleep(LOOK_S)
            if self._set_up:
                return True
            self._set_up = termios.tcgetattr(self._theirs)[6][termios.VMIN] in (0, b"\0")
        return False  # one look more than it took to see it: it throws away what came before, then listens

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self._heard.add(len(os.read(self._ours, READ_BYTES)))

    async def open(self, device: str | None) -> playback.Line:
        """See `Wire.open`."""
        del device
        return self

    async def send(self, data: bytes) -> None:
        """See `Line.send`; waits while the port is full."""
        while data:
            try:
                data = data[os.write(self._ours, data) :]
            except BlockingIOError:
                await asyncio.sleep(WRITE_WAIT_S)

    async def answered(self, replies: int, reply_bytes: int) -> bool:
        """See `Line.answered`."""
        del replies
        return await self._heard.until(reply_bytes)

    async def close(self) -> None:
        """See `Line.close`: the line stays for the other links."""

    def unplug(self) -> None:
        """Take the port away."""
        asyncio.get_running_loop().remove_reader(self._ours)
        self._path.unlink(missing_ok=True)
        os.close(self._ours)
        os.close(self._theirs)


class MqttWire:
    """Sessions of bands: user name and client id as a band's, QoS 1, so that each piece is acknowledged.

    `key_of` gives a band's key. What was captured on CoAP is played over MQTT too: the payloads are the same.
    """

    def __init__(self, host: str, port: int, community: str, key_of: Callable[[str], str]) -> None:
        self._host = host
        self._port = port
        self._community = community
        self._key_of = key_of

    async def open(self, device: str | None) -> playback.Line:
        """See `Wire.open`. Raises OSError when the band is not admitted."""
        if device is None:
            raise ConnectionRefusedError("the capture does not say whose link this is")
        line = _MqttLine(
            aiomqtt.Client(
                self._host,
                self._port,
                username=device,
                password=self._key_of(device),
                identifier=f"playback-{device}",
                timeout=playback.ANSWER_S,
            ),
            f"sw/{self._community}/{device}/up",
        )
        await line.connect()
        return line


class _MqttLine:
    def __init__(self, client: aiomqtt.Client, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._stack = contextlib.AsyncExitStack()

    async def connect(self) -> None:
        """Log in. Raises OSError when that is refused."""
        try:
            await self._stack.enter_async_context(self._client)
        except aiomqtt.MqttError as error:
            raise ConnectionRefusedError(f"MQTT: {error}") from error

    async def send(self, data: bytes) -> None:
        """See `Line.send`; ends with the PUBACK."""
        try:
            await self._client.publish(self._topic, data, qos=1)
        except aiomqtt.MqttError as error:
            raise ConnectionResetError(f"MQTT: {error}") from error

    async def answered(self, replies: int, reply_bytes: int) -> bool:
        """See `Line.answered`: the acknowledgement of a piece is its only reply, and `send` had it."""
        del replies, reply_bytes
        return True

    async def close(self) -> None:
        """See `Line.close`."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self._stack.aclose()
