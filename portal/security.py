"""Who is at the door: sign-in, sessions, CSRF, rate limits, headers, and the policy of every view.

The order of one request: who is it (session) -> may they (policy) -> CSRF -> the view -> headers.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, abort, current_app, g, jsonify, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_security import Security, current_user, uia_phone_mapper
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError

from portal.db import db
from portal.i18n import gettext
from portal.people import second_factor, sign_ins
from portal.people.forms import CodeLoginForm, CodeVerifyForm, PhoneLoginForm, RecoveryForm
from portal.people.guarding import Accounts
from portal.people.models import Passkey, Role, User
from portal.people.sign_ins import PRIVATE_KEPT
from portal.people.totp import PortalTotp
from portal.policy import ANYONE, CLOSED, NOBODY, PRIVATE, SIGNED_IN, Policy, Verdict, Viewer, declared, judge
from portal.streaming.address import stream_origin
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue, ResponseValue
    from werkzeug.exceptions import HTTPException
    from werkzeug.wrappers import Response

    from portal.settings import PortalSettings

FRESH_FOR = timedelta(minutes=15)
"""For so long after signing in, or confirming, somebody may change what guards their account."""
CAPACITY = "capacity"
"""Where the session keeps in which of their capacities a person acts."""
SIGN_IN_LIMIT = "10 per minute; 60 per hour"
"""Of one address, for whatever takes a password or a code."""
MACHINE_PATHS = ("/api/", "/twilio/")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(self), microphone=(), payment=(), usb=()",
}

FOREIGN_POLICIES: dict[str, Policy] = {
    "static": ANYONE,
    "security.static": ANYONE,
    "security.login": ANYONE,
    "security.logout": SIGNED_IN,
    "security.verify": SIGNED_IN,
    "security.change_password": SIGNED_IN,
    "security.two_factor_setup": SIGNED_IN,
    "security.two_factor_setup_validate": CLOSED,
    "security.two_factor_token_validation": ANYONE,
    "security.two_factor_rescue": CLOSED,
    "security.tf_select": ANYONE,
    "security.mf_recovery": ANYONE,
    "security.mf_recovery_codes": SIGNED_IN,
    "security.wan_register": SIGNED_IN,
    "security.wan_register_response": SIGNED_IN,
    "security.wan_delete": SIGNED_IN,
    "security.wan_signin": ANYONE,
    "security.wan_signin_response": ANYONE,
    "security.us_signin": ANYONE,
    "security.us_signin_send_code": ANYONE,
    "security.us_setup": CLOSED,
    "security.us_setup_validate": CLOSED,
    "security.us_verify": SIGNED_IN,
    "security.us_verify_send_code": SIGNED_IN,
    "security.us_verify_link": CLOSED,
}
"""Policies of views that libraries brought along and that cannot declare their own."""

LIMITED = (
    "security.login",
    "security.us_signin",
    "security.us_signin_send_code",
    "security.verify",
    "security.us_verify",
    "security.us_verify_send_code",
    "security.two_factor_token_validation",
    "security.mf_recovery",
    "security.wan_signin_response",
    "security.change_password",
)
"""Views of libraries that take a password or a code, or send one."""
UNGUARDED = frozenset({"static", "security.static"})
"""What is the same for everybody, and asks nobody who they are."""

SECOND_STEP = "security.two_factor_token_validation"

csrf = CSRFProtect()
limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)


def init_app(app: Flask, settings: PortalSettings) -> None:
    """Put the doors in: Flask-Security, CSRF, limits, policies, headers and error pages."""
    https = settings.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="shouwang",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        REMEMBER_COOKIE_HTTPONLY=True,
        REMEMBER_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_SECURE=https,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=PRIVATE_KEPT.absolute,
        WTF_CSRF_TIME_LIMIT=None,
        SECURITY_PASSWORD_SALT=settings.password_salt,
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106  # the name of a function, not a password
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_DEPRECATED_PASSWORD_SCHEMES=[],
        SECURITY_PASSWORD_REQUIRED=False,
        SECURITY_API_ENABLED_METHODS=["session"],
        SECURITY_DATETIME_FACTORY=now,
        SECURITY_USER_IDENTITY_ATTRIBUTES=[
            {"phone": {"mapper": uia_phone_mapper}},
            {"us_phone_number": {"mapper": uia_phone_mapper}},
        ],
        SECURITY_UNIFIED_SIGNIN=True,
        SECURITY_US_ENABLED_METHODS=["sms"],
        SECURITY_US_MFA_REQUIRED=["sms"],
        SECURITY_US_SIGNIN_URL="/login/code",
        SECURITY_US_SIGNIN_SEND_CODE_URL="/login/code/send",
        SECURITY_US_SIGNIN_TEMPLATE="people/login_code.html",
        SECURITY_VERIFY_URL="/me/confirm",
        SECURITY_VERIFY_TEMPLATE="people/verify.html",
        SECURITY_US_VERIFY_URL="/me/confirm/code",
        SECURITY_US_VERIFY_SEND_CODE_URL="/me/confirm/code/send",
        SECURITY_US_VERIFY_TEMPLATE="people/verify_code.html",
        SECURITY_FRESHNESS=FRESH_FOR,
        SECURITY_FRESHNESS_GRACE_PERIOD=FRESH_FOR,
        SECURITY_CHANGEABLE=True,
        SECURITY_CHANGE_URL="/me/password",
        SECURITY_CHANGE_PASSWORD_TEMPLATE="people/password.html",  # noqa: S106  # a file
        SECURITY_POST_CHANGE_VIEW="/me/security",
        **second_factor.settings(settings),
        SECURITY_TOTP_SECRETS={1: settings.secret_key},
        SECURITY_TOTP_ISSUER=f"{settings.community_name} 守望",
        SECURITY_PHONE_REGION_DEFAULT="CN",
        SECURITY_FLASH_MESSAGES=False,
        SECURITY_JOIN_USER_ROLES=False,
        SECURITY_LOGIN_USER_TEMPLATE="people/login.html",
        SECURITY_SEND_PASSWORD_CHANGE_EMAIL=False,
    )
    csrf.init_app(app)
    limiter.init_app(app)
    security = Security(
        app,
        Accounts(db, User, Role, Passkey),
        login_form=PhoneLoginForm,
        us_signin_form=CodeLoginForm,
        us_verify_form=CodeVerifyForm,
        mf_recovery_form=RecoveryForm,
        totp_cls=PortalTotp,
    )
    for endpoint in LIMITED:
        limited: Any = limiter.limit(SIGN_IN_LIMIT, methods=["POST"])(app.view_functions[endpoint])
        app.view_functions[endpoint] = limited
    security.reauthn_handler(_ask_again)
    sign_ins.init_app(app)
    second_factor.init_app(app)
    app.before_request(_check_sign_in)
    app.before_request(_keep_signed_in)
    app.before_request(_check_policy)
    app.after_request(_add_headers)
    app.context_processor(lambda: {"viewer": viewer(), "lacks_second_factor": lacks_second_factor})
    app.register_error_handler(CSRFError, _csrf_failed)
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ):
        app.register_error_handler(status, _error_page)


def viewer() -> Viewer:
    """Who looks at the current request; asked of the session once, then remembered."""
    known: Viewer | None = g.get("viewer")
    if known is None:
        known = g.viewer = _viewer_of_session()
    return known


def policy_of(app: Flask, endpoint: str) -> Policy | None:
    """The policy of an endpoint, None when nobody declared one."""
    return FOREIGN_POLICIES.get(endpoint) or declared(app.view_functions.get(endpoint))


def local_path(target: str | None, default: str) -> str:
    """`target` when it is a path on this site, else `default`: no redirect leaves the house."""
    if target and target.startswith("/") and not target.startswith("//") and "\\" not in target:
        return target
    return default


def _viewer_of_session() -> Viewer:
    user = current_user
    if not getattr(user, "is_authenticated", False):
        return NOBODY
    if user.demo and current_app.config["PORTAL"].mode != "demo":
        return NOBODY
    found: Viewer = user.viewer_in(session.get(CAPACITY))
    return user.private_viewer if second_factor.missing(user, found) else found


def lacks_second_factor() -> bool:
    """Whether this account acts in an office it has not secured yet: only setting that up is open."""
    if not viewer().signed_in:
        return False
    return second_factor.missing(current_user, current_user.viewer_in(session.get(CAPACITY)))


def _check_sign_in() -> None:
    if request.endpoint in UNGUARDED or not current_user.is_authenticated:
        return
    acting: Viewer = current_user.viewer_in(session.get(CAPACITY))
    sign_ins.check(office=bool(acting.roles - PRIVATE))


def _keep_signed_in() -> ResponseReturnValue | None:
    """Send who is signed in already past the second step: opened out of turn, it would sign them out."""
    if request.endpoint != SECOND_STEP or not current_user.is_authenticated:
        return None
    if session.get("tf_state") == "validating_profile":
        return None
    return redirect(url_for("people.me"))


def _ask_again(_within: timedelta, _grace: timedelta) -> ResponseValue:
    """Before something grave: who you are once more, by password, or by a code where there is none."""
    if wants_json():
        answer = jsonify(error="confirm")
        answer.status_code = HTTPStatus.UNAUTHORIZED
        return answer
    view = "security.verify" if current_user.password else "security.us_verify"
    back = request.full_path.rstrip("?") if request.method == "GET" else url_for("account.security")
    return redirect(url_for(view, next=back))


def _check_policy() -> ResponseReturnValue | None:
    if request.endpoint is None:
        return None
    policy = policy_of(current_app, request.endpoint)
    if policy is not None and policy.anyone:
        return None
    if policy is not None and not policy.closed and lacks_second_factor():
        if request.endpoint in second_factor.OPEN:
            return None
        if wants_json():
            return jsonify(error="second_factor"), HTTPStatus.UNAUTHORIZED
        return redirect(url_for("security.two_factor_setup"))
    verdict = judge(policy, viewer())
    if verdict is Verdict.ALLOWED:
        return None
    if verdict is Verdict.NOT_FOUND:
        abort(HTTPStatus.NOT_FOUND)
    if wants_json():
        return jsonify(error="sign_in"), HTTPStatus.UNAUTHORIZED
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("security.login", next=back))


def wants_json() -> bool:
    """Whether the caller is a program: a machine path, or a fetch that says so."""
    if request.path.startswith(MACHINE_PATHS):
        return True
    best = request.accept_mimetypes.best_match(("text/html", "application/json"), default="text/html")
    return best == "application/json"


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    elsewhere = stream_origin()
    if elsewhere:
        response.headers["Content-Security-Policy"] += f"; connect-src 'self' {elsewhere}"
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store" if viewer_known() else "no-cache")
    return response


def viewer_known() -> bool:
    """Whether this answer was made for somebody signed in, and so must not be kept by a cache."""
    known: Viewer | None = g.get("viewer")
    return known is not None and known.signed_in


def _csrf_failed(error: CSRFError) -> ResponseReturnValue:
    return _answer(
        HTTPStatus.BAD_REQUEST,
        str(error.description),
        gettext("页面放久了，请刷新后再试一次。"),
    )


def _error_page(error: HTTPException) -> ResponseReturnValue:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    words = {
        HTTPStatus.NOT_FOUND: gettext("这里没有您要找的内容。"),
        HTTPStatus.TOO_MANY_REQUESTS: gettext("尝试次数太多，请过几分钟再来。"),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: gettext("文件太大了，请换一个小一点的。"),
        HTTPStatus.SERVICE_UNAVAILABLE: gettext("现在人很多，请稍等再刷新。"),
        HTTPStatus.INTERNAL_SERVER_ERROR: gettext("我们这边出了点问题，您填写的内容没有提交。请稍后再试。"),
    }
    return _answer(
        status,
        status.phrase,
        words.get(status, gettext("这一步没有完成，请返回后再试。")),
    )


def _answer(status: HTTPStatus, reason: str, words: str) -> ResponseReturnValue:
    if wants_json():
        return jsonify(error=reason), status
    page: dict[str, Any] = {"status": int(status), "words": words}
    return render_template("people/error.html", **page), status
