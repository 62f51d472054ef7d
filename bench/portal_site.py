"""A portal of the bench's own on either engine: its settings, its processes, accounts that are signed in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from flask import Flask

from bench.site import ROOT, free_port, process
from portal import create_app, demo
from portal.db import db
from portal.policy import Role
from portal.serve import prepare
from portal.settings import PortalSettings

GATEWAY = "gw-bench"
TOKEN = "bench-token"  # noqa: S105  # of the bench, on loopback
SERVE = """
import sys, msgspec
from portal.serve import serve
from portal.settings import PortalSettings
settings = msgspec.json.decode(sys.argv[1].encode(), type=PortalSettings)
serve(settings, lambda url: print("ready", url, flush=True))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A portal that serves: its settings, and a portal of our own on the same store to ask and write with."""

    settings: PortalSettings
    app: Flask


def settings_of(database_url: str, folder: Path) -> PortalSettings:
    """Settings on free ports."""
    port = free_port()
    return PortalSettings(
        mode="demo",
        community="xinhe",
        community_name="新河苑",
        map_dir=str(ROOT / "data" / "seed"),
        gateways={GATEWAY: TOKEN},
        database_url=database_url,
        media_url=str(folder / "media"),
        secret_key="secret-key-of-the-bench-0123456789",  # noqa: S106  # the same
        password_salt="salt-of-the-bench-0123456789",  # noqa: S106  # the same
        port=port,
        stream_port=free_port(),
        public_url=f"http://127.0.0.1:{port}",
    )


@contextmanager
def portal(database_url: str, folder: Path, *, guardians: int) -> Iterator[Site]:
    """Serve a portal with its demonstration and so many more guardians, in processes of its own."""
    logging.disable(logging.INFO)
    settings = settings_of(database_url, folder)
    more = tuple(
        demo.DemoLogin(phone=phone_of(number), name=f"家属{number}", role=Role.GUARDIAN, what="bench")
        for number in range(guardians)
    )
    usual, demo.LOGINS = demo.LOGINS, (*demo.LOGINS, *more)
    try:
        prepare(settings)
    finally:
        demo.LOGINS = usual
    app = create_app(settings)
    told = msgspec.json.encode(settings).decode()
    with process(sys.executable, "-c", SERVE, told, ready="ready"):
        try:
            yield Site(settings=settings, app=app)
        finally:
            with app.app_context():
                db.engine.dispose()


def phone_of(number: int) -> str:
    """The telephone of the bench's guardian of this number."""
    return f"+86139{number:08}"


def cookie_of(app: Flask, phone: str) -> str:
    """Sign in as a browser does and give the session's cookie."""
    client = app.test_client()
    remote = {"REMOTE_ADDR": f"10.0.{phone[-4:-2]}.{phone[-2:]}"}
    page = client.get("/login", environ_overrides=remote).text
    token = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    form = {"csrf_token": token, "phone": phone, "password": demo.DEMO_PASSWORD}
    answer = client.post("/login", data=form, environ_overrides=remote)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    if answer.status_code != 302 or cookie is None:  # a redirect: signed in
        raise RuntimeError(f"{phone} could not sign in: {answer.status_code}")
    return f"{cookie.key}={cookie.value}"
