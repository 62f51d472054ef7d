"""The gateways' doors: rows in, commands out."""

from __future__ import annotations

import threading
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Alarm, Fix, HeartRate, Why
from gateway.told import AlarmRaised, CommandDone, Roster, SyncBatch
from portal.api import commands
from portal.care.models import (
    AlarmRecord,
    FixHistory,
    GatewayLine,
    Incident,
    VitalHistory,
    Wearer,
    WearerState,
)
from portal.db import db

EVENTS = "/api/gateway/v1/events"


def wearer(code: str = "zhang-guilan") -> Wearer:
    return db.session.scalars(sa.select(Wearer).where(Wearer.code == code)).one()


def dump() -> list:
    """Everything the projection holds, without the numbers the database gave."""
    session = db.session
    state = [
        tuple(getattr(row, column.key) for column in WearerState.__table__.columns)
        for row in session.scalars(sa.select(WearerState).order_by(WearerState.wearer_id))
    ]
    fixes = session.execute(
        sa.select(FixHistory.wearer_id, FixHistory.at_ms, FixHistory.lat).order_by(
            FixHistory.at_ms, FixHistory.lat
        )
    ).all()
    vitals = session.execute(
        sa.select(VitalHistory.wearer_id, VitalHistory.kind, VitalHistory.at_ms, VitalHistory.value).order_by(
            VitalHistory.at_ms, VitalHistory.kind, VitalHistory.value
        )
    ).all()
    incidents = session.execute(sa.select(Incident.code, Incident.state, Incident.view)).all()
    return [state, fixes, vitals, incidents]


def test_a_batch_becomes_wearers_readings_and_the_latest_of_each(store_app, store_gateway, samples):
    answer = store_gateway.send(samples.ROSTER, samples.at_home())
    assert answer.json == {"through_seq": 2}
    with store_app.app_context():
        zhang = wearer()
        assert (zhang.name, zhang.home, zhang.present) == ("张桂兰", "3栋2单元401", True)
        assert [contact.name for contact in zhang.contacts] == ["李建国", "李晓梅"]
        assert (zhang.state.heart_rate_bpm, zhang.state.battery_pct) == (76, 64)
        assert (zhang.state.systolic_mmhg, zhang.state.diastolic_mmhg) == (132, 84)
        assert zhang.state.fix_at == samples.NOW
        assert db.session.scalar(sa.select(sa.func.count()).select_from(FixHistory)) == 1
        assert db.session.scalar(sa.select(sa.func.count()).select_from(VitalHistory)) == 3


def test_the_same_batch_twice_changes_nothing(store_app, store_gateway, samples):
    rows = store_gateway.rows(samples.ROSTER, samples.at_home(), samples.incident())
    assert store_gateway.send_rows(rows).json == {"through_seq": 3}
    with store_app.app_context():
        once = dump()
    assert store_gateway.send_rows(rows).json == {"through_seq": 3}
    assert store_gateway.send_rows(rows[1:2]).json == {"through_seq": 3}
    with store_app.app_context():
        assert dump() == once


def test_however_the_rows_are_cut_and_repeated_the_projection_is_the_same(app, samples, tmp_path_factory):
    """Any cut of the rows into batches, each sent any number of times, ends in the same projection."""
    story = (
        samples.ROSTER,
        samples.at_home(ago_s=50),
        samples.telemetry(HeartRate(heart_rate_bpm=91), ago_s=40),
        samples.incident("open"),
        samples.telemetry(HeartRate(heart_rate_bpm=64), ago_s=45),
        samples.incident("notifying", samples.leg(1, "call", "ringing")),
        samples.telemetry(Fix(lat=31.1, lon=121.1, valid=True), backlog=True),
        samples.incident("acknowledged", acknowledged_by="李晓梅"),
    )
    whole = samples.Gateway(app, "gw-other", "another-token")
    whole.send(*story)
    with app.app_context():
        expected = dump()

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=8))
    def check(cuts: list[tuple[int, int]]) -> None:
        with app.app_context():
            for table in (
                "fix_history",
                "vital_history",
                "wearer_state",
                "incident",
                "wearer_contact",
                "wearer",
            ):
                db.session.execute(sa.text(f"DELETE FROM {table}"))
            db.session.execute(sa.delete(GatewayLine))
            db.session.commit()
        gateway = samples.Gateway(app, "gw-other", "another-token")
        rows = gateway.rows(*story)
        start = 0
        for size, times in [*cuts, (len(rows), 1)]:
            piece = rows[start : start + size]
            for _ in range(times):
                assert gateway.send_rows(piece).status_code == 200
            start += size
        with app.app_context():
            found = dump()
        assert found[0] == expected[0] or [row[1:] for row in found[0]] == [row[1:] for row in expected[0]]
        assert [row[1:] for row in found[1]] == [row[1:] for row in expected[1]]
        assert [row[1:] for row in found[2]] == [row[1:] for row in expected[2]]
        assert found[3] == expected[3]

    check()


