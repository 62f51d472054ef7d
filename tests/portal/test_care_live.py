"""Live pages: what happened is told once, in order, to those it concerns, and to nobody else."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import BandAlarm, BloodPressure, Fix, HeartRate
from gateway.told import Roster
from portal.care.changes import CHANGES_KEPT, announce, can_replay, newest_change, rights_changed
from portal.care.latest import advance, hear, measured_at
from portal.care.live import missed, source_of
from portal.care.models import Change, Wearer, WearerState
from portal.db import db
from portal.stream import LiveEvent

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
    """A browser that follows the stream over a real socket; reading never blocks the test for ever."""

    def __init__(self, streams, browser, after: int | str = "", headers: dict | None = None) -> None:
        query = f"?after={after}" if after != "" else ""
        self.line = http.client.HTTPConnection("127.0.0.1", streams.settings.stream_port, timeout=20)
        self.line.request("GET", f"/care/stream{query}", headers=cookies(browser) | (headers or {}))
        self.answer = self.line.getresponse()
        self.status = self.answer.status

    def next(self, *, pings: bool = False) -> tuple[str, int | None, dict]:
        while True:
            block = b""
            while not block.endswith(b"\n\n"):
                line = self.answer.readline()
                assert line, "the stream ended"
                block += line
            found = parse(block.decode())
            if found and (pings or found[0][0] != "ping"):
                return found[0]

    def ended(self) -> bool:
        while self.answer.readline():
            pass
        return True

    def close(self) -> None:
        self.answer.close()
        self.line.close()


def cookies(browser) -> dict[str, str]:
    """What this test client's browser would send along."""
    cookie = browser.client.get_cookie("shouwang")
    return {} if cookie is None else {"Cookie": f"shouwang={cookie.value}"}


@pytest.fixture
def watch(streams, people) -> Iterator[Callable[..., Viewer]]:
    """Make a viewer of a demonstration role."""
    made: list[Viewer] = []

    def make(role: str, *arguments, **options) -> Viewer:
        made.append(Viewer(streams, people[role], *arguments, **options))
        return made[-1]

    yield make
    for viewer in made:
        viewer.close()


def test_a_page_hears_of_its_wearer_as_soon_as_the_gateway_has_told(app, watch, gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home(ago_s=60))
    viewer = watch("guardian", _newest(app))
    assert viewer.next(pings=True)[0] == "ping"
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


def test_nobody_hears_of_somebody_elses_wearer(app, watch, gateway, samples):
    gateway.send(samples.ROSTER)
    after = _newest(app)
    guardian, staff = watch("guardian", after), watch("staff", after)
    gateway.send(samples.telemetry(HeartRate(heart_rate_bpm=70), wearer="wang-deshun"))
    gateway.send(samples.at_home())
    assert [staff.next()[2]["name"], staff.next()[2]["name"]] == ["王德顺", "张桂兰"]
    assert guardian.next()[2]["name"] == "张桂兰"


def test_what_was_missed_is_replayed_and_not_what_was_seen(app, watch, gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home(ago_s=60))
    seen = _newest(app)
    gateway.send(samples.telemetry(HeartRate(heart_rate_bpm=70), wearer="wang-deshun"))
    gateway.send(samples.at_home())
    viewer = watch("guardian", headers={"Last-Event-ID": str(seen)})
    assert viewer.next()[2]["name"] == "张桂兰"
    again = watch("guardian", headers={"Last-Event-ID": str(_newest(app))})
    gateway.send(samples.incident())
    assert again.next()[1] > seen + 2


def test_a_new_roster_ends_the_stream_so_that_rights_are_judged_anew(app, watch, gateway, samples):
    gateway.send(samples.ROSTER)
    viewer = watch("guardian", _newest(app))
    gateway.send(Roster(community="xinhe", wearers=(samples.WANG,)))
    assert viewer.next()[0] == "roster"
    assert viewer.ended()


def test_new_rights_end_the_stream_of_whoever_saw_the_wearer_and_of_nobody_else(app, watch, gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home())
    after = _newest(app)
    daughter, other, staff = watch("guardian", after), watch("guardian", after), watch("staff", after)
    with app.app_context():
        wang = db.session.scalars(sa.select(Wearer.id).where(Wearer.code == "wang-deshun")).one()
        rights_changed(db.session, wang)
        db.session.commit()
    assert staff.next()[0] == "roster"
    assert staff.ended()
    gateway.send(samples.at_home())
    assert daughter.next()[2]["name"] == other.next()[2]["name"] == "张桂兰"


