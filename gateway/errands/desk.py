"""The engine's one door to everything the portal orders beside alarms: who carries out what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime

from gateway.downlink.rows import Pending
from gateway.errands.calls import OWNER as TEST
from gateway.errands.calls import TestCalls
from gateway.errands.slips import Later, is_errands
from gateway.errands.texts import OWNER as TEXT
from gateway.errands.texts import PlainTexts
from gateway.journal.records import Record
from gateway.told import PortalCommand
from sos.events import KeyPressed, Leg, LegReported, SendText

LOOK_EVERY_S = 1.0
"""How often a text that waits is looked at again: the alarm that holds it may be over."""

Other = Callable[[PortalCommand, Record, Pending, datetime], str | Later | None]


class Errands:
    """Plain texts and test calls; `others` carry out further orders, by their name."""

    def __init__(self, *, texts: PlainTexts, tests: TestCalls, others: Mapping[str, Other]) -> None:
        self.texts = texts
        self.tests = tests
        self._others = others
        self._changed = asyncio.Event()

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over what was under way in the last run."""
        self.texts.restore(states)
        self.tests.restore(states)

    def resume(self, known: Callable[[Leg], bool]) -> None:
        """Go on with it; `known` says whether a leg's intent is on the disk."""

        def intended(order: SendText) -> bool:
            return known(order.leg)

        self.texts.resume(intended)

    async def run(self) -> None:
        """Begin texts as they may begin, until cancelled."""
        while True:
            self._changed.clear()
            self.texts.pump()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self.texts.waiting else None):
                    await self._changed.wait()

    # ------------------------------------------------------------------ what the engine asks

    def order(
        self, command: PortalCommand, record: Record, pending: Pending, now: datetime
    ) -> str | Later | None:
        """Take an order, or say why not."""
        if command.name == "send_text":
            self._changed.set()
            return self.texts.order(command, record, now)
        if command.name == "test_call":
            return self.tests.order(command, record, pending, now)
        other = self._others.get(command.name)
        if other is None:
            return f"{command.name} is not something this gateway can do"
        return other(command, record, pending, now)

    def owns(self, leg_id: str) -> bool:
        """Whether this leg is of an errand, and no incident's."""
        return is_errands(leg_id)

    def leg_known(self, event: LegReported | KeyPressed, record: Record, now: datetime) -> bool:
        """A fact about a leg of an errand; gives whether anybody here was still waiting for it."""
        self._changed.set()
        if isinstance(event, LegReported):
            self.texts.leg_known(event, record, now)
        return self.tests.leg_known(event, record, now)

    def key(self, command: PortalCommand, record: Record, now: datetime) -> str | None:
        """A key that the portal passes on, of a call or a text of an errand."""
        pressed = KeyPressed(leg_id=command.leg or "", digit=command.digit or "", at=now)
        return None if self.leg_known(pressed, record, now) else "this test is over"

    def timer_due(self, owner: str, name: str, record: Record, pending: Pending, now: datetime) -> None:
        """A timer of an errand."""
        self._changed.set()
        if owner.startswith(TEXT):
            self.texts.timer_due(owner, name, record, now)
        elif owner.startswith(TEST):
            self.tests.timer_due(owner, record, pending, now)

    def make_room(self, record: Record, pending: Pending, now: datetime) -> None:
        """Somebody calls for help."""
        self.tests.make_room(record, pending, now)

    def wants(self, leg: Leg) -> bool:
        """Whether an order of the last run for this leg is still to be carried out."""
        return self.tests.wants(leg)
