"""What a band publishes: handed to the sink as it is, acknowledged after the commit and never before.

It knows the packets and no reading.
Reading stops while the band has `receive_maximum` messages in the journal's queue,
and while the sink is congested.
Acknowledgements go out in the order the journal settles, which is the order of arrival (4.6);
only a settlement that overtakes, as that of an SOS does, makes a PUBACK overtake.
"""

from __future__ import annotations

import logging
import struct
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, cast

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import V5, PubAck, Publish, PubRec, Reason
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink, Site
from gateway.transports.mqtt_flow import Flow, Hold, Shore
from gateway.transports.mqtt_hello import Counters, Settings, Terms
from gateway.transports.mqtt_session import Down, Receipt, Session

log = logging.getLogger(__name__)

RECEIPTS_PER_WINDOW: Final = 10
"""A 3.1.1 client may leave so many windows of QoS 2 messages without PUBREL before it is cut off."""

_ack: Final = struct.Struct(">BBH").pack
_PUBACK: Final = 0x40
_PUBREC: Final = 0x50


class House(Shore, Protocol):
    """What a connection needs of its listener."""

    settings: Settings
    sink: Sink
    site: Site
    counters: Counters

    def next_client_id(self, device: str | None) -> str:
        """A client id for a client of this device that sent none."""
        ...

    def open_session(self, connection: Uplink, terms: Terms) -> tuple[Session, bool]:
        """Find or make the session; true when it was there before. An older connection of it is closed."""
        ...

    def leave_session(self, connection: Uplink, session: Session, expiry_s: int) -> None:
        """The connection is gone: keep its session for `expiry_s`."""
        ...

    def spoke(self, connection: Uplink, session: Session) -> None:
        """A connection of a device that has another one has published."""
        ...

    def freeze(self, connection: Uplink) -> None:
        """Call `thaw` of the connection when the sink is no longer congested."""
        ...


