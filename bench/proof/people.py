"""The people at the other end: what their telephone does when it rings, told by the clock alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from sos.events import LegState


class Habit(Enum):
    """What happens this time."""

    PRESSES_1 = "presses 1"
    PRESSES_2 = "presses 2"
    NO_ANSWER = "no answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    HANGS_UP = "hangs up"
    FAILED = "not in service"


@dataclass(frozen=True, slots=True)
class Moment:
    """So long after the call or text was made, in seconds, this becomes true; `digit` is a key pressed."""

    after_s: float
    state: LegState | None = None
    digit: str = ""


def ringing(habit: Habit, *, ring_timeout_s: float, rng: Random) -> tuple[Moment, ...]:
    """One call from the first ring to its end."""
    rings = Moment(1.0, LegState.RINGING)
    answered_s = 1.0 + rng.uniform(2, 12)
    key_s = answered_s + rng.uniform(3, 9)
    match habit:
        case Habit.PRESSES_1 | Habit.PRESSES_2:
            digit = "1" if habit is Habit.PRESSES_1 else "2"
            answered = Moment(answered_s, LegState.ANSWERED)
            return (rings, answered, Moment(key_s, digit=digit), Moment(key_s + 4, LegState.NO_KEY))
        case Habit.NO_ANSWER:
            return (rings, Moment(ring_timeout_s, LegState.NO_ANSWER))
        case Habit.BUSY:
            return (Moment(2.0, LegState.BUSY),)
        case Habit.VOICEMAIL:
            picked_up_s = max(2.0, ring_timeout_s - 5)
            return (
                rings,
                Moment(picked_up_s, LegState.ANSWERED),
                Moment(picked_up_s + 25, LegState.NO_KEY),
            )
        case Habit.HANGS_UP:
            return (rings, Moment(answered_s, LegState.ANSWERED), Moment(answered_s + 3, LegState.NO_KEY))
        case Habit.FAILED:
            return (Moment(2.0, LegState.FAILED),)


@dataclass(slots=True)
class Person:
    """One telephone; its habits come in order, one a ring, and the last one stays for ever."""

    phone: str
    habits: Sequence[Habit]
    rings: int = field(default=0)

    def next_habit(self) -> Habit:
        """What happens at the next ring."""
        habit = self.habits[min(self.rings, len(self.habits) - 1)]
        self.rings += 1
        return habit
