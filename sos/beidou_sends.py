"""What a BeiDou card has sent, kept on disk: when last, and which leg each message belonged to.

A card sends once a period, and the satellite counts on through our restarts: so does this book.
It is written whole, to a new file that replaces the old one, both synced, before a message goes out.
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sos.events import LegState

MOST_LEGS = 256
"""The oldest leg is forgotten first: an answer to it then counts for nobody."""
_NAME = re.compile(r"(\d{1,8})\.(\d{1,10})\.(\d{1,3})", re.ASCII)

Name = tuple[int, datetime, int]
"""`sos.beidou.BeidouAlarm.name`: the elder's number, the alarm's time, its own number."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """One leg that was, or may have been, sent; `certain` once the module or the station said so."""

    leg_id: str
    phone: str
    name: Name
    state: LegState = LegState.PLACED
    certain: bool = False

    @property
    def reference(self) -> str:
        """`beidou/<card>/<number>.<unix seconds>.<seq>/<leg>`: the book can be written again from it."""
        number, at, seq = self.name
        return f"beidou/{self.phone}/{number}.{int(at.timestamp())}.{seq}/{self.leg_id}"


class SendBook:
    """The book of one card; `path` None keeps it in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._legs: OrderedDict[str, Sent] = OrderedDict()
        self.sent_at: float | None = None
        """Unix seconds of the last message, None where none is known of."""

    def load(self) -> str:
        """Read what an earlier process wrote; gives why that could not be done, empty when it could."""
        if self._path is None:
            return "no folder to keep the time of the last message in"
        try:
            page = json.loads(self._path.read_text(encoding="utf-8"))
            sent_at = page["sent_at"]
            legs = [_sent(leg_id, phone, name) for leg_id, phone, name in page["legs"]]
            self.sent_at = None if sent_at is None else float(sent_at)
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"the book of sent messages is unreadable: {type(error).__name__}"
        for sent in legs:
            self._enter(sent)
        return ""

    def page(self) -> str:
        """The whole book, as `put` writes it."""
        legs = [[sent.leg_id, sent.phone, _words(sent.name)] for sent in self._legs.values()]
        return json.dumps({"sent_at": self.sent_at, "legs": legs})

    def put(self, page: str) -> None:
        """Put a page on disk, synced, in place of the one before; touches nothing else of the book.

        Idempotent. Raises OSError.
        """
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def add(self, leg_id: str, phone: str, name: Name) -> Sent:
        """Enter a leg that is about to be sent."""
        return self._enter(Sent(leg_id=leg_id, phone=phone, name=name))

    def _enter(self, sent: Sent) -> Sent:
        self._legs.pop(sent.leg_id, None)
        self._legs[sent.leg_id] = sent
        while len(self._legs) > MOST_LEGS:
            self._legs.popitem(last=False)
        return sent

    def strike(self, leg_id: str) -> None:
        """Take out a leg that was certainly not sent."""
        self._legs.pop(leg_id, None)

    def of_leg(self, leg_id: str) -> Sent | None:
        """The leg's entry, None when it is not known (any more)."""
        return self._legs.get(leg_id)

    def recall(self, reference: str) -> Sent | None:
        """The entry of a reference, entered again where it was forgotten; None when it is not one of ours."""
        parts = reference.split("/", 3)
        if len(parts) != 4 or parts[0] != "beidou":  # noqa: PLR2004 - the four parts of a reference
            return None
        _, phone, words, leg_id = parts
        if (known := self._legs.get(leg_id)) is not None:
            return known
        try:
            fresh = _sent(leg_id, phone, words)
        except ValueError:
            return None
        fresh.certain = True
        return self._enter(fresh)

    def answered(self, card: str, name: Name) -> tuple[Sent, ...]:
        """The legs that carried this alarm to this card, oldest first."""
        return tuple(
            sent for sent in self._legs.values() if sent.name == name and int(sent.phone) == int(card)
        )


def _words(name: Name) -> str:
    number, at, seq = name
    return f"{number}.{int(at.timestamp())}.{seq}"


def _sent(leg_id: Any, phone: Any, words: Any) -> Sent:
    """Raises ValueError for what is no entry."""
    found = _NAME.fullmatch(words) if isinstance(words, str) else None
    if found is None or not isinstance(leg_id, str) or not isinstance(phone, str) or not phone.isdigit():
        raise ValueError("no entry of the book")
    number, at_s, seq = (int(part) for part in found.groups())
    return Sent(leg_id=leg_id, phone=phone, name=(number, datetime.fromtimestamp(at_s, UTC), seq))
