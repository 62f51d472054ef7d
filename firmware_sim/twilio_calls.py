"""What happens to a call or a text after the simulated Twilio took it.

A call goes queued -> initiated -> ringing -> in-progress, busy, no-answer -> completed,
moved on by the person whose telephone it is; every step is told to the status callback, signed and numbered.
The TwiML is read as far as families meet it: Say, Pause, Gather of keys, Redirect, Hangup, Reject.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import aiohttp
from twilio.request_validator import RequestValidator

from firmware_sim.people import HandCall, RingEnd, Transcript
from firmware_sim.twilio_records import API, CALL_ENDS, CallRecord, MessageRecord

log = logging.getLogger(__name__)

POST_TIMEOUT_S = 15
"""Twilio waits that long for a webhook."""
MAX_DOCUMENTS = 6
APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
"""What a caller hears when the TwiML is broken or cannot be fetched."""
REORDERED_S = 0.15
GUESS_S = 0.05
"""Until a machine is told from a person."""
RING_ENDS: dict[RingEnd, str] = {"ended": "canceled", "unanswered": "no-answer", "rejected": "busy"}

OneShot = Literal["lost_response", "server_error", "too_many"]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(slots=True, kw_only=True)
class TwilioFaults:
    """What goes wrong: chances from 0 to 1, drawn from `seed`, and `armed` faults that each strike once.

    lost_response: the request is carried out, its answer never arrives; server_error: 503, nothing is done;
    duplicate, reorder: of callbacks; late: callbacks that come `late_s` late;
    `listing_lag_s`: new records stay out of lists so long;
    `silent`: connections are taken and never answered, nothing is done;
    `takes_people_for_machines`: the guess at who picked up is always "machine".
    """

    seed: int = 0
    lost_response: float = 0.0
    server_error: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    late: float = 0.0
    late_s: float = 30.0
    listing_lag_s: float = 0.0
    silent: bool = False
    takes_people_for_machines: bool = False
    armed: list[OneShot] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Listening:
    """What came of listening to one document: a Gather waiting for a key, or the next document's address."""

    gather_action: str | None = None
    redirect: str | None = None


