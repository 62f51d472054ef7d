"""The stream's process from start to end; `serving` is the same inside a program that has a loop already."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import msgspec
import uvloop
from aiohttp import web
from flask import Flask
from sqlalchemy import Engine

from portal.settings import PortalSettings
from portal.stream import Source
from portal.streaming.bells import Notices, hear_datagrams, listens
from portal.streaming.doors import Doors
from portal.streaming.hub import MAX_VIEWERS, Hub
from portal.streaming.server import StreamServer, frame, rejudge

log = logging.getLogger(__name__)

SPARE_FILES = 256
BACKLOG = 1024
PARENT_EVERY_S = 1.0
"""How often we look whether whoever started us is still there."""
END_S = 1.0


def main() -> None:
    """Read the settings from standard input and serve until told to end, or until `argv[1]` is gone."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=PortalSettings)
    allow_files(MAX_VIEWERS + SPARE_FILES)
    uvloop.run(_serve(settings, int(sys.argv[1])))


def allow_files(wanted: int) -> None:
    """Raise the soft limit of open files as far as is wanted and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(settings: PortalSettings, parent: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings):
        while not stop.is_set() and os.getppid() == parent:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PARENT_EVERY_S)


@asynccontextmanager
async def serving(
    settings: PortalSettings, *, clock: Callable[[], datetime] | None = None
) -> AsyncIterator[Hub]:
    """Serve streams on `stream_port` of `host`; ends every stream at the end of the block.

    `clock` is the portal's where that is not the system's: sign-ins end by it.
    """
    app, source, engine = await asyncio.to_thread(_portal, settings)
    app.config["NOW"] = clock
    doors = Doors(app)
    hub = Hub(source, rejudge=partial(rejudge, doors), frame=frame, clock=clock or _system_time)
    loop = asyncio.get_running_loop()
    notices = None
    if listens(settings.database_url):
        notices = Notices(settings.database_url, lambda: _from_thread(loop, hub))
        notices.start()
    datagrams = await hear_datagrams(settings.stream_port, hub.ring)
    runner = web.AppRunner(
        StreamServer(settings, hub, doors).application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=END_S,
    )
    following = asyncio.create_task(hub.run(), name="live pages")
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.stream_port, backlog=BACKLOG).start()
        yield hub
    finally:
        hub.close()
        await asyncio.wait({following}, timeout=END_S)
        await runner.cleanup()
        if datagrams is not None:
            datagrams.close()
        if notices is not None:
            notices.close()
            await asyncio.to_thread(notices.join)
        doors.close()
        engine.dispose()


def _portal(settings: PortalSettings) -> tuple[Flask, Source, Engine]:
    """A portal to ask, what the poller asks, and the engine to close; off the loop, where Flask belongs."""
    from portal import create_app  # noqa: PLC0415  # the portal imports this package's neighbours
    from portal.care.live import source_of  # noqa: PLC0415  # the same
    from portal.db import db  # noqa: PLC0415  # the same

    app = create_app(settings)
    with app.app_context():
        return app, source_of(db.sessionmaker), db.engine


def _system_time() -> datetime:
    return datetime.now(UTC)


def _from_thread(loop: asyncio.AbstractEventLoop, hub: Hub) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear
        loop.call_soon_threadsafe(hub.ring)
