"""Twilio is cut off and the modem carries on: how long until the next telephone rings.

Both simulated networks, the real carriers, the real cascade in real time.
The four ways of being cut: the connection is refused, no SYN is answered,
connections are taken and never answered, everything is answered 500.
Its callbacks stop with it; that the portal is away as well is not known yet.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.house import GATEWAY, House, Relay
from firmware_sim.modem import SimModem
from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake
from sos.carriers import gsm_modem, twilio
from sos.plan import Contact, Plan

ACCOUNT, TOKEN = "AC" + "5" * 32, "failover-token"
WAYS = ("refused", "no SYN answered", "never answers", "answers 500")
SON = Contact(contact="son", name="李建国", phone="+8613800138001")
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002")
PLAN = Plan(family=(SON, DAUGHTER), ring_timeout_s=25)
"""An SOS as shipped: neither of them answers."""
ENOUGH_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row: seconds from the cut, or from the press when Twilio was cut before it, to the modem's ring."""

    way: str
    press_s: float
    call_s: float


class Site:
    """One house with both networks around it."""

    def __init__(self, twilio_fake: TwilioFake, modem: SimModem, relay: Relay, house: House) -> None:
        self.twilio = twilio_fake
        self.modem = modem
        self.relay = relay
        self.house = house
        self._hole: list[socket.socket] = []

    async def cut(self, way: str) -> None:
        """Take Twilio away: what it is asked, and what it tells."""
        match way:
            case "refused":
                await self.twilio.unplug()
            case "no SYN answered":
                await self.twilio.unplug()
                self._hole = black_hole(int(self.twilio.url.rpartition(":")[2]))
            case "never answers":
                self.twilio.faults.silent = True
            case "answers 500":
                self.twilio.faults.server_error = 1.0
            case _:
                raise ValueError(way)
        self.twilio.cut_callbacks()

    def fill_hole(self) -> None:
        """Nothing swallows connections any more."""
        for one in self._hole:
            one.close()
        self._hole = []

    async def modem_rings(self, *anybody: Contact) -> None:
        """Wait until the modem has let one of these telephones ring."""
        rings = [asyncio.ensure_future(self.modem.transcript.seen(one.phone, "ringing")) for one in anybody]
        try:
            await asyncio.wait(rings, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for ring in rings:
                ring.cancel()

    async def join(self) -> None:
        """Everything is as before the cut."""
        self.fill_hole()
        self.twilio.faults.silent, self.twilio.faults.server_error = False, 0.0
        await self.twilio.plug()
        self.twilio.cut_callbacks(cut=False)


def black_hole(port: int) -> list[socket.socket]:
    """Listen without accepting until the backlog is full: further SYNs are dropped, as by a dead router."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(0)
    filling = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        filling.append(one)
    return [listening, *filling]


@asynccontextmanager
async def site(
    folder: Path, *, plan: Plan = PLAN, people: tuple[Persona, ...] = (), **limits: Any
) -> AsyncIterator[Site]:
    """Both networks with the same people, the carriers of `config.toml`'s order, and a house that lives."""
    everybody = {one.phone: one for one in people}
    relay = Relay(auth_token=TOKEN)
    fake = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people=everybody)
    modem = SimModem(path=folder / "modem", people=everybody)
    async with AsyncExitStack() as stack:
        callback_url = await stack.enter_async_context(relay.serving())
        base_url = await stack.enter_async_context(_running(fake.run))
        path = await stack.enter_async_context(_running(modem.run))
        online = twilio.CARRIER(
            twilio.Settings(
                account_sid=ACCOUNT,
                auth_token=TOKEN,
                from_number="+15005550006",
                callback_url=callback_url,
                gateway=GATEWAY,
                base_url=base_url,
            )
        )
        desk = gsm_modem.CARRIER(gsm_modem.Settings(path=path, reopen_max_s=1.0))
        house = House(
            folder=folder, carriers=(online, desk), plan=plan, relay_up=lambda: relay.is_up, **limits
        )
        relay.pass_to(house.dispatcher)
        await stack.enter_async_context(house.living())
        await desk.ready.wait()
        here = Site(fake, modem, relay, house)
        stack.callback(here.fill_hole)
        yield here


@asynccontextmanager
async def _running(run: Callable[[Callable[[str], None]], Coroutine[Any, Any, None]]) -> AsyncIterator[str]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(ready.set_result))
    try:
        yield await ready
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def before_the_press(way: str, folder: Path) -> float:
    """Twilio is cut while nobody looks; seconds from the press to the first ring, which is the modem's.

    It is the daughter's where nobody knows whether the son's telephone rings.
    """
    async with site(folder) as here, asyncio.timeout(ENOUGH_S):
        await here.cut(way)
        began = time.monotonic()
        here.house.press()
        await here.modem_rings(SON, DAUGHTER)
        return time.monotonic() - began


async def during_a_call(way: str, folder: Path) -> float:
    """The son's telephone rings by Twilio when the line is cut; seconds until the daughter's rings."""
    async with site(folder) as here, asyncio.timeout(ENOUGH_S):
        here.house.press()
        await here.twilio.transcript.seen(SON.phone, "ringing")
        await asyncio.sleep(1)
        await here.cut(way)
        began = time.monotonic()
        await here.modem_rings(DAUGHTER)
        return time.monotonic() - began


async def measure(folder: Path) -> tuple[Figure, ...]:
    """Every way, both moments, side by side."""
    pairs = [
        (before_the_press(way, folder / f"{number}a"), during_a_call(way, folder / f"{number}b"))
        for number, way in enumerate(WAYS)
    ]
    found = await asyncio.gather(*(one for pair in pairs for one in pair))
    return tuple(
        Figure(way=way, press_s=found[2 * number], call_s=found[2 * number + 1])
        for number, way in enumerate(WAYS)
    )


def table(figures: tuple[Figure, ...]) -> str:
    """The figures in words and numbers."""
    lines = [f"{'Twilio':>16} {'press -> modem rings':>22} {'cut in a call -> modem rings':>30}"]
    lines += [f"{one.way:>16} {one.press_s:20.2f} s {one.call_s:28.2f} s" for one in figures]
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write(table(asyncio.run(measure(Path(name)))) + "\n")


if __name__ == "__main__":
    main()
