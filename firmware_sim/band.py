"""A band on a wrist: where it is and what it measures, tick by tick. Pure, seeded.

The same plan, ground and seed give the same samples, whatever the wall clock does.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_sim.ground import Ground, Point
from firmware_sim.physiology import BaseLine, Body, VitalSigns
from firmware_sim.scenario import BandPlan, ComeBack, Drift, Leave, PressSos, PutOn, Router, TakeOff
from firmware_sim.walk import Journey, Stretch

GNSS_SIGMA_M = 1.6
GNSS_TAU_S = 25.0
STRIDE_M = 0.55
BATTERY_PCT_PER_H = 1.6
GROUND_ALT_M = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a band knows at one tick, `at_s` seconds into the story.

    `vitals` is None between measurements and while the band is off the wrist.
    """

    at_s: float
    lat: float
    lon: float
    alt_m: float
    speed_m_s: float
    course_deg: float
    accuracy_m: float
    satellites: int
    battery_pct: float
    steps: int
    worn: bool
    vitals: VitalSigns | None


class Band:
    """One band of a scenario; `samples()` gives its life from the first tick on, without end."""

    def __init__(self, plan: BandPlan, ground: Ground, seed: int) -> None:
        self.plan = plan
        self._ground = ground
        self._seed = seed
        self.journey = _journey(plan, ground)

    def samples(self) -> Iterator[Sample]:
        """One sample a `fix_every_s`; every call tells the same life again."""
        plan = self.plan
        dice = random.Random(f"band {plan.device} {self._seed}")
        body = _body(plan, random.Random(f"body {plan.device} {self._seed}"))
        drifted = drifting(dice, plan.fix_every_s)
        steps_m, tick, next_vitals_s = 0.0, 0, 0.0
        while True:
            at_s = tick * plan.fix_every_s
            place = self.journey.place(at_s)
            east_m, north_m = next(drifted)
            lat, lon = self._ground.grid.to_wgs84((place.point[0] + east_m, place.point[1] + north_m))
            steps_m += place.speed_m_s * plan.fix_every_s
            vitals = body.step(at_s, place.speed_m_s)
            due = at_s >= next_vitals_s
            if due:
                next_vitals_s += plan.vitals_every_s
            worn = self._worn(at_s)
            yield Sample(
                at_s=at_s,
                lat=round(lat, 7),
                lon=round(lon, 7),
                alt_m=round(GROUND_ALT_M + dice.gauss(0, 0.8), 1),
                speed_m_s=round(place.speed_m_s, 2),
                course_deg=round(place.course_deg, 1),
                accuracy_m=round(3.0 + abs(dice.gauss(0, 1.2)), 1),
                satellites=dice.randint(14, 22),
                battery_pct=max(1.0, round(plan.battery_pct - at_s / 3600 * BATTERY_PCT_PER_H, 1)),
                steps=int(steps_m / STRIDE_M),
                worn=worn,
                vitals=vitals if due and worn else None,
            )
            tick += 1

    def presses(self) -> tuple[PressSos, ...]:
        """When the button is pressed, in the order of time."""
        return tuple(event for event in self.plan.events if isinstance(event, PressSos))

    def _worn(self, at_s: float) -> bool:
        worn = True
        for event in self.plan.events:
            if event.at_s <= at_s and isinstance(event, TakeOff | PutOn):
                worn = isinstance(event, PutOn)
        return worn


def drifting(dice: random.Random, every_s: float) -> Iterator[Point]:
    """The error of a receiver in metres (east, north): slow, a few metres, one step a tick."""
    keep = math.exp(-every_s / GNSS_TAU_S)
    fresh = GNSS_SIGMA_M * math.sqrt(1 - keep * keep)
    east_m, north_m = dice.gauss(0, GNSS_SIGMA_M), dice.gauss(0, GNSS_SIGMA_M)
    while True:
        yield east_m, north_m
        east_m = keep * east_m + dice.gauss(0, fresh)
        north_m = keep * north_m + dice.gauss(0, fresh)


def _journey(plan: BandPlan, ground: Ground) -> Journey:
    router = Router(ground)
    walk = plan.walk
    line = router.line(walk)
    speed_m_s = walk.speed_m_s if line.length_m else 0.0
    journey = Journey(Stretch(0.0, line, speed_m_s, walk.manner, walk.start_m))
    for event in plan.events:
        if isinstance(event, Leave):
            points = tuple(router.point(waypoint) for waypoint in event.path)
            journey.leave(event.at_s, points, event.speed_m_s)
        elif isinstance(event, ComeBack):
            journey.come_back(event.at_s, event.speed_m_s)
    return journey


def _body(plan: BandPlan, dice: random.Random) -> Body:
    vitals = plan.vitals
    body = Body(
        {
            "heart_rate_bpm": BaseLine([(0.0, vitals.heart_rate_bpm)]),
            "systolic_mmhg": BaseLine([(0.0, vitals.systolic_mmhg)]),
            "diastolic_mmhg": BaseLine([(0.0, vitals.diastolic_mmhg)]),
            "spo2_pct": BaseLine([(0.0, vitals.spo2_pct)]),
            "body_temp_c": BaseLine([(0.0, vitals.body_temp_c)]),
        },
        dice,
    )
    for event in plan.events:
        if isinstance(event, Drift):
            body.base[event.what].drift(event.at_s, event.to, event.over_s)
    return body
