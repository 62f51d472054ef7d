"""Texts of the accounts, sent by the gateway's own carriers: codes, and notices about an account."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from flask import current_app

from portal.api import commands
from portal.api.gateway import ring
from portal.care.models import GatewayLine
from portal.care.sites.health import SILENT_AFTER
from portal.i18n import gettext
from portal.people import codes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.told_orders import TextPurpose

NOTICE_FOR: Final = timedelta(hours=6)


class NoGateway(Exception):  # a fact, and said to the reader
    """No gateway was heard lately, so no text can leave the house."""


def gateway(session: Session, *, now: datetime) -> str:
    """The gateway of this portal that was heard last; raises `NoGateway` where none was heard lately."""
    known = list(current_app.config["PORTAL"].gateways)
    query = sa.select(GatewayLine.gateway).where(
        GatewayLine.gateway.in_(known), GatewayLine.heard_at > now - SILENT_AFTER
    )
    found = session.scalar(query.order_by(GatewayLine.heard_at.desc()).limit(1))
    if found is None:
        raise NoGateway
    return found


def send_code(session: Session, phone: str, code: str, *, now: datetime) -> None:
    """Queue the text with a code; raises `NoGateway`.

    Its words leave the order's row when the gateway says that the text has been sent, or will not be.
    """
    words = gettext(
        "您的验证码是 %(code)s，%(minutes)s 分钟内有效。谁也不要告诉，居委会不会向您要。",
        code=code,
        minutes=int(codes.VALID.total_seconds() // 60),
    )
    _queue(session, phone, words, purpose="code", until=now + codes.VALID, now=now)


def send_notice(session: Session, phone: str, words: str, *, now: datetime) -> bool:
    """Queue a notice about an account; False where no gateway was heard lately: a notice stops nothing."""
    try:
        _queue(session, phone, words, purpose="notice", until=now + NOTICE_FOR, now=now)
    except NoGateway:
        return False
    return True


def _queue(
    session: Session, phone: str, words: str, *, purpose: TextPurpose, until: datetime, now: datetime
) -> None:
    site: str = current_app.config["PORTAL"].community_name
    commands.queue(
        session,
        gateway(session, now=now),
        now=now,
        command=f"text-{secrets.token_hex(12)}",
        name="send_text",
        phone=phone,
        text=f"【{site}】{words}",
        until=until,
        purpose=purpose,
    )


def leave_now() -> None:
    """Tell the gateway that waits at the door; call it after the commit."""
    ring()
