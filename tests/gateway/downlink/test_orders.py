"""What becomes of an order to a band: every state and every fact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.downlink.orders import (
    EXPIRES_S,
    FROM_PEOPLE,
    TABLE,
    BandState,
    DownOrder,
    Fact,
    change_of,
    named,
    no_order,
    order_of,
    step,
    until,
)
from gateway.model import BandOrderState, DownCommand
from gateway.told import PortalCommand, SyncPayload

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
STATES = get_args(BandOrderState)
NAMES = get_args(msgspec.structs.fields(DownCommand)[0].type)
FIND = DownCommand(name="find")


def test_the_table_knows_every_fact_in_every_state():
    assert set(TABLE) == set(STATES)
    assert all(set(row) == set(Fact) for row in TABLE.values())
    assert set(EXPIRES_S) == set(NAMES)
    assert set(NAMES) >= FROM_PEOPLE


def test_the_table_of_the_page_is_the_table_of_the_code(root):
    page = (root / "docs/downlink.md").read_text(encoding="utf-8").splitlines()
    wanted = [f"| state | {' | '.join(fact.value for fact in Fact)} |"]
    wanted += [
        f"| {state} | {' | '.join(row[fact] or '' for fact in Fact)} |" for state, row in TABLE.items()
    ]
    assert [line for line in wanted if line not in page] == []


@given(facts=st.lists(st.sampled_from(Fact)), answers=st.booleans())
def test_an_order_ends_once_and_stays_at_its_end(facts, answers):
    band = BandState(device="b")
    for fact in facts:
        after = step(band, fact, answers=answers)
        assert after is band or not band.final
        assert after.final == (after.state not in {"waiting", "sent", "delivered"}) or (
            after.state == "delivered"
        )
        band = after


def test_having_it_is_the_end_where_the_protocol_has_no_answers():
    sent = step(BandState(device="b"), Fact.SENT, answers=False)
    assert (sent.state, sent.final) == ("sent", False)
    assert step(sent, Fact.ARRIVED, answers=False).final
    assert not step(sent, Fact.ARRIVED, answers=True).final


def test_a_band_that_never_answers_has_the_order_all_the_same():
    band = step(BandState(device="b"), Fact.ARRIVED, answers=True)
    over = step(band, Fact.EXPIRED, answers=True)
    assert (over.state, over.final) == ("delivered", True)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (DownCommand(name="find"), None),
        (DownCommand(name="fences"), None),
        (DownCommand(name="message", text="今晚七点开会"), None),
        (DownCommand(name="message", text="   "), "characters"),
        (DownCommand(name="message", text="长" * 61), "characters"),
        (DownCommand(name="interval", interval_s=60), None),
        (DownCommand(name="interval", interval_s=1), "seconds"),
        (DownCommand(name="interval"), "seconds"),
        (DownCommand(name="call_back"), "telephone"),
        (DownCommand(name="help_is_coming"), "incident"),
    ],
)
def test_an_order_of_a_person_is_checked_before_it_is_taken(command, why):
    refusal = no_order(command)
    assert refusal is None if why is None else why in (refusal or "")


def test_an_order_that_was_long_on_its_way_to_the_gateway_is_as_old_as_it_is():
    hour_ago = NOW - timedelta(hours=1)
    command = PortalCommand(number=1, command="c1", name="send_down", down=FIND, given_at=hour_ago, by="李")
    order = order_of(command, "zhang", "", NOW)
    assert until(order) < NOW
    ahead = msgspec.structs.replace(command, given_at=NOW + timedelta(days=1))
    assert order_of(ahead, "zhang", "", NOW).given_at == NOW


def test_an_order_an_older_version_wrote_gets_a_name_and_a_time():
    old = msgspec.json.decode(b'{"wearer":"zhang","command":{"name":"find"}}', type=DownOrder)
    order = named(old, (7, 1), NOW)
    assert (order.order, order.given_at) == ("7.1", NOW)
    assert named(order, (8, 0), NOW + timedelta(days=1)) is order


def test_the_portal_is_told_in_a_payload_of_its_own_kind():
    order = named(DownOrder(wearer="zhang", command=DownCommand(name="message", text="好")), (7, 1), NOW)
    told = change_of(order, BandState(device="b", state="refused", final=True, detail="busy"), NOW)
    assert msgspec.json.decode(msgspec.json.encode(told), type=SyncPayload) == told
    assert (told.text, told.until - told.given_at) == ("好", timedelta(days=1))