def test_backlog_fills_the_history_and_never_moves_the_marker(store_app, store_gateway, samples):
    late = samples.telemetry(Fix(lat=31.0, lon=121.0, valid=True), backlog=True)
    store_gateway.send(samples.ROSTER, samples.at_home(ago_s=60), late)
    with store_app.app_context():
        state = wearer().state
        assert (state.lat, state.lon) == (31.1559, 121.1065)
        assert db.session.scalar(sa.select(sa.func.count()).select_from(FixHistory)) == 2


def test_a_fix_from_the_future_does_not_freeze_the_marker(app, gateway, samples):
    ahead = Fix(lat=31.1, lon=121.1, valid=True, at=samples.NOW + timedelta(days=400))
    gateway.send(samples.ROSTER, samples.telemetry(ahead, ago_s=30), samples.at_home())
    with app.app_context():
        assert wearer().state.lat == 31.1559


def test_an_invalid_fix_does_not_move_the_marker(app, gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home(ago_s=9), samples.telemetry(Fix(lat=0, lon=0, valid=False)))
    with app.app_context():
        assert wearer().state.lat == 31.1559


def test_an_older_reading_sent_later_does_not_replace_a_newer_one(app, gateway, samples):
    old = HeartRate(heart_rate_bpm=140, at=samples.NOW - timedelta(minutes=9))
    gateway.send(samples.ROSTER, samples.at_home(), samples.telemetry(old))
    with app.app_context():
        assert wearer().state.heart_rate_bpm == 76


def test_a_roster_replaces_the_last_one_and_history_stays(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, samples.at_home(), Roster(community="xinhe", wearers=(samples.WANG,)))
    with store_app.app_context():
        assert (wearer().present, wearer("wang-deshun").present) == (False, True)
        assert wearer().state.heart_rate_bpm == 76


def test_the_same_alarm_twice_is_one_alarm(store_app, store_gateway, samples):
    alarm = Alarm(
        alarm_id="sos.1",
        wearer="zhang-guilan",
        kind="sos",
        severity="critical",
        why=Why(code="sos"),
        at=samples.NOW,
    )
    raised = AlarmRaised(alarm=alarm, incident="inc1")
    store_gateway.send(samples.ROSTER, raised, raised)
    with store_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(AlarmRecord)) == 1


def test_each_incident_replaces_what_was_known_of_it(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, samples.incident("open"), samples.incident("acknowledged"))
    with store_app.app_context():
        found = db.session.scalars(sa.select(Incident)).one()
        assert found.state == "acknowledged"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Gateway": "gw-xinhe-1"},
        {"X-Gateway": "gw-xinhe-1", "Authorization": "Bearer wrong"},
        {"X-Gateway": "gw-other", "Authorization": "Bearer gateway-token-for-tests"},
        {"X-Gateway": "unknown", "Authorization": "Bearer gateway-token-for-tests"},
        {"X-Gateway": "gw-xinhe-1", "Authorization": "Basic gateway-token-for-tests"},
    ],
)
def test_without_its_own_token_a_gateway_is_told_401_in_json(client, headers):
    for answer in (
        client.post(EVENTS, data=b"{}", headers=headers),
        client.get("/api/gateway/v1/commands", headers=headers),
    ):
        assert (answer.status_code, answer.json) == (401, {"error": "unauthorised"})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b'{"gateway": "gw-xinhe-1"}', b'{"gateway": "gw-other", "events": []}'],
)
def test_a_bad_batch_is_told_400_and_why(gateway, body):
    answer = gateway.client.post(EVENTS, data=body, headers=gateway.headers)
    assert answer.status_code == 400
    assert answer.json["error"]


