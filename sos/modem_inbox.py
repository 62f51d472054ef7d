"""What comes in by the modem: delivery reports, and people's answers by text."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

from sos import pdu
from sos.at import AtDialogue, AtLost, AtRefused
from sos.carriers.base import Report
from sos.events import KeyPressed, LegReported
from sos.modem_line import memories, stored_slots
from sos.text_book import TextBook, digit_of

log = logging.getLogger(__name__)

MAX_QUEUED = 256
MAX_READS = 3
"""A text that cannot be read so often running is deleted, or the SIM would fill up."""
UNKNOWN_LEG = "from:"
"""Before the number a "1" came from, when no leg went there since this start: the record knows which did."""
_READ = re.compile(r"\+CMGR: ?.*,(\d{1,3})")

Incoming = pdu.Deliver | pdu.StatusReport
Place = tuple[str, int]
"""Memory and slot; the memory is empty for the one in use."""


class Inbox:
    """Reads stored messages one by one and deletes each after it was reported.

    At most 256 wait to be read; more stay on the SIM, and are found at the next look.
    """

    def __init__(self, texts: TextBook, *, carrier: str) -> None:
        self._texts = texts
        self._carrier = carrier
        self._stored: set[Place] = set()
        self._reads: dict[Place, int] = {}
        self._told: dict[Place, str] = {}
        self._memories: set[str] = {""}
        self._selected = ""
        self.other_texts = 0
        """Incoming texts that were no single digit; they are deleted too, or the SIM would fill up."""
        self.garbled = 0
        """Readings that gave no message; each is made again, three times in all."""
        self.unreadable = 0
        """Messages given up: deleted, or lost on their way past the memory."""

    def queue(self, memory: str, slot: int) -> None:
        """A message stands in this slot; `memory` is empty for the one in use."""
        if len(self._stored) < MAX_QUEUED:
            self._stored.add((memory, slot))

    async def start(self, at: AtDialogue) -> None:
        """Learn the memories of a modem just opened, and look into them. Raises AtSilent or AtLost."""
        self._memories = await memories(at) or {""}
        self._selected = ""
        await self.look(at)

    async def look(self, at: AtDialogue) -> None:
        """Queue whatever is stored, announced or not. Raises AtSilent or AtLost."""
        for memory in sorted(self._memories):
            if await self._select(at, memory):
                for slot in await stored_slots(at):
                    self.queue(memory, slot)

    async def read(self, at: AtDialogue, report: Report) -> None:
        """Report and delete everything that waits. Raises AtSilent or AtLost; what is left is read later."""
        for memory, slot in sorted(self._stored):
            if await self._select(at, memory):
                await self._read(at, (memory, slot), report)
            self._stored.discard((memory, slot))
            self._reads.pop((memory, slot), None)

    async def _select(self, at: AtDialogue, memory: str) -> bool:
        if memory == self._selected or await at.tried(f'AT+CPMS="{memory}"'):
            self._selected = memory
            return True
        return False

    async def _read(self, at: AtDialogue, place: Place, report: Report) -> None:
        """Read until a message comes out, then delete it; a slot refused or empty is left alone."""
        while (lines := await self._lines(at, place)) and not _is_empty(lines):
            found = message_among(lines)
            if found is None:
                self.garbled += 1
                continue
            tpdu, message = found
            if self._told.get(place) != tpdu:
                self._mean(message, report)
            break
        else:
            if self._reads.get(place, 0) <= MAX_READS:
                return
            self.unreadable += 1
            tpdu = ""
            log.warning("a stored text could not be read %d times and is deleted", MAX_READS)
        await self._delete(at, place, tpdu)

    async def _lines(self, at: AtDialogue, place: Place) -> tuple[str, ...]:
        """Ask for what the slot holds; nothing when it is refused, or was asked for too often.

        A reading the modem falls silent over counts, for it must not do so for ever; a cable pulled does not.
        """
        self._reads[place] = reads = self._reads.get(place, 0) + 1
        if reads > MAX_READS:
            return ()
        try:
            return await at.ask(f"AT+CMGR={place[1]}")
        except AtRefused:
            return ()
        except AtLost:
            self._reads[place] -= 1
            raise

    async def _delete(self, at: AtDialogue, place: Place, tpdu: str) -> None:
        """Delete a message; one that stays all the same is not reported again."""
        if await at.tried(f"AT+CMGD={place[1]}"):
            self._told.pop(place, None)
        elif len(self._told) < MAX_QUEUED:
            self._told[place] = tpdu

    def take(self, tpdu: str, report: Report) -> None:
        """Report what a message means that came past the memory, if it means something."""
        try:
            message = pdu.decode_incoming(tpdu)
        except pdu.PduError as error:
            self.unreadable += 1
            log.warning("an incoming message could not be read: %s", error)
            return
        self._mean(message, report)

    def _mean(self, message: Incoming, report: Report) -> None:
        now = datetime.now(UTC)
        if isinstance(message, pdu.StatusReport):
            if (known := self._texts.reported(message)) is not None:
                leg_id, state = known
                report(LegReported(leg_id=leg_id, state=state, at=now, carrier=self._carrier))
            return
        digit = digit_of(message.text)
        if digit is None or (message.part is not None and message.part.total > 1):
            self.other_texts += 1
            return
        leg_id = self._texts.answered(message.sender) or UNKNOWN_LEG + message.sender
        report(KeyPressed(leg_id=leg_id, digit=digit, at=now, via="text"))


def message_among(lines: tuple[str, ...]) -> tuple[str, Incoming] | None:
    """Find the PDU in an answer to `+CMGR`, whatever noise stands beside it; None when it is garbled.

    It must have as many octets as the header says, the service centre's not counted
    (3GPP TS 27.005 clause 3.4.3), if a header can be read.
    """
    stated = next((int(found[1]) for line in lines if (found := _READ.fullmatch(line))), None)
    for line in lines:
        try:
            message = pdu.decode_incoming(line)
        except pdu.PduError:
            continue
        octets = bytes.fromhex(line)
        if stated is None or len(octets) - 1 - octets[0] == stated:
            return line, message
    return None


def _is_empty(lines: tuple[str, ...]) -> bool:
    """Some modems answer an empty slot with a header of no octets instead of an error."""
    return len(lines) == 1 and (found := _READ.fullmatch(lines[0])) is not None and int(found[1]) == 0
