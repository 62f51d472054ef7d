"""A body as a band sees it: heart rate, pressure, oxygen, temperature. Pure, seeded.

Each quantity is a base line of straight drifts, plus slow noise (a first-order autoregressive process,
step by step), plus what walking does: the heart follows the speed with a time constant of half a minute.
Numbers are those of resting old people; this is a stage prop, not a medical model.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Quantity = Literal["heart_rate_bpm", "systolic_mmhg", "diastolic_mmhg", "spo2_pct", "body_temp_c"]

NOISE = MappingProxyType(
    {
        "heart_rate_bpm": (1.5, 20.0),
        "systolic_mmhg": (1.2, 60.0),
        "diastolic_mmhg": (1.0, 60.0),
        "spo2_pct": (0.4, 60.0),
        "body_temp_c": (0.04, 300.0),
    }
)
"""Quantity -> (standard deviation in its own unit, time constant in s)."""
BPM_PER_M_S = 16.0
EFFORT_TAU_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSigns:
    """One measurement of everything."""

    heart_rate_bpm: int
    systolic_mmhg: int
    diastolic_mmhg: int
    spo2_pct: int
    body_temp_c: float


@dataclass(slots=True)
class BaseLine:
    """A quantity without noise: straight lines between knots (t_s, value), held before and after."""

    knots: list[tuple[float, float]]

    def at(self, now_s: float) -> float:
        """The value at `now_s`."""
        before = self.knots[0]
        for knot in self.knots:
            if knot[0] > now_s:
                share = (now_s - before[0]) / (knot[0] - before[0])
                return before[1] + (knot[1] - before[1]) * max(share, 0.0)
            before = knot
        return before[1]

    def drift(self, at_s: float, to: float, over_s: float) -> None:
        """From `at_s` on, go to the value `to` in `over_s` seconds."""
        here = self.at(at_s)
        self.knots = [knot for knot in self.knots if knot[0] < at_s]
        self.knots += [(at_s, here), (at_s + max(over_s, 0.001), to)]


@dataclass(slots=True)
class Body:
    """A body between one tick and the next; call `step` with rising times."""

    base: dict[Quantity, BaseLine]
    dice: random.Random
    _noise: dict[str, float] = field(default_factory=dict)
    _effort_bpm: float = 0.0
    _at_s: float = 0.0

    def step(self, now_s: float, speed_m_s: float) -> VitalSigns:
        """Let time pass to `now_s` while walking at `speed_m_s`, and measure."""
        passed_s = max(now_s - self._at_s, 0.0)
        self._at_s = now_s
        share = 1 - math.exp(-passed_s / EFFORT_TAU_S)
        self._effort_bpm += (speed_m_s * BPM_PER_M_S - self._effort_bpm) * share
        values = {name: self._value(name, now_s, passed_s) for name in self.base}
        return VitalSigns(
            heart_rate_bpm=round(values["heart_rate_bpm"] + self._effort_bpm),
            systolic_mmhg=round(values["systolic_mmhg"]),
            diastolic_mmhg=round(values["diastolic_mmhg"]),
            spo2_pct=min(100, round(values["spo2_pct"])),
            body_temp_c=round(values["body_temp_c"], 1),
        )

    def _value(self, name: Quantity, now_s: float, passed_s: float) -> float:
        sigma, tau_s = NOISE[name]
        keep = math.exp(-passed_s / tau_s)
        fresh = self.dice.gauss(0.0, sigma)
        noise = keep * self._noise.get(name, 0.0) + math.sqrt(1 - keep * keep) * fresh
        self._noise[name] = noise
        return self.base[name].at(now_s) + noise
