"""A portal of its own for the benches of pages: a fresh SQLite store, many wearers, and Debian's Chromium."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from portal import create_app, demo
from portal.care.consent.record import give_for_demonstration
from portal.care.history import FIX_COLUMNS, VITAL_COLUMNS, milliseconds
from portal.care.models import Wearer, WearerState
from portal.db import db, upgrade, writing
from portal.settings import PortalSettings

ROOT = Path(__file__).parents[1]
FLAGS = ("--no-sandbox", "--disable-background-networking", "--no-first-run")
SOFTWARE_GL = ("--enable-unsafe-swiftshader", "--use-angle=swiftshader")
STAFF = "13800138090"
MIDDLE = (31.1553, 121.105)
ESTATE_DEG = 0.003


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def portal_app() -> Iterator[Any]:
    """A portal with its demonstration accounts and an empty store, gone with its folder afterwards."""
    with tempfile.TemporaryDirectory(prefix="shouwang-bench-") as folder:
        settings = PortalSettings(
            mode="demo",
            community="xinhe",
            community_name="新河苑",
            map_dir=str(ROOT / "data" / "seed"),
            gateways={"gw": "token-of-the-bench"},
            database_url=f"sqlite:///{folder}/portal.db",
            media_url=f"{folder}/media",
            secret_key="a key for the bench only 0123456789",  # noqa: S106
            password_salt="a salt for the bench only 0123456789",  # noqa: S106
        )
        app = create_app(settings)
        upgrade(app)
        demo.seed(app)
        yield app
        with app.app_context():
            db.engine.dispose()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of the portal, served by threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    serving = threading.Thread(target=server.serve_forever, name="bench-portal")
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        serving.join(timeout=20)
        server.server_close()


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Debian's Chromium."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not program:
        message = "Debian's chromium is not installed"
        raise SystemExit(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def signed_in(browser: Browser, address: str) -> Page:
    """A page of the duty desk, on a desktop."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=address, locale="zh-CN")
    page = context.new_page()
    page.goto("/login?next=/me/")
    page.fill("#phone", STAFF)
    page.fill("#password", demo.DEMO_PASSWORD)
    page.locator("form[action*='/login'] button").click()
    page.wait_for_url("**/me/")
    return page


def settle_wearers(app: Any, count: int) -> None:
    """So many wearers all over the estate, each with a position of the last minutes."""
    dice, now = random.Random(7), datetime.now(UTC)
    with app.app_context(), writing() as session:
        for number in range(1, count + 1):
            name = (
                "张王李赵陈杨黄周吴徐"[number % 10] + "桂秀德建国"[number % 5] + "兰英顺芳华"[number // 5 % 5]
            )
            wearer = Wearer(
                gateway="gw", community="xinhe", code=f"w{number}", name=name, position=number, home="3栋"
            )
            at = now - timedelta(seconds=dice.randrange(1_500))
            wearer.state = WearerState(
                heard_at=at,
                fix_at=at,
                lat=MIDDLE[0] + dice.uniform(-ESTATE_DEG, ESTATE_DEG),
                lon=MIDDLE[1] + dice.uniform(-ESTATE_DEG, ESTATE_DEG),
                accuracy_m=dice.choice((6.0, 12.0, 40.0, 180.0)),
                source=dice.choice(("gnss", "gnss", "gnss", "wifi", "cell")),
                battery_pct=float(dice.randrange(5, 100)),
                worn=dice.random() > 0.05,
            )
            session.add(wearer)
            session.flush()
            give_for_demonstration(session, wearer, at=now - timedelta(days=2))


def settle_track(app: Any, count: int, *, wearer_id: int = 1) -> datetime:
    """A day of so many fixes and a heart rate a minute for a wearer; gives a moment of that day."""
    dice = random.Random(5)
    noon = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0) - timedelta(days=1)
    start_ms = milliseconds(noon) - 12 * 3_600_000
    lat, lon, fixes = *MIDDLE, []
    for number in range(count):
        if number // 5_000 % 2:
            lat, lon = lat + dice.gauss(0, 4e-6) + 3e-6, lon + dice.gauss(0, 4e-6)
        at_ms = start_ms + number * 86_000_000 // count
        seen = (lat + dice.gauss(0, 3e-5), lon + dice.gauss(0, 3e-5))
        fixes.append((wearer_id, at_ms, at_ms, *seen, 8.0, None, "gnss", True, False))
    beats = [
        (
            wearer_id,
            "heart_rate",
            start_ms + m * 60_000,
            start_ms + m * 60_000,
            dice.gauss(72, 6),
            None,
            False,
        )
        for m in range(1_430)
    ]
    with app.app_context(), writing() as session:
        for table, columns, rows in (
            ("fix_history", FIX_COLUMNS, fixes),
            ("vital_history", VITAL_COLUMNS, beats),
        ):
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
            session.connection().exec_driver_sql(statement, rows)
    return noon
