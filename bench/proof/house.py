"""One process after another on the same files: each a real gateway, killed at a point or at a time.

A point is a place where the machine may die: before and after every commit,
before and after everything a carrier is asked to do.
From the moment of death nothing reaches the disk or the world any more.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bench.proof.bands import Bands
from bench.proof.journal import VirtualJournal, described
from bench.proof.judge import AT_REST, Disk
from bench.proof.lines import CARRIERS, Modem
from bench.proof.loop import VirtualClock, VirtualLoop, clear_away
from bench.proof.people import Moment
from bench.proof.world import Placed, World
from gateway import health
from gateway.app import Gateway
from gateway.config import Settings
from gateway.journal.records import Record
from gateway.told import PortalCommand
from gateway.transports.base import Inbound

health.LOOK_EVERY_S = 30.0
"""The gateway looks at its own health less often here, for the sake of speed; nothing hangs on it."""
LOOK_EVERY_S = 5.0
FIRST_POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a life ends: at its `at_point`-th point or after `after_s`, whichever comes first.

    `orderly` ends by a termination signal, everything else by kill -9.
    The next life begins `down_s` later.
    """

    at_point: int | None = None
    after_s: float | None = None
    orderly: bool = False
    down_s: float = 1.0


class Life:
    """One process: the gateway, its journal, and the carriers as it sees them."""

    def __init__(self, settings: Settings, loop: VirtualLoop, world: World, *, lines: Sequence[str]) -> None:
        self.alive = True
        self.points = 0
        self.gone = loop.create_future()
        self.kill_at: int | None = None
        self.heard_through = 0
        self.ready = False
        self._world = world
        self._clock = VirtualClock(loop)
        self.lines = [CARRIERS[name](self, world) for name in lines]
        self.gateway = Gateway(
            settings,
            clock=self._clock,
            make_journal=functools.partial(VirtualJournal, point=self.point),  # type: ignore[arg-type]
            carriers=self.lines,
        )
        self.gateway.control = _NoDoor()  # type: ignore[assignment]
        self.gateway.health.measure = None  # a thread would end at another virtual time each time
        self.gateway.portal.link = _Relay(world)  # type: ignore[assignment]

    # ------------------------------------------------------------------ dying

    def point(self, what: str, batch: Sequence[Record] = ()) -> bool:
        """Pass a point; False when the process is dead, or dies here."""
        if not self.alive:
            return False
        if self.points == self.kill_at:
            self.die(f"{what} {described(batch)}" if batch else what)
            return False
        self.points += 1
        return True

    async def passing(self, what: str) -> None:
        """The same for a coroutine, which in a dead process never goes on."""
        if not self.point(what):
            await asyncio.Event().wait()

    def die(self, where: str) -> None:
        """Kill -9."""
        if self.alive:
            self.alive = False
            self._world.tell(f"KILLED {where}, at point {self.points}")
            self._world.listener = None
            self.gone.set_result(None)

    # ------------------------------------------------------------------ what the world says to it

    def now(self) -> datetime:
        """The wall clock."""
        return self._clock.now()

    def receive(self, inbound: Inbound) -> None:
        """A frame of a band."""
        if self.alive:
            self.gateway.intake.receive(inbound)

    def relayed(self, command: PortalCommand) -> None:
        """The portal's order, once each, as `gateway.transports.portal_link` hands them over."""
        if self.alive and command.number > self.heard_through:
            self.heard_through = command.number
            self.gateway.engine.ordered(command)

    def modem_says(self, placed: Placed, moment: Moment) -> None:
        """An unasked line of the modem."""
        for line in self.lines:
            if self.alive and isinstance(line, Modem):
                line.says(placed, moment)

    # ------------------------------------------------------------------ living

    def at_rest(self) -> bool:
        """Whether everybody who was owed something has it, and nothing is under way."""
        gateway = self.gateway
        return (
            not gateway.dispatcher.underway
            and not gateway.journal.waiting
            and all(
                incident.phase in AT_REST and not incident.has_timer("texts")
                for incident in gateway.incidents
            )
        )


class _NoDoor:
    """No socket for local commands."""

    async def run(self) -> None:
        await asyncio.Event().wait()


class _Relay:
    """Whether the portal is heard, as the gateway asks its link."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def connected(self) -> bool:
        return self._world.relay_up()


@dataclass(slots=True, kw_only=True)
class House:
    """The box: its files, and the lives that follow each other on them."""

    loop: VirtualLoop
    world: World
    bands: Bands
    settings: Settings
    lines: Sequence[str]
    most_s: float = 7200.0
    make_life: Callable[..., Life] = Life
    disk: Disk | None = None
    points: list[int] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    async def stand(self, ends: Sequence[End]) -> bool:
        """Live through these ends and then once more, until all is quiet; False when it never was."""
        for end in (*ends, None):
            life = self.make_life(self.settings, self.loop, self.world, lines=self.lines)
            rested = await self._live(life, end)
            self.points.append(life.points)
            if life.alive and rested:
                return True
            if end is None:
                return False
            await asyncio.sleep(end.down_s)
        return False

    async def _live(self, life: Life, end: End | None) -> bool:
        """One life; True when it came to rest."""
        loop, world, gateway = self.loop, self.world, life.gateway
        outside = loop.outside
        rest = loop.create_future()
        if end is not None:
            life.kill_at = end.at_point
            if end.after_s is not None:
                ending = rest.cancel if end.orderly else functools.partial(life.die, "in time")
                outside.call_later(end.after_s, ending)

        def look() -> None:
            if life.alive and not rest.done():
                if not self.bands.waiting and life.at_rest():
                    rest.set_result(True)
                elif loop.time() > self.most_s:
                    rest.set_result(False)
                else:
                    outside.call_later(LOOK_EVERY_S, look)

        def polls() -> None:
            if life.alive:
                life.ready = True
                world.poll()

        life.heard_through = gateway.reader.mark("command_number")
        world.listener = life
        serving = loop.create_task(gateway.run(lambda _: None), name="gateway")
        world.tell("a gateway starts")
        self.starts.append(loop.time())
        outside.call_later(FIRST_POLL_S, polls)
        self.bands.connect(life)
        outside.call_later(LOOK_EVERY_S, look)
        await asyncio.wait({serving, life.gone, rest}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        rested = rest.done() and not rest.cancelled() and rest.result()
        await self._end(life, serving, rested=rested)
        return rested

    async def _end(self, life: Life, serving: asyncio.Task[None], *, rested: bool) -> None:
        """Take the process out of the world, and read what it left on the disk."""
        gateway = life.gateway
        self.bands.disconnect()
        self.world.listener = None
        if not life.alive:
            self.loop.forget()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        life.alive = life.alive and rested
        self.loop.forget()
        await clear_away()
        self.disk = Disk.read(gateway.path)
        gateway.journal.close()
        gateway.reader.close()
