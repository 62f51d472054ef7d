"""What a gateway tells of itself, measured where it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from gateway.clock import ManualClock
from gateway.config import load
from gateway.figures import Figures, certificates, clock_state
from gateway.health import Health
from gateway.journal.reader import JournalReader
from gateway.journal.records import EventRow, QuarantineRow, Record, Rest, to_ms
from gateway.journal.writer import JournalWriter
from gateway.told import GatewayHealth
from gateway.told_health import Certificate, GatewayFigures, Modem
from tests.contract.rigs.certificates import Authority

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
async def journal(tmp_path):
    """A journal of three events, a minute apart, and one quarantined frame."""
    path = tmp_path / "gw.journal.db"
    writer = JournalWriter(path)
    writer.start()
    rows = [
        EventRow(at_ms, at_ms, "telemetry", "b", "w", "tcp", b"{}", None)
        for at_ms in (to_ms(AT + timedelta(minutes=n)) for n in range(3))
    ]
    bad = QuarantineRow(to_ms(AT), "tcp", "watch", "peer", None, "no frame", 0, b"x", 1)
    writer.append(Record(rows, rest=Rest(quarantine=[bad])))
    await writer.stop()
    return path


def figures(journal, small_config, *, through=None, carriers=()):
    reader = JournalReader(journal)
    try:
        return Figures(
            settings=load(small_config()),
            path=journal,
            reader=reader,
            through_seq=lambda: through,
            carriers=carriers,
            started_at=AT,
        ).measure()
    finally:
        reader.close()


async def test_the_journal_its_oldest_row_and_the_quarantine_are_measured(journal, small_config):
    found = figures(journal, small_config)
    assert found.journal_mb == pytest.approx(
        sum(one.stat().st_size for one in journal.parent.glob("gw.journal.db*")) / 1e6, abs=0.2
    )
    assert (found.journal_oldest, found.quarantined, found.started_at) == (AT, 1, AT)
    assert found.disk_free_mb > 0
    assert found.version


@pytest.mark.parametrize(
    ("through", "behind", "since"), [(None, 0, None), (3, 0, None), (1, 2, 1), (0, 3, 0)]
)
async def test_what_the_portal_has_not_got_is_counted_with_its_age(
    journal, small_config, through, behind, since
):
    found = figures(journal, small_config, through=through)
    at = None if since is None else AT + timedelta(minutes=since)
    assert (found.unsent_events, found.unsent_since) == (behind, at)


async def test_the_network_is_that_of_the_first_carrier_that_has_one(journal, small_config):
    modem = SimpleNamespace(network=SimpleNamespace(operator="CHINA MOBILE", signal_dbm=-71))
    carriers = (SimpleNamespace(), SimpleNamespace(network=None), modem)
    found = figures(journal, small_config, carriers=carriers)
    assert found.modem == Modem(operator="CHINA MOBILE", signal_dbm=-71)
    assert figures(journal, small_config).modem is None


def test_the_clock_is_asked_of_the_kernel():
    assert clock_state() in {"synchronised", "free", "unknown"}


def test_every_certificate_that_bands_are_shown_says_when_it_ends(tmp_path):
    certificate, _ = Authority(tmp_path / "ca").issue("gateway", days=9)
    tables = {
        "mqtt_listener": SimpleNamespace(tls=SimpleNamespace(certificate=str(certificate))),
        "mqtt_client": SimpleNamespace(mosquitto=SimpleNamespace(certificate=str(tmp_path / "none.pem"))),
        "tcp": SimpleNamespace(),
    }
    (found,) = certificates(SimpleNamespace(transports=tables))
    assert found.listener == "mqtt_listener"
    assert timedelta(days=8) < found.ends_at - datetime.now(UTC) < timedelta(days=10)


@pytest.fixture
def health(tmp_path):
    told = []
    journal = SimpleNamespace(append=lambda record: told.extend(row.payload for row in record.events))
    made = Health(
        carriers=tuple,
        open_incidents=lambda: 0,
        legs_today=lambda: 0,
        warn_legs_a_day=10,
        journal=journal,
        clock=ManualClock(),
        path=tmp_path / "gw.state.json",
    )
    return made, told


def measured(**fields) -> GatewayFigures:
    return GatewayFigures(version="1", started_at=AT, journal_mb=1.0, **fields)


def test_figures_are_told_once_and_again_when_they_are_others(health):
    made, told = health
    for journal_mb in (1.0, 1.0, 2.0):
        made.figures = msgspec.structs.replace(measured(), journal_mb=journal_mb)
        made.look()
    found = [msgspec.json.decode(body, type=GatewayHealth).figures.journal_mb for body in told]
    assert found == [1.0, 2.0]


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({"disk_free_mb": 499.0}, ("disk",)),
        ({"disk_free_mb": 500.0}, ()),
        ({"days": 20}, ("certificate",)),
        ({"days": 22}, ()),
        ({}, ()),
    ],
)
def test_what_will_soon_be_too_late_is_a_warning(health, fields, warnings):
    made, told = health
    days = fields.pop("days", None)
    if days is not None:
        ends_at = ManualClock().now() + timedelta(days=days)
        fields["certificates"] = (Certificate(listener="mqtt_listener", ends_at=ends_at),)
    made.figures = measured(**fields)
    made.look()
    assert msgspec.json.decode(told[0], type=GatewayHealth).warnings == warnings


async def test_what_cannot_be_measured_leaves_the_figures_of_before(health):
    made, _ = health

    def broken():
        raise OSError("the disk is gone")

    made.figures, made.measure = measured(), broken
    await made.take_figures()
    assert made.figures == measured()
    made.measure = lambda: measured(quarantined=3)
    await made.take_figures()
    assert made.figures.quarantined == 3
