"""Inputs nobody should send, by the million: every codec, and the MQTT decoder.

For each input: whole and cut into pieces it gives the same events; nothing is raised but FrameError;
what a codec keeps stays bounded, over all inputs together, and so does the memory one input takes.
The same seed gives the same inputs; a finding prints the command that gives it again.

`python -m bench.fuzz --inputs 2000000` is the long form; `bench/guided.py` the one that coverage steers.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import signal
import sys
import time
import tracemalloc
import types
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bench import mutate
from bench.subjects import Subject, subjects
from gateway.errors import FrameError

INPUTS_PER_CODEC = 20_000
BATCH = 5_000
MAX_KEPT_BYTES = 4 * 1024 * 1024
"""A codec's own memory, whatever it was fed: its buffer of 1 MiB, messages in parts, and its counters."""
PEAK_BYTES, PEAK_PER_BYTE = 256 * 1024, 200
"""The most one input may take while it is read: so much, and so much for each of its bytes."""
WEIGHED_EVERY = 250
CPU_S = 10.0
"""An input that takes longer never ends."""
MAX_SHRINKS = 2_000
LOST = frozenset({"malformed CBOR"})
"""After these there is no mark to go on from: what follows depends on where the next piece begins."""


class Finding(Exception):
    """An input that is answered as none may be."""

    def __init__(self, words: str, data: bytes) -> None:
        super().__init__(words)
        self.words = words
        self.data = data


