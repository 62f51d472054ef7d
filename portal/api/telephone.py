"""The telephone carrier's callbacks: a key pressed during a call, and what became of calls and texts.

The portal has the public address, the gateway has the cascade: what arrives here is queued for the gateway
and, for a key, waited for a moment, so that the person on the line hears the truth.
Signatures are Twilio's `X-Twilio-Signature` (HMAC-SHA1 over the public URL and the form).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

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
KEYS = frozenset({"1", "2"})
LANGUAGE = "zh-CN"

CONFIRMED = "已确认，谢谢您。我们会告诉其他亲友由您接手，请尽快赶到。"
PASSED_ON = "已收到，正在转达。请尽快赶到，或打电话给其他亲友。"
TAKEN = "已收到。这次求助已经有人在处理，谢谢您。"
DECLINED = "好的，已收到，我们会继续联系其他人。"
AGAIN = "没有听清。要接手请按1，不能前往请按2。"


def check_signature(settings: PortalSettings) -> None:
    """Stop with 403 unless the carrier signed this very request for our public address."""
    from twilio.request_validator import RequestValidator  # noqa: PLC0415  # 0.2 s, only portals with telephones

    if not settings.twilio_auth_token:
        abort(HTTPStatus.FORBIDDEN)
    url = settings.public_url.rstrip("/") + request.full_path.rstrip("?")
    validator = RequestValidator(settings.twilio_auth_token)
    signature = request.headers.get("X-Twilio-Signature", "")
    if not validator.validate(url, request.form, signature):
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
    if digit != "1":
        return DECLINED
    return {"done": CONFIRMED, "refused": TAKEN}.get(ended or "", PASSED_ON)


def take_status(gateway: str, leg_id: str) -> Response:
    """Hand the status of a call or text to the gateway; late, doubled and reordered ones are its business."""
    check(gateway)
    status = request.form.get("CallStatus") or request.form.get("MessageStatus") or ""
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
    twiml.say(words, language=LANGUAGE)
    twiml.hangup()
    return Response(str(twiml), mimetype="application/xml")


def _say_again() -> Response:
    from twilio.twiml.voice_response import VoiceResponse  # noqa: PLC0415  # see check_signature

    twiml = VoiceResponse()
    settings: PortalSettings = current_app.config["PORTAL"]
    action = settings.public_url.rstrip("/") + request.path
    gather = twiml.gather(num_digits=1, timeout=8, action=action, method="POST")
    gather.say(AGAIN, language=LANGUAGE)
    return Response(str(twiml), mimetype="application/xml")
