"""The BeiDou module: our carrier on a pseudo-terminal, under a sky with a station that answers."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rigs.base import STATION, Rig

from firmware_sim.beidou import SimModule, SimStation, Sky
from sos.carriers import rdss
from sos.events import Channel, Leg


class RdssRig(Rig):
    """One module, one station; a card that may send every 50 ms."""

    generation: ClassVar[str] = "bds3"

    async def open(self, tmp_path, _monkeypatch) -> None:
        self._answers: dict[str, asyncio.Event] = {}
        self.module = SimModule(
            path=tmp_path / "rdss0", card="4216930", generation=self.generation, period_s=0.05
        )
        self.network = Sky(self.module, SimStation(card=STATION), delay_s=0.02)
        settings = rdss.Settings(
            path=await self.serve(self.network),
            generation=self.generation,
            period_s=0.06,
            answer_s=0.5,
            feedback_s=0.4,
            health_s=30,
            reopen_min_s=0.05,
            reopen_max_s=0.05,
            data_dir=str(tmp_path / "data"),
        )
        self.carrier = rdss.CARRIER(settings)
        self.listen()
        await self.settled()

    def _told(self, leg_id: str) -> asyncio.Event:
        return self._answers.setdefault(leg_id, asyncio.Event())

    def report(self, event) -> None:
        super().report(event)
        self._told(event.leg_id).set()

    async def settled(self) -> None:
        await self.carrier.ready.wait()

    async def stop_listening(self) -> bool:
        cancelled = await super().stop_listening()
        assert not self.carrier.ready.is_set()
        return cancelled

    async def lose(self) -> None:
        self.module.unplug()

    async def restore(self) -> None:
        self.module.plug()

    def refuse_next(self, _channel: Channel) -> None:
        self.module.faults.armed.append("no_right")

    def lose_next_answer(self, _channel: Channel) -> None:
        self.module.faults.armed.append("lost_feedback")

    async def arrived(self, leg: Leg) -> None:
        """The station has it, and its answer is back down."""
        await self.network.seen("arrived", to=leg.phone)
        await self.network.seen("arrived", sender=leg.phone)
        await self._told(leg.leg_id).wait()

    def arrivals(self) -> int:
        return len(self.network.of("arrived", to=STATION))


RIG = RdssRig
