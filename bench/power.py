"""Power cuts: kill -9, and the disk forgets what was never synced. What a band was told must still be there.

`tests/crash/unsynced.c`, preloaded, keeps what is durable of the journal's files beside them.
At a cut the gateway is killed and the journal becomes what a disk would have:
exactly what was synced, or that and a part of what was not, the last write torn at a sector.
Then the next gateway starts on it, while bands go on pressing.

Looked for is every acknowledged press, and the intent of every call and text that Twilio took.

`python -m bench.power --cuts 60` prints one line and exits 1 when anything was lost or damaged.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import uvloop
from aiocoap import Context

from bench.audit import unanswered, unintended
from bench.bands import Band, Pressed
from bench.kills import KILLED_BY_US, make_rig, press_for_ever, wires, write_config
from bench.site import ROOT
from bench.street import Reached, Street
from bench.warm import Warm, warm
from gateway.journal.reader import verify

SOURCE = ROOT / "tests" / "crash" / "unsynced.c"
SECTOR_BYTES = 512
HEAD = struct.Struct("=qq")
COUNTERS = ("writes", "truncates", "syncs", "unlinks", "folder_syncs", "bytes", "untold")
UPTIMES_S = ((0.02, 0.15, 25), (0.1, 0.8, 55), (0.8, 2.0, 20))
"""How long a gateway lives before the cut: from, to, and how often of a hundred."""

Loss = Literal["all", "tail", "some"]
"""What is lost of the unsynced writes: all; all from a torn one on; each by the toss of a coin, one torn."""
PRESS_EVERY_S = (0.05, 0.8)
LOSSES: tuple[Loss, ...] = ("all", "tail", "some")


def build(folder: Path) -> Path:
    """Compile the library. Raises CalledProcessError with what the compiler said."""
    library = folder / "unsynced.so"
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        str(library),
        str(SOURCE),
    ]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True, capture_output=True, text=True)
    return library


@dataclass(frozen=True, slots=True)
class Change:
    """One unsynced write at `offset`; a truncate to `offset` when `data` is None."""

    offset: int
    data: bytes | None

    def on(self, content: bytearray) -> None:
        """Carry it out."""
        if self.data is None:
            del content[self.offset :]
            content.extend(bytes(self.offset - len(content)))
            return
        end = self.offset + len(self.data)
        content.extend(bytes(max(0, end - len(content))))
        content[self.offset : end] = self.data

    def torn(self, dice: random.Random) -> Change:
        """The first sectors of it only."""
        if self.data is None:
            return self
        return Change(
            self.offset, self.data[: dice.randrange(len(self.data) // SECTOR_BYTES + 1) * SECTOR_BYTES]
        )


def changes(log: Path) -> Iterator[Change]:
    """The unsynced writes of one file in order; a record the kill cut short was never carried out."""
    raw = log.read_bytes() if log.exists() else b""
    at = 0
    while at + HEAD.size <= len(raw):
        offset, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        if length < 0:
            yield Change(offset, None)
            continue
        if at + length > len(raw):
            return
        yield Change(offset, raw[at : at + length])
        at += length


def survivors(unsynced: Sequence[Change], loss: Loss, dice: random.Random) -> list[Change]:
    """What the disk had taken anyway when the power went."""
    if loss == "all" or not unsynced:
        return []
    if loss == "tail":
        kept = dice.randrange(len(unsynced))
        return [*unsynced[:kept], unsynced[kept].torn(dice)]
    torn = dice.randrange(len(unsynced))
    kept_ones = [(at, change) for at, change in enumerate(unsynced) if at == torn or dice.random() < 0.5]
    return [change.torn(dice) if at == torn else change for at, change in kept_ones]


@dataclass(slots=True)
class Disk:
    """The journal's files and what is durable of them."""

    journal: Path
    shadow: Path
    losses: Counter[str] = field(default_factory=Counter)

    def cut(self, loss: Loss, dice: random.Random) -> None:
        """Make the files what they are after a power cut; nobody may have them open."""
        self.losses[loss] += 1
        self._bring_back_the_unlinked(loss, dice)
        live = self.journal.parent.glob(self.journal.name + "*")
        names = {path.name for path in live} | {
            path.name for path in self.shadow.glob(self.journal.name + "*")
        }
        for name in sorted({name.removesuffix(".log") for name in names}):
            path, synced, log = self.journal.with_name(name), self.shadow / name, self.shadow / f"{name}.log"
            kept = survivors(list(changes(log)), loss, dice)
            log.unlink(missing_ok=True)
            if name.endswith("-shm") or not (synced.exists() or kept):
                path.unlink(missing_ok=True)
                continue
            content = bytearray(synced.read_bytes() if synced.exists() else b"")
            for change in kept:
                change.on(content)
            synced.write_bytes(content)
            path.write_bytes(content)

    def _bring_back_the_unlinked(self, loss: Loss, dice: random.Random) -> None:
        """An unlink that nothing was synced after may be forgotten too."""
        for gone in self.shadow.glob("*.gone"):
            whole = gone.with_suffix("")
            if loss != "all" and not whole.exists() and dice.random() < 0.5:
                gone.rename(whole)
            else:
                gone.unlink()

    def counts(self) -> dict[str, int]:
        """What the library saw since the beginning."""
        raw = (self.shadow / "counts").read_bytes()
        return dict(zip(COUNTERS, struct.unpack(f"={len(COUNTERS)}Q", raw), strict=True))


