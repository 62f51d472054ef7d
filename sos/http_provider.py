"""A telephone provider on the internet that is described wholly by configuration; see `sos.carriers.base`.

A reference is the provider's id, percent-encoded, a space, and the leg: `callsid-1 inc1.1.anna.call.1`,
so that a key heard after a restart still says whose it is.
Nothing is pushed to us: `run` asks after the open legs every `poll_s`, and reports what is new.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic as _now_s
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, unquote

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused, Message, Report
from sos.events import LEG_ENDS, Channel, KeyPressed, Leg, LegReported, LegState
from sos.http_line import HttpLine, Rules, judge
from sos.http_request import (
    EndRequest,
    FindRequest,
    HttpRequest,
    PlaceRequest,
    Signing,
    StatusRequest,
    check_states,
    national,
    reference_in,
    short_id,
)
from sos.http_template import at_path, parse, word

log = logging.getLogger(__name__)

WORKERS = 8
"""Requests of the poll under way at once."""
MAX_OPEN = 256
"""Legs asked after at a time; the oldest goes first when there are more."""
FOLLOW_S = 600.0
"""How long after it was placed, or first asked after, a leg is polled."""
CLOCK_SKEW = timedelta(seconds=10)
MADE_WITHIN = timedelta(seconds=20)
"""A request is given up after five seconds; with both clocks' skew it was made by then, or never."""
"""How far our clock may run ahead of the provider's; its times are whole seconds besides."""
NONCE_BYTES = 16
T = TypeVar("T")
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_DIGITS = re.compile(r"[0-9*#]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings(Signing):
    """What every provider's table has; the requests are tables of their own.

    `ok_path` is where an answer has its code, `ok_values` the codes that say yes,
    `refused_values` those that say no, `busy_values` those that say later; any other code is a doubt.
    `states` gives the provider's words for a leg's state.
    """

    place: PlaceRequest
    status: StatusRequest | None = None
    find: FindRequest | None = None
    account: str = ""
    secret: str = ""
    from_number: str = ""
    ok_path: str = ""
    ok_values: tuple[str, ...] = ()
    refused_values: tuple[str, ...] = ()
    busy_values: tuple[str, ...] = ()
    states: dict[str, str] = field(default_factory=dict)
    poll_s: float = 2.0
    request_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        Signing.__post_init__(self)
        check_states(self.states)
        if bool(self.ok_path) != bool(self.ok_values):
            raise ValueError("ok_path and ok_values: expected both, or neither where HTTP 2xx says yes")
        if self.status is not None and not self.states:
            raise ValueError("states is empty: expected the provider's words, because [status] asks for them")
        if "*" in self.ok_values:
            raise ValueError('ok_values is "*": expected codes that say yes, or every answer would')
        for key in ("poll_s", "request_timeout_s"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} is {getattr(self, key)}: expected seconds, more than 0")


@dataclass(slots=True)
class _Open:
    """A leg that is asked after; `keys` are those heard so far, `looked_at_s` when it was asked last."""

    leg_id: str
    until_s: float
    looked_at_s: float = float("-inf")
    state: LegState = LegState.PLACED
    keys: str = ""


class HttpProvider:
    """Places legs by the requests of its settings; `end_request` is for providers that can end a call."""

    name: ClassVar[str]
    channels: ClassVar[frozenset[Channel]]
    concurrent: ClassVar[int] = WORKERS
    place_deadline_s: ClassVar[float] = 15.0

    def __init__(self, settings: ProviderSettings, *, end_request: EndRequest | None = None) -> None:
        self._settings = settings
        self._end = end_request
        self._line = HttpLine(timeout_s=settings.request_timeout_s)
        self._rules = Rules(
            ok_path=settings.ok_path,
            ok_values=settings.ok_values,
            refused_values=settings.refused_values,
            busy_values=settings.busy_values,
        )
        self._national_only = "phone_national" in _names(settings.place)
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._over: OrderedDict[str, _Open] = OrderedDict()
        self._hung_up: OrderedDict[str, None] = OrderedDict()
        self._strange: OrderedDict[str, None] = OrderedDict()
        self._report: Report | None = None
        self._asking = asyncio.Semaphore(WORKERS)
        self.dropped = 0
        """Legs that are no longer asked after because there were too many."""

    @property
    def trouble(self) -> str:
        """Why the provider could not be used the last time, empty when it could."""
        return self._line.trouble

    # ------------------------------------------------------------------ listening

    async def run(self, report: Report) -> None:
        """Ask after the open legs until cancelled; an error is told by `trouble` and by the next look."""
        self._report = report
        await self._line.load()
        while True:
            await asyncio.sleep(self._settings.poll_s)
            for reference in [key for key, one in self._open.items() if one.until_s < _now_s()]:
                del self._open[reference]
            if self._settings.status is not None and self._open:
                await asyncio.gather(*(self._look_quietly(reference) for reference in tuple(self._open)))

    async def _look_quietly(self, reference: str) -> None:
        async with self._asking:
            one = self._open.get(reference)
            if one is None or _now_s() - one.looked_at_s < self._settings.poll_s / 2:
                return
            try:
                await self._look(reference)
            except CarrierError as doubt:
                log.debug("%s: a leg could not be asked after: %s", self.name, doubt.detail)

    async def _look(self, reference: str) -> LegState:
        """Ask how a leg stands, and report what is new of it. Raises CarrierError."""
        request = self._settings.status
        if request is None:
            return LegState.PLACED
        document = await self._ask(request, _of_reference(reference))
        state = self._state_of(reference, word(at_path(document, request.state_path)))
        one = self._open.get(reference) or self._over.get(reference) or self._follow(reference)
        one.looked_at_s = _now_s()
        self._hear_keys(one, word(at_path(document, request.key_path)) if request.key_path else "")
        if state is not one.state:
            one.state = state
            self._tell(one.leg_id, state)
        if state in LEG_ENDS:
            self._open.pop(reference, None)
            _remember(self._over, reference, one)
        return state

    def _hear_keys(self, one: _Open, keys: str) -> None:
        """Report the keys that were not reported yet; what is no key is passed over."""
        if not _DIGITS.fullmatch(keys) or not keys.startswith(one.keys):
            return
        fresh, one.keys = keys[len(one.keys) :], keys
        for digit in fresh:
            if self._report is not None:
                self._report(KeyPressed(leg_id=one.leg_id, digit=digit, at=datetime.now(UTC), via="call"))

    def _state_of(self, reference: str, said: str) -> LegState:
        """The provider's word; an unknown one is taken as "placed", and said once."""
        named = self._settings.states.get(said)
        if named is None:
            if said and said not in self._strange:
                log.warning("%s: state %r is not in `states`", self.name, said)
                _remember(self._strange, said, None)
            return LegState.PLACED
        state = LegState(named)
        ended_by_us = reference in self._hung_up and state in LEG_ENDS
        return LegState.HUNG_UP if ended_by_us else state

    def _tell(self, leg_id: str, state: LegState) -> None:
        if self._report is not None:
            self._report(LegReported(leg_id=leg_id, state=state, at=datetime.now(UTC), carrier=self.name))

    def _follow(self, reference: str) -> _Open:
        one = self._open[reference] = _Open(leg_id=_parted(reference)[1], until_s=_now_s() + FOLLOW_S)
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
            self.dropped += 1
        return one

    # ------------------------------------------------------------------ what the dispatcher asks

    async def place(self, leg: Leg, message: Message) -> str:
        """Place the leg with one request."""
        if not _E164.fullmatch(leg.phone):
            raise CarrierRefused("not an E.164 number")
        if self._national_only and not leg.phone.startswith("+86"):
            raise CarrierRefused("a number outside mainland China, which {phone_national} cannot say")
        request = self._settings.place
        values = _of_leg(leg) | {
            "body": message.body,
            "ref": reference_in(message.body),
            "ring_timeout_s": str(message.ring_timeout_s),
        }
        document = await self._ask(request, values)
        its_id = word(at_path(document, request.id_path))
        if not its_id:
            raise CarrierAmbiguous(f"the provider's answer has no id at {request.id_path}")
        reference = _reference(its_id, leg.leg_id)
        self._follow(reference)
        return reference

    async def hang_up(self, reference: str) -> None:
        """End the call; a provider that says no is asked whether the call is over already."""
        if Channel.CALL not in self.channels or reference in self._over:
            return
        if self._end is None:
            raise CarrierError("this provider cannot end a call: there is no [hang_up]")
        _remember(self._hung_up, reference, None)
        try:
            await self._ask(self._end, _of_reference(reference))
        except CarrierRefused:
            if self._settings.status is not None and await self._look(reference) not in LEG_ENDS:
                raise

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:
        """Look through the provider's list; the oldest item that is this leg's and no other's."""
        request = self._settings.find
        if request is None:
            raise CarrierError("this provider has no list to look through: there is no [find]")
        values = _of_leg(leg)
        written = self._settings.written(since - CLOCK_SKEW, request.time_format if request.time_path else "")
        document = await self._ask(request, values | {"since": written})
        items = at_path(document, request.list_path)
        if not isinstance(items, list):
            if items in (None, ""):
                return None
            raise CarrierError(f"the provider's answer has no list at {request.list_path}")
        wanted = parse(request.match, known=frozenset(values)).fill(values)
        taken = {_parted(reference)[0] for reference in owned}
        fresh: list[tuple[datetime, str]] = []
        for item in items:
            its_id = word(at_path(item, request.id_path))
            made_at = self._made_at(item, request, since)
            is_ours = not request.match_path or word(at_path(item, request.match_path)) == wanted
            if its_id and its_id not in taken and made_at is not None and is_ours:
                fresh.append((made_at, its_id))
        if not fresh:
            return None
        reference = _reference(min(fresh)[1], leg.leg_id)
        self._follow(reference)
        return reference

    def _made_at(self, item: Any, request: FindRequest, since: datetime) -> datetime | None:
        """When an item was made; None when that was before the intent, or long after it, or cannot be read.

        What was made long after the request was given up is another leg's.
        """
        if not request.time_path:
            return since
        at = self._settings.read(word(at_path(item, request.time_path)), request.time_format)
        return at if at is not None and since - CLOCK_SKEW <= at <= since + MADE_WITHIN else None

    async def status(self, reference: str) -> LegState:
        """Ask how the leg stands; "placed" for ever where there is no [status]."""
        if (one := self._over.get(reference)) is not None:
            return one.state
        return await self._look(reference)

    async def _ask(self, request: HttpRequest, values: dict[str, str]) -> Any:
        """The document of an answer that says yes. Raises the three carrier errors."""
        settings = self._settings
        common = {
            "account": settings.account,
            "secret": settings.secret,
            "from_number": settings.from_number,
            "nonce": secrets.token_hex(NONCE_BYTES),
        } | settings.moment(datetime.now(UTC))
        try:
            filled = request.fill(common | values, settings)
        except (KeyError, ValueError) as error:
            raise CarrierDown(f"the request could not be written: {type(error).__name__}") from None
        return judge(await self._line.ask(filled), self._rules)


def _names(request: PlaceRequest) -> frozenset[str]:
    texts = [request.url, request.body, request.sign_text]
    for pairs in (request.headers, request.query, request.form):
        texts += pairs.values()
    known = request.names | {"signature"}
    return frozenset().union(*(parse(text, known=known).names for text in texts))


def _of_leg(leg: Leg) -> dict[str, str]:
    return {
        "leg_id": leg.leg_id,
        "leg_short": short_id(leg.leg_id),
        "phone": leg.phone,
        "phone_national": national(leg.phone),
    }


def _of_reference(reference: str) -> dict[str, str]:
    its_id, leg_id = _parted(reference)
    return {"id": its_id, "leg_id": leg_id, "leg_short": short_id(leg_id)}


def _reference(its_id: str, leg_id: str) -> str:
    return f"{quote(its_id, safe='^')} {leg_id}"


def _parted(reference: str) -> tuple[str, str]:
    """The provider's id and the leg."""
    its_id, _, leg_id = reference.partition(" ")
    return unquote(its_id), leg_id


def _remember(book: OrderedDict[str, T], key: str, value: T) -> None:
    book[key] = value
    if len(book) > MAX_OPEN:
        book.popitem(last=False)
