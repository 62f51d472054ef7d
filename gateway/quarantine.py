"""A second look at quarantined frames, with the codecs and the allow-list of today.

What is good now becomes an event as backlog: it fills the history, moves no live state, and an SOS in it
starts its cascade marked late. It leaves the quarantine in the transaction that makes it an event,
so looking twice changes nothing.

Never looked at again: a frame that was kept cut short, and one whose connection was another device's
(today's allow-list cannot know more about that connection than was known then).
A frame is judged alone: one that only a login before it would make believable stays,
unless whoever orders the replay has looked at it and says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.clock import Clock
from gateway.codecs.base import Bands, Known
from gateway.errors import FrameError
from gateway.intake import FOR_ANOTHER, RAW_KEPT_BYTES, SECOND_ID, Intake
from gateway.journal.records import from_ms
from gateway.local_orders import Replayed, ReplayQuarantine
from gateway.model import Envelope, Uplink
from gateway.plugins import make_codec
from gateway.told import ControlAnswer
from gateway.transports.base import Link

NEVER = frozenset({FOR_ANOTHER, SECOND_ID})
MAX_NUMBERS = 1000
"""So many frames an order: whoever asks for more asks again."""


class Row(Protocol):
    """One row of the quarantine, by column."""

    def __getitem__(self, column: str, /) -> Any:
        """The value of a column."""
        ...


class Reader(Protocol):
    """Where the frames are."""

    def quarantined(self, *, numbers: Sequence[int], limit: int) -> Sequence[Row]:
        """The rows of these numbers."""
        ...


class Engine(Protocol):
    """Where good frames go."""

    def heard(self, envelope: Envelope, committed: Callable[[int], None], *, released: int | None) -> None:
        """Journal it, and let it out of the quarantine with the same commit."""
        ...


MakeCodec = Callable[[str, Any, Callable[[], datetime], Bands], Any]


class SecondLook:
    """Carries out `ReplayQuarantine`; `counts` holds what became of the frames.

    `transports` are the checked tables of the wires, for the settings of their codecs.
    """

    def __init__(
        self,
        intake: Intake,
        reader: Reader,
        engine: Engine,
        clock: Clock,
        transports: Mapping[str, Any],
        *,
        codec: MakeCodec = make_codec,
    ) -> None:
        self._intake = intake
        self._reader = reader
        self._engine = engine
        self._clock = clock
        self._transports = transports
        self._codec = codec
        self._on_their_way: set[int] = set()
        self.counts: Counter[str] = Counter()

    async def replay(self, order: ReplayQuarantine) -> AsyncGenerator[ControlAnswer | Replayed, None]:
        """Answer for every frame asked for, each after its commit."""
        if len(order.numbers) > MAX_NUMBERS:
            yield ControlAnswer(done=False, reason=f"at most {MAX_NUMBERS} frames an order")
            return
        yield ControlAnswer(done=True)
        for number in order.numbers:
            verdict = await self._replayed(number, order)
            self.counts["looked at" if order.dry_run else verdict.what] += 1
            yield verdict

    async def _replayed(self, number: int, order: ReplayQuarantine) -> Replayed:
        rows = self._reader.quarantined(numbers=(number,), limit=1)
        if not rows:
            return Replayed(number=number, what="gone")
        if number in self._on_their_way:
            return Replayed(number=number, what="stays", reason="already on its way")
        bands = self._without_login if order.without_login else self._intake.known
        envelope = self._good(rows[0], bands)
        if isinstance(envelope, str):
            return Replayed(number=number, what="stays", reason=envelope)
        if not order.dry_run:
            await self._hand_over(number, envelope)
        kinds = tuple(str(reading.__struct_config__.tag) for reading in envelope.uplink.readings)
        return Replayed(number=number, what="taken", device=envelope.device, readings=kinds)

    def _without_login(self, wire_id: str) -> Known | None:
        """What a codec is told of a band, as if its protocol had no login."""
        known = self._intake.known(wire_id)
        return None if known is None else known._replace(login_code="")

    async def _hand_over(self, number: int, envelope: Envelope) -> None:
        committed = asyncio.Event()

        def on_disk(_seq: int) -> None:
            self._on_their_way.discard(number)
            committed.set()

        self._on_their_way.add(number)
        self._engine.heard(envelope, on_disk, released=number)
        await committed.wait()

    def _good(self, row: Row, bands: Bands) -> Envelope | str:
        """The envelope of a frame that is good now, or the reason why it stays."""
        if row["reason"] in NEVER:
            return str(row["reason"])
        if row["length"] > len(row["raw"]) or (not row["length"] and len(row["raw"]) >= RAW_KEPT_BYTES):
            return "kept cut short"
        heard_at = from_ms(row["received_ms"])
        try:
            uplink = self._decoded(row, heard_at, bands)
        except FrameError as error:
            return error.reason
        if uplink is None:
            return "no whole frame"
        link = Link(wire=row["wire"], protocol=row["protocol"], peer=row["peer"], device=row["device"])
        envelope = self._intake.admit(link, _as_of(uplink, heard_at), self._clock.now())
        if isinstance(envelope, tuple):
            return envelope[0]
        return msgspec.structs.replace(envelope, replayed=True)

    def _decoded(self, row: Row, heard_at: datetime, bands: Bands) -> Uplink | None:
        """All that the bytes say, as one uplink. Raises FrameError when any of it is no frame."""
        protocol = row["protocol"]
        table = codec_table(self._transports, row["wire"], protocol, row["peer"])
        codec = self._codec(protocol, table, lambda: heard_at, bands)
        codec.feed(row["raw"])
        codec.end_of_message()
        found: list[Uplink] = []
        while (uplink := codec.next_event()) is not None:
            if found and uplink.device != found[0].device:
                raise FrameError("several devices in one frame", raw=row["raw"])
            found.append(uplink)
        if not found:
            return None
        return Uplink(
            device=found[0].device,
            readings=tuple(reading for uplink in found for reading in uplink.readings),
            raw=row["raw"],
            refusal=next((uplink.refusal for uplink in found if uplink.refusal), ""),
        )


def codec_table(transports: Mapping[str, Any], wire: str, protocol: str, peer: str) -> Any:
    """The codec's table of the port or listener a frame came through, None where there is none any more."""
    table = transports.get(wire)
    for entry in (*getattr(table, "ports", ()), *getattr(table, "listeners", ())):
        if entry.protocol == protocol and getattr(entry, "path", peer) == peer:
            return entry.codec
    return getattr(table, "codec", None)


def _as_of(uplink: Uplink, heard_at: datetime) -> Uplink:
    """The uplink as backlog; what has no time of its own is of when it was heard."""
    readings = tuple(
        reading if reading.at is not None else msgspec.structs.replace(reading, at=heard_at)
        for reading in uplink.readings
    )
    return msgspec.structs.replace(uplink, readings=readings, backlog=True)