@dataclass(slots=True)
class Run:
    """What a run of power cuts gave."""

    cuts: int = 0
    seconds: float = 0.0
    presses: list[Pressed] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    losses: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """The figures in one line."""
        told = sum(press.acknowledged_at is not None for press in self.presses)
        kinds = ", ".join(f"{self.losses[loss]} {loss}" for loss in LOSSES)
        return (
            f"{self.cuts} power cuts ({kinds}) in {self.seconds:.0f} s, {len(self.presses)} presses,"
            f" {told} acknowledged, {self.counts.get('syncs', 0)} syncs and {self.counts.get('writes', 0)}"
            f" writes seen: lost or damaged {len(self.complaints)}"
        )


async def cut_many(folder: Path, *, cuts: int, seed: int) -> Run:
    """Cut the power so many times; after each cut, and after a last quiet life, look for every press."""
    dice, run, began = random.Random(seed), Run(), time.monotonic()
    rig = make_rig(folder, dice)
    street = Street(modem_path=folder / "modem0", people=rig.people, seed=seed)
    outside = asyncio.create_task(street.run())
    context = await Context.create_client_context(transports=["simple6"])
    disk = Disk(rig.journal, folder / "shadow")
    disk.shadow.mkdir()
    try:
        await asyncio.wait_for(street.ready.wait(), 20)
        write_config(rig, twilio_url=street.twilio.url, door=street.door.port, modem=folder / "modem0")
        on_wire = await wires(rig, context)
        bands = [Band(wearer, device, on_wire[wire]) for wearer, device, wire in rig.bands]
        pressing = [asyncio.create_task(press_for_ever(band, dice, PRESS_EVERY_S)) for band in bands]
        env = {
            "LD_PRELOAD": str(build(folder)),
            "UNSYNCED_FILE": str(rig.journal),
            "UNSYNCED_SHADOW": str(disk.shadow),
        }
        with warm(rig.config, folder / "gateway.log", env=env) as warmed:
            try:
                while run.cuts < cuts and not run.complaints:
                    await _one_cut(street, warmed, disk, bands, dice, run)
            finally:
                for task in pressing:
                    task.cancel()
                await asyncio.gather(*pressing, return_exceptions=True)
    finally:
        outside.cancel()
        with suppress(asyncio.CancelledError):
            await outside
        await context.shutdown()
    run.presses = [press for band in bands for press in band.presses]
    run.counts, run.losses, run.seconds = disk.counts(), disk.losses, time.monotonic() - began
    if run.counts["untold"]:
        run.complaints.append(
            f"{run.counts['untold']} changes of the files that the library could not follow"
        )
    return run


async def _one_cut(
    street: Street, warmed: Warm, disk: Disk, bands: Sequence[Band], dice: random.Random, run: Run
) -> None:
    """One life of a gateway, its end by a power cut, and what is left of it."""
    low, high, _ = dice.choices(UPTIMES_S, weights=[share for *_, share in UPTIMES_S])[0]
    pid = await asyncio.to_thread(warmed.start)
    await asyncio.sleep(dice.uniform(low, high))
    status = await asyncio.to_thread(warmed.kill, pid)
    run.cuts += 1
    if status != KILLED_BY_US:
        run.complaints.append(f"the gateway before cut {run.cuts} ended by itself with status {status}")
    told = [press for band in bands for press in band.presses if press.acknowledged_at is not None]
    reached = [*street.calls(), *street.texts()]
    disk.cut(dice.choice(LOSSES), dice)
    if disk.journal.exists():
        found = await asyncio.to_thread(_left, disk.journal, told, reached)
    else:
        found = [f"the whole journal is gone, and {len(told)} acknowledged presses with it"] if told else []
    run.complaints += [f"cut {run.cuts}: {words}" for words in found]


def _left(journal: Path, told: Sequence[Pressed], reached: Sequence[Reached]) -> list[str]:
    """Look at a copy, for looking recovers it: is it whole, is every press there, and every intent?"""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / journal.name
        for path in journal.parent.glob(journal.name + "*"):
            (copy.parent / path.name).write_bytes(path.read_bytes())
        connection = sqlite3.connect(copy)
        try:
            tables = connection.execute("select count(*) from sqlite_master where name = 'steps'").fetchone()[
                0
            ]
        except sqlite3.DatabaseError as error:
            return [f"sqlite: {error}"]
        finally:
            connection.close()
        if not tables:  # the power went while the tables were being made
            return [f"no tables, and {len(told)} presses were acknowledged"] if told else []
        return [*verify(copy).faults, *unanswered(copy, told), *unintended(copy, reached)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, print; 1 when anything was lost or damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="keep everything here; else a temporary folder")
    options = parser.parse_args(arguments)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a killed client is what we are here for
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        run = uvloop.run(cut_many(folder.resolve(), cuts=options.cuts, seed=options.seed))
    for complaint in run.complaints:
        print(complaint)
    print(run.sentence(), flush=True)
    return 1 if run.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
