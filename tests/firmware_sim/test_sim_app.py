"""The whole simulator against the gateway's own wires, with a sink that decodes and stores at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_sim import app
from firmware_sim.scenario import ScenarioError
from firmware_sim.settings import SimBand, SimSettings, SimTwilio, scenario_path
from gateway.bands import keys
from gateway.codecs.nmea import CODEC as NMEA
from gateway.codecs.senml import CODEC as SENML
from gateway.codecs.watch import CODEC as WATCH
from gateway.model import BandAlarm, BloodPressure, Fix, Reading
from gateway.transports import coap, serial, tcp
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site

CODECS = {"nmea": NMEA, "senml": SENML, "watch": WATCH}
SEED_DIR = Path(__file__).parents[2] / "data" / "seed"
KEY = "k3y"


@dataclass
class DecodingSink:
    """Decodes like the intake; keeps readings by device."""

    heard: dict[str, list[Reading]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    congested: bool = False

    def receive(self, inbound: Inbound) -> None:
        link = inbound.link
        if link.codec is None:
            link.codec = CODECS[link.protocol](now=lambda: datetime.now(UTC))
        link.codec.feed(inbound.data)
        if not link.streaming:
            link.codec.end_of_message()
        replies = []
        while (uplink := link.codec.next_event()) is not None:
            link.pinned = uplink.device or link.device
            self.heard.setdefault(str(link.pinned), []).extend(uplink.readings)
            if uplink.reply is not None:
                replies.append(uplink.reply)
        inbound.settle(Settlement(Outcome.STORED, tuple(replies)))
        self.changed.set()

    def admits(self, device: str, secret: bytes) -> bool:
        return device.startswith("band-") and secret == KEY.encode()

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        return ("band-chen", keys.derive(KEY).oscore_secret) if key_id == keys.key_id("band-chen") else None

    def closed(self, link: Link) -> None:
        """Nothing to forget."""

    async def uncongested(self) -> None:
        await asyncio.get_running_loop().create_future()

    def of(self, device: str, kind: type[Reading]) -> list[Reading]:
        return [reading for reading in self.heard.get(device, []) if isinstance(reading, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


PRESS_ON_COAP = """
name = "press"
title = "一次求救"
title_en = "One press"
origin = [31.1553, 121.1050]
[[bands]]
device = "band-chen"
wearer = "陈秀英"
wearer_en = "Chen Xiuying"
walk = { road = "环园路" }
events = [ { do = "press_sos", at_s = 5 } ]
[[bands]]
device = "4700186508"
wearer = "王德顺"
wearer_en = "Wang Deshun"
walk = { path = ["中心花园"] }
events = [
  { do = "press_sos", at_s = 5 },
  { do = "leave", at_s = 10, path = ["东门"], say_en = "walks away" },
]
[[bands]]
device = "gnss-zhao"
wearer = "赵永年"
walk = { road = "内环路", manner = "round" }
fix_every_s = 1
[[people]]
phone = "+8613800138001"
"""


async def test_bands_on_three_wires_are_heard_and_the_story_is_told(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    sink, said, ready = DecodingSink(), [], []
    site = Site(gateway="g", community="xinhe", data_dir=tmp_path)
    tcp_port, coap_port, gnss = free_port(), free_port(), tmp_path / "sim" / "gnss0"
    wires = [
        tcp.TcpTransport(tcp.TcpSettings(listeners=(tcp.Listener(port=tcp_port),)), sink, site),
        coap.CoapTransport(coap.CoapSettings(port=coap_port), sink, site),
        serial.SerialTransport(
            serial.SerialSettings(ports=(serial.Port(path=str(gnss), baud=115200, device="gnss-zhao"),)),
            sink,
            site,
        ),
    ]
    scenario = tmp_path / "press.toml"
    scenario.write_text(PRESS_ON_COAP, encoding="utf-8")
    settings = SimSettings(
        community="xinhe",
        scenario=scenario,
        seed_dir=SEED_DIR,
        bands=(
            SimBand(device="4700186508", link="tcp", port=tcp_port),
            SimBand(device="band-chen", link="coap", port=coap_port, key=KEY),
            SimBand(device="gnss-zhao", link="serial", path=gnss),
        ),
        twilio=SimTwilio(host="127.0.0.1", port=0, account_sid="ACtest", auth_token="token"),
        modem_path=tmp_path / "sim" / "modem0",
        speed=20,
    )
    tasks = [asyncio.create_task(wire.run(lambda _: None)) for wire in wires]
    tasks.append(asyncio.create_task(app.run(settings, ready.append, said.append)))
    await sink.until(
        lambda: bool(
            sink.of("4700186508", BandAlarm) and sink.of("band-chen", BandAlarm) and sink.of("gnss-zhao", Fix)
        )
    )
    await sink.until(lambda: any("walks away" in line for line in said))
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    (press,) = sink.of("band-chen", BandAlarm)
    assert press.alarm == "sos"
    assert press.press_id
    assert {alarm.alarm for alarm in sink.of("4700186508", BandAlarm)} == {"sos"}
    for device in ("4700186508", "band-chen", "gnss-zhao"):
        fix = sink.of(device, Fix)[0]
        assert abs(fix.lat - 31.1553) < 0.003, device
        assert abs(fix.lon - 121.105) < 0.003, device
    assert sink.of("band-chen", BloodPressure)
    assert ready[-1] == "press"
    assert any(part.startswith("http://127.0.0.1:") for part in ready)
    assert str(tmp_path / "sim" / "modem0") in ready
    story = [line[9:] for line in said]
    assert story[0] == "一次求救 · One press"
    assert "陈秀英 按下求救 · Chen Xiuying presses SOS (band-chen, CoAP)" in story
    assert "王德顺 走开了 · Wang Deshun walks away (4700186508, TCP)" in story
    assert not gnss.is_symlink()


def test_the_shipped_evening_can_be_built_for_the_shipped_bands(tmp_path: Path) -> None:
    settings = SimSettings(
        community="xinhe",
        scenario=scenario_path("evening"),
        seed_dir=SEED_DIR,
        bands=(
            SimBand(device="4700186508", link="tcp", port=1),
            SimBand(device="gnss-zhao", link="serial", path=tmp_path / "gnss0"),
        ),
    )
    scenario, wearables = asyncio.run(_built(settings))
    assert scenario.name == "evening"
    assert [wearable.band.plan.wearer for wearable in wearables] == ["王德顺", "赵永年"]


async def _built(settings: SimSettings) -> tuple[object, tuple[object, ...]]:
    return app.build(settings, lambda _: None)


async def test_a_band_the_scenario_says_nothing_of_is_an_error(tmp_path: Path) -> None:
    settings = SimSettings(
        community="xinhe",
        scenario=scenario_path("evening"),
        seed_dir=SEED_DIR,
        bands=(SimBand(device="band-nobody", link="mqtt", port=1),),
    )
    with pytest.raises(ScenarioError, match=r"evening.toml: bands: nothing is said of band-nobody"):
        await app.run(settings, lambda _: None)
    with pytest.raises(ScenarioError, match="cannot be read"):
        await app.run(replace(settings, scenario=tmp_path / "none.toml"), lambda _: None)
