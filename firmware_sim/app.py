"""Runs a scenario: all bands, the simulated Twilio and the simulated modem in one task group."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Protocol

from firmware_sim.band import Band
from firmware_sim.beidou import SimModule, SimStation, Sky
from firmware_sim.faults import Weather
from firmware_sim.ground import load_ground
from firmware_sim.links.base import BandLink
from firmware_sim.links.coap import CoapLink
from firmware_sim.links.iw import IwLink
from firmware_sim.links.jt808 import Jt808Link
from firmware_sim.links.mqtt import MqttLink
from firmware_sim.links.serial import SerialLink
from firmware_sim.links.tcp import TcpLink
from firmware_sim.modem import SimModem
from firmware_sim.people import Transcript
from firmware_sim.phones import PhoneWall
from firmware_sim.scenario import BandPlan, Scenario, ScenarioError, origin_of, parse
from firmware_sim.settings import LinkKind, SimBand, SimPhone, SimSettings
from firmware_sim.siren import SimSiren
from firmware_sim.twilio import TwilioFake
from firmware_sim.wearable import Say, Wearable

HOUSE_CARD = "4216930"
STATION_TAKES_S = 20.0
"""How long the simulated station's keeper takes to take an alarm on."""
SHANGHAI = timezone(timedelta(hours=8))
LINKS: MappingProxyType[LinkKind, Callable[[SimBand, str], BandLink]] = MappingProxyType(
    {
        "mqtt": MqttLink,
        "coap": CoapLink,
        "tcp": TcpLink,
        "iw": IwLink,
        "jt808": Jt808Link,
        "serial": SerialLink,
    }
)
WIRES: MappingProxyType[LinkKind, str] = MappingProxyType(
    {"mqtt": "MQTT", "coap": "CoAP", "tcp": "TCP", "iw": "IW", "jt808": "JT/T 808", "serial": "serial"}
)


async def run(
    settings: SimSettings, ready: Callable[[str], None], say: Callable[[str], None] = lambda _: None
) -> None:
    """Play the scenario until cancelled; the story goes on walking after its last event.

    `ready` is called once a part: with the simulated Twilio's URL, the modem's and the siren's path,
    the address of the wall of telephones, and the scenario's name when the story begins.
    `say` gets the story, a line at a time, with the time of Shanghai in front.

    Raises ScenarioError for a bad scenario, OSError for a taken port or an unreadable file.
    """
    scenario, wearables = build(settings, say)
    begin = asyncio.Event()

    def overheard(line: str) -> None:
        say(f"{_clock()} {line}")

    async with asyncio.TaskGroup() as tasks:
        for name, part in _far_ends(settings, scenario, overheard).items():
            tasks.create_task(part.run(ready), name=f"simulated {name}")
        for wearable in wearables:
            tasks.create_task(wearable.run(begin), name=f"band {wearable.band.plan.device}")
        await _all_connected(wearables, settings.wait_for_gateway_s)
        begin.set()
        ready(scenario.name)
        say(f"{_clock()} {scenario.title} · {scenario.title_en}")
        tasks.create_task(_tell(scenario, settings, say), name="story")


class FarEnd(Protocol):
    """A part the gateway reaches: a network, a siren, or the page that shows them."""

    async def run(self, ready: Callable[[str], None]) -> None:
        """Be there until cancelled."""
        ...


def _far_ends(settings: SimSettings, scenario: Scenario, say: Callable[[str], None]) -> dict[str, FarEnd]:
    """The networks, the siren and the wall of telephones, by name, not yet running."""
    people = scenario.personas()
    parts: dict[str, FarEnd] = {}
    transcripts: dict[str, Transcript] = {}
    siren = None
    if settings.twilio is not None:
        account = settings.twilio
        twilio = TwilioFake(
            account_sid=account.account_sid,
            auth_token=account.auth_token,
            people=people,
            host=account.host,
            port=account.port,
            text_url=account.text_url,
            say=say,
        )
        parts["twilio"], transcripts["Twilio"] = twilio, twilio.transcript
    if settings.modem_path is not None:
        modem = SimModem(path=settings.modem_path, people=people, say=say)
        parts["modem"], transcripts["modem"] = modem, modem.transcript
    if settings.siren_path is not None:
        parts["siren"] = siren = SimSiren(path=settings.siren_path, say=say)
    if settings.sky is not None:
        module = SimModule(path=settings.sky.path, card=HOUSE_CARD, generation=settings.sky.generation)
        stations = (SimStation(card=card, taken_after_s=STATION_TAKES_S) for card in settings.sky.stations)
        parts["sky"] = Sky(module, *stations, say=say)
    if settings.phones is not None:
        portal = settings.phones.portal_url
        parts["phones"] = PhoneWall(
            phones=settings.phones.phones or tuple(SimPhone(phone=phone) for phone in people),
            transcripts=transcripts,
            siren=siren,
            host=settings.phones.host,
            port=settings.phones.port,
            title=scenario.title,
            title_en=scenario.title_en,
            links=[("值班台", "duty desk", portal)] if portal else [],
        )
    return parts


def build(settings: SimSettings, say: Callable[[str], None]) -> tuple[Scenario, tuple[Wearable, ...]]:
    """The checked scenario and its bands, not yet running.

    Raises ScenarioError when the scenario is wrong, or says nothing of a band that the settings have.
    """
    source = settings.scenario.name
    try:
        text = settings.scenario.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(source, (f"cannot be read: {error}",)) from error
    ground = load_ground(settings.seed_dir, origin_of(text, source=source))
    scenario = parse(text, ground, source=source)
    plans = {plan.device: plan for plan in scenario.bands}
    strangers = [band.device for band in settings.bands if band.device not in plans]
    if strangers:
        raise ScenarioError(source, tuple(f"bands: nothing is said of {device}" for device in strangers))
    wearables = []
    for band in settings.bands:
        plan = plans[band.device]
        wearables.append(
            Wearable(
                band=Band(plan, ground, settings.seed),
                link=LINKS[band.link](band, settings.community),
                weather=Weather(plan.faults, f"{plan.device} {settings.seed}"),
                say=_story(plan, band, say),
                speed=settings.speed,
            )
        )
    return scenario, tuple(wearables)


def _story(plan: BandPlan, band: SimBand, say: Callable[[str], None]) -> Say:
    """Lines about one wearer: `20:01:12 张桂兰 按下求救 · Zhang Guilan presses SOS (band-zhang, MQTT)`."""

    def told(chinese: str, english: str) -> None:
        who = plan.wearer_en or plan.wearer
        gap = "" if english.startswith("'") else " "
        say(f"{_clock()} {plan.wearer} {chinese} · {who}{gap}{english} ({plan.device}, {WIRES[band.link]})")

    return told


async def _tell(scenario: Scenario, settings: SimSettings, say: Callable[[str], None]) -> None:
    """Say each event when it happens."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    bands = {band.device: band for band in settings.bands}
    plans = {plan.device: plan for plan in scenario.bands}
    for at_s, device, event in scenario.timeline():
        await asyncio.sleep(begun_s + at_s / settings.speed - loop.time())
        if device in bands:
            _story(plans[device], bands[device], say)(*event.line)


async def _all_connected(wearables: tuple[Wearable, ...], patience_s: float) -> None:
    """Wait until every line stands, or until patience ends."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            for wearable in wearables:
                await wearable.link.connected.wait()


def _clock() -> str:
    return f"{datetime.now(UTC).astimezone(SHANGHAI):%H:%M:%S}"
