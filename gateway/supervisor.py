"""Runs the parts of a demo or a small site as processes of their own, and takes them down in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STOP_S = 4.0


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-command; it must print a line "ready …" within `timeout_s`."""

    name: str
    timeout_s: float


@dataclass(slots=True)
class _Running:
    part: Part
    process: asyncio.subprocess.Process
    printing: asyncio.Task[None]
    ready: asyncio.Event


async def supervise(
    parts: Sequence[Part], *, command: Sequence[str], config: str, welcome: Callable[[], str]
) -> int:
    """Start the parts one after the other, print the welcome, wait for Ctrl-C or for a part to end.

    Stops the last started first; gives 0 after Ctrl-C and 1 when a part ended by itself.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    running: list[_Running] = []
    try:
        for part in parts:
            running.append(await _start(part, command, config))
            if not await _is_ready(running[-1], stop):
                return 0 if stop.is_set() else 1
        print(welcome(), flush=True)
        ended = await _first_end(running, stop)
        if ended is not None:
            print(f"{ended.part.name} ended by itself; stopping the others", file=sys.stderr, flush=True)
        return 0 if ended is None else 1
    finally:
        await _stop(running)


async def _start(part: Part, command: Sequence[str], config: str) -> _Running:
    process = await asyncio.create_subprocess_exec(
        *command,
        part.name,
        "--config",
        config,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; we pass it on in order
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    ready = asyncio.Event()
    printing = asyncio.create_task(_print_lines(part.name, process, ready), name=f"lines of {part.name}")
    return _Running(part, process, printing, ready)


async def _print_lines(name: str, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        text = line.decode("utf-8", "replace").rstrip()
        if text.startswith("ready "):
            ready.set()
        print(f"{name:8} {text}", flush=True)


async def _is_ready(running: _Running, stop: asyncio.Event) -> bool:
    waits = {
        asyncio.create_task(running.ready.wait()),
        asyncio.create_task(running.process.wait()),
        asyncio.create_task(stop.wait()),
    }
    _, pending = await asyncio.wait(
        waits, timeout=running.part.timeout_s, return_when=asyncio.FIRST_COMPLETED
    )
    for task in pending:
        task.cancel()
    if not running.ready.is_set() and not stop.is_set():
        print(f"{running.part.name} did not start; see its lines above", file=sys.stderr, flush=True)
    return running.ready.is_set()


async def _first_end(running: Sequence[_Running], stop: asyncio.Event) -> _Running | None:
    ends = {asyncio.create_task(one.process.wait()): one for one in running}
    stopping = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait({*ends, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return next((ends[task] for task in done if task in ends), None)


async def _stop(running: Sequence[_Running]) -> None:
    """Ask each to stop, the last started first; whoever does not within its share of time is killed."""
    share_s = STOP_S / max(len(running), 1)
    for one in reversed(running):
        if one.process.returncode is None:
            one.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(one.process.wait(), share_s)
            except TimeoutError:
                one.process.kill()
                await one.process.wait()
        await one.printing
