"""Events a second through all rules on one core, beside what the fence alone costs when asked naively.

Ten thousand wearers with three fences each (a circle, an estate of twelve corners, a pond to keep out of),
each walking a few metres between two frames, as well as old people are.
An event is one frame as bands send it: a fix with a heart rate; every sixth has a blood pressure,
every tenth the steps and the charge. The clock moves on, so minutes, hours and marks pass as they would.

The naive rule is a shapely `Polygon.contains(Point)` for each of the three fences at each fix, nothing else:
no distance, no accuracy, no dwell, no vital signs.
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from shapely.geometry import Point, Polygon

from gateway import plugins
from gateway.model import (
    Battery,
    BloodPressure,
    Envelope,
    FenceView,
    Fix,
    HeartRate,
    Reading,
    Steps,
    Uplink,
    WearerView,
)
from gateway.rules.fence import FenceSettings
from gateway.rules.hearing import Hearing
from shouwang import GC_THRESHOLD

WEARERS = 10_000
EVERY_S = 20
WARM_UP = 6
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
LAT, LON = 31.155, 121.105
SEED = 7

Step = Callable[[int, Envelope], None]


def ring(lat: float, lon: float, radius_deg: float, corners: int) -> tuple[tuple[float, float], ...]:
    """Give the corners of a regular polygon."""
    turns = [2 * math.pi * k / corners for k in range(corners)]
    return tuple((lat + radius_deg * math.cos(turn), lon + radius_deg * math.sin(turn)) for turn in turns)


def wearer(number: int) -> WearerView:
    """Give a wearer with three fences around a home of their own."""
    lat, lon = LAT + number % 100 * 0.002, LON + number // 100 * 0.002
    return WearerView(
        wearer=f"w{number}",
        name="",
        fences=(
            FenceView(fence="home", name="家", centre=(lat, lon), radius_m=120),
            FenceView(fence="estate", name="小区", polygon=ring(lat, lon, 0.003, 12)),
            FenceView(fence="pond", name="池塘", polygon=ring(lat + 0.002, lon, 0.0003, 8), keep="out"),
        ),
    )


def frame(number: int, turn: int, dice: random.Random) -> Envelope:
    """Give the frame a wearer's band sends at a turn."""
    at = START + timedelta(seconds=turn * EVERY_S + number % EVERY_S)
    lat, lon = LAT + number % 100 * 0.002, LON + number // 100 * 0.002
    angle = turn * 0.2 + number
    readings: list[Reading] = [
        Fix(
            lat=lat + 0.0004 * math.sin(angle),
            lon=lon + 0.0004 * math.cos(angle),
            valid=True,
            accuracy_m=8.0,
            speed_m_s=0.6,
            source="gnss",
            at=at,
        ),
        HeartRate(heart_rate_bpm=round(dice.gauss(74, 3)), at=at),
    ]
    if turn % 6 == number % 6:
        readings.append(
            BloodPressure(
                systolic_mmhg=round(dice.gauss(132, 4)), diastolic_mmhg=round(dice.gauss(78, 3)), at=at
            )
        )
    if turn % 10 == number % 10:
        readings += [Steps(steps=turn * 4, at=at), Battery(battery_pct=max(20.0, 90 - turn / 10), at=at)]
    return Envelope(
        uplink=Uplink(device=f"b{number}", readings=tuple(readings), raw=b""),
        wire="bench",
        device=f"b{number}",
        wearer=f"w{number}",
        received_at=at,
    )


class House:
    """All rules of all wearers and their states, as the engine holds them."""

    def __init__(self, wearers: int) -> None:
        kinds = plugins.load("rule")
        people = [wearer(number) for number in range(wearers)]
        self.names = tuple(kinds)
        self.rules = [
            Hearing(one.wearer, {name: kind(one, kind.Settings()) for name, kind in kinds.items()})
            for one in people
        ]
        self.states: list[list[Any]] = [[rule.initial() for _, rule in one.owned] for one in self.rules]
        self.writes = self.effects = self.written_bytes = 0
        self.spent_s: Counter[str] = Counter()

    def step(self, number: int, event: Envelope) -> None:
        """Let every rule that hears the event judge it."""
        states, hearing, now = self.states[number], self.rules[number], event.received_at
        for place in hearing.places(event.uplink.readings):
            state = states[place]
            new, effects = hearing.owned[place][1].step(state, event, now)
            if new is not state:
                states[place] = new
                self.writes += 1
            self.effects += len(effects)

    def step_timed(self, number: int, event: Envelope) -> None:
        """Do the same; book the CPU time each rule takes, and count the bytes to be written."""
        states, hearing, now = self.states[number], self.rules[number], event.received_at
        for place in hearing.places(event.uplink.readings):
            state = states[place]
            begun = time.thread_time()
            new, _ = hearing.owned[place][1].step(state, event, now)
            self.spent_s[self.names[place]] += time.thread_time() - begun
            if new is not state:
                states[place] = new
                self.written_bytes += len(msgspec.json.encode(new))


