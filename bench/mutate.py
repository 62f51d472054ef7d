"""Seeds and mutations for the fuzzer: real frames of every protocol, and what may happen to them on the way.

Pure but for reading the seeds: the same `random.Random` gives the same input.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import runpy
from collections.abc import Callable
from functools import reduce
from operator import xor
from pathlib import Path

from gateway.codecs import slip
from gateway.codecs.mqtt import encode
from gateway.codecs.mqtt_packets import (
    V5,
    V311,
    Connect,
    Disconnect,
    PingReq,
    PubAck,
    Publish,
    Subscribe,
    Subscription,
)

ROOT = Path(__file__).parents[1]
VECTORS = ROOT / "tests/vectors"
MOST_MUTATIONS = 6
MOST_NOISE = 64
NUMBERS = (
    b"",
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"99999999999999999999",
    b"1e309",
    b"nan",
    b"0x1F",
    b"1.",
    b".5",
)
MARKS = b"[]{}*,:;$#|~\"'\\\r\n\x00\x7e\x7d\xc0\xdb\xff\x9f\xbf"
OF_VECTORS = {
    "trv": "iw",
    "wristband": "yx",
    "rdss": "rdss",
    "watch": "watch",
    "jt808": "jt808",
}
"""Which codec reads the vectors of which protocol."""

MQTT = "mqtt"
"""Not a codec of readings, but bytes of strangers all the same."""

_DIGITS = re.compile(rb"[0-9]+")
_SENTENCE = re.compile(rb"\$([^*$\r\n]*)\*[^\r\n]{0,2}")
_SLIPPED = re.compile(rb"\xc0([\x80-\x9f][^\xc0]{2,})\xc0")
_FLAGGED = re.compile(rb"\x7e([^\x7e]{2,})\x7e")


def seeds() -> dict[str, list[bytes]]:
    """Good frames by codec: the samples of the contract suite, and the vectors."""
    contract = runpy.run_path(str(ROOT / "tests/contract/test_codec.py"))
    found: dict[str, list[bytes]] = {name: list(frames) for name, frames in contract["SAMPLES"].items()}
    for name, frame in contract["BROKEN"].items():
        found[name].append(frame)
    for path in sorted(VECTORS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            codec = OF_VECTORS.get(row.get("protocol", path.stem))
            if codec in found and isinstance(row["frame"], str):
                text = row.get("wire_hex") or (row["frame"] if row["encoding"] == "hex" else None)
                found[codec].append(bytes.fromhex(text) if text else row["frame"].encode("latin-1"))
    for path in sorted((VECTORS / "nmea").glob("*.log")):
        found["nmea"] += path.read_bytes().splitlines(keepends=True)[:200]
    found[MQTT] = mqtt_sessions()
    return found


def mqtt_sessions() -> list[bytes]:
    """What a band says on an MQTT connection, in 3.1.1 and in 5.0."""
    sessions = []
    for version in (V311, V5):
        packets = [
            Connect(client_id="band-1", version=version, keep_alive_s=60, username="band-1", password=b"k"),
            Subscribe(1, (Subscription("sw/xinhe/band-1/down", 1),)),
            Publish("sw/xinhe/band-1/up", b'[{"n":"hr","v":72}]', qos=1, packet_id=7),
            Publish("sw/xinhe/band-1/up", b"[]"),
            PubAck(9),
            PingReq(),
            Disconnect(),
        ]
        encoded = [encode(packet, version) for packet in packets]
        sessions += [b"".join(encoded[:end]) for end in range(1, len(encoded) + 1)]
    return sessions


def make(rng: random.Random, own: list[bytes], others: list[bytes]) -> bytes:
    """One input: mostly a frame or a few, damaged; sometimes noise, sometimes another protocol's frame."""
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.randrange(400))
    if kind < 0.10:
        data = rng.choice(others)
    elif kind < 0.40:
        data = b"".join(rng.choice(own) for _ in range(rng.randint(2, 4)))
    else:
        data = rng.choice(own)
    for _ in range(rng.randrange(MOST_MUTATIONS)):
        data = rng.choice(MUTATIONS)(rng, data, own)
    return reseal(data) if rng.random() < 0.5 else data


def reseal(data: bytes) -> bytes:
    """Make the checksums right again, so that what lies behind them is reached, too."""
    data = _SENTENCE.sub(lambda found: b"$%b*%02X" % (found[1], reduce(xor, found[1], 0)), data)
    data = _FLAGGED.sub(_resealed_808, data)
    return _SLIPPED.sub(_resealed_slip, data)


def _resealed_808(found: re.Match[bytes]) -> bytes:
    """Unescape, put the exclusive-or of JT/T 808 at the end, escape (JT/T 808-2013 section 4.4.4)."""
    body = found[1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")[:-1]
    plain = body + bytes([reduce(xor, body, 0)])
    return b"\x7e" + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _resealed_slip(found: re.Match[bytes]) -> bytes:
    """Unescape, and frame what stands before the two bytes of the CRC anew."""
    return slip.wrap(found[1].replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")[:-2])


def _place(rng: random.Random, data: bytes) -> tuple[int, int]:
    """A slice of some bytes, not always a long one."""
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 1, 2, 4, 16, 64)))


def _truncate(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    cut = rng.randrange(len(data) + 1)
    return data[:cut] if rng.random() < 0.7 else data[cut:]


def _flip(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    changed = bytearray(data or b"\x00")
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    start, end = _place(rng, data)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def _mark(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    start, end = _place(rng, data)
    keep = data[end:] if rng.random() < 0.5 else data[start:]
    return data[:start] + bytes([rng.choice(MARKS)]) + keep


def _delete(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    start, end = _place(rng, data)
    return data[:start] + data[end:]


def _duplicate(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    start, end = _place(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 3, 40)) + data[end:]


def _splice(rng: random.Random, data: bytes, own: list[bytes]) -> bytes:
    other = rng.choice(own)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _glue(rng: random.Random, data: bytes, own: list[bytes]) -> bytes:
    noise = rng.randbytes(rng.randrange(MOST_NOISE)) if rng.random() < 0.3 else b""
    return data + noise + rng.choice(own)


def _number(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    found = list(_DIGITS.finditer(data))
    if not found:
        return data
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(NUMBERS) + data[one.end() :]


MUTATIONS: tuple[Callable[[random.Random, bytes, list[bytes]], bytes], ...] = (
    _truncate,
    _flip,
    _overwrite,
    _mark,
    _delete,
    _duplicate,
    _splice,
    _glue,
    _number,
)


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """The same bytes cut somewhere: one by one for some short inputs, else in up to seven pieces."""
    if len(data) <= 300 and rng.random() < 0.2:
        return [data[at : at + 1] for at in range(len(data))]
    edges = [0, *sorted(rng.randrange(len(data) + 1) for _ in range(rng.randint(1, 6))), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]
