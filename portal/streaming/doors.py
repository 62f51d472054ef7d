"""Who may watch: every stream is asked of the portal itself, once, as if its browser had asked for the page.

The stream's process has a portal of its own and lets it answer the browser's request with its cookies:
session, account, policy and limits are judged by the very code that judges pages, and nowhere else.
What the view found is handed over in `g.admission`; its answer is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import Flask, g
from werkzeug.test import EnvironBuilder

from portal.care.live import sees
from portal.db import reading
from portal.policy import Viewer
from portal.streaming.address import PATH
from portal.streaming.hub import Admission

THREADS: Final = 4
HANDED_ON: Final = ("Cookie", "User-Agent", "Last-Event-ID", "Host", "X-Forwarded-For")
"""What of a browser's request the portal gets to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One browser's request."""

    headers: Mapping[str, str]
    query: str = ""
    remote: str = ""


class Doors:
    """The portal's judgement in worker threads; `close` waits for what is being judged."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="doors")

    def admit(self, caller: Caller) -> Admission | HTTPStatus:
        """What this browser is admitted with, or why it is not: 401 not signed in, 404 not for them."""
        builder = EnvironBuilder(
            path=PATH,
            query_string=caller.query,
            headers=[(name, caller.headers[name]) for name in HANDED_ON if name in caller.headers],
            environ_base={"REMOTE_ADDR": caller.remote},
        )
        try:
            with self._app.request_context(builder.get_environ()):
                answer = self._app.full_dispatch_request()
                found: Admission | None = g.get("admission")
        finally:
            builder.close()
        if found is not None and answer.status_code == HTTPStatus.OK:
            return found
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status_code < HTTPStatus.BAD_REQUEST:
            return HTTPStatus.UNAUTHORIZED
        return HTTPStatus(answer.status_code)

    def judge(self, viewers: list[Viewer]) -> list[Mapping[int, bool]]:
        """Whom each of these may see now."""
        with self._app.app_context(), reading() as session:
            return [sees(session, viewer) for viewer in viewers]

    def close(self) -> None:
        """End the threads; idempotent."""
        self.threads.shutdown(cancel_futures=True)
