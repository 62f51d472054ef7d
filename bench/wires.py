"""Decoded frames a second of every codec, and the memory of a connected band with 5,000 connected.

The baseline of the first table is msgspec reading the same readings from JSON into the same types, in the
same run: what a codec costs beside the cheapest way to have its readings at all.
The second is a real gateway process: its resident memory before 5,000 bands connect over TCP, and after each
has said one word and was answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench import mutate
from bench.fuzz import read
from bench.site import free_port, gateway, number_of, process, resident_bytes, write_site
from bench.subjects import Subject, subjects
from gateway.codecs import jt808_frame
from gateway.errors import FrameError
from gateway.model import Reading, Uplink

BANDS = 5_000
AT_ONCE = 200
READINGS = msgspec.json.Decoder(list[Reading])
REGISTER = 0x0100


def watch_word(number: int) -> bytes:
    """A heartbeat of the watch protocol."""
    return f"[3G*{number_of(number)}*0002*LK]".encode()


def jt808_word(number: int) -> bytes:
    """A registration of JT/T 808-2013."""
    body = bytes(4) + b"MAKER" + b"MODEL".ljust(20, b"\0") + b"ID00001" + b"\0"
    return jt808_frame.build(REGISTER, body, phone=bytes.fromhex(number_of(number)), serial=1)


WORDS: dict[str, Callable[[int], bytes]] = {"watch": watch_word, "jt808": jt808_word}


# --------------------------------------------------------------------------- frames a second


def good_frames(subject: Subject) -> list[tuple[bytes, bytes]]:
    """The seeds that are one frame with readings each, and those readings in JSON."""
    found = []
    for frame in mutate.seeds()[subject.name]:
        events = read(subject.make(0), [frame])
        if len(events) == 1 and isinstance(events[0], Uplink) and events[0].readings:
            found.append((frame, msgspec.json.encode(events[0].readings)))
    return found


def a_second(work: Callable[[], None], count: int, seconds: float) -> float:
    """How many of `count` things a call does are done in a second."""
    work()
    began, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        work()
        done += count
    return done / spent


def decode_all(codec: Any, frames: list[bytes]) -> None:
    """Read every frame as a message of its own."""
    for frame in frames:
        codec.feed(frame)
        codec.end_of_message()
        with contextlib.suppress(FrameError):
            while codec.next_event() is not None:
                pass


def codecs(seconds: float) -> None:
    """Print frames a second by codec."""
    print(f"{'codec':12} {'frames/s':>10} {'µs a frame':>11} {'JSON readings/s':>16} {'ratio':>6}")
    for name, subject in sorted(subjects().items()):
        if name == mutate.MQTT:
            continue
        pairs = good_frames(subject)
        frames, texts = [frame for frame, _ in pairs], [text for _, text in pairs]
        codec = subject.make(0)

        def decode(codec: Any = codec, frames: list[bytes] = frames) -> None:
            decode_all(codec, frames)

        def baseline(texts: list[bytes] = texts) -> None:
            for text in texts:
                READINGS.decode(text)

        rate, base = a_second(decode, len(frames), seconds), a_second(baseline, len(texts), seconds)
        print(f"{name:12} {rate:10,.0f} {1e6 / rate:11.1f} {base:16,.0f} {rate / base:6.2f}")


# --------------------------------------------------------------------------- bytes a band


async def connect(port: int, words: Callable[[int], bytes]) -> list[asyncio.StreamWriter]:
    """Connect every band, say its word, and hear the answer."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> asyncio.StreamWriter:
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words(number))
            if not await reader.read(4096):
                raise ConnectionError(f"band {number} was not answered")
            return writer

    return await asyncio.gather(*(one(number) for number in range(BANDS)))


async def hold(port: int, pid: int, words: Callable[[int], bytes]) -> int:
    """The bytes that all of them take while they are connected."""
    before = resident_bytes(pid)
    writers = await connect(port, words)
    grown = resident_bytes(pid) - before
    for writer in writers:
        writer.close()
    return grown


def memory() -> None:
    """Print bytes a band by protocol."""
    print(f"\n{'connected':12} {'bands':>7} {'gateway before':>15} {'bytes a band':>13}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for protocol, words in WORDS.items():
        with tempfile.TemporaryDirectory() as name:
            port = free_port()
            limits = f"max_connections = {BANDS + 100}, max_connections_per_peer = {BANDS + 100}"
            listener = f'{{ port = {port}, protocol = "{protocol}", {limits} }}'
            config = write_site(
                Path(name),
                wearers=BANDS,
                transports=f"[transports.tcp]\nlisteners = [{listener}]",
                twilio_port=free_port(),
                protocol=protocol,
            )
            with process(*gateway(config), ready="ready") as running:
                before = resident_bytes(running.pid)
                grown = asyncio.run(hold(port, running.pid, words))
        print(f"{protocol:12} {BANDS:7,} {before / 2**20:12.0f} MB {grown / BANDS:13,.0f}")


def main(*, seconds: float) -> None:
    """Print both tables."""
    codecs(min(seconds, 2.0) / 2)
    memory()
