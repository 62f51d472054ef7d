"""What a rig is: one carrier on its own simulated network, and whoever is at the far end of it.

A telephone carrier's rig gives `open`, `lose`, `restore`, `refuse_next`, `lose_next_answer` and `ended`;
its `network` has a `transcript` (`firmware_sim.people.Transcript`), so that the rest below fits as it is.
A rig of another kind (a BeiDou card, a siren) gives the first five, no `ended`,
and its own `arrived`, `over` and `arrivals`; `leg` and `message` where the defaults do not fit.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import ClassVar

from firmware_sim.people import Persona
from sos.beidou import BeidouAlarm, pack
from sos.carriers.base import Message
from sos.events import Channel, KeyPressed, Leg, LegReported

SCRIPT = "张桂兰按下了求救,请按1"
BODY = "张桂兰(3栋2单元401)按下了求救,住户𠮷田在场。" * 3 + "#A7K2"


def persona(number: int, answer: str, **more) -> Persona:
    return Persona(
        phone=f"+8613800138{number:03}",
        **({"answer": answer, "after_s": 0.15, "key_after_s": 0.3} | more),
    )


SILENT = persona(1, "no_answer")
BUSY = persona(2, "busy")
REJECTS = persona(3, "rejects")
ANSWERS = persona(4, "answers")
PRESSES = persona(5, "presses")
TALKS = persona(6, "answers", key_after_s=60)
RINGS = persona(7, "no_answer")
PEOPLE = {who.phone: who for who in (SILENT, BUSY, REJECTS, ANSWERS, PRESSES, TALKS, RINGS)}
_count = iter(range(1, 1_000_000))
STATION = "247362"
"""The card number of a BeiDou station."""
ARRIVES = {Channel.TEXT: "text", Channel.CALL: "ringing"}
"""The transcript's word for a leg that has come out at the far end."""


def leg_to(phone: str, channel: Channel, *, role: str = "family") -> Leg:
    """A new leg; every call gives another one."""
    number = next(_count)
    contact = phone[-3:] or role
    return Leg(
        leg_id=f"inc1.1.{contact}.{channel}.{number}",
        incident="inc1",
        contact=contact,
        name="x",
        phone=phone,
        role=role,
        channel=channel,
        round=1,
        attempt=number,
    )


def leg(who: Persona, channel: Channel) -> Leg:
    return leg_to(who.phone, channel)


class Rig:
    """One carrier on its own network; `keys` and `reports` are what the gateway would come to know.

    What a rig must give besides, made by `open(tmp_path, monkeypatch)`:
    `carrier`, listening (`self.listen()`), and `network`.

    - `async lose()`, `async restore()`: the line or the service is away, and is back.
    - `refuse_next(channel)`: the next leg of this channel is refused by the network.
    - `lose_next_answer(channel)`: the next leg comes out at the far end, the answer to `place` is lost.
    - `async ended(who, reference)`: for calls: wait for the end, give the state the carrier says.
    """

    finds: ClassVar[bool] = True
    """False where the far end keeps no list: `find` gives None or raises CarrierError, never a guess."""

    delivers: ClassVar[bool] = True
    """False where nobody ever says that a text was delivered."""
    refuses: ClassVar[frozenset[Channel]] = frozenset(Channel)
    """The channels on which `refuse_next` can make this network say no."""

    def __init__(self) -> None:
        self.keys: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.reports: list[LegReported | KeyPressed] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: asyncio.Task[None] | None = None

    async def serve(self, service) -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(service.run(ready.set_result)))
        return await ready

    def listen(self) -> None:
        """Start the carrier's own loop, as the dispatcher does."""
        self._listening = asyncio.create_task(self.carrier.run(self.report))

    async def stop_listening(self) -> bool:
        """Cancel the carrier's loop; True when it ended by the cancellation and by nothing else."""
        listening, self._listening = self._listening, None
        listening.cancel()
        await asyncio.wait([listening])
        return listening.cancelled()

    def report(self, event) -> None:
        self.reports.append(event)
        if isinstance(event, KeyPressed):
            self.keys.put_nowait((event.leg_id, event.digit))

    async def settled(self) -> None:
        """Wait until the carrier can be used (again); nothing to wait for where each request stands alone."""

    async def close(self) -> None:
        if self._listening is not None:
            await self.stop_listening()
        for task in reversed(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ the far end, whatever the channel

    def leg(self, channel: Channel) -> Leg:
        """A new leg to somebody, or something, that takes it and holds on to it until it is hung up."""
        if channel is Channel.BEIDOU:
            return leg_to(STATION, channel, role="station")
        if channel is Channel.SIREN:
            return leg_to("", channel, role="site")
        return leg(TALKS, channel)

    def message(self, channel: Channel) -> Message:
        """What such a leg says."""
        if channel is Channel.BEIDOU:
            alarm = BeidouAlarm(number=7, kind="sos", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), seq=1)
            return Message(body=pack(alarm).hex())
        return Message(body="求救 #A7K2" if channel is Channel.TEXT else SCRIPT)

    async def arrived(self, leg: Leg) -> None:
        """Wait until the leg has come out at the far end: the text is there, it rings, the siren is heard."""
        await self.network.transcript.seen(leg.phone, ARRIVES[leg.channel])

    async def over(self, leg: Leg) -> None:
        """Wait until the call, or the siren's noise, has ended at the far end."""
        await self.network.transcript.seen(leg.phone, "hung_up")

    def arrivals(self) -> int:
        """How many legs have come out at the far end so far."""
        return sum(entry.kind in ARRIVES.values() for entry in self.network.transcript.entries)

    def heard(self, who: Persona, kind: str) -> tuple[str, ...]:
        return self.network.transcript.of(who.phone, kind)
