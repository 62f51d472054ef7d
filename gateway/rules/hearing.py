"""Which rules of a wearer a frame concerns, looked up by the kinds of its readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.model import Reading
from gateway.rules.base import Rule

Hears = tuple[frozenset[type] | None, ...]
Kinds = tuple[type, ...]
MOST_PLANS = 1_000
"""A band that sends its readings in ever other orders must not fill the memory: then it begins anew."""

_PLANS: dict[Hears, dict[Kinds, tuple[int, ...]]] = {}
"""By what the rules of a wearer hear, nearly always the same: which of them hear a frame of such readings."""


class Hearing:
    """The rules of one wearer by their owner's name, such as "fence/wang", in their order."""

    __slots__ = ("_hears", "_plans", "owned")

    def __init__(self, wearer: str, rules: Mapping[str, Rule]) -> None:
        self.owned = tuple((f"{name}/{wearer}", rule) for name, rule in rules.items())
        self._hears = tuple(rule.hears for rule in rules.values())
        self._plans = _PLANS.setdefault(self._hears, {})

    def places(self, readings: Sequence[Reading]) -> tuple[int, ...]:
        """Give the places in `owned` of the rules that a frame with these readings concerns."""
        kinds = tuple(map(type, readings))
        found = self._plans.get(kinds)
        if found is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            found = self._plans[kinds] = tuple(
                place
                for place, hears in enumerate(self._hears)
                if hears is None or not hears.isdisjoint(kinds)
            )
        return found