@dataclass
class Report:
    """What a batch, or all of them, came to."""

    codec: str
    inputs: int = 0
    input_bytes: int = 0
    frames: int = 0
    errors: int = 0
    peak_bytes: int = 0
    kept_bytes: int = 0
    slowest_s: float = 0.0
    findings: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add a batch."""
        self.inputs += other.inputs
        self.input_bytes += other.input_bytes
        self.frames += other.frames
        self.errors += other.errors
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        self.kept_bytes = max(self.kept_bytes, other.kept_bytes)
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.findings += other.findings


# --------------------------------------------------------------------------- one input


def drain(codec: Any, most: int) -> list[Any]:
    """Read a codec dry; an error is its reason. Raises whatever else the codec raises."""
    seen: list[Any] = []
    while len(seen) <= most:
        try:
            event = codec.next_event()
        except FrameError as error:
            seen.append(error.reason)
            continue
        if event is None:
            return seen
        seen.append(event)
    raise RecursionError(f"more than {most} events")


def read(codec: Any, parts: Sequence[bytes]) -> list[Any]:
    """Every event of these bytes, as one message."""
    most = 16 + sum(map(len, parts))
    seen = []
    for part in parts:
        codec.feed(part)
        seen += drain(codec, most)
    codec.end_of_message()
    return seen + drain(codec, most)


def judge(subject: Subject, choice: int, data: bytes, parts: Sequence[bytes]) -> list[Any]:
    """The events of one input. Raises Finding."""
    try:
        whole = read(subject.make(choice), [data])
        cut = read(subject.make(choice), parts)
    except Exception as error:
        raise Finding(f"{type(error).__name__}: {error}", data) from error
    lost = next((n for n, event in enumerate(whole) if isinstance(event, str) and event in LOST), len(whole))
    if whole[: lost + 1] != cut[: lost + 1]:
        at = next((n for n, (a, b) in enumerate(zip(whole, cut, strict=False)) if a != b), None)
        at = min(len(whole), len(cut)) if at is None else at
        raise Finding(
            f"cut at {[len(part) for part in parts][:12]} it reads differently:"
            f" whole {whole[at : at + 1]}, in pieces {cut[at : at + 1]}",
            data,
        )
    return whole


def kept_bytes(codec: Any) -> int:
    """What a codec keeps, settings and code apart."""
    seen: set[int] = {id(getattr(codec, "settings", None))}
    todo, total = [codec], 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(
            one, type | types.ModuleType | types.FunctionType | types.MethodType
        ):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        todo += gc.get_referents(one)
    return total


def peak_bytes(subject: Subject, choice: int, data: bytes) -> int:
    """The most memory that reading this input takes, its events among it."""
    codec = subject.make(choice)
    tracemalloc.start()
    try:
        read(codec, [data])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------------- many inputs


@cache
def _seeds() -> dict[str, list[bytes]]:
    return mutate.seeds()


def one_input(name: str, seed: int, index: int) -> tuple[int, bytes, list[bytes]]:
    """Input `index` of a codec: which settings, the bytes, and where they are cut."""
    rng = random.Random(f"{name}/{seed}/{index}")
    subject, own = subjects()[name], _seeds()[name]
    others = _seeds()[rng.choice(sorted(_seeds()))]
    data = mutate.make(rng, own, others)
    return rng.randrange(subject.choices), data, mutate.pieces(rng, data)


def run_batch(name: str, seed: int, start: int, count: int) -> Report:
    """Judge `count` inputs from `start` on; the first finding ends the batch."""
    subject, report = subjects()[name], Report(name)
    long_lived = [subject.make(choice) for choice in range(subject.choices)]
    before = signal.signal(signal.SIGVTALRM, _too_long)
    try:
        for index in range(start, start + count):
            choice, data, parts = one_input(name, seed, index)
            try:
                _one(subject, choice, data, parts, long_lived, report, index)
            except Finding as finding:
                report.findings.append(_words(subject, choice, finding, seed, index))
                break
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return report


def _one(
    subject: Subject,
    choice: int,
    data: bytes,
    parts: list[bytes],
    long_lived: list[Any],
    report: Report,
    index: int,
) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    began = time.process_time()
    seen = judge(subject, choice, data, parts)
    report.slowest_s = max(report.slowest_s, time.process_time() - began)
    report.inputs += 1
    report.input_bytes += len(data)
    errors = sum(isinstance(event, str) for event in seen)
    report.errors += errors
    report.frames += len(seen) - errors
    codec = long_lived[choice]
    try:
        for part in parts:  # a connection that never ends, and never says the same twice
            codec.feed(part)
            drain(codec, 2**21)
    except Exception as error:
        raise Finding(f"on a long connection, {type(error).__name__}: {error}", data) from error
    if index % WEIGHED_EVERY == 0:
        kept, peak = kept_bytes(codec), peak_bytes(subject, choice, data)
        report.kept_bytes, report.peak_bytes = max(report.kept_bytes, kept), max(report.peak_bytes, peak)
        if kept > MAX_KEPT_BYTES:
            raise Finding(f"keeps {kept:,} bytes", data)
        if peak > PEAK_BYTES + PEAK_PER_BYTE * len(data):
            raise Finding(f"takes {peak:,} bytes for an input of {len(data)}", data)


def _too_long(_number: int, _frame: types.FrameType | None) -> None:
    raise TimeoutError(f"no end after {CPU_S:.0f} s")


def _words(subject: Subject, choice: int, finding: Finding, seed: int, index: int) -> str:
    small = shrink(subject, choice, finding.data)
    again = f"python -m bench.fuzz --codec {subject.name} --seed {seed} --only {index}"
    return f"{subject.name}: {finding.words}\n  again: {again}\n  settings {choice}, hex: {small.hex()}"


def shrink(subject: Subject, choice: int, data: bytes) -> bytes:
    """The same finding in fewer bytes, where it is an exception or shows byte by byte."""

    def fails(one: bytes) -> bool:
        try:
            judge(subject, choice, one, [one[at : at + 1] for at in range(len(one))])
        except Finding:
            return True
        return False

    if not fails(data):
        return data
    tries, step = 0, max(len(data) // 2, 1)
    while step and tries < MAX_SHRINKS:
        at, smaller = 0, False
        while at < len(data) and tries < MAX_SHRINKS:
            tries += 1
            shorter = data[:at] + data[at + step :]
            if fails(shorter):
                data, smaller = shorter, True
            else:
                at += step
        step = step if smaller and step == 1 else step // 2
    return data


def run(names: Sequence[str], *, inputs: int, seed: int, processes: int) -> dict[str, Report]:
    """Judge `inputs` inputs of each codec."""
    reports = {name: Report(name) for name in names}
    batches = [
        (name, seed, start, min(BATCH, inputs - start)) for start in range(0, inputs, BATCH) for name in names
    ]
    with ProcessPoolExecutor(processes) as pool:
        for done in as_completed([pool.submit(run_batch, *batch) for batch in batches]):
            reports[done.result().codec].add(done.result())
    return reports


def main() -> int:
    """Parse, run, print; 1 when something was found."""
    parser = argparse.ArgumentParser(description="every codec against inputs nobody should send")
    parser.add_argument(
        "--inputs", type=int, default=0, help="of all codecs together; 20,000 each by default"
    )
    parser.add_argument("--codec", choices=sorted(subjects()), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the one input with this number")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    names = options.codec or sorted(subjects())
    if options.only is not None:
        report = run_batch(names[0], options.seed, options.only, 1)
        print("\n".join(report.findings) or f"{names[0]}: nothing wrong with {options.only}")
        return 1 if report.findings else 0
    began = time.perf_counter()
    each = -(-options.inputs // len(names)) if options.inputs else INPUTS_PER_CODEC
    reports = run(names, inputs=each, seed=options.seed, processes=options.processes)
    print_table(list(reports.values()), time.perf_counter() - began)
    return 1 if any(report.findings for report in reports.values()) else 0


def print_table(reports: Sequence[Report], seconds: float) -> None:
    """What was tried and what it came to."""
    head = ("codec", "inputs", "MB", "frames", "errors", "kept KiB", "peak KiB", "CPU ms, max")
    print("{:12} {:>10} {:>8} {:>11} {:>11} {:>9} {:>9} {:>11}".format(*head))
    for one in reports:
        print(
            f"{one.codec:12} {one.inputs:10,} {one.input_bytes / 1e6:8.1f} {one.frames:11,} {one.errors:11,}"
            f" {one.kept_bytes / 1024:9.0f} {one.peak_bytes / 1024:9.0f} {one.slowest_s * 1000:11.1f}"
        )
    total = sum(one.inputs for one in reports)
    findings = [words for one in reports for words in one.findings]
    print(f"{total:,} inputs in {seconds:.0f} s, {len(findings)} findings")
    print("\n".join(findings), end="\n" if findings else "")


if __name__ == "__main__":
    sys.exit(main())
