"""Committed events reach the portal in order, at least once, whatever the line does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp import web

from gateway.sync import client as sync_client
from gateway.sync.batcher import Row, batch_of
from gateway.sync.client import SyncClient
from gateway.told import CommandPage, PortalCommand, UnreadableCommand
from gateway.transports import portal_link
from gateway.transports.portal_link import PortalLink

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(seq: int) -> Row:
    return Row(seq, NOW, b'{"kind":"command","command":"c%d","done":true,"reason":""}' % seq)


class Portal:
    """Stores events as the portal does, and can be told to fail."""

    def __init__(self) -> None:
        self.through = 0
        self.stored: list[int] = []
        self.failures: list[int] = []
        self.refuses: set[int] = set()
        self.pages: list[CommandPage | bytes] = []
        self.asked: list[int] = []
        self.changed = asyncio.Event()

    async def events(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.headers["X-Gateway"] == "gw"
        if self.failures:
            return web.Response(status=self.failures.pop(0))
        batch = msgspec.json.decode(await request.read())
        seqs = [event["seq"] for event in batch["events"]]
        if self.refuses & set(seqs):
            return web.json_response({"error": "malformed"}, status=400)
        self.stored += [seq for seq in seqs if seq > self.through]
        self.through = max([self.through, *seqs])
        self.changed.set()
        return web.json_response({"through_seq": self.through})

    async def commands(self, request: web.Request) -> web.Response:
        self.asked.append(int(request.query["after"]))
        self.changed.set()
        if self.failures:
            return web.Response(status=self.failures.pop(0))
        if not self.pages:
            await asyncio.sleep(3600)
        page = self.pages.pop(0)
        return web.Response(body=page if isinstance(page, bytes) else msgspec.json.encode(page))


@pytest.fixture
async def portal():
    served = Portal()
    app = web.Application()
    app.router.add_post("/api/gateway/v1/events", served.events)
    app.router.add_get("/api/gateway/v1/commands", served.commands)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Backoff of a moment instead of a second."""
    for module in (sync_client, portal_link):
        monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.01)


async def until(portal: Portal, true) -> None:
    async with asyncio.timeout(20):
        while not true():
            await portal.changed.wait()
            portal.changed.clear()


