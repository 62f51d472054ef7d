"""One leg's way: intent, carrier, reference, and what became of it.

For each leg, in this order (docs/sos.md):

1. choose a carrier and wait for a turn with it;
2. commit the intent; a leg that somebody has intended before is not placed again;
3. ask the carrier once, with a deadline, without any retry;
4. commit its reference, then report `placed`, and follow it to its end by reports and polls.

Refused and not reached mean certainly not placed: the same leg goes to the next carrier at once.
Its row is re-pointed, not doubled, so the unique index goes on protecting it,
and after a crash only the carrier that the row names has to be searched.
A lost outcome is reported `ambiguous` at once, and the cascade carries on; the leg is settled beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import Enum, auto
from weakref import WeakValueDictionary

from sos.carriers.base import Carrier, CarrierDown, CarrierError, CarrierRefused
from sos.events import OUTSIDE, Channel, LegState
from sos.following import Following
from sos.ledger import Ledger
from sos.leg_log import LegLog
from sos.patience import SLOWEST_RETRY_S, Sleep, answer, keep, say_quietly, within
from sos.settle import NeverPlaced, settle
from sos.switchboard import Switchboard, urgency_of
from sos.underway import Counters, Limits, Underway

log = logging.getLogger(__name__)

UNDECIDED_S = 60
BIND_TRIES = 8


class _Asked(Enum):
    PLACED = auto()
    REFUSED = auto()
    DOWN = auto()
    UNCLEAR = auto()
    NOT_OURS = auto()
    GIVES_WAY = auto()


class Delivery:
    """Carries legs; every coroutine here runs in a task of the dispatcher."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        switchboard: Switchboard,
        limits: Limits,
        counters: Counters,
        now: Callable[[], datetime],
        sleep: Sleep,
    ) -> None:
        self._ledger = ledger
        self._switchboard = switchboard
        self._log = LegLog(ledger, counters=counters, now=now, sleep=sleep)
        self._following = Following(
            leg_log=self._log,
            switchboard=switchboard,
            limits=limits,
            counters=counters,
            now=now,
            sleep=sleep,
        )
        self.write = self._log.write
        self.hang_up = self._following.hang_up
        self._limits = limits
        self._counters = counters
        self._now = now
        self._sleep = sleep
        self._claimed: dict[tuple[str, str], str] = {}
        self._phones: WeakValueDictionary[tuple[str, str, Channel], asyncio.Lock] = WeakValueDictionary()

    # ------------------------------------------------------------------ placing

    async def carry(self, leg: Underway) -> None:
        """Place a new leg and follow it to its end.

        It ends `unreached` when no carrier answered for `patience_s`,
        `failed` when a carrier refused it and no other could be reached, or when none has its channel.
        """
        gives_up_at = self._now() + timedelta(seconds=self._limits.patience_s)
        refused: dict[str, str] = {}
        pause_s = 0.5
        while True:
            tried: set[str] = set()
            while (carrier := self._next(leg, tried | refused.keys())) is not None:
                asked, detail = await self._ask_in_turn(leg, carrier, passed=tried | refused.keys())
                if asked is not _Asked.GIVES_WAY:
                    tried.add(carrier.name)
                if asked is _Asked.REFUSED:
                    refused[carrier.name] = detail
                elif asked is _Asked.PLACED:
                    return await self._placed(leg)
                elif asked is _Asked.UNCLEAR:
                    return await self.settle(leg, lost_at=self._now())
                elif asked is _Asked.NOT_OURS:
                    return await self._not_written(leg)
            if tried <= refused.keys() or self._now() >= gives_up_at:
                return await self._not_carried(leg, refused, reached=tried <= refused.keys())
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, SLOWEST_RETRY_S)

    async def _not_written(self, leg: Underway) -> None:
        """What belongs to no incident is not placed before its intent is on the disk: it is for later."""
        if leg.leg.role == OUTSIDE and not leg.recorded and not leg.unwanted:
            await self._log.tell(leg, LegState.UNREACHED, "the disk does not write")

    async def _not_carried(self, leg: Underway, refused: Mapping[str, str], *, reached: bool) -> None:
        self._counters.no_carrier += 1
        said = "; ".join(f"{name}: {why}" for name, why in refused.items())
        if not said and not reached:
            await self._log.tell(leg, LegState.UNREACHED, "no carrier could be reached")
        else:
            await self._log.tell(leg, LegState.FAILED, said or f"no carrier for a {leg.leg.channel.value}")

    def _next(self, leg: Underway, passed: AbstractSet[str]) -> Carrier | None:
        """The carrier to ask now, leaving out those that were passed."""
        return next((one for one in self._switchboard.order_for(leg.leg) if one.name not in passed), None)

    async def _ask_in_turn(
        self, leg: Underway, carrier: Carrier, *, passed: AbstractSet[str]
    ) -> tuple[_Asked, str]:
        """Steps 1 to 4 with one carrier. The lock keeps a settling leg from adopting this one's reference.

        While the leg waited for its turn the carrier may have stopped answering: then it gives way once.
        """
        lane = self._switchboard.lane(carrier)
        async with lane.turn(urgency_of(leg.leg)), self._phone(carrier, leg):
            if leg.unwanted:
                await self._log.tell(leg, LegState.HUNG_UP, "no longer wanted")
                return _Asked.NOT_OURS, ""
            if carrier.name not in leg.gave_way and self._next(leg, passed) is not carrier:
                leg.gave_way.add(carrier.name)
                return _Asked.GIVES_WAY, ""
            if not await self._intend(leg, carrier):
                return _Asked.NOT_OURS, ""
            return await self._ask(leg, carrier)

    async def _intend(self, leg: Underway, carrier: Carrier) -> bool:
        """Commit the intent, or point the row of a leg certainly not placed at another carrier."""
        at = self._now()
        if leg.intended_at is None:
            commit = self._ledger.intend(leg.leg, leg.message, carrier=carrier.name, at=at)
        else:
            commit = self._ledger.repoint(leg.leg.leg_id, carrier=carrier.name, at=at)
        leg.carrier, leg.intended_at = carrier, at
        writing = asyncio.ensure_future(commit)
        try:
            if await within(writing, self._limits.max_intent_wait_s, sleep=self._sleep):
                return writing.result() or not leg.recorded
            writing.add_done_callback(say_quietly)
        except asyncio.CancelledError:
            writing.cancel()
            raise
        except Exception:
            log.exception("the intent of leg %s could not be written", leg.leg.leg_id)
        leg.recorded = False
        if leg.leg.role == OUTSIDE:  # twice is worse than late: nobody's life hangs on it
            return False
        self._counters.unrecorded += 1
        log.error("leg %s is placed without its intent on disk", leg.leg.leg_id)
        return True

    async def _ask(self, leg: Underway, carrier: Carrier) -> tuple[_Asked, str]:
        """Ask the carrier once; what it says decides what is certain."""
        channel = leg.leg.channel
        deadline_s = float(getattr(carrier, "place_deadline_s", self._limits.place_deadline_s))
        placing = asyncio.ensure_future(carrier.place(leg.leg, leg.message))
        try:
            if not await within(placing, deadline_s, sleep=self._sleep):
                leg.late = placing
                placing.add_done_callback(say_quietly)
                self._switchboard.went_down(carrier, None, "no answer in time")
                return _Asked.UNCLEAR, "no answer in time"
            reference = placing.result()
        except asyncio.CancelledError:
            placing.cancel()
            raise
        except CarrierRefused as refusal:
            self._counters.refused += 1
            self._switchboard.worked(carrier, channel)
            return _Asked.REFUSED, refusal.detail
        except CarrierDown as outage:
            self._counters.down += 1
            self._switchboard.went_down(carrier, channel, outage.detail)
            return _Asked.DOWN, outage.detail
        except CarrierError as doubt:
            self._switchboard.went_down(carrier, channel, doubt.detail)
            return _Asked.UNCLEAR, doubt.detail
        except Exception:
            log.exception("carrier %s broke while placing leg %s", carrier.name, leg.leg.leg_id)
            return _Asked.UNCLEAR, "the carrier's own code failed"
        self._switchboard.worked(carrier, channel)
        await self._bind(leg, carrier, reference)
        return _Asked.PLACED, ""

    async def _bind(self, leg: Underway, carrier: Carrier, reference: str) -> None:
        """Commit the reference; until it is committed nobody else can claim it either."""
        leg.reference = reference
        key = (carrier.name, reference)
        self._claimed[key] = leg.leg.leg_id
        try:
            await keep(
                lambda: self._ledger.bind(leg.leg.leg_id, carrier=carrier.name, reference=reference),
                f"the reference of leg {leg.leg.leg_id}",
                tries=BIND_TRIES,
                sleep=self._sleep,
            )
        finally:
            self._claimed.pop(key, None)

    # ------------------------------------------------------------------ settling

    async def settle(self, leg: Underway, *, lost_at: datetime) -> None:
        """The outcome was lost at `lost_at`: say so at once, then find out."""
        self._counters.ambiguous += 1
        if not leg.is_alive:
            await self._log.tell(leg, LegState.AMBIGUOUS)
        absent_at = lost_at + timedelta(seconds=self._limits.settle_s)
        try:
            verdict = await settle(
                lambda: self._look(leg),
                absent_at=absent_at,
                hopeless_at=absent_at + timedelta(seconds=UNDECIDED_S),
                now=self._now,
                sleep=self._sleep,
            )
        finally:
            if leg.late is not None:
                leg.late.cancel()
        if verdict.reference is not None:
            self._counters.adopted += 1
            await self._placed(leg)
        elif leg.is_alive:
            await self._following.follow(leg)
        else:
            self._counters.absent += 1
            self._counters.undecided += not verdict.certain
            await self._log.tell(leg, LegState.ABSENT, "" if verdict.certain else "undecided")

    async def _look(self, leg: Underway) -> str | None:
        """The late answer if it came, a reference a report carried, or what the carrier's list has."""
        carrier = leg.carrier
        if carrier is None:
            raise NeverPlaced
        reference = leg.reference or self._late_answer(leg)
        async with self._phone(carrier, leg):
            if reference is None:
                owned = self._owned(carrier)
                since = (leg.intended_at or self._now()) - timedelta(seconds=self._limits.skew_s)
                reference = await answer(carrier.find(leg.leg, since=since, owned=owned), sleep=self._sleep)
                if reference in owned:
                    return None
            elif self._claimed.get((carrier.name, reference), leg.leg.leg_id) != leg.leg.leg_id:
                return None
            if reference is not None:
                await self._bind(leg, carrier, reference)
        return reference

    def _late_answer(self, leg: Underway) -> str | None:
        """What `place` said after its deadline; None while it says nothing."""
        late, leg.late = leg.late, None
        if late is None or late.cancelled():
            return None
        if not late.done():
            leg.late = late
            return None
        failure = late.exception()
        if isinstance(failure, CarrierRefused | CarrierDown):
            raise NeverPlaced from failure
        return None if failure else late.result()

    def _owned(self, carrier: Carrier) -> frozenset[str]:
        return self._ledger.owned(carrier.name) | {
            reference for name, reference in self._claimed if name == carrier.name
        }

    # ------------------------------------------------------------------ following

    async def take_up(self, leg: Underway) -> None:
        """Go on with a leg that a process before this one left open."""
        if leg.carrier is None:
            await self._log.tell(leg, LegState.ABSENT, "its carrier is no longer configured")
        elif leg.reference is None:
            intended_at = leg.intended_at or self._now()
            lost_at = min(self._now(), intended_at + timedelta(seconds=self._limits.place_deadline_s))
            await self.settle(leg, lost_at=lost_at)
        else:
            await self._placed(leg, ask_first=True)

    async def _placed(self, leg: Underway, *, ask_first: bool = False) -> None:
        self._counters.placed += 1
        if leg.hear(LegState.PLACED) or leg.state is LegState.PLACED:
            await self._log.tell(leg, LegState.PLACED)
        await self._following.follow(leg, ask_first=ask_first)

    def _phone(self, carrier: Carrier, leg: Underway) -> asyncio.Lock:
        key = (carrier.name, leg.leg.phone, leg.leg.channel)
        lock = self._phones.get(key)
        if lock is None:
            lock = self._phones[key] = asyncio.Lock()
        return lock
