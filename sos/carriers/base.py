"""What every carrier can do, and how it says that it could not.

CarrierError
├── CarrierRefused     it said no: the leg was certainly not placed; go on with the next
├── CarrierDown        it cannot be reached and the request certainly never arrived there
└── CarrierAmbiguous   the request may have arrived and the answer was lost; settle, never repeat blindly
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from sos.events import Channel, KeyPressed, Leg, LegReported, LegState


class CarrierError(Exception):
    """Root of what a carrier raises; `detail` is for staff and holds no phone number."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class CarrierRefused(CarrierError):
    """The carrier said no; certainly not placed."""


class CarrierDown(CarrierError):
    """The carrier was not reached; certainly not placed."""


class CarrierAmbiguous(CarrierError):
    """Nobody knows whether it was placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is said or written: `body` is the text, the voice script, or the hexadecimal of a BeiDou message.

    `ring_timeout_s` is for calls.
    """

    body: str
    ring_timeout_s: int = 25


Report = Callable[[LegReported | KeyPressed], None]


class Carrier(Protocol):
    """A way to reach a telephone. Five methods; client libraries' exceptions never leave it.

    A carrier module ends with `CARRIER = TheClass`; the class takes its `Settings` as only argument.

    Optional attributes declare its limits to the dispatcher:
    `concurrent: int` is how many `place` calls it can take at a time (a modem: 1),
    `place_deadline_s: float` is how long one `place` may take before its outcome counts as lost.
    `needs_relay: bool` says that keys pressed in its calls come back through the portal only:
    while the gateway cannot hear the portal, such a carrier stands behind the others for calls.
    `trouble: str` (an instance attribute) says why it cannot be used now, empty while it can.
    A setting named `gateway` or `data_dir` is filled in by the composition root
    with this box's name and the folder where a carrier may keep what must survive a restart.
    `remember(leg, message)` is called before a leg of an earlier process is looked for in its list.
    Being busy for the moment (the one line is taken) is `CarrierDown`, not `CarrierRefused`.
    """

    name: ClassVar[str]
    channels: ClassVar[frozenset[Channel]]

    async def run(self, report: Report) -> None:
        """Listen until cancelled and report what becomes known of legs (status, keys); survives line loss."""
        ...

    async def place(self, leg: Leg, message: Message) -> str:
        """Place the leg once, without any retry, and give the carrier's reference.

        Not idempotent.
        Raises CarrierRefused, CarrierDown or CarrierAmbiguous.
        """
        ...

    async def hang_up(self, reference: str) -> None:
        """End a call or silence a siren; idempotent, quiet when it is over already. Raises CarrierError."""
        ...

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:
        """Look whether the carrier has this leg after all, leaving out references already `owned`.

        Idempotent.
        Gives the reference, or None when the carrier's list does not have it (yet).
        Raises CarrierError when the list cannot be read.
        """
        ...

    async def status(self, reference: str) -> LegState:
        """Ask how a placed leg stands; idempotent. Raises CarrierError."""
        ...
