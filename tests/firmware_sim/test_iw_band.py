"""A simulated IW bracelet: its frames are what the gateway's codec understands, over a real line too."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import iw_frames, watch_frames
from firmware_sim.band import Sample
from firmware_sim.links.iw import IwLink
from firmware_sim.physiology import VitalSigns
from firmware_sim.report import Press, Report
from firmware_sim.settings import SimBand
from gateway.codecs.iw import IwCodec
from gateway.model import (
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    DownCommand,
    Fix,
    HeartRate,
    SpO2,
    Steps,
    Uplink,
    Worn,
)

ROOT = Path(__file__).parents[2]
IMEI = "355932600077007"
NOW = datetime(2026, 11, 23, 12, 1, 12, tzinfo=UTC)
VITALS = VitalSigns(heart_rate_bpm=98, systolic_mmhg=152, diastolic_mmhg=91, spo2_pct=96, body_temp_c=36.6)
SAMPLE = Sample(
    at_s=30, lat=31.1562348, lon=121.1061234, alt_m=4.2, speed_m_s=1.25, course_deg=91.0, accuracy_m=3.4,
    satellites=17, battery_pct=63.8, steps=412, worn=True, vitals=VITALS,
)  # fmt: skip
REPORT = Report(at=NOW, sample=SAMPLE)
PRESS = Report(at=NOW + timedelta(seconds=9), sample=SAMPLE, press=Press(press_id="19ab-0", at=NOW))


def decoded(data: bytes) -> list[Uplink]:
    codec = IwCodec(now=lambda: NOW)
    codec.feed(data)
    codec.end_of_message()
    return list(iter(codec.next_event, None))


def readings(uplinks: list[Uplink]) -> dict[type, object]:
    return {type(reading): reading for uplink in uplinks for reading in uplink.readings}


def test_the_templates_are_captured_frames_to_the_byte() -> None:
    lines = (ROOT / "tests" / "vectors" / "other_watches.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(iw_frames.CAPTURED.values()) <= {json.loads(line)["frame"] for line in lines}


def test_a_login_names_the_band() -> None:
    (uplink,) = decoded(iw_frames.login(IMEI))
    assert uplink.device == IMEI


@given(lat=st.floats(-89.9, 89.9), lon=st.floats(-179.9, 179.9), course_deg=st.floats(0, 720))
def test_any_place_is_understood_to_the_metre(lat: float, lon: float, course_deg: float) -> None:
    sample = replace(SAMPLE, lat=lat, lon=lon, course_deg=course_deg)
    fix = readings(decoded(iw_frames.position(replace(REPORT, sample=sample))))[Fix]
    assert isinstance(fix, Fix)
    assert (fix.lat, fix.lon) == (pytest.approx(lat, abs=1e-6), pytest.approx(lon, abs=1e-6))
    assert fix.at == NOW


def test_a_press_is_an_sos_with_the_time_of_the_press_and_wants_an_answer() -> None:
    (uplink,) = decoded(iw_frames.position(PRESS))
    (alarm,) = [one for one in uplink.readings if isinstance(one, BandAlarm)]
    assert (alarm.alarm, alarm.at) == ("sos", NOW)
    assert uplink.reply is not None
    assert iw_frames.cut_frames(bytearray(uplink.reply)) == [("BP10", ())]


def test_a_bracelet_tells_everything_it_measured() -> None:
    said = readings(decoded(b"".join([iw_frames.heartbeat(REPORT), *iw_frames.health(REPORT)])))
    assert said == {
        Battery: Battery(battery_pct=64.0),
        Steps: Steps(steps=412),
        HeartRate: HeartRate(heart_rate_bpm=98.0),
        BloodPressure: BloodPressure(systolic_mmhg=152.0, diastolic_mmhg=91.0),
        SpO2: SpO2(spo2_pct=96.0),
        BodyTemp: BodyTemp(body_temp_c=36.6),
    }


def test_a_bracelet_off_the_wrist_says_so_and_between_measurements_nothing() -> None:
    off = replace(REPORT, sample=replace(SAMPLE, worn=False, vitals=None))
    assert readings(decoded(b"".join(iw_frames.health(off)))) == {Worn: Worn(worn=False)}
    assert iw_frames.health(replace(REPORT, sample=replace(SAMPLE, vitals=None))) == ()


@pytest.mark.parametrize("name", ["find", "locate_now", "message"])
def test_a_bracelets_answer_is_the_answer_of_its_order(name: str) -> None:
    codec = IwCodec(now=lambda: NOW)
    order = codec.encode_down(DownCommand(name=name, text="有人来了"), IMEI)
    ((word, fields),) = iw_frames.cut_frames(bytearray(order.data))
    if name == "message":
        assert watch_frames.message_text(fields[-1]) == "有人来了"
    codec.feed(iw_frames.answer(word, fields))
    (answer,) = codec.next_event().answers
    assert (answer.tag, answer.done) == (order.tag, True)


# ---------------------------------------------------------------- on a real line


class Gate:
    """A listener that answers with the gateway's own codec."""

    def __init__(self) -> None:
        self.uplinks: list[Uplink] = []
        self.changed = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None
        self.codec = IwCodec(now=lambda: NOW)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while data := await reader.read(4096):
            self.codec.feed(data)
            while (uplink := self.codec.next_event()) is not None:
                self.uplinks.append(uplink)
                writer.write(uplink.reply or b"")
            self.changed.set()
        writer.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@pytest.fixture
async def gate() -> AsyncIterator[tuple[Gate, int]]:
    state = Gate()
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    yield state, server.sockets[0].getsockname()[1]
    server.close()


async def test_a_bracelet_logs_in_reports_has_its_sos_answered_and_shows_a_message(
    gate: tuple[Gate, int],
) -> None:
    server, port = gate
    link = IwLink(SimBand(device=IMEI, link="iw", port=port), "xinhe")
    heard: list[str] = []
    task = asyncio.create_task(link.run(heard.append))
    try:
        await link.connected.wait()
        assert await link.deliver(REPORT)
        assert await link.deliver(PRESS)
        assert {uplink.device for uplink in server.uplinks} == {IMEI}
        assert server.uplinks[0].raw == iw_frames.login(IMEI)
        assert isinstance(readings(server.uplinks)[BandAlarm], BandAlarm)
        assert server.writer is not None
        order = server.codec.encode_down(DownCommand(name="message", text="有人来了"), IMEI)
        server.writer.write(order.data)
        await server.until(lambda: any(uplink.answers for uplink in server.uplinks))
        assert [answer.tag for uplink in server.uplinks for answer in uplink.answers] == [order.tag]
        assert heard == ["有人来了"]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
