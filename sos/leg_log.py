"""What becomes known of legs, committed with patience."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sos.events import KeyPressed, LegReported, LegState
from sos.ledger import Ledger
from sos.patience import Sleep, keep
from sos.underway import Counters, Underway

REPORT_TRIES = 8
KEY_TRIES = 100


class LegLog:
    """Writes reports into the ledger; a report that cannot be written is tried again, then counted."""

    def __init__(
        self, ledger: Ledger, *, counters: Counters, now: Callable[[], datetime], sleep: Sleep
    ) -> None:
        self._ledger = ledger
        self._counters = counters
        self._now = now
        self._sleep = sleep

    async def tell(self, leg: Underway, state: LegState, detail: str = "") -> None:
        """Commit what became known of a leg."""
        leg.hear(state)
        name = leg.carrier.name if leg.carrier else None
        await self.write(
            LegReported(leg_id=leg.leg.leg_id, state=state, at=self._now(), carrier=name, detail=detail)
        )

    async def write(self, event: LegReported | KeyPressed) -> None:
        """Commit a report; a key is tried far longer than a state, which the next poll would tell again."""
        tries = KEY_TRIES if isinstance(event, KeyPressed) else REPORT_TRIES
        what = f"a report of leg {event.leg_id}"
        if not await keep(lambda: self._ledger.report(event), what, tries=tries, sleep=self._sleep):
            self._counters.reports_lost += 1
