"""The stream over HTTP: `GET /care/stream` for browsers, `GET /healthz` for whoever keeps the process alive.

It stands on a port of its own beside the portal's, on the same host, so a browser's cookies come along;
exactly the portal's own origin may read it (CORS).
A reverse proxy may put it under the portal's address instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from portal.policy import Viewer
from portal.settings import PortalSettings
from portal.stream import retry
from portal.streaming.address import HOST, PATH
from portal.streaming.doors import Caller, Doors
from portal.streaming.hub import Hub, Subscription

log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = "20"
SOONEST_RETRY_MS: Final = 500
LATEST_RETRY_MS: Final = 4_000
"""Each browser is given its own wait in between: after a new roster they do not all come back at once."""


def frame(text: str) -> bytes:
    """A piece of text as one chunk (RFC 9112, 7.1), made once and written to every socket as it is."""
    body = text.encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


class Socket:
    """One browser's connection, written to directly: no task wakes for an event."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def send(self, frame: bytes) -> None:
        """Write what can be written now; the rest waits in the connection's buffer."""
        if not self._transport.is_closing():
            self._transport.write(frame)

    def backlog_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def cut(self) -> None:
        """Drop the connection now."""
        self._transport.abort()


class StreamServer:
    """The handlers; `hub` and `doors` are already there."""

    def __init__(self, settings: PortalSettings, hub: Hub, doors: Doors) -> None:
        self._settings, self._hub, self._doors = settings, hub, doors

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application()
        application.router.add_get(PATH, self.stream)
        application.router.add_get("/healthz", self.health)
        return application

    async def health(self, _request: web.Request) -> web.Response:
        """How many watch, and what went wrong."""
        return web.json_response(self._hub.figures(), headers={"Cache-Control": "no-store"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """One viewer's stream; 401 not signed in, 404 not for them or not from our page, 503 full."""
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins(request):
            return web.Response(status=HTTPStatus.NOT_FOUND)
        readable = _readable_by(origin)
        viewer = self._hub.enter()
        if viewer is None:
            return _full(readable)
        try:
            return await self._watch(request, viewer, readable)
        finally:
            self._hub.leave(viewer)

    async def _watch(
        self, request: web.Request, viewer: Subscription, readable: dict[str, str]
    ) -> web.StreamResponse:
        """Have the doors judge, tell what was missed, and stay until the stream is to end."""
        caller = Caller(headers=request.headers, query=request.query_string, remote=request.remote or "")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._doors.threads, self._doors.admit, caller)
        if isinstance(found, HTTPStatus):
            return web.Response(status=found, headers=readable)
        response = web.StreamResponse(headers={**_HEADERS, **readable})
        wait_ms = SOONEST_RETRY_MS + secrets.randbelow(LATEST_RETRY_MS - SOONEST_RETRY_MS)
        with contextlib.suppress(ConnectionResetError):  # gone while being judged
            await response.prepare(request)
            await response.write((retry(wait_ms) + "".join(found.first)).encode())
            transport = request.transport
            if transport is not None and self._hub.admit(viewer, found, Socket(transport)):
                await viewer.ended.wait()
        return response

    def _origins(self, request: web.Request) -> set[str]:
        """The portal's own address: as the settings have it, and as this browser reached this host."""
        public = urlsplit(self._settings.public_url)
        host = HOST.fullmatch(request.host)
        near = f"{public.scheme}://{host[1]}:{self._settings.port}" if host else ""
        return {f"{public.scheme}://{public.netloc}", near}


_HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


def _readable_by(origin: str | None) -> dict[str, str]:
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def _full(readable: dict[str, str]) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_S, **readable}
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)


async def rejudge(doors: Doors, viewers: list[Viewer]) -> list[Mapping[int, bool]]:
    """Whom these viewers may see now, judged in a worker thread."""
    return await asyncio.get_running_loop().run_in_executor(doors.threads, doors.judge, viewers)
