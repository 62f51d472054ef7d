"""What every test of the portal starts from: a portal with its demonstration accounts, on either engine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import BytecodeCache
from passlib.hash import argon2
from rigs import neighbourhood
from rigs.neighbourhood import NOW
from rigs.portal_served import Streams, free_port, served
from sqlalchemy import make_url

from gateway.told import SyncBatch, SyncEvent, SyncPayload
from portal import create_app, demo
from portal.db import db, upgrade
from portal.settings import PortalSettings

GATEWAY = "gw-xinhe-1"
TOKEN = "gateway-token-for-tests"
TWILIO_TOKEN = "twilio-token-for-tests"
POSTGRES = Path("/usr/lib/postgresql/15/bin")
ROOT = Path(__file__).parents[2]
MAP = ROOT / "data" / "seed"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


argon2.default_rounds, argon2.memory_cost, argon2.parallelism = 1, 8, 1
"""The same function as in life, made cheap: the tests sign in a thousand times."""


class Compiled(BytecodeCache):
    """Templates of this process, compiled once for all its portals."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket) -> None:
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()


def make_settings(database_url: str, folder: Path) -> PortalSettings:
    return PortalSettings(
        mode="demo",
        community="xinhe",
        community_name="新河苑",
        map_dir=str(MAP),
        gateways={GATEWAY: TOKEN, "gw-other": "another-token"},
        database_url=database_url,
        media_url=str(folder / "media"),
        secret_key="secret-key-for-tests-only-0123456789",
        password_salt="salt-for-tests-only-0123456789",
        twilio_auth_token=TWILIO_TOKEN,
        public_url="http://portal.example:18088",
        community_rules={
            "vitals": {"heart_rate_low_bpm": 45.0, "heart_rate_high_bpm": 125.0, "systolic_high_mmhg": 160.0},
            "fence": {"exit_margin_m": 20.0, "dwell_s": 10.0},
        },
    )


def make_app(settings: PortalSettings) -> Flask:
    app = create_app(settings)
    app.config["TESTING"] = True
    app.jinja_env.bytecode_cache = COMPILED
    app.config["NOW"] = lambda: NOW
    return app


def close(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()


# ---------------------------------------------------------------- stores


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    app = create_app(make_settings(f"sqlite:///{folder / 'portal.db'}", folder))
    upgrade(app)
    demo.seed(app)
    with app.app_context(), db.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    close(app)
    return folder / "portal.db"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of our own on a free port, run by an ordinary account; ended by its own process."""
    if not (POSTGRES / "initdb").exists():
        pytest.fail("Debian's postgresql-15 is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir="/tmp"))
    nobody = pwd.getpwnam("postgres" if _exists("postgres") else "nobody")
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    account = {"user": nobody.pw_uid, "group": nobody.pw_gid} if os.getuid() == 0 else {}
    initdb = [
        POSTGRES / "initdb",
        "-D",
        data,
        "-U",
        "portal",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd=folder, **account)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [POSTGRES / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, **account
        )
        try:
            ready = [POSTGRES / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
            for _ in range(200):
                if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
                    break
            yield f"postgresql+psycopg://portal@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(timeout=30)
            shutil.rmtree(folder, ignore_errors=True)


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    _administer(postgres_url, "CREATE DATABASE template_portal")
    folder = tmp_path_factory.mktemp("template-pg")
    app = create_app(make_settings(_database(postgres_url, "template_portal"), folder))
    upgrade(app)
    demo.seed(app)
    close(app)
    return "template_portal"


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    copy = tmp_path / "portal.db"
    shutil.copy(sqlite_template, copy)
    return f"sqlite:///{copy}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database of each engine in turn: every test of the store asks for this."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server = request.getfixturevalue("postgres_url")
    template = request.getfixturevalue("postgres_template")
    name = f"t{uuid.uuid4().hex}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _database(server, name)
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


# ---------------------------------------------------------------- portals


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> PortalSettings:
    return make_settings(sqlite_url, tmp_path)


@pytest.fixture
def app(settings: PortalSettings) -> Iterator[Flask]:
    """A portal on SQLite whose clock stands at NOW."""
    app = make_app(settings)
    yield app
    close(app)


@pytest.fixture
def store_app(store_url: str, tmp_path: Path) -> Iterator[Flask]:
    """The same on each engine in turn."""
    app = make_app(make_settings(store_url, tmp_path))
    yield app
    close(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


class Browser:
    """A person with a browser: signs in and sends forms with their CSRF token."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def sign_in(self, phone: str, password: str = demo.DEMO_PASSWORD) -> Browser:
        answer = self.post("/login", phone=phone, password=password)
        assert answer.status_code == 302, answer.text
        return self

    def get(self, path: str, **options):
        return self.client.get(path, **options)

    def token(self, path: str = "/login") -> str:
        text = self.client.get(path, follow_redirects=True).text
        return text.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]

    def post(self, path: str, *, token: str | None = None, **fields):
        return self.client.post(path, data={"csrf_token": token or self.token(), **fields})


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


