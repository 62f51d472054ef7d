"""The hub of live pages without sockets or a store: who is told, who is cut off, whose stream ends."""

from __future__ import annotations

import asyncio

import pytest

from portal.policy import Viewer
from portal.stream import LiveEvent
from portal.streaming import hub as hubs
from portal.streaming.hub import Admission, Hub


class Line:
    """A browser's line that keeps what it was sent; `full` takes nothing more."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.full = False
        self.dropped = False

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def backlog_bytes(self) -> int:
        return hubs.MAX_BACKLOG_BYTES + 1 if self.full else 0

    def cut(self) -> None:
        self.dropped = True


class Store:
    """What the hub polls: events put in, numbers given out; `away` makes it fail."""

    def __init__(self) -> None:
        self.seen = 0
        self.events: list[LiveEvent] = []
        self.away = 0

    def put(self, topic: str, **more) -> LiveEvent:
        self.seen += 1
        self.events.append(LiveEvent(seq=self.seen, topic=topic, **more))
        return self.events[-1]

    def look(self, seen: int) -> tuple[int, list[LiveEvent]]:
        if self.away:
            self.away -= 1
            raise OSError("the store is away")
        if seen < 0:
            return self.seen, []
        return self.seen, [event for event in self.events if event.seq > seen]


class House:
    """A hub at work, with whatever rights `now_sees` says people have now."""

    def __init__(self, **options) -> None:
        self.store = Store()
        self.now_sees: dict[int | None, dict[int, bool]] = {}
        self.hub = Hub(self.store.look, rejudge=self.rejudge, **options)

    async def rejudge(self, viewers):
        return [self.now_sees.get(viewer.user, {}) for viewer in viewers]

    async def begin(self) -> None:
        self.task = asyncio.create_task(self.hub.run())
        await self.hub.opened.wait()

    async def end(self) -> None:
        self.hub.close()
        await asyncio.wait_for(self.task, 5)

    def watch(self, user: int, sees: dict[int, bool], **admission):
        found, line = self.hub.enter(), Line()
        self.now_sees.setdefault(user, sees)
        told = Admission(viewer=Viewer(user=user), sees=sees, seen=self.store.seen, **admission)
        assert self.hub.admit(found, told, line)
        return found, line


async def until(true) -> None:
    for _ in range(2_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came")


@pytest.fixture
async def house():
    house = House()
    await house.begin()
    yield house
    await house.end()


async def test_who_may_not_see_where_somebody_is_is_told_everything_else(house):
    _, near = house.watch(1, {7: True})
    _, far = house.watch(2, {7: False})
    _, stranger = house.watch(3, {8: True})
    house.hub.tell(LiveEvent(seq=1, topic="wearer", data={"id": 7}, where={"lat": 31.1}, wearer=7))
    assert b'{"id":7,"lat":31.1}' in near.sent[0]
    assert b'{"id":7}' in far.sent[0]
    assert stranger.sent == []


async def test_what_happens_while_somebody_is_judged_is_told_once_they_are_in(house):
    viewer, line = house.hub.enter(), Line()
    house.hub.tell(LiveEvent(seq=5, topic="wearer", wearer=7))
    house.hub.tell(LiveEvent(seq=6, topic="wearer", wearer=7))
    assert house.hub.admit(viewer, Admission(viewer=Viewer(user=1), sees={7: True}, seen=5), line)
    assert [frame.split(b"\n")[0] for frame in line.sent] == [b"id: 6"]


async def test_rights_withdrawn_while_somebody_is_judged_end_the_stream_at_once(house):
    viewer, line = house.hub.enter(), Line()
    house.hub.tell(LiveEvent(seq=5, topic="rights", wearer=7))
    admission = Admission(viewer=Viewer(user=1), sees={7: True}, judged_at=4, seen=9)
    assert house.hub.admit(viewer, admission, line)
    assert viewer.ended.is_set()


async def test_whoever_comes_with_more_events_than_fit_is_refused_and_comes_again(house):
    viewer = house.hub.enter()
    for number in range(hubs.MAX_WAITING_EVENTS + 1):
        house.hub.tell(LiveEvent(seq=number, topic="wearer", wearer=7))
    assert not house.hub.admit(viewer, Admission(viewer=Viewer(user=1), sees={7: True}), Line())


async def test_a_viewer_too_slow_is_cut_off_and_nothing_grows(house):
    slow, line = house.watch(1, {7: True})
    line.full = True
    house.hub.tell(LiveEvent(seq=1, topic="wearer", wearer=7))
    assert (line.dropped, line.sent, slow.ended.is_set()) == (True, [], True)
    assert house.hub.cut == 1


async def test_new_rights_end_who_saw_the_wearer_and_who_sees_more_now(house):
    loser, lost = house.watch(1, {7: True})
    winner, won = house.watch(2, {8: True})
    third, quiet = house.watch(3, {8: True})
    house.now_sees[2] = {7: True, 8: True}
    house.store.put("rights", wearer=7, subject=7)
    house.hub.ring()
    await until(winner.ended.is_set)
    assert loser.ended.is_set()
    assert b"event: roster" in lost.sent[0]
    assert b"event: roster" in won.sent[0]
    assert not third.ended.is_set()
    assert quiet.sent == []


async def test_when_rights_cannot_be_judged_every_stream_ends(house):
    viewer, _ = house.watch(1, {8: True})

    async def broken(_viewers):
        raise OSError("the store is away")

    house.hub._rejudge = broken
    house.store.put("rights", wearer=7, subject=7)
    house.hub.ring()
    await until(viewer.ended.is_set)


async def test_an_account_that_left_loses_its_streams_and_nobody_elses(house):
    left, line = house.watch(1, {7: True})
    stays, _ = house.watch(2, {7: True})
    house.store.put("account", subject=1)
    house.hub.ring()
    await until(left.ended.is_set)
    assert line.sent == []
    assert not stays.ended.is_set()


async def test_one_person_does_not_fill_the_house(house):
    made = [house.watch(1, {}) for _ in range(hubs.MAX_STREAMS_A_PERSON)]
    one_more = house.hub.enter()
    assert not house.hub.admit(one_more, Admission(viewer=Viewer(user=1)), Line())
    house.hub.leave(made[0][0])
    house.hub.leave(made[0][0])
    house.watch(1, {})
    house.watch(2, {})


async def test_silence_is_filled_with_a_heartbeat_and_a_stream_does_not_live_for_ever(house, monkeypatch):
    monkeypatch.setattr(hubs, "HEARTBEAT_S", 1)
    monkeypatch.setattr(hubs, "STREAM_LIFE_S", 1.5)
    viewer, line = house.watch(1, {})
    await until(lambda: line.sent)
    assert line.sent[0] == b"id: 0\nevent: ping\ndata: {}\n\n"
    await asyncio.wait_for(viewer.ended.wait(), 5)


async def test_a_store_that_is_away_for_a_moment_does_not_end_live_pages(house):
    viewer, line = house.watch(1, {7: True})
    house.store.away = 1
    house.hub.ring()
    await until(lambda: house.hub.failures == 1)
    house.store.put("wearer", wearer=7)
    house.hub.ring()
    await until(lambda: line.sent)
    assert not viewer.ended.is_set()


async def test_nobody_is_let_in_before_the_store_was_read_or_after_the_end():
    house = House()
    assert house.hub.enter() is None
    await house.begin()
    assert house.hub.enter() is not None
    await house.end()
    assert house.hub.enter() is None
    assert house.hub.refused == 2
