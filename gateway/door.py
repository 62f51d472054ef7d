"""What is done for people on the box itself, behind its door (`gateway.transports.control`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from gateway.capture import Captures
from gateway.errors import ConfigError
from gateway.incidents import Incidents
from gateway.local_orders import Capture, LocalAnswer, LocalOrder, Reload, Reloaded
from gateway.quarantine import SecondLook
from gateway.told import ControlAnswer, PortalCommand


class Obeys(Protocol):
    """What is asked of the engine."""

    def ordered_here(self, command: PortalCommand, committed: Callable[[int], None]) -> str | None:
        """Carry out an order given on this box; the reason when it is refused."""
        ...


class Reloads(Protocol):
    """What is asked of whoever reads the configuration again (`gateway.profiles.reloading`)."""

    async def reload(self) -> Reloaded:
        """Read it, judge it, use it; raises ConfigError with every wrong key, and then nothing changed."""
        ...


class Door:
    """Answers orders given on the box, each after its commit."""

    def __init__(
        self,
        *,
        engine: Obeys,
        incidents: Incidents,
        look: SecondLook,
        captures: Captures,
        reloading: Reloads,
    ) -> None:
        self._engine = engine
        self._incidents = incidents
        self._look = look
        self._captures = captures
        self._reloading = reloading

    async def obey(self, command: PortalCommand) -> ControlAnswer:
        """An order the portal might give too."""
        done = asyncio.Event()
        refusal = self._engine.ordered_here(command, lambda _: done.set())
        if refusal is not None:
            return ControlAnswer(done=False, reason=refusal)
        await done.wait()
        made = None
        if command.name == "drill" and command.wearer is not None:
            made = self._incidents.of(command.wearer, command.kind or "sos", drill=True)
        incident, ref = (made.incident_id, made.ref) if made else ("", "")
        return ControlAnswer(done=True, incident=incident, ref=ref)

    def execute(self, order: LocalOrder) -> AsyncGenerator[LocalAnswer, None]:
        """An order that only this box may give."""
        if isinstance(order, Reload):
            return self._reload()
        return self._captures.record(order) if isinstance(order, Capture) else self._look.replay(order)

    async def _reload(self) -> AsyncGenerator[LocalAnswer, None]:
        try:
            reloaded = await self._reloading.reload()
        except ConfigError as error:
            yield ControlAnswer(done=False, reason=str(error))
            return
        yield ControlAnswer(done=True)
        yield reloaded