def test_rows_that_do_not_rise_are_refused_whole(app, gateway, samples):
    rows = gateway.rows(samples.ROSTER, samples.at_home())
    answer = gateway.send_rows(rows[::-1])
    assert (answer.status_code, answer.json["error"]) == (400, "row 1 follows row 2")
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Wearer)) == 0


def test_a_batch_of_thousands_is_stored_whole(store_app, store_gateway, samples):
    many = [samples.at_home(ago_s=5000 - number) for number in range(3000)]
    assert store_gateway.send(samples.ROSTER, *many).json == {"through_seq": 3001}
    with store_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(VitalHistory)) == 9000


# ---------------------------------------------------------------- commands


def order(app, samples, command: str, **body) -> None:
    with app.app_context():
        commands.queue(
            db.session,
            samples.GATEWAY,
            now=samples.NOW,
            command=command,
            name="acknowledge",
            by="周敏",
            **body,
        )
        db.session.commit()
        app.extensions["bell"].ring()


def test_commands_are_numbered_in_order_and_acknowledged_by_asking_for_more(
    store_app, store_gateway, samples
):
    for name in ("a", "b", "c"):
        order(store_app, samples, name, incident="inc1")
    assert [(row["number"], row["command"]) for row in store_gateway.commands()] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
    ]
    assert [row["number"] for row in store_gateway.commands(after=2)] == [3]
    assert [row["number"] for row in store_gateway.commands(after=0)] == [3], (
        "acknowledged ones never come again"
    )
    assert store_gateway.commands(after=3) == []


def test_the_same_command_queued_twice_is_one_command(store_app, store_gateway, samples):
    order(store_app, samples, "a")
    order(store_app, samples, "a")
    assert [row["number"] for row in store_gateway.commands()] == [1]


def test_a_gateway_that_waits_hears_of_a_command_when_it_is_queued(app, gateway, samples):
    found = []
    waiter = threading.Thread(target=lambda: found.extend(gateway.commands(wait_s=20)))
    waiter.start()
    order(app, samples, "a", incident="inc1")
    waiter.join(timeout=15)
    assert [row["command"] for row in found] == ["a"]


def test_commands_of_one_gateway_are_not_given_to_another(app, gateway, samples):
    order(app, samples, "a")
    assert samples.Gateway(app, "gw-other", "another-token").commands() == []


def test_the_end_of_a_command_is_kept_with_its_reason(app, gateway, samples):
    order(app, samples, "a", incident="inc1")
    gateway.send(
        samples.ROSTER, samples.incident(), CommandDone(command="a", done=False, reason="already resolved")
    )
    with app.app_context():
        row = db.session.scalars(sa.select(commands.Command)).one()
        assert (row.state, row.reason) == ("refused", "already resolved")


@pytest.mark.parametrize("query", ["after=x", "wait_s=long"])
def test_a_bad_number_is_told_400(gateway, query):
    answer = gateway.client.get(f"/api/gateway/v1/commands?{query}", headers=gateway.headers)
    assert answer.status_code == 400


def test_a_batch_is_what_the_gateway_writes(samples, gateway):
    """The wire form is msgspec's own: what the gateway encodes is what the portal decodes."""
    batch = SyncBatch(gateway=samples.GATEWAY, events=gateway.rows(samples.ROSTER, samples.incident()))
    assert msgspec.json.decode(msgspec.json.encode(batch), type=SyncBatch) == batch
