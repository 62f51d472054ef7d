"""From bytes to admitted envelopes: one codec a link, the allow-list, and the quarantine.

Implements `gateway.transports.base.Sink`.
Whatever arrives is either committed as an event or committed to quarantine with its reason and raw bytes;
only then is the inbound settled, so a transport never acknowledges what could be lost.
Of strangers, whom nothing is acknowledged, only so much is kept (`gateway.strangers`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from gateway.bands.registry import Device, Registry
from gateway.clock import Clock
from gateway.codecs.base import Bands, Known
from gateway.errors import FrameError
from gateway.journal.records import QuarantineRow, Record, Rest, to_ms
from gateway.model import Alarm, Envelope, Severity, Uplink, Why
from gateway.strangers import Strangers
from gateway.transports.base import Inbound, Link, Outcome, Settlement
from gateway.transports.tcp_door import network_of

FUTURE = timedelta(minutes=2)
RAW_KEPT_BYTES = 4096
FOR_ANOTHER = "speaks for another device"
SECOND_ID = "second device id on one connection"
MAX_BAD_KEPT = 64
"""Bad frames kept of one inbound; a flood of rubbish must not fill the journal. More are counted."""
NOTHING = Settlement(Outcome.STORED)
STORED = Settlement(Outcome.STORED, stored=1)


class Journal(Protocol):
    """What intake and engine need of the journal."""

    def append(self, record: Record) -> None:
        """Queue a record."""
        ...

    @property
    def congested(self) -> bool:
        """True while too much waits."""
        ...

    async def uncongested(self) -> None:
        """Wait for room."""
        ...


class Hears(Protocol):
    """What intake hands envelopes to."""

    def heard(self, envelope: Envelope, committed: Callable[[int], None]) -> None:
        """Judge and journal an envelope; `committed` is called after the commit."""
        ...

    def noticed(self, alarm: Alarm) -> None:
        """Raise an alarm of our own about a band."""
        ...


class Tap(Protocol):
    """Who listens to what comes in while a capture runs (`gateway.capture`)."""

    def up(self, link: Link, data: bytes) -> None:
        """These bytes came."""
        ...

    def replied(self, link: Link, replies: Iterable[bytes]) -> None:
        """These frames answer them."""
        ...

    def closed(self, link: Link) -> None:
        """The link ended."""
        ...


class Intake:
    """The one way in; `tap` hears it too while somebody records."""

    def __init__(
        self,
        *,
        registry: Registry,
        engine: Hears,
        journal: Journal,
        clock: Clock,
        codec: Callable[[str, Any, Callable[[], datetime], Bands], Any],
        models: Mapping[str, Any] | None = None,
    ) -> None:
        """`models` maps a model's name to its codec's settings."""
        self._registry = registry
        self._models = models or {}
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._codec = codec
        self.counts: Counter[str] = Counter()
        self.tap: Tap | None = None
        self._speaking: dict[str, Any] = {}
        self._strangers = Strangers()

    # ------------------------------------------------------------------ Sink

    @property
    def congested(self) -> bool:
        """True while the journal is behind."""
        return self._journal.congested

    async def uncongested(self) -> None:
        """Wait until the journal has room."""
        await self._journal.uncongested()

    def admits(self, device: str, secret: bytes) -> bool:
        """Whether this device exists and this is its key."""
        return self._registry.admits(device, secret)

    def knows(self, device: str) -> bool:
        """Whether this device exists."""
        return self._registry.find(device) is not None

    def receive(self, inbound: Inbound) -> None:
        """Decode, admit and pass on every frame in these bytes; settle when all of them are committed."""
        link = inbound.link
        codec = link.codec
        if codec is None:
            codec = link.codec = self._codec(link.protocol, link.codec_settings, self._clock.now, self.known)
        if self.tap is not None:
            self.tap.up(link, inbound.data)
        codec.feed(inbound.data)
        delivery = _Delivery(self, inbound)
        delivery.read(codec)
        if not link.streaming:
            codec.end_of_message()
            delivery.read(codec)
        delivery.release()

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        """The wire id and OSCORE master secret of a key id; None for a stranger."""
        device = self._registry.of_key_id(key_id)
        return None if device is None else (device.wire_id, device.keys.oscore_secret)

    def doubled(self, link: Link, other: str) -> None:
        """Raise an alarm, once an hour: one of the two that speak for this device is not its band."""
        device = self._registry.find(link.device or link.pinned or "")
        self.counts["doubled"] += 1
        if device is None:
            return
        self._notice(device, "id_claimed_twice", "warning", f"{link.peer}, {other}")

    def unproven(self, link: Link, uplink: Uplink) -> None:
        """Show staff a cry for help without its protocol's login; logged in, the band says it again.

        Nobody is rung for it: whoever knows a terminal's number could ring a family at night.
        """
        device = self._registry.find(uplink.device or "")
        if uplink.readings and device is not None:
            self.counts["unproven cries"] += 1
            self._notice(device, "cry_without_login", "critical", link.peer)

    def _notice(self, device: Device, code: str, severity: Severity, place: str) -> None:
        """Raise an alarm of our own about a band, once an hour."""
        now = self._clock.now()
        self._engine.noticed(
            Alarm(
                alarm_id=f"{code}.{device.device}.{now:%Y%m%d%H}",
                wearer=device.wearer,
                kind="band",
                severity=severity,
                why=Why(code=code, place=place),
                at=now,
            )
        )

    def known(self, wire_id: str) -> Known | None:
        """What a codec is told of a band; None for a stranger."""
        device = self._registry.find(wire_id)
        if device is None:
            return None
        return Known(self._models.get(device.model), device.keys.login_code, device.serial)

    def forget(self, wire_id: str) -> None:
        """A band that is not admitted any more, or another one now: answer it in nobody's old manner."""
        self._speaking.pop(wire_id, None)

    def closed(self, link: Link) -> None:
        """Read out what the stream left behind, then forget the codec."""
        codec = link.codec
        if codec is None or not link.streaming:
            return
        codec.end_of_message()
        delivery = _Delivery(self, Inbound(link=link, data=b"", settle=lambda _: None))
        delivery.read(codec)
        delivery.release()
        link.codec = None
        if self.tap is not None:
            self.tap.closed(link)

    # ------------------------------------------------------------------ one frame

    def admit(self, link: Link, uplink: Uplink, now: datetime) -> Envelope | tuple[str, Outcome]:
        """The envelope of an uplink, or the reason why it is quarantined."""
        if uplink.refusal:
            return uplink.refusal, Outcome.QUARANTINED
        claimed = uplink.device or link.device or link.pinned
        if claimed is None:
            return "no device id", Outcome.QUARANTINED
        if link.device is not None and claimed != link.device:
            return FOR_ANOTHER, Outcome.FORBIDDEN
        if link.pinned is not None and claimed != link.pinned:
            return SECOND_ID, Outcome.FORBIDDEN
        device = self._registry.find(claimed)
        if device is None:
            return "unknown device", Outcome.QUARANTINED
        if device.protocol != link.protocol:
            return "device is registered for another protocol", Outcome.FORBIDDEN
        if link.shared:
            link.devices.add(claimed)
            self._speaking[claimed] = link.codec
        elif link.pinned is None:
            link.pinned = claimed
            if link.streaming:
                self._speaking[claimed] = link.codec
        return Envelope(
            uplink=sane(uplink, now),
            wire=link.wire,
            device=device.device,
            wearer=device.wearer,
            received_at=now,
        )

    def quarantine(
        self,
        link: Link,
        *,
        reason: str,
        offset: int = 0,
        raw: bytes,
        claimed: str | None = None,
        committed: Callable[[int], None],
    ) -> None:
        """Keep a frame that is not understood, or not ours; `claimed` is the wire id that stands in it."""
        self.counts[f"quarantined: {reason}"] += 1
        row = QuarantineRow(
            to_ms(self._clock.now()),
            link.wire,
            link.protocol,
            link.peer,
            claimed or link.device or link.pinned,
            reason,
            offset,
            raw[:RAW_KEPT_BYTES],
            len(raw),
        )
        self._journal.append(Record(rest=Rest(quarantine=[row]), committed=committed))

    def has_room(self, link: Link, claimed: str | None) -> bool:
        """Whether a bad frame is kept: always one of a band, of a stranger while there are not too many."""
        if link.device is not None or link.pinned is not None or claimed in link.devices:
            return True
        host, _, port = link.peer.rpartition(":")
        if self._strangers.keep(network_of(host or port), self._clock.now()):
            return True
        self.counts["frames of strangers not kept"] += 1
        return False

    def hand_over(self, envelope: Envelope, committed: Callable[[int], None]) -> None:
        """Pass an admitted envelope on."""
        self.counts["frames"] += 1
        self._engine.heard(envelope, committed)

    def codec_of(self, device: str) -> Any | None:
        """The codec of the stream this wire id was last heard on; None for message wires."""
        return self._speaking.get(device)

    def now(self) -> datetime:
        """The wall clock."""
        return self._clock.now()


