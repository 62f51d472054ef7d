"""Codes sent to a telephone: six digits, five minutes, taken once, five tries, the newest only.

What is stored is the sealed secret a code was made from, never the code.
A request is counted per number and per address before anybody asks whether the number has an account:
the answer is the same either way.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import phonenumbers
import sqlalchemy as sa
from flask import current_app, request

from portal.i18n import gettext
from portal.people.account_models import PhoneCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from portal.people.totp import PortalTotp

VALID: Final = timedelta(minutes=5)
AGAIN_AFTER: Final = timedelta(seconds=60)
TRIES: Final = 5
DIGITS: Final = 6
NUMBER_LIMITS: Final = ((timedelta(hours=1), 5), (timedelta(days=1), 10))
"""How many codes one number is sent in such a time, for whatever purpose."""
ADDRESS_LIMITS: Final = ((timedelta(hours=1), 30), (timedelta(days=1), 100))
"""How many codes one address asks for; a whole building may share one."""
KEPT: Final = timedelta(days=1)


class Purpose(StrEnum):
    """What a code is good for; one made for one purpose is worth nothing for another."""

    SIGN_IN = "sign_in"
    SIGN_UP = "sign_up"
    NEW_PHONE = "new_phone"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class TooSoon(Exception):  # it says when, and is shown
    """Too many codes for this number or from this address; one may be asked for again after `wait`."""

    wait: timedelta

    @property
    def wait_s(self) -> int:
        """The same in whole seconds, at least one."""
        return max(1, round(self.wait.total_seconds()))


def canonical(typed: str) -> str | None:
    """A telephone number as people type it, in E.164; None for what is none."""
    try:
        number = phonenumbers.parse(typed.strip(), "CN")
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def make(session: Session, phone: str, purpose: Purpose, *, now: datetime) -> PhoneCode:
    """A new code for this number, which ends every older one; `digits_of` its row are what is sent.

    Raises `TooSoon` where the number, or the address of the request, asked too often.
    """
    sender = _sender()
    _check_limits(session, phone, sender, now)
    session.execute(sa.delete(PhoneCode).where(PhoneCode.sent_at < now - KEPT))
    older = sa.update(PhoneCode).where(PhoneCode.phone == phone, PhoneCode.purpose == purpose.value)
    session.execute(older.where(PhoneCode.used_at.is_(None)).values(used_at=now))
    secret = _totp().generate_totp_secret()
    row = PhoneCode(phone=phone, purpose=purpose.value, secret=secret, sender=sender, sent_at=now, tries=0)
    session.add(row)
    session.flush()
    return row


def digits_of(row: PhoneCode) -> str:
    """The six digits of a code, to be texted and forgotten."""
    return _totp().code_at(row.secret, row.sent_at.timestamp())


def live(session: Session, phone: str, purpose: Purpose, *, now: datetime) -> PhoneCode | None:
    """The code of this number and purpose that still counts."""
    query = sa.select(PhoneCode).where(PhoneCode.phone == phone, PhoneCode.purpose == purpose.value)
    row = session.scalar(query.order_by(PhoneCode.id.desc()).limit(1))
    return row if row is not None and _counts(row, now) else None


def of_secret(session: Session, secret: str) -> PhoneCode | None:
    """The code made from this sealed secret."""
    return session.scalar(sa.select(PhoneCode).where(PhoneCode.secret == secret))


def take(session: Session, row: PhoneCode, typed: str, *, now: datetime) -> bool:
    """Whether these are the digits that were sent; a right answer uses the code up, a wrong one a try.

    The caller commits, after a wrong answer as well.
    """
    if not _counts(row, now):
        return False
    digits = "".join(sign for sign in typed if sign.isdigit())
    right = len(digits) == DIGITS and _totp().matches_at(row.secret, digits, row.sent_at.timestamp())
    won = sa.update(PhoneCode).where(PhoneCode.id == row.id, PhoneCode.used_at.is_(None))
    won = won.where(PhoneCode.tries < TRIES)
    change = {"used_at": now} if right else {"tries": PhoneCode.tries + 1}
    done = session.execute(won.values(change).execution_options(synchronize_session="fetch"))
    return right and getattr(done, "rowcount", 0) == 1


def check(session: Session, phone: str, purpose: Purpose, typed: str, *, now: datetime) -> bool:
    """Whether `typed` is the live code of this number and purpose; the caller commits either way."""
    row = live(session, phone, purpose, now=now)
    return row is not None and take(session, row, typed, now=now)


def wait_words(soon: TooSoon) -> str:
    """When the next code may be asked for."""
    if soon.wait_s < 120:  # noqa: PLR2004  # two minutes: below, seconds say more
        return gettext("刚发过一条，请 %(seconds)s 秒后再要。", seconds=soon.wait_s)
    return gettext("要的次数太多了，请 %(minutes)s 分钟后再试。", minutes=-(-soon.wait_s // 60))


def _counts(row: PhoneCode, now: datetime) -> bool:
    return row.used_at is None and row.tries < TRIES and now - row.sent_at <= VALID


def _check_limits(session: Session, phone: str, sender: str, now: datetime) -> None:
    last = session.scalar(sa.select(sa.func.max(PhoneCode.sent_at)).where(PhoneCode.phone == phone))
    if last is not None and now - last < AGAIN_AFTER:
        raise TooSoon(AGAIN_AFTER - (now - last))
    for column, value, limits in (
        (PhoneCode.phone, phone, NUMBER_LIMITS),
        (PhoneCode.sender, sender, ADDRESS_LIMITS),
    ):
        for within, most in limits:
            query = sa.select(PhoneCode.sent_at).where(column == value, PhoneCode.sent_at > now - within)
            sent = session.scalars(query.order_by(PhoneCode.sent_at.desc()).limit(most)).all()
            if len(sent) == most:
                raise TooSoon(within - (now - sent[-1]))


def _sender() -> str:
    key: str = current_app.config["PORTAL"].secret_key
    return hmac.new(key.encode(), f"sender:{request.remote_addr}".encode(), hashlib.sha256).hexdigest()


def _totp() -> PortalTotp:
    factory: PortalTotp = current_app.extensions["security"].totp_factory
    return factory
