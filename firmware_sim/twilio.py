"""A Twilio that rings nobody: the 2010-04-01 Calls and Messages, stateful, with people at the other end.

Real clients speak to it over HTTP with Twilio's basic auth; it posts signed callbacks back.
Beyond Twilio it serves `GET /transcript`: what every simulated telephone saw, heard and pressed.
Faults are injected by `TwilioFaults`; `unplug` and `plug` take it off the network and bring it back.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hmac
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import aiohttp
from aiohttp import web

from firmware_sim.people import Persona, Transcript
from firmware_sim.twilio_calls import TelephoneNetwork, TwilioFaults
from firmware_sim.twilio_records import (
    API,
    CALL_ENDS,
    CALL_UPDATE_FIELDS,
    CallRecord,
    Form,
    MessageRecord,
    Refusal,
    matching,
    new_call,
    new_message,
    one,
    only,
    page,
)

__all__ = ["TwilioFake", "TwilioFaults"]

MAX_RECORDS = 20_000
"""Of calls, and of messages; the oldest go first."""

SILENCE_STEP_S = 0.05

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _refused(refusal: Refusal) -> web.Response:
    return web.Response(text=refusal.body(), status=refusal.status, content_type="application/json")


def _form(fields: Any) -> Form:
    return {name: tuple(str(value) for value in fields.getall(name)) for name in fields}


class TwilioFake:
    """The simulated service; build it, then `run` it.

    `people` are by phone number; a number nobody was described for rings until the caller gives up.
    `text_url` is the account's webhook for incoming texts, empty where there is none.
    `port` 0 takes a free one; `ready` of `run` is called with the base URL.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        people: Mapping[str, Persona],
        host: str = "127.0.0.1",
        port: int = 0,
        callbacks: bool = True,
        text_url: str = "",
        faults: TwilioFaults | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._account = account_sid
        self._token = auth_token
        self._host = host
        self._port = port
        self._callbacks = callbacks
        self._text_url = text_url
        self.faults = faults or TwilioFaults()
        self._dice = random.Random(self.faults.seed + 1)
        self.transcript = Transcript(people, say=say)
        self.calls: dict[str, CallRecord] = {}
        self.messages: dict[str, MessageRecord] = {}
        self.requests = 0
        """Requests that were let in; what a retry would be seen by."""
        self.ignored = 0
        """Requests that were never answered while the service was silent."""
        self._network: TelephoneNetwork | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        """The base URL, known once `run` has called `ready`."""
        return f"http://{self._host}:{self._port}"

    def cut_callbacks(self, *, cut: bool = True) -> None:
        """Let no webhook out any more, as when the portal's line is cut, or let them out again."""
        self._callbacks = not cut
        if self._network is not None:
            self._network.callbacks = not cut

    @property
    def failed_callbacks(self) -> int:
        """Webhooks nobody took."""
        return 0 if self._network is None else self._network.failed_callbacks

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; raises OSError when the port is taken."""
        async with aiohttp.ClientSession(trust_env=False) as session, asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._network = TelephoneNetwork(
                auth_token=self._token,
                transcript=self.transcript,
                faults=self.faults,
                callbacks=self._callbacks,
                text_url=self._text_url,
                spawn=self._spawn,
                web=session,
            )
            self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.2)
            await self._runner.setup()
            try:
                await self.plug()
                ready(self.url)
                await asyncio.Event().wait()
            finally:
                await self._runner.cleanup()
                self._site = None

    async def plug(self) -> None:
        """Be on the network, at the same port as before; harmless when already there."""
        assert self._runner is not None
        if self._site is None:
            self._site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
            await self._site.start()
            self._port = self._runner.addresses[0][1]

    async def unplug(self) -> None:
        """Be unreachable: connections are refused; harmless when already so."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    def _spawn(self, life: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._tasks is not None
        return self._tasks.create_task(life)

    # ------------------------------------------------------------------ HTTP

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        root = f"/{API}/Accounts/{{account}}"
        app.router.add_get("/transcript", self._show_transcript)
        app.router.add_post(root + "/Calls.json", self._create_call)
        app.router.add_get(root + "/Calls.json", self._list_calls)
        app.router.add_get(root + "/Calls/{sid}.json", self._fetch)
        app.router.add_post(root + "/Calls/{sid}.json", self._update_call)
        app.router.add_delete(root + "/Calls/{sid}.json", self._delete)
        app.router.add_post(root + "/Messages.json", self._create_message)
        app.router.add_get(root + "/Messages.json", self._list_messages)
        app.router.add_get(root + "/Messages/{sid}.json", self._fetch)
        app.router.add_delete(root + "/Messages/{sid}.json", self._delete)
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in only the account's owner, and let the faults strike around the work."""
        if request.path == "/transcript":
            return await handler(request)
        if self.faults.silent:
            return await self._say_nothing(request)
        try:
            self._authenticate(request)
            self.requests += 1
            if self._strikes("too_many", 0.0):
                raise Refusal(20429, "Too Many Requests", status=429)  # noqa: TRY301  one place answers
            if self._strikes("server_error", self.faults.server_error):
                raise Refusal(20503, "Service unavailable", status=503)  # noqa: TRY301  the same
            answer = await handler(request)
        except Refusal as refusal:
            return _refused(refusal)
        except web.HTTPNotFound:
            return _refused(Refusal(20404, "The requested resource was not found", status=404))
        if self._strikes("lost_response", self.faults.lost_response) and request.transport is not None:
            request.transport.abort()
        return answer

    async def _say_nothing(self, request: web.Request) -> web.StreamResponse:
        """Keep the connection open without a word; it breaks when the silence ends."""
        self.ignored += 1
        while self.faults.silent and request.transport is not None:  # noqa: ASYNC110  a plain field, set by tests
            await asyncio.sleep(SILENCE_STEP_S)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    def _authenticate(self, request: web.Request) -> None:
        expected = base64.b64encode(f"{self._account}:{self._token}".encode()).decode()
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Basic {expected}".encode()):
            raise Refusal(20003, "Authenticate", status=401)
        if request.match_info.get("account", self._account) != self._account:
            raise Refusal(20404, "The requested resource was not found", status=404)

    def _strikes(self, fault: str, chance: float) -> bool:
        if self.faults.armed and self.faults.armed[0] == fault:
            self.faults.armed.pop(0)
            return True
        return chance > 0 and self._dice.random() < chance

    async def _show_transcript(self, _request: web.Request) -> web.Response:
        entries = [dataclasses.asdict(e) | {"at": e.at.isoformat()} for e in self.transcript.entries]
        return web.json_response(entries)

    # ------------------------------------------------------------------ calls

    async def _create_call(self, request: web.Request) -> web.Response:
        call = new_call(self._account, _form(await request.post()))
        _keep(self.calls, call.sid, call)
        assert self._network is not None
        answer = web.json_response(call.show(), status=201)
        self._spawn(self._network.ring(call))
        return answer

    async def _list_calls(self, request: web.Request) -> web.Response:
        return self._listed(request, self.calls, "calls")

    async def _update_call(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["sid"])
        if call is None:
            raise web.HTTPNotFound
        form = _form(await request.post())
        only(form, CALL_UPDATE_FIELDS)
        wish = one(form, "Status")
        if wish not in {"completed", "canceled"}:
            raise Refusal(21218, "Status must be 'completed' or 'canceled'")
        if call.status in CALL_ENDS:
            raise Refusal(21220, "Call is not in-progress. Cannot redirect.")
        if wish == "completed" or call.status in {"queued", "ringing"}:
            call.wish.set()
        return web.json_response(call.show())

    # ------------------------------------------------------------------ messages

    async def _create_message(self, request: web.Request) -> web.Response:
        message = new_message(self._account, _form(await request.post()))
        _keep(self.messages, message.sid, message)
        assert self._network is not None
        answer = web.json_response(message.show(), status=201)
        self._spawn(self._network.carry(message))
        return answer

    async def _list_messages(self, request: web.Request) -> web.Response:
        return self._listed(request, self.messages, "messages")

    # ------------------------------------------------------------------ both

    def _listed(
        self, request: web.Request, records: Mapping[str, CallRecord | MessageRecord], kind: str
    ) -> web.Response:
        query = _form(request.query)
        visible = [r for r in records.values() if self._old_enough(r)]
        shown = page(matching(visible, query), kind=kind, path=request.path, query=query)
        return web.json_response(shown)

    def _old_enough(self, record: CallRecord | MessageRecord) -> bool:
        now = type(record.created).now(record.created.tzinfo)
        return (now - record.created).total_seconds() >= self.faults.listing_lag_s

    async def _fetch(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        record = self.calls.get(sid) or self.messages.get(sid)
        if record is None:
            raise web.HTTPNotFound
        return web.json_response(record.show())

    async def _delete(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        if self.calls.pop(sid, None) is None and self.messages.pop(sid, None) is None:
            raise web.HTTPNotFound
        return web.Response(status=204)


def _keep(records: dict[str, Any], sid: str, record: CallRecord | MessageRecord) -> None:
    records[sid] = record
    if len(records) > MAX_RECORDS:
        del records[next(iter(records))]
