"""Codes of six digits (RFC 6238) by Flask-Security's TOTP, on the portal's clock, each of them taken once.

Two kinds come through here: those of an authenticator app, which count for their 30 s and one step around,
and those sent to a telephone, which count for five minutes: `portal.people.codes` keeps their book.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import has_app_context
from flask_security import Totp, UserMixin
from passlib.totp import TOTP, TokenError  # type: ignore[import-untyped]

from portal.db import db
from portal.people import codes
from portal.people.models import User
from portal.words import now

if TYPE_CHECKING:
    from passlib.totp import TotpMatch

STEP_S = 30


class PortalTotp(Totp):
    """Flask-Security's codes, with its guard against replay filled in."""

    def __init__(self, secrets: dict[str, str] | dict[int, str], issuer: str) -> None:
        super().__init__(secrets, issuer)
        self._totp = TOTP.using(issuer=issuer, secrets=secrets, now=_seconds)

    def verify_totp(self, token: str, totp_secret: str, user: UserMixin, window: int = 0) -> bool:
        """Whether this is the code that was sent, or one of the authenticator nobody used yet."""
        row = codes.of_secret(db.session, totp_secret)
        if row is not None:
            taken = codes.take(db.session, row, token, now=now())
            db.session.commit()  # a failed try counts, whatever becomes of the request
            return taken
        if user.is_locked():
            return False
        return bool(super().verify_totp(token, totp_secret, user, window=STEP_S if window else 0))

    def get_last_counter(self, user: UserMixin) -> int | None:
        """The step of the last code of this account's authenticator."""
        return _ours(user).totp_last_counter

    def set_last_counter(self, user: UserMixin, tmatch: TotpMatch) -> None:
        """Remember the step of a code that was taken."""
        _ours(user).totp_last_counter = tmatch.counter

    def code_at(self, totp_secret: str, seconds: float) -> str:
        """The code of a secret at a time (seconds since 1970)."""
        return str(self._totp.from_source(totp_secret).generate(time=seconds).token)

    def matches_at(self, totp_secret: str, token: str, seconds: float) -> bool:
        """Whether this is the code of a secret at a time, and of no step around it."""
        try:
            self._totp.from_source(totp_secret).match(token, time=seconds, window=0)
        except TokenError:
            return False
        return True


def _seconds() -> float:
    return now().timestamp() if has_app_context() else time.time()


def _ours(user: UserMixin) -> User:
    assert isinstance(user, User)  # the only kind there is
    return user
