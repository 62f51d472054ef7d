"""A watch on TCP: frames of the watch text protocol, heartbeats, alarms repeated until answered."""

from __future__ import annotations

import asyncio

from firmware_sim import watch_frames
from firmware_sim.links.base import ANSWER_S, Backoff, Heard
from firmware_sim.report import Report
from firmware_sim.settings import SimBand

HEARTBEAT_S = 120.0
READ_BYTES = 4096
MAX_BUFFER_BYTES = 64 * 1024
ORDERS = {"FIND": "find", "CR": "locate_now", "UPLOAD": "interval"}


class TcpLink:
    """One watch and the line it keeps open."""

    def __init__(self, band: SimBand, community: str) -> None:  # noqa: ARG002 - every link is built alike
        self.connected = asyncio.Event()
        self._band = band
        self._writer: asyncio.StreamWriter | None = None
        self._alarm_answered = asyncio.Event()
        self._heartbeat_due_at = 0.0

    async def run(self, heard: Heard) -> None:
        """Connect, read answers and orders, connect again."""
        backoff = Backoff()
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._band.host, self._band.port)
            except OSError:
                await backoff.wait()
                continue
            self._writer, self._heartbeat_due_at = writer, 0.0
            writer.write(self._greeting())
            self.connected.set()
            backoff.reset()
            try:
                await self._read(reader, heard)
            except OSError:
                pass
            finally:
                self._writer = None
                self.connected.clear()
                writer.transport.abort()
            await backoff.wait()

    async def deliver(self, report: Report) -> bool:
        """Write the frames of a report; an alarm also waits for its answer."""
        now_s = asyncio.get_running_loop().time()
        heartbeat_due = now_s >= self._heartbeat_due_at
        if heartbeat_due:
            self._heartbeat_due_at = now_s + HEARTBEAT_S
        frames = self._frames(report, heartbeat_due=heartbeat_due)
        if report.press is not None:
            self._alarm_answered.clear()
        if not await self._write(b"".join(frames)):
            return False
        if report.press is None:
            return True
        try:
            await asyncio.wait_for(self._alarm_answered.wait(), ANSWER_S)
        except TimeoutError:
            return False
        return True

    def _greeting(self) -> bytes:
        """What a new line begins with: nothing, for every frame of a watch says whose it is."""
        return b""

    def _frames(self, report: Report, *, heartbeat_due: bool) -> list[bytes]:
        """The frames of a report."""
        device = self._band.device
        frames = [watch_frames.position(device, report), *watch_frames.health(device, report)]
        return [watch_frames.heartbeat(device, report), *frames] if heartbeat_due else frames

    async def _write(self, data: bytes) -> bool:
        writer = self._writer
        if writer is None:
            return False
        try:
            writer.write(data)
            await asyncio.wait_for(writer.drain(), ANSWER_S)
        except (OSError, TimeoutError):
            return False
        return True

    async def _read(self, reader: asyncio.StreamReader, heard: Heard) -> None:
        buffer = bytearray()
        while data := await reader.read(READ_BYTES):
            buffer += data
            await self._obey(buffer, heard)
            del buffer[:-MAX_BUFFER_BYTES]

    async def _obey(self, buffer: bytearray, heard: Heard) -> None:
        """Take what came down out of the buffer, do it, and say so."""
        for command, arguments in watch_frames.cut_frames(buffer):
            if command.startswith("AL"):
                self._alarm_answered.set()
            elif command == "MESSAGE" and arguments:
                heard(watch_frames.message_text(arguments[0]))
                await self._write(watch_frames.frame(self._band.device, "MESSAGE"))
            elif command in ORDERS:
                heard(ORDERS[command])
                await self._write(watch_frames.frame(self._band.device, command))
