"""A load of simulated bands: MQTT 3.1.1, QoS 1, a bounded number in flight, counted by their PUBACKs.

Runs as a process of its own (`python -m bench.load ...`) so that it shares no interpreter with what is
measured; prints one JSON line: messages acknowledged and seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import cast

import uvloop

IN_FLIGHT = 100
BATCH = 20


def string(text: str) -> bytes:
    """An MQTT UTF-8 string (MQTT 3.1.1 section 1.5.3)."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first: int, body: bytes) -> bytes:
    """A control packet with its remaining length (section 2.2.3)."""
    length, head = len(body), bytearray([first])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def pack(device: str, at_s: float) -> bytes:
    """A SenML pack of about 210 bytes, as bands send it."""
    records = [
        {"bn": f"urn:dev:sw:{device}:", "bt": at_s, "n": "lat", "u": "lat", "v": 31.15531},
        {"n": "lon", "u": "lon", "v": 121.10502},
        {"n": "acc", "u": "m", "v": 8},
        {"n": "hr", "u": "beat/min", "v": 76},
        {"n": "bp/sys", "u": "mmHg", "v": 128},
        {"n": "bp/dia", "u": "mmHg", "v": 78},
        {"n": "batt", "u": "/100", "v": 64},
        {"n": "worn", "vb": True},
    ]
    return json.dumps(records, separators=(",", ":")).encode()


class Band(asyncio.Protocol):
    """One connection that keeps `IN_FLIGHT` messages in flight, or sends at a fixed rate."""

    def __init__(self, device: str, key: str, topic: str, *, paced: bool) -> None:
        self.device = device
        self.key = key
        self.topic = topic
        self.paced = paced
        self.acknowledged = 0
        self.sent = 0
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.running = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        transport = cast("asyncio.Transport", transport)
        self.transport = transport
        flags = b"\xc2" if self.key else b"\x02"
        body = string("MQTT") + b"\x04" + flags + b"\x00\x00" + string(self.device)
        if self.key:
            body += string(self.device) + string(self.key)
        transport.write(packet(0x10, body))

    def prepare(self) -> None:
        """Make the messages once: one a second of the last minute, so that they are live and rising."""
        now = time.time()
        self.messages = [
            (packet(0x32, string(self.topic) + b"\x00\x00" + pack(self.device, now - 50 + n * 0.5)))
            for n in range(100)
        ]
        at = self.messages[0].index(self.topic.encode()) + len(self.topic)
        self.heads = [(message[:at], message[at + 2 :]) for message in self.messages]

    def send(self, count: int) -> None:
        """Send `count` more."""
        parts = []
        for _ in range(count):
            self.sent += 1
            head, tail = self.heads[self.sent % 100]
            parts.append(head + ((self.sent - 1) % 65_535 + 1).to_bytes(2, "big") + tail)
        self.transport.write(b"".join(parts))

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements (4 bytes each) and send as many again."""
        data = self._rest + data
        if not self.connected.done():
            if data[3] != 0:
                raise ConnectionRefusedError(f"{self.device}: CONNACK {data[3]}")
            data = data[4:]
            self.connected.set_result(None)
        count, rest = divmod(len(data), 4)
        self._rest = data[len(data) - rest :]
        self.acknowledged += count
        if self.running and not self.paced:
            room = IN_FLIGHT - (self.sent - self.acknowledged)
            if room >= BATCH:
                self.send(room)


async def load(options: argparse.Namespace, keys: dict[str, str]) -> None:
    """Connect every band, run for the given time, print the figures."""
    loop = asyncio.get_running_loop()
    bands = []
    for device, key in keys.items():
        band = Band(
            device,
            key if options.login else "",
            f"sw/{options.community}/{device}/up",
            paced=options.rate > 0,
        )
        await loop.create_connection(lambda band=band: band, options.host, options.port)
        await band.connected
        band.prepare()
        bands.append(band)
    print("connected", flush=True)
    began = time.perf_counter()
    ends = began + options.seconds
    for band in bands:
        band.running = True
        if not options.rate:
            band.send(IN_FLIGHT)
    if options.rate:
        await paced(bands, options.rate, ends)
    else:
        await asyncio.sleep(options.seconds)
    acknowledged = sum(band.acknowledged for band in bands)
    seconds = time.perf_counter() - began
    print(json.dumps({"acknowledged": acknowledged, "seconds": seconds}), flush=True)


async def paced(bands: list[Band], rate: float, ends: float) -> None:
    """Send at a fixed rate over all bands, whatever is acknowledged."""
    sent, began, turn = 0, time.perf_counter(), 0
    while (now := time.perf_counter()) < ends:
        due = int((now - began) * rate)
        while sent < due:
            bands[turn % len(bands)].send(1)
            turn += 1
            sent += 1
        await asyncio.sleep(0.002)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keys", required=True, help="JSON: device -> key")
    parser.add_argument("--community", default="bench")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument(
        "--rate", type=float, default=0, help="messages a second in all; 0 is as fast as possible"
    )
    parser.add_argument("--login", action="store_true")
    options = parser.parse_args()
    uvloop.run(load(options, json.loads(Path(options.keys).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
