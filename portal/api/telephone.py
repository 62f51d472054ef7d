"""The telephone carrier's callbacks: a key pressed during a call, and what became of calls and texts.

The portal has the public address, the gateway has the cascade: what arrives here is queued for the gateway
and, for a key, waited for a moment, so that the person on the line hears the truth.
Signatures are Twilio's `X-Twilio-Signature` (HMAC-SHA1 over the public URL and the form).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa
from flask import Response, abort, current_app, request

from portal.api import commands
from portal.api.gateway import bell, ring
from portal.care.models import Command
from portal.db import db
from portal.words import now

if TYPE_CHECKING:
    from portal.settings import PortalSettings

CONFIRM_WAIT_S = 4.0
"""Twilio gives an answer 15 s; a person on the line gives it less."""
MAX_FORM_BYTES = 64 * 1024
"""A callback has some forty short fields; a longer body is answered 413 before anything else is looked at."""
KEYS = frozenset({"1", "2", "3"})
"""1 takes it, 2 passes it on, 3 takes it and has the wearer's band ring back."""
TAKES_IT = frozenset({"1", "3"})
MACHINES = ("machine", "fax")
UNANSWERED = frozenset({"busy", "no-answer", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the person on the line hears, in one language."""

    language: str
    confirmed: str
    call_back: str
    passed_on: str
    taken: str
    declined: str
    again: str


CHINESE = Phrases(
    language="zh-CN",
    confirmed="已确认，谢谢您。我们会告诉其他亲友由您接手，请尽快赶到。",
    call_back="好的，已由您处理。手环若能拨号，稍后会打给您。",
    passed_on="已收到，正在转达。请尽快赶到，或打电话给其他亲友。",
    taken="已收到。这次求助已经有人在处理，谢谢您。",
    declined="好的，已收到，我们会继续联系其他人。",
    again="没有听清。要接手请按1，不能前往请按2。",
)
ENGLISH = Phrases(
    language="en-US",
    confirmed="Confirmed, thank you. We tell the others that you take it. Please go there soon.",
    call_back="All right, it is yours. The band will call you in a moment, if it can.",
    passed_on="Received, and being passed on. Please go there soon, or call the others.",
    taken="Received. Somebody else is taking care of this already. Thank you.",
    declined="All right. We go on calling the others.",
    again="That was not clear. Press 1 to take it, or 2 if you cannot go.",
)


def _phrases() -> Phrases:
    """The language the call itself was spoken in: the carrier puts it into the address."""
    return ENGLISH if request.args.get("lang") == "en" else CHINESE


def check_signature(settings: PortalSettings) -> None:
    """Stop with 403 unless the carrier signed this very request for our public address.

    The token before the present one counts as well, so that changing it loses no callback.
    """
    from twilio.request_validator import RequestValidator  # noqa: PLC0415  # 0.2 s, only portals with telephones

    request.max_content_length = MAX_FORM_BYTES
    query = request.query_string.decode("ascii", "replace")
    url = settings.public_url.rstrip("/") + quote(request.path) + (f"?{query}" if query else "")
    signature = request.headers.get("X-Twilio-Signature", "")
    tokens = (settings.twilio_auth_token, settings.twilio_previous_auth_token)
    if not any(RequestValidator(one).validate(url, request.form, signature) for one in tokens if one):
        abort(HTTPStatus.FORBIDDEN)


def check(gateway: str) -> None:
    """Stop with 403 for a bad signature, with 404 for a gateway that isn't ours."""
    settings: PortalSettings = current_app.config["PORTAL"]
    check_signature(settings)
    if gateway not in settings.gateways:
        abort(HTTPStatus.NOT_FOUND)


def take_key(gateway: str, leg_id: str) -> Response:
    """Hand a key to the gateway and say what came of it."""
    check(gateway)
    digit = request.form.get("Digits", "")
    if digit not in KEYS:
        return _say_again()
    return _say(_pass_key(gateway, leg_id, digit=digit, reference=request.form.get("CallSid", "")))


def take_text(gateway: str) -> Response:
    """Hand a texted key to the gateway; a text that is no single key gets no answer.

    Only the sender is known: the leg `from:<phone>` is the newest one to that telephone.
    """
    check(gateway)
    from twilio.twiml.messaging_response import MessagingResponse  # noqa: PLC0415  # see check_signature

    twiml = MessagingResponse()
    digit = request.form.get("Body", "").strip()
    if digit in KEYS:
        leg_id = f"from:{request.form.get('From', '')}"
        reference = request.form.get("MessageSid", "")
        twiml.message(_pass_key(gateway, leg_id, digit=digit, reference=reference))
    return Response(str(twiml), mimetype="application/xml")


def _pass_key(gateway: str, leg_id: str, *, digit: str, reference: str) -> str:
    """Queue a key for the gateway, wait a moment for what came of it, and give that in words."""
    name = f"key.{leg_id}.{reference}.{digit}"
    commands.queue(
        db.session,
        gateway,
        now=now(),
        command=name,
        name="key_pressed",
        leg=leg_id,
        digit=digit,
        carrier_ref=reference or None,
    )
    db.session.commit()
    ring()

    def look() -> str | None:
        with db.sessionmaker() as session:
            query = sa.select(Command.state).where(Command.gateway == gateway, Command.command == name)
            state = session.scalar(query)
        return None if state == "queued" else state

    ended = commands.wait_for(look, bell(), timeout_s=CONFIRM_WAIT_S)
    words = _phrases()
    if digit not in TAKES_IT:
        return words.declined
    done = words.call_back if digit == "3" else words.confirmed
    return {"done": done, "refused": words.taken}.get(ended or "", words.passed_on)


def take_status(gateway: str, leg_id: str) -> Response:
    """Hand the status of a call or text to the gateway; late, doubled and reordered ones are its business.

    The guess that a machine picked up is handed on in the place of the status, for it says more.
    """
    check(gateway)
    status = request.form.get("CallStatus") or request.form.get("MessageStatus") or ""
    answered_by = request.form.get("AnsweredBy", "")
    if answered_by.startswith(MACHINES) and status not in UNANSWERED:
        status = answered_by
    elif answered_by and not status:
        return Response(status=HTTPStatus.NO_CONTENT)
    reference = request.form.get("CallSid") or request.form.get("MessageSid") or ""
    sequence = request.form.get("SequenceNumber", "")
    if not status:
        abort(HTTPStatus.BAD_REQUEST)
    commands.queue(
        db.session,
        gateway,
        now=now(),
        command=f"status.{leg_id}.{reference}.{sequence}.{status}",
        name="leg_status",
        leg=leg_id,
        status=status,
        sequence=int(sequence) if sequence.isdecimal() else None,
        carrier_ref=reference or None,
    )
    db.session.commit()
    ring()
    return Response(status=HTTPStatus.NO_CONTENT)


def _say(words: str) -> Response:
    from twilio.twiml.voice_response import VoiceResponse  # noqa: PLC0415  # see check_signature

    twiml = VoiceResponse()
    twiml.say(words, language=_phrases().language)
    twiml.hangup()
    return Response(str(twiml), mimetype="application/xml")


def _say_again() -> Response:
    from twilio.twiml.voice_response import VoiceResponse  # noqa: PLC0415  # see check_signature

    twiml = VoiceResponse()
    settings: PortalSettings = current_app.config["PORTAL"]
    words = _phrases()
    action = settings.public_url.rstrip("/") + quote(request.path) + ("?lang=en" if words is ENGLISH else "")
    gather = twiml.gather(num_digits=1, finish_on_key="", timeout=8, action=action, method="POST")
    gather.say(words.again, language=words.language)
    return Response(str(twiml), mimetype="application/xml")
