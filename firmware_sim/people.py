"""The people behind the simulated telephones; one description for every simulated network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Answer = Literal["no_answer", "busy", "rejects", "voicemail", "answers", "presses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """How one telephone behaves.

    `answer`: "answers" picks up and presses nothing, "presses" picks up and presses `key`,
    "voicemail" is picked up by a machine, "rejects" ends the ringing at once.
    `after_s` is from the first ring to picking up, `key_after_s` from picking up to the key.
    `reply_text` is texted back `key_after_s` after every text that arrives (a "1" acknowledges).
    """

    phone: str
    name: str = ""
    answer: Answer = "no_answer"
    after_s: float = 3.0
    key: str = "1"
    key_after_s: float = 4.0
    reply_text: str | None = None


Kind = Literal["text", "ringing", "picked_up", "voicemail", "heard", "pressed", "replied", "hung_up"]

_TRANSCRIPT_ENTRIES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened at one telephone; `at` is the network's wall clock in UTC."""

    at: datetime
    phone: str
    name: str
    kind: Kind
    words: str = ""

    def sentence(self) -> str:
        """Say it in words, for whoever watches the demo."""
        who = self.name or self.phone
        return f"{who}: {_SENTENCES[self.kind]}" + (f" {self.words}" if self.words else "")


_SENTENCES: dict[Kind, str] = {
    "text": "gets the text",
    "ringing": "the telephone rings",
    "picked_up": "picks up",
    "voicemail": "a machine picks up",
    "heard": "hears",
    "pressed": "presses",
    "replied": "texts back",
    "hung_up": "the call is over",
}


class Transcript:
    """What the telephones of one simulated network saw, heard and did, oldest first.

    Bounded at 10,000 entries: the oldest go first, `dropped` counts them.
    `say` hears every entry as a sentence.
    """

    def __init__(self, people: Mapping[str, Persona], *, say: Callable[[str], None] | None = None) -> None:
        self._people = people
        self._say = say
        self._entries: deque[Entry] = deque(maxlen=_TRANSCRIPT_ENTRIES)
        self._changed = asyncio.Event()
        self.dropped = 0

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything so far."""
        return tuple(self._entries)

    def add(self, phone: str, kind: Kind, words: str = "") -> None:
        """Write one entry, tell `say`, wake whoever waits."""
        self.dropped += len(self._entries) == _TRANSCRIPT_ENTRIES
        entry = Entry(at=datetime.now(UTC), phone=phone, name=self.person(phone).name, kind=kind, words=words)
        self._entries.append(entry)
        if self._say is not None:
            self._say(entry.sentence())
        self._changed.set()
        self._changed = asyncio.Event()

    def person(self, phone: str) -> Persona:
        """Who has this telephone; a number nobody was described for is never answered."""
        return self._people.get(phone) or Persona(phone=phone)

    def of(self, phone: str, kind: Kind) -> tuple[str, ...]:
        """The words of one telephone's entries of one kind."""
        return tuple(e.words for e in self._entries if e.phone == phone and e.kind == kind)

    async def seen(self, phone: str, kind: Kind, *, times: int = 1) -> tuple[str, ...]:
        """Wait until it happened so often at this telephone, and give the words."""
        while len(found := self.of(phone, kind)) < times:
            await self._changed.wait()
        return found