class _Delivery:
    """One inbound on its way: counts its frames' commits and settles it once."""

    __slots__ = ("_bad", "_inbound", "_intake", "_open", "_outcome", "_replies", "_stored")

    def __init__(self, intake: Intake, inbound: Inbound) -> None:
        self._intake = intake
        self._inbound = inbound
        self._open = 1
        self._stored = self._bad = 0
        self._outcome = Outcome.STORED
        self._replies: list[bytes] = []

    def read(self, codec: Any) -> None:
        """Pass on every whole frame the codec has."""
        intake, link = self._intake, self._inbound.link
        now = intake.now()
        while True:
            try:
                uplink = codec.next_event()
            except FrameError as error:
                link.spoiled += 1
                if link.settling:
                    intake.counts["skipped: not in step yet"] += 1
                    continue
                self._keep(Outcome.QUARANTINED, error.reason, error.raw, offset=error.offset)
                continue
            if uplink is None:
                return
            link.frames += 1
            if link.shared and uplink.device is None and not uplink.readings and uplink.reply is not None:
                self._replies.append(uplink.reply)  # the receiver's own business: an answer it still owed
                continue
            envelope = intake.admit(link, uplink, now)
            if isinstance(envelope, Envelope):
                self._open += 1
                self._stored += 1
                if uplink.reply is not None:
                    self._replies.append(uplink.reply)
                intake.hand_over(envelope, self._committed)
            else:
                reason, outcome = envelope
                if uplink.refusal:
                    self._replies += [uplink.reply] if uplink.reply is not None else []
                    intake.unproven(link, uplink)
                self._keep(outcome, reason, uplink.raw, claimed=uplink.device)

    def release(self) -> None:
        """Nothing more comes: the inbound may be settled when its frames are committed."""
        self._committed(0)

    def _keep(
        self, outcome: Outcome, reason: str, raw: bytes, *, offset: int = 0, claimed: str | None = None
    ) -> None:
        """Quarantine a frame, unless this inbound has too many of them already."""
        self._bad += 1
        if self._outcome is not Outcome.FORBIDDEN:
            self._outcome = outcome
        if self._bad > MAX_BAD_KEPT:
            self._intake.counts["bad frames not kept"] += 1
            return
        if not self._intake.has_room(self._inbound.link, claimed):
            return
        self._open += 1
        self._intake.quarantine(
            self._inbound.link,
            reason=reason,
            offset=offset,
            raw=raw,
            claimed=claimed,
            committed=self._committed,
        )

    def _committed(self, _seq: int) -> None:
        self._open -= 1
        if self._open == 0:
            if self._bad == 0 and self._stored <= 1 and not self._replies:
                self._inbound.settle(STORED if self._stored else NOTHING)
            else:
                if self._intake.tap is not None:
                    self._intake.tap.replied(self._inbound.link, self._replies)
                self._inbound.settle(Settlement(self._outcome, tuple(self._replies), self._stored, self._bad))


def sane(uplink: Uplink, now: datetime) -> Uplink:
    """The uplink with device times from the future taken away: such a reading then has the gateway's time."""
    limit = now + FUTURE
    for reading in uplink.readings:
        if reading.at is not None and reading.at > limit:
            break
    else:
        return uplink
    readings = tuple(
        msgspec.structs.replace(reading, at=None)
        if reading.at is not None and reading.at > limit
        else reading
        for reading in uplink.readings
    )
    return msgspec.structs.replace(uplink, readings=readings)
