"""A running MQTT listener for the tests of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from rigs.mqtt_band import Bench, Make, served


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Start a listener with these settings; all of them are ended with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**settings: object) -> Bench:
            return await stack.enter_async_context(served(**settings))

        yield start
