"""The portal on a port of its own, with its live pages in a thread as they are in life in a process."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
from flask import Flask
from werkzeug.serving import make_server
from werkzeug.wsgi import ClosingIterator

from portal.serve import join_bells
from portal.streaming.process import serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Streams:
    """The stream's process, as a thread of this one: the same code on a loop and a port of its own."""

    def __init__(self, app: Flask, **changed) -> None:
        changed = {"stream_port": free_port(), **changed}
        self.settings = msgspec.structs.replace(app.config["PORTAL"], **changed)
        app.config["PORTAL"] = self.settings
        self.clock = lambda: app.config["NOW"]()  # noqa: PLW0108  # a test may set another later
        self.hub = None
        self.loop = None
        self.began = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="streams-under-test")
        self.thread.start()
        assert self.began.wait(20)
        self.leave = join_bells(self.settings, app.extensions["bell"])

    async def serve(self) -> None:
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self.settings, clock=self.clock) as self.hub:
            await self.hub.opened.wait()
            self.began.set()
            await self.ended.wait()

    def call(self, work, *arguments):
        """Do something on the loop of the streams and give its answer."""

        async def do():
            return work(*arguments)

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(timeout=20)

    def close(self) -> None:
        if self.thread.is_alive():
            self.leave()
            self.loop.call_soon_threadsafe(self.ended.set)
            self.thread.join(timeout=20)


def _read_whole(answer):
    """Give an answer that is closed once it is read: werkzeug's server forgets to when a browser has gone."""
    with closing(ClosingIterator(answer)) as parts:
        yield from parts


class Front:
    """A reverse proxy: `/care/stream` goes to the stream's process, everything else to the portal."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] != "/care/stream":
            return _read_whole(self.app.wsgi_app(environ, start_response))
        line = http.client.HTTPConnection("127.0.0.1", self.app.config["PORTAL"].stream_port, timeout=60)
        names = ("COOKIE", "LAST_EVENT_ID", "USER_AGENT", "HOST")
        told = {
            name.replace("_", "-"): environ[f"HTTP_{name}"] for name in names if f"HTTP_{name}" in environ
        }
        try:
            line.request("GET", f"/care/stream?{environ['QUERY_STRING']}", headers=told)
            answer = line.getresponse()
        except OSError:
            line.close()
            start_response("502 Bad Gateway", [])
            return [b""]
        kind = answer.headers.get("Content-Type", "text/plain")
        start_response(f"{answer.status} {answer.reason}", [("Content-Type", kind)])
        parts = iter(lambda: answer.read1(65_536), b"")
        return _read_whole(ClosingIterator(parts, [answer.close, line.close]))


STATIC_KEPT_S = 3600
"""So that a browser of a test asks for a style or a script once, not again with every page."""


@contextmanager
def served(app: Flask, *, behind_proxy: bool = True) -> Iterator[str]:
    """The portal on a port of its own, its live pages under the same address or on a port of theirs."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_KEPT_S
    server = make_server("127.0.0.1", 0, Front(app) if behind_proxy else app, threaded=True)
    address = f"http://127.0.0.1:{server.port}"
    url = "/care/stream" if behind_proxy else ""
    streams = app.extensions["streams"] = Streams(app, port=server.port, stream_url=url)
    serving = threading.Thread(target=server.serve_forever, name="portal-under-test")
    serving.start()
    yield address
    app.extensions["bell"].close()
    streams.close()
    server.shutdown()
    serving.join(timeout=20)
    server.server_close()
