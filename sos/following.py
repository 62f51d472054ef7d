"""A placed leg on its way to its end: asked after, ended when unwanted, given up when it is lost sight of.

A call is lost sight of when its carrier could not be asked for `LOST_SIGHT_S`, nothing else was heard of it,
and another carrier could ring the next telephone.
It has failed then as far as the cascade goes, and that telephone rings; a 1 that still comes counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sos.carriers.base import CarrierError, CarrierRefused
from sos.events import Channel, LegState
from sos.leg_log import LegLog
from sos.patience import Sleep, answer, within
from sos.switchboard import Switchboard
from sos.underway import Counters, Limits, Underway

log = logging.getLogger(__name__)

FOLLOW_S = 180
"""Besides the ringing: how long after its intent a text or call is polled."""
FOLLOW_BEIDOU_S = 600
"""A BeiDou message waits for its card's turn and for the sky."""
TEXT_POLL_FACTOR = 5
"""A text is asked after less often than a call: nothing waits for it."""
LOST_SIGHT_S = 5
BLIND_POLL_S = 1
"""How often a call is asked after while its carrier does not answer."""
WE_END = frozenset({Channel.CALL, Channel.SIREN})
"""What goes on until somebody ends it, and so can be hung up."""
HANG_UP_TRIES = 3


class Following:
    """Follows legs; every coroutine here runs in a task of the dispatcher."""

    def __init__(
        self,
        *,
        leg_log: LegLog,
        switchboard: Switchboard,
        limits: Limits,
        counters: Counters,
        now: Callable[[], datetime],
        sleep: Sleep,
    ) -> None:
        self._log = leg_log
        self._switchboard = switchboard
        self._limits = limits
        self._counters = counters
        self._now = now
        self._sleep = sleep

    async def follow(self, leg: Underway, *, ask_first: bool = False) -> None:
        """Poll a placed leg until its end, for reports get lost; end it when it is no longer wanted.

        A siren is followed until it was silenced, however long that takes.
        """
        can_end = leg.leg.channel in WE_END
        until = self._until(leg)
        usual_s = self._limits.poll_s if can_end else self._limits.poll_s * TEXT_POLL_FACTOR
        seen_at, blind, hung_up = self._now(), False, False
        while not leg.has_ended:
            leg.changed.clear()
            if leg.unwanted and can_end and not hung_up:
                hung_up = await self.hang_up(leg)
            if ask_first:
                blind = not await self._poll(leg)
            if leg.has_ended or (until is not None and self._now() >= until):
                return
            if not blind:
                seen_at = self._now()
            elif self._is_lost(leg, seen_at):
                self._counters.lost_sight += 1
                await self._log.tell(leg, LegState.FAILED, "lost sight of: its carrier does not answer")
                return
            heard = await self._changes(leg, BLIND_POLL_S if blind and can_end else usual_s)
            ask_first, blind = not heard, blind and not heard

    def _until(self, leg: Underway) -> datetime | None:
        since = leg.intended_at or self._now()
        match leg.leg.channel:
            case Channel.SIREN:
                return None
            case Channel.BEIDOU:
                return since + timedelta(seconds=FOLLOW_BEIDOU_S)
            case _:
                return since + timedelta(seconds=FOLLOW_S + leg.message.ring_timeout_s)

    def _is_lost(self, leg: Underway, seen_at: datetime) -> bool:
        carrier = leg.carrier
        if carrier is None or leg.leg.channel is not Channel.CALL:
            return False
        lost_for = self._now() - seen_at
        return lost_for >= timedelta(seconds=LOST_SIGHT_S) and self._switchboard.has_better(carrier, leg.leg)

    async def _poll(self, leg: Underway) -> bool:
        """Ask how the leg stands; False when the carrier could not be asked."""
        carrier = leg.carrier
        if carrier is None or leg.reference is None:
            return True
        try:
            state = await answer(carrier.status(leg.reference), sleep=self._sleep)
        except CarrierRefused as refusal:
            log.debug("the state of leg %s is not told: %s", leg.leg.leg_id, refusal.detail)
            return True
        except CarrierError as doubt:
            self._switchboard.went_down(carrier, None, doubt.detail)
            return False
        self._switchboard.answered(carrier)
        if leg.hear(state):
            await self._log.tell(leg, state)
        return True

    async def _changes(self, leg: Underway, seconds: float) -> bool:
        """Wait until something is heard of the leg or ordered about it; False when nothing was."""
        changed = asyncio.ensure_future(leg.changed.wait())
        try:
            return await within(changed, seconds, sleep=self._sleep)
        finally:
            changed.cancel()

    async def hang_up(self, leg: Underway) -> bool:
        """End the leg's call or silence its siren; True when the carrier took it."""
        if leg.carrier is None or leg.reference is None:
            return False
        for _ in range(HANG_UP_TRIES):
            try:
                await answer(leg.carrier.hang_up(leg.reference), sleep=self._sleep)
            except CarrierError as doubt:
                log.warning("leg %s could not be hung up: %s", leg.leg.leg_id, doubt.detail)
                await self._sleep(1)
            else:
                if not leg.has_ended:
                    leg.hear(LegState.HUNG_UP)
                    await self._log.tell(leg, LegState.HUNG_UP)
                return True
        return False
