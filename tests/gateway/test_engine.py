"""One record for everything that belongs together, and nothing outside before its commit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from gateway import plugins
from gateway.config import load
from gateway.downlink.orders import DownOrder
from gateway.downlink.rows import Pending
from gateway.incident_rows import Stored
from gateway.intake import MAX_BAD_KEPT
from gateway.journal.records import Record, from_ms
from gateway.model import Alarm, DownAnswer, DownCommand, Envelope, HeartRate, Uplink, Why
from gateway.roster import People
from gateway.told import IncidentChanged, PortalCommand, SyncPayload, UnreadableCommand
from gateway.transports.base import Outcome
from sos.events import PlaceCall, SendText

SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'


async def test_nothing_is_acknowledged_and_nothing_is_done_before_the_commit(house, band):
    house.hear(SOS, band)
    assert house.settled == []
    assert house.carried_out == []
    house.journal.commit()
    assert [settlement.outcome for settlement in house.settled] == [Outcome.STORED]
    assert {kind for kind, _, _ in house.carried_out} == {"SendText", "PlaceCall"}


async def test_a_press_rings_though_its_band_is_revoked_before_the_commit(house, band):
    house.hear(SOS, band)
    house.people.take(())
    house.intake.forget("band-zhang")
    house.journal.commit()
    assert {kind for kind, _, _ in house.carried_out} == {"SendText", "PlaceCall"}
    assert [settlement.outcome for settlement in house.settled] == [Outcome.STORED]
    house.hear(SOS.replace('"7"', '"8"'), band)
    house.journal.commit()
    assert house.settled[-1].outcome is Outcome.QUARANTINED


async def test_event_incident_timers_and_orders_of_a_press_are_one_record(house, band):
    house.hear(SOS, band)
    (record,) = house.journal.records
    assert [row.kind for row in record.events] == ["telemetry", "alarm", "incident"]
    assert [row.state for row in record.rest.incidents] == ["notifying"]
    assert [row.kind for row in record.rest.outbox] == ["SendText", "SendText", "PlaceCall"]
    assert record.timers
    assert record.urgent


async def test_everybody_is_texted_and_the_first_is_rung(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    orders = [order for _, order, _ in house.carried_out]
    assert [o.leg.contact for o in orders if isinstance(o, SendText)] == ["son", "daughter"]
    assert [o.leg.contact for o in orders if isinstance(o, PlaceCall)] == ["son"]
    assert "张桂兰" in orders[0].body


async def test_the_same_press_twice_is_one_incident_and_is_acknowledged_twice(house, band):
    house.hear(SOS, band)
    house.hear(SOS, band)
    house.journal.commit()
    assert len(house.settled) == 2
    assert len(house.incidents) == 1
    assert len(house.events("alarm")) == 1


async def test_a_second_press_joins_the_open_incident(house, band):
    house.hear(SOS, band)
    house.clock.advance(20)
    house.hear(SOS.replace('"7"', '"8"'), band)
    house.journal.commit()
    assert len(house.incidents) == 1
    assert house.events("incident")[-1].incident.presses == 2


async def test_a_restart_in_between_changes_nothing(house, band, make_house):
    house.hear(SOS, band)
    house.journal.commit()
    again = make_house(house.settings)
    rows = [row for record in house.journal.records for row in record.rest.incidents]
    alarms = [row.alarm_id for record in house.journal.records for row in record.rest.alarms]
    again.engine.restore(
        {owner: body for record in house.journal.records for owner, body in record.states.items()}
    )
    again.incidents.restore([rows[-1].body], alarms)
    again.hear(SOS, band)
    again.journal.commit()
    assert again.carried_out == []
    assert len(again.incidents) == 1


async def test_a_band_that_speaks_for_another_is_kept_and_refused(house, band):
    house.hear('4700186508 [{"kind":"heart_rate","heart_rate_bpm":70}]', band)
    house.journal.commit()
    assert [settlement.outcome for settlement in house.settled] == [Outcome.FORBIDDEN]
    assert [row.reason for r in house.journal.records for row in r.rest.quarantine] == [
        "speaks for another device"
    ]
    assert house.events("telemetry") == []


async def test_a_second_id_on_one_connection_is_refused(house, watch):
    house.hear("4700186508", watch)
    house.hear("9999999999", watch)
    house.journal.commit()
    assert [s.outcome for s in house.settled] == [Outcome.STORED, Outcome.FORBIDDEN]


async def test_an_unknown_band_is_kept_in_quarantine_and_gets_no_protocol_answer(house, watch):
    house.hear("1234567890", watch)
    house.journal.commit()
    (settlement,) = house.settled
    assert settlement.outcome is Outcome.QUARANTINED
    assert settlement.replies == ()


async def test_a_bad_frame_between_two_good_ones_is_kept_and_the_good_ones_are_stored(house, watch):
    house.hear("4700186508\nbad\n4700186508", watch)
    house.journal.commit()
    (settlement,) = house.settled
    assert settlement.outcome is Outcome.QUARANTINED
    assert len(settlement.replies) == 2
    assert len(house.events("telemetry")) == 2
    assert (settlement.stored, settlement.bad) == (2, 1)
    assert [row.raw for r in house.journal.records for row in r.rest.quarantine] == [b"bad"]


async def test_a_flood_of_rubbish_in_one_piece_is_counted_but_does_not_fill_the_journal(house, watch):
    house.hear("4700186508\n" + "bad\n" * 5000 + "4700186508", watch)
    house.journal.commit()
    (settlement,) = house.settled
    assert (settlement.outcome, settlement.stored, settlement.bad) == (Outcome.QUARANTINED, 2, 5000)
    assert sum(len(r.rest.quarantine) for r in house.journal.records) == MAX_BAD_KEPT
    assert house.intake.counts["bad frames not kept"] == 5000 - MAX_BAD_KEPT


async def test_a_reading_from_the_future_gets_the_gateways_time(house, band):
    future = (house.clock.now() + timedelta(days=1)).isoformat()
    house.hear(f'band-zhang [{{"kind":"heart_rate","heart_rate_bpm":70,"at":"{future}"}}]', band)
    house.journal.commit()
    (telemetry,) = house.events("telemetry")
    assert telemetry.readings == (HeartRate(heart_rate_bpm=70),)


async def test_the_portal_acknowledges_and_resolves_and_is_answered_each_time(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    incident = house.events("incident")[-1].incident.incident_id
    for number, name in enumerate(("acknowledge", "resolve"), start=1):
        house.engine.ordered(
            PortalCommand(number=number, command=f"c{number}", name=name, incident=incident, by="周敏")
        )
    house.journal.commit()
    states = [change.incident.state for change in house.events("incident")]
    assert states == ["notifying", "acknowledged", "resolved"]
    assert [answer.done for answer in house.events("command")] == [True, True]
    assert len(house.incidents) == 0
    assert [record.rest.marks for record in house.journal.records if record.rest.marks] == [
        {"command_number": 1},
        {"command_number": 2},
    ]


async def test_what_an_alarm_turned_out_to_be_is_journalled_and_told(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    incident = house.events("incident")[-1].incident.incident_id
    house.engine.ordered(
        PortalCommand(number=1, command="c1", name="resolve", incident=incident, by="周敏", verdict="false")
    )
    house.journal.commit()
    view = house.events("incident")[-1].incident
    assert (view.state, view.resolved_by, view.verdict) == ("resolved", "周敏", "false")


async def test_an_order_for_an_incident_that_is_over_is_refused_with_a_reason(house):
    house.engine.ordered(PortalCommand(number=1, command="c", name="acknowledge", incident="gone"))
    house.journal.commit()
    (answer,) = house.events("command")
    assert not answer.done
    assert answer.reason


async def test_a_gentle_alarm_texts_first_and_rings_when_nobody_takes_it(house, watch):
    inside = '{"kind":"fix","lat":31.155,"lon":121.105,"valid":true,"at":"%s"}'
    outside = inside.replace("121.105", "121.108")
    for step in range(8):
        at = house.clock.now().isoformat()
        house.hear(f"4700186508 [{(inside if step < 2 else outside) % at}]", watch)
        house.advance(10)
    kinds = [kind for kind, _, _ in house.carried_out]
    assert kinds[0] == "SendText"
    assert "PlaceCall" not in kinds
    house.advance(61)
    assert "PlaceCall" in [kind for kind, _, _ in house.carried_out]


def heart(severity, at, code="heart_rate_high"):
    return Alarm(
        alarm_id=f"{severity}.{at}",
        wearer="wang",
        kind="vitals",
        severity=severity,
        why=Why(code=code),
        at=at,
    )


async def test_a_crisis_rings_at_once_and_so_does_one_that_joins_a_gentle_alarm(house):
    def rung() -> int:
        house.journal.commit()
        return [kind for kind, _, _ in house.carried_out].count("PlaceCall")

    house.engine.noticed(heart("warning", house.clock.now()))
    house.advance(5)
    house.engine.noticed(heart("warning", house.clock.now()))
    assert rung() == 0
    house.advance(5)
    house.engine.noticed(heart("critical", house.clock.now(), "heart_rate_crisis_low"))
    assert rung() == 1


@pytest.mark.parametrize("severity", ["warning", "critical"])
async def test_only_a_crisis_opens_with_a_call(house, severity):
    house.engine.noticed(heart(severity, house.clock.now()))
    house.journal.commit()
    assert ("PlaceCall" in [kind for kind, _, _ in house.carried_out]) == (severity == "critical")


async def test_a_stuck_disk_does_not_hold_up_help_for_ever(house, band):
    house.engine.outbox.max_commit_wait_s = 0.01
    house.hear(SOS, band)
    await asyncio.sleep(0.05)
    assert house.carried_out
    assert house.settled == []
    before = len(house.carried_out)
    house.journal.commit()
    assert [s.outcome for s in house.settled] == [Outcome.STORED]
    assert len(house.carried_out) == 2 * before, "carrying out again is idempotent by leg id"


async def test_an_incident_survives_its_journal_row(house, band):
    house.hear(SOS, band)
    (record,) = house.journal.records
    (row,) = record.rest.incidents
    stored = msgspec.json.decode(row.body, type=Stored)
    assert msgspec.json.encode(stored) == row.body


def test_the_sync_payloads_are_told_apart_by_their_kind():
    assert msgspec.json.decode(
        b'{"kind":"command","command":"c","done":true}', type=SyncPayload
    ) == msgspec.json.decode(b'{"kind":"command","command":"c","done":true,"reason":""}', type=SyncPayload)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind":"nothing"}', type=SyncPayload)
    assert IncidentChanged.__struct_config__.tag == "incident"


async def test_an_order_to_a_band_that_went_out_before_its_commit_has_the_same_name_after_it(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    incident = house.events("incident")[-1].incident.incident_id
    house.carried_out.clear()
    house.engine.outbox.max_commit_wait_s = 0.01
    order = PortalCommand(number=1, command="c1", name="acknowledge", incident=incident, by="周敏")
    house.engine.ordered(order)
    await asyncio.sleep(0.05)
    early = [(order, key) for kind, order, key in house.carried_out if kind == "Down"]
    assert [order.command.name for order, _ in early] == ["help_is_coming"]
    house.carried_out.clear()
    house.journal.commit()
    late = [(order, key) for kind, order, key in house.carried_out if kind == "Down"]
    assert [order for order, _ in early] == [order for order, _ in late]
    assert early[0][1][0] < 0 < late[0][1][0]


async def test_an_order_of_a_person_is_written_down_with_its_name_and_told_the_portal(house):
    find = PortalCommand(
        number=1,
        command="c1",
        name="send_down",
        device="b1",
        by="周敏",
        down=DownCommand(name="find"),
    )
    house.engine.ordered(find)
    house.journal.commit()
    ((kind, order, _),) = house.carried_out
    assert (kind, order.order, order.wearer, order.device) == ("Down", "c1", "zhang", "band-zhang")
    (told,) = house.events("band_order")
    assert (told.order, told.state, told.by) == ("c1", "waiting", "周敏")
    (record,) = house.journal.records
    assert msgspec.json.decode(record.rest.outbox[0].body, type=DownOrder) == order


@pytest.mark.parametrize(
    ("whom", "down", "why"),
    [
        ({"wearer": "nobody"}, DownCommand(name="find"), "no wearer"),
        ({"device": "nothing"}, DownCommand(name="find"), "no band"),
        ({"device": "band-zhang", "wearer": "wang"}, DownCommand(name="find"), "not wang's"),
        ({}, DownCommand(name="find"), "no wearer"),
        ({"wearer": "zhang"}, DownCommand(name="message"), "characters"),
        ({"wearer": "zhang"}, DownCommand(name="cancelled"), "incident"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_and_leaves_nothing(house, whom, down, why):
    order = PortalCommand(number=0, command="c1", name="send_down", down=down, **whom)
    assert why in house.engine.ordered_here(order, lambda _: None)
    assert house.journal.records == []


async def test_a_band_is_answered_first_and_then_gets_what_waits_for_it(house, watch):
    house.orders.waiting = {"4700186508"}
    house.hear("4700186508 []", watch)
    assert (house.settled, house.orders.told) == ([], [])
    house.journal.commit()
    assert len(house.settled) == 1
    assert house.orders.told == ["4700186508"]


async def test_what_a_band_says_of_an_order_is_in_the_record_of_its_frame(house):
    answer = DownAnswer(tag="7", done=True)
    uplink = Uplink(device=None, readings=(), raw=b"ok", answers=(answer,))
    now = house.clock.now()
    envelope = Envelope(uplink=uplink, wire="tcp", device="band-zhang", wearer="zhang", received_at=now)
    house.engine.heard(envelope, lambda _: None)
    assert house.orders.answers == [("band-zhang", answer, house.journal.records[0], now)]


async def test_the_orders_of_an_incident_are_told_with_its_name(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    incident = house.events("incident")[-1].incident.incident_id
    taken = PortalCommand(number=1, command="c1", name="acknowledge", incident=incident, by="周敏")
    house.engine.ordered(taken)
    house.journal.commit()
    (told,) = house.events("band_order")
    assert (told.name, told.incident, told.wearer) == ("help_is_coming", incident, "zhang")


async def test_a_portal_cannot_make_a_band_ring_a_telephone_and_the_box_can(house):
    call = DownCommand(name="call_back", phone="+8613800138000")
    order = PortalCommand(number=1, command="c1", name="send_down", wearer="zhang", down=call)
    house.engine.ordered(order)
    house.journal.commit()
    (answer,) = house.events("command")
    assert (answer.done, house.carried_out) == (False, [])
    assert house.engine.ordered_here(order, lambda _: None) is None
    house.journal.commit()
    assert [order.command for _, order, _ in house.carried_out] == [call]


@pytest.mark.parametrize(("severity", "told"), [("notice", False), ("warning", True)])
async def test_a_notice_is_shown_and_wakes_nobody(house, severity, told):
    alarm = Alarm(
        alarm_id="vitals.zhang.1",
        wearer="zhang",
        kind="vitals",
        severity=severity,
        why=Why(code="heart_rate_unusual_high"),
        at=house.clock.now(),
    )
    house.engine.noticed(alarm)
    house.journal.commit()
    assert len(house.events("alarm")) == 1
    assert bool(len(house.incidents)) is told
    assert bool(house.carried_out) is told


async def test_a_wearer_never_heard_of_is_noticed_once_after_a_day(house):
    house.engine.await_first()
    house.engine.await_first()
    house.advance(86_399)
    assert house.events("alarm") == []
    house.advance(2)
    (alarm, *others) = house.events("alarm")
    assert (alarm.alarm.why.code, alarm.alarm.severity) == ("never_heard", "notice")
    house.engine.await_first()
    house.advance(200_000)
    assert house.events("alarm") == [alarm, *others]


async def test_an_order_that_fails_is_refused_and_the_next_one_is_carried_out(house, band, monkeypatch):
    house.hear(SOS, band)
    house.journal.commit()
    (incident,) = (one.incident_id for one in house.incidents)

    def broken(*_):
        raise KeyError("nobody thought of it")

    monkeypatch.setattr(house.errands, "order", broken)
    house.engine.ordered(PortalCommand(number=1, command="c1", name="set_profile", wearer="zhang", by="a"))
    house.engine.ordered(UnreadableCommand(number=2, command="c2", reason="this gateway cannot read it: x"))
    house.engine.ordered(
        PortalCommand(number=3, command="c3", name="acknowledge", incident=incident, by="周敏")
    )
    house.journal.commit()
    assert [(one.command, one.done) for one in house.events("command")] == [
        ("c1", False),
        ("c2", False),
        ("c3", True),
    ]
    assert [one.reason for one in house.events("command")][:2] == [
        "this gateway failed at it (KeyError); its log says more",
        "this gateway cannot read it: x",
    ]
    assert [one.rest.marks for one in house.journal.records if "command_number" in one.rest.marks] == [
        {"command_number": 1},
        {"command_number": 2},
        {"command_number": 3},
    ]


def left_by(house, states, timers):
    """Put what a house has committed over what those before it left, as the journal does."""
    for record in house.journal.records[: house.journal.committed]:
        states |= record.states
        timers |= record.timers


def moved_in(house, states, timers):
    """Start a house on what those before it left."""
    house.engine.restore(states)
    house.timers.restore((*key, from_ms(due)) for key, due in timers.items() if due is not None)
    house.start()


async def test_a_wearer_who_was_gone_for_a_while_is_waited_for_again(small_config, make_house, watch):
    """Taken out of the file at one start and put back at a later one; the band is never heard again."""
    settings = load(small_config())
    without = msgspec.structs.replace(settings, wearers=settings.wearers[:1])
    states, timers = {}, {}
    first = make_house(settings)
    first.start()
    first.hear('4700186508 [{"kind":"battery","battery_pct":50}]', watch)
    first.journal.commit()
    left_by(first, states, timers)
    gone = make_house(without)
    moved_in(gone, states, timers)
    gone.advance(86_400)
    left_by(gone, states, timers)
    back = make_house(settings)
    back.clock.advance(2 * 86_400)
    moved_in(back, states, timers)
    back.advance(1)
    back.advance(1980)
    assert [told.alarm.why.code for told in back.events("alarm")] == ["silent"]


async def test_a_new_wearer_inherits_nothing_from_an_earlier_one_of_that_name(small_config, make_house):
    settings = load(small_config())
    house = make_house(msgspec.structs.replace(settings, wearers=settings.wearers[:1]))
    house.start()
    house.engine.restore({"battery/wang": b'{"low":["4700186508"]}'})
    record, people = Record(), People(settings)
    rules = people.rules("wang", settings, plugins.load("rule"))
    house.engine.take_rules("wang", rules, record, Pending(), house.clock.now())
    assert {owner for owner in record.states if owner.endswith("/wang")} == {f"{name}/wang" for name in rules}
    assert record.states["battery/wang"] == b"{}"
