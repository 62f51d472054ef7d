"""The shape of a rule: a pure step over one wearer's state."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from gateway.effects import Effect
from gateway.model import Envelope
from sos.events import TimerDue

__all__ = ["FIRST_AWAITED", "Adopts", "Rule", "RuleEvent", "TimerDue"]

FIRST_AWAITED = "first_awaited"
"""The name of the timer given at each start to a rule that declares `awaits_first = True`,
while its state is still the initial one: of this wearer nothing was ever heard."""

NOTHING: frozenset[type] = frozenset()
"""What a rule hears that is turned off."""

RuleEvent = Envelope | TimerDue


class Rule(Protocol):
    """One concern of one wearer. Pure and fast: no I/O, no clock, no randomness.

    A rule module ends with `RULE = TheClass`, built as `TheClass(wearer: WearerView, settings: Settings)`.
    `Settings` is a frozen msgspec Struct (forbid_unknown_fields): table `[rules.<name>]` of config.toml,
    which a wearer's own table `[wearers.rules.<name>]` overrides key by key.
    `State` is a frozen msgspec Struct, or a frozen slotted dataclass that msgspec can write and read.

    A rule whose state depends on the settings it was made under has one method more (`Adopts`).
    """

    name: ClassVar[str]
    Settings: ClassVar[type]
    State: ClassVar[type]

    @property
    def hears(self) -> frozenset[type] | None:
        """The kinds of readings one of which a frame must have for the rule to do anything; None: any frame.

        A constant of the rule: a frame without one leaves its state as it is and orders nothing,
        so it is not even asked (`gateway.rules.hearing`). Timers always come.
        """
        ...

    def initial(self) -> Any:
        """The state of a wearer never seen before."""
        ...

    def step(self, state: Any, event: RuleEvent, now: datetime) -> tuple[Any, tuple[Effect, ...]]:
        """Judge one event; give the state unchanged (the same object) when nothing worth storing changed.

        Never raises. Backlog moves no live state, an SOS excepted.
        """
        ...


@runtime_checkable
class Adopts(Protocol):
    """A rule that carries over a state made under other settings; called at each start and at each change.

    Pure, never raises, and idempotent: a state that fits is given back unchanged (the same object).
    It raises no alarm by itself; a timer that is due by now is set for now.
    """

    def adopt(self, state: Any, now: datetime) -> tuple[Any, tuple[Effect, ...]]:
        """Give the state under the settings of this rule, and the timers to set or clear for it."""
        ...
