"""Long messages of JT/T 808 that come in parts: put together, asked for again, given up. Pure, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.codecs.jt808_frame import Frame

MAX_UNFINISHED = 4
MAX_PARTS = 255
MAX_HELD_BYTES = 256 * 1024
GIVEN_UP = timedelta(seconds=120)
ASK_AFTER = timedelta(seconds=5)
MAX_ASKED = 3

Key = tuple[bytes, int]


@dataclass(slots=True)
class _Message:
    parts: int
    serial: int
    first_serial: int
    heard_at: datetime | None
    began_at: datetime | None
    frames: dict[int, Frame] = field(default_factory=dict)
    asked: int = 0

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(number for number in range(1, self.parts + 1) if number not in self.frames)

    @property
    def raw(self) -> bytes:
        """All that has come of it, in order."""
        return b"".join(self.frames[number].raw for number in sorted(self.frames))


def is_possible(frame: Frame) -> bool:
    """Whether a part is one of at most 255, counted from 1."""
    return 1 <= frame.part <= frame.parts <= MAX_PARTS


class Parts:
    """The unfinished messages of one connection: at most 4, at most 256 KiB, each for at most two minutes.

    What is given up is not lost: `given_up` hands out its frames, to be kept in quarantine.
    """

    __slots__ = ("_abandoned", "_unfinished")

    def __init__(self) -> None:
        self._unfinished: dict[Key, _Message] = {}
        self._abandoned: list[bytes] = []

    def add(self, frame: Frame, now: datetime | None) -> Frame | None:
        """Take a part in that `is_possible`; gives the whole message once it has all of them."""
        key = frame.phone, frame.message
        first_serial = (frame.serial - frame.part + 1) & 0xFFFF
        message = self._unfinished.get(key)
        if message is not None and self._is_another(message, frame, first_serial):
            self._give_up(key)
            message = None
        if message is None:
            message = _Message(frame.parts, frame.serial, first_serial, now, now)
            self._unfinished[key] = message
        message.frames[frame.part] = frame
        message.heard_at = now
        if not message.missing:
            del self._unfinished[key]
            body = b"".join(message.frames[number].body for number in range(1, message.parts + 1))
            return frame._replace(body=body, parts=0, part=0, raw=message.raw)
        self._keep_bounds()
        return None

    def wanted(self, frame: Frame, now: datetime | None) -> tuple[int, tuple[int, ...]] | None:
        """What to ask for again now that this frame has come: the first part's serial, and the missing parts.

        Asked for when the last part came, and when nothing of it came for 5 seconds; three times at most.
        """
        for (phone, kind), message in self._unfinished.items():
            if phone != frame.phone or message.asked >= MAX_ASKED:
                continue
            is_last = kind == frame.message and frame.part == message.parts
            is_quiet = now is not None and message.heard_at is not None and now - message.heard_at > ASK_AFTER
            if is_last or is_quiet:
                message.asked += 1
                message.heard_at = now
                return message.first_serial, message.missing
        return None

    def given_up(self, now: datetime | None) -> bytes | None:
        """The frames of one message that was given up, None when there is none (any more)."""
        if now is not None:
            for key, message in list(self._unfinished.items()):
                if message.began_at is not None and now - message.began_at > GIVEN_UP:
                    self._give_up(key)
        return self._abandoned.pop(0) if self._abandoned else None

    def end(self) -> None:
        """Give up everything: the connection has ended."""
        for key in list(self._unfinished):
            self._give_up(key)

    def _is_another(self, message: _Message, frame: Frame, first_serial: int) -> bool:
        """Whether this part belongs to a newer message.

        Some terminals give all parts of a message one serial; a part that was asked for may have a new one.
        """
        held = message.frames.get(frame.part)
        return (
            message.parts != frame.parts
            or (held is not None and held.body != frame.body)
            or (frame.serial != message.serial and first_serial != message.first_serial and not message.asked)
        )

    def _give_up(self, key: Key) -> None:
        self._abandoned.append(self._unfinished.pop(key).raw)

    def _keep_bounds(self) -> None:
        """Give up the oldest until the rest fits."""
        while len(self._unfinished) > MAX_UNFINISHED or self._held_bytes() > MAX_HELD_BYTES:
            self._give_up(next(iter(self._unfinished)))

    def _held_bytes(self) -> int:
        return sum(
            len(frame.raw) for message in self._unfinished.values() for frame in message.frames.values()
        )
