"""The forms of signing in: by phone and password, by phone and a code sent to it."""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask_babel import gettext, lazy_gettext
from flask_security import LoginForm, UnifiedSigninForm, UnifiedVerifyForm, current_user, lookup_identity
from flask_security.recovery_codes import MfRecoveryForm
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from portal.db import db
from portal.people import codes, texts
from portal.people.codes import Purpose, TooSoon
from portal.people.models import User
from portal.words import now


def account_at(typed: str | None) -> User | None:
    """The account a number as typed may sign in to; None for nobody, and for what is not let in here."""
    found = lookup_identity((typed or "").replace(" ", "").replace("-", ""))
    if not isinstance(found, User) or not found.active:
        return None
    live = current_app.config["PORTAL"].mode != "demo"
    return None if live and found.demo else found


class PhoneLoginForm(LoginForm):
    """Sign in by phone and password; the phone may be typed as eleven digits or in E.164."""

    email = None
    phone = StringField(
        lazy_gettext("手机号"),
        validators=[DataRequired(lazy_gettext("请填写手机号")), Length(max=20)],
        render_kw={"autocomplete": "username", "inputmode": "tel"},
    )

    def validate(self, **kwargs: Any) -> bool:
        """Find the account by its phone, then let Flask-Security check the password and the rest.

        Whatever was wrong, the answer is the same: it tells nobody whether there is such an account.
        """
        self.ifield = self.phone
        self.user = account_at(self.phone.data)
        if super().validate(**kwargs):
            return True
        self.phone.errors = [gettext("手机号或密码不对，请再试一次。")]
        self.password.errors = []
        return False


class CodeLoginForm(UnifiedSigninForm):
    """Sign in by phone and a code: asking for one, and typing it in, by the same form.

    After asking, `sent` says that the page for typing comes next: with an account and without one.
    `problem` is what the reader is told, the same for either.
    """

    sent: bool = False
    problem: str = ""

    def validate(self, **kwargs: Any) -> bool:
        """Send a code where there is somebody to send it to; let Flask-Security judge a typed one."""
        phone = codes.canonical(self.identity.data or "")
        if phone is None:
            self.problem = gettext("这不是完整的手机号，请检查一下。")
            return False
        self.identity.data = phone
        found = account_at(phone)
        if self.submit_send_code.data:
            return self._ask(phone, found)
        self.sent = True
        if found is not None and super().validate(**kwargs):
            return True
        self.problem = gettext("验证码不对，或者已经过期。请再试一次，或重新获取。")
        return False

    def _ask(self, phone: str, account: User | None) -> bool:
        """Make the code and say whether Flask-Security is to send it."""
        self.chosen_method.data = "sms"
        try:
            texts.gateway(db.session, now=now())
            codes.make(db.session, phone, Purpose.SIGN_IN, now=now())
        except TooSoon as soon:
            self.sent = codes.live(db.session, phone, Purpose.SIGN_IN, now=now()) is not None
            self.problem = codes.wait_words(soon)
            return False
        except texts.NoGateway:
            self.problem = gettext("短信现在发不出去。请用密码登录，或打居委会电话。")
            return False
        db.session.commit()
        self.sent = True
        if account is None:
            return False
        self.user = account
        return True


class RecoveryForm(MfRecoveryForm):
    """Take a recovery code in place of the second factor; a wrong one counts like a wrong password."""

    def validate(self, **kwargs: Any) -> bool:
        """Judge the code; a locked account takes none, and its answer is the same as to a wrong one."""
        assert isinstance(self.user, User)
        if self.user.is_locked():
            self.code.errors = [gettext("这个恢复码不对，或已经用过。")]
            return False
        if super().validate(**kwargs):
            return True
        self.user.track_failed_authn("recovery", tfa=True)
        return False


class CodeVerifyForm(UnifiedVerifyForm):
    """Say again who you are, by a code to the telephone of the account."""

    sent: bool = False
    problem: str = ""

    def validate(self, **kwargs: Any) -> bool:
        """Make a code to be sent, or let Flask-Security judge a typed one."""
        if self.submit_send_code.data:
            self.chosen_method.data = "sms"
            return self._ask(current_user.phone) and super().validate(**kwargs)
        self.sent = True
        if super().validate(**kwargs):
            return True
        self.problem = gettext("验证码不对，或者已经过期。请再试一次，或重新获取。")
        return False

    def _ask(self, phone: str | None) -> bool:
        if not phone:
            return False
        try:
            texts.gateway(db.session, now=now())
            codes.make(db.session, phone, Purpose.SIGN_IN, now=now())
        except TooSoon as soon:
            self.sent, self.problem = True, codes.wait_words(soon)
            return False
        except texts.NoGateway:
            self.problem = gettext("短信现在发不出去。请稍后再试。")
            return False
        db.session.commit()
        self.sent = True
        return True
