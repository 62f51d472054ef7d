"""The siren: our level-driven relay against the one on a pseudo-terminal."""

from __future__ import annotations

from typing import ClassVar

from rigs.base import Rig

from firmware_sim.siren import SimSiren
from sos.carriers import siren
from sos.events import Channel, Leg


class SirenRig(Rig):
    """A relay and no sound, so that a relay that is away is a siren that is down."""

    refuses: ClassVar[frozenset[Channel]] = frozenset()

    async def open(self, tmp_path, _monkeypatch) -> None:
        self.network = SimSiren(path=tmp_path / "siren0")
        path = await self.serve(self.network)
        self.carrier = siren.CARRIER(siren.Settings(path=path, refresh_s=0.05))
        self.listen()
        await self.settled()

    async def settled(self) -> None:
        await self.carrier.ready.wait()

    async def lose(self) -> None:
        self.network.unplug()

    async def restore(self) -> None:
        self.network.plug()

    def lose_next_answer(self, _channel: Channel) -> None:
        self.network.gone_after_switching = True

    async def arrived(self, _leg: Leg) -> None:
        await self.network.until(on=True)

    async def over(self, _leg: Leg) -> None:
        await self.network.until(on=False)

    def arrivals(self) -> int:
        return sum(entry.on for entry in self.network.transcript)


RIG = SirenRig
