"""What the listener remembers of a band between its connections (MQTT 4.1): receipts, subscription, downlink.

A session belongs to a device and a client id, so one band can never touch the state of another.
It lives in memory: after a restart of the gateway every band is told "no session present" and begins anew,
and the engine, which keeps each order until it is done, sends it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from gateway.transports.mqtt_uplink import Uplink

LAST_PACKET_ID = 0xFFFF
MAX_TOLD = 16
TAKEOVERS = 4
TAKEOVERS_WITHIN_S = 60.0
"""Two clients with one key and one client id throw each other out again and again; a band that lost its
line comes back once. So many take-overs in so short a time are two clients."""


@dataclass(slots=True, eq=False)
class Receipt:
    """A QoS 2 message heard: `settled` once in the journal, `by` the connection that wants the PUBREC."""

    by: Uplink
    settled: bool = False


class Down:
    """One order to the band, and everybody who waits to hear that the band has it."""

    __slots__ = ("_told", "payload", "withdrawn")

    def __init__(self, payload: bytes, done: Callable[[], None]) -> None:
        self.payload = payload
        self.withdrawn = False
        self._told = deque((done,), maxlen=MAX_TOLD)

    def also(self, other: Down) -> None:
        """The same order was given again: whoever waits for that one is told too."""
        self._told.extend(done for done in other._told if done not in self._told)

    def done(self) -> None:
        """The band has it."""
        told, self._told = self._told, deque(maxlen=MAX_TOLD)
        for one in told:
            one()


@dataclass(slots=True, eq=False)
class Session:
    """The state of one client id of one device."""

    device: str
    client_id: str
    max_queued: int
    connection: Uplink | None = None
    subscribed_qos: int | None = None
    receipts: dict[int, Receipt] = field(default_factory=dict)
    expires: TimerHandle | None = None
    spoke: bool = False
    """Whether it has published since the device was last connected anew."""
    takeovers: deque[float] = field(default_factory=lambda: deque(maxlen=TAKEOVERS))
    """When this client id was last taken over from a live connection, on the loop's clock."""
    _waiting: deque[Down] = field(default_factory=deque)
    _sent: dict[int, Down] = field(default_factory=dict)
    _last_id: int = 0

    def queue(self, down: Down) -> bool:
        """Take an order; False when the band does not listen, or when `max_queued` are waiting already.

        One that waits, or that the band has not acknowledged, is not taken a second time.
        """
        if self.subscribed_qos is None or (self.subscribed_qos == 0 and self.connection is None):
            return False
        for one in (*self._waiting, *self._sent.values()):
            if one.payload == down.payload and not one.withdrawn:
                one.also(down)
                return True
        if len(self._waiting) + len(self._sent) >= self.max_queued:
            return False
        self._waiting.append(down)
        return True

    def withdraw(self, payload: bytes) -> None:
        """Forget an order that has not left yet; one that has and was not acknowledged leaves no second time.

        4.4 wants it repeated on the next connection. That may be days later: a band that then rings because
        somebody looked for it last week is worse than a repetition left out, of which the band knows nothing.
        """
        self._waiting = deque(one for one in self._waiting if one.payload != payload)
        for one in self._sent.values():
            one.withdrawn = one.withdrawn or one.payload == payload

    def to_send(self, window: int) -> Iterator[tuple[int, Down]]:
        """Take the orders that may go out now, oldest first, each with its packet id (0 for QoS 0)."""
        while self._waiting and len(self._sent) < window:
            down = self._waiting.popleft()
            packet_id = 0
            if self.subscribed_qos != 0:
                packet_id = self._free_id()
                self._sent[packet_id] = down
            yield packet_id, down

    def to_resend(self) -> tuple[tuple[int, Down], ...]:
        """The orders sent and not acknowledged, in their first order (4.4, 4.6), but for those withdrawn."""
        self._sent = {packet_id: down for packet_id, down in self._sent.items() if not down.withdrawn}
        return tuple(self._sent.items())

    def acknowledged(self, packet_id: int) -> Down | None:
        """The band has this one; None when nothing was sent under that packet id."""
        return self._sent.pop(packet_id, None)

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % LAST_PACKET_ID + 1
            if self._last_id not in self._sent:
                return self._last_id
