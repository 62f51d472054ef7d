"""Runs the portal: migrations first, the stream's process, then Granian, then an orderly end.

One worker process with counted blocking threads serves pages and gateways:
`MAX_POLLS` for waiting gateways, and `PAGE_THREADS` that they can never take, so pages never starve.
Live pages are held by a process of their own (`portal.streaming`), which is started again when it dies;
while it is away pages ask this process every few seconds.
"""

from __future__ import annotations

import http.client
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from portal.settings import MAX_POLLS, PAGE_THREADS
from portal.streaming.bells import Datagrams, Notices, listens
from portal.streaming.keeper import Keeper

if TYPE_CHECKING:
    from flask import Flask

    from portal.settings import PortalSettings
    from portal.stream import Bell

MAX_CONNECTIONS = 2_048
"""Granian counts connections, not requests: a browser that stays connected without asking takes no thread."""
KILL_AFTER_S = 2
"""A worker that has not ended this long after it was asked is killed; waiting gateways are let go before."""
HEALTH_TRIES = 400
HEALTH_EVERY_S = 0.05
PARENT_EVERY_S = 1.0

log = logging.getLogger(__name__)


def serve(settings: PortalSettings, ready: Callable[[str], None]) -> None:
    """Migrate, serve until SIGTERM or SIGINT, and return; needs the main thread of its process.

    `ready` is called once from a thread, with the portal's address, when it answers.
    In demo mode the demonstration's accounts and contents are made first.
    """
    from granian import Granian  # noqa: PLC0415  # only the process that serves needs the server
    from granian.constants import Interfaces  # noqa: PLC0415  # the same

    prepare(settings)
    here, there = Pipe(duplex=False)
    server = Granian(
        "portal",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=MAX_POLLS + PAGE_THREADS,
        backlog=1024,
        backpressure=MAX_CONNECTIONS,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=KILL_AFTER_S,
    )
    announcer = threading.Thread(
        target=_announce, args=(here, settings, ready), name="portal-ready", daemon=True
    )
    announcer.start()
    with Keeper(settings):
        server.serve(target_loader=partial(_load, settings, there, os.getpid()), wrap_loader=False)
    there.close()


def prepare(settings: PortalSettings) -> None:
    """Bring the store up to date and make what must be there; leaves no connection open."""
    from portal import create_app, db, demo  # noqa: PLC0415  # see `serve`
    from portal.care.partitions import make_months  # noqa: PLC0415  # the same

    app = create_app(settings)
    db.upgrade(app)
    with app.app_context(), db.writing() as session:
        make_months(session, datetime.now(UTC))
    demo.prepare(app)
    if settings.mode == "demo":
        demo.seed(app)
        demo.fill_duty(app)
    with app.app_context():
        db.db.engine.dispose()


def join_bells(settings: PortalSettings, bell: Bell) -> Callable[[], None]:
    """Let this process hear commits of others and tell of its own; gives what ends that."""
    if listens(settings.database_url):
        notices = Notices(settings.database_url, bell.hear)
        notices.start()
        return notices.close
    if not settings.stream_port:
        return lambda: None
    datagrams = Datagrams(settings.stream_port)
    bell.pass_on(datagrams.ring)
    return datagrams.close


def _load(settings: PortalSettings, started: Connection, parent: int, *_names: Any) -> Flask:
    """Build the application inside the worker, and have its waiters let go when the worker is told to end."""
    from portal import create_app, retention  # noqa: PLC0415  # in the worker, after the fork

    app = create_app(settings)
    join_bells(settings, app.extensions["bell"])
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    watcher = threading.Thread(target=_watch, args=(reader, app, parent), name="portal-end", daemon=True)
    watcher.start()
    sweeper = threading.Thread(
        target=retention.keep_swept, args=(app, threading.Event()), name="portal-retention", daemon=True
    )
    sweeper.start()
    started.send(os.getpid())
    started.close()
    return app


def _watch(reader: int, app: Flask, parent: int) -> None:
    """Close the bell at the worker's first signal: Python writes its number into the pipe.

    A worker whose parent was killed would serve on alone, on a port nobody can take over: it ends too.
    """
    while not select.select([reader], [], [], PARENT_EVERY_S)[0]:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
    app.extensions["bell"].close()


def _announce(started: Connection, settings: PortalSettings, ready: Callable[[str], None]) -> None:
    """Wait for the worker, then for its first answer, then say so."""
    try:
        started.recv()
    except EOFError:
        return
    if not _answers(settings.host, settings.port):
        log.error("the portal does not answer at %s:%d", settings.host, settings.port)
        return
    if settings.stream_port and not _answers(settings.host, settings.stream_port):
        log.error("live pages are not held at port %d; pages ask by themselves", settings.stream_port)
    url = f"http://{settings.host}:{settings.port}"
    log.info("the portal is ready at %s", url)
    ready(url)


def _answers(host: str, port: int) -> bool:
    """Whether a process answers at its `/healthz` within twenty seconds."""
    for _ in range(HEALTH_TRIES):
        if _healthy(host, port):
            return True
        time.sleep(HEALTH_EVERY_S)
    return False


def _healthy(host: str, port: int) -> bool:
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
