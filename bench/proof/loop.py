"""Virtual time: an event loop that never waits, and the clock that goes with it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)


class StalledError(RuntimeError):
    """Nothing is due and nothing will ever happen again: a schedule always has a next thing."""


class _Jump(selectors.BaseSelector):
    """Asks no file; instead of waiting, the loop's time jumps to where the wait would end."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError
        if timeout > 0:
            self.elapsed_s += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only by being waited for, and no file is ever ready.

    What is to be called later belongs to the process that lives now and dies with it (`forget`),
    unless it was asked for through `outside`.
    """

    def __init__(self) -> None:
        self._jump = _Jump()
        self._of_process: list[asyncio.TimerHandle] = []
        super().__init__(self._jump)
        self.outside = Outside(self)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jump.elapsed_s

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """Remember it as the living process's."""
        handle = super().call_at(when, callback, *args, context=context)
        self._of_process.append(handle)
        return handle

    def call_outside(self, when: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """The same for the world."""
        return super().call_at(when, callback, *args)

    def forget(self) -> None:
        """The process is dead: nothing it wanted later comes."""
        for handle in self._of_process:
            handle.cancel()
        self._of_process.clear()


class Outside:
    """The loop as the world uses it: what it asks for comes whoever lives or dies."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def time(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call it then."""
        return self._loop.call_outside(self._loop.time() + delay, callback, *args)


class VirtualClock:
    """The wall clock of a virtual loop; it begins at `START`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """The wall time in UTC."""
        return START + timedelta(seconds=self._loop.time())


async def clear_away() -> None:
    """End every task but this one, as the end of a process does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    while left:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        left = asyncio.all_tasks() - {asyncio.current_task()}
