"""Making an account by a code: `invite` lets a browser in, the pages ask for a number and its code.

    from portal.people import signup

    return signup.invite(url_for("join.claim", token=token), phone=known_phone)

Whoever proves the number is signed in, with a new account where the number had none, and is sent to the
path given; the account has no role yet: what it may do is for that page to decide.
Without `invite` the pages are closed: nobody makes an account out of the blue.
"""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, redirect, render_template, request, session, url_for
from flask_security import current_user, login_user

from portal.db import db
from portal.i18n import gettext
from portal.people import codes, texts
from portal.people.codes import Purpose, TooSoon
from portal.people.models import User
from portal.policy import ANYONE, declare
from portal.security import SIGN_IN_LIMIT, limiter, local_path
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

STATE: Final = "sign_up"
"""Where the session keeps that this browser was invited: `next`, and `phone`, `name` once they are known."""
NAME_CHARACTERS: Final = 40

blueprint = Blueprint("signup", __name__, template_folder="templates")


def invite(next_path: str, *, phone: str = "", name: str = "") -> ResponseReturnValue:
    """Let this browser make an account and send it to the page for that; afterwards it goes to `next_path`.

    `phone` (E.164) and `name` fill the fields in where the invitation knows them.
    Who is signed in already goes to `next_path` at once.
    """
    target = local_path(next_path, url_for("home.index"))
    if current_user.is_authenticated:
        return redirect(target)
    session[STATE] = {"next": target, "phone": phone, "name": name}
    return redirect(url_for("signup.number"))


@blueprint.route("/join/number", methods=["GET", "POST"])
@declare(ANYONE)
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def number() -> ResponseReturnValue:
    """Ask for a name and a number, and send the code."""
    state = _invited()
    if request.method == "GET":
        return _number_page(state, {})
    state |= {"name": request.form.get("name", "").strip(), "phone": request.form.get("phone", "").strip()}
    problems = {}
    phone = codes.canonical(state["phone"])
    if not 0 < len(state["name"]) <= NAME_CHARACTERS:
        problems["name"] = gettext("请填写姓名，最多 40 个字。")
    if phone is None:
        problems["phone"] = gettext("这不是完整的手机号，请检查一下。")
    if problems or phone is None:
        return _number_page(state, problems), HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        made = codes.make(db.session, phone, Purpose.SIGN_UP, now=now())
        texts.send_code(db.session, phone, codes.digits_of(made), now=now())
    except TooSoon as soon:
        problems["phone"] = codes.wait_words(soon)
        return _number_page(state, problems), HTTPStatus.TOO_MANY_REQUESTS
    except texts.NoGateway:
        problems["phone"] = gettext("短信现在发不出去。请稍后再试，或到居委会办理。")
        return _number_page(state, problems), HTTPStatus.SERVICE_UNAVAILABLE
    db.session.commit()
    texts.leave_now()
    session[STATE] = state | {"phone": phone}
    return redirect(url_for("signup.code"))


@blueprint.route("/join/code", methods=["GET", "POST"])
@declare(ANYONE)
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def code() -> ResponseReturnValue:
    """Take the code; a right one makes the account, signs in and goes on."""
    state = _invited()
    phone = codes.canonical(state["phone"])
    if phone is None or not state["name"]:
        return redirect(url_for("signup.number"))
    if request.method == "GET":
        return _code_page(state, wrong=False)
    good = codes.check(db.session, phone, Purpose.SIGN_UP, request.form.get("code", ""), now=now())
    db.session.commit()
    if not good:
        return _code_page(state, wrong=True), HTTPStatus.UNPROCESSABLE_ENTITY
    return _enter(account_of(phone, state["name"]), state["next"])


def account_of(phone: str, name: str) -> User:
    """The account of a number that was proved, a new one without a password where there is none."""
    found = db.session.scalar(sa.select(User).where(User.phone == phone))
    if found is not None:
        return found
    made = User(phone=phone, name=name, active=True, fs_uniquifier=uuid.uuid4().hex, made_at=now())
    db.session.add(made)
    db.session.commit()
    return made


def _enter(user: User, target: str) -> ResponseReturnValue:
    live = current_app.config["PORTAL"].mode != "demo"
    if not user.active or (user.demo and live) or user.is_locked():
        abort(HTTPStatus.NOT_FOUND)
    security = current_app.extensions["security"]
    second = security.two_factor_plugins.tf_enter(user, False, "sms", next_loc=target)
    if second is not None:
        return second  # type: ignore[no-any-return]
    login_user(user, remember=False, authn_via=["sign_up"])
    session.pop(STATE, None)
    return redirect(target)


def _invited() -> dict[str, str]:
    state = session.get(STATE)
    if not isinstance(state, dict):
        abort(HTTPStatus.NOT_FOUND)
    return dict(state)


def _number_page(state: dict[str, str], problems: dict[str, str]) -> str:
    page: dict[str, Any] = {"state": state, "problems": problems}
    return render_template("people/signup_number.html", **page)


def _code_page(state: dict[str, str], *, wrong: bool) -> str:
    return render_template("people/signup_code.html", state=state, wrong=wrong)
