"""Waiting with an end: for a task, for a carrier's answer, for a commit that does not want to succeed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sos.carriers.base import CarrierError

log = logging.getLogger(__name__)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

ASK_DEADLINE_S = 10.0
SLOWEST_RETRY_S = 4.0


async def within(task: asyncio.Future[T], seconds: float, *, sleep: Sleep) -> bool:
    """Wait for the task at most so long; True when it is done. The task goes on either way."""
    timer = asyncio.ensure_future(sleep(seconds))
    waiting: set[asyncio.Future[Any]] = {task, timer}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return task.done()


async def answer(question: Awaitable[T], *, sleep: Sleep) -> T:
    """A carrier's answer within `ASK_DEADLINE_S`; whatever goes wrong becomes a CarrierError."""
    asking = asyncio.ensure_future(question)
    try:
        if await within(asking, ASK_DEADLINE_S, sleep=sleep):
            return asking.result()
    except (CarrierError, asyncio.CancelledError):
        raise
    except Exception as failure:
        log.exception("a carrier broke while being asked")
        raise CarrierError("the carrier's own code failed") from failure
    finally:
        asking.cancel()
    raise CarrierError("no answer in time")


async def keep(commit: Callable[[], Awaitable[None]], what: str, *, tries: int, sleep: Sleep) -> bool:
    """Commit with patience; False when it could not be written. Said at the first failure and at the end."""
    pause_s = 0.1
    for number in range(tries):
        try:
            await commit()
        except Exception:
            if number == 0:
                log.exception("%s could not be written, trying again", what)
            await sleep(pause_s)
            pause_s = min(pause_s * 2, SLOWEST_RETRY_S)
        else:
            return True
    log.error("%s was given up after %d tries", what, tries)
    return False


def say_quietly(task: asyncio.Future[Any]) -> None:
    """Take the outcome of a task nobody waits for any more."""
    if not task.cancelled() and task.exception() is not None:
        log.debug("a late answer was an error", exc_info=task.exception())
