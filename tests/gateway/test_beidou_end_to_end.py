"""From a house to the committee by satellite and back: carrier, sky, serial port, codec, answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_sim.beidou import SimModule, Sky
from gateway.codecs.rdss import RdssCodec, RdssSettings
from gateway.errors import FrameError
from gateway.model import BandAlarm, Battery, DownCommand, Fix, HeartRate
from gateway.transports.base import Inbound, Outcome, Settlement, Site
from gateway.transports.serial import Port, SerialSettings, SerialTransport
from sos.beidou import BeidouAlarm, pack
from sos.carriers.base import Message
from sos.carriers.rdss import Rdss, Settings
from sos.events import Channel, KeyPressed, Leg, LegState

AT = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
ALARM = BeidouAlarm(
    number=7, kind="sos", at=AT, seq=3, lat=31.25, lon=121.1, heart_rate_bpm=112, battery_pct=55
)
HOUSE, STATION = "4216930", "0247362"
LEG = Leg(
    leg_id="inc.1.station.beidou.1",
    incident="inc",
    contact="station",
    name="居委会",
    phone=STATION,
    role="station",
    channel=Channel.BEIDOU,
    round=1,
    attempt=1,
)


class Desk:
    """The committee's side of the port: reads with the codec, and answers once `committed` is set."""

    congested = False

    def __init__(self) -> None:
        self.codec = RdssCodec(RdssSettings(tick_s=1), now=lambda: datetime.now(UTC))
        self.uplinks: asyncio.Queue = asyncio.Queue()
        self.quarantined: list[str] = []
        self.committed = asyncio.Event()
        self.committed.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def receive(self, inbound: Inbound) -> None:
        self.codec.feed(inbound.data)
        replies = []
        while True:
            try:
                uplink = self.codec.next_event()
            except FrameError as error:
                self.quarantined.append(error.reason)
                continue
            if uplink is None:
                break
            replies += [uplink.reply] if uplink.reply is not None else []
            if uplink.device is not None:
                self.uplinks.put_nowait(uplink)
        task = asyncio.create_task(self._settle(inbound, Settlement(Outcome.STORED, tuple(replies))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, inbound: Inbound, settlement: Settlement) -> None:
        await self.committed.wait()
        inbound.settle(settlement)

    def closed(self, link) -> None:
        pass


@asynccontextmanager
async def community(tmp_path: Path, *, generation: str, period_s: float):
    """A house with a carrier and a committee with a serial port, each with a module under one sky."""
    ours = SimModule(path=tmp_path / "ours", card=HOUSE, generation=generation, period_s=period_s)
    theirs = SimModule(path=tmp_path / "theirs", card=STATION, generation=generation, period_s=period_s)
    sky = Sky(ours, theirs, delay_s=0.02)
    paths: asyncio.Queue[str] = asyncio.Queue()
    desk, heard = Desk(), asyncio.Queue()
    port = Port(path=str(theirs.path), baud=115200, protocol="rdss", device="station")
    site = Site(gateway="committee", community="c", data_dir=tmp_path)
    serial = SerialTransport(SerialSettings(ports=(port,)), desk, site)
    carrier = Rdss(
        Settings(path=str(ours.path), generation=generation, period_s=period_s, data_dir=tmp_path / "data")
    )
    running = [asyncio.create_task(sky.run(paths.put_nowait))]
    try:
        await paths.get()
        await paths.get()
        opened = asyncio.Event()
        running.append(asyncio.create_task(serial.run(lambda _: opened.set())))
        running.append(asyncio.create_task(carrier.run(heard.put_nowait)))
        await opened.wait()
        await carrier.ready.wait()
        yield carrier, desk, serial, sky, heard
    finally:
        for task in reversed(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.parametrize("generation", ["bds2", "bds3"])
async def test_the_committee_has_the_same_alarm_and_the_house_hears_of_it_after_the_commit(
    tmp_path, generation
):
    async with community(tmp_path, generation=generation, period_s=0.05) as (carrier, desk, _, sky, heard):
        desk.committed.clear()
        reference = await carrier.place(LEG, Message(body=pack(ALARM).hex()))
        uplink = await desk.uplinks.get()
        assert uplink.device == "beidou-7"
        assert uplink.readings == (
            Fix(lat=31.25, lon=121.1, valid=True, at=AT),
            BandAlarm(alarm="sos", press_id=f"{int(AT.timestamp())}.3", at=AT),
            HeartRate(heart_rate_bpm=112, at=AT),
            Battery(battery_pct=55, at=AT),
        )
        assert sky.of("sent", sender=STATION) == (), "answered before the commit"
        assert await carrier.status(reference) is LegState.PLACED
        desk.committed.set()
        report = await heard.get()
        assert (report.leg_id, report.state) == (LEG.leg_id, LegState.DELIVERED)
        assert await carrier.status(reference) is LegState.DELIVERED
        assert desk.quarantined == []


@pytest.mark.parametrize("generation", ["bds2", "bds3"])
async def test_help_is_coming_reaches_the_house_though_the_station_may_not_send_yet(tmp_path, generation):
    async with community(tmp_path, generation=generation, period_s=1.0) as (
        carrier,
        desk,
        serial,
        sky,
        heard,
    ):
        reference = await carrier.place(LEG, Message(body=pack(ALARM).hex()))
        assert (await heard.get()).state is LegState.DELIVERED
        order = desk.codec.encode_down(DownCommand(name="help_is_coming"), "beidou-7").data
        assert serial.send("station", order, lambda: None)
        await sky.seen("refused", sender=STATION)
        pressed = await heard.get()
        assert isinstance(pressed, KeyPressed)
        assert (pressed.leg_id, pressed.digit, pressed.via) == (LEG.leg_id, "1", "beidou")
        assert await carrier.status(reference) is LegState.CONFIRMED
        assert len(sky.of("sent", sender=STATION)) == 2
