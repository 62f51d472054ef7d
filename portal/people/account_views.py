"""My account: what guards it, where I am signed in, another number, closing it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, flash, g, redirect, render_template, request, session, url_for
from flask_security import auth_required, current_user

from portal.api.gateway import ring
from portal.care.changes import account_changed
from portal.care.guardians import roles as guardian_roles
from portal.db import db
from portal.i18n import gettext, ngettext
from portal.people import codes, sign_ins, texts
from portal.people.account_models import SignIn
from portal.people.closing import LastAdministrator, close
from portal.people.codes import Purpose, TooSoon
from portal.people.models import PRIVATE_CAPACITY, User
from portal.policy import SIGNED_IN, declare
from portal.security import CAPACITY, FRESH_FOR, SIGN_IN_LIMIT, limiter
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

NEW_PHONE = "new_phone"
"""Where the session keeps the number that is being proved."""

blueprint = Blueprint("account", __name__, template_folder="templates")
fresh = auth_required("session", within=lambda: FRESH_FOR, grace=lambda: FRESH_FOR)


@blueprint.get("/me/security")
@declare(SIGNED_IN)
def security() -> str:
    """Password, second factor, passkeys, number, and closing the account."""
    return render_template("people/security.html", me=current_user)


@blueprint.post("/me/privately")
@declare(SIGNED_IN)
def privately() -> ResponseReturnValue:
    """Go on as a private person, without the office and its second factor."""
    if PRIVATE_CAPACITY not in current_user.capacities:
        abort(HTTPStatus.NOT_FOUND)
    session[CAPACITY] = PRIVATE_CAPACITY
    return redirect(url_for("home.index"))


# ---------------------------------------------------------------- where I am signed in


@blueprint.get("/me/sign-ins")
@declare(SIGNED_IN)
def list_sign_ins() -> str:
    """Where this account is signed in."""
    rows = sign_ins.of_user(db.session, current_user, now())
    here = g.get("sign_in")
    return render_template("people/sign_ins.html", rows=rows, here=here.id if here is not None else None)


@blueprint.post("/me/sign-ins/<int:sign_in_id>/end")
@declare(SIGNED_IN)
def end_one(sign_in_id: int) -> ResponseReturnValue:
    """End one sign-in of mine: at its next request its browser is signed out, its live page at once."""
    found = db.session.get(SignIn, sign_in_id) if sign_in_id < 2**31 else None
    if found is None or found.user_id != current_user.id:
        abort(HTTPStatus.NOT_FOUND)
    _end(only=found.id)
    flash(gettext("那台设备已退出登录。"), "good")
    return redirect(url_for("account.list_sign_ins"))


@blueprint.post("/me/sign-ins/end-others")
@declare(SIGNED_IN)
def end_others() -> ResponseReturnValue:
    """End every sign-in of mine but this one."""
    here = g.get("sign_in")
    ended = _end(but=here.id if here is not None else 0)
    flash(
        ngettext("已在另外 %(num)s 台设备上退出登录。", "已在另外 %(num)s 台设备上退出登录。", ended), "good"
    )
    return redirect(url_for("account.list_sign_ins"))


def _end(*, only: int | None = None, but: int | None = None) -> int:
    ended = sign_ins.end(db.session, current_user.id, at=now(), only=only, but=but)
    account_changed(db.session, current_user.id)
    db.session.commit()
    ring()
    return ended


# ---------------------------------------------------------------- another number


@blueprint.route("/me/phone", methods=["GET", "POST"])
@declare(SIGNED_IN)
@fresh
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def phone() -> ResponseReturnValue:
    """Ask for the new number and send a code to it."""
    if request.method == "GET":
        return render_template("people/phone.html", typed="", problem="")
    typed = request.form.get("phone", "").strip()
    number = codes.canonical(typed)
    problem, status = "", HTTPStatus.UNPROCESSABLE_ENTITY
    if number is None:
        problem = gettext("这不是完整的手机号，请检查一下。")
    elif number == current_user.phone:
        problem = gettext("这就是您现在的手机号。")
    else:
        try:
            made = codes.make(db.session, number, Purpose.NEW_PHONE, now=now())
            texts.send_code(db.session, number, codes.digits_of(made), now=now())
        except TooSoon as soon:
            problem, status = codes.wait_words(soon), HTTPStatus.TOO_MANY_REQUESTS
        except texts.NoGateway:
            problem, status = gettext("短信现在发不出去。请稍后再试。"), HTTPStatus.SERVICE_UNAVAILABLE
    if problem:
        return render_template("people/phone.html", typed=typed, problem=problem), status
    db.session.commit()
    texts.leave_now()
    session[NEW_PHONE] = number
    return redirect(url_for("account.phone_code"))


@blueprint.route("/me/phone/code", methods=["GET", "POST"])
@declare(SIGNED_IN)
@fresh
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def phone_code() -> ResponseReturnValue:
    """Take the code of the new number; the old one is told."""
    number = session.get(NEW_PHONE)
    if not isinstance(number, str):
        return redirect(url_for("account.phone"))
    if request.method == "GET":
        return render_template("people/phone_code.html", number=number, problem="")
    good = codes.check(db.session, number, Purpose.NEW_PHONE, request.form.get("code", ""), now=now())
    db.session.commit()
    problem = "" if good else gettext("验证码不对，或者已经过期。请再试一次，或重新获取。")
    if good and db.session.scalar(sa.select(User.id).where(User.phone == number)) is not None:
        problem = gettext("这个手机号已经有账号了。请打居委会电话，我们帮您合并。")
    if problem:
        page = render_template("people/phone_code.html", number=number, problem=problem)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    _move_to(number)
    flash(gettext("手机号已换好，以后用新号码登录。"), "good")
    return redirect(url_for("account.security"))


def _move_to(number: str) -> None:
    me = current_user._get_current_object()  # noqa: SLF001  # Flask-Login's own way to the object
    if me.phone:
        words = gettext("您账号的手机号刚刚换成了别的号码。不是您本人？请马上打居委会电话。")
        texts.send_notice(db.session, me.phone, words, now=now())
    me.phone = number
    guardian_roles.admit(db.session, at=now(), user_id=me.id)
    account_changed(db.session, me.id)
    db.session.commit()
    session.pop(NEW_PHONE, None)
    texts.leave_now()


# ---------------------------------------------------------------- closing it


@blueprint.route("/me/close", methods=["GET", "POST"])
@declare(SIGNED_IN)
@fresh
def close_account() -> ResponseReturnValue:
    """Say what goes and what has to stay, and close the account when that was ticked."""
    if request.method == "GET":
        return render_template("people/close.html", problem="")
    problem = ""
    if request.form.get("sure") != "yes":
        problem = gettext("请先勾选“我明白”。")
    else:
        try:
            close(db.session, current_user._get_current_object(), at=now())  # noqa: SLF001  # as above
        except LastAdministrator:
            problem = gettext("您是这里唯一的管理员。请先让另一位同事当管理员。")
    if problem:
        return render_template("people/close.html", problem=problem), HTTPStatus.UNPROCESSABLE_ENTITY
    db.session.commit()
    ring()
    sign_ins.leave()
    flash(gettext("账号已注销。"), "good")
    return redirect(url_for("home.index"))
