"""What comes in by the modem: delivery reports, and people's answers by text."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from sos import pdu
from sos.at import AtDialogue, AtRefused
from sos.carriers.base import Report
from sos.events import KeyPressed, LegReported
from sos.text_book import TextBook, digit_of

log = logging.getLogger(__name__)

MAX_QUEUED = 256
UNKNOWN_LEG = "from:"
"""Before the number a "1" came from, when no leg went there since this start: the record knows which did."""


class Inbox:
    """Reads stored messages one by one and deletes each after it was reported.

    At most 256 wait to be read; more stay on the SIM, and are found at the next start.
    """

    def __init__(self, texts: TextBook, *, carrier: str) -> None:
        self._texts = texts
        self._carrier = carrier
        self._stored: set[tuple[str, int]] = set()
        self.other_texts = 0
        """Incoming texts that were no single digit; they are deleted too, or the SIM would fill up."""
        self.unreadable = 0

    def queue(self, memory: str, slot: int) -> None:
        """A message stands in this slot; `memory` is empty for the one in use."""
        if len(self._stored) < MAX_QUEUED:
            self._stored.add((memory, slot))

    async def read(self, at: AtDialogue, report: Report) -> None:
        """Report and delete everything that waits. Raises AtSilent or AtLost; what is left is read later."""
        for memory, slot in sorted(self._stored):
            if memory:
                await at.tried(f'AT+CPMS="{memory}"')
            try:
                lines = await at.ask(f"AT+CMGR={slot}")
            except AtRefused:
                lines = ()
            if lines:
                self.take(lines[-1], report)
                await at.tried(f"AT+CMGD={slot}")
            self._stored.discard((memory, slot))

    def take(self, tpdu: str, report: Report) -> None:
        """Report what one incoming message means, if it means something."""
        try:
            message = pdu.decode_incoming(tpdu)
        except pdu.PduError as error:
            self.unreadable += 1
            log.warning("an incoming message could not be read: %s", error)
            return
        now = datetime.now(UTC)
        if isinstance(message, pdu.StatusReport):
            if (known := self._texts.reported(message)) is not None:
                leg_id, state = known
                report(LegReported(leg_id=leg_id, state=state, at=now, carrier=self._carrier))
            return
        digit = digit_of(message.text)
        if digit is None:
            self.other_texts += 1
            return
        leg_id = self._texts.answered(message.sender) or UNKNOWN_LEG + message.sender
        report(KeyPressed(leg_id=leg_id, digit=digit, at=now, via="text"))
