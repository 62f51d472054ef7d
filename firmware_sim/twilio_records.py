"""Calls and messages as the simulated Twilio keeps, checks and shows them.

What Twilio's published description leaves open is refused here with Twilio's own error codes:
a form field nobody knows, a number that is none, a call without anything to say.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

API = "2010-04-01"
E164 = re.compile(r"\+[1-9]\d{6,14}")
URL = re.compile(r"https?://[^\s/]+(/\S*)?")
MAX_BODY_CHARS = 1600
MAX_TWIML_CHARS = 4000
MAX_TIMEOUT_S = 600
EVENTS = ("initiated", "ringing", "answered", "completed")
CALL_ENDS = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


CALL_FIELDS = _names(
    "To From Method FallbackUrl FallbackMethod StatusCallback StatusCallbackEvent StatusCallbackMethod"
    " SendDigits Timeout Record RecordingChannels RecordingStatusCallback RecordingStatusCallbackMethod"
    " SipAuthUsername SipAuthPassword MachineDetection MachineDetectionTimeout RecordingStatusCallbackEvent"
    " Trim CallerId MachineDetectionSpeechThreshold MachineDetectionSpeechEndThreshold"
    " MachineDetectionSilenceTimeout AsyncAmd AsyncAmdStatusCallback AsyncAmdStatusCallbackMethod Byoc"
    " CallReason CallToken RecordingTrack TimeLimit ClientNotificationUrl Url Twiml ApplicationSid"
)
CALL_UPDATE_FIELDS = _names(
    "Url Method Status FallbackUrl FallbackMethod StatusCallback StatusCallbackMethod Twiml TimeLimit"
)
MESSAGE_FIELDS = _names(
    "To StatusCallback ApplicationSid MaxPrice ProvideFeedback Attempt ValidityPeriod ForceDelivery"
    " ContentRetention AddressRetention SmartEncoded PersistentAction TrafficType ShortenUrls ScheduleType"
    " SendAt SendAsMms ContentVariables RiskCheck From FallbackFrom MessagingServiceSid Body MediaUrl"
    " ContentSid"
)

Form = Mapping[str, tuple[str, ...]]


class Refusal(Exception):
    """Twilio says no: HTTP `status` and its error `code`."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def body(self) -> str:
        """Give the JSON Twilio answers with."""
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return json.dumps(
            {"code": self.code, "message": self.message, "more_info": more, "status": self.status}
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _date(at: datetime | None) -> str | None:
    return None if at is None else format_datetime(at.replace(microsecond=0))


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """One call; `wish` is set when somebody orders it ended, `machine_callback` hears guesses."""

    account: str
    to: str
    from_: str
    twiml: str
    url: str
    timeout_s: int
    callback: str
    events: frozenset[str]
    detects_machines: bool
    machine_callback: str = ""
    sid: str = field(default_factory=lambda: "CA" + secrets.token_hex(16))
    status: str = "queued"
    answered_by: str | None = None
    created: datetime = field(default_factory=_now)
    updated: datetime = field(default_factory=_now)
    started: datetime | None = None
    ended: datetime | None = None
    sequence: int = 0
    wish: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def duration_s(self) -> int | None:
        """Whole seconds of talk, once over."""
        if self.ended is None or self.started is None:
            return None
        return max(0, round((self.ended - self.started).total_seconds()))

    def show(self) -> dict[str, Any]:
        """Give the resource as the API shows it."""
        uri = f"/{API}/Accounts/{self.account}/Calls/{self.sid}"
        duration = self.duration_s
        subs = ("events", "notifications", "recordings", "payments", "siprec", "streams", "transcriptions")
        return {
            "sid": self.sid,
            "date_created": _date(self.created),
            "date_updated": _date(self.updated),
            "parent_call_sid": None,
            "account_sid": self.account,
            "to": self.to,
            "to_formatted": self.to,
            "from": self.from_,
            "from_formatted": self.from_,
            "phone_number_sid": None,
            "status": self.status,
            "start_time": _date(self.started),
            "end_time": _date(self.ended),
            "duration": None if duration is None else str(duration),
            "price": None,
            "price_unit": "USD",
            "direction": "outbound-api",
            "answered_by": self.answered_by,
            "api_version": API,
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": "0",
            "trunk_sid": None,
            "uri": uri + ".json",
            "subresource_uris": {sub: f"{uri}/{sub.capitalize()}.json" for sub in subs},
        }


@dataclass(slots=True, kw_only=True)
class MessageRecord:
    """One text."""

    account: str
    to: str
    from_: str
    body: str
    callback: str
    sid: str = field(default_factory=lambda: "SM" + secrets.token_hex(16))
    status: str = "queued"
    created: datetime = field(default_factory=_now)
    updated: datetime = field(default_factory=_now)
    sent: datetime | None = None

    def show(self) -> dict[str, Any]:
        """Give the resource as the API shows it."""
        uri = f"/{API}/Accounts/{self.account}/Messages/{self.sid}"
        per_part = 153 if self.body.isascii() else 67
        return {
            "sid": self.sid,
            "account_sid": self.account,
            "to": self.to,
            "from": self.from_,
            "body": self.body,
            "status": self.status,
            "direction": "outbound-api",
            "num_segments": str(max(1, -(-len(self.body) // per_part))),
            "num_media": "0",
            "date_created": _date(self.created),
            "date_updated": _date(self.updated),
            "date_sent": _date(self.sent),
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "error_message": None,
            "messaging_service_sid": None,
            "api_version": API,
            "uri": uri + ".json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


# --------------------------------------------------------------------------- what Twilio refuses


def one(form: Form, name: str, default: str = "") -> str:
    """Give the only value of a field. Raises Refusal when it stands there twice."""
    values = form.get(name, (default,))
    if len(values) != 1:
        raise Refusal(20001, f"Parameter '{name}' was given {len(values)} times")
    return values[0]


def only(form: Form, known: frozenset[str]) -> None:
    """Refuse fields nobody knows: a client that sends one has a bug."""
    if unknown := sorted(set(form) - known):
        raise Refusal(20001, f"Unknown parameter '{unknown[0]}'")


def new_call(account: str, form: Form) -> CallRecord:
    """Check the form of a new call as Twilio does. Raises Refusal."""
    only(form, CALL_FIELDS)
    to, from_ = one(form, "To"), one(form, "From")
    if not to:
        raise Refusal(21201, "No 'To' number is specified")
    if not E164.fullmatch(to):
        raise Refusal(21211, "The phone number you are attempting to call is not valid")
    if not from_:
        raise Refusal(21213, "No 'From' number is specified")
    if not E164.fullmatch(from_):
        raise Refusal(21212, "The source phone number provided is not valid")
    url, twiml = one(form, "Url"), one(form, "Twiml")
    if not twiml and not URL.fullmatch(url):
        raise Refusal(21205, "Url parameter is required and must be a URL")
    if len(twiml) > MAX_TWIML_CHARS:
        raise Refusal(21219, f"Twiml is longer than {MAX_TWIML_CHARS} characters")
    events = frozenset(form.get("StatusCallbackEvent", ("completed",)))
    if events - set(EVENTS):
        raise Refusal(21626, "StatusCallbackEvent is not valid")
    return CallRecord(
        account=account,
        to=to,
        from_=from_,
        twiml=twiml,
        url=url,
        timeout_s=_timeout(one(form, "Timeout", "60")),
        callback=_callback(one(form, "StatusCallback"), code=21609),
        events=events,
        detects_machines=one(form, "MachineDetection") in {"Enable", "DetectMessageEnd"},
        machine_callback=_machine_callback(form),
    )


def _machine_callback(form: Form) -> str:
    """Where the guess is posted while the call goes on; empty where the call waits for it."""
    if one(form, "AsyncAmd") not in {"", "true", "false"}:
        raise Refusal(20001, "AsyncAmd is 'true' or 'false'")
    url = _callback(one(form, "AsyncAmdStatusCallback"), code=21609)
    return url if one(form, "AsyncAmd") == "true" else ""


def _timeout(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MAX_TIMEOUT_S:
        raise Refusal(13223, f"Timeout must be 1 to {MAX_TIMEOUT_S} seconds")
    return int(text)


def _callback(url: str, *, code: int) -> str:
    if url and not URL.fullmatch(url):
        raise Refusal(code, "StatusCallback is not a URL")
    return url


def new_message(account: str, form: Form) -> MessageRecord:
    """Check the form of a new text as Twilio does. Raises Refusal."""
    only(form, MESSAGE_FIELDS)
    to, from_, body = one(form, "To"), one(form, "From"), one(form, "Body")
    if not to:
        raise Refusal(21604, "A 'To' phone number is required")
    if not E164.fullmatch(to):
        raise Refusal(21211, "The 'To' number is not a valid phone number")
    if not from_:
        raise Refusal(21603, "A 'From' phone number is required")
    if not E164.fullmatch(from_):
        raise Refusal(21212, "The 'From' number is not a valid phone number")
    if not body:
        raise Refusal(21602, "Message body is required")
    if len(body) > MAX_BODY_CHARS:
        raise Refusal(21617, f"The message body exceeds {MAX_BODY_CHARS} characters")
    callback = _callback(one(form, "StatusCallback"), code=21609)
    return MessageRecord(account=account, to=to, from_=from_, body=body, callback=callback)


# --------------------------------------------------------------------------- lists

LIST_FIELDS = _names("To From Status ParentCallSid PageSize Page PageToken")
TIMES = {"StartTime": "started", "EndTime": "ended", "DateSent": "sent"}
MAX_PAGE = 1000


def matching(records: Iterable[CallRecord | MessageRecord], query: Form) -> list[CallRecord | MessageRecord]:
    """Filter as the list calls do and put the newest first. Raises Refusal."""
    only(query, LIST_FIELDS | {name + sign for name in TIMES for sign in ("", "<", ">")})
    kept = []
    for record in records:
        wanted = {"To": record.to, "From": record.from_, "Status": record.status}
        if any(one(query, name, value) != value for name, value in wanted.items()):
            continue
        if all(_in_time(record, name, one(query, name)) for name in query if name.rstrip("<>") in TIMES):
            kept.append(record)
    return kept[::-1]


def _in_time(record: CallRecord | MessageRecord, name: str, text: str) -> bool:
    at = getattr(record, TIMES[name.rstrip("<>")], None)
    try:
        limit = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(20001, f"Parameter '{name}' is not a date") from None
    if at is None:
        return False
    if limit.tzinfo is None:
        limit = limit.replace(tzinfo=UTC)
    if name.endswith("<"):
        return bool(at <= limit)
    if name.endswith(">"):
        return bool(at >= limit.replace(microsecond=0))
    return bool(at.date() == limit.date())


def page(records: list[CallRecord | MessageRecord], *, kind: str, path: str, query: Form) -> dict[str, Any]:
    """Give one page of a list as the API shows it. Raises Refusal."""
    try:
        size, number = int(one(query, "PageSize", "50")), int(one(query, "Page", "0"))
    except ValueError:
        raise Refusal(20001, "PageSize and Page are numbers") from None
    if not 1 <= size <= MAX_PAGE or number < 0:
        raise Refusal(20006, f"PageSize is 1 to {MAX_PAGE}, Page is not negative")
    start = size * number
    shown = records[start : start + size]

    def uri(which: int) -> str:
        kept = {name: values[0] for name, values in query.items()}
        return f"{path}?{urlencode(kept | {'PageSize': size, 'Page': which})}"

    return {
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1) if len(records) > start + size else None,
        "previous_page_uri": uri(number - 1) if number else None,
        "page": number,
        "page_size": size,
        "start": start,
        "end": max(start, start + len(shown) - 1),
        "uri": uri(number),
        kind: [record.show() for record in shown],
    }
