"""Runs the portal: migrations first, then Granian, then an orderly end.

One worker process with many blocking threads serves pages, gateways and live streams together.
A viewer costs a sleeping thread, so the threads are counted out: `MAX_VIEWERS` for streams,
`MAX_POLLS` for waiting gateways, and `PAGE_THREADS` that neither can ever take; pages never starve.
A second process only for streams would need a second port or a proxy, and would see commits only by polling;
one process hears the bell of its own commits at once.
More viewers than that are more processes behind one address: every process follows the change numbers itself.
"""

from __future__ import annotations

import http.client
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from portal.stream import MAX_VIEWERS

if TYPE_CHECKING:
    from flask import Flask

    from portal.settings import PortalSettings

PAGE_THREADS = 24
MAX_POLLS = 16
KILL_AFTER_S = 2
"""A worker that has not ended this long after it was asked is killed; streams end by themselves before."""
HEALTH_TRIES = 200
HEALTH_EVERY_S = 0.05

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
        blocking_threads=MAX_VIEWERS + MAX_POLLS + PAGE_THREADS,
        backlog=1024,
        backpressure=MAX_VIEWERS + MAX_POLLS + PAGE_THREADS,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=KILL_AFTER_S,
    )
    announcer = threading.Thread(
        target=_announce, args=(here, settings, ready), name="portal-ready", daemon=True
    )
    announcer.start()
    server.serve(target_loader=partial(_load, settings, there), wrap_loader=False)
    there.close()


def prepare(settings: PortalSettings) -> None:
    """Bring the store up to date and make what must be there; leaves no connection open."""
    from portal import create_app, db, demo  # noqa: PLC0415  # see `serve`

    app = create_app(settings)
    db.upgrade(app)
    demo.prepare(app)
    if settings.mode == "demo":
        demo.seed(app)
        demo.furnish(app)
    with app.app_context():
        db.db.engine.dispose()


def _load(settings: PortalSettings, started: Connection, *_names: Any) -> Flask:
    """Build the application inside the worker, and have its streams end when the worker is told to."""
    from portal import create_app  # noqa: PLC0415  # in the worker, after the fork

    app = create_app(settings)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    watcher = threading.Thread(target=_watch, args=(reader, app), name="portal-end", daemon=True)
    watcher.start()
    started.send(os.getpid())
    started.close()
    return app


def _watch(reader: int, app: Flask) -> None:
    """Close the hub at the worker's first signal: Python writes its number into the pipe."""
    os.read(reader, 1)
    app.extensions["live"].close()


def _announce(started: Connection, settings: PortalSettings, ready: Callable[[str], None]) -> None:
    """Wait for the worker, then for its first answer, then say so."""
    try:
        started.recv()
    except EOFError:
        return
    for _ in range(HEALTH_TRIES):
        if _answers(settings):
            url = f"http://{settings.host}:{settings.port}"
            log.info("the portal is ready at %s", url)
            ready(url)
            return
        time.sleep(HEALTH_EVERY_S)
    log.error("the portal does not answer at %s:%d", settings.host, settings.port)


def _answers(settings: PortalSettings) -> bool:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
