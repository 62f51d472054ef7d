"""The box's modem: our AT dialogue against the modem on a pseudo-terminal."""

from __future__ import annotations

import asyncio

from rigs.base import PEOPLE, Persona, Rig

from firmware_sim.modem import SimModem
from sos.carriers import gsm_modem
from sos.events import LEG_ENDS, Channel, KeyPressed, LegState


class ModemRig(Rig):
    """Our AT dialogue against the modem on a pseudo-terminal."""

    refuses = frozenset({Channel.TEXT})

    async def open(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(gsm_modem, "SEND_DEADLINE_S", 0.3)
        monkeypatch.setattr(gsm_modem, "DIAL_DEADLINE_S", 0.3)
        self.network = SimModem(path=tmp_path / "modem0", people=PEOPLE)
        path = await self.serve(self.network)
        settings = gsm_modem.Settings(path=path, poll_s=0.03, reopen_min_s=0.05, reopen_max_s=0.05)
        self.carrier = gsm_modem.CARRIER(settings)
        self._ends: dict[str, asyncio.Event] = {}
        self.listen()
        await self.settled()

    async def settled(self) -> None:
        await self.carrier.ready.wait()

    async def stop_listening(self) -> bool:
        cancelled = await super().stop_listening()
        self.carrier.ready.clear()  # it means the loop that has just ended
        return cancelled

    def report(self, event) -> None:
        super().report(event)
        if not isinstance(event, KeyPressed) and event.state in LEG_ENDS:
            self._end(event.leg_id).set()

    def _end(self, leg_id: str) -> asyncio.Event:
        return self._ends.setdefault(leg_id, asyncio.Event())

    async def lose(self) -> None:
        self.network.unplug()

    async def restore(self) -> None:
        self.network.plug()

    def refuse_next(self, _channel: Channel) -> None:
        self.network.faults.armed.append("text_error")

    def lose_next_answer(self, channel: Channel) -> None:
        self.network.faults.armed.append("lost_dial_answer" if channel is Channel.CALL else "lost_answer")

    async def ended(self, who: Persona, reference: str) -> LegState:
        await self.network.transcript.seen(who.phone, "hung_up")
        await self._end(reference.rsplit("/", maxsplit=1)[-1]).wait()
        return await self.carrier.status(reference)


RIG = ModemRig
