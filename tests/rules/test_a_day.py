"""A day of 王德顺, with everything that goes wrong with positions: who is alarmed when, exactly.

The times are those of China. His fence is a circle of 100 m around his home with a margin of 20 m;
his band names no accuracy unless the story says so. North is away from home, in metres from its middle.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from gateway.effects import ClearTimer, RaiseAlarm, SetTimer
from gateway.model import Envelope, FenceSuspension, FenceView, Fix, Uplink, WearerView
from gateway.rules.base import TimerDue
from gateway.rules.fence import RULE, FenceState
from geofence.schedule import CHINA

MIDNIGHT = datetime(2026, 3, 2, tzinfo=CHINA)
LAT, LON = 31.15535, 121.10460
M = 1 / 110_860


def clock(text: str) -> datetime:
    """`14:30` or `14:30:05` of that day."""
    hour, minute, second = (*map(int, text.split(":")), 0)[:3]
    return MIDNIGHT + timedelta(hours=hour, minutes=minute, seconds=second)


@dataclass
class Day:
    """The rule with its timers; `told` is what was raised, as (time it was raised, code)."""

    rule: RULE
    state: FenceState = field(default_factory=FenceState)
    told: list[tuple[str, str]] = field(default_factory=list)
    timers: dict[str, datetime] = field(default_factory=dict)
    heap: list[tuple[datetime, str]] = field(default_factory=list)

    def fix(self, at: str, north_m: float, *, heard: str | None = None, taken: datetime | None = None,
            backlog: bool = False, **more) -> None:  # fmt: skip
        """A fix taken `at`, heard then or later; `taken` where the band's clock says otherwise."""
        reading = Fix(lat=LAT + north_m * M, lon=LON, valid=True, at=taken or clock(at), **more)
        self.hear(clock(heard or at), reading, backlog=backlog)

    def fixes(self, *steps: tuple[str, float], **more) -> None:
        for at, north_m in steps:
            self.fix(at, north_m, **more)

    def hear(self, now: datetime, *fixes: Fix, backlog: bool = False) -> None:
        self.until(now)
        uplink = Uplink(device="b", readings=fixes, raw=b"", backlog=backlog)
        event = Envelope(uplink=uplink, wire="w", device="b", wearer="wang", received_at=now)
        self.do(self.rule.step(self.state, event, now), now)

    def suspend(self, at: str, until: str) -> None:
        self.until(clock(at))
        order = FenceSuspension(until=clock(until), by="王芳", given_at=clock(at))
        self.do(self.rule.suspend(self.state, order, clock(at)), clock(at))

    def until(self, now: datetime) -> None:
        """Ring the durable timers that are due."""
        while self.heap and self.heap[0][0] <= now:
            due_at, name = heapq.heappop(self.heap)
            if self.timers.get(name) == due_at:
                del self.timers[name]
                self.do(self.rule.step(self.state, TimerDue(name=name, due_at=due_at), due_at), due_at)

    def do(self, done, now: datetime) -> None:
        self.state, effects = done
        for effect in effects:
            match effect:
                case SetTimer(name=name, due_at=due_at):
                    self.timers[name] = due_at
                    heapq.heappush(self.heap, (due_at, name))
                case ClearTimer(name=name):
                    self.timers.pop(name, None)
                case RaiseAlarm(alarm=alarm):
                    self.told.append((f"{now.astimezone(CHINA):%H:%M:%S}", alarm.why.code))


