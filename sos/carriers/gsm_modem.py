"""The box's own modem and SIM: texts as PDUs, calls with a spoken script, keys and answers heard back.

The AT commands are in `sos.modem_line`; keys and speech need a modem that has them (SIMCom's does).
One line: a call that is asked for while another stands waits `line_wait_s`, then it is `CarrierDown`.
A modem that is unplugged, hung or without a SIM is tried again for ever, with growing pauses.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import OrderedDict
from datetime import UTC, datetime
from time import monotonic as _now_s
from typing import Any, ClassVar

from sos import pdu
from sos.at import AtDialogue, AtError, AtLost, AtRefused, AtSilent
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message, Report
from sos.events import Channel, KeyPressed, Leg, LegReported, LegState
from sos.modem_inbox import Inbox
from sos.modem_line import (
    CALL_ENDS,
    Network,
    PinRefused,
    check_network,
    followed_calls,
    hang_up,
    in_words,
    key_of,
    listed_calls,
    make_ready,
    network_of,
    reset,
    speak,
    stored_at,
)
from sos.modem_settings import Settings
from sos.modem_text import SendStopped, send_parts
from sos.phone_call import UNKNOWN_SCRIPT, PhoneCall
from sos.text_book import TextBook, telephone

log = logging.getLogger(__name__)

SEND_DEADLINE_S = 30.0
DIAL_DEADLINE_S = 15.0
ORPHAN_GRACE_S = 15.0
"""A call of before the start, which no leg has asked for, is hung up after so long."""
RESET_AFTER_SILENCES = 2
"""A modem that was silent so often, one opening after another, is restarted."""
MAX_REMEMBERED = 128
_E164 = re.compile(r"\+[1-9]\d{6,14}")


class GsmModem:
    """Calls and texts by the box's own modem; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "gsm_modem"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TEXT, Channel.CALL})
    concurrent: ClassVar[int] = 1
    place_deadline_s: ClassVar[float] = 4 * SEND_DEADLINE_S

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._at: AtDialogue | None = None
        self._report: Report | None = None
        self._call: PhoneCall | None = None
        self._orphan_since_s: float | None = None
        self._ended: OrderedDict[str, LegState] = OrderedDict()
        self._scripts: OrderedDict[str, Message] = OrderedDict()
        self._texts = TextBook()
        self.inbox = Inbox(self._texts, carrier=self.name)
        self._wake = asyncio.Event()
        self._line_free = asyncio.Event()
        self._line_free.set()
        self._speaks = False
        self._rung = False
        self._silent_starts = 0
        self._health_due_s = 0.0
        self._pin = settings.pin
        self._joiner = secrets.randbelow(256)
        self._was_ready = True
        self.ready = asyncio.Event()
        """Set while the modem can be used."""
        self.trouble = "not started"
        """Why the modem cannot be used now, empty when it can."""
        self.network: Network | None = None  # the one it is in, as it said last

    async def run(self, report: Report) -> None:
        """Keep the modem's line open until cancelled and report what it says."""
        self._report = report
        pause_s = self._settings.reopen_min_s
        while True:
            try:
                await self._serve()
            except AtError as error:
                if self._was_ready:
                    log.warning("the modem is lost: %s; trying again until it is back", error)
                    pause_s = self._settings.reopen_min_s
                self._was_ready = False
                self._lost(error)
            if self._call is not None and self._call.must_end(_now_s()):
                self._finish(self._call)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._settings.reopen_max_s)

    def _lost(self, error: AtError) -> None:
        self._at = None
        self._silent_starts += isinstance(error, AtSilent) and error.command == "AT"
        self._unready(error)

    def _unready(self, error: AtError) -> None:
        self.trouble = in_words(error)
        self.network = None
        self.ready.clear()

    async def _serve(self) -> None:
        """Open, make ready, and follow until the line is lost. Raises AtError."""
        at = AtDialogue(path=self._settings.path, baud=self._settings.baud, unasked=self._unasked)
        try:
            if self._silent_starts >= RESET_AFTER_SILENCES:
                self._silent_starts = 0
                await reset(at)
            await self._make_ready(at)
            self._silent_starts = 0
            self._at = at
            self._was_ready = True
            self._health_due_s = 0.0
            while not at.closed.is_set():
                self._wake.clear()
                await self._follow(at)
                await self.inbox.read(at, self._hear)
                if _now_s() > self._health_due_s:
                    await self._look(at)
                await at.closed_or(self._wake, timeout_s=self._pause_s())
            raise AtLost("read", "the port was lost")
        finally:
            self._at = None
            at.close()

    async def _look(self, at: AtDialogue) -> None:
        """Look at the network and for texts; without a network the line is kept and a call is followed on."""
        try:
            await check_network(at)
        except AtRefused as error:
            if self.ready.is_set():
                log.warning("the modem: %s", error.reason)
            self._unready(error)
        else:
            if not self.ready.is_set():
                log.info("the modem is ready")
            self.trouble = ""
            self.ready.set()
            self.network = await network_of(at) if self._call is None else self.network
        await self.inbox.look(at)
        self._health_due_s = _now_s() + self._health_s()

    def _health_s(self) -> float:
        wanted_s = self._settings.health_s
        return wanted_s if self.ready.is_set() else min(wanted_s, self._settings.reopen_max_s)

    def _pause_s(self) -> float:
        """How long to wait for a word of the modem: for the poll of a call, or for the health check."""
        if self._call is not None or self._orphan_since_s is not None:
            return self._settings.poll_s
        return self._health_s()

    async def _make_ready(self, at: AtDialogue) -> None:
        """Set the modem up, and look what it holds from before. Raises AtError."""
        try:
            self._speaks = await make_ready(at, pin=self._pin)
        except PinRefused:
            self._pin = ""
            raise
        standing = await listed_calls(at)
        self._orphan_since_s = _now_s() if standing and self._call is None else None
        await self.inbox.start(at)

    def _unasked(self, line: str, body: str) -> None:
        """Take what the modem says by itself."""
        call = self._call
        if (key := key_of(line)) is not None:
            self._pressed(key)
        elif line in CALL_ENDS:
            if call is not None:
                call.network_said = line
        elif (stored := stored_at(line)) is not None:
            self.inbox.queue(*stored)
        elif line.startswith(("RING", "+CRING")):
            self._rung = True
        elif line.startswith("+CREG:"):
            self._health_due_s = 0.0
        elif line.startswith("+CDS:"):
            self.inbox.take(body, self._hear)
        elif line.startswith("+CTTS:") and call is not None:
            call.spoken(_now_s())
        self._wake.set()

    async def _follow(self, at: AtDialogue) -> None:
        """Look at the line once and do what the call needs."""
        call, now_s = self._call, _now_s()
        if call is None and self._rung:
            await hang_up(at)  # somebody rings back: the line is needed, and our next ATD queues behind this
        self._rung = False
        if call is None:
            if self._orphan_since_s is not None and now_s - self._orphan_since_s > ORPHAN_GRACE_S:
                self._orphan_since_s = None
                await hang_up(at)
            return
        if call.must_end(now_s):
            await hang_up(at)
            self._finish(call)
            return
        listed = await followed_calls(at)
        if call is not self._call:
            return
        if not listed:
            if call.over_unlisted(now_s):
                self._finish(call)
            return
        if (state := call.seen(listed[0][0], now_s)) is not None:
            self._tell(call.leg_id, state)
        if self._speaks and call.must_speak(now_s):
            await speak(at, call.script)

    def _pressed(self, digit: str) -> None:
        if self._call is not None:
            self._call.pressed(digit, _now_s())
            self._hear(KeyPressed(leg_id=self._call.leg_id, digit=digit, at=datetime.now(UTC), via="call"))

    def _finish(self, call: PhoneCall) -> None:
        """The call is over; a confirmed one was told of by its key."""
        self._call = None
        self._line_free.set()
        state = call.end()
        _remember(self._ended, call.reference, state)
        if state is not LegState.CONFIRMED:
            self._tell(call.leg_id, state)

    def _tell(self, leg_id: str, state: LegState) -> None:
        self._hear(LegReported(leg_id=leg_id, state=state, at=datetime.now(UTC), carrier=self.name))

    def _hear(self, event: LegReported | KeyPressed) -> None:
        if self._report is not None:
            self._report(event)

    # ------------------------------------------------------------------ what the dispatcher asks

    async def place(self, leg: Leg, message: Message) -> str:
        """Dial, or send every part; see `Carrier.place`."""
        if not _E164.fullmatch(leg.phone):
            raise CarrierRefused("not an E.164 number")
        if leg.channel is Channel.CALL:
            _remember(self._scripts, leg.leg_id, message)
            return await self._dial(leg, message)
        return await self._send(leg, message.body)

    async def _ready(self) -> AtDialogue:
        """The line, just asked whether it is there and in the network. Raises CarrierDown."""
        at = self._at
        if at is None:
            raise CarrierDown(f"the modem is not ready: {self.trouble or 'it is being opened'}")
        try:
            await check_network(at)
        except AtError as error:
            if isinstance(error, AtRefused):
                self._unready(error)
                self._wake.set()
            else:
                self._lost(error)
            raise CarrierDown(f"the modem is not ready: {in_words(error)}") from None
        return at

    async def _dial(self, leg: Leg, message: Message) -> str:
        try:
            await asyncio.wait_for(self._line_free.wait(), self._settings.line_wait_s)
        except TimeoutError:
            raise CarrierDown("the modem is busy with another call") from None
        at = await self._ready()
        if self._call is not None or self._orphan_since_s is not None:
            raise CarrierDown("the modem is busy with another call")
        call = self._take_line(leg.leg_id, leg.phone, message)
        try:
            await at.ask(f"ATD{leg.phone};", deadline_s=DIAL_DEADLINE_S)
        except AtRefused as error:
            if error.reason not in CALL_ENDS:
                self._drop(call)
                if self._rung:
                    raise CarrierDown("somebody rings the box just now") from None
                raise CarrierRefused(str(error)) from None
            call.network_said = error.reason
        except (AtSilent, AtLost) as error:
            self._lost(error)
            self._drop(call)
            self._orphan_since_s = _now_s()
            raise CarrierAmbiguous("the modem did not say whether it dials") from None
        self._wake.set()
        return call.reference

    def _take_line(self, leg_id: str, phone: str, message: Message) -> PhoneCall:
        self._line_free.clear()
        self._orphan_since_s = None
        self._texts.addressed(leg_id, phone)
        self._call = PhoneCall(
            leg_id=leg_id,
            phone=phone,
            reference=f"call/{telephone(phone)}/{leg_id}",
            script=message.body,
            ring_timeout_s=message.ring_timeout_s,
            key_wait_s=self._settings.key_wait_s,
            dialled_at_s=_now_s(),
        )
        return self._call

    def _drop(self, call: PhoneCall) -> None:
        if self._call is call:
            self._call = None
            self._line_free.set()

    async def _send(self, leg: Leg, body: str) -> str:
        self._joiner = (self._joiner + 1) % 256
        try:
            parts = pdu.encode_submit(leg.phone, body, reference=self._joiner)
        except pdu.PduError as error:
            raise CarrierRefused(str(error)) from None
        at = await self._ready()
        self._texts.addressed(leg.leg_id, leg.phone)
        mark = self._texts.starting()
        try:
            references = await send_parts(at, parts, deadline_s=SEND_DEADLINE_S)
        except SendStopped as stopped:
            if stopped.line is not None:
                self._lost(stopped.line)
            if stopped.may_be_whole:
                self._texts.unsure(leg.leg_id, leg.phone, stopped.known, mark=mark)
            raise stopped.why from None
        reference = self._texts.sent(leg.leg_id, leg.phone, references, mark=mark)
        if (state := self._texts.state(reference)) is not LegState.PLACED:
            self._tell(leg.leg_id, state)
        return reference

    async def hang_up(self, reference: str) -> None:
        """End the call if it is the one on the line; quiet otherwise."""
        call = self._call
        if call is not None and call.reference == reference:
            call.unwanted = True
            self._wake.set()

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:  # noqa: ARG002
        """Look on the line for the call, or for the text's report; the modem keeps no list of the past."""
        if leg.channel is Channel.TEXT:
            return self._texts.settled(leg.leg_id, leg.phone)
        reference = f"call/{telephone(leg.phone)}/{leg.leg_id}"
        known = reference in self._ended or (self._call is not None and self._call.reference == reference)
        if known or await self._adopt(reference):
            return reference
        return None

    async def status(self, reference: str) -> LegState:
        """How a leg stands, as far as this start has seen it."""
        if reference.startswith("text/"):
            return self._texts.state(reference)
        if self._call is not None and self._call.reference == reference:
            return self._call.state
        if (state := self._ended.get(reference)) is not None:
            return state
        if await self._adopt(reference):
            return LegState.PLACED
        return LegState.NO_ANSWER

    async def _adopt(self, reference: str) -> bool:
        """Follow a call of before as this leg's, if it stands on the line and goes to its telephone."""
        at = self._at
        if at is None:
            raise CarrierDown(f"the modem is not ready: {self.trouble or 'it is being opened'}")
        if self._call is not None:
            return False
        try:
            listed = await listed_calls(at)
        except AtError as error:
            raise CarrierDown(f"the line could not be looked at: {error}") from None
        _, name, leg_id = reference.split("/", 2)
        numbers = [number for _, number in listed if telephone(number) == name]
        if not listed:
            self._orphan_since_s = None
        if not numbers or self._call is not None:
            return False
        message = self._scripts.get(leg_id) or Message(body=UNKNOWN_SCRIPT)
        self._take_line(leg_id, numbers[0], message)
        self._wake.set()
        return True


def _remember(book: OrderedDict[str, Any], key: str, value: LegState | Message) -> None:
    book[key] = value
    if len(book) > MAX_REMEMBERED:
        book.popitem(last=False)


CARRIER = GsmModem
