"""Load for the portal over real sockets: as fast as it goes, at a fixed rate, and many who only listen."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from statistics import median

CONNECTIONS = 32


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def request_of(port: int, path: str, cookie: str = "") -> bytes:
    """One GET of a browser that stays connected."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: text/html"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    return ("\r\n".join([*lines, "", ""])).encode()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.split(b"\r\n", 1)[0].decode())
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)


def requests_a_s(port: int, request: bytes, seconds: float) -> float:
    """How many requests a second are answered to so many connections that never rest."""
    answered = 0

    async def run() -> None:
        ends = time.perf_counter() + seconds

        async def browse() -> None:
            nonlocal answered
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while time.perf_counter() < ends:
                await _ask(reader, writer, request)
                answered += 1
            writer.close()

        await asyncio.gather(*(browse() for _ in range(CONNECTIONS)))

    asyncio.run(run())
    return answered / seconds


def at_rate_ms(port: int, request: bytes, *, rate: float, seconds: float) -> list[float]:
    """Milliseconds until each answer when requests come at a fixed rate, whether answered or not."""
    took: list[float] = []

    async def run() -> None:
        free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        began = time.perf_counter()

        async def one(at: float) -> None:
            line = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
            await _ask(*line, request)
            took.append((time.perf_counter() - at) * 1000)
            free.append(line)

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(rate * seconds)):
                at = began + number / rate
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                tasks.create_task(one(at))
        for _, writer in free:
            writer.close()

    asyncio.run(run())
    return took


class Viewers:
    """Sockets that follow the stream; one thread notes when each hears something."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._lines: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self.heard: list[float] = []
        self.ended = 0
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        del soft
        self._thread = threading.Thread(target=self._listen, name="viewers", daemon=True)
        self._thread.start()

    def join(self, cookie: str, count: int) -> None:
        """Open so many streams of one person and wait until each was let in."""
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            line.sendall(request_of(self._port, "/care/stream", cookie))
            head = b""
            while b"event: ping" not in head:
                piece = line.recv(4096)
                if not piece:
                    raise RuntimeError(head.split(b"\r\n", 1)[0].decode() or "the stream ended")
                head += piece
            line.setblocking(False)
            with self._lock:
                self._lines[line.fileno()] = line
            self._poll.register(line.fileno(), select.EPOLLIN)

    def tell(self, commit: Callable[[], None], *, times: int, every_s: float) -> list[float]:
        """Milliseconds from each commit until each viewer heard of it."""
        took: list[float] = []
        for _ in range(times):
            self.heard.clear()
            commit()
            at = time.perf_counter()
            time.sleep(every_s)
            heard = list(self.heard)
            if len(heard) < len(self._lines):
                raise RuntimeError(f"{len(heard)} of {len(self._lines)} viewers heard")
            took += [max(0.0, (one - at) * 1000) for one in heard]
        return took

    def close(self) -> None:
        """Hang up."""
        lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()
        self._thread.join(2)
        self._poll.close()

    def _listen(self) -> None:
        while self._lines or not self.heard:
            for number, _ in self._poll.poll(0.5):
                line = self._lines.get(number)
                if line is None:
                    continue
                piece = line.recv(65_536)
                if b"event: health" in piece:
                    self.heard.append(time.perf_counter())
                elif not piece:
                    self.ended += 1
                    self._poll.unregister(number)


__all__ = ["Viewers", "at_rate_ms", "median", "percentile", "request_of", "requests_a_s"]