class Uplink(Flow):
    """The publishing half of a connection; the link, session and topic are set once it is accepted."""

    def __init__(self, house: House) -> None:
        super().__init__(house, house.settings, house.counters)
        self._house = house
        self._sink = house.sink
        self._session: Session = cast("Session", None)
        self._link: Link = cast("Link", None)
        self._up = ""
        self._v5 = False
        self.expiry_s = 0
        self.watched = False
        """Whether the device has another connection, so that it matters who speaks."""
        self._receive_maximum = house.settings.receive_maximum
        self._unacked = 0
        """QoS 1 messages the journal has not settled."""
        self._unsettled = 0
        """The others: QoS 0, and for 3.1.1 QoS 2."""

    @property
    def link(self) -> Link:
        """What the sink knows this connection by."""
        return self._link

    @abstractmethod
    def pump(self) -> None:
        """Send what waits in the session, as far as the band's own receive maximum allows."""

    @abstractmethod
    def offer(self, down: Down) -> bool:
        """Queue an order for this band; False when its session does not take it."""

    def published(self, packet: Publish) -> None:
        """Hand a message over, once, if it is this band's to say."""
        if (packet.topic != self._up or packet.properties) and self._refused(packet):
            return
        settle: Callable[[Settlement], None]
        if packet.qos == 1:
            if self._v5 and self._unacked + len(self._session.receipts) >= self._receive_maximum:
                self._too_many()
                return
            self._unacked += 1
            settle = partial(self._settled_1, packet.packet_id)
        elif packet.qos == 0:
            self._unsettled += 1
            settle = self._settled_0
        else:
            receipt = self._receipt(packet.packet_id)
            if receipt is None:
                return
            settle = partial(self._settled_2, self._session, packet.packet_id, receipt)
        if self.watched:
            self._house.spoke(self, self._session)
        self._counters.messages += 1
        self._counters.in_flight += 1
        self._sink.receive(Inbound(self._link, packet.payload, settle))
        if self._window_full():
            self._hold(Hold.WINDOW)
        if self._sink.congested and not self._holds & Hold.CONGESTED:
            self._hold(Hold.CONGESTED)
            self._house.freeze(self)

    def _refused(self, packet: Publish) -> bool:
        """Answer what may not be said: another's topic, or a property that is not a client's to send."""
        if "topic_alias" in packet.properties:
            self.quit(Reason.TOPIC_ALIAS_INVALID, "no topic aliases here")
        elif "subscription_identifier" in packet.properties:
            self.quit(Reason.PROTOCOL_ERROR, "a subscription identifier is the server's to send")
        elif packet.topic != self._up:
            self._foreign(packet)
        else:
            return False
        return True

    def _window_full(self) -> bool:
        """Whether enough of this band's messages wait; 5.0 clients count their QoS 1 and 2 by themselves."""
        waiting = self._unsettled if self._v5 else self._unsettled + self._unacked
        return waiting >= self._receive_maximum

    def _receipt(self, packet_id: int) -> Receipt | None:
        """Note a QoS 2 message; None when it is not to be handed over (again)."""
        receipts = self._session.receipts
        known = receipts.get(packet_id)
        if known is not None:
            self._counters.duplicates += 1
            if known.settled:
                self._out += _ack(_PUBREC, 2, packet_id)
            known.by = self
            return None
        most = self._receive_maximum * (1 if self._v5 else RECEIPTS_PER_WINDOW)
        if len(receipts) + (self._unacked if self._v5 else 0) >= most:
            self._too_many()
            return None
        if not self._v5:
            self._unsettled += 1
        receipts[packet_id] = receipt = Receipt(self)
        return receipt

    def _too_many(self) -> None:
        self._counters.over_receive_maximum += 1
        self.quit(Reason.RECEIVE_MAXIMUM_EXCEEDED, "more messages in flight than were granted")

    def _foreign(self, packet: Publish) -> None:
        """Not this band's uplink: 5.0 is told so, 3.1.1 knows no other way than to be cut off."""
        forbidden = self._counters.forbidden = self._counters.forbidden + 1
        if not forbidden & (forbidden - 1):  # the 1st, 2nd, 4th, 8th …
            log.warning("%s may not publish to %r (%d so far)", self._link.device, packet.topic, forbidden)
        if self._v5 and packet.qos:
            answer = PubAck if packet.qos == 1 else PubRec
            self._out += mqtt.encode(answer(packet.packet_id, Reason.NOT_AUTHORISED), V5)
        else:
            self.quit(Reason.NOT_AUTHORISED, "not this band's topic")

    # ------------------------------------------------------------------ settlements

    def _settled_0(self, settlement: Settlement) -> None:
        self._counters.in_flight -= 1
        self._unsettled -= 1
        if self._closing:
            return
        if settlement.outcome is Outcome.FORBIDDEN:
            self._not_for_this_device()
            return
        if settlement.outcome is Outcome.UNAVAILABLE:
            self._counters.unavailable += 1
        self._went_on(settlement)

    def _settled_1(self, packet_id: int, settlement: Settlement) -> None:
        self._counters.in_flight -= 1
        self._unacked -= 1
        if self._closing:
            return
        outcome = settlement.outcome
        if outcome is Outcome.STORED or outcome is Outcome.QUARANTINED:
            self._counters.acknowledged += 1
            self._out += _ack(_PUBACK, 2, packet_id)
            if not self._reading and not self._flush_due:
                self._flush_soon()
            if settlement.replies or self._holds:
                self._went_on(settlement)
            return
        self._denied(PubAck, packet_id, outcome)

    def _settled_2(self, session: Session, packet_id: int, receipt: Receipt, settlement: Settlement) -> None:
        self._counters.in_flight -= 1
        if not self._v5:
            self._unsettled -= 1
        asker, outcome = receipt.by, settlement.outcome
        if outcome is Outcome.STORED or outcome is Outcome.QUARANTINED:
            receipt.settled = True
            if not asker._closing:  # noqa: SLF001 -- a later connection of the same session
                self._counters.acknowledged += 1
                asker._say(_ack(_PUBREC, 2, packet_id))  # noqa: SLF001 -- the same
        else:
            session.receipts.pop(packet_id, None)
            if not asker._closing:  # noqa: SLF001 -- the same
                asker._denied(PubRec, packet_id, outcome)  # noqa: SLF001 -- the same
        if not self._closing:
            self._went_on(settlement)

    def _denied(self, answer: type[PubAck], packet_id: int, outcome: Outcome) -> None:
        if outcome is Outcome.FORBIDDEN:
            if self._v5:
                self._out += mqtt.encode(answer(packet_id, Reason.NOT_AUTHORISED), V5)
            self._not_for_this_device()
        else:
            self._counters.unavailable += 1
            self.quit(Reason.SERVER_BUSY, "could not be stored; send it again")

    def _not_for_this_device(self) -> None:
        self._counters.forbidden += 1
        self.quit(Reason.NOT_AUTHORISED, "may not speak for that device")

    def _went_on(self, settlement: Settlement) -> None:
        """Send the protocol's own replies down, and read on when the window has room again."""
        for reply in settlement.replies:
            self.offer(Down(reply, _nothing))
        if self._holds & Hold.WINDOW and not self._window_full():
            self._release(Hold.WINDOW)


def _nothing() -> None:
    """What is done when a protocol's own reply has arrived."""
