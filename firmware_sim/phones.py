"""The wall of telephones: a page on which whoever tries the demo sees what the families see and hears.

Every telephone of the simulated networks is a card; a visitor can take one into their own hand,
pick up, press a key, put down and text back, and the person of the scenario then decides nothing.
Only for the demo: it shows whole numbers and asks nobody for a password.

GET / and its files; GET /events is the whole wall as server-sent events, once at each change;
POST /phones/<number>/<act> with JSON {"key", "words"}: 204, or 404 (no such telephone or act), 409 (not now).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from firmware_sim.people import Hands, Transcript
from firmware_sim.settings import SimPhone
from firmware_sim.siren import SimSiren
from firmware_sim.wall import card_of

PAGE = Path(__file__).parent / "phones_page"
NAMES = ("wall.css", "wall.js", "wall.svg", "call.svg")
FILES = {"/": "index.html"} | {f"/{name}": name for name in NAMES}
HEARTBEAT_S = 15.0
SETTLE_S = 0.05
"""Changes that come together are told together."""
MAX_WORDS = 200
MAX_SIREN_CHANGES = 8
MAX_OTHERS = 12
KEY = re.compile(r"[0-9*#]")
OURS = "X-Shouwang-Wall"
"""A header no page of another site can send, so that only this page presses buttons."""
SAFETY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class PhoneWall:
    """The page; build it before the networks run, then `run` it.

    `phones` are the cards in order; `transcripts` are the networks' by name, each given the same hands;
    `siren` is the one on the spot, None where there is none.
    `links` are shown at the top, (words, English words, address).
    `port` 0 takes a free one; `ready` of `run` is called with the page's address.
    """

    def __init__(
        self,
        *,
        phones: Sequence[SimPhone],
        transcripts: Mapping[str, Transcript],
        siren: SimSiren | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        title: str = "",
        title_en: str = "",
        links: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        self._phones = tuple(phones)
        self._transcripts = dict(transcripts)
        self._siren = siren
        self._host = host
        self._port = port
        self._head = {
            "title": title,
            "title_en": title_en,
            "links": [{"words": words, "words_en": english, "url": url} for words, english, url in links],
        }
        self.hands = Hands()
        self._closing = False
        self._changed = asyncio.Event()
        self.hands.listeners.append(self._touch)
        for transcript in self._transcripts.values():
            transcript.hands = self.hands
            transcript.listeners.append(self._touch)
        if siren is not None:
            siren.listeners.append(self._touch)

    def _touch(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; raises OSError when the port is taken."""
        app = web.Application()
        for path in FILES:
            app.router.add_get(path, self._file)
        app.router.add_get("/events", self._events)
        app.router.add_post("/phones/{phone}/{act}", self._act)
        app.on_response_prepare.append(_safe)
        app.on_shutdown.append(self._end_streams)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port, reuse_address=True).start()
            ready(f"http://{self._host}:{runner.addresses[0][1]}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _end_streams(self, _app: web.Application) -> None:
        self._closing = True
        self._touch()

    async def _file(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / FILES[request.path])

    # ------------------------------------------------------------------ what is on the wall

    def shown(self) -> dict[str, Any]:
        """The whole wall as the page draws it."""
        cards = [card_of(phone, self._transcripts, self.hands.of(phone.phone)) for phone in self.phones()]
        return self._head | {"cards": cards, "siren": self._siren_shown()}

    def phones(self) -> tuple[SimPhone, ...]:
        """The telephones of the scenario, and behind them those that were texted or rung besides.

        A resident who asks for a code to sign in is in no family; the newest stand first.
        """
        entries = (entry for transcript in self._transcripts.values() for entry in transcript.entries)
        newest = sorted(entries, key=lambda entry: entry.at, reverse=True)
        known = {phone.phone for phone in self._phones}
        others = dict.fromkeys(entry.phone for entry in newest if entry.phone not in known)
        shown = list(others)[:MAX_OTHERS]
        return (*self._phones, *(SimPhone(phone=phone, name=f"尾号 {phone[-4:]}") for phone in shown))

    def _siren_shown(self) -> dict[str, Any] | None:
        if self._siren is None:
            return None
        changes = self._siren.transcript[-MAX_SIREN_CHANGES:]
        return {
            "on": self._siren.on,
            "changes": [{"at": entry.at.isoformat(), "on": entry.on} for entry in changes],
        }

    async def _events(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        while not self._closing:
            changed = self._changed
            told = json.dumps(self.shown(), ensure_ascii=False)
            try:
                await stream.write(f"data: {told}\n\n".encode())
                while not await _set_within(changed, HEARTBEAT_S):
                    await stream.write(b": still here\n\n")
            except ConnectionError:
                return stream
            await asyncio.sleep(0 if self._closing else SETTLE_S)
        return stream

    # ------------------------------------------------------------------ what the visitor does

    async def _act(self, request: web.Request) -> web.Response:
        if OURS not in request.headers:
            raise web.HTTPForbidden
        phone = request.match_info["phone"]
        if all(phone != known.phone for known in self.phones()):
            raise web.HTTPNotFound
        try:
            given = await request.json()
        except ValueError:
            raise web.HTTPBadRequest from None
        if not isinstance(given, dict):
            raise web.HTTPBadRequest
        if not self._done(phone, request.match_info["act"], given):
            raise web.HTTPConflict
        return web.Response(status=204)

    def _done(self, phone: str, act: str, given: dict[str, Any]) -> bool:
        """Carry one act out; False when it is not possible now."""
        hand = self.hands.of(phone)
        match act:
            case "hold" | "release":
                hand.hold(held=act == "hold")
                return True
            case "answer":
                return hand.answer()
            case "reject":
                return hand.reject()
            case "hang-up":
                return hand.hang_up()
            case "press":
                key = str(given.get("key", ""))
                if not KEY.fullmatch(key):
                    raise web.HTTPBadRequest
                return hand.press(key)
            case "reply":
                words = str(given.get("words", "")).strip()
                if not 0 < len(words) <= MAX_WORDS:
                    raise web.HTTPBadRequest
                return hand.reply(words)
        raise web.HTTPNotFound


async def _safe(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SAFETY)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
