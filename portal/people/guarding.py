"""What Flask-Security asks of an account: is it locked, who must give a second factor, how is a code sent."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from flask_security import FSQLALiteUserDatastore
from sqlalchemy.orm import joinedload

from portal.db import db
from portal.i18n import gettext
from portal.people import codes, texts
from portal.people.codes import Purpose
from portal.words import now

if TYPE_CHECKING:
    from flask_security import UserMixin

    from portal.people.models import User

FREE_FAILURES: Final = 5
"""So many failures in a row are a person who mistypes; each further one locks the account for longer."""
FIRST_LOCK: Final = timedelta(minutes=1)
LONGEST_LOCK: Final = timedelta(hours=1)


def lock_time(failures: int) -> timedelta:
    """For how long so many failures in a row lock an account: 1, 2, 4 … minutes, an hour at most."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    doubled: int = 2 ** min(failures - FREE_FAILURES, 10)
    return min(FIRST_LOCK * doubled, LONGEST_LOCK)


def note_failure(user: User) -> None:
    """Count a failed sign-in; lock the account where there were too many, and text its owner the first time.

    Commits: a failure counts whatever becomes of the request.
    """
    at = now()
    user.failed_sign_ins += 1
    wait = lock_time(user.failed_sign_ins)
    if wait:
        user.locked_until = at + wait
    if user.failed_sign_ins == FREE_FAILURES and user.phone:
        words = gettext(
            "有人连续 %(num)s 次没能登录您的账号，我们已先锁住。不是您本人？请打居委会电话。",
            num=FREE_FAILURES,
        )
        texts.send_notice(db.session, user.phone, words, now=at)
    db.session.add(user)
    db.session.commit()
    texts.leave_now()


def text_code(user: User) -> str | None:
    """Text the code that was just made for this account; words for the reader where no gateway is there."""
    row = codes.live(db.session, user.phone, Purpose.SIGN_IN, now=now()) if user.phone else None
    if row is None or row.phone != user.phone:
        return gettext("短信现在发不出去。请用密码登录，或打居委会电话。")
    code = codes.digits_of(row)
    try:
        texts.send_code(db.session, row.phone, code, now=now())
    except texts.NoGateway:
        return gettext("短信现在发不出去。请用密码登录，或打居委会电话。")
    db.session.commit()
    texts.leave_now()
    return None


@cache
def _of_session() -> sa.Select[User]:
    """Ask for an account with all it acts on; built once, as building costs more than asking."""
    from portal.people.models import User  # noqa: PLC0415  # the models name this module

    one = User.fs_uniquifier == sa.bindparam("fs_uniquifier")
    return sa.select(User).where(one).options(joinedload(User.grants))


class Accounts(FSQLALiteUserDatastore):
    """Flask-Security's datastore, where the secret of a code by text lives in the book of codes."""

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> UserMixin | None:  # noqa: FBT001, FBT002  # theirs
        """Find an account; the one a session names, asked for with every page, in one question."""
        found: Any
        if kwargs.keys() == {"fs_uniquifier"}:
            found = db.session.scalars(_of_session(), kwargs).unique().one_or_none()
        else:
            found = super().find_user(case_insensitive, **kwargs)
        account: UserMixin | None = found
        return account

    def us_get_totp_secrets(self, user: UserMixin) -> dict[str, str]:
        """The secret of the code that was sent to this account and still counts."""
        phone = user.us_phone_number
        row = codes.live(db.session, phone, Purpose.SIGN_IN, now=now()) if phone else None
        return {} if row is None else {"sms": row.secret}
