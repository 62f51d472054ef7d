"""Engine and intake on a journal that commits when told to."""

from __future__ import annotations

import msgspec
import pytest

from gateway import plugins
from gateway.bands.registry import Device
from gateway.clock import ManualClock
from gateway.config import load
from gateway.engine import Engine
from gateway.errors import FrameError
from gateway.incidents import Incidents
from gateway.intake import Intake
from gateway.model import Reading, Uplink
from gateway.roster import People
from gateway.timers import Timers
from gateway.told import SyncPayload
from gateway.transports.base import Inbound, Link


class Journal:
    """Keeps records and commits them when told to."""

    def __init__(self) -> None:
        self.records = []
        self.committed = 0
        self.congested = False
        self.seq = 0

    def append(self, record) -> None:
        self.records.append(record)

    async def uncongested(self) -> None:
        """Never congested."""

    def commit(self) -> None:
        """Commit everything that waits, in order."""
        while self.committed < len(self.records):
            record = self.records[self.committed]
            self.committed += 1
            self.seq += len(record.events)
            if record.committed is not None:
                record.committed(self.seq)


class Lines:
    """A codec of one JSON list of readings a message; "bad" is no frame; a first word names the device."""

    def __init__(self) -> None:
        self.waiting = []

    def feed(self, data: bytes) -> None:
        self.waiting += data.splitlines()

    def end_of_message(self) -> None:
        """Every line is whole."""

    def next_event(self):
        if not self.waiting:
            return None
        line = self.waiting.pop(0)
        if line == b"bad":
            raise FrameError("no frame", offset=1, raw=line)
        device, _, rest = line.decode().partition(" ")
        readings = msgspec.json.decode(rest.encode() or b"[]", type=tuple[Reading, ...])
        return Uplink(
            device=None if device == "-" else device,
            readings=readings,
            raw=line,
            reply=b"reply to " + device.encode(),
        )


class Orders:
    """Keeps what bands say of their orders; `waiting` are the bands something waits for."""

    def __init__(self) -> None:
        self.waiting = set()
        self.answers = []
        self.told = []

    def find(self, device):
        known = Device(device="band-zhang", protocol="senml", wearer="zhang", wire_id="b1")
        return known if device in {known.device, known.wire_id} else None

    def answered(self, device, answers, record, now) -> None:
        self.answers += [(device, answer, record, now) for answer in answers]

    def waits_for(self, device) -> bool:
        return device in self.waiting

    def heard(self, device) -> None:
        self.told.append(device)


class House:
    """Engine and intake on a journal that commits when told to."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.clock = ManualClock()
        self.journal = Journal()
        self.carried_out = []
        self.orders = Orders()
        self.people = People(settings)
        self.timers = Timers(self.clock, self._timer_due)
        self.incidents = Incidents(
            people=self.people, timers=self.timers, place=lambda *_: ("3栋附近", "Building 3")
        )
        rules = dict(plugins.load("rule"))
        self.engine = Engine(
            rules={wearer: self.people.rules(wearer, settings, rules) for wearer in self.people.wearers},
            incidents=self.incidents,
            orders=self.orders,
            journal=self.journal,
            timers=self.timers,
            clock=self.clock,
            carry_out=lambda kind, order, key: self.carried_out.append((kind, order, key)),
            leg_status=lambda _: None,
            leg_of=lambda leg_id: leg_id,
            max_commit_wait_s=3600,
        )
        self.intake = Intake(
            registry=self.people.registry,
            engine=self.engine,
            journal=self.journal,
            clock=self.clock,
            codec=lambda *_: Lines(),
        )
        self.settled = []

    def _timer_due(self, owner, name, due_at) -> None:
        self.engine.timer_due(owner, name, due_at)

    def hear(self, data: str, link: Link) -> None:
        self.intake.receive(Inbound(link=link, data=data.encode(), settle=self.settled.append))

    def events(self, kind):
        return [
            msgspec.json.decode(row.payload, type=SyncPayload)
            for record in self.journal.records[: self.journal.committed]
            for row in record.events
            if row.kind == kind
        ]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.timers.fire_due()
        self.journal.commit()


@pytest.fixture
async def house(small_config):
    return House(load(small_config()))


@pytest.fixture
def band():
    return Link(wire="mqtt_listener", protocol="senml", peer="127.0.0.1:1", device="band-zhang")


@pytest.fixture
def watch():
    return Link(wire="tcp", protocol="watch", peer="127.0.0.1:2", streaming=True)


@pytest.fixture
def make_house():
    """Another house, with these settings."""
    return House
