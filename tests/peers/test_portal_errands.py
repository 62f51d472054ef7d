"""Texts, duty, test calls, bands and drills through real processes: portal, gateway, simulated telephones."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from gateway.bands.sealing import new_pair, open_sealed
from gateway.config import load
from gateway.told_orders import DutySpan
from portal import create_app
from portal.api import commands
from portal.care.models import Command, Incident
from portal.care.sites.models import Band, BandKey, DutyTold, TestCall
from portal.db import db
from shouwang import _portal_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GATEWAY = "gw-xinhe-1"
RESIDENT = "+8613800139555"
CODE = "您的登录码是 482913，5 分钟内有效。"
DEADLINE_S = 90


class Site:
    """The three programs, and the portal's store as a page of it sees it."""

    def __init__(self, home) -> None:
        self.home = home
        home.start("sim")
        home.start("portal")
        self.gateway = home.start("gateway")
        self.app = create_app(_portal_settings(load(home.config)))

    def order(self, command: str, name: str, **fields) -> None:
        with self.app.app_context():
            now = datetime.now(UTC)
            commands.queue(db.session, GATEWAY, now=now, command=command, name=name, **fields)
            db.session.commit()

    def until(self, query, come: Callable[[object], bool] = bool):
        """The first row of a query once it is as wanted."""
        ends = time.monotonic() + DEADLINE_S
        while True:
            with self.app.app_context():
                row = db.session.scalars(query).first()
                if row is not None:
                    db.session.expunge(row)
            if row is not None and come(row):
                return row
            assert time.monotonic() < ends, None if row is None else vars(row)
            time.sleep(0.1)

    def ended(self, command: str) -> Command:
        return self.until(sa.select(Command).where(Command.command == command), lambda row: row.ended_at)

    def wall(self) -> dict[str, list[dict]]:
        """What each telephone of the page shows."""
        with httpx.stream("GET", f"{self.home.phones_url}/events", timeout=20, trust_env=False) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    cards = json.loads(line.removeprefix("data: "))["cards"]
                    return {card["phone"]: card["items"] for card in cards}
        raise AssertionError("the wall said nothing")


@pytest.fixture
def site(house) -> Iterator[Site]:
    made = Site(house(**{"seed = 7": "speed = 0.01\nseed = 7"}))  # nobody presses in this hour
    yield made
    with made.app.app_context():
        db.engine.dispose()


def code(site, name="code.1", **fields):
    until = datetime.now(UTC) + timedelta(minutes=5)
    given = {"phone": RESIDENT, "text": CODE, "purpose": "code", "until": until} | fields
    site.order(name, "send_text", **given)


def test_a_code_reaches_a_telephone_of_the_page_and_stays_nowhere(site):
    code(site)
    assert site.ended("code.1").state == "done"
    texts = [item["words"] for item in site.wall()[RESIDENT]]
    assert texts == [CODE]
    assert "482913" not in site.ended("code.1").body
    for folder in ("", "var"):
        logs = (site.home.folder / folder).glob("gateway*.log")
        assert not [log for log in logs if "482913" in log.read_text(encoding="utf-8")]
    with contextlib.suppress(IndexError):
        assert site.home.query("select body from legs where leg_id like 'errand-%'")[0][0] == b""


def test_a_text_ordered_while_the_gateway_is_dead_goes_out_once_when_it_lives_again(site):
    site.gateway.kill()
    code(site, purpose="notice")
    site.gateway = site.home.start("gateway")
    assert site.ended("code.1").state == "done"
    assert len(site.wall()[RESIDENT]) == 1


def test_duty_a_test_call_a_band_and_a_drill_are_ordered_and_told_back(site):
    now = datetime.now(UTC)
    lin = DutySpan(
        contact="lin",
        name="林静",
        phone="+8613800138093",
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=8),
    )
    version = 1_000_000  # above the calendar of the demonstration, which the portal orders by itself
    site.order("duty.1", "set_duty", version=version, duty=(lin,), by="周敏")
    told = site.until(sa.select(DutyTold), lambda row: row.version == version)
    assert [one["name"] for one in told.on_duty] == ["林静"]

    private, public = new_pair()
    band = {"wearer": "zhang-guilan", "protocol": "senml", "wire_id": "band-new", "label": "左手"}
    site.order("band.1", "register_band", seal_to=public, by="周敏", **band)
    key = site.until(sa.select(BandKey))
    secret = json.loads(open_sealed(key.sealed, private, command="band.1"))
    assert len(secret["typed"]["password"]) == 43
    row = site.until(sa.select(Band).where(Band.device == "band-new"))
    assert (row.state, row.key, row.name) == ("active", "set", "左手")

    site.order("test.1", "test_call", wearer="zhang-guilan", contact="li-xiaomei", with_text=True, by="周敏")
    call = site.until(sa.select(TestCall), lambda row: row.final)
    assert (call.name, call.call) == ("李晓梅", "confirmed")
    assert call.text in {"sent", "delivered"}
    with site.app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Incident)) == 0

    site.order("drill.1", "drill", wearer="zhang-guilan", kind="fall")
    incident = site.until(sa.select(Incident))
    view = json.loads(incident.view)
    assert (view["kind"], view["drill"], site.ended("drill.1").state) == ("fall", True, "done")
    site.order("revoke.1", "revoke_band", device="band-new", by="周敏")
    site.until(sa.select(Band).where(Band.device == "band-new"), lambda row: row.state == "revoked")
