"""Live pages: what happened is told once, in order, to those it concerns, and to nobody else."""

from __future__ import annotations

import json
import queue
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import BandAlarm, BloodPressure, Fix, HeartRate
from gateway.told import Roster
from portal import stream as streams
from portal.care.changes import CHANGES_KEPT, announce, can_replay, newest_change
from portal.care.latest import advance, hear, measured_at
from portal.care.live import missed, source_of
from portal.care.models import Change, Wearer, WearerState
from portal.db import db
from portal.stream import RESET, Bell, Hub, LiveEvent, Subscription, stream

AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def parse(text: str) -> list[tuple[str, int | None, dict]]:
    """A piece of `text/event-stream` as (topic, id, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append((fields["event"], number, json.loads(fields["data"])))
    return found


class Viewer:
    """A browser that follows the stream; reading never blocks the test for ever."""

    def __init__(self, browser, after: int | str = "", headers: dict | None = None) -> None:
        query = f"?after={after}" if after != "" else ""
        self.answer = browser.get(f"/care/stream{query}", headers=headers, buffered=False)
        self.pieces: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for piece in self.answer.response:
            self.pieces.put(piece.decode() if isinstance(piece, bytes) else piece)
        self.pieces.put("")

    def next(self) -> tuple[str, int | None, dict]:
        while True:
            found = parse(self.pieces.get(timeout=20))
            if found:
                return found[0]

    def ended(self) -> bool:
        while self.pieces.get(timeout=20):
            pass
        return True


@pytest.fixture
def live(app):
    yield app.extensions["live"]
    app.extensions["live"].close()


def test_a_page_hears_of_its_wearer_as_soon_as_the_gateway_has_told(app, live, gateway, people, samples):
    gateway.send(samples.ROSTER, samples.at_home(ago_s=60))
    viewer = Viewer(people["guardian"], after=_newest(app))
    gateway.send(samples.at_home())
    topic, number, data = viewer.next()
    assert topic == "wearer"
    assert number == _newest(app)
    assert (data["name"], data["lat"], data["alarm"]) == ("张桂兰", 31.1559, None)
    gateway.send(samples.incident())
    told = [viewer.next(), viewer.next()]
    assert {topic for topic, _, _ in told} == {"wearer", "incident"}
    assert next(data for topic, _, data in told if topic == "wearer")["alarm"] == "critical"
    assert next(data for topic, _, data in told if topic == "incident")["incident"] == "inc1"


def test_nobody_hears_of_somebody_elses_wearer(app, live, gateway, people, samples):
    gateway.send(samples.ROSTER)
    after = _newest(app)
    guardian, staff = Viewer(people["guardian"], after), Viewer(people["staff"], after)
    gateway.send(samples.telemetry(HeartRate(heart_rate_bpm=70), wearer="wang-deshun"))
    gateway.send(samples.at_home())
    assert [staff.next()[2]["name"], staff.next()[2]["name"]] == ["王德顺", "张桂兰"]
    assert guardian.next()[2]["name"] == "张桂兰"


def test_what_was_missed_is_replayed_and_not_what_was_seen(app, live, gateway, people, samples):
    gateway.send(samples.ROSTER, samples.at_home(ago_s=60))
    seen = _newest(app)
    gateway.send(samples.telemetry(HeartRate(heart_rate_bpm=70), wearer="wang-deshun"))
    gateway.send(samples.at_home())
    viewer = Viewer(people["guardian"], headers={"Last-Event-ID": str(seen)})
    assert viewer.next()[2]["name"] == "张桂兰"
    again = Viewer(people["guardian"], headers={"Last-Event-ID": str(_newest(app))})
    gateway.send(samples.incident())
    assert again.next()[1] > seen + 2


def test_a_new_roster_ends_the_stream_so_that_rights_are_judged_anew(app, live, gateway, people, samples):
    gateway.send(samples.ROSTER)
    viewer = Viewer(people["guardian"], _newest(app))
    gateway.send(Roster(community="xinhe", wearers=(samples.WANG,)))
    assert viewer.next()[0] == "roster"
    assert viewer.ended()


def test_the_same_roster_again_disturbs_nobody(app, live, gateway, samples):
    gateway.send(samples.ROSTER)
    before = _newest(app)
    gateway.send(samples.ROSTER)
    assert _newest(app) == before


def test_closing_the_house_ends_every_stream_at_once(app, live, gateway, people, samples):
    gateway.send(samples.ROSTER)
    viewers = [Viewer(people["staff"]) for _ in range(3)]
    assert live.viewers == 3
    live.close()
    assert all(viewer.ended() for viewer in viewers)
    assert live.viewers == 0
    assert people["staff"].get("/care/stream").status_code == 503


def test_one_viewer_too_many_is_refused_and_pages_go_on(app, live, gateway, people, samples):
    gateway.send(samples.ROSTER)
    live._max_viewers = 2
    viewers = [Viewer(people["staff"]) for _ in range(2)]
    refused = people["staff"].get("/care/stream")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "20")
    assert people["staff"].get("/care/").status_code == 200
    assert live.refused == 1
    assert len(viewers) == 2


def test_the_stream_is_not_for_strangers_or_residents(client, people):
    assert client.get("/care/stream").status_code == 302
    assert people["resident"].get("/care/stream").status_code == 404


# ---------------------------------------------------------------- the parts


def test_a_viewer_too_slow_is_told_to_reload_and_nothing_grows(monkeypatch):
    monkeypatch.setattr(streams, "QUEUE_EVENTS", 8)
    viewer = Subscription(sees=lambda _: True)
    for number in range(9):
        viewer.offer(LiveEvent(seq=number, topic="wearer", data={}, wearer=1))
    assert viewer.dropped == 8
    assert [viewer.events.get_nowait(), viewer.events.get_nowait()] == [RESET, None]


def test_silence_is_filled_with_a_heartbeat_and_a_stream_does_not_live_for_ever(monkeypatch):
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.001)
    monkeypatch.setattr(streams, "STREAM_LIFE_S", 0.003)
    hub = Hub(lambda seen: (max(seen, 0), []), Bell())
    subscription = hub.subscribe(lambda _: True)
    body = list(stream(hub, subscription, []))
    hub.close()
    assert body[0] == "retry: 3000\n\n"
    assert set(body[1:]) == {"event: ping\ndata: {}\n\n"}
    assert hub.viewers == 0


def test_a_store_that_is_away_for_a_moment_does_not_end_live_pages():
    asked = threading.Event()
    answers = iter(
        [(5, []), RuntimeError("away"), (6, [LiveEvent(seq=6, topic="wearer", data={}, wearer=1)])]
    )

    def source(seen: int):
        answer = next(answers, (seen, []))
        if isinstance(answer, Exception):
            asked.set()
            raise answer
        return answer

    bell = Bell()
    hub = Hub(source, bell)
    subscription = hub.subscribe(lambda _: True)
    assert asked.wait(10)
    bell.ring()
    assert parse(subscription.events.get(timeout=10))[0][1] == 6
    hub.close()
    assert hub.failures == 1


def test_an_event_is_one_line_of_json_whatever_is_in_it():
    event = LiveEvent(seq=7, topic="wearer", data={"name": "张\n桂\r兰"})
    assert parse(event.encode()) == [("wearer", 7, {"name": "张\n桂\r兰"})]
    assert event.encode().count("\n") == 4


def test_changes_are_trimmed_and_who_is_too_far_behind_must_reload(store_app):
    with store_app.app_context():
        session = db.session
        announce(session, [("roster", 0, None)])
        session.commit()
        assert can_replay(session, 0)
        session.execute(sa.delete(Change))
        far = CHANGES_KEPT + 5_000
        session.add(Change(seq=10, topic="roster", subject=0))
        session.add(Change(seq=far, topic="roster", subject=0))
        session.commit()
        if session.connection().dialect.name == "postgresql":
            session.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('change', 'seq'), {far})"))
        announce(session, [("roster", 0, None)])
        session.commit()
        assert newest_change(session) == far + 1
        assert not can_replay(session, 10)
        assert not can_replay(session, far + 2), "a number from another database"
        assert missed(session, 10) == [RESET]
        assert [event.seq for event in missed(session, far)] == [far + 1]


def test_many_changes_of_one_wearer_are_one_event(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER)
    with store_app.app_context():
        before = newest_change(db.session)
        maker = db.sessionmaker
    for ago_s in (30, 20, 10):
        store_gateway.send(samples.at_home(ago_s=ago_s))
    seen, events = source_of(maker)(before)
    assert seen == before + 3
    assert [(event.topic, event.seq) for event in events] == [("wearer", seen)]


def _newest(app) -> int:
    with app.app_context():
        return newest_change(db.session)


# ---------------------------------------------------------------- the newest of everything, pure


READINGS = st.one_of(
    st.builds(lambda lat: Fix(lat=lat, lon=121.0, valid=True), st.floats(30, 32)),
    st.builds(lambda bpm: HeartRate(heart_rate_bpm=bpm), st.integers(40, 180)),
    st.builds(lambda high: BloodPressure(systolic_mmhg=high, diastolic_mmhg=80), st.integers(90, 200)),
)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), READINGS), unique_by=lambda told: told[0], max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_does_not_matter_only_the_time_measured(told, random):
    def project(rows) -> dict:
        state = WearerState()
        for second, reading in rows:
            advance(state, reading, AT + timedelta(seconds=second))
        return {
            name: value
            for name, value in vars(state).items()
            if not name.startswith("_") and value is not None
        }

    shuffled = list(told)
    random.shuffle(shuffled)
    assert project(shuffled) == project(sorted(told, key=lambda row: row[0]))


@given(st.none() | st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
def test_nothing_is_measured_after_it_was_heard_or_in_the_future(measured_s, received_s):
    measured = None if measured_s is None else AT + timedelta(seconds=measured_s)
    received = AT + timedelta(seconds=received_s)
    at = measured_at(measured, received, AT)
    assert at <= min(received, AT)
    if measured is not None:
        assert at <= measured


def test_an_alarm_is_no_value_and_an_invalid_fix_no_place():
    state = WearerState()
    assert not advance(state, BandAlarm(alarm="sos"), AT)
    assert not advance(state, Fix(lat=31, lon=121, valid=False), AT)
    assert hear(state, AT)
    assert not hear(state, AT - timedelta(seconds=1))
    assert state.lat is None


def test_a_wearer_without_any_state_is_still_a_wearer(app, gateway, samples):
    gateway.send(samples.ROSTER)
    with app.app_context():
        zhang = db.session.scalars(sa.select(Wearer).where(Wearer.code == "zhang-guilan")).one()
        assert zhang.state is None
