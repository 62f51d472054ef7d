"""Telephone over the internet: Twilio's REST API, by its own client.

The client is loaded lazily, in a thread, and made to do exactly one request a call (`sos.twilio_http`):
a repeated POST is a second call, so there is no retry and no kept-alive connection that may be half dead.
Nothing is heard here: Twilio reports to the portal
(`<callback_url>/<gateway>/status/<leg_id>`, `…/voice/<leg_id>`), which passes it to the gateway.
While no leg asks, a small question now and then finds out whether Twilio can be used.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused, Message, Report
from sos.events import Channel, Leg, LegState
from sos.twilio_http import REQUEST_S, Gate, ask, load_client

T = TypeVar("T")

ASKED_S = REQUEST_S + 0.2
"""After so long a request is given up, whatever its thread hangs on (a name server has no time limit)."""
RECHECK_S = 5.0
"""How soon Twilio is asked again whether it can be used, after the start and while it cannot."""
WORKERS = 8
"""Requests under way at once; more wait their turn."""
LISTED = 50
"""How many of a person's latest calls or texts `find` looks through: one page, one request."""
CLOCK_SKEW = timedelta(seconds=10)
"""How far our clock may run ahead of Twilio's; its times are whole seconds besides."""
MADE_WITHIN = timedelta(seconds=20)
"""A request is given up after five seconds; with both clocks' skew it was made by then, or never."""
REMEMBERED_BODIES = 512
KEY_WAIT_S = 10
"""From the last word to saying goodbye without a key."""
SAY_TIMES = 3
ENGLISH = "en-US"
GOODBYE = MappingProxyType(
    {
        "zh": "没有收到您的按键，我们继续联系其他人。再见。",
        "en": "No key was pressed. We go on calling the others. Goodbye.",
    }
)
MAX_E164_DIGITS = 15

_E164 = re.compile(rf"\+[1-9]\d{{6,{MAX_E164_DIGITS - 1}}}")

CALL_STATES = MappingProxyType(
    {
        "queued": LegState.PLACED,
        "initiated": LegState.PLACED,
        "ringing": LegState.RINGING,
        "in-progress": LegState.ANSWERED,
        "answered": LegState.ANSWERED,
        "completed": LegState.NO_KEY,
        "busy": LegState.BUSY,
        "no-answer": LegState.NO_ANSWER,
        "canceled": LegState.HUNG_UP,
        "failed": LegState.FAILED,
    }
)
"""Twilio's words for a call; whether a key was pressed comes by the voice callback, never from here."""

MESSAGE_STATES = MappingProxyType(
    {
        "accepted": LegState.PLACED,
        "scheduled": LegState.PLACED,
        "queued": LegState.PLACED,
        "sending": LegState.PLACED,
        "sent": LegState.PLACED,
        "delivered": LegState.DELIVERED,
        "partially_delivered": LegState.DELIVERED,
        "read": LegState.DELIVERED,
        "undelivered": LegState.FAILED,
        "failed": LegState.FAILED,
        "canceled": LegState.FAILED,
    }
)
"""Twilio's words for a text."""

MACHINES = ("machine", "fax")
"""How Twilio's `AnsweredBy` begins when it takes whoever picked up for a machine."""
NOT_IN_PROGRESS = 21220
"""Twilio's code for changing a call that is already over."""
NOT_FOUND = 404
LOCKED_OUT = ("Twilio answered 401", "Twilio answered 403")
"""Twilio works, for others: the account or its token is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[carriers.twilio]` of the configuration.

    `gateway` is this box's name in callback addresses;
    `base_url` replaces Twilio's own host and is for the demo and the tests.
    """

    account_sid: str
    auth_token: str
    from_number: str
    callback_url: str
    base_url: str = ""
    gateway: str = ""
    voice_language: str = "zh-CN"
    machine_detection: bool = False
    health_s: float = 60.0


def call_state(status: str, answered_by: str = "") -> LegState:
    """Translate a call's status; one that a machine seems to have picked up is a voicemail.

    That is a hint: the next is called, and a key that comes all the same counts.
    A word Twilio has not used before is taken as "placed": nothing more is known.
    """
    state = CALL_STATES.get(status, LegState.PLACED)
    if state in {LegState.ANSWERED, LegState.NO_KEY} and answered_by.startswith(MACHINES):
        return LegState.VOICEMAIL
    return state


