"""`python -m bench.proof`: one table, or one schedule with its story.

SCHEDULES (or --schedules) is how many seeds are run: 5,000 if nothing is said, 100,000 for the long form.
`--seed 1234` runs that one and prints what happened; it ends with 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from bench.proof.enumeration import WORLDS
from bench.proof.schedules import Run, from_seed, leave, run

SHOWN = 20
CHUNK = 50


@dataclass(slots=True)
class Row:
    """One row of the table; `bad` names what was lost, doubled or broken, the first few of it."""

    runs: int = 0
    lost: int = 0
    doubled: int = 0
    undecidable_texts: int = 0
    undecidable_calls: int = 0
    broken: int = 0
    busy_s: float = 0.0
    virtual_s: float = 0.0
    bad: list[str] = field(default_factory=list)

    def take(self, name: str, came: Run) -> None:
        """Count one run."""
        verdict = came.verdict
        self.runs += 1
        self.lost += len(verdict.lost)
        self.doubled += len(verdict.doubled)
        self.undecidable_texts += verdict.undecidable_texts
        self.undecidable_calls += verdict.undecidable_calls
        self.broken += bool(came.broken)
        self.virtual_s += came.seconds
        for what in ("lost", "doubled"):
            self.bad += [f"{name}: {what}: {words}" for words in getattr(verdict, what)]
        self.bad += [f"{name}: broken: {words}" for words in sorted(set(came.broken))]

    def add(self, other: Row) -> None:
        """Take another row's counts in."""
        for name in ("runs", "lost", "doubled", "undecidable_texts", "undecidable_calls", "broken"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.busy_s += other.busy_s
        self.virtual_s += other.virtual_s
        self.bad += other.bad


Rows = dict[str, Row]


def enumerated(job: tuple[str, int]) -> Rows:
    """Every pair of deaths of one world that begins with this first one."""
    name, first = job
    began_s, row = time.perf_counter(), Row()
    world = WORLDS[name]
    once, seconds = world.seconds(first)
    row.take(f"{name} {first}", once)
    for second in seconds:
        row.take(f"{name} {first} {second}", run(world.killed(first, second)))
    row.busy_s = time.perf_counter() - began_s
    return {f"deaths: {name}": row}


def seeded(seeds: range) -> Rows:
    """These seeds, those whose list lags behind the settling time in a row of their own."""
    rows = {"schedules, lag < settle": Row(), "schedules, lag > settle": Row()}
    for seed in seeds:
        began_s, schedule = time.perf_counter(), from_seed(seed)
        row = rows[f"schedules, lag {'<' if schedule.lag_below_settle else '>'} settle"]
        row.take(f"--seed {seed}", run(schedule))
        row.busy_s += time.perf_counter() - began_s
    return rows


def gather(work: Callable[..., Rows], jobs: Iterable[object], *, workers: int) -> Rows:
    """Do the jobs on so many cores and add their rows up."""
    rows: Rows = {}
    with multiprocessing.get_context("fork").Pool(workers, initializer=_begin) as pool:
        for some in pool.imap_unordered(work, jobs):
            for name, row in some.items():
                rows.setdefault(name, Row()).add(row)
        pool.close()
        pool.join()
    return rows


def _begin() -> None:
    """A worker: quiet, and tidy at its end."""
    logging.disable(logging.CRITICAL)
    multiprocessing.util.Finalize(None, leave, exitpriority=10)


def first_deaths(names: Iterable[str] = tuple(WORLDS)) -> Iterator[tuple[str, int]]:
    """One job a world and first point."""
    for name in names:
        for first in WORLDS[name].firsts():
            yield name, first


def chunks(first: int, count: int) -> Iterator[range]:
    """The seeds in pieces."""
    for start in range(first, first + count, CHUNK):
        yield range(start, min(start + CHUNK, first + count))


def show(rows: Rows, *, wall_s: float) -> bool:
    """Print the table; True when nothing was lost anywhere, and nothing doubled where the list is in time."""
    heads = ("runs", "lost", "doubled", "texts*", "calls*", "broken", "ms/run")
    print(f"{'what':50}" + "".join(f" {head:>7}" for head in heads))
    good = True
    for name, row in sorted(rows.items()):
        print(
            f"{name:50} {row.runs:7} {row.lost:7} {row.doubled:7} {row.undecidable_texts:7} "
            f"{row.undecidable_calls:7} {row.broken:7} {row.busy_s / max(1, row.runs) * 1e3:7.1f}"
        )
        late = "lag > settle" in name
        good = good and not row.lost and not row.broken and (late or not row.doubled)
        if not late:
            for words in row.bad[:SHOWN]:
                print(f"    {words}")
    total = sum(row.runs for row in rows.values())
    hours = sum(row.virtual_s for row in rows.values()) / 3600
    print(f"{total} runs, {hours:.0f} hours of virtual time, {wall_s:.0f} s of wall time")
    print("* sent or rung again on purpose: the modem keeps no list, nobody could know (docs/sos.md)")
    return good


def replay(seed: int) -> bool:
    """Run one seed and tell what happened."""
    schedule = from_seed(seed)
    print(schedule)
    came = run(schedule, with_story=True)
    leave()
    print("\n".join(came.story))
    print(came.verdict, *came.broken, sep="\n")
    return not came.verdict.lost and not came.verdict.doubled and not came.broken


def main() -> int:
    """Print the table, or one story."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("--schedules", type=int, default=int(os.environ.get("SCHEDULES", "5000")))
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="replay this one")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return 0 if replay(arguments.seed) else 1
    logging.disable(logging.CRITICAL)
    began_s = time.perf_counter()
    rows = gather(enumerated, list(first_deaths()), workers=arguments.workers)
    rows |= gather(seeded, chunks(arguments.first_seed, arguments.schedules), workers=arguments.workers)
    leave()
    return 0 if show(rows, wall_s=time.perf_counter() - began_s) else 1


if __name__ == "__main__":
    sys.exit(main())
