"""Which text a delivery report speaks of, and whose leg an incoming text answers; pure.

The network reports by message reference (0 to 255, soon used again) and telephone;
telephones are compared by their last digits, because networks drop and add the country code.
Every list is bounded; the oldest go first.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from sos.events import LegState
from sos.pdu import StatusReport

MAX_TEXTS = 512
COMPARED_DIGITS = 8


def telephone(number: str) -> str:
    """Give a short stable name for a telephone that does not show its number."""
    digits = "".join(char for char in number if char.isdecimal())[-COMPARED_DIGITS:]
    return hashlib.sha256(digits.encode()).hexdigest()[:8]


def digit_of(text: str) -> str | None:
    """Give the digit when a text is nothing else ("1", full-width, with a full stop), else None."""
    plain = unicodedata.normalize("NFKC", text).strip(" \t\r\n.。!“”\"'#")
    return plain if len(plain) == 1 and plain.isascii() and plain.isdecimal() else None


@dataclass(slots=True)
class _Text:
    leg_id: str
    telephone: str
    waiting: set[int]
    known: frozenset[int] = frozenset()
    state: LegState = LegState.PLACED

    def report(self, part: int, *, delivered: bool) -> None:
        self.waiting.discard(part)
        if not delivered:
            self.state = LegState.FAILED
        elif not self.waiting and self.state is LegState.PLACED:
            self.state = LegState.DELIVERED


@dataclass(slots=True)
class TextBook:
    """Texts sent since this start, by reference, and reports that no such text explains."""

    _texts: OrderedDict[str, _Text] = field(default_factory=OrderedDict)
    _unsure: OrderedDict[str, _Text] = field(default_factory=OrderedDict)
    _unexplained: OrderedDict[tuple[str, int], tuple[int, bool]] = field(default_factory=OrderedDict)
    _latest: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _reports: int = 0

    def addressed(self, leg_id: str, phone: str) -> None:
        """A leg goes to this telephone: a "1" that comes back from there is its answer."""
        self._latest[telephone(phone)] = leg_id
        self._latest.move_to_end(telephone(phone))
        _bound(self._latest)

    def answered(self, sender: str) -> str | None:
        """The latest leg to the telephone a text came from, if there was one since this start."""
        return self._latest.get(telephone(sender))

    def starting(self) -> int:
        """A text begins to be sent; the mark tells its reports from older ones of the same references."""
        return self._reports

    def sent(self, leg_id: str, phone: str, references: list[int], *, mark: int) -> str:
        """The network took every part; gives the carrier's reference of the text.

        A report may have come before this: then `state` of the reference says so already.
        """
        name = telephone(phone)
        reference = f"text/{name}/{'-'.join(map(str, references))}/{leg_id}"
        text = self._texts[reference] = _Text(leg_id, name, set(references))
        _bound(self._texts)
        for part in references:
            number, delivered = self._unexplained.pop((name, part), (0, False))
            if number > mark:
                text.report(part, delivered=delivered)
        return reference

    def unsure(self, leg_id: str, phone: str, known: list[int], *, mark: int) -> None:
        """The network may have taken the last part; a report for none of the `known` ones tells.

        That report may have come before this.
        """
        name = telephone(phone)
        text = self._unsure[leg_id] = _Text(leg_id, name, set(), frozenset(known))
        _bound(self._unsure)
        for (recipient, part), (number, delivered) in self._unexplained.items():
            if recipient == name and number > mark and delivered and part not in text.known:
                text.state = LegState.DELIVERED
                text.waiting.add(part)
                break

    def settled(self, leg_id: str, phone: str) -> str | None:
        """The reference of a text nobody was sure of, once a report has come for it."""
        text = self._unsure.get(leg_id)
        if text is None or text.state is not LegState.DELIVERED:
            return None
        return f"text/{telephone(phone)}/{'-'.join(map(str, sorted(text.waiting)))}/{leg_id}"

    def reported(self, report: StatusReport) -> tuple[str, LegState] | None:
        """Take a delivery report; gives the leg and its state when that is now known."""
        if not report.final:
            return None
        name = telephone(report.recipient)
        for text in reversed(self._texts.values()):
            if text.telephone == name and report.reference in text.waiting:
                text.report(report.reference, delivered=report.delivered)
                return None if text.state is LegState.PLACED else (text.leg_id, text.state)
        unsure = [
            text
            for text in self._unsure.values()
            if text.telephone == name and text.state is LegState.PLACED and report.reference not in text.known
        ]
        if report.delivered and len(unsure) == 1:  # of several it could be either: better doubled than lost
            unsure[0].state = LegState.DELIVERED
            unsure[0].waiting.add(report.reference)
            return unsure[0].leg_id, unsure[0].state
        self._reports += 1
        self._unexplained[name, report.reference] = (self._reports, report.delivered)
        _bound(self._unexplained)
        return None

    def state(self, reference: str) -> LegState:
        """How a text stands; one sent before this start is judged by the reports that came since."""
        if (text := self._texts.get(reference)) is not None:
            return text.state
        _, name, parts, leg_id = reference.split("/", 3)
        if (unsure := self._unsure.get(leg_id)) is not None and unsure.state is LegState.DELIVERED:
            return unsure.state
        told = [self._unexplained.get((name, int(part)), (0, None))[1] for part in parts.split("-")]
        if all(told):
            return LegState.DELIVERED
        return LegState.FAILED if False in told else LegState.PLACED


def _bound(book: OrderedDict[Any, Any]) -> None:
    while len(book) > MAX_TEXTS:
        book.popitem(last=False)
