"""Engine and intake on a journal that commits when told to."""

from __future__ import annotations

import msgspec
import pytest

from gateway import plugins
from gateway.bands.registry import Device
from gateway.clock import ManualClock
from gateway.config import load
from gateway.engine import Engine
from gateway.errands.bounds import ErrandsTable
from gateway.errands.calls import TestCalls
from gateway.errands.desk import Errands
from gateway.errands.texts import PlainTexts
from gateway.errors import FrameError
from gateway.incidents import Incidents
from gateway.intake import Intake
from gateway.journal.records import Record
from gateway.model import Reading, Uplink
from gateway.profiles.book import at_start
from gateway.profiles.orders import ProfileOrders
from gateway.roster import Announcer, People
from gateway.timers import Timers
from gateway.told import SyncPayload
from gateway.transports.base import Inbound, Link


class Journal:
    """Keeps records and commits them when told to; knows the versions of profiles, like its reader."""

    def __init__(self) -> None:
        self.records = []
        self.committed = 0
        self.congested = False
        self.seq = 0

    def append(self, record) -> None:
        self.records.append(record)

    async def uncongested(self) -> None:
        """Never congested."""

    def profile_rows(self):
        """The committed versions as the reader gives them."""
        rows = [row for record in self.records[: self.committed] for row in record.rest.profiles]
        return [row._asdict() for row in reversed(rows)]

    def newest_profiles(self):
        """The newest of every wearer."""
        return list({row["wearer"]: row for row in reversed(self.profile_rows())}.values())

    def profile_versions(self, wearer):
        """Those of one wearer, newest first."""
        return [row for row in self.profile_rows() if row["wearer"] == wearer]

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

    def __init__(self, settings, journal=None) -> None:
        """`journal` is one that another house has left."""
        self.settings = settings
        self.clock = ManualClock()
        self.journal = journal or Journal()
        self.carried_out = []
        self.orders = Orders()
        self.book = at_start(settings, self.journal, self.clock.now())
        self.people = People(self.book.settings)
        self.admitted = []
        self.profile_orders = ProfileOrders(
            book=self.book,
            people=self.people,
            announcer=Announcer(self.people, 0),
            stored=self.journal,
            engine=lambda: self.engine,
            admit=self.admitted.append,
        )
        self.timers = Timers(self.clock, self._timer_due)
        self.incidents = Incidents(
            people=self.people,
            timers=self.timers,
            place=lambda *_: ("3栋附近", "Building 3"),
            make_room=lambda *change: self.errands.make_room(*change),  # noqa: PLW0108 (they come later)
        )
        self.begun = []
        self.narrow = False
        self.errands = Errands(
            texts=PlainTexts(
                bounds=ErrandsTable(),
                journal=self.journal,
                timers=self.timers,
                execute=self.begun.append,
                takes=self._takes,
                now=self.clock.now,
            ),
            tests=TestCalls(
                timers=self.timers,
                who=self.people.person,
                takes=self._takes,
                alarm=lambda: self.incidents.calling,
            ),
            others=dict.fromkeys(("set_profile", "restore_profile"), self.profile_orders.order),
        )
        rules = dict(plugins.load("rule"))
        self.engine = Engine(
            rules={
                wearer: self.people.rules(wearer, self.book.settings, rules) for wearer in self.people.wearers
            },
            incidents=self.incidents,
            orders=self.orders,
            journal=self.journal,
            timers=self.timers,
            clock=self.clock,
            carry_out=lambda kind, order, key: self.carried_out.append((kind, order, key)),
            leg_status=lambda _: None,
            leg_of=lambda leg_id: leg_id,
            errands=self.errands,
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

    def start(self) -> None:
        """What a gateway does at its start: journal the first versions, carry the states over."""
        record = Record()
        for version in self.book.fresh:
            version.write(record)
        if record.events:
            self.journal.append(record)
        self.engine.adopt()
        self.journal.commit()

    def _takes(self, _channel, *, outside=False) -> bool:
        """Carriers take everything, but those of a `narrow` house nothing beside an alarm."""
        return not (outside and self.narrow and self.incidents.calling)

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
