"""The people behind the simulated telephones; one description for every simulated network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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


# --------------------------------------------------------------------------- a visitor's own hands

RingEnd = Literal["ended", "unanswered", "rejected", "machine", "picked_up"]
"""How ringing ends; "ended" is by the caller."""
HAND_S = 60.0
"""A visitor who says nothing for so long has put the telephone down."""
_KEYS_WAITING = 16


class HandCall:
    """One call at one telephone: its person decides, or the visitor as soon as they touch it."""

    def __init__(self, hand: Hand, person: Persona) -> None:
        self._hand = hand
        self._person = person
        self._said: RingEnd | None = None
        self._acted = asyncio.Event()
        self._keys: deque[str] = deque(maxlen=_KEYS_WAITING)
        self._pressed = False
        self._put_down = False
        self.taken = hand.held
        """The visitor has this call, and the person decides nothing any more."""
        self.stage: Literal["ringing", "talking"] = "ringing"

    @property
    def busy(self) -> bool:
        """The line is engaged, so that it does not even ring."""
        return self._person.answer == "busy" and not self.taken

    async def rings(self, *, ended: asyncio.Event, limit_s: float) -> RingEnd:
        """Ring until somebody decides, the caller ends it (`ended`), or `limit_s` are over."""
        person = self._person
        said: RingEnd | None = None
        if person.answer != "no_answer" and person.after_s < limit_s:
            said = await self._visitor_or(ended, person.after_s)
            limit_s -= person.after_s
            if said is None and not (self.taken or self._hand.held):
                said = _DECISIONS.get(person.answer, "picked_up")
        if said is None:
            said = await self._visitor_or(ended, limit_s) or "unanswered"
        if said in {"picked_up", "machine"}:
            self.stage = "talking"
        return said

    async def key(self, *, ended: asyncio.Event) -> str | None:
        """The next key pressed in the call; None once either side is through with it."""
        person = self._person
        if not self.taken:
            over = await self._touched_within(ended, person.key_after_s)
            if not self.taken:
                if over or self._pressed or person.answer != "presses":
                    return None
                self._pressed = True
                return person.key
        while not self._keys:
            if ended.is_set() or self._put_down or not await self._touched_within(ended, HAND_S):
                return None
        return self._keys.popleft()

    async def _visitor_or(self, ended: asyncio.Event, seconds: float) -> RingEnd | None:
        await self._touched_within(ended, seconds)
        return "ended" if ended.is_set() else self._said

    async def _touched_within(self, ended: asyncio.Event, seconds: float) -> bool:
        """Wait; True as soon as the visitor does something or the caller ends the call."""
        waits = [asyncio.ensure_future(event.wait()) for event in (ended, self._acted)]
        try:
            done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._acted.clear()
        return bool(done)

    def act(self, said: RingEnd | None = None, *, key: str = "", put_down: bool = False) -> None:
        """Take the call over: answer or reject it, press a key, or put the telephone down."""
        self.taken = True
        self._said = said or self._said
        self._put_down = self._put_down or put_down
        if key:
            self._keys.append(key)
        self._acted.set()


_DECISIONS: dict[Answer, RingEnd] = {"rejects": "rejected", "voicemail": "machine"}


class Hand:
    """One telephone, and whoever of the demo's visitors plays its owner.

    `held`: every call and text is the visitor's, until let go of.
    Without that, touching a call takes that one call only.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._calls: list[HandCall] = []
        self._way_back: Callable[[str], None] | None = None
        self.held = False

    # what the visitor does: each is False when there is nothing to do it to

    def hold(self, *, held: bool) -> None:
        """Play this person from now on, or let them decide themselves again."""
        self.held = held
        self._changed()

    def answer(self) -> bool:
        """Pick up."""
        return self._act("ringing", "picked_up")

    def reject(self) -> bool:
        """Turn the call away while it rings."""
        return self._act("ringing", "rejected")

    def press(self, key: str) -> bool:
        """Press one key in the call."""
        return self._act("talking", None, key=key)

    def hang_up(self) -> bool:
        """Put the telephone down."""
        return self._act("talking", None, put_down=True)

    def reply(self, words: str) -> bool:
        """Text back to whoever sent the last text."""
        if self._way_back is None:
            return False
        self._way_back(words)
        return True

    def _act(
        self,
        stage: Literal["ringing", "talking"],
        said: RingEnd | None,
        *,
        key: str = "",
        put_down: bool = False,
    ) -> bool:
        call = next((call for call in reversed(self._calls) if call.stage == stage), None)
        if call is None:
            return False
        call.act(said, key=key, put_down=put_down)
        self._changed()
        return True

    # what the networks tell and ask

    @contextmanager
    def call(self, person: Persona) -> Iterator[HandCall]:
        """A call for this telephone, from the first ring to its end."""
        call = HandCall(self, person)
        self._calls.append(call)
        try:
            yield call
        finally:
            self._calls.remove(call)
            self._changed()

    def text_came(self, way_back: Callable[[str], None]) -> None:
        """A text arrived; `way_back` carries an answer to it."""
        self._way_back = way_back
        self._changed()

    @property
    def can_reply(self) -> bool:
        """A text came that can be answered."""
        return self._way_back is not None


class Hands:
    """All telephones' hands, by number; share one between networks: a person has one telephone."""

    def __init__(self) -> None:
        self._hands: dict[str, Hand] = {}
        self.listeners: list[Callable[[], None]] = []

    def of(self, phone: str) -> Hand:
        """The hand of this telephone."""
        if phone not in self._hands:
            self._hands[phone] = Hand(self._changed)
        return self._hands[phone]

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()


# --------------------------------------------------------------------------- what happened

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
    `say` hears every entry as a sentence, each of `listeners` that something changed.
    `hands` are the telephones a visitor may take into their own hand; networks may share one.
    """

    def __init__(self, people: Mapping[str, Persona], *, say: Callable[[str], None] | None = None) -> None:
        self._people = people
        self._say = say
        self._entries: deque[Entry] = deque(maxlen=_TRANSCRIPT_ENTRIES)
        self._changed = asyncio.Event()
        self.listeners: list[Callable[[], None]] = []
        self.hands = Hands()
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
        for listener in self.listeners:
            listener()

    def hand(self, phone: str) -> Hand:
        """The hand that holds this telephone."""
        return self.hands.of(phone)

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