def test_a_day_with_drift_a_tunnel_a_backlog_and_a_wrong_clock():
    home = FenceView(
        fence="home", name="家", centre=(LAT, LON), radius_m=100, approach_m=30, escalate_m=(300, 1000)
    )
    day = Day(RULE(WearerView(wearer="wang", name="王德顺", fences=(home,)), RULE.Settings()))
    drift = Random(5)

    # 06:00 at home by the window: the position drifts 15 m around 70 m for an hour, and jumps now and then
    for minute in range(60):
        at = f"6:{minute:02}"
        wild = minute % 13 == 7
        day.fix(at, 150 if wild else 50 + drift.gauss(0, 6), accuracy_m=80 if wild else 12)
    assert day.told == []

    # 07:10 the satellites are lost indoors; cell fixes 400 m off claim nothing for sure
    day.fixes(("7:10", 400), ("7:20", 400), ("7:30", 400), ("7:40", 400), source="cell")
    assert day.told == []

    # 08:00 he goes to the gate for his newspaper: near the border, but not over it
    day.fixes(
        ("8:00", 20), ("8:01", 60), ("8:02", 95), ("8:03", 98), ("8:04", 92), ("8:06", 10), accuracy_m=5
    )
    assert day.told == [("08:02:00", "fence_approach")]

    # 09:30 he walks out; the band is silent in the underpass, and its timer raises the exit
    day.fix("9:29", 60, accuracy_m=5)
    day.fix("9:30", 140, accuracy_m=5)
    day.until(clock("9:31"))
    assert day.told[1:] == [("09:30:10", "fence_exit")]

    # 09:38 out of the underpass: what the band stored comes all at once, and out of order, as backlog
    stored = (("9:36", 350), ("9:31", 160), ("9:33", 20), ("9:34", 260))
    day.fixes(*stored, heard="9:38", accuracy_m=5, backlog=True)
    assert day.told[2:] == []

    # 09:39 he is 450 m away, then farther; each threshold tells once, and repeats of a frame tell nothing
    day.fixes(("9:39", 450), ("9:40", 470), ("9:45", 900), ("9:50", 1300), ("9:55", 1350), accuracy_m=8)
    day.fixes(("9:50", 1300), ("9:39", 450), heard="9:56", accuracy_m=8)
    assert day.told[2:] == [("09:39:00", "fence_farther"), ("09:50:00", "fence_farther")]

    # 10:30 his daughter brings him home; one wild fix on the way changes nothing
    day.fixes(("10:28", 600), ("10:29", 150), ("10:30", 40), ("10:30:30", 20), ("10:31", 10), accuracy_m=8)
    assert day.told[4:] == [("10:30:10", "fence_return")]

    # 12:00 the band's clock is a day ahead: its fixes count as now, and a short walk past the border
    # that is over before the dwell raises nothing
    tomorrow = MIDNIGHT + timedelta(days=1, hours=12)
    for k, (at, north_m) in enumerate((("12:00", 0), ("12:01", 150), ("12:01:05", 20), ("12:02", 0))):
        day.fix(at, north_m, taken=tomorrow + timedelta(minutes=k), accuracy_m=5)
    assert day.told[5:] == []

    # 12:30 then it is nine minutes slow, which still counts; eleven minutes slow would only be history
    day.fix("12:30", 200, taken=clock("12:21"), accuracy_m=5)
    day.fix("12:30:05", 0, taken=clock("12:21:05"), accuracy_m=5)
    day.fix("12:40", 900, taken=clock("12:29"), accuracy_m=5)
    day.until(clock("12:50"))
    assert day.told[5:] == []

    # 13:00 out with his daughter till 16:00: 3 km away, and nobody is alarmed
    day.suspend("13:00", until="16:00")
    day.fixes(("13:10", 2900), ("14:00", 3000), ("15:00", 3000), ("15:59", 3000), accuracy_m=10)
    assert day.told[5:] == []

    # 16:00 it ends by itself. A fix of 15:58 comes late and is history; at 16:05 they are still out
    day.fix("15:58", 3000, heard="16:02", accuracy_m=10)
    day.until(clock("16:04"))
    assert day.told[5:] == []
    day.fix("16:05", 2800, accuracy_m=10)
    day.until(clock("16:06"))
    assert day.told[5:] == [("16:05:10", "fence_exit")]

    # 17:00 home again, and quiet until midnight
    for minute in range(60):
        day.fix(f"17:{minute:02}", 30 + drift.gauss(0, 8), accuracy_m=12)
    day.until(clock("23:59"))
    assert day.told == [
        ("08:02:00", "fence_approach"),
        ("09:30:10", "fence_exit"),
        ("09:39:00", "fence_farther"),
        ("09:50:00", "fence_farther"),
        ("10:30:10", "fence_return"),
        ("16:05:10", "fence_exit"),
        ("17:00:10", "fence_return"),
    ]
