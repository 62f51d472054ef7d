"""Sign-ins: each has a name of its own in the session cookie and a row, and is worth nothing once that ended.

A sign-in ends by signing out, by being revoked, by a new password, after its idle time, and at its absolute
limit; both are short while somebody acts in an office.
What the browser brought along before signing in is dropped: a session planted there signs nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from flask import g, request, session
from flask_login import user_logged_out
from flask_security import current_user, logout_user, user_authenticated

from portal.db import READING_METHODS, db, writing
from portal.people.account_models import SignIn
from portal.words import now

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

    from portal.people.models import User

NAME: Final = "sign_in"
"""Where the session keeps the name of its sign-in."""
SURVIVES: Final = frozenset({"language", "sign_up"})
"""What of a session from before signing in lives on, beside what Flask-Login and Flask-Security keep."""
LIBRARY_KEYS: Final = ("_", "fs_")
SEEN_EVERY: Final = timedelta(minutes=5)
_NAMED: Final = sa.select(SignIn).where(SignIn.digest == sa.bindparam("digest"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a sign-in may lie idle, and how old it may become."""

    idle: timedelta
    absolute: timedelta


OFFICE: Final = Limits(idle=timedelta(minutes=60), absolute=timedelta(hours=12))
"""A page that is being watched live counts as use: a duty desk stays open for a shift."""
PRIVATE: Final = Limits(idle=timedelta(hours=12), absolute=timedelta(days=1))
PRIVATE_KEPT: Final = Limits(idle=timedelta(days=60), absolute=timedelta(days=180))
"""Where the person asked to stay signed in on their own device."""
CARD: Final = Limits(idle=timedelta(minutes=10), absolute=timedelta(hours=1))
"""At the community's tablet, which others use next."""


def limits_of(row: SignIn, *, office: bool) -> Limits:
    """The limits of a sign-in while its owner acts in this capacity."""
    if row.way == "card":
        return CARD
    if office:
        return OFFICE
    return PRIVATE_KEPT if row.kept else PRIVATE


def over(row: SignIn, *, office: bool, at: datetime) -> bool:
    """Whether a sign-in has ended, by somebody's hand or by its limits."""
    limits = limits_of(row, office=office)
    return row.ended_at is not None or at - row.seen_at > limits.idle or at - row.started_at > limits.absolute


def init_app(app: Flask) -> None:
    """Begin a row at every sign-in and end it at every sign-out."""
    user_authenticated.connect(_begin, app)
    user_logged_out.connect(_leave, app)


def check(*, office: bool) -> None:
    """End the request's session where its sign-in is over; note now and then that it is in use."""
    row = current(db.session)
    at = now()
    if row is None or row.user_id != current_user.id or over(row, office=office, at=at):
        leave()
        return
    g.sign_in = row
    capacity = "office" if office else "private"
    if at - row.seen_at < SEEN_EVERY and row.capacity == capacity:
        return
    if request.method in READING_METHODS:
        change = sa.update(SignIn).where(SignIn.id == row.id).values(seen_at=at, capacity=capacity)
        with writing() as store:
            store.execute(change)
    else:
        row.seen_at, row.capacity = at, capacity


def leave() -> None:
    """Sign the browser out, and forget what its session held."""
    kept = {key: value for key, value in session.items() if key in SURVIVES}
    logout_user()
    session.clear()
    session.update(kept)
    g.pop("viewer", None)  # whoever heard of the leaving asked who it was


def current(store: Session) -> SignIn | None:
    """The row of the sign-in the session cookie names."""
    name = session.get(NAME)
    if not isinstance(name, str):
        return None
    return store.scalar(_NAMED, {"digest": _digest(name)})


def of_user(store: Session, user: User, at: datetime) -> list[SignIn]:
    """The sign-ins of an account that are still good for something, the one used last first."""
    query = sa.select(SignIn).where(SignIn.user_id == user.id, SignIn.ended_at.is_(None))
    rows = store.scalars(query.order_by(SignIn.seen_at.desc()))
    return [row for row in rows if not over(row, office=False, at=at)]


def end(
    store: Session, user_id: int, *, at: datetime, only: int | None = None, but: int | None = None
) -> int:
    """End sign-ins of an account: all, `only` one, or all `but` one; gives how many that were.

    The caller announces it (`portal.care.changes.account_changed`) and commits.
    """
    query = sa.update(SignIn).where(SignIn.user_id == user_id, SignIn.ended_at.is_(None))
    if only is not None:
        query = query.where(SignIn.id == only)
    if but is not None:
        query = query.where(SignIn.id != but)
    done: Any = store.execute(query.values(ended_at=at).execution_options(synchronize_session="fetch"))
    return int(done.rowcount)


def masked(address: str | None) -> str:
    """An address without the part that names one device: 203.0.*.* or 2001:db8:*."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(known, IPv4Address):
        return ".".join([*str(known).split(".")[:2], "*", "*"])
    return ":".join(known.exploded.split(":")[:2]) + ":*"


def browser_of(agent: str) -> str:
    """A browser and its system in a few words, as it calls itself; empty when it says nothing known."""
    browsers = (
        ("MicroMessenger/", "微信"),
        ("Edg", "Edge"),
        ("HuaweiBrowser/", "华为浏览器"),
        ("UCBrowser/", "UC"),
        ("QQBrowser/", "QQ"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("HarmonyOS", "HarmonyOS"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    )
    names = [next((name for sign, name in known if sign in agent), "") for known in (browsers, systems)]
    return " · ".join(filter(None, names))


def _begin(_app: Flask, user: User, authn_via: list[str] | None = None, **_told: object) -> None:
    """Somebody signed in: a new name, a new row, nothing left of the session before."""
    kept = session.pop("_remember", None) == "set"
    session.pop("_remember_seconds", None)
    for key in list(session):
        if key not in SURVIVES and not key.startswith(LIBRARY_KEYS):
            session.pop(key)
    g.pop("csrf_token", None)
    name = secrets.token_urlsafe(32)
    session[NAME] = name
    session.permanent = kept
    at = now()
    row = SignIn(
        digest=_digest(name),
        user_id=user.id,
        way=(authn_via or ["second"])[0],
        started_at=at,
        seen_at=at,
        browser=browser_of(request.user_agent.string),
        address=masked(request.remote_addr),
        kept=kept,
    )
    db.session.add(row)
    user.failed_sign_ins, user.locked_until = 0, None
    db.session.commit()
    g.sign_in = row
    g.pop("viewer", None)


def _leave(_app: Flask, **_told: object) -> None:
    name = session.pop(NAME, None)
    if not isinstance(name, str):
        return
    change = sa.update(SignIn).where(SignIn.digest == _digest(name), SignIn.ended_at.is_(None))
    change = change.values(ended_at=now())
    if request.method in READING_METHODS:
        with writing() as store:
            store.execute(change)
    else:
        db.session.execute(change)
        db.session.commit()


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