def test_whoever_may_see_more_than_before_is_told_to_look_again(app, watch, gateway, samples):
    gateway.send(samples.ROSTER)
    daughter = watch("guardian", _newest(app))
    with app.app_context():
        wang = db.session.scalars(sa.select(Wearer).where(Wearer.code == "wang-deshun")).one()
        wang.contacts[0].phone = "+8613800138002"
        rights_changed(db.session, wang.id)
        db.session.commit()
    assert daughter.next()[0] == "roster"
    assert daughter.ended()


def test_signing_out_ends_the_live_pages_of_that_person_only(app, people, watch, gateway, samples):
    gateway.send(samples.ROSTER)
    daughter, staff = watch("guardian", _newest(app)), watch("staff", _newest(app))
    left = time.monotonic()
    assert people["guardian"].post("/logout").status_code == 302
    assert daughter.ended()
    assert time.monotonic() - left < 2
    assert watch("guardian").status == 401
    gateway.send(samples.at_home())
    assert staff.next()[2]["name"] == "张桂兰"


def test_the_same_roster_again_disturbs_nobody(app, gateway, samples):
    gateway.send(samples.ROSTER)
    before = _newest(app)
    gateway.send(samples.ROSTER)
    assert _newest(app) == before


def test_closing_the_house_ends_every_stream_at_once(streams, watch, gateway, samples):
    gateway.send(samples.ROSTER)
    viewers = [watch("staff") for _ in range(3)]
    assert streams.hub.viewers == 3
    streams.close()
    assert all(viewer.ended() for viewer in viewers)
    assert streams.hub.viewers == 0


def test_one_viewer_too_many_is_refused_and_pages_go_on(streams, watch, people, gateway, samples):
    gateway.send(samples.ROSTER)
    streams.hub._max_viewers = 2
    viewers = [watch("staff") for _ in range(2)]
    refused = watch("staff")
    assert (refused.status, refused.answer.headers["Retry-After"]) == (503, "20")
    assert people["staff"].get("/care/").status_code == 200
    assert streams.hub.refused == 1
    assert [viewer.status for viewer in viewers] == [200, 200]


def test_the_stream_is_not_for_strangers_or_residents_or_other_sites(client, people, streams, watch):
    for path in ("/care/stream", "/care/changes"):
        assert client.get(path).status_code == 302
        assert people["resident"].get(path).status_code == 404
    assert watch("resident").status == 404
    people["stranger"] = SimpleNamespace(client=client)
    assert watch("stranger").status == 401
    assert watch("staff", headers={"Origin": "http://evil.example"}).status == 404
    portal = f"http://127.0.0.1:{streams.settings.port}"
    answer = watch("staff", headers={"Origin": portal}).answer
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == portal
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_the_portal_itself_answers_at_once_with_what_was_missed(app, people, gateway, samples):
    gateway.send(samples.ROSTER)
    after = _newest(app)
    gateway.send(samples.telemetry(HeartRate(heart_rate_bpm=70), wearer="wang-deshun"))
    answer = people["guardian"].get(f"/care/changes?after={after}")
    assert answer.mimetype == "text/event-stream"
    assert answer.text.startswith("retry: 5000\n\n")
    assert [topic for topic, _, _ in parse(answer.text)] == ["ping"], "of her own wearer there is nothing new"
    assert parse(answer.text)[0][1] == _newest(app)
    told = parse(people["staff"].get(f"/care/changes?after={after}").text)
    assert [topic for topic, _, _ in told] == ["wearer", "ping"]
    for nonsense in ("-1", "x", "9" * 30, "١"):
        assert people["staff"].get(f"/care/changes?after={nonsense}").status_code == 200


def test_a_page_may_reach_the_stream_and_nothing_else(app, people):
    policy = people["staff"].get("/care/alarms/").headers["Content-Security-Policy"]
    assert policy.endswith("; connect-src 'self' http://localhost:18087")
    elsewhere = {"Host": "10.0.0.7:18088", **cookies(people["staff"])}
    page = app.test_client(use_cookies=False).get("/care/alarms/", headers=elsewhere)
    assert page.headers["Content-Security-Policy"].endswith("connect-src 'self' http://10.0.0.7:18087")
    assert 'data-stream="http://10.0.0.7:18087/care/stream"' in page.text
    app.config["PORTAL"] = msgspec.structs.replace(app.config["PORTAL"], public_url="https://portal.example")
    page = people["staff"].get("/care/alarms/")
    assert 'data-stream="/care/stream"' in page.text
    assert "connect-src" not in page.headers["Content-Security-Policy"]
    app.config["PORTAL"] = msgspec.structs.replace(app.config["PORTAL"], stream_port=0)
    assert 'data-stream=""' in people["staff"].get("/care/alarms/").text


# ---------------------------------------------------------------- the parts


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
        assert missed(session, 10) == (far + 1, None)
        seen, events = missed(session, far)
        assert (seen, [event.seq for event in events]) == (far + 1, [far + 1])


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


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw reads every module of ours
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
