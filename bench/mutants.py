"""Breaks one thing at a time in a copy of the tree and expects a proof to notice it.

Each mutant is one small change of text that removes one promise of docs/sos.md.
A change whose text is no longer there, exactly once, is an error: the list must stay true.
The unchanged copy must pass everything first.

`python -m bench.mutants` prints a table and exits 1 when a mutant survived.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.site import ROOT

PATIENCE_S = 300.0
LINKED = (".venv", "node_modules")
SCHEDULES = """
import logging, sys
from bench.proof.schedules import from_seed, leave, run
logging.disable(logging.CRITICAL)
bad = []
for seed in range(int(sys.argv[1])):
    schedule = from_seed(seed)
    came = run(schedule)
    doubled = came.verdict.doubled if schedule.lag_below_settle else ()
    bad = [*came.verdict.lost, *doubled, *came.broken]
    if bad:
        print(f"schedule {seed}: {bad[0]}")
        break
leave()
sys.exit(bool(bad))
"""
"""The whole gateway in virtual time, seed after seed, up to the first that is lost, doubled or broken."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A command that ends with 0 when all is well."""

    name: str
    command: tuple[str, ...]


def tests(*paths: str) -> Proof:
    """These tests, up to the first that fails."""
    options = ("-q", "-x", "-p", "no:cacheprovider", "--tb=line", "--no-header")
    return Proof(" ".join(paths), (sys.executable, "-m", "pytest", *options, *paths))


