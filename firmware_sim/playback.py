"""Plays a capture back over a real wire: what bands said, in its order and time, and if they get answers.

Only what went up is said again. Before a band goes on it waits for the reply it had at that place,
as the band itself did; a reply that does not come within `ANSWER_S` is missing, and the band goes on.
`gateway.capture_format` is the file, `firmware_sim.playback_wires` are the wires.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.capture_format import CaptureError, Piece

ANSWER_S = 5.0
SEALED = frozenset({"jt808", "senml_slip", "nmea", "rdss"})
"""Protocols whose frames carry a checksum or a packed number: another id cannot be written into them."""


class Line(Protocol):
    """One connection of a band."""

    async def send(self, data: bytes) -> None:
        """Say these bytes. Raises OSError when the line is gone."""
        ...

    async def answered(self, replies: int, reply_bytes: int) -> bool:
        """Wait until so many replies, or so many bytes of them, have come in all; False when they do not."""
        ...

    async def close(self) -> None:
        """Hang up. Idempotent."""
        ...


class Wire(Protocol):
    """A way to the gateway."""

    async def open(self, device: str | None) -> Line:
        """A new connection for this band. Raises OSError when nobody answers."""
        ...


@dataclass(slots=True)
class Played:
    """What became of a capture: pieces and bytes said, replies expected and replies that came, links cut."""

    links: int = 0
    pieces: int = 0
    bytes_up: int = 0
    replies: int = 0
    answered: int = 0
    cut: int = 0

    def __str__(self) -> str:
        return (
            f"{self.links} links, {self.pieces} pieces ({self.bytes_up} bytes) up,"
            f" {self.answered} of {self.replies} replies came"
            + (f", {self.cut} links cut by the gateway" if self.cut else "")
        )


@dataclass(slots=True)
class Pace:
    """When a piece is due: at `speed` times its own time, at once where `speed` is 0."""

    speed: float
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _zero_s: float | None = None

    async def until(self, at_s: float) -> None:
        """Wait for the moment of a piece; the first piece is due at once."""
        if not self.speed:
            return
        if self._zero_s is None:
            self._zero_s = self.now() - at_s / self.speed
        due_s = self._zero_s + at_s / self.speed - self.now()
        if due_s > 0:
            await self.sleep(due_s)


@dataclass(slots=True)
class _Open:
    line: Line
    replies: int = 0
    reply_bytes: int = 0
    gone: bool = False


async def play(pieces: Sequence[Piece], wire: Wire, pace: Pace) -> Played:
    """Say every piece again; gives what became of it. Raises OSError when the gateway cannot be reached."""
    played = Played()
    lines: dict[int, _Open] = {}
    try:
        for piece in pieces:
            if piece.what == "up":
                await pace.until(piece.at_s)
                if piece.link not in lines:
                    lines[piece.link] = _Open(await wire.open(piece.device))
                    played.links += 1
                await _say(lines[piece.link], bytes.fromhex(piece.hex), played)
            elif piece.what == "reply" and piece.link in lines:
                await _hear(lines[piece.link], len(piece.hex) // 2, played)
            elif piece.what == "closed" and piece.link in lines:
                await lines.pop(piece.link).line.close()
    finally:
        for left in lines.values():
            await left.line.close()
    return played


async def _say(to: _Open, data: bytes, played: Played) -> None:
    if to.gone:
        return
    try:
        await to.line.send(data)
    except OSError:
        to.gone = True
        played.cut += 1
        return
    played.pieces += 1
    played.bytes_up += len(data)


async def _hear(at: _Open, length: int, played: Played) -> None:
    at.replies += 1
    at.reply_bytes += length
    played.replies += 1
    if not at.gone and await at.line.answered(at.replies, at.reply_bytes):
        played.answered += 1


def renamed(pieces: Sequence[Piece], old: str, new: str) -> list[Piece]:
    """The pieces with another band's id in place of this one's, wherever it stands in what went up.

    Raises CaptureError where the two are not of one length (frames count their bytes), or the protocol
    seals its frames.
    """
    spoken = {piece.protocol for piece in pieces if piece.what == "up"}
    if sealed := spoken & SEALED:
        raise CaptureError(f"frames of {', '.join(sorted(sealed))} cannot be given another id")
    if len(old.encode()) != len(new.encode()):
        raise CaptureError(f"{old} and {new} must be of one length: frames count their bytes")
    streams: dict[int, bytearray] = {}
    for piece in pieces:
        if piece.what == "up":
            streams.setdefault(piece.link, bytearray()).extend(bytes.fromhex(piece.hex))
    for link, stream in streams.items():
        streams[link] = stream.replace(old.encode(), new.encode())
    return [_renamed(piece, streams, old, new) for piece in pieces]


def _renamed(piece: Piece, streams: dict[int, bytearray], old: str, new: str) -> Piece:
    """One piece, cut from its link's new stream where it was cut from the old one."""
    data = piece.hex
    if piece.what == "up":
        stream, length = streams[piece.link], len(piece.hex) // 2
        data = stream[:length].hex()
        del stream[:length]
    return Piece(
        at_s=piece.at_s,
        what=piece.what,
        link=piece.link,
        peer=piece.peer,
        protocol=piece.protocol,
        device=new if piece.device == old else piece.device,
        hex=data,
        count=piece.count,
    )
