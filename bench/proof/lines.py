"""The two kinds of carrier as the process uses them: one that keeps a list, and a modem that keeps none.

`Listed` behaves as `sos.carriers.twilio` with the service behind it, `Modem` as `sos.carriers.gsm_modem`:
the same answers, the same silence, the same forgetting at a restart.
A point is passed before and after whatever changes the world;
a question changes nothing, so that dying after it is the same as dying before the commit that follows.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from bench.proof.loop import START
from bench.proof.people import Moment
from bench.proof.world import Placed, World
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused, Message, Report
from sos.events import Channel, KeyPressed, Leg, LegReported, LegState

UNDER_WAY_S = 0.05
"""A request that was sent arrives so much later, whether or not its sender still lives."""
TIME_OUT_S = 5.0
SLOW_S = 2.0
LATE_S = 8.0
ORPHAN_GRACE_S = 15.0
CLOCK_SKEW_S = 10.0
MADE_WITHIN_S = 20.0


class Process(Protocol):
    """What a carrier knows of the life it belongs to."""

    def now(self) -> datetime:
        """The wall clock."""
        ...

    async def passing(self, what: str) -> None:
        """A place where the machine may die; never returns in a dead one."""
        ...


async def _sent(
    process: Process, world: World, carrier: str, leg: Leg, message: Message
) -> tuple[str, Placed]:
    """One request, from leaving the house to what the carrier made of it: (fate, what it made).

    Raises CarrierDown, CarrierRefused or CarrierAmbiguous where nothing was made.
    """
    await process.passing(f"before {carrier} is asked for {leg.leg_id}")
    fate = world.fate(carrier, leg.leg_id)
    made: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()

    def arrives() -> None:
        placed = world.create(carrier, leg, message.body)
        if not made.done():
            made.set_result(placed)

    match fate:
        case "down":
            raise CarrierDown("not reached")
        case "refused":
            await asyncio.sleep(UNDER_WAY_S)
            raise CarrierRefused("not this number")
        case "silent" | "never arrived":
            await asyncio.sleep(TIME_OUT_S)
            raise CarrierAmbiguous("no answer")
        case "slow":
            world.loop.call_later(SLOW_S, arrives)
        case _:
            world.loop.call_later(UNDER_WAY_S, arrives)
    placed = await made
    await process.passing(f"after {carrier} was asked for {leg.leg_id}")
    if fate in {"answer lost", "slow"}:
        raise CarrierAmbiguous("the connection broke")
    if fate == "answer late":
        await asyncio.sleep(LATE_S)
    return fate, placed


class Listed:
    """A service on the internet with a list of what it made; what happens to it is told to the portal."""

    name: ClassVar[str] = "twilio"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TEXT, Channel.CALL})
    concurrent: ClassVar[int] = 8
    place_deadline_s: ClassVar[float] = TIME_OUT_S
    needs_relay: ClassVar[bool] = True

    def __init__(self, process: Process, world: World) -> None:
        self.trouble = ""
        self._process = process
        self._world = world
        self._bodies: dict[str, str] = {}

    async def run(self, report: Report) -> None:
        """Nothing is heard here."""
        del report
        await asyncio.Event().wait()

    async def place(self, leg: Leg, message: Message) -> str:
        """One POST."""
        self.remember(leg, message)
        _, placed = await _sent(self._process, self._world, self.name, leg, message)
        return placed.reference

    async def hang_up(self, reference: str) -> None:
        """End a call."""
        await self._asked()
        await self._process.passing(f"before {reference} is hung up")
        self._world.hang_up(self._world.of(reference))
        await self._process.passing(f"after {reference} was hung up")

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:
        """The oldest fitting entry of the list that nobody owns."""
        await self._asked()
        now_s, skew_s = self._world.loop.time(), self._world.faults[self.name].skew_s
        since_s = (since - timedelta(seconds=CLOCK_SKEW_S) - START).total_seconds()
        for placed in self._world.placed:
            if (
                placed.carrier == self.name
                and placed.listed_s <= now_s
                and since_s <= placed.created_s - skew_s <= since_s + CLOCK_SKEW_S + MADE_WITHIN_S
                and (placed.leg.phone, placed.leg.channel) == (leg.phone, leg.channel)
                and placed.reference not in owned
                and self._same_text(leg, placed.body)
            ):
                self._world.tell(f"{leg.leg_id} is found in the list as {placed.reference}")
                return placed.reference
        self._world.tell(f"{leg.leg_id} is not in the list")
        return None

    def _same_text(self, leg: Leg, body: str) -> bool:
        ours = self._bodies.get(leg.leg_id)
        return leg.channel is Channel.CALL or ours is None or ours.strip() in body

    def remember(self, leg: Leg, message: Message) -> None:
        """The words of a text, of this life or the one before."""
        self._bodies[leg.leg_id] = message.body

    async def status(self, reference: str) -> LegState:
        """How it stands."""
        await self._asked()
        return self._world.of(reference).at(self._world.loop.time())

    async def _asked(self) -> None:
        """A question to the service takes a while, and does not arrive in an outage."""
        await asyncio.sleep(UNDER_WAY_S)
        if self._world.faults[self.name].outage(self._world.loop.time()) is not None:
            raise CarrierDown("not reached")


class Modem:
    """The modem on the desk: one line, no list, and it forgets everything but the call that stands."""

    name: ClassVar[str] = "modem"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TEXT, Channel.CALL})
    concurrent: ClassVar[int] = 1
    place_deadline_s: ClassVar[float] = 60.0

    def __init__(self, process: Process, world: World) -> None:
        self.trouble = ""
        self._process = process
        self._world = world
        self._report: Report | None = None
        self._followed: dict[str, Placed] = {}
        """What this life knows, by our own reference."""
        self._unsure: set[str] = set()
        self._reported: set[str] = set()
        """Legs whose text a delivery report has come for in this life."""

    async def run(self, report: Report) -> None:
        """Hear the modem; a call of before that no leg claims is hung up after a while."""
        self._report = report
        await asyncio.sleep(ORPHAN_GRACE_S)
        standing = self._world.standing(self.name)
        if standing is not None and self._ours(standing) not in self._followed:
            await self._process.passing("before an orphan is hung up")
            self._world.hang_up(standing)
        await asyncio.Event().wait()

    async def place(self, leg: Leg, message: Message) -> str:
        """ATD or AT+CMGS."""
        if leg.channel is Channel.CALL and self._world.standing(self.name) is not None:
            await asyncio.sleep(3)
            if self._world.standing(self.name) is not None:
                raise CarrierDown("busy with another call")
        try:
            _, placed = await _sent(self._process, self._world, self.name, leg, message)
        except CarrierAmbiguous:
            self._unsure.add(leg.leg_id)
            raise
        reference = self._ours(placed)
        self._followed[reference] = placed
        return reference

    @staticmethod
    def _ours(placed: Placed) -> str:
        return f"{placed.leg.channel}/{placed.leg.leg_id}"

    async def hang_up(self, reference: str) -> None:
        """End the call if it stands and is this one."""
        placed = self._followed.get(reference)
        if placed is not None and not placed.is_over(self._world.loop.time()):
            await self._process.passing(f"before {reference} is hung up")
            self._world.hang_up(placed)
            await self._process.passing(f"after {reference} was hung up")

    async def find(self, leg: Leg, *, since: datetime, owned: frozenset[str]) -> str | None:
        """The call that stands on the line, or a text a delivery report has come for."""
        del since, owned
        reference = f"{leg.channel}/{leg.leg_id}"
        if leg.channel is Channel.TEXT:
            return reference if leg.leg_id in self._unsure & self._reported else None
        return reference if reference in self._followed or self._adopt(leg.phone, reference) else None

    async def status(self, reference: str) -> LegState:
        """As far as this life has seen it; a call that no longer stands was not answered."""
        placed = self._followed.get(reference)
        if placed is not None:
            return placed.at(self._world.loop.time())
        if reference.startswith("text/"):
            return LegState.DELIVERED if reference[5:] in self._reported else LegState.PLACED
        phone = next((one.leg.phone for one in self._world.placed if self._ours(one) == reference), "")
        return LegState.PLACED if self._adopt(phone, reference) else LegState.NO_ANSWER

    def _adopt(self, phone: str, reference: str) -> bool:
        if self._world.faults[self.name].outage(self._world.loop.time()) is not None:
            raise CarrierDown("the modem is not ready")
        standing = self._world.standing(self.name)
        if standing is None or standing.leg.phone != phone or standing in self._followed.values():
            return False
        self._followed[reference] = standing
        return True

    def says(self, placed: Placed, moment: Moment) -> None:
        """An unasked line of the modem."""
        leg_id = placed.leg.leg_id
        reference = next((name for name, one in self._followed.items() if one is placed), None)
        if moment.state is LegState.DELIVERED:
            self._reported.add(leg_id)
            if reference is None and leg_id not in self._unsure:
                return
        elif reference is None:
            return
        else:
            leg_id = reference.partition("/")[2]
        if moment.digit:
            self._tell(KeyPressed(leg_id=leg_id, digit=moment.digit, at=self._process.now()))
        elif moment.state is not None:
            self._tell(LegReported(leg_id=leg_id, state=moment.state, at=self._process.now()))

    def _tell(self, event: LegReported | KeyPressed) -> None:
        if self._report is not None:
            self._report(event)


CARRIERS: dict[str, type[Listed | Modem]] = {"twilio": Listed, "modem": Modem}