VIRTUAL = Proof("bench.proof.schedules", (sys.executable, "-c", SCHEDULES, "60"))
POWER = Proof("bench.power", (sys.executable, "-m", "bench.power", "--cuts", "15"))
TWILIO = tests("tests/sos/carriers/test_twilio.py")
CASCADE = tests("tests/sos/test_cascade_stories.py")
SYNC = tests("tests/gateway/test_sync.py")
ENGINE = tests("tests/gateway/test_engine.py")
JOURNAL = tests("tests/crash/test_legs_once.py")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` in the file `path` becomes `new`; one of `proofs` must notice."""

    name: str
    path: str
    old: str
    new: str
    proofs: tuple[Proof, ...]


MUTANTS = (
    Mutant(
        "the intent is not committed",
        "sos/delivery.py",
        "            if not await self._intend(leg, carrier):\n",
        "            leg.carrier, leg.intended_at = carrier, self._now()\n            if leg.unwanted:\n",
        (VIRTUAL,),
    ),
    Mutant(
        "the band is acknowledged before the commit",
        "gateway/intake.py",
        "                intake.hand_over(envelope, self._committed)\n",
        "                intake.hand_over(envelope, lambda _: None)\n                self._committed(0)\n",
        (VIRTUAL, POWER),
    ),
    Mutant(
        "an order of the portal is given up early",
        "gateway/transports/portal_link.py",
        "        on_disk = min(self._uncommitted, default=self._last_number + 1) - 1\n",
        "        on_disk = self._last_number\n",
        (SYNC,),
    ),
    Mutant(
        "effects are carried out before the commit",
        "gateway/outbox.py",
        "        record.committed = on_disk\n",
        "        carry_out(0)\n        record.committed = committed\n",
        (ENGINE,),
    ),
    Mutant(
        "an unclear leg is absent at the first look",
        "sos/settle.py",
        "            if began_at >= absent_at:\n",
        "            if began_at:\n",
        (VIRTUAL,),
    ),
    Mutant(
        "a POST to Twilio is tried twice",
        "sos/carriers/twilio.py",
        "            created = await self._ask(lambda: client.calls.create(**fields))\n",
        "            try:\n"
        "                created = await self._ask(lambda: client.calls.create(**fields))\n"
        "            except CarrierAmbiguous:\n"
        "                created = await self._ask(lambda: client.calls.create(**fields))\n",
        (TWILIO,),
    ),
    Mutant(
        "an acknowledgement leaves the others ringing",
        "sos/draft.py",
        "            if facts.leg.leg_id != but:\n",
        "            if facts.leg.leg_id != but and not but:\n",
        (VIRTUAL, CASCADE),
    ),
    Mutant(
        "a call that another leg owns is adopted",
        "sos/carriers/twilio.py",
        "            if item.sid not in owned\n            and item.date_created",
        "            if item.date_created",
        (TWILIO,),
    ),
    Mutant(
        "a leg may be written twice",
        "gateway/journal/schema.py",
        "create unique index legs_once",
        "create index legs_once",
        (JOURNAL,),
    ),
    Mutant(
        "timers are forgotten at a restart",
        "gateway/restart.py",
        "for row in reader.timers())",
        "for row in reader.timers() if not row)",
        (VIRTUAL,),
    ),
    Mutant(
        "steps are counted anew at a restart",
        "gateway/incidents.py",
        "        self._steps = {name: steps.get(name, 0) for name in self._all}\n",
        "        self._steps = dict.fromkeys(self._all, 0)\n",
        (VIRTUAL,),
    ),
    Mutant(
        "the disk is never synced",
        "gateway/journal/schema.py",
        "pragma synchronous=full",
        "pragma synchronous=off",
        (POWER,),
    ),
    Mutant(
        "the disk is synced at checkpoints only",
        "gateway/journal/schema.py",
        "pragma synchronous=full",
        "pragma synchronous=normal",
        (POWER,),
    ),
    Mutant(
        "the next is rung while the first still rings",
        "sos/ladder.py",
        "                _dial(draft, contact)\n                return\n",
        "                _dial(draft, contact)\n                continue\n",
        (CASCADE,),
    ),
)


class Stale(Exception):
    """The text of a mutant is not in the tree, or more than once: correct the list."""


def check(tree: Path, mutants: Iterable[Mutant]) -> None:
    """See that every change can be made. Raises Stale, naming all that cannot."""
    wrong = []
    for mutant in mutants:
        path = tree / mutant.path
        found = path.read_text(encoding="utf-8").count(mutant.old) if path.exists() else 0
        if found != 1:
            wrong.append(f"{mutant.name}: its text is {found} times in {mutant.path}")
    if wrong:
        raise Stale("\n".join(wrong))


def copy_tree(to: Path) -> None:
    """Copy every file that git knows, as it lies here; what is installed is linked."""
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for name in LINKED:
        if (ROOT / name).exists():
            (to / name).symlink_to(ROOT / name)


def passes(proof: Proof, tree: Path) -> tuple[bool, str]:
    """Run a proof in a tree; whether it passed, and the end of what it said. What it started ends with it.

    A proof that does not come to an end in `PATIENCE_S` did not pass.
    """
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    process = subprocess.Popen(
        proof.command,
        cwd=tree,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the session we made for it, and nobody else's
        said, _ = process.communicate()
        return False, f"no end after {PATIENCE_S:g} s\n{said}"
    return process.returncode == 0, said


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one mutant: the proof that noticed it, None when it survived, and how long it took."""

    mutant: Mutant
    caught_by: str | None
    seconds: float
    words: str = ""

    def row(self) -> str:
        """One line of the table."""
        return f"{self.mutant.name:48} {self.caught_by or 'SURVIVED':48} {self.seconds:6.1f}"


def hunt(mutant: Mutant, folder: Path) -> Found:
    """Change a copy of its own and run its proofs until one fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        tree = Path(name)
        copy_tree(tree)
        check(tree, (mutant,))
        path = tree / mutant.path
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
        for proof in mutant.proofs:
            passed, said = passes(proof, tree)
            if not passed:
                return Found(mutant, proof.name, time.monotonic() - began, said)
    return Found(mutant, None, time.monotonic() - began)


def unchanged(mutants: Iterable[Mutant], folder: Path, *, workers: int) -> list[str]:
    """Run every proof on the unchanged copy; gives what is wrong with it."""
    proofs = tuple(dict.fromkeys(proof for mutant in mutants for proof in mutant.proofs))
    tree = folder / "unchanged"
    tree.mkdir()
    copy_tree(tree)
    check(tree, mutants)
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda proof: passes(proof, tree), proofs)
        return [
            f"the unchanged tree fails {proof.name}:\n{said[-3000:]}"
            for proof, (passed, said) in zip(proofs, results, strict=True)
            if not passed
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, hunt, print; 1 when a mutant survived or the list or the tree is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name has these words")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--say", action="store_true", help="print the end of what each proof said")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            wrong = unchanged(chosen, folder, workers=options.workers)
        except Stale as stale:
            wrong = [str(stale)]
        if wrong:
            print("\n".join(wrong))
            return 1
        print(f"{'mutant':48} {'noticed by':48} {'s':>6}", flush=True)
        found = []
        with ThreadPoolExecutor(options.workers) as pool:
            for one in pool.map(lambda mutant: hunt(mutant, folder), chosen):
                print(one.row(), flush=True)
                if options.say:
                    print(one.words[-600:])
                found.append(one)
    survived = sum(one.caught_by is None for one in found)
    print(f"{len(found)} mutants, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
