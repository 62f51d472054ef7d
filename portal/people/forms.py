"""The forms of accounts."""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask_babel import gettext, lazy_gettext
from flask_security import LoginForm, lookup_identity
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from portal.people.models import User


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
        self.user = lookup_identity((self.phone.data or "").replace(" ", "").replace("-", ""))
        live = current_app.config["PORTAL"].mode != "demo"
        if live and isinstance(self.user, User) and self.user.demo:
            self.user = None
        if super().validate(**kwargs):
            return True
        self.phone.errors = [gettext("手机号或密码不对，请再试一次。")]
        self.password.errors = []
        return False
