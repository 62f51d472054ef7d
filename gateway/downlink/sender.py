"""Orders to bands on their way: in the band's own words, over the wire that has it, until it has them.

What becomes of an order is `gateway.downlink.orders`; here is when it is tried, and what is written down.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from gateway.bands.registry import Device, Registry
from gateway.clock import Clock
from gateway.downlink.orders import (
    ONCE,
    REPLACED_BY_THE_NEXT,
    BandState,
    DownOrder,
    Fact,
    not_of_the_future,
    step,
    until,
)
from gateway.downlink.rows import change_row
from gateway.journal.records import OutboxChange, Record, Rest
from gateway.model import DownAnswer, FenceView
from gateway.transports.base import TakesOrders

LOOK_EVERY_S = 5.0
NO_TIME, RESEND_AFTER = timedelta(), timedelta(seconds=60)
MAX_SENDS = 3
MAX_OF_A_BAND = 32
MAX_WAITING = 2000
EARLY_ENDS_KEPT = 2000

Key = tuple[int, int]
"""The identity of an effect: (seq of its record, position); a negative seq before its commit."""


class Journal(Protocol):
    """What the downlink needs of the journal."""

    def append(self, record: Record) -> None:
        """Queue a record."""
        ...


@dataclass(slots=True)
class _Open:
    """An order not at its end with every band."""

    order: DownOrder
    key: Key
    slots: dict[str, _Slot] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Slot:
    """An order and one band.

    `data` are its bytes as `line` speaks (the codec of the band's connection, None on message wires);
    `tags` are those under which it went out on that line; `held` while its intent is being written.
    """

    of: _Open
    device: Device
    band: BandState
    data: bytes | None = None
    tags: set[str] = field(default_factory=set)
    answers: bool = False
    line: Any = None
    sent_at: datetime | None = None
    arrived: Callable[[], None] | None = None
    held: bool = False


class Downlink:
    """Keeps each order until its band has it (or answers), or it is of no use any more.

    An order is tried when it is given, when its band is heard, and every `LOOK_EVERY_S`.
    One the wire has not seen arrive is given to it again every `RESEND_AFTER`, and withdrawn at its end.
    One that arrived and was not answered is sent again when its band comes back on a new connection, at most
    `MAX_SENDS` times: a band that buzzes twice is better than one that never says that help is coming.
    A call-back is never sent twice.

    Bounded: of one band `MAX_OF_A_BAND` orders, of all `MAX_WAITING`; past that the oldest that belongs to
    no incident is given up. `counts` has every change of state by name.
    `line(wire_id)` is what a band is heard on now; `fences(wearer)` are those of a wearer.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        transports: Callable[[], Iterable[TakesOrders]],
        codec: Callable[[Device], Any],
        line: Callable[[str], Any],
        fences: Callable[[str], tuple[FenceView, ...]],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._transports = transports
        self._codec = codec
        self._line = line
        self._fences = fences
        self._journal = journal
        self._clock = clock
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._of_band: dict[str, dict[str, _Slot]] = {}
        self._waiting = 0
        self._early_ends: OrderedDict[str, None] = OrderedDict()
        self.counts: Counter[str] = Counter()

    # ------------------------------------------------------------------ what comes in

    def send(self, order: DownOrder, key: Key) -> None:
        """Take an order that is committed (or is not, and cannot wait); idempotent by its name."""
        early = key[0] < 0
        if order.order in self._open:
            self._committed(self._open[order.order], key)
        elif order.order in self._early_ends:
            del self._early_ends[order.order]
            self._journal.append(Record(rest=Rest(done=[key])))
        elif not (early and order.command.name in ONCE):  # never before it is written down
            self._begin(_Open(order, key))

    def find(self, device: str) -> Device | None:
        """The band of this identity, or of this wire id; None for a stranger."""
        named = next((one for one in self._registry if one.device == device), None)
        return named or self._registry.find(device)

    def waits_for(self, device: str) -> bool:
        """Whether something is to be done when this band is heard."""
        return device in self._of_band

    def heard(self, device: str) -> None:
        """The band is there: send it what waits for it."""
        now = self._clock.now()
        for slot in tuple(self._of_band.get(device, {}).values()):
            self._try(slot, now, heard=True)

    def answered(self, device: str, answers: Sequence[DownAnswer], record: Record, now: datetime) -> None:
        """Write into the record of a band's frame what it says of its orders: the oldest of a tag first."""
        for answer in answers:
            slots = self._of_band.get(device, {}).values()
            slot = next((one for one in slots if answer.tag in one.tags), None)
            if slot is None:
                self.counts["answers to nothing"] += 1
            else:
                fact = Fact.DONE if answer.done else Fact.REFUSED
                self._move(slot, fact, now, detail=answer.detail, record=record)

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Try what no wire took so far, and give up what is of no use any more."""
        now = self._clock.now()
        for one in tuple(self._open.values()):
            for slot in tuple(one.slots.values()):
                self._try(slot, now, heard=False)

    # ------------------------------------------------------------------ beginning

    def _begin(self, one: _Open) -> None:
        """Open an order with each of its bands, or carry on where the last process stopped."""
        order, now = one.order, self._clock.now()
        devices = {device.device: device for device in self._registry.of_wearer(order.wearer)}
        wanted = order.bands or tuple(
            BandState(device=name) for name in ([order.device] if order.device else devices or [""])
        )
        one.order = order = msgspec.structs.replace(order, bands=wanted)
        self._open[order.order] = one
        for band in wanted:
            if band.final:
                continue
            stranger = Device(device=band.device, protocol="", wearer=order.wearer)
            slot = one.slots[band.device] = _Slot(one, devices.get(band.device, stranger), band)
            self._replace_older(slot, now)
            self._make_room(band.device, now)
            self._of_band.setdefault(band.device, {})[order.order] = slot
            self._waiting += 1
        for slot in tuple(one.slots.values()):
            if not slot.band.device:
                self._move(slot, Fact.UNSUPPORTED, now, detail="no_band")
            else:
                self._try(slot, now, heard=False)
        if not one.slots and order.order in self._open:  # ended with every band before the last stop
            self._end(one)

    def _committed(self, one: _Open, key: Key) -> None:
        """An order that could not wait for its commit is on the disk now: write how it stands."""
        if one.key[0] < 0 <= key[0]:
            one.key = key
            self._journal.append(Record(rest=Rest(outbox_changes=[_body(one)])))

    def _replace_older(self, slot: _Slot, now: datetime) -> None:
        name = slot.of.order.command.name
        if name not in REPLACED_BY_THE_NEXT:
            return
        for older in tuple(self._of_band.get(slot.band.device, {}).values()):
            if older.of.order.command.name == name and older.band.state == "waiting":
                self._move(older, Fact.GIVEN_UP, now, detail="replaced")

    def _make_room(self, device: str, now: datetime) -> None:
        of_band = self._of_band.get(device, {})
        if len(of_band) >= MAX_OF_A_BAND:
            self._move(_least(of_band.values()), Fact.GIVEN_UP, now, detail="too_many")
        elif self._waiting >= MAX_WAITING:
            slots = (slot for slots in self._of_band.values() for slot in slots.values())
            self._move(_least(slots), Fact.GIVEN_UP, now, detail="too_many")

    # ------------------------------------------------------------------ sending

    def _try(self, slot: _Slot, now: datetime, *, heard: bool) -> None:
        """Do for one order and band what can be done now."""
        if slot.band.final or slot.held:
            return
        slot.of.order = order = not_of_the_future(slot.of.order, now)
        if now >= until(order):
            self._move(slot, Fact.EXPIRED, now)
            return
        device = self._device(slot)
        if device is None:
            self._move(slot, Fact.GIVEN_UP, now, detail="revoked")
            return
        if not self._is_due(slot, device, now, heard=heard):
            return
        if not self._translate(slot, device):
            self._move(slot, Fact.UNSUPPORTED, now)
        elif order.command.name in ONCE:
            self._send_once(slot)
        elif self._hand_over(slot, now):
            slot.band = msgspec.structs.replace(slot.band, sends=slot.band.sends + 1)
            self._move(slot, Fact.SENT, now)

    def _device(self, slot: _Slot) -> Device | None:
        """The band as the allow-list has it now; None when it is not this wearer's any more."""
        device = self._registry.find(slot.device.wire_id)
        wearer = slot.of.order.wearer
        if device is None or (device.device, device.wearer) != (slot.band.device, wearer):
            of_wearer = self._registry.of_wearer(wearer)
            device = next((one for one in of_wearer if one.device == slot.band.device), None)
        if device is not None:
            slot.device = device
        return device

    def _is_due(self, slot: _Slot, device: Device, now: datetime, *, heard: bool) -> bool:
        if slot.band.state == "waiting" and not slot.band.sends:
            return True
        if slot.of.order.command.name in ONCE:
            return False
        if slot.sent_at is None:  # the last process sent it
            return True
        line = self._line(device.wire_id)
        came_back = heard and line is not None and line is not slot.line
        if slot.band.state == "delivered":
            return came_back and slot.band.sends < MAX_SENDS
        return came_back or not NO_TIME <= now - slot.sent_at < RESEND_AFTER

    def _translate(self, slot: _Slot, device: Device) -> bool:
        """Put the order into the words of the band's line of now; False when it has none."""
        line = self._line(device.wire_id)
        if slot.data is not None and line is slot.line:
            return True
        command = slot.of.order.command
        if command.name == "fences" and command.fences is None:
            command = msgspec.structs.replace(command, fences=self._fences(device.wearer))
        made = self._codec(device).encode_down(command, device.wire_id)
        if made is None:
            return False
        slot.line, slot.data, slot.answers = line, made.data, bool(made.tag)
        slot.tags = {made.tag} if made.tag else set()
        return True

    def _hand_over(self, slot: _Slot, now: datetime) -> bool:
        assert slot.data is not None
        slot.arrived = slot.arrived or functools.partial(self._arrived, slot)
        wire_id, data = slot.device.wire_id, slot.data
        if not any(wire.send(wire_id, data, slot.arrived) for wire in self._transports()):
            return False
        slot.sent_at = now
        return True

    def _send_once(self, slot: _Slot) -> None:
        """First write that it is being sent, then send it: after a crash in between it is not sent again."""
        slot.held = True
        slot.band = msgspec.structs.replace(slot.band, sends=1)

        def written(_seq: int) -> None:
            slot.held = False
            now = self._clock.now()
            if slot.band.final or now >= until(slot.of.order):
                return  # the next look ends it
            if self._hand_over(slot, now):
                self._move(slot, Fact.SENT, now)
            else:
                slot.band = msgspec.structs.replace(slot.band, sends=0)
                self._journal.append(Record(rest=Rest(outbox_changes=[_body(slot.of)])))

        self._journal.append(
            Record(rest=Rest(outbox_changes=[_body(slot.of)]), urgent=True, committed=written)
        )

    def _arrived(self, slot: _Slot) -> None:
        self._move(slot, Fact.ARRIVED, self._clock.now())

    # ------------------------------------------------------------------ writing down

    def _move(
        self, slot: _Slot, fact: Fact, now: datetime, *, detail: str = "", record: Record | None = None
    ) -> None:
        """Judge a fact and write what it changes, into `record` or one of its own."""
        before, one = slot.band, slot.of
        slot.band = after = step(before, fact, answers=slot.answers, detail=detail)
        if after is before:
            return
        self.counts[after.state] += 1
        if after.final:
            self._let_go(slot)
            if before.state == "sent":
                self._withdraw(slot)
        written = Record() if record is None else record
        written.events.append(change_row(one.order, after, now))
        if after.final:
            one.order = _standing(one, slot)
        if one.slots:
            if one.key[0] >= 0:
                written.rest.outbox_changes.append(_body(one))
        else:
            self._end(one, written)
        if record is None:
            self._journal.append(written)

    def _withdraw(self, slot: _Slot) -> None:
        """A wire that keeps the order for a band that is away must not bring it out when its time is over."""
        if slot.data is not None:
            for wire in self._transports():
                wire.withdraw(slot.device.wire_id, slot.data)

    def _let_go(self, slot: _Slot) -> None:
        one, device = slot.of, slot.band.device
        one.slots.pop(device, None)
        of_band = self._of_band.get(device, {})
        if of_band.pop(one.order.order, None) is not None:
            self._waiting -= 1
        if not of_band:
            self._of_band.pop(device, None)

    def _end(self, one: _Open, record: Record | None = None) -> None:
        """It is over with every band: mark it in the outbox, now or once it has its place there."""
        del self._open[one.order.order]
        if one.key[0] < 0:
            self._early_ends[one.order.order] = None
            if len(self._early_ends) > EARLY_ENDS_KEPT:
                self._early_ends.popitem(last=False)
        elif record is not None:
            record.rest.done.append(one.key)
        else:
            self._journal.append(Record(rest=Rest(done=[one.key])))


def _standing(one: _Open, *ended: _Slot) -> DownOrder:
    """The order with how it stands now with each of its bands."""
    now = {slot.band.device: slot.band for slot in (*one.slots.values(), *ended)}
    bands = tuple(now.get(band.device, band) for band in one.order.bands)
    return msgspec.structs.replace(one.order, bands=bands)


def _body(one: _Open) -> OutboxChange:
    one.order = _standing(one)
    return OutboxChange(msgspec.json.encode(one.order), *one.key)


def _least(slots: Iterable[_Slot]) -> _Slot:
    """The oldest that belongs to no incident, else the oldest: what is given up when too many wait."""
    return min(slots, key=lambda slot: (bool(slot.of.order.incident), slot.of.order.given_at))
