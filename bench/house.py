"""One house in real time, for benches and tests: real cascade, dispatcher, ledger and journal, one incident.

What a gateway has around them is left out: no bands, no rules, no configuration.
`Relay` stands for the portal: it takes Twilio's callbacks, checks their signatures, and passes them on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from twilio.request_validator import RequestValidator

from gateway.journal.records import Record
from gateway.journal.writer import JournalWriter
from gateway.ledger import JournalLedger
from sos.carriers.base import Carrier
from sos.carriers.twilio import TwilioCarrier
from sos.cascade import open_incident, step
from sos.dispatcher import Dispatcher
from sos.events import (
    ClearTimer,
    Event,
    KeyPressed,
    LegReported,
    Opened,
    Order,
    SetTimer,
    TellBand,
    TimerDue,
)
from sos.incident import Phase
from sos.plan import Plan
from sos.subject import Subject

GATEWAY = "gw-house"


def now() -> datetime:
    """The wall clock in UTC."""
    return datetime.now(UTC)


class House:
    """Everything behind one press of one wearer; `run` it, then `press`.

    `limits` go to the dispatcher as they are (`settle_s`, `patience_s` …).
    """

    def __init__(
        self,
        *,
        folder: Path,
        carriers: Sequence[Carrier],
        plan: Plan,
        relay_up: Callable[[], bool] = lambda: True,
        **limits: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = JournalWriter(folder / "journal.db")
        self.ledger = JournalLedger(journal=self._journal, leg_known=self._leg_known)
        self.dispatcher = Dispatcher(
            ledger=self.ledger, carriers=carriers, now=now, relay_up=relay_up, **limits
        )
        self.incident = open_incident(
            incident_id="i1",
            ref="A7K2",
            wearer="zhang-guilan",
            subject=Subject(name="张桂兰", kind="sos", where="3栋东门附近"),
            plan=plan,
            at=now(),
        )
        self.orders: list[Order] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[House]:
        """Run until the block is left."""
        self._journal.start()
        running = asyncio.create_task(self.dispatcher.run(), name="house dispatcher")
        try:
            yield self
        finally:
            for timer in self._timers.values():
                timer.cancel()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self._journal.stop()

    def press(self) -> None:
        """The wearer presses."""
        self.tell(Opened())

    def tell(self, event: Event) -> None:
        """Step the cascade and carry its orders out after the commit."""
        self._step(event, Record(urgent=True), lambda _: None)

    def _leg_known(
        self, event: LegReported | KeyPressed, record: Record, done: Callable[[int], None]
    ) -> None:
        self._step(event, record, done)

    def _step(self, event: Event, record: Record, done: Callable[[int], None]) -> None:
        self.incident, orders = step(self.incident, event, now())

        def committed(seq: int) -> None:
            for order in orders:
                self._carry_out(order)
            self._changed.set()
            self._changed = asyncio.Event()
            done(seq)

        record.committed = committed
        self._journal.append(record)

    def _carry_out(self, order: Order) -> None:
        self.orders.append(order)
        match order:
            case SetTimer():
                self._clear(order.name)
                delay_s = max(0.0, (order.due_at - now()).total_seconds())
                self._timers[order.name] = asyncio.get_running_loop().call_later(
                    delay_s, self._due, order.name, order.due_at
                )
            case ClearTimer():
                self._clear(order.name)
            case TellBand():
                pass  # no bands here
            case _:
                self.dispatcher.execute(order)

    def _clear(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _due(self, name: str, due_at: datetime) -> None:
        del self._timers[name]
        self.tell(TimerDue(name=name, due_at=due_at))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds of the incident; whoever waits brings the time limit."""
        while not holds():
            await self._changed.wait()

    async def until_phase(self, phase: Phase) -> None:
        """Wait until the incident is so."""
        await self.until(lambda: self.incident.phase is phase)

    async def until_quiet(self) -> None:
        """Wait until no leg is under way any more."""
        while self.dispatcher.underway:  # noqa: ASYNC110  legs end in tasks of their own
            await asyncio.sleep(0.02)


class Relay:
    """The portal's webhooks and the gateway's command link; `cut` holds what comes until `join`."""

    def __init__(self, *, auth_token: str, host: str = "127.0.0.1") -> None:
        self._validator = RequestValidator(auth_token)
        self._host = host
        self._dispatcher: Dispatcher | None = None
        self._held: list[tuple[LegReported | KeyPressed, str]] = []
        self.is_up = True
        self.refused = 0
        """Callbacks whose signature was wrong."""
        self.taken = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Listen on a free port; gives the address for `callback_url`."""
        app = web.Application()
        app.router.add_post("/twilio/{gateway}/{kind}/{leg}", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, self._host, 0).start()
        try:
            yield f"http://{self._host}:{runner.addresses[0][1]}/twilio"
        finally:
            await runner.cleanup()

    def pass_to(self, dispatcher: Dispatcher) -> None:
        """Relay to this dispatcher from now on."""
        self._dispatcher = dispatcher

    def cut(self) -> None:
        """The gateway cannot hear the portal any more."""
        self.is_up = False

    def join(self) -> None:
        """It can again: what was held is passed on."""
        self.is_up = True
        held, self._held = self._held, []
        for event, reference in held:
            self._pass_on(event, reference)

    def press(self, leg_id: str, digit: str) -> None:
        """Somebody presses a key in a call Twilio has, as its callback would say."""
        self._pass_on(KeyPressed(leg_id=leg_id, digit=digit, at=now()), "")

    def _pass_on(self, event: LegReported | KeyPressed, reference: str) -> None:
        if not self.is_up or self._dispatcher is None:
            self._held.append((event, reference))
        else:
            self._dispatcher.carrier_report(event, reference=reference or None)

    async def _take(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        signature = request.headers.get("X-Twilio-Signature", "")
        if not self._validator.validate(str(request.url), form, signature):
            self.refused += 1
            return web.Response(status=403)
        self.taken += 1
        leg_id = request.match_info["leg"]
        reference = form.get("CallSid") or form.get("MessageSid", "")
        if request.match_info["kind"] == "voice":
            digit = form.get("Digits", "")
            self._pass_on(KeyPressed(leg_id=leg_id, digit=digit, at=now()), reference)
            return web.Response(
                text="<Response><Say>已确认</Say><Hangup/></Response>", content_type="text/xml"
            )
        status = form.get("CallStatus") or form.get("MessageStatus") or form.get("AnsweredBy", "")
        state = TwilioCarrier.state_of(status)
        if state is not None:
            sequence = int(form["SequenceNumber"]) if "SequenceNumber" in form else None
            event = LegReported(
                leg_id=leg_id, state=state, at=now(), carrier=TwilioCarrier.name, sequence=sequence
            )
            self._pass_on(event, reference)
        return web.Response(status=204)
