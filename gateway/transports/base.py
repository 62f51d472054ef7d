"""What lies between a transport and the gateway: a link, an inbound, and its settlement.

A transport hands over bytes and never parses them.
The acknowledgement belongs to the wire (PUBACK, 2.04, a reply frame), its moment to the journal:
`Inbound.settle` is called exactly once, on the loop, after the commit; only then does the wire acknowledge.
If the gateway dies in between, nothing was acknowledged and the band sends again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where this gateway stands: the parts of a topic `sw/<community>/<device>/up|down`, and its own name."""

    gateway: str
    community: str
    data_dir: Path


class Outcome(Enum):
    """What became of an inbound."""

    STORED = "stored"
    """Committed to the journal: acknowledge."""
    QUARANTINED = "quarantined"
    """Not understood, or not ours, but kept with its reason: acknowledge, or the band repeats it for ever."""
    FORBIDDEN = "forbidden"
    """The peer may not speak for this device; kept in quarantine: refuse where the wire can, then close."""
    UNAVAILABLE = "unavailable"
    """Could not be stored: do not acknowledge."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an inbound; `replies` are the frames the protocol wants back, in order.

    `stored` and `bad` say how many of its frames became events, and how many went to quarantine.
    """

    outcome: Outcome
    replies: tuple[bytes, ...] = ()
    stored: int = 0
    bad: int = 0


@dataclass(slots=True, eq=False)
class Link:
    """One connection (or one device behind a datagram wire, or one serial port).

    `wire` is the transport's name, `protocol` the codec's, `peer` the address for the log.
    `device` is the wire id that the transport has authenticated; None where the wire has no login,
    then the first frame pins it and a second id on the same link is forbidden.
    `codec_settings` are passed to the codec as they are.
    `streaming` is true where bytes come in pieces (TCP, serial), false where each inbound is a whole message.
    `shared` is a receiver that hears many devices (a BeiDou station, a radio gateway):
    every frame names its own, none is pinned, and `devices` are those heard on it so far.
    `frames` and `spoiled` count what was a frame on this link, and what was none.
    `number` is another one for every link of this process.
    `settling` is set by a wire that may not be in step yet (it came in the middle of a line, or looks for the
    speed): what is no frame is then counted and skipped, not kept in quarantine.
    `codec`, `pinned`, `devices`, `frames` and `spoiled` belong to the intake; transports leave them alone.
    """

    wire: str
    protocol: str
    peer: str
    device: str | None = None
    codec_settings: Any = None
    streaming: bool = False
    shared: bool = False
    codec: Any = field(default=None, repr=False)
    pinned: str | None = None
    devices: set[str] = field(default_factory=set)
    number: int = field(default_factory=count(1).__next__)
    settling: bool = False
    frames: int = 0
    spoiled: int = 0


@dataclass(slots=True)
class Inbound:
    """Bytes that came over a link: a whole message, or a piece of a stream."""

    link: Link
    data: bytes
    settle: Callable[[Settlement], None]


class Once:
    """Calls `done` the first time only: an order that went to a band on two ways is done once."""

    __slots__ = ("_done",)

    def __init__(self, done: Callable[[], None]) -> None:
        self._done: Callable[[], None] | None = done

    def __call__(self) -> None:
        """Done."""
        done, self._done = self._done, None
        if done is not None:
            done()


class Sink(Protocol):
    """Where transports put what they hear; implemented by `gateway.intake`. All calls are on the loop."""

    def receive(self, inbound: Inbound) -> None:
        """Take it; never raises and never blocks. `settle` may be called before this returns."""
        ...

    def admits(self, device: str, secret: bytes) -> bool:
        """Whether this device exists and this is its key; compared in constant time."""
        ...

    def knows(self, device: str) -> bool:
        """Whether this device exists; for a wire that a certificate has told who it is."""
        ...

    def doubled(self, link: Link, other: str) -> None:
        """Say that the device pinned to this link speaks on a second one too, whose peer is `other`."""
        ...

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        """The wire id and OSCORE master secret of a key id (`gateway.bands.keys`); None for a stranger."""
        ...

    def closed(self, link: Link) -> None:
        """The link is gone; a stream's partial frame goes to quarantine."""
        ...

    @property
    def congested(self) -> bool:
        """True while the journal is behind: stop reading from the wire until it is false again."""
        ...

    async def uncongested(self) -> None:
        """Wait until `congested` is false."""
        ...


class TakesOrders(Protocol):
    """What takes orders down to bands: a wire, or something between it and us."""

    @property
    def name(self) -> str:
        """The transport's name."""
        ...

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Send bytes down to a device; call `done` when the band has them (or the wire took them).

        False when this transport does not know the device now; the engine keeps the order and tries again.
        Given again every minute while it is of use: bytes that wait here already are not taken twice.
        """
        ...

    def withdraw(self, device: str, data: bytes) -> None:
        """Bytes given to `send` are of no use any more: where they still wait here, they do not leave.

        Idempotent.
        """
        ...


class Transport(Protocol):
    """A wire. A transport module ends with `TRANSPORT = TheClass`, built as `TheClass(settings, sink, site)`.

    `Settings` is a frozen msgspec Struct (forbid_unknown_fields) and is the module's table in config.toml.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; call `ready(address)` once it listens or is connected.

        Line loss is survived with backoff; only a configuration that can never work raises.
        """
        ...

    def send(self, device: str, data: bytes, done: Callable[[], None]) -> bool:
        """Send bytes down to a device; call `done` when the band has them (or the wire took them).

        False when this transport does not know the device now; the engine keeps the order and tries again.
        Given again every minute while it is of use: bytes that wait here already are not taken twice.
        """
        ...

    def withdraw(self, device: str, data: bytes) -> None:
        """Bytes given to `send` are of no use any more: where they still wait here, they do not leave.

        Idempotent.
        """
        ...

    def forget(self, device: str) -> None:
        """The device is not admitted any more, or its key is another one: end its connections and sessions.

        Idempotent.
        """
        ...
