"""The bands: a press is sent again until it is acknowledged, to whichever process listens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bench.proof.loop import START
from bench.proof.world import Clock
from gateway.transports.base import Inbound, Link, Outcome, Settlement

AGAIN_S = 5.0
CONNECT_S = 0.3


@dataclass(slots=True, eq=False)
class Press:
    """One press of one wearer; `number` is the band's own, times in virtual seconds."""

    wearer: str
    number: int
    at_s: float
    acknowledged_s: float | None = None

    def frame(self) -> bytes:
        """The SenML pack of this press, the same at every repeat."""
        pack = [
            {
                "bn": f"urn:dev:sw:band-{self.wearer}:",
                "bt": START.timestamp() + self.at_s,
                "n": "sos",
                "vb": True,
            },
            {"n": "press", "v": self.number},
            {"n": "lat", "u": "lat", "v": 31.155 + 0.001 * self.number},
            {"n": "lon", "u": "lon", "v": 121.104},
        ]
        return json.dumps(pack).encode()


class Gate(Protocol):
    """Where a living process takes frames."""

    def receive(self, inbound: Inbound) -> None:
        """Take it."""
        ...


@dataclass(slots=True, kw_only=True)
class Bands:
    """All bands of the site; they outlive the gateway and remember what was not acknowledged."""

    loop: Clock
    presses: list[Press] = field(default_factory=list)
    tell: Callable[[str], None] = lambda _: None
    _gate: Gate | None = None

    def connect(self, gate: Gate) -> None:
        """A process listens: what has no acknowledgement is sent, also what is pressed from now on."""
        self._gate = gate
        for press in self.presses:
            if press.acknowledged_s is None:
                self.loop.call_later(max(CONNECT_S, press.at_s - self.loop.time()), self._send, press, gate)

    def disconnect(self) -> None:
        """Nobody listens."""
        self._gate = None

    @property
    def waiting(self) -> bool:
        """Whether a press is still to be made or to be acknowledged."""
        return any(press.acknowledged_s is None for press in self.presses)

    def _send(self, press: Press, gate: Gate) -> None:
        if gate is not self._gate or press.acknowledged_s is not None:
            return

        def settle(settlement: Settlement) -> None:
            if gate is self._gate and settlement.outcome is Outcome.STORED and press.acknowledged_s is None:
                press.acknowledged_s = self.loop.time()
                self.tell(f"{press.wearer}'s press {press.number} is acknowledged")

        self.tell(f"{press.wearer} presses ({press.number})")
        device = f"band-{press.wearer}"
        link = Link(wire="mqtt_listener", protocol="senml", peer=device, device=device)
        self.loop.call_later(AGAIN_S, self._send, press, gate)
        gate.receive(Inbound(link=link, data=press.frame(), settle=settle))
