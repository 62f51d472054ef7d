"""A simulated JT/T 808 terminal: its frames are what the gateway's codec understands, on a real line too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.app import LINKS, WIRES
from firmware_sim.band import Sample
from firmware_sim.jt808_frames import FromPlatform, Terminal
from firmware_sim.links.jt808 import Jt808Link
from firmware_sim.report import Press, Report
from firmware_sim.settings import SimBand
from gateway.bands.models import model_settings
from gateway.codecs.base import Known
from gateway.codecs.jt808 import Jt808Codec
from gateway.model import BandAlarm, Battery, DownCommand, Fix, Steps, Uplink

ROOT = Path(__file__).parents[2]
PHONE, CODE = "013800138000", "1f0e2d3c4b5a69788796"
NOW = datetime(2026, 11, 23, 12, 1, 12, tzinfo=UTC)
SAMPLE = Sample(
    at_s=30, lat=31.1562348, lon=121.1061234, alt_m=4.2, speed_m_s=1.25, course_deg=91.0, accuracy_m=3.4,
    satellites=17, battery_pct=63.8, steps=412, worn=True, vitals=None,
)  # fmt: skip
REPORT = Report(at=NOW, sample=SAMPLE)
PRESS = Report(at=NOW + timedelta(seconds=9), sample=SAMPLE, press=Press(press_id="19ab-0", at=NOW))


def decoded(data: bytes) -> Uplink:
    codec = Jt808Codec(model_settings(ROOT / "data/models", "c5l"), now=lambda: NOW)
    codec.feed(data)
    uplink = codec.next_event()
    assert uplink is not None
    return uplink


def test_every_link_has_its_name_in_the_story() -> None:
    assert set(LINKS) == set(WIRES)


def test_a_report_says_everything_the_sample_knows() -> None:
    uplink = decoded(Terminal(PHONE).report(REPORT))
    assert uplink.device == PHONE
    assert uplink.backlog is False
    fix, *gauges = uplink.readings
    assert isinstance(fix, Fix)
    assert (fix.lat, fix.lon, fix.alt_m, fix.speed_m_s) == (31.156235, 121.106123, 4.0, pytest.approx(1.25))
    assert (fix.satellites, fix.at, fix.valid) == (17, NOW, True)
    assert gauges == [Battery(battery_pct=64, at=NOW), Steps(steps=412, at=NOW)]


@given(lat=st.floats(-89.9, 89.9), lon=st.floats(-179.9, 179.9), course_deg=st.floats(0, 720))
def test_any_place_is_understood_to_the_metre(lat: float, lon: float, course_deg: float) -> None:
    sample = replace(SAMPLE, lat=lat, lon=lon, course_deg=course_deg)
    fix = decoded(Terminal(PHONE).report(replace(REPORT, sample=sample))).readings[0]
    assert isinstance(fix, Fix)
    assert (fix.lat, fix.lon) == (pytest.approx(lat, abs=1e-6), pytest.approx(lon, abs=1e-6))


def test_a_press_is_an_sos_of_its_own_time_however_often_it_is_sent() -> None:
    terminal = Terminal(PHONE)
    again = replace(PRESS, at=NOW + timedelta(minutes=3), stored=True)
    uplinks = [decoded(terminal.report(report)) for report in (PRESS, PRESS, again)]
    assert [uplink.backlog for uplink in uplinks] == [False, False, True]
    alarms = [reading for uplink in uplinks for reading in uplink.readings if isinstance(reading, BandAlarm)]
    assert len(alarms) == 3
    assert set(alarms) == {BandAlarm(alarm="sos", press_id="261123200112", at=NOW)}


def test_noise_from_the_platform_is_passed_over() -> None:
    assert list(FromPlatform().feed(b"noise\x7e\1\2\x7e\x7e0123456789abcdef\x7e")) == []


# ---------------------------------------------------------------- on a real line


class Gate:
    """A listener that answers with the gateway's own codec and its list."""

    def __init__(self) -> None:
        self.uplinks: list[Uplink] = []
        self.changed = asyncio.Event()
        self.lines: list[tuple[Jt808Codec, asyncio.StreamWriter]] = []
        self.bands = {PHONE: Known(login_code=CODE)}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        codec = Jt808Codec(now=lambda: NOW, bands=self.bands.get)
        self.lines.append((codec, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                codec.feed(data)
                while (uplink := codec.next_event()) is not None:
                    self.uplinks.append(uplink)
                    writer.write(uplink.reply or b"")
                self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    def said(self) -> list[tuple[int, str]]:
        """Message ids in order, and why one was refused."""
        return [(int.from_bytes(uplink.raw[1:3], "big"), uplink.refusal) for uplink in self.uplinks]


@pytest.fixture
async def gate() -> AsyncIterator[tuple[Gate, Jt808Link, list[str]]]:
    state = Gate()
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Jt808Link(SimBand(device=PHONE, link="jt808", port=port), "xinhe")
    heard: list[str] = []
    task = asyncio.create_task(link.run(heard.append))
    yield state, link, heard
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    server.close()
    for _, writer in state.lines:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_terminal_registers_logs_in_reports_and_has_its_sos_answered(gate) -> None:
    server, link, _ = gate
    assert await link.deliver(REPORT)
    assert await link.deliver(PRESS)
    assert server.said() == [(0x0100, ""), (0x0102, ""), (0x0200, ""), (0x0200, "")]


async def test_on_a_new_line_it_shows_the_code_it_was_given(gate) -> None:
    server, link, _ = gate
    assert await link.deliver(REPORT)
    server.lines[0][1].close()
    await server.until(lambda: len(server.uplinks) > 3)
    assert server.said()[3] == (0x0102, "")
    assert await link.deliver(REPORT)


async def test_a_terminal_whose_key_was_changed_registers_again(gate) -> None:
    server, link, _ = gate
    assert await link.deliver(REPORT)
    server.bands[PHONE] = Known(login_code="another")
    assert not await link.deliver(REPORT)
    server.lines[0][1].close()
    await server.until(lambda: len(server.uplinks) > 6)
    assert server.said()[4:7] == [(0x0102, "wrong authentication code"), (0x0100, ""), (0x0102, "")]
    assert await link.deliver(REPORT)


async def test_orders_are_heard_and_confirmed(gate) -> None:
    server, link, heard = gate
    assert await link.deliver(REPORT)
    codec, writer = server.lines[0]
    orders = [
        codec.encode_down(DownCommand(name="message", text="有人来了"), PHONE),
        codec.encode_down(DownCommand(name="locate_now"), PHONE),
        codec.encode_down(DownCommand(name="interval", interval_s=60), PHONE),
    ]
    writer.write(b"".join(order.data for order in orders))
    await server.until(lambda: sum(len(uplink.answers) for uplink in server.uplinks) == 3)
    answers = [answer for uplink in server.uplinks for answer in uplink.answers]
    assert [(answer.tag, answer.done) for answer in answers] == [(order.tag, True) for order in orders]
    assert heard == ["有人来了", "locate_now", "interval"]
