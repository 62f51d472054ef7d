"""The world around a gateway that dies: telephones, their networks and the portal's door, all outliving it.

It keeps the books of what really happened, which no journal can embellish:
every call that was placed and every text that arrived, with the time, on whichever network.
The door stands for the portal: it takes the gateway's events, relays Twilio's callbacks as commands,
and closes incidents that a person has taken, so that their wearers can press anew.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from firmware_sim.modem import SimModem
from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake, TwilioFaults
from gateway.told import CommandPage, PortalCommand, SyncAnswer

ACCOUNT, TOKEN, PORTAL_TOKEN = "ACkills", "twilio-token", "portal-token"
GATEWAY = "gw-kills"
WAIT_MOST_S = 25.0
CLOSED_AFTER_S = 1.0
LISTING_LAG_S = 0.3
"""How much later Twilio's lists know of a call; well below the rig's `settle_s`."""


@dataclass(frozen=True, slots=True)
class Reached:
    """One call that was placed, or one text that was taken: on which network, when, to whom.

    `leg_id` is the leg that placed it, as its callback address says; a modem's calls and texts have none.
    """

    network: str
    at: datetime
    phone: str
    leg_id: str = ""
    words: str = ""


class CountingModem(SimModem):
    """The simulated modem, with every dialling written down."""

    def __init__(self, *, path: Path, people: Mapping[str, Persona]) -> None:
        super().__init__(path=path, people=people)
        self.dialled: list[Reached] = []

    def dial(self, number: str) -> None:
        """Write down, then dial."""
        self.dialled.append(Reached("gsm_modem", datetime.now(UTC), number))
        super().dial(number)


class Door:
    """The portal's two doors for gateways and its webhooks for Twilio, kept in memory."""

    def __init__(self) -> None:
        self.port = 0
        self.through_seq = 0
        self._numbers = itertools.count(1)
        self._commands: list[PortalCommand] = []
        self._known: set[str] = set()
        self._news = asyncio.Event()

    async def open(self) -> web.AppRunner:
        """Serve on a free port; the caller cleans the runner up."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/gateway/v1/events", self._take_events)
        app.router.add_get("/api/gateway/v1/commands", self._give_commands)
        app.router.add_post("/twilio/{gateway}/{kind}/{leg}", self._callback)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        return runner

    def order(self, command: str, **what: Any) -> None:
        """Queue a command once; a repeat of the same name is the same command."""
        if command in self._known:
            return
        self._known.add(command)
        self._commands.append(PortalCommand(number=next(self._numbers), command=command, **what))
        self._news.set()
        self._news = asyncio.Event()

    def _close_soon(self, incident: str, taken_at: str) -> None:
        """Somebody goes there, sees to it, and closes the incident."""
        asyncio.get_running_loop().call_later(
            CLOSED_AFTER_S,
            lambda: self.order(
                f"resolve.{incident}.{taken_at}", name="resolve", incident=incident, by="duty", note="seen"
            ),
        )

    async def _take_events(self, request: web.Request) -> web.Response:
        batch = msgspec.json.decode(await request.read())
        for event in batch["events"]:
            if event["seq"] <= self.through_seq:
                continue
            self.through_seq = event["seq"]
            payload = event["payload"]
            if payload["kind"] == "incident":
                incident = payload["incident"]
                if incident["state"] == "acknowledged":
                    self._close_soon(incident["incident_id"], incident["acknowledged_at"])
        return _json(SyncAnswer(through_seq=self.through_seq))

    async def _give_commands(self, request: web.Request) -> web.Response:
        after = int(request.query["after"])
        ends = asyncio.get_running_loop().time() + min(float(request.query["wait_s"]), WAIT_MOST_S)
        while True:
            found = tuple(command for command in self._commands if command.number > after)[:100]
            left_s = ends - asyncio.get_running_loop().time()
            if found or left_s <= 0:
                self._commands = [command for command in self._commands if command.number > after]
                return _json(CommandPage(commands=found))
            news = self._news
            try:
                await asyncio.wait_for(news.wait(), left_s)
            except TimeoutError:
                continue

    async def _callback(self, request: web.Request) -> web.Response:
        form, leg = await request.post(), request.match_info["leg"]
        reference = str(form.get("CallSid") or form.get("MessageSid") or "")
        if request.match_info["kind"] == "voice":
            digit = str(form.get("Digits", ""))
            self.order(
                f"key.{leg}.{reference}", name="key_pressed", leg=leg, digit=digit, carrier_ref=reference
            )
            return web.Response(text="<Response><Hangup/></Response>", content_type="application/xml")
        status = str(form.get("CallStatus") or form.get("MessageStatus") or "")
        number = str(form.get("SequenceNumber", ""))
        self.order(
            f"status.{leg}.{reference}.{number}.{status}",
            name="leg_status",
            leg=leg,
            status=status,
            sequence=int(number) if number else None,
            carrier_ref=reference,
        )
        return web.Response(status=204)


def _leg_in(callback: str) -> str:
    """The leg whose callback address this is: its last part."""
    return unquote(callback.rpartition("/")[2])


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


@dataclass(slots=True, eq=False)
class Street:
    """Twilio, the modem and the door; build with `people`, enter `run`, wait for `ready`."""

    modem_path: Path
    people: Mapping[str, Persona]
    seed: int
    twilio: TwilioFake = field(init=False)
    modem: CountingModem = field(init=False)
    door: Door = field(init=False)
    ready: asyncio.Event = field(init=False)
    outages: int = 0

    def __post_init__(self) -> None:
        self.ready = asyncio.Event()
        self.door = Door()
        self.modem = CountingModem(path=self.modem_path, people=self.people)
        self.twilio = TwilioFake(
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            people=self.people,
            faults=TwilioFaults(
                seed=self.seed, lost_response=0.02, duplicate=0.05, reorder=0.05, listing_lag_s=LISTING_LAG_S
            ),
        )

    async def run(self) -> None:
        """Be there until cancelled."""
        runner = await self.door.open()
        waiting = {"twilio", "modem"}

        def up(name: str) -> None:
            waiting.discard(name)
            if not waiting:
                self.ready.set()

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.modem.run(lambda _: up("modem")))
                tasks.create_task(self.twilio.run(lambda _: up("twilio")))
        finally:
            await runner.cleanup()

    async def cut_the_line(self, dice: random.Random, *, every_s: float, for_s: float) -> None:
        """Take Twilio off the network now and then, until cancelled; it is plugged in again at the end."""
        try:
            while True:
                await asyncio.sleep(dice.uniform(0.5, 1.5) * every_s)
                await self.twilio.unplug()
                self.outages += 1
                await asyncio.sleep(dice.uniform(0.3, 1.0) * for_s)
                await self.twilio.plug()
        finally:
            await self.twilio.plug()

    def calls(self) -> list[Reached]:
        """Every call that was ever placed."""
        by_twilio = [
            Reached("twilio", call.created, call.to, _leg_in(call.callback))
            for call in self.twilio.calls.values()
        ]
        return sorted(by_twilio + self.modem.dialled, key=lambda call: call.at)

    def texts(self) -> list[Reached]:
        """Every text a network took."""
        by_twilio = [
            Reached("twilio", text.created, text.to, _leg_in(text.callback), text.body)
            for text in self.twilio.messages.values()
        ]
        by_modem = [
            Reached("gsm_modem", entry.at, entry.phone, "", entry.words)
            for entry in self.modem.transcript.entries
            if entry.kind == "text"
        ]
        return by_twilio + by_modem
