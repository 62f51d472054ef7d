"""Live pages in a real browser: the stream on its own port, its process lost, and its return."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect
from rigs.chromium import chromium_running

from gateway.model import HeartRate
from portal import demo
from portal.care.changes import rights_changed
from portal.db import db

pytestmark = pytest.mark.slow


@pytest.fixture
def address(app, real_clock, samples) -> Iterator[str]:
    """No proxy stands before: live pages are read from another port of the same host."""
    with samples.served(app, behind_proxy=False) as address:
        yield address


@pytest.fixture
def page(address) -> Iterator[object]:
    """张桂兰's daughter looks at the map; what the policy of contents forbids fails the test."""
    with chromium_running() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 844}, base_url=address)
        page = context.new_page()
        refused: list[str] = []
        page.on(
            "console", lambda said: refused.append(said.text) if "Content Security" in said.text else None
        )
        page.goto("/login?next=/care/")
        page.fill("#phone", "13800138002")
        page.fill("#password", demo.DEMO_PASSWORD)
        page.locator("form[action*='/login'] button").click()
        page.wait_for_url("**/care/")
        yield page
        context.close()
        assert refused == []


def pulse(samples, bpm: int):
    told = samples.telemetry(HeartRate(heart_rate_bpm=bpm))
    return msgspec.structs.replace(told, received_at=datetime.now(UTC))


def test_a_page_stays_fresh_while_the_stream_is_away_and_streams_again_when_it_is_back(
    app, far, address, page, samples
):
    far.send(samples.ROSTER, pulse(samples, 70))
    page.reload()
    state, card = page.locator("[data-live-state]"), page.locator(".wearer")
    expect(state).to_have_text("实时更新中", timeout=20_000)
    far.send(pulse(samples, 81))
    expect(card).to_contain_text("81", timeout=10_000)

    app.extensions["streams"].close()
    expect(state).to_have_text("每 5 秒自动更新一次", timeout=30_000)
    far.send(pulse(samples, 92))
    expect(card).to_contain_text("92", timeout=20_000)

    again = samples.Streams(app, stream_port=app.config["PORTAL"].stream_port)
    try:
        expect(state).to_have_text("实时更新中", timeout=60_000)
        far.send(pulse(samples, 103))
        expect(card).to_contain_text("103", timeout=10_000)
    finally:
        again.close()


def test_a_wearer_whose_consent_is_withdrawn_leaves_an_open_page_within_two_seconds(
    app, far, address, page, samples
):
    far.send(samples.ROSTER, pulse(samples, 70))
    page.reload()
    expect(page.locator("[data-live-state]")).to_have_text("实时更新中", timeout=20_000)
    hub = app.extensions["streams"].hub

    def withdraw() -> None:
        with app.app_context():
            zhang = db.session.execute(sa.text("SELECT id FROM wearer WHERE code = 'zhang-guilan'")).scalar()
            db.session.execute(sa.text("DELETE FROM wearer_contact WHERE wearer_id = :id"), {"id": zhang})
            rights_changed(db.session, zhang)
            db.session.commit()
            app.extensions["bell"].ring()

    viewers = hub.viewers
    assert viewers == 1
    far.call(withdraw)
    expect(page.locator(".wearer")).to_have_count(0, timeout=2_000)
