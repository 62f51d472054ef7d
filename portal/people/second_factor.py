"""The second factor: an authenticator app or a passkey, compulsory for whoever acts in an office.

Flask-Security sets it up, asks for it and keeps the recovery codes; here stands only who must have one.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from flask_security import wan_deleted, wan_registered
from flask_security.signals import password_changed, tf_disabled, tf_profile_changed

from portal.db import db
from portal.i18n import gettext
from portal.people import texts
from portal.policy import PRIVATE
from portal.words import now

if TYPE_CHECKING:
    from flask import Flask

    from portal.people.models import User
    from portal.policy import Viewer
    from portal.settings import PortalSettings

RECOVERY_CODES: Final = 8
OPEN: Final = frozenset(
    {
        "account.privately",
        "capacity.choose",
        "capacity.switch",
        "home.display",
        "people.language",
        "security.logout",
        "security.mf_recovery_codes",
        "security.two_factor_setup",
        "security.two_factor_token_validation",
        "security.us_verify",
        "security.us_verify_send_code",
        "security.verify",
        "security.wan_register",
        "security.wan_register_response",
    }
)
"""What is open to an office without its second factor: setting one up, or going on as a private person."""


def present(user: User) -> bool:
    """Whether an account has a second factor."""
    if user.tf_primary_method and user.tf_totp_secret:
        return True
    return any(key.usage == "secondary" for key in user.webauthn)


def missing(user: User, acting: Viewer) -> bool:
    """Whether this account acts in an office and lacks what that takes; the demonstration is exempt."""
    return bool(acting.roles - PRIVATE) and not user.demo and not present(user)


def settings(portal: PortalSettings) -> dict[str, Any]:
    """What Flask-Security is told about second factors."""
    key = hashlib.sha256(f"recovery:{portal.secret_key}".encode()).digest()
    return {
        "SECURITY_TWO_FACTOR": True,
        "SECURITY_TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "SECURITY_TWO_FACTOR_RESCUE_EMAIL": False,
        "SECURITY_TWO_FACTOR_SETUP_URL": "/me/second-factor",
        "SECURITY_TWO_FACTOR_TOKEN_VALIDATION_URL": "/login/second",
        "SECURITY_TWO_FACTOR_SELECT_URL": "/login/second/choose",
        "SECURITY_TWO_FACTOR_POST_SETUP_VIEW": "/me/recovery-codes",
        "SECURITY_TWO_FACTOR_SETUP_TEMPLATE": "people/second_factor.html",
        "SECURITY_TWO_FACTOR_VERIFY_CODE_TEMPLATE": "people/second_code.html",
        "SECURITY_TWO_FACTOR_SELECT_TEMPLATE": "people/second_choose.html",
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES": True,
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_N": RECOVERY_CODES,
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS": [base64.urlsafe_b64encode(key)],
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_URL": "/me/recovery-codes",
        "SECURITY_MULTI_FACTOR_RECOVERY_URL": "/login/recovery",
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_TEMPLATE": "people/recovery_codes.html",
        "SECURITY_MULTI_FACTOR_RECOVERY_TEMPLATE": "people/recovery.html",
        "SECURITY_WEBAUTHN": True,
        "SECURITY_WAN_RP_NAME": portal.community_name,
        "SECURITY_WAN_ALLOW_AS_FIRST_FACTOR": False,
        "SECURITY_WAN_ALLOW_AS_VERIFY": None,
        "SECURITY_WAN_REGISTER_URL": "/me/passkeys",
        "SECURITY_WAN_DELETE_URL": "/me/passkeys/delete",
        "SECURITY_WAN_SIGNIN_URL": "/login/passkey",
        "SECURITY_WAN_POST_REGISTER_VIEW": "/me/recovery-codes",
        "SECURITY_WAN_REGISTER_TEMPLATE": "people/passkeys.html",
        "SECURITY_WAN_SIGNIN_TEMPLATE": "people/passkey.html",
    }


def init_app(app: Flask) -> None:
    """Text the owner about every change of how their account is entered."""
    changes = (tf_profile_changed, tf_disabled, wan_registered, wan_deleted, password_changed)
    for change in changes:
        change.connect(_tell, app)


def _tell(_app: Flask, user: User, **_told: object) -> None:
    if user.phone:
        words = gettext("您账号的密码或第二道验证刚刚改过。不是您本人？请马上打居委会电话。")
        texts.send_notice(db.session, user.phone, words, now=now())