class Sync:
    """A SyncClient over a list of rows, running until the end of the block."""

    def __init__(self, portal: Portal, journal: list[Row]) -> None:
        self.overtaken: list[int] = []
        self.journal = journal
        self.client = SyncClient(
            url=portal.url,
            gateway="gw",
            token="secret",
            batch_events=3,
            read=lambda after, limit: [one for one in self.journal if one.seq > after][:limit],
            last_seq=lambda: max((one.seq for one in self.journal), default=0),
            overtaken=self._overtaken,
        )
        self.portal = portal

    def _overtaken(self, through_seq: int) -> None:
        self.overtaken.append(through_seq)
        self.portal.changed.set()

    async def __aenter__(self):
        self.task = asyncio.create_task(self.client.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def test_everything_is_sent_in_order_in_batches(portal):
    async with Sync(portal, [row(seq) for seq in range(1, 11)]):
        await until(portal, lambda: portal.through == 10)
    assert portal.stored == list(range(1, 11))


async def test_what_is_committed_later_is_sent_when_woken(portal):
    async with Sync(portal, [row(1)]) as sync:
        await until(portal, lambda: portal.through == 1)
        sync.journal.append(row(2))
        sync.client.wake()
        await until(portal, lambda: portal.through == 2)


async def test_it_goes_on_where_the_portal_says_it_is(portal):
    portal.through = 7
    async with Sync(portal, [row(seq) for seq in range(1, 11)]):
        await until(portal, lambda: portal.through == 10)
    assert portal.stored == [8, 9, 10]


@pytest.mark.parametrize("status", [500, 502, 401])
async def test_a_failing_portal_is_asked_again_and_nothing_is_skipped(portal, status):
    portal.failures = [status, status]
    async with Sync(portal, [row(seq) for seq in range(1, 6)]) as sync:
        await until(portal, lambda: portal.through == 5)
        assert sync.client.refused == 0
    assert portal.stored == [1, 2, 3, 4, 5]


async def test_one_malformed_row_does_not_hold_up_the_others(portal):
    portal.refuses = {4}
    async with Sync(portal, [row(seq) for seq in range(1, 8)]) as sync:
        await until(portal, lambda: portal.through == 7)
        assert sync.client.refused == 1
    assert portal.stored == [1, 2, 3, 5, 6, 7]


async def test_a_journal_younger_than_the_portals_copy_is_noticed(portal):
    portal.through = 500
    async with Sync(portal, [row(1), row(2)]) as sync:
        await until(portal, lambda: sync.overtaken == [500])
        sync.journal += [row(501), row(502)]
        sync.client.wake()
        await until(portal, lambda: portal.through == 502)
    assert portal.stored == [501, 502]


def test_a_batch_is_what_the_portal_reads():
    batch = msgspec.json.decode(batch_of("gw", [row(3)]))
    assert batch["gateway"] == "gw"
    assert batch["events"][0]["seq"] == 3
    assert batch["events"][0]["payload"]["command"] == "c3"


async def test_commands_are_handed_over_once_in_rising_order_and_after_a_failure(portal):
    ordered: list[int] = []
    done = asyncio.Event()

    def take(command: PortalCommand, committed) -> None:
        ordered.append(command.number)
        committed(command.number)
        if command.number == 4:
            done.set()

    def command(number: int) -> PortalCommand:
        return PortalCommand(number=number, command=f"c{number}", name="acknowledge", incident="i")

    portal.pages = [
        CommandPage(commands=(command(2), command(1))),
        CommandPage(commands=(command(2), command(3))),
        CommandPage(commands=(command(4),)),
    ]
    portal.failures = [503]
    link = PortalLink(url=portal.url, gateway="gw", token="secret", poll_s=1, last_number=0, ordered=take)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(done.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert ordered == [1, 2, 3, 4]
    assert portal.asked[:4] == [0, 0, 2, 3]


async def test_nothing_is_asked_after_a_command_that_is_not_on_the_disk(portal):
    waiting = []
    taken = asyncio.Event()

    def take(command: PortalCommand, committed) -> None:
        waiting.append(committed)
        taken.set()

    portal.pages = [
        CommandPage(commands=(PortalCommand(number=n, command=f"c{n}", name="resolve", incident="i"),))
        for n in (1, 2)
    ]
    link = PortalLink(url=portal.url, gateway="gw", token="secret", poll_s=1, last_number=0, ordered=take)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(taken.wait(), 20)
    for _ in range(50):
        await asyncio.sleep(0)
    assert portal.asked == [0], "a number asked with is given up by the portal for ever"
    taken.clear()
    waiting[0](1)
    await asyncio.wait_for(taken.wait(), 20)
    assert portal.asked[:2] == [0, 1]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_key_pressed_while_the_disk_is_stuck_is_heard_and_nothing_is_done_twice(portal, monkeypatch):
    monkeypatch.setattr("gateway.transports.portal_link.COMMIT_WAIT_S", 0.01)
    ordered, second = [], asyncio.Event()

    def take(command: PortalCommand, _committed) -> None:
        ordered.append(command.number)
        if command.number == 2:
            second.set()

    first, next_one = (
        PortalCommand(number=n, command=f"c{n}", name="key_pressed", leg="i.1.son.call.1", digit="1")
        for n in (1, 2)
    )
    portal.pages = [CommandPage(commands=(first,)), CommandPage(commands=(first, next_one))]
    link = PortalLink(url=portal.url, gateway="gw", token="secret", poll_s=1, last_number=0, ordered=take)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(second.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert ordered == [1, 2]
    assert portal.asked[:2] == [0, 0], "what is not on the disk is not given up"


UNREADABLE = {
    "of a newer portal": b'"name":"dance"',
    "a number nothing can hold": b'"name":"set_profile","profile":{"a":1e999}',
}


@pytest.mark.parametrize("wrong", UNREADABLE)
async def test_a_command_nobody_can_read_is_refused_and_holds_up_none_behind_it(portal, wrong):
    heard, third = [], asyncio.Event()

    def take(command, committed) -> None:
        heard.append(command)
        committed(1)
        if command.number == 3:
            third.set()

    pressed = b'{"number":%d,"command":"c","name":"key_pressed","leg":"i.1.son.call.1","digit":"1"}'
    bad = b'{"number":2,"command":"c2","wearer":"wang",%s}' % UNREADABLE[wrong]
    portal.pages = [b'{"commands":[%s]}' % b",".join([pressed % 1, bad, pressed % 3])]
    link = PortalLink(url=portal.url, gateway="gw", token="secret", poll_s=1, last_number=0, ordered=take)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(third.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert [type(command) for command in heard] == [PortalCommand, UnreadableCommand, PortalCommand]
    assert (heard[1].command, heard[1].wearer) == ("c2", "wang")
    assert heard[1].reason.startswith("this gateway cannot read it: ")


@pytest.mark.parametrize("page", [b"[" * 3000, b'{"commands":[{"note":"\\ud800"}]}', b'{"commands":{}}'])
async def test_a_page_nobody_can_read_is_asked_for_again_and_ends_nothing(portal, monkeypatch, page):
    monkeypatch.setattr(portal_link, "BACKOFF_FIRST_S", 0.01)
    heard = asyncio.Event()

    def take(_command, committed) -> None:
        committed(1)
        heard.set()

    good = CommandPage(commands=(PortalCommand(number=1, command="c", name="resolve", incident="i"),))
    portal.pages = [page, good]
    link = PortalLink(url=portal.url, gateway="gw", token="secret", poll_s=1, last_number=0, ordered=take)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(heard.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_command_without_a_number_holds_up_none_and_is_not_asked_for_without_a_pause(
    portal, monkeypatch
):
    monkeypatch.setattr(portal_link, "BACKOFF_FIRST_S", 3600.0)
    heard, paused = [], asyncio.Event()
    honest = asyncio.sleep

    async def sleep(delay_s):
        if delay_s > 1000:
            paused.set()
        await honest(delay_s)

    def take(command, committed) -> None:
        heard.append(command.number)
        committed(1)

    portal.pages = [b'{"commands":[{},{"number":1,"command":"c","name":"resolve","incident":"i"}]}']
    link = PortalLink(url=portal.url, gateway="gw", token="secret", poll_s=1, last_number=0, ordered=take)
    monkeypatch.setattr(portal_link.asyncio, "sleep", sleep)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(paused.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert heard == [1]
    assert not link.connected
