"""Every pair of deaths: killed at each point, and again at each point of the life after that.

The story is short and has everything once: a press, a second press while it is open,
two of the family, one telephone that is busy and one that presses 1.
Points come before and after every commit, every request to place and every hang-up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.proof.house import End
from bench.proof.people import Habit
from bench.proof.schedules import Run, Schedule, run
from bench.proof.world import Faults, Window

SHORT = Schedule(
    name="short",
    presses=(("zhang", 1, 1.0), ("zhang", 2, 6.0)),
    habits={
        "son": (Habit.BUSY, Habit.PRESSES_1),
        "daughter": (Habit.PRESSES_1,),
        "desk": (Habit.PRESSES_1,),
        "guard": (Habit.PRESSES_1,),
    },
    lines=("twilio",),
    faults={"twilio": Faults(lag_s=12.0), "modem": Faults()},
)


@dataclass(frozen=True, slots=True)
class Enumerated:
    """One world of the short story, and how long the box is off after each death, in seconds."""

    story: Schedule
    down_s: float = 1.0

    def killed(self, *points: int) -> Schedule:
        """The story with a death at each of these points, one a life."""
        ends = tuple(End(at_point=point, down_s=self.down_s) for point in points)
        return replace(self.story, name=f"{self.story.name} {points}", ends=ends)

    def firsts(self) -> range:
        """The points of a life that nobody ends."""
        return range(run(self.story).points[0])

    def seconds(self, first: int) -> tuple[Run, range]:
        """The run with this death alone, and the points of the life after it."""
        once = run(self.killed(first))
        return once, range(once.points[1] if len(once.points) > 1 else 0)


def _twilio(**faults: object) -> Schedule:
    return replace(SHORT, faults=SHORT.faults | {"twilio": replace(SHORT.faults["twilio"], **faults)})


WORLDS: MappingProxyType[str, Enumerated] = MappingProxyType(
    {
        "no fault": Enumerated(SHORT),
        "no fault, off for 40 s": Enumerated(SHORT, down_s=40.0),
        "answers lost": Enumerated(_twilio(fates=("answer lost",))),
        "requests lost": Enumerated(
            replace(_twilio(fates=("never arrived", "taken")), presses=(("zhang", 1, 1.0),))
        ),
        "answers late, callbacks doubled and late": Enumerated(
            _twilio(fates=("answer late",), doubled=1.0, delay_s=8.0)
        ),
        "line down, modem beside it": Enumerated(
            replace(_twilio(outages=(Window(from_s=0, to_s=15),)), lines=("twilio", "modem"))
        ),
    }
)
