"""Carries out what the cascade orders, and hears what the carriers report.

Each leg is one task (`sos.delivery` is its way); the carriers' listening loops are tasks beside them.
Legs are bounded by `MAX_UNDERWAY`, waiting reports by `MAX_REPORTS`, remembered ends by `MAX_REMEMBERED`.
At the start call `resume` with the open legs of the record, then `execute` with the orders not marked done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sos.carriers.base import Carrier, Message, Report
from sos.delivery import Delivery
from sos.events import (
    LEG_ENDS,
    Channel,
    HangUp,
    KeyPressed,
    Leg,
    LegOrder,
    LegReported,
    LegState,
    PlaceCall,
    SendBeidou,
    SendText,
    SoundSiren,
)
from sos.ledger import Ledger, LegRecord
from sos.patience import Sleep
from sos.switchboard import CarrierHealth, Health, Switchboard
from sos.underway import Counters, Limits, ReportQueue, Underway

log = logging.getLogger(__name__)

MAX_UNDERWAY = 1_000
MAX_REPORTS = 10_000
MAX_REMEMBERED = 1_000
FIRST_RESTART_S = 1.0
SLOWEST_RESTART_S = 60.0


class Dispatcher:
    """Runs every leg; `execute`, `resume` and `carrier_report` may be called before `run` and while it runs.

    `settle_s` is how long a leg with a lost outcome is looked for,
    `place_deadline_s` how long a carrier may take that declares no deadline of its own,
    `skew_s` how far the carrier's clock may be behind ours,
    `poll_s` how often a placed leg is asked after,
    `patience_s` how long a leg waits for any carrier to be reachable,
    `down_s` how long a carrier that was not reached stands behind the others,
    `max_intent_wait_s` how long a leg waits for the disk: past it the leg is placed all the same and counted,
    because ringing twice is better than not ringing.
    `on_carrier_health(name, healthy, detail)` hears of carriers that go down and come back.
    `relay_up()` says whether the gateway hears the portal: keys of some carriers' calls come that way only.
    `alarm()` says whether somebody calls for help now: what belongs to no incident gives way (`OUTSIDE`).
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        carriers: Sequence[Carrier],
        now: Callable[[], datetime],
        settle_s: float = 16,
        place_deadline_s: float = 5,
        skew_s: float = 5,
        poll_s: float = 3,
        patience_s: float = 10,
        down_s: float = 30,
        max_intent_wait_s: float = 2,
        on_carrier_health: Health | None = None,
        relay_up: Callable[[], bool] = lambda: True,
        alarm: Callable[[], bool] = lambda: False,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.counters = Counters()
        self._now = now
        self._sleep = sleep
        self._switchboard = Switchboard(
            carriers, now=now, down_s=down_s, on_health=on_carrier_health, relay_up=relay_up, alarm=alarm
        )
        self._delivery = Delivery(
            ledger=ledger,
            switchboard=self._switchboard,
            limits=Limits(
                settle_s=settle_s,
                place_deadline_s=place_deadline_s,
                skew_s=skew_s,
                poll_s=poll_s,
                patience_s=patience_s,
                max_intent_wait_s=max_intent_wait_s,
            ),
            counters=self.counters,
            now=now,
            sleep=sleep,
        )
        self._underway: dict[str, Underway] = {}
        self._ended: OrderedDict[str, Underway] = OrderedDict()
        self._reports = ReportQueue(MAX_REPORTS, self.counters)
        self._group: asyncio.TaskGroup | None = None
        self._early: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []

    @property
    def underway(self) -> int:
        """Legs that are being carried out."""
        return len(self._underway)

    def carrier_health(self) -> tuple[CarrierHealth, ...]:
        """How every carrier is: (name, healthy, detail, since), in order of preference."""
        return self._switchboard.health()

    def takes(self, channel: Channel, *, outside: bool = False) -> bool:
        """Whether any carrier takes such a leg; `outside`: now, though it belongs to no incident."""
        return self._switchboard.takes(channel, outside=outside)

    async def run(self) -> None:
        """Carry legs and listen to the carriers until cancelled; what is open then is for `resume`."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._write_reports(), name="sos reports")
            for carrier in self._switchboard.carriers:
                group.create_task(self._listen(carrier), name=f"sos carrier {carrier.name}")
            early, self._early = self._early, []
            for name, work in early:
                group.create_task(work(), name=name)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None  # orders that come while it ends wait for the next process

    # ------------------------------------------------------------------ orders

    def execute(self, order: LegOrder | HangUp) -> None:
        """Begin to carry an order out; at once, never raises, and the same leg again changes nothing.

        When `MAX_UNDERWAY` legs are under way the leg is reported failed, so that the cascade tries again.
        """
        match order:
            case SendText() | SendBeidou():
                self._begin(order.leg, Message(body=order.body))
            case PlaceCall():
                self._begin(order.leg, Message(body=order.script, ring_timeout_s=order.ring_timeout_s))
            case SoundSiren():
                self._begin(order.leg, Message(body=order.script))
            case HangUp():
                self._hang_up(order.leg_id)

    def _begin(self, leg: Leg, message: Message) -> None:
        if leg.leg_id in self._underway or leg.leg_id in self._ended:
            return
        if len(self._underway) >= MAX_UNDERWAY:
            self.counters.refused_full += 1
            self._reports.put(
                LegReported(
                    leg_id=leg.leg_id, state=LegState.FAILED, at=self._now(), detail="too many legs under way"
                )
            )
            return
        entry = Underway(leg=leg, message=message)
        self._underway[leg.leg_id] = entry
        self._start(f"sos leg {leg.leg_id}", partial(self._guarded, entry, self._delivery.carry))

    def _hang_up(self, leg_id: str) -> None:
        entry = self._underway.get(leg_id)
        if entry is not None:
            entry.unwanted = True
            entry.changed.set()
            return
        entry = self._ended.get(leg_id)
        if entry is not None and not entry.unwanted:
            entry.unwanted = True
            self._start(f"sos hang up {leg_id}", partial(self._hang_up_ended, entry))

    async def _hang_up_ended(self, entry: Underway) -> None:
        await self._delivery.hang_up(entry)

    def resume(self, records: Iterable[LegRecord]) -> None:
        """Go on with legs that an earlier process left open; ended and known ones are passed over.

        Without a reference the outcome is unknown: ambiguous, settled with the carrier the row names.
        With one the leg is asked after at once and followed.
        A carrier that has `remember` is told the message first, to know it again in its list.
        """
        for record in records:
            leg = record.leg
            if record.state in LEG_ENDS or leg.leg_id in self._underway:
                continue
            entry = Underway(
                leg=leg,
                message=record.message,
                carrier=self._switchboard.named(record.carrier),
                reference=record.reference,
                intended_at=record.intended_at,
                state=record.state,
            )
            remember = getattr(entry.carrier, "remember", None)
            if remember is not None:
                remember(leg, record.message)
            self._underway[leg.leg_id] = entry
            self._start(f"sos leg {leg.leg_id}", partial(self._guarded, entry, self._delivery.take_up))

    def _start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._group is None:
            self._early.append((name, work))
        else:
            self._group.create_task(work(), name=name)

    async def _guarded(self, entry: Underway, way: Callable[[Underway], Awaitable[None]]) -> None:
        """A leg's task; a fault of ours in one leg never takes the others down, its guard timer goes on."""
        try:
            await way(entry)
        except Exception:
            self.counters.broken += 1
            log.exception("leg %s broke", entry.leg.leg_id)
        finally:
            self._underway.pop(entry.leg.leg_id, None)
            if entry.reference is not None:
                self._ended[entry.leg.leg_id] = entry
                if len(self._ended) > MAX_REMEMBERED:
                    self._ended.popitem(last=False)

    # ------------------------------------------------------------------ reports

    def carrier_report(self, event: LegReported | KeyPressed, *, reference: str | None = None) -> None:
        """Take in what a carrier says of a leg, from its own loop or relayed by the portal; never blocks.

        `reference` is the carrier's own, where the report carries it: it settles an ambiguous leg.
        A leg nobody here knows is passed on to the record all the same, for a late 1 counts.
        """
        entry = self._underway.get(event.leg_id)
        if entry is not None:
            if entry.reference is None and reference:
                entry.reference = reference
            if isinstance(event, LegReported):
                entry.hear(event.state)
            elif not entry.is_alive:
                entry.hear(LegState.ANSWERED)
        self._reports.put(event)

    def _reporter(self, carrier: Carrier) -> Report:
        def report(event: LegReported | KeyPressed) -> None:
            if isinstance(event, LegReported) and event.carrier is None:
                event = replace(event, carrier=carrier.name)
            self.carrier_report(event)

        return report

    async def _write_reports(self) -> None:
        while True:
            await self._delivery.write(await self._reports.get())

    async def _listen(self, carrier: Carrier) -> None:
        """Keep the carrier's own loop running; a fault is logged when it begins, then counted."""
        pause_s, faults = FIRST_RESTART_S, 0
        while True:
            began_at = self._now()
            try:
                await carrier.run(self._reporter(carrier))
            except Exception:
                if faults == 0:
                    log.exception("carrier %s stopped listening, starting it again", carrier.name)
                faults += 1
                self.counters.broken += 1
            if (self._now() - began_at).total_seconds() > SLOWEST_RESTART_S:
                pause_s, faults = FIRST_RESTART_S, 0
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, SLOWEST_RESTART_S)
