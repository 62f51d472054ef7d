"""Debian's Chromium, driven by Playwright, and gone with its driver when the test is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

GONE_S = 30
EXPECTED_WITHIN_MS = 20_000
"""How long a page may take to say what is expected of it while the machine does much else."""
QUIET = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
WEBGL = ("--enable-unsafe-swiftshader", "--use-angle=swiftshader")


@contextlib.contextmanager
def chromium_running(*flags: str) -> Iterator[Browser]:
    """A browser with these flags more.

    Playwright closes its loop without waiting for its driver; on a busy machine that is a process left over,
    which fails whatever test runs when it ends. So the loop stays open here until the driver is gone.
    """
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.fail("Debian's chromium is not installed (make test installs it)")
    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    manager = sync_playwright()
    playwright = manager.start()
    loop, driver = manager._loop, manager._client._transport._proc
    try:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *flags])
        yield browser
        browser.close()
    finally:
        manager._own_loop = False
        manager.__exit__(None, None, None)
        loop.run_until_complete(_until_gone(driver))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _until_gone(driver: asyncio.subprocess.Process) -> None:
    """Wait for the driver's end, and end what is left on its loop."""
    await asyncio.wait_for(driver.wait(), GONE_S)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
