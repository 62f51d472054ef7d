"""Bad weather on a wire: messages lost, doubled and late. Pure, seeded."""

from __future__ import annotations

import random

import msgspec


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`lost` and `doubled` are shares of messages (0 to 1); each copy is late by up to `late_s` seconds."""

    lost: float = 0.0
    doubled: float = 0.0
    late_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.lost < 1 or not 0 <= self.doubled <= 1:
            raise ValueError("lost must be from 0 to below 1, doubled from 0 to 1")
        if self.late_s < 0:
            raise ValueError("late_s must not be negative")


class Weather:
    """Draws the fate of one message after the other; the same seed draws the same fates."""

    def __init__(self, faults: Faults, seed: int | str) -> None:
        self._faults = faults
        self._dice = random.Random(f"weather {seed}")

    def fate(self) -> tuple[float, ...]:
        """Delays in seconds of each copy that gets through; empty when the message is lost."""
        faults = self._faults
        lost, doubled = self._dice.random() < faults.lost, self._dice.random() < faults.doubled
        delays = (self._dice.random() * faults.late_s, self._dice.random() * faults.late_s)
        if lost:
            return ()
        return delays if doubled else delays[:1]
