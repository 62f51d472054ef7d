"""Orders about fences that do not count for a while, as a rule takes them; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from gateway.effects import Effect
from gateway.model import FenceSuspension
from gateway.told import PortalCommand


@runtime_checkable
class Suspendable(Protocol):
    """A rule whose fences can be told not to count; its state names the `suspensions` there are.

    Both raise ValueError, in words for whoever ordered it, and are idempotent.
    """

    def suspend(self, state: Any, order: FenceSuspension, now: datetime) -> tuple[Any, tuple[Effect, ...]]:
        """Let one fence, or all, not count until a time."""
        ...

    def resume(self, state: Any, fence: str, now: datetime) -> tuple[Any, tuple[Effect, ...]]:
        """Let one fence, or all, count again."""
        ...


def ordered(
    rule: Suspendable, state: Any, command: PortalCommand, now: datetime
) -> tuple[Any, tuple[Effect, ...]]:
    """Give the state and effects of a suspend_fences or resume_fences; raises ValueError in words."""
    fence = command.fence or ""
    if command.name == "resume_fences":
        return rule.resume(state, fence, now)
    if command.until is None:
        raise ValueError("a suspension needs an end")
    order = FenceSuspension(
        fence=fence, until=command.until, by=command.by or "", note=command.note or "", given_at=now
    )
    return rule.suspend(state, order, now)