def message_state(status: str) -> LegState:
    """Translate a text's status; a word Twilio has not used before is taken as "placed"."""
    return MESSAGE_STATES.get(status, LegState.PLACED)


class TwilioCarrier:
    """Calls and texts by Twilio; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "twilio"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TEXT, Channel.CALL})
    concurrent: ClassVar[int] = WORKERS
    place_deadline_s: ClassVar[float] = 5.0
    needs_relay: ClassVar[bool] = True

    @staticmethod
    def state_of(status: str) -> LegState | None:
        """Translate the status word of a callback, of a call or a text; None for a word nobody knows.

        The two vocabularies agree where they meet, but for "canceled", which only we do, to calls.
        `AnsweredBy` comes here as well: "machine_start" is a voicemail.
        """
        if status.startswith(MACHINES):
            return LegState.VOICEMAIL
        return CALL_STATES.get(status) or MESSAGE_STATES.get(status)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = _pool()
        self._loading = asyncio.Lock()
        self._client: Any = None
        self._bodies: OrderedDict[str, str] = OrderedDict()
        self.trouble = ""
        """Why Twilio could not be used the last time, empty when it could."""

    async def run(self, report: Report) -> None:  # noqa: ARG002  Twilio reports to the portal, not here
        """Load the client, then look now and then whether Twilio can be used."""
        try:
            client = await self._loaded()
            pause_s = min(RECHECK_S, self._settings.health_s)
            while True:
                await asyncio.sleep(pause_s)
                with contextlib.suppress(CarrierError):
                    await self._ask(lambda: client.calls.list(limit=1, page_size=1))
                pause_s = RECHECK_S if self.trouble else self._settings.health_s
        finally:
            old, self._pool = self._pool, _pool()
            old.shutdown(wait=False, cancel_futures=True)

    async def place(self, leg: Leg, message: Message) -> str:
        """Create the call or the text with one request and give its SID."""
        if not _E164.fullmatch(leg.phone):
            raise CarrierRefused("not an E.164 number")
        client = await self._loaded()
        if leg.channel is Channel.CALL:
            fields = self._call_fields(leg, message)
            created = await self._ask(lambda: client.calls.create(**fields))
        else:
            self.remember(leg, message)
            fields = self._message_fields(leg, message)
            created = await self._ask(lambda: client.messages.create(**fields))
        if not isinstance(created.sid, str):
            raise CarrierAmbiguous("Twilio's answer named no call and no text")
        return created.sid

    async def hang_up(self, reference: str) -> None:
        """End the call, whether it rings or speaks; a text is left alone."""
        if not reference.startswith("CA"):
            return
        client = await self._loaded()

        def end() -> None:
            from twilio.base.exceptions import TwilioException  # noqa: PLC0415  lazy: half a second to import

            try:
                client.calls(reference).update(status="completed")
            except TwilioException as error:
                status, code = getattr(error, "status", 0), getattr(error, "code", 0)
                if status != NOT_FOUND and code != NOT_IN_PROGRESS:
                    raise

        await self._ask(end)

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:
        """Look through the person's latest calls or texts for one made since then that no leg has.

        Creation times are compared here: Twilio filters by start, which a queued call has not got yet.
        What was made long after the request was given up is another leg's: calls have no words.
        The oldest match is taken, so that two unclear legs to one person settle in their order.
        """
        client = await self._loaded()
        resource = client.calls if leg.channel is Channel.CALL else client.messages
        numbers = {"to": leg.phone, "from_": self._settings.from_number}
        listed = await self._ask(lambda: resource.list(limit=LISTED, page_size=LISTED, **numbers))
        earliest, latest = since - CLOCK_SKEW, since + MADE_WITHIN
        fresh = [
            item
            for item in listed
            if item.sid not in owned
            and item.date_created is not None
            and earliest <= item.date_created <= latest
        ]
        fresh.sort(key=lambda item: item.date_created)
        if leg.channel is Channel.TEXT:
            fresh = [item for item in fresh if self._same_text(leg.leg_id, item.body or "")]
        return str(fresh[0].sid) if fresh else None

    async def status(self, reference: str) -> LegState:
        """Ask Twilio how the call or the text stands."""
        client = await self._loaded()
        if reference.startswith("CA"):
            call = await self._ask(lambda: client.calls(reference).fetch())
            return call_state(str(call.status), call.answered_by or "")
        message = await self._ask(lambda: client.messages(reference).fetch())
        return message_state(str(message.status))

    # ------------------------------------------------------------------ the request

    def _call_fields(self, leg: Leg, message: Message) -> Mapping[str, Any]:
        from twilio.twiml.voice_response import Gather, VoiceResponse  # noqa: PLC0415  lazy: it is slow

        english = leg.lang.startswith("en")
        language = ENGLISH if english else self._settings.voice_language
        gather = Gather(
            input="dtmf",
            num_digits=1,
            finish_on_key="",
            action=self._callback("voice", leg.leg_id) + ("?lang=en" if english else ""),
            method="POST",
            timeout=KEY_WAIT_S,
        )
        gather.say(message.body, language=language, loop=SAY_TIMES)
        answer = VoiceResponse()
        answer.append(gather)
        answer.say(GOODBYE["en" if english else "zh"], language=language)
        answer.hangup()
        fields: dict[str, Any] = {
            "to": leg.phone,
            "from_": self._settings.from_number,
            "twiml": str(answer),
            "timeout": message.ring_timeout_s,
            "status_callback": self._callback("status", leg.leg_id),
            "status_callback_method": "POST",
            "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        }
        if self._settings.machine_detection:
            fields["machine_detection"] = "Enable"
            fields["async_amd"] = "true"  # the words begin at once, the hint comes later
            fields["async_amd_status_callback"] = self._callback("status", leg.leg_id)
            fields["async_amd_status_callback_method"] = "POST"
        return fields

    def _message_fields(self, leg: Leg, message: Message) -> Mapping[str, Any]:
        return {
            "to": leg.phone,
            "from_": self._settings.from_number,
            "body": message.body,
            "status_callback": self._callback("status", leg.leg_id),
        }

    def _callback(self, kind: str, leg_id: str) -> str:
        gateway = quote(self._settings.gateway, safe="")
        return f"{self._settings.callback_url.rstrip('/')}/{gateway}/{kind}/{quote(leg_id, safe='')}"

    def remember(self, leg: Leg, message: Message) -> None:
        """Know the words of this text again in the list; called for legs of before the start too."""
        self._bodies[leg.leg_id] = message.body
        if len(self._bodies) > REMEMBERED_BODIES:
            self._bodies.popitem(last=False)

    def _same_text(self, leg_id: str, body: str) -> bool:
        """The words of this leg: its `#ref` alone stands in every text of the incident to this person."""
        ours = self._bodies.get(leg_id)
        return ours is None or ours.strip() in body

    async def _loaded(self) -> Any:
        async with self._loading:
            if self._client is None:
                loop, settings = asyncio.get_running_loop(), self._settings
                self._client = await loop.run_in_executor(
                    self._pool,
                    lambda: load_client(
                        account_sid=settings.account_sid,
                        auth_token=settings.auth_token,
                        base_url=settings.base_url,
                    ),
                )
        return self._client

    async def _ask(self, request: Callable[[], T]) -> T:
        """Do one request in a thread; what it says of Twilio's health is kept in `trouble`."""
        try:
            answer = await self._in_thread(request)
        except CarrierRefused as refusal:
            self.trouble = refusal.detail if refusal.detail.startswith(LOCKED_OUT) else ""
            raise
        except CarrierError as error:
            self.trouble = error.detail
            raise
        self.trouble = ""
        return answer

    async def _in_thread(self, request: Callable[[], T]) -> T:
        gate = Gate()
        asked = asyncio.get_running_loop().run_in_executor(self._pool, ask, request, gate)
        try:
            done, _ = await asyncio.wait({asked}, timeout=ASKED_S)
            if done:
                return asked.result()
        finally:
            never_left = gate.close()
            asked.cancel()
        if never_left:
            raise CarrierDown(f"Twilio was not reached in {ASKED_S:g} s")
        raise CarrierAmbiguous(f"no answer from Twilio in {ASKED_S:g} s")


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="twilio")


CARRIER = TwilioCarrier