class TelephoneNetwork:
    """Moves calls and texts on; `spawn` starts tasks that end with the fake."""

    def __init__(
        self,
        *,
        auth_token: str,
        transcript: Transcript,
        faults: TwilioFaults,
        callbacks: bool,
        text_url: str,
        spawn: Spawn,
        web: aiohttp.ClientSession,
    ) -> None:
        self._validator = RequestValidator(auth_token)
        self._transcript = transcript
        self._faults = faults
        self._dice = random.Random(faults.seed)
        self._text_url = text_url
        self._spawn = spawn
        self._web = web
        self.callbacks = callbacks
        """Whether webhooks go out; off while the way to the portal is cut."""
        self.failed_callbacks = 0
        """Webhooks that could not be posted or were not answered with a 2xx."""

    # ------------------------------------------------------------------ texts

    async def carry(self, message: MessageRecord) -> None:
        """Take a text to its telephone."""
        for status in ("sent", "delivered"):
            await asyncio.sleep(0)
            message.status = status
            message.updated = datetime.now(UTC)
            if status == "sent":
                message.sent = message.updated
            else:
                self._transcript.add(message.to, "text", message.body)
            if message.callback:
                params = {
                    "MessageSid": message.sid,
                    "SmsSid": message.sid,
                    "MessageStatus": status,
                    "SmsStatus": status,
                    "AccountSid": message.account,
                    "From": message.from_,
                    "To": message.to,
                    "ApiVersion": API,
                }
                await self._tell(message.callback, params)
        if not self._text_url:
            return
        person, hand = self._transcript.person(message.to), self._transcript.hand(message.to)
        hand.text_came(functools.partial(self._answer_text, message))
        if person.reply_text is not None and not hand.held:
            self._spawn(self._text_back(message, person.reply_text, after_s=person.key_after_s))

    def _answer_text(self, message: MessageRecord, words: str) -> None:
        self._spawn(self._text_back(message, words, after_s=0))

    async def _text_back(self, message: MessageRecord, words: str, *, after_s: float) -> None:
        """Live through a person's answer to a text, and what comes back on it."""
        await asyncio.sleep(after_s)
        self._transcript.add(message.to, "replied", words)
        sid = "SM" + secrets.token_hex(16)
        params = {
            "MessageSid": sid,
            "SmsSid": sid,
            "AccountSid": message.account,
            "From": message.to,
            "To": message.from_,
            "Body": words,
            "NumMedia": "0",
            "ApiVersion": API,
        }
        answer = await self._post(self._text_url, params)
        if answer:
            for found in ET.fromstring(answer).iter("Message"):  # noqa: S314  our own portal answers
                self._transcript.add(message.to, "text", "".join(found.itertext()))

    # ------------------------------------------------------------------ calls

    async def ring(self, call: CallRecord) -> None:
        """Live through one call, from the queue to its end."""
        person = self._transcript.person(call.to)
        await self._step(call, "queued", event="initiated", shown="initiated")
        call.started = datetime.now(UTC)
        with self._transcript.hand(call.to).call(person) as here:
            if here.busy:
                await self._end(call, "busy")
                return
            await self._step(call, "ringing", event="ringing")
            self._transcript.add(call.to, "ringing")
            end = await here.rings(ended=call.wish, limit_s=call.timeout_s)
            if end in RING_ENDS:
                await self._end(call, RING_ENDS[end])
            else:
                await self._talk(call, here, machine=end == "machine")

    async def _talk(self, call: CallRecord, here: HandCall, *, machine: bool) -> None:
        call.started = datetime.now(UTC)
        if call.detects_machines:
            call.answered_by = "machine_start" if machine else "human"
        await self._step(call, "in-progress", event="answered")
        self._transcript.add(call.to, "voicemail" if machine else "picked_up")
        document = call.twiml or await self._fetch(call, call.url, {})
        base = call.url
        for _ in range(MAX_DOCUMENTS):
            heard = self._listen(call, document)
            if heard.redirect is not None:
                base = urljoin(base, heard.redirect)
                document = await self._fetch(call, base, {})
            elif heard.gather_action is not None:
                if (key := await here.key(ended=call.wish)) is None:
                    break
                self._transcript.add(call.to, "pressed", key)
                base = urljoin(base, heard.gather_action)
                document = await self._fetch(call, base, {"Digits": key, "FinishedOnKey": ""})
            else:
                break
        await self._end(call, "completed")

    async def _guessed(self, call: CallRecord, guess: str) -> None:
        """Post the guess at who picked up while the call goes on."""
        await asyncio.sleep(GUESS_S)
        call.answered_by = guess
        params = {
            "CallSid": call.sid,
            "AccountSid": call.account,
            "AnsweredBy": guess,
            "MachineDetectionDuration": str(round(GUESS_S * 1000)),
        }
        await self._tell(call.machine_callback, params)

    def _listen_on(self, call: CallRecord, document: str | None) -> None:
        """Hear what follows a Gather in which no key was pressed."""
        behind = False
        for verb in ET.fromstring(document or ""):  # noqa: S314  it was read before
            if behind and verb.tag == "Say":
                self._hear(call, verb)
            behind = behind or verb.tag == "Gather"

    def _listen(self, call: CallRecord, document: str | None) -> _Listening:
        """Hear the words of one document up to its first Gather, Redirect or end."""
        try:
            root = ET.fromstring(document or "")  # noqa: S314  our own portal's answer, on loopback
        except ET.ParseError:
            self._transcript.add(call.to, "heard", APPLICATION_ERROR)
            return _Listening()
        for verb in root:
            if verb.tag == "Gather":
                for inner in verb.iter("Say"):
                    self._hear(call, inner)
                return _Listening(gather_action=verb.get("action", ""))
            if verb.tag == "Redirect":
                return _Listening(redirect=(verb.text or "").strip())
            if verb.tag in {"Hangup", "Reject"}:
                break
            if verb.tag == "Say":
                self._hear(call, verb)
        return _Listening()

    def _hear(self, call: CallRecord, say: ET.Element) -> None:
        self._transcript.add(call.to, "heard", (say.text or "").strip())

    async def _end(self, call: CallRecord, status: str) -> None:
        call.ended = datetime.now(UTC)
        if status not in {"completed", "canceled"}:
            call.started = call.ended
        await self._step(call, status, event="completed")
        self._transcript.add(call.to, "hung_up", status)

    async def _step(self, call: CallRecord, status: str, *, event: str, shown: str = "") -> None:
        call.status = status
        call.updated = datetime.now(UTC)
        sequence, call.sequence = call.sequence, call.sequence + 1
        if not call.callback or event not in call.events:
            return
        params = self._about(call) | {
            "CallStatus": shown or status,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(sequence),
            "Timestamp": format_datetime(call.updated),
        }
        if status in CALL_ENDS and call.duration_s is not None:
            params["CallDuration"] = params["Duration"] = str(call.duration_s)
        await self._tell(call.callback, params)

    def _about(self, call: CallRecord) -> dict[str, str]:
        params = {
            "CallSid": call.sid,
            "AccountSid": call.account,
            "From": call.from_,
            "Caller": call.from_,
            "To": call.to,
            "Called": call.to,
            "CallStatus": call.status,
            "Direction": "outbound-api",
            "ApiVersion": API,
        }
        if call.answered_by is not None:
            params["AnsweredBy"] = call.answered_by
        return params

    # ------------------------------------------------------------------ webhooks

    async def _tell(self, url: str, params: dict[str, str]) -> None:
        """Post a status callback, now, or twice, or late."""
        if not self.callbacks:
            return
        reordered = self._dice.random() < self._faults.reorder
        twice = self._dice.random() < self._faults.duplicate
        if self._faults.late and self._dice.random() < self._faults.late:
            self._spawn(self._tell_later(url, params, self._faults.late_s))
        elif reordered:
            self._spawn(self._tell_later(url, params, REORDERED_S * (1 + self._dice.random())))
        else:
            await self._post(url, params)
        if twice:
            await self._post(url, params)

    async def _tell_later(self, url: str, params: dict[str, str], seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._post(url, params)

    async def _fetch(self, call: CallRecord, url: str, params: dict[str, str]) -> str | None:
        return await self._post(url, self._about(call) | params)

    async def _post(self, url: str, params: dict[str, str]) -> str | None:
        """Post signed, as Twilio does; None when nobody answers or the answer is no 2xx."""
        signature = self._validator.compute_signature(url, params)
        limit = aiohttp.ClientTimeout(total=POST_TIMEOUT_S)
        try:
            async with self._web.post(
                url, data=params, headers={"X-Twilio-Signature": signature}, timeout=limit
            ) as answer:
                text = await answer.text()
                if answer.ok:
                    return text
                reason = f"status {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            reason = type(error).__name__
        self.failed_callbacks += 1
        if self.failed_callbacks == 1:
            log.warning("a callback to %s failed: %s; further failures are counted", url, reason)
        return None
