"""Processes that share a store: a commit in one is heard in the other, on PostgreSQL within milliseconds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from portal.api import commands
from portal.db import db
from portal.serve import join_bells
from portal.stream import Bell
from portal.streaming.bells import Datagrams, hear_datagrams

ROOT = Path(__file__).parents[2]
OTHER = """
import sys, msgspec
from datetime import UTC, datetime
from portal import create_app
from portal.api import commands
from portal.care.changes import announce
from portal.db import writing
from portal.settings import PortalSettings
app = create_app(msgspec.json.decode(sys.stdin.buffer.readline(), type=PortalSettings))
print("ready", flush=True)
sys.stdin.buffer.readline()
with app.app_context(), writing() as session:
    commands.queue(session, "gw-xinhe-1", now=datetime.now(UTC), command="c1", name="acknowledge", by="x")
    announce(session, [("health", 0, None)])
"""


class Other:
    """A second portal process on the same store, which queues an order when told to."""

    def __init__(self, settings) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        self.process.stdin.write(msgspec.json.encode(settings) + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"ready\n"

    def commit(self) -> None:
        self.process.stdin.write(b"\n")
        self.process.stdin.close()

    def end(self) -> None:
        assert self.process.wait(timeout=30) == 0
        self.process.stdout.close()


@pytest.mark.slow
def test_an_order_queued_in_one_process_wakes_a_gateway_waiting_at_another(store_app, monkeypatch):
    if not store_app.config["PORTAL"].database_url.startswith("postgresql"):
        pytest.skip("SQLite has one portal process beside the stream's")
    monkeypatch.setattr(commands, "LOOK_EVERY_S", 60.0)
    settings, bell = store_app.config["PORTAL"], store_app.extensions["bell"]
    leave, other = join_bells(settings, bell), Other(settings)
    try:
        heard = bell.count
        bell.wait(heard, timeout_s=1.0)
        with store_app.app_context():

            def look():
                with db.sessionmaker() as session:
                    return commands.after(session, "gw-xinhe-1", 0) or None

            other.commit()
            began = time.monotonic()
            found = commands.wait_for(look, bell, timeout_s=20)
        assert [command.name for command in found] == ["acknowledge"]
        assert time.monotonic() - began < 10, "the bell woke it, not the clock"
    finally:
        leave()
        other.end()


async def test_a_commit_beside_sqlite_rings_the_process_of_the_streams(samples):
    port, rung = samples.free_port(), asyncio.Event()
    transport = await hear_datagrams(port, rung.set)
    bell, sender = Bell(), Datagrams(port)
    bell.pass_on(sender.ring)
    bell.ring()
    await asyncio.wait_for(rung.wait(), 10)
    transport.close()
    bell.ring()
    sender.close()
    bell.ring()
    assert bell.count == 3


async def test_a_port_that_is_taken_leaves_looking_now_and_then(samples):
    port = samples.free_port()
    first = await hear_datagrams(port, lambda: None)
    assert await hear_datagrams(port, lambda: None) is None
    first.close()