def one_fix(metres: float) -> float:
    """Give the CPU microseconds of the fence rule for one fix so far north of home, by three fences.

    The fixes go to and fro by two metres; near a border that is measured each time.
    """
    rule, at = plugins.get("rule", "fence")(wearer(0), FenceSettings()), START
    events = []
    for number in range(2_000):
        at += timedelta(seconds=1)
        fix = Fix(lat=LAT + (metres + number % 2 * 2) / 110_900, lon=LON, valid=True, accuracy_m=8.0, at=at)
        uplink = Uplink(device="b0", readings=(fix,), raw=b"")
        events.append(Envelope(uplink=uplink, wire="bench", device="b0", wearer="w0", received_at=at))
    took = []
    for _ in range(5):
        state = rule.initial()
        begun = time.process_time()
        for event in events:
            state, _ = rule.step(state, event, event.received_at)
        took.append(time.process_time() - begun)
    return min(took) / len(events) * 1e6


def naive(wearers: int) -> Step:
    """Give the naive rule: three `contains` a fix."""
    fences = [
        [
            Polygon([(lon, lat) for lat, lon in one.polygon or ring(*one.centre, 0.001, 32)])
            for one in view.fences
        ]  # type: ignore[misc]
        for view in (wearer(number) for number in range(wearers))
    ]

    def judge(number: int, event: Envelope) -> None:
        fix = event.uplink.readings[0]
        assert isinstance(fix, Fix)
        point = Point(fix.lon, fix.lat)
        for fence in fences[number]:
            fence.contains(point)

    return judge


def run(step: Step, wearers: int, seconds: float, first_turn: int = 0) -> tuple[float, int, int]:
    """Play turns of all wearers for about so many CPU seconds of judging; gives (s, frames, readings)."""
    dice = random.Random(SEED)
    spent_s, frames, readings, turn = 0.0, 0, 0, first_turn
    while spent_s < seconds:
        for begin in range(0, wearers, 1000):
            batch = [
                (number, frame(number, turn, dice)) for number in range(begin, min(begin + 1000, wearers))
            ]
            begun = time.process_time()
            for number, event in batch:
                step(number, event)
            spent_s += time.process_time() - begun
            frames += len(batch)
            readings += sum(len(event.uplink.readings) for _, event in batch)
        turn += 1
    return spent_s, frames, readings


def main(*, seconds: float, wearers: int = WEARERS) -> None:
    """Print events a second, their ratio to the naive rule, and what each rule costs."""
    house = House(wearers)
    for turn in range(WARM_UP):  # first frames set timers, fill habits and places
        run(house.step, wearers, 0.0, first_turn=turn)
    house.writes = house.effects = 0
    gc.freeze()  # as the gateway does at its start
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    spent_s, frames, readings = run(house.step, wearers, seconds, first_turn=WARM_UP)
    naive_s, naive_frames, _ = run(naive(wearers), wearers, max(0.5, seconds / 4))
    all_us, naive_us = spent_s / frames * 1e6, naive_s / naive_frames * 1e6
    print(f"{wearers} wearers, {len(house.names)} rules, 3 fences each; CPU time of one core")
    print(
        f"all rules      {all_us:7.2f} µs a frame  {frames / spent_s:9.0f} frames/s"
        f"  {readings / spent_s:9.0f} readings/s"
    )
    print(f"naive contains {naive_us:7.2f} µs a frame  {naive_frames / naive_s:9.0f} frames/s  (3 fences)")
    print(f"all rules take {all_us / naive_us:.2f} of the naive fence test's time")
    timed = House(min(wearers, 1000))
    for turn in range(WARM_UP):
        run(timed.step, len(timed.rules), 0.0, first_turn=turn)
    _, frames_timed, _ = run(timed.step_timed, len(timed.rules), max(0.5, seconds / 4), first_turn=WARM_UP)
    print(
        f"states to write {house.writes / frames:.3f} a frame, {timed.written_bytes / frames_timed:.0f} bytes"
        f" a frame; effects {house.effects / frames:.4f} a frame"
    )
    for name, spent in timed.spent_s.most_common():
        print(f"  {name:15} {spent / frames_timed * 1e6:6.2f} µs")
    print(f"fence rule, one fix: {one_fix(0):.2f} µs at home, {one_fix(140):.2f} µs at the exit margin")