PHONES = {login.role.value: login.phone for login in demo.LOGINS}


@pytest.fixture
def people(app: Flask) -> dict[str, Browser]:
    """A signed-in browser of each demonstration role at an address of its own, made when asked for."""

    class People(dict):
        def __missing__(self, role: str) -> Browser:
            browser = Browser(app)
            browser.client.environ_base["REMOTE_ADDR"] = f"127.0.1.{1 + len(self)}"
            self[role] = browser.sign_in(PHONES[role])
            return self[role]

    return People()


# ---------------------------------------------------------------- a gateway


class Gateway:
    """A gateway at the portal's door."""

    def __init__(self, app: Flask, name: str = GATEWAY, token: str = TOKEN) -> None:
        self.client = app.test_client()
        self.name = name
        self.headers = {"Authorization": f"Bearer {token}", "X-Gateway": name}
        self.seq = 0

    def rows(self, *payloads: SyncPayload) -> tuple[SyncEvent, ...]:
        rows = []
        for payload in payloads:
            self.seq += 1
            rows.append(SyncEvent(seq=self.seq, at=NOW, payload=payload))
        return tuple(rows)

    def send_rows(self, rows: tuple[SyncEvent, ...]):
        body = msgspec.json.encode(SyncBatch(gateway=self.name, events=rows))
        return self.client.post("/api/gateway/v1/events", data=body, headers=self.headers)

    def send(self, *payloads: SyncPayload):
        answer = self.send_rows(self.rows(*payloads))
        assert answer.status_code == 200, answer.text
        return answer

    def commands(self, after: int = 0, wait_s: float = 0) -> list[dict]:
        answer = self.client.get(
            f"/api/gateway/v1/commands?after={after}&wait_s={wait_s}", headers=self.headers
        )
        assert answer.status_code == 200, answer.text
        return answer.json["commands"]


@pytest.fixture
def gateway(app: Flask) -> Gateway:
    return Gateway(app)


@pytest.fixture
def store_gateway(store_app: Flask) -> Gateway:
    return Gateway(store_app)


# ---------------------------------------------------------------- browsers


@pytest.fixture
def real_clock(app: Flask) -> None:
    """A browser counts for itself how long ago something was: the portal's clock goes with its."""
    app.config["NOW"] = lambda: datetime.now(UTC)


@pytest.fixture
def streams(app: Flask) -> Iterator[Streams]:
    """Live pages held as they are in life."""
    streams = Streams(app)
    yield streams
    streams.close()


@pytest.fixture
def address(app: Flask, real_clock: None) -> Iterator[str]:
    """The portal served on a port of its own."""
    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def chromium_of_module() -> Iterator[object]:
    """One browser for the tests of a module."""
    from rigs.chromium import WEBGL, chromium_running  # only who needs a browser pays for Playwright

    if not AXE.exists():
        pytest.fail("needs `npm ci`")
    with chromium_running(*WEBGL) as browser:
        yield browser


@pytest.fixture
def chromium(address: str, chromium_of_module) -> Iterator[object]:
    """A browser nobody has used yet; whatever was opened in it is closed before the portal ends."""
    yield chromium_of_module
    for context in chromium_of_module.contexts:
        context.close()


@pytest.fixture
def far(gateway: Gateway) -> Iterator[object]:
    """The gateway at work in a thread of its own, as it is in another house."""
    with ThreadPoolExecutor(max_workers=1) as elsewhere:

        class Far:
            def send(self, *payloads):
                return elsewhere.submit(gateway.send, *payloads).result(timeout=20)

            def call(self, work, *arguments):
                return elsewhere.submit(work, *arguments).result(timeout=20)

            def commands(self):
                return elsewhere.submit(gateway.commands).result(timeout=20)

        yield Far()


@pytest.fixture
def samples() -> SimpleNamespace:
    """Believable things a gateway says, and the constants the fixtures above use."""
    told = {name: value for name, value in vars(neighbourhood).items() if not name.startswith("_")}
    return SimpleNamespace(
        **told,
        GATEWAY=GATEWAY,
        TWILIO_TOKEN=TWILIO_TOKEN,
        PHONES=PHONES,
        Gateway=Gateway,
        Browser=Browser,
        make_app=make_app,
        make_settings=make_settings,
        free_port=free_port,
        served=served,
        Streams=Streams,
    )
