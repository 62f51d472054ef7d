"""A band being worn: takes its samples in time, says them over its wire, and never gives up an SOS."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_sim.band import Band, Sample
from firmware_sim.faults import Weather
from firmware_sim.links.base import BandLink
from firmware_sim.report import Press, Report

MAX_WAITING = 240
STORED_AFTER_S = 30.0
"""A report that waited longer is sent as a stored one, not as news."""
RETRY_S = 1.0
SOS_RETRY_S = 2.0

Say = Callable[[str, str], None]
"""Called with a line of the story in Chinese and in English."""

ORDERS = MappingProxyType(
    {
        "help_is_coming": ("手环震动:已有人赶来", "feels the band buzz: help is coming"),
        "cancelled": ("手环震动:求助已取消", "feels the band buzz: the call for help is cancelled"),
        "find": ("手环响铃:寻找手环", "hears the band ring: somebody looks for it"),
        "interval": ("手环改了定位间隔", "is told how often to report"),
        "locate_now": ("手环立即上报位置", "is asked where he is: the band reports at once"),
    }
)


class Wearable:
    """One band and its line.

    Reports that could not be sent wait in the band: at most `MAX_WAITING`, the oldest go first (`dropped`).
    A press is sent beside them, with the same id and time, until the gateway acknowledges it.
    """

    def __init__(self, *, band: Band, link: BandLink, weather: Weather, say: Say, speed: float = 1.0) -> None:
        self.band = band
        self.link = link
        self.dropped = 0
        self._weather = weather
        self._say = say
        self._speed = speed
        self._waiting: deque[Report] = deque()
        self._some = asyncio.Event()

    async def run(self, begin: asyncio.Event) -> None:
        """Keep the line up from now on, and live from the moment `begin` is set; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            device = self.band.plan.device
            tasks.create_task(self.link.run(self._heard), name=f"line of {device}")
            await begin.wait()
            tasks.create_task(self._empty(), name=f"sending of {device}")
            await self._live(tasks)

    async def _live(self, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        presses = list(self.band.presses())
        for sample in self.band.samples():
            await asyncio.sleep(begun_s + sample.at_s / self._speed - loop.time())
            now = datetime.now(UTC)
            while presses and presses[0].at_s <= sample.at_s:
                presses.pop(0)
                name = f"press of {self.band.plan.device}"
                tasks.create_task(self._press(sample, now, len(presses)), name=name)
            self._keep(Report(at=now, sample=sample))

    def _keep(self, report: Report) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(report)
        self._some.set()

    async def _empty(self) -> None:
        while True:
            await self._some.wait()
            report = self._waiting.popleft()
            if not self._waiting:
                self._some.clear()
            age_s = (datetime.now(UTC) - report.at).total_seconds()
            if not await self._through(replace(report, stored=age_s > STORED_AFTER_S)):
                self._waiting.appendleft(report)
                self._some.set()
                await asyncio.sleep(RETRY_S)

    async def _press(self, sample: Sample, now: datetime, number: int) -> None:
        press = Press(press_id=f"{round(now.timestamp() * 1000):x}-{number}", at=now)
        report = Report(at=now, sample=sample, press=press)
        acknowledged = await self._through(report)
        while not acknowledged:
            await asyncio.sleep(SOS_RETRY_S)
            acknowledged = await self._through(report)
        self._say("的求救已被网关收到", "'s SOS is acknowledged by the gateway")

    async def _through(self, report: Report) -> bool:
        """Send through today's weather; True when at least one copy was acknowledged."""
        arrived = False
        for delay_s in self._weather.fate():
            await asyncio.sleep(delay_s)
            arrived = await self.link.deliver(report) or arrived
        return arrived

    def _heard(self, order: str) -> None:
        if order:
            self._say(*ORDERS.get(order, (f"手环显示:{order}", f"reads on the band: {order}")))
