"""The composition root of the gateway: builds the parts, runs them, and takes them down in order."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway import plugins
from gateway.bands.registry import Device
from gateway.bands.watch import DeviceWatch
from gateway.capture import Captures
from gateway.carrying_out import CarryingOut
from gateway.clock import Clock, SystemClock
from gateway.config import Settings
from gateway.door import Door
from gateway.downlink.sender import Downlink
from gateway.duty import DutyBook
from gateway.engine import Engine
from gateway.errands.bands import NAMES as BAND_ORDERS
from gateway.errands.bands import BandOrders
from gateway.errands.calls import TestCalls
from gateway.errands.desk import Errands
from gateway.errands.texts import PlainTexts
from gateway.figures import Figures
from gateway.health import Health
from gateway.incidents import Incidents
from gateway.intake import Intake
from gateway.journal.reader import JournalReader
from gateway.journal.records import Record, Rest
from gateway.journal.writer import JournalWriter
from gateway.ledger import JournalLedger
from gateway.paths import control_path, devices_path, journal_path, site_of, state_path
from gateway.places import Places
from gateway.portal_side import PortalSide
from gateway.profiles.book import at_start
from gateway.profiles.orders import ProfileOrders
from gateway.profiles.reloading import Reloading
from gateway.quarantine import SecondLook
from gateway.restart import Restart
from gateway.roster import Announcer, BandsAnnouncer, People, known_to
from gateway.timers import Timers
from gateway.transports.base import Transport
from gateway.transports.control import Control
from sos.carriers.base import Carrier
from sos.dispatcher import Dispatcher

READY_WAIT_S = 2.0

log = logging.getLogger(__name__)


class Gateway:
    """Every part of one gateway, wired; `run` serves until cancelled.

    `config` is the file the settings are of, read again by `reload`.
    `clock`, `make_journal` and `carriers` replace what the settings name, for proofs in virtual time.
    """

    portal: PortalSide
    engine: Engine
    intake: Intake
    ledger: JournalLedger
    effects: CarryingOut
    captures: Captures

    def __init__(
        self,
        settings: Settings,
        *,
        config: Path | None = None,
        clock: Clock | None = None,
        make_journal: Callable[..., JournalWriter] = JournalWriter,
        carriers: Sequence[Carrier] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.path = journal_path(settings)
        self.journal = make_journal(
            self.path,
            group_commit_s=settings.journal.group_commit_ms / 1000,
            max_size_mb=settings.journal.max_size_mb,
            degraded=self._journal_degraded,
            after_commit=lambda: self.portal.wake(),  # noqa: PLW0108 (the portal's side comes later)
        )
        self.reader = JournalReader(self.path)
        self.portal = PortalSide(settings, self.journal, self.reader, count_on=self._count_on)
        self.book = at_start(settings, self.reader, self.clock.now())
        self.people = People(self.book.settings)
        self.duty = DutyBook(configured=lambda: self.people.staff, journal=self.journal, now=self.clock.now)
        self.people.duty = self.duty
        self.announcer = Announcer(self.people, self.reader.mark("roster_digest"))
        self.bands_announcer = BandsAnnouncer(self.reader.mark("bands_digest"))
        self.device_watch = DeviceWatch(
            devices_path(settings),
            configured=self.people.configured,
            known=known_to(self.book.settings),
            take=self._take_devices,
            followed=self.reader.mark("device_changes"),
            follow=lambda number: self.journal.append(Record(rest=Rest(marks={"device_changes": number}))),
        )
        self.timers = Timers(self.clock, self._timer_due)
        self.incidents = Incidents(
            people=self.people,
            timers=self.timers,
            place=Places(Path(settings.site.map_dir)).words,
            link=self.portal.page_of,
            make_room=lambda *change: self.errands.make_room(*change),  # noqa: PLW0108 (they come later)
        )
        self.transports: dict[str, Transport] = {}
        self.downlink = Downlink(
            registry=self.people.registry,
            transports=lambda: self.captures.wires(self.transports.values()),
            codec=self._codec_of,
            line=lambda wire_id: self.intake.codec_of(wire_id),  # noqa: PLW0108 (the intake comes later)
            fences=lambda wearer: self.people.wearers[wearer].fences,
            journal=self.journal,
            clock=self.clock,
        )
        self.profile_orders = ProfileOrders(
            book=self.book,
            people=self.people,
            announcer=self.announcer,
            stored=self.reader,
            engine=lambda: self.engine,
            admit=self._admit,
        )
        self.band_orders = BandOrders(
            settings=lambda: self.book.settings, journal=self.journal, now=self.clock.now
        )
        self.errands = self._errands()
        wait_s = settings.sos.max_commit_wait_ms / 1000
        rules, people = plugins.load("rule"), self.people
        self.engine = Engine(
            rules={wearer: people.rules(wearer, self.book.settings, rules) for wearer in people.wearers},
            incidents=self.incidents,
            orders=self.downlink,
            journal=self.journal,
            timers=self.timers,
            clock=self.clock,
            carry_out=lambda *effect: self.effects.carry_out(*effect),  # noqa: PLW0108 (they come later)
            leg_status=lambda command: self.effects.leg_status(command),  # noqa: PLW0108 (the same)
            leg_of=lambda leg_id: self.ledger.leg_of(leg_id),  # noqa: PLW0108 (the ledger comes later)
            errands=self.errands,
            max_commit_wait_s=wait_s,
        )
        self.ledger = JournalLedger(
            journal=self.journal, leg_known=self.engine.leg_known, need=self.incidents.need
        )
        carriers = carriers or [self._carrier(name) for name in settings.sos.carriers]
        self.figures = Figures(
            settings=settings,
            path=self.path,
            reader=self.reader,
            through_seq=lambda: self.portal.through_seq,
            carriers=carriers,
            started_at=self.clock.now(),
        )
        self.dispatcher = Dispatcher(
            ledger=self.ledger,
            carriers=carriers,
            now=self.clock.now,
            settle_s=settings.sos.settle_s,
            max_intent_wait_s=wait_s,
            relay_up=lambda: self.portal.connected,
            alarm=lambda: self.incidents.calling,
        )
        self.effects = CarryingOut(
            journal=self.journal,
            downlink=self.downlink,
            dispatcher=self.dispatcher,
            ledger=self.ledger,
            clock=self.clock,
        )
        self.health = Health(
            carriers=self.dispatcher.carrier_health,
            open_incidents=lambda: len(self.incidents),
            legs_today=lambda: self.ledger.legs_today(self.clock.now()),
            warn_legs_a_day=settings.sos.warn_legs_a_day,
            journal=self.journal,
            clock=self.clock,
            path=state_path(settings),
            device_trouble=lambda: self.device_watch.trouble,
            profile_trouble=lambda: self.book.trouble,
            measure=self.figures.measure,
        )
        self.intake = Intake(
            registry=self.people.registry,
            engine=self.engine,
            journal=self.journal,
            clock=self.clock,
            codec=plugins.make_codec,
            models={name: codec for name, (_, codec) in settings.models.items()},
        )
        site = site_of(settings)
        self.look = SecondLook(self.intake, self.reader, self.engine, self.clock, settings.transports)
        self.captures = Captures(self.intake, site, self.clock, self.transports)
        self.reloading = Reloading(
            config,
            book=self.book,
            people=self.people,
            announcer=self.announcer,
            engine=self.engine,
            clock=self.clock,
            admit=self._admit,
        )
        door = Door(
            engine=self.engine,
            incidents=self.incidents,
            look=self.look,
            captures=self.captures,
            reloading=self.reloading,
        )
        self.control = Control(control_path(settings), obey=door.obey, execute=door.execute)
        for name, table in settings.transports.items():
            self.transports[name] = plugins.get("transport", name)(table, self.intake, site)
        self.restart = Restart(
            self.reader,
            engine=self.engine,
            incidents=self.incidents,
            errands=self.errands,
            kept=(self.duty, self.band_orders),
            ledger=self.ledger,
            timers=self.timers,
            dispatcher=self.dispatcher,
            carry_out=self.effects.carry_out,
            done=self.effects.done,
            now=self.clock.now,
        )

    def _errands(self) -> Errands:
        """What the portal orders beside alarms."""
        texts = PlainTexts(
            bounds=self.settings.errands,
            journal=self.journal,
            timers=self.timers,
            execute=lambda order: self.dispatcher.execute(order),  # noqa: PLW0108 (it comes later)
            takes=lambda *what, **how: self.dispatcher.takes(*what, **how),  # noqa: PLW0108 (the same)
            now=self.clock.now,
        )
        tests = TestCalls(
            timers=self.timers,
            who=self.people.person,
            takes=lambda *what, **how: self.dispatcher.takes(*what, **how),  # noqa: PLW0108 (the same)
            alarm=lambda: self.incidents.calling,
        )
        profiles = self.profile_orders.order
        others = {
            "set_profile": profiles,
            "restore_profile": profiles,
            "set_duty": self.duty.order,
            **dict.fromkeys(BAND_ORDERS, self.band_orders.order),
        }
        return Errands(texts=texts, tests=tests, others=others)

    def _carrier(self, name: str) -> Any:
        table, site = self.settings.carriers[name], self.settings.site
        given = {"gateway": site.gateway, "data_dir": site.data_dir}
        known = {entry.name for entry in dataclasses.fields(table)}
        table = dataclasses.replace(table, **{key: given[key] for key in given.keys() & known})
        return plugins.get("carrier", name)(table)

    # ------------------------------------------------------------------ running

    async def run(self, ready: Callable[[Mapping[str, str]], None]) -> None:
        """Serve until cancelled, then stop in order: wires, then effects, then the journal.

        `ready` gets the address of every transport once all of them have their line,
        or after `READY_WAIT_S` with those that still wait for it.
        """
        self.journal.start()
        self.device_watch.look()
        self.restart.restore()
        self._say_who_is_watched()
        self.engine.adopt()
        self.engine.await_first()
        inner: list[asyncio.Task[None]] = []
        outer: list[asyncio.Task[None]] = []
        addresses: dict[str, str] = {}

        everything = asyncio.Event()

        def listening(name: str, address: str) -> None:
            addresses[name] = address
            if len(addresses) == len(self.transports):
                everything.set()

        async def announce() -> None:
            """A receiver that is unplugged or a broker that is down must not hold up the rest."""
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(everything.wait(), READY_WAIT_S)
            ready({name: addresses.get(name, "waiting for its line") for name in self.transports})

        try:
            async with asyncio.TaskGroup() as group:

                def start(into: list[asyncio.Task[None]], name: str, work: Coroutine[Any, Any, None]) -> None:
                    into.append(group.create_task(work, name=name))

                for name, part in self._inner().items():
                    start(inner, name, part.run())
                start(outer, "control", self.control.run())
                self.restart.resume()
                lines = self.portal.open(self.engine.ordered)
                if lines is not None:
                    sync, link = lines
                    start(inner, "sync", sync.run())
                    start(outer, "portal-link", link.run())
                for name, transport in self.transports.items():
                    start(outer, name, transport.run(functools.partial(listening, name)))
                start(outer, "announce", announce())
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    await _end(outer)
                    await _end(inner)
        finally:
            await self.journal.stop()
            self.reader.close()

    def _inner(self) -> dict[str, Any]:
        """What runs behind the wires, by the name of its task, in the order in which it starts."""
        return {
            "timers": self.timers,
            "dispatcher": self.dispatcher,
            "downlink": self.downlink,
            "errands": self.errands,
            "duty": self.duty,
            "band-orders": self.band_orders,
            "health": self.health,
            "devices": self.device_watch,
        }

    # ------------------------------------------------------------------ the small wires between the parts

    def _take_devices(self, devices: tuple[Device, ...]) -> None:
        """Admit these bands from now on; who is not among them any more loses its line."""
        for wire_id in self.people.take(devices):
            self.intake.forget(wire_id)
            for transport in self.transports.values():
                transport.forget(wire_id)
        self._say_who_is_watched()
        log.info("devices: %d bands are admitted", len(devices))

    def _admit(self, settings: Settings) -> None:
        """Bands may be of these wearers from now on; those of the configuration are those of `people`."""
        self.device_watch.renew(configured=self.people.configured, known=known_to(settings))

    def _count_on(self, record: Record) -> None:
        """The portal has seen more versions of profiles than this journal, put back, knows of."""
        for version in self.book.count_on(self.clock.now()):
            version.write(record)

    def _say_who_is_watched(self) -> None:
        """Journal who is watched, and by which profiles, when that changed since the last time."""
        record = Record()
        fresh, self.book.fresh = self.book.fresh, []
        for version in fresh:
            version.write(record)
        self.announcer.tell(record, self.clock.now())
        self.duty.tell(record, self.clock.now())
        self.bands_announcer.tell(*self.device_watch.everything, record, self.clock.now())
        if record.events:
            self.journal.append(record)

    def _timer_due(self, owner: str, name: str, due_at: datetime) -> None:
        self.engine.timer_due(owner, name, due_at)

    def _codec_of(self, device: Device) -> Any:
        """The codec that speaks with this band now (a watch is answered as its make speaks), or a new one."""
        return self.intake.codec_of(device.wire_id) or plugins.make_codec(
            device.protocol, None, self.clock.now, self.intake.known
        )

    def _journal_degraded(self, reason: str | None) -> None:
        self.health.journal_trouble = reason or ""
        if reason is None:
            log.warning("the journal writes again")
        else:
            log.error("the journal cannot be written: %s", reason)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
