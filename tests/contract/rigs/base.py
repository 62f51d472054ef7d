"""What a rig is: one carrier on its own simulated network, and the people on it."""

from __future__ import annotations

import asyncio

from firmware_sim.people import Persona
from sos.events import Channel, KeyPressed, Leg

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


def leg(who: Persona, channel: Channel) -> Leg:
    number = next(_count)
    return Leg(
        leg_id=f"inc1.1.{who.phone[-3:]}.{channel}.{number}",
        incident="inc1",
        contact=who.phone[-3:],
        name="x",
        phone=who.phone,
        role="family",
        channel=channel,
        round=1,
        attempt=number,
    )


class Rig:
    """One carrier on its own network; `keys` and `states` are what the gateway would come to know."""

    def __init__(self) -> None:
        self.keys: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def serve(self, service) -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(service.run(ready.set_result)))
        return await ready

    def report(self, event) -> None:
        if isinstance(event, KeyPressed):
            self.keys.put_nowait((event.leg_id, event.digit))

    async def settled(self) -> None:
        """Wait until the carrier can be used (again); nothing to wait for where each request stands alone."""

    async def close(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heard(self, who: Persona, kind: str) -> tuple[str, ...]:
        return self.network.transcript.of(who.phone, kind)
