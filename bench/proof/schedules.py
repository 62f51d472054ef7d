"""From a seed to a schedule: who presses when, who answers how, what breaks, when the process dies."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

from bench.proof.bands import Bands, Press
from bench.proof.house import End, House, Life
from bench.proof.judge import Verdict, judge
from bench.proof.loop import VirtualLoop
from bench.proof.people import Habit, Person
from bench.proof.site import DUTY, FAMILIES, PHONES, settings_in
from bench.proof.world import Faults, Window, World

SETTLE_S = 16.0
LAGS_S = (0.0, 3.0, 12.0)
LAGS_BEYOND_S = (25.0, 60.0)
SHM = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One run, wholly described; times in virtual seconds."""

    name: str
    presses: tuple[tuple[str, int, float], ...]
    habits: dict[str, tuple[Habit, ...]]
    lines: tuple[str, ...]
    faults: dict[str, Faults]
    ends: tuple[End, ...] = ()
    relay_outages: tuple[Window, ...] = ()
    seed: int = 0
    settle_s: float = SETTLE_S

    @property
    def lag_below_settle(self) -> bool:
        """Whether every list shows a leg before it is given up as absent."""
        return all(faults.lag_s < self.settle_s for faults in self.faults.values())


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a schedule: the verdict, the points of each life, the virtual seconds it took.

    `broken` are exceptions that came out of the product where nobody takes them.
    """

    verdict: Verdict
    points: tuple[int, ...]
    seconds: float
    broken: tuple[str, ...] = ()
    story: tuple[str, ...] = field(default=())


@cache
def _folder_of(process: int) -> Path:
    """A folder in memory of this process alone: a forked worker makes its own."""
    del process
    return Path(tempfile.mkdtemp(prefix="shouwang-proof-", dir=SHM if SHM.is_dir() else None))


def _folder() -> Path:
    return _folder_of(os.getpid())


def leave() -> None:
    """Remove this process's folder."""
    shutil.rmtree(_folder(), ignore_errors=True)
    _folder_of.cache_clear()


def run(schedule: Schedule, *, make_life: Callable[..., Life] = Life, with_story: bool = False) -> Run:
    """Run one schedule in virtual time and judge it."""
    loop = VirtualLoop()
    broken: list[str] = []
    loop.set_exception_handler(
        lambda _, context: broken.append(repr(context.get("exception", context["message"])))
    )
    data_dir = _folder() / "journal"
    story: list[str] = []

    def tell(line: str) -> None:
        story.append(f"{loop.time():9.3f}  {line}")

    world = World(
        loop=loop.outside,
        rng=Random(f"{schedule.seed}/world"),
        people={PHONES[name]: Person(PHONES[name], habits) for name, habits in schedule.habits.items()},
        faults=schedule.faults,
        relay_outages=schedule.relay_outages,
        ring_timeout_s=20,
    )
    bands = Bands(loop=loop.outside, presses=[Press(*press) for press in schedule.presses])
    if with_story:
        world.tell = bands.tell = tell
    house = House(
        loop=loop,
        world=world,
        bands=bands,
        settings=settings_in(
            _folder(), data_dir, settle_s=schedule.settle_s, wearers={press[0] for press in schedule.presses}
        ),
        lines=schedule.lines,
        make_life=make_life,
    )
    for window in schedule.relay_outages:
        loop.outside.call_later(window.to_s, world.poll)
    try:
        loop.run_until_complete(house.stand(schedule.ends))
        seconds = loop.time()
    finally:
        loop.close()
    assert house.disk is not None
    verdict = judge(house.disk, world, bands.presses, house.starts)
    shutil.rmtree(data_dir, ignore_errors=True)
    return Run(verdict, tuple(house.points), seconds, tuple(broken), tuple(story))


# --------------------------------------------------------------------------- seeded


def from_seed(seed: int) -> Schedule:
    """The schedule of this seed, always the same."""
    rng = Random(f"{seed}/schedule")
    lag_s = rng.choice(LAGS_BEYOND_S if rng.random() < 0.05 else LAGS_S)
    wearers = rng.sample(list(FAMILIES), rng.choice((1, 1, 1, 1, 1, 1, 1, 2, 2, 3)))
    return Schedule(
        name=f"seed {seed}",
        presses=_presses(rng, wearers),
        habits=_habits(rng, wearers),
        lines=rng.choice(
            (("twilio",), ("twilio", "modem"), ("twilio", "modem"), ("modem", "twilio"), ("modem",))
        ),
        faults={"twilio": _faults(rng, lag_s), "modem": _faults(rng, 0.0)},
        ends=_ends(rng),
        relay_outages=_windows(rng, rng.choice((0, 0, 1)), silent=False),
        seed=seed,
    )


def _presses(rng: Random, wearers: Sequence[str]) -> tuple[tuple[str, int, float], ...]:
    presses = []
    for wearer in wearers:
        at_s = rng.uniform(1, 20)
        for number in range(1, rng.choice((1, 1, 1, 2, 3)) + 1):
            presses.append((wearer, number, round(at_s, 3)))
            at_s += rng.uniform(0.5, 60)
    return tuple(presses)


def _habits(rng: Random, wearers: Sequence[str]) -> dict[str, tuple[Habit, ...]]:
    """Everybody may do anything at first; somebody presses 1 in the end, in every family or on duty."""
    shy = (Habit.NO_ANSWER, Habit.BUSY, Habit.VOICEMAIL, Habit.HANGS_UP, Habit.FAILED, Habit.PRESSES_2)
    names = [contact for wearer in wearers for contact, _ in FAMILIES[wearer][1]] + [name for name, _ in DUTY]
    habits = {}
    for name in names:
        first = tuple(rng.choices(shy, k=rng.choice((0, 0, 0, 1, 2))))
        last = Habit.PRESSES_1 if rng.random() < 0.7 else rng.choice(shy)
        habits[name] = (*first, last)
    keen = rng.choice(DUTY)[0]
    habits[keen] = (*habits[keen][:-1], Habit.PRESSES_1)
    return habits


def _faults(rng: Random, lag_s: float) -> Faults:
    bad = ["answer lost", "answer late", "never arrived", "slow", "down", "refused"]
    fates = ["taken"] * 6 + rng.choices(bad, k=rng.choice((0, 1, 2, 6)))
    noisy = rng.random() < 0.6
    return Faults(
        fates=tuple(fates),
        lag_s=lag_s,
        skew_s=rng.uniform(-3, 3),
        lost=0.15 if noisy else 0.0,
        doubled=0.2 if noisy else 0.0,
        delay_s=rng.choice((0.2, 5.0, 20.0)) if noisy else 0.2,
        outages=_windows(rng, rng.choice((0, 0, 0, 1, 2)), silent=rng.random() < 0.3),
    )


def _windows(rng: Random, count: int, *, silent: bool) -> tuple[Window, ...]:
    windows, from_s = [], 0.0
    for _ in range(count):
        from_s += rng.uniform(0, 120)
        to_s = from_s + rng.uniform(2, 45)
        windows.append(Window(from_s=from_s, to_s=to_s, silent=silent))
        from_s = to_s + 40
    return tuple(windows)


def _ends(rng: Random) -> tuple[End, ...]:
    ends = []
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))):
        by_point = rng.random() < 0.7
        ends.append(
            End(
                at_point=rng.randrange(140) if by_point else None,
                after_s=None if by_point else rng.uniform(0.05, 60),
                orderly=rng.random() < 0.15,
                down_s=rng.choice((0.2, 1.0, 3.0, 14.0, 40.0, 100.0)),
            )
        )
    return tuple(ends)
