"""The simulated carrier on the network inside it, looked at by the same transcript as the others."""

from __future__ import annotations

from types import SimpleNamespace

from rigs.base import ANSWERS, BUSY, PEOPLE, PRESSES, REJECTS, RINGS, SILENT, TALKS, Persona, Rig

from firmware_sim.people import Transcript
from sos.carriers import simulated
from sos.events import Channel, LegState

BEHAVE = {
    ANSWERS: "answers",
    BUSY: "busy",
    PRESSES: "presses",
    REJECTS: "busy",
    RINGS: "no_answer",
    SILENT: "no_answer",
    TALKS: "holds",
}


class SimulatedRig(Rig):
    """It says "placed" of a text for ever, because nobody got it."""

    delivers = False

    async def open(self, _tmp_path, _monkeypatch) -> None:
        self.network = SimpleNamespace(transcript=Transcript(PEOPLE))
        answers = {who.phone: answer for who, answer in BEHAVE.items()}
        self.carrier = simulated.CARRIER(
            simulated.Settings(answer="no_answer", answers=answers, ring_s=0.05, key_s=0.1)
        )
        self.carrier.network.watch = self.network.transcript.add
        self.listen()

    async def lose(self) -> None:
        self.carrier.network.away = True

    async def restore(self) -> None:
        self.carrier.network.away = False

    def refuse_next(self, _channel: Channel) -> None:
        self.carrier.network.refuse = 1

    def lose_next_answer(self, _channel: Channel) -> None:
        self.carrier.network.lose_answers = 1

    async def ended(self, who: Persona, reference: str) -> LegState:
        await self.network.transcript.seen(who.phone, "hung_up")
        return await self.carrier.status(reference)


RIG = SimulatedRig
