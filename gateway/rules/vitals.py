"""Raises when heart rate, blood pressure, oxygen or temperature stays beyond a wearer's limits.

A limit raises once its readings were beyond it `sustained_readings` times in a row, or for `sustained_s`.
It raises again only after a reading came back by the hysteresis (or the band was taken off)
and the cooldown is over.
A crisis limit raises as critical, sooner, and takes the plain limit of the same quantity with it.
What is doubtful (`gateway.rules.quality`) neither raises nor clears.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import Effect
from gateway.model import BloodPressure, Fix, HeartRate, SpO2, Steps, WearerView, Worn
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.measurements import BODIES, WITNESSES, Body, Measurements, measurements, plausible
from gateway.rules.moment import happened_at
from gateway.rules.quality import Quality, doubtful, witness
from gateway.rules.vitals_runs import Run, held, raising
from gateway.rules.vitals_settings import Quantity, VitalsSettings, quantities


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """The last (systolic, diastolic) judged while one is beyond a limit: a measurement may be sent twice."""

    pair: tuple[float, ...]
    at: datetime


class VitalsState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The runs by the code of their limit, empty for a wearer who is well, and what casts doubt."""

    runs: dict[str, Run] = {}
    quality: Quality = Quality()
    pressure: Pressure | None = None


Values = list[tuple[Quantity, float]]


class VitalsRule:
    """Watches the heart rate, blood pressure, oxygen and temperature of one wearer."""

    name: ClassVar[str] = "vitals"
    Settings: ClassVar[type[VitalsSettings]] = VitalsSettings
    State: ClassVar[type[VitalsState]] = VitalsState
    hears: frozenset[type] | None = BODIES | WITNESSES

    def __init__(self, wearer: WearerView, settings: VitalsSettings) -> None:
        self._wearer = wearer.wearer
        self._cooldown = timedelta(seconds=settings.cooldown_s)
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        self._repeated = timedelta(seconds=settings.repeated_pressure_s)
        self._quantities = quantities(settings)
        self._well = self._quantities.heart_rate.low, self._quantities.heart_rate.high

    def initial(self) -> VitalsState:
        """Give the state of a wearer of whom nothing is known."""
        return VitalsState()

    def step(
        self, state: VitalsState, event: RuleEvent, now: datetime
    ) -> tuple[VitalsState, tuple[Effect, ...]]:
        """Judge a frame's measurements by their times; an implausible or doubtful one never came."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue) or event.uplink.backlog:
            return state, ()
        heard_at = event.received_at
        state, measured = self._read(state, measurements(event), heard_at)
        if not measured:
            return state, ()
        if len(measured) > 1:
            measured.sort(key=lambda one: one[0])
        effects: list[Effect] = []
        for when, values in measured:
            if heard_at - when <= self._max_age and not doubtful(state.quality, when):
                state = self._judge(state, values, when, heard_at, effects)
        return state, tuple(effects)

    def _read(
        self, state: VitalsState, found: Measurements, heard_at: datetime
    ) -> tuple[VitalsState, list[tuple[datetime, Values]]]:
        """Take in what casts doubt, and give what is to be judged: nothing of a wearer who is well."""
        calm = not state.runs
        slow, fast = self._well
        bodies, witnesses, _ = found
        measured: list[tuple[datetime, Values]] = []
        for reading in bodies:
            if calm and type(reading) is HeartRate and slow <= reading.heart_rate_bpm <= fast:
                continue
            values = self._values(reading)
            if values and not (calm and all(one.low <= value <= one.high for one, value in values)):
                measured.append((happened_at(reading.at, heard_at), values))
        for sign in witnesses:
            state = self._witness(state, sign, heard_at)
        return state, measured

    def _values(self, reading: Body) -> Values:
        """Give each quantity a reading measures with its value; nothing when the sensor is at fault."""
        body = self._quantities
        if isinstance(reading, HeartRate):
            found = [(body.heart_rate, reading.heart_rate_bpm)]
        elif isinstance(reading, BloodPressure):
            upper, lower = reading.systolic_mmhg, reading.diastolic_mmhg
            found = [(body.systolic, upper), (body.diastolic, lower)] if lower < upper else []
        elif isinstance(reading, SpO2):
            found = [(body.spo2, reading.spo2_pct)]
        else:
            found = [(body.body_temp, reading.body_temp_c)]
        return found if all(plausible(value, one.bounds) for one, value in found) else []

    def _witness(self, state: VitalsState, reading: Fix | Steps | Worn, heard_at: datetime) -> VitalsState:
        """Take in what casts doubt; a band that was taken off begins every run anew."""
        if isinstance(reading, Worn):
            at = happened_at(reading.at, heard_at)
            if heard_at - at > self._max_age:
                return state
            if not reading.worn and state.runs:
                state = _taken_off(state, at)
        quality = witness(state.quality, reading, heard_at)
        return state if quality is state.quality else replace(state, quality=quality)

    def _judge(
        self,
        state: VitalsState,
        values: Values,
        when: datetime,
        heard_at: datetime,
        effects: list[Effect],
    ) -> VitalsState:
        """Hold what one measurement gave against all its limits."""
        pair = tuple(value for _, value in values)
        if len(pair) > 1:
            old = state.pressure
            if old is not None and pair == old.pair and timedelta(0) <= when - old.at < self._repeated:
                return state
        for quantity, value in values:
            runs = self._held(state.runs, quantity, value, when, heard_at, effects)
            if runs is not state.runs:
                state = replace(state, runs=runs)
        if len(pair) > 1:
            wanted = any(limit.code in state.runs for quantity, _ in values for limit in quantity.limits)
            pressure = Pressure(pair=pair, at=when) if wanted else None
            if pressure != state.pressure:
                state = replace(state, pressure=pressure)
        return state

    def _held(
        self,
        runs: dict[str, Run],
        quantity: Quantity,
        value: float,
        when: datetime,
        heard_at: datetime,
        effects: list[Effect],
    ) -> dict[str, Run]:
        """Give the runs after one value; an alarm of a crisis disarms the plain limit it goes beyond."""
        taken = 0
        for limit in quantity.limits:
            runs, raised = held(runs, limit, value, when, heard_at, self._cooldown)
            if taken == limit.sign and (run := runs.get(limit.code)) is not None and (raised or run.armed):
                runs = {**runs, limit.code: replace(run, armed=False, raised_at=when)}
            elif raised is not None:
                taken = limit.sign
                effects.append(raising(self.name, self._wearer, limit, raised, value, when))
        return runs


def _taken_off(state: VitalsState, at: datetime) -> VitalsState:
    """Begin every run anew; only the cooldowns are remembered."""
    runs = {
        code: Run(raised_at=run.raised_at, last_at=at)
        for code, run in state.runs.items()
        if run.raised_at is not None
    }
    return state if runs == state.runs else replace(state, runs=runs, pressure=None)


RULE = VitalsRule
