"""A day of one wearer, through every rule about her body: what is raised, exactly, and what is not.

Hours are those of China. She wears a band that measures the pulse every five minutes
and her pressure every half hour, and sends its last pressure with every frame.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway import plugins
from gateway.effects import ClearTimer, RaiseAlarm, SetTimer
from gateway.model import (
    Battery,
    BloodPressure,
    Envelope,
    Fix,
    HeartRate,
    Reading,
    Steps,
    Uplink,
    WearerView,
    Worn,
)
from gateway.rules.base import TimerDue
from sos.shifts import CHINA

MIDNIGHT = datetime(2026, 3, 2, tzinfo=CHINA)
BODY = ("vitals", "trend", "baseline", "vitals_missing", "removed", "inactivity", "silence", "battery")
CHEN = WearerView(wearer="chen", name="陈秀英")
OWN = {"inactivity": {"by": "09:30"}}


@dataclass
class Day:
    """The rules, their timers and a clock; `raised` is "hh:mm severity code"."""

    raised: list[str] = field(default_factory=list)
    steps: int = 0
    battery_pct: float = 80.0
    pressure: BloodPressure | None = None

    def __post_init__(self) -> None:
        kinds = plugins.load("rule")
        self.rules = {name: kinds[name](CHEN, kinds[name].Settings(**OWN.get(name, {}))) for name in BODY}
        self.states = {name: rule.initial() for name, rule in self.rules.items()}
        self.timers: dict[tuple[str, str], datetime] = {}

    def hear(self, clock: str, *readings: Reading, backlog: bool = False, at: datetime | None = None) -> None:
        """One frame at an hour such as "07:05"."""
        now = at or moment(clock)
        self.pass_to(now)
        uplink = Uplink(device="band", readings=readings, raw=b"", backlog=backlog)
        heard = Envelope(
            uplink=uplink, wire="test", device="band", wearer="chen", received_at=now.astimezone(UTC)
        )
        for name in BODY:
            self._take(name, *self.rules[name].step(self.states[name], heard, heard.received_at))

    def pass_to(self, now: datetime) -> None:
        """Let every timer ring that is due."""
        while due := [(at, owner) for owner, at in self.timers.items() if at <= now]:
            at, (name, timer) = heapq.nsmallest(1, due)[0]
            del self.timers[name, timer]
            ring = TimerDue(name=timer, due_at=at)
            self._take(name, *self.rules[name].step(self.states[name], ring, at))

    def _take(self, name: str, state, effects) -> None:
        self.states[name] = state
        for effect in effects:
            if isinstance(effect, SetTimer):
                self.timers[name, effect.name] = effect.due_at
            elif isinstance(effect, ClearTimer):
                self.timers.pop((name, effect.name), None)
            elif isinstance(effect, RaiseAlarm):
                alarm = effect.alarm
                self.raised.append(f"{alarm.at.astimezone(CHINA):%H:%M} {alarm.severity} {alarm.why.code}")

    def usual(self, begin: str, end: str, bpm: float = 72, *, steps: int = 0, speed_m_s: float = 0.0) -> None:
        """Frames every five minutes until `end`, with this pulse; her last pressure comes with each."""
        at, count = moment(begin), 0
        while at < moment(end):
            self.steps += steps
            if self.pressure is None or at.minute % 30 == 0:
                self.pressure = BloodPressure(systolic_mmhg=134 + count % 3, diastolic_mmhg=78)
            self.hear(
                "",
                Fix(lat=31.1553, lon=121.105, valid=True, speed_m_s=speed_m_s, accuracy_m=9),
                HeartRate(heart_rate_bpm=bpm + count % 3),
                self.pressure,
                Steps(steps=self.steps),
                Battery(battery_pct=self.battery_pct),
                at=at,
            )
            at, count = at + timedelta(minutes=5), count + 1


def moment(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return MIDNIGHT + timedelta(hours=hour, minutes=minute)


def test_a_day_with_a_walk_a_wet_wrist_and_a_crisis_raises_exactly_this():
    day = Day()
    day.usual("00:00", "06:30", 60)  # sleeps; the pulse of the night
    day.usual("06:30", "08:00", steps=30)  # up, breakfast
    day.usual("08:00", "08:40", 138, steps=450, speed_m_s=1.6)  # a brisk walk: 138, and nothing of it raises
    day.usual("08:40", "11:00")  # rests
    day.hear("11:01", HeartRate(heart_rate_bpm=190))  # one artefact, another one, and a sensor at its end
    day.hear("11:02", HeartRate(heart_rate_bpm=72))
    day.hear("11:03", HeartRate(heart_rate_bpm=0), HeartRate(heart_rate_bpm=255))
    for minute in range(5, 9):  # one pressure of 171, sent with every frame: one measurement
        day.hear(f"11:{minute:02}", BloodPressure(systolic_mmhg=171, diastolic_mmhg=88))
    day.hear("11:20", BloodPressure(systolic_mmhg=135, diastolic_mmhg=80))
    day.hear("11:31", *[HeartRate(heart_rate_bpm=150)] * 5, backlog=True)  # out of the band's store
    day.hear("11:35", Worn(worn=False))  # washes her hands: what the sensor sees now is the towel
    day.hear("11:35", HeartRate(heart_rate_bpm=31), HeartRate(heart_rate_bpm=33))
    day.hear("11:37", Worn(worn=True))
    day.usual("11:40", "14:00", steps=10)
    day.hear("14:01", BloodPressure(systolic_mmhg=184, diastolic_mmhg=101))  # the afternoon crisis
    assert day.raised == []
    day.hear("14:03", BloodPressure(systolic_mmhg=187, diastolic_mmhg=103))
    day.hear("14:05", BloodPressure(systolic_mmhg=186, diastolic_mmhg=102))
    day.hear("14:09", BloodPressure(systolic_mmhg=188, diastolic_mmhg=104))
    day.usual("14:30", "20:00", steps=10)  # the pill works; the evening is quiet
    day.battery_pct = 14
    day.usual("20:00", "20:10")
    day.hear("20:10", Worn(worn=False), Battery(battery_pct=14))  # on the charger, until bed
    for minute, charge in ((30, 30), (50, 50), (70, 70), (90, 90)):
        day.hear("", Battery(battery_pct=charge), at=moment("20:10") + timedelta(minutes=minute))
    day.hear("22:00", Worn(worn=True), Battery(battery_pct=96))
    day.battery_pct = 96
    day.usual("22:05", "23:55", 62)
    assert day.raised == [
        "14:03 critical systolic_crisis_high",
        "14:03 warning diastolic_high",
        "20:00 notice battery_low",
    ]


def test_the_same_day_alone_and_not_getting_up_raises_at_half_past_nine():
    day = Day()
    day.usual("00:00", "12:00", 60)
    assert day.raised == ["09:30 warning not_up"]
