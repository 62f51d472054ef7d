"""The composition root of the gateway: builds the parts, runs them, and takes them down in order."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from gateway import plugins
from gateway.bands.registry import Device
from gateway.bands.watch import DeviceWatch
from gateway.capture import Captures
from gateway.clock import Clock, SystemClock
from gateway.config import Settings
from gateway.downlink.orders import DownOrder, named
from gateway.downlink.sender import Downlink
from gateway.engine import Engine
from gateway.health import Health
from gateway.incidents import Incidents
from gateway.intake import Intake
from gateway.journal.reader import JournalReader
from gateway.journal.records import EventRow, Record, Rest, from_ms
from gateway.journal.writer import JournalWriter
from gateway.ledger import JournalLedger
from gateway.local_orders import Capture, LocalAnswer, LocalOrder
from gateway.paths import control_path, devices_path, journal_path, site_of, state_path
from gateway.places import Places
from gateway.quarantine import SecondLook
from gateway.roster import People, announcement, known_to
from gateway.sync.batcher import Row
from gateway.sync.client import SyncClient
from gateway.timers import Timers
from gateway.told import ControlAnswer, PortalCommand
from gateway.transports.base import Transport
from gateway.transports.control import Control
from gateway.transports.portal_link import PortalLink
from sos.carriers.base import Carrier
from sos.dispatcher import Dispatcher
from sos.events import HangUp, LegOrder, LegReported, PlaceCall, SendBeidou, SendText, SoundSiren
from sos.recovery import owed

READY_WAIT_S = 2.0
RECENT_ALARMS = 20_000
RECENT_REFERENCES = 5000
MISSED_EVENTS = 10_000
ORDERS = {kind.__name__: kind for kind in (SendText, PlaceCall, SendBeidou, SoundSiren, HangUp)}

log = logging.getLogger(__name__)


class Gateway:
    """Every part of one gateway, wired; `run` serves until cancelled.

    `clock`, `make_journal` and `carriers` replace what the settings name, for proofs in virtual time.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        make_journal: Callable[..., JournalWriter] = JournalWriter,
        carriers: Sequence[Carrier] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.people = People(settings)
        self.path = journal_path(settings)
        self.journal = make_journal(
            self.path,
            group_commit_s=settings.journal.group_commit_ms / 1000,
            max_size_mb=settings.journal.max_size_mb,
            degraded=self._journal_degraded,
            after_commit=self._after_commit,
        )
        self.reader = JournalReader(self.path)
        self._first_seq = self.journal.seq
        self._roster_digest = self.reader.mark("roster_digest")
        self.device_watch = DeviceWatch(
            devices_path(settings),
            configured=self.people.configured,
            known=known_to(settings),
            take=self._take_devices,
            followed=self.reader.mark("device_changes"),
            follow=lambda number: self.journal.append(Record(rest=Rest(marks={"device_changes": number}))),
        )
        self.timers = Timers(self.clock, self._timer_due)
        self.incidents = Incidents(
            people=self.people,
            timers=self.timers,
            place=Places(Path(settings.site.map_dir)).words,
            link=self._link,
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
        wait_s = settings.sos.max_commit_wait_ms / 1000
        rules = {name: plugins.get("rule", name) for name in plugins.names("rule")}
        self.engine = Engine(
            rules={wearer: self.people.rules(wearer, settings, rules) for wearer in self.people.wearers},
            incidents=self.incidents,
            orders=self.downlink,
            journal=self.journal,
            timers=self.timers,
            clock=self.clock,
            carry_out=self._carry_out,
            leg_status=self._leg_status,
            leg_of=self._leg_of,
            max_commit_wait_s=wait_s,
        )
        self.ledger = JournalLedger(
            journal=self.journal, leg_known=self.engine.leg_known, need=self.incidents.need
        )
        self.dispatcher = Dispatcher(
            ledger=self.ledger,
            carriers=carriers or [self._carrier(name) for name in settings.sos.carriers],
            now=self.clock.now,
            settle_s=settings.sos.settle_s,
            max_intent_wait_s=wait_s,
            relay_up=self._relay_up,
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
        self.control = Control(control_path(settings), obey=self._obey, execute=self._execute)
        for name, table in settings.transports.items():
            self.transports[name] = plugins.get("transport", name)(table, self.intake, site)
        self.sync: SyncClient | None = None
        self.portal_link: PortalLink | None = None

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
        self._restore()
        self._announce_roster()
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

                start(inner, "timers", self.timers.run())
                start(inner, "dispatcher", self.dispatcher.run())
                start(inner, "downlink", self.downlink.run())
                start(inner, "health", self.health.run())
                start(inner, "devices", self.device_watch.run())
                start(outer, "control", self.control.run())
                self._resume()
                if self.settings.portal_link is not None:
                    self._link_portal()
                    assert self.sync is not None
                    assert self.portal_link is not None
                    start(inner, "sync", self.sync.run())
                    start(outer, "portal-link", self.portal_link.run())
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

    def _restore(self) -> None:
        """Take over what the last run left: states, incidents, legs, timers."""
        reader = self.reader
        self.engine.restore(reader.states())
        self.incidents.restore(
            (row["body"] for row in reader.open_incidents()),
            reader.recent_alarm_ids(RECENT_ALARMS),
            reader.step_counts(),
        )
        self._intended = {self.ledger.take_slot(row) for row in reader.legs_of_open_incidents()}
        self._unsettled = self.ledger.restore(
            reader.unsettled_legs(), reader.leg_references(RECENT_REFERENCES), self.clock.now()
        )
        self.timers.restore((row["owner"], row["name"], from_ms(row["due_ms"])) for row in reader.timers())

    def _resume(self) -> None:
        """Carry on: legs whose end is unknown are settled, effects not yet done are carried out."""
        self.dispatcher.resume(self._unsettled)
        for row in self.reader.open_outbox():
            key = (row["seq"], row["position"])
            try:
                order: Any = msgspec.json.decode(row["body"], type=ORDERS.get(row["kind"], DownOrder))
            except msgspec.DecodeError as error:  # it stays in the outbox, for whoever can read it
                log.critical("order %s cannot be read and is left out: %s", key, error)
                continue
            placed = isinstance(order, LegOrder) and self.ledger.knows(order.leg)
            useless = isinstance(order, LegOrder) and not self.incidents.wants(order.leg)
            order = named(order, key, from_ms(row["received_ms"])) if row["kind"] == "Down" else order
            if placed or useless:
                self._done(key)
            else:
                self._carry_out(row["kind"], order, key)
        for incident in self.incidents:
            for order in owed(incident, self._intended, self.clock.now()):
                self.dispatcher.execute(order)

    def _link_portal(self) -> None:
        link = self.settings.portal_link
        assert link is not None
        self.sync = SyncClient(
            url=link.url,
            gateway=self.settings.site.gateway,
            token=link.token,
            batch_events=link.batch_events,
            read=self._read_events,
            last_seq=self.reader.last_seq,
            overtaken=self._overtaken,
        )
        self.portal_link = PortalLink(
            url=link.url,
            gateway=self.settings.site.gateway,
            token=link.token,
            poll_s=link.poll_s,
            last_number=self.reader.mark("command_number"),
            ordered=self.engine.ordered,
        )

    def _announce_roster(self) -> None:
        """Journal who is watched, when that changed since the last time."""
        digest, record = announcement(self.people.roster, self.clock.now())
        if digest != self._roster_digest:
            self._roster_digest = digest
            self.journal.append(record)

    # ------------------------------------------------------------------ the small wires between the parts

    def _take_devices(self, devices: tuple[Device, ...]) -> None:
        """Admit these bands from now on; who is not among them any more loses its line."""
        for wire_id in self.people.take(devices):
            self.intake.forget(wire_id)
            for transport in self.transports.values():
                transport.forget(wire_id)
        self._announce_roster()
        log.info("devices: %d bands are admitted", len(devices))

    def _timer_due(self, owner: str, name: str, due_at: datetime) -> None:
        self.engine.timer_due(owner, name, due_at)

    def _carry_out(self, kind: str, order: Any, key: tuple[int, int]) -> None:
        if kind == "Down":
            self.downlink.send(order, key)
        elif kind == "HangUp":
            self.dispatcher.execute(order)
            self._done(key)
        else:
            self.ledger.expect(order.leg.leg_id, key)
            self.dispatcher.execute(order)

    def _done(self, key: tuple[int, int]) -> None:
        self.journal.append(Record(rest=Rest(done=[key])))

    def _leg_status(self, command: PortalCommand) -> None:
        state = plugins.get("carrier", "twilio").state_of(command.status or "")
        if command.leg and state is not None:
            self.dispatcher.carrier_report(
                LegReported(
                    leg_id=command.leg,
                    state=state,
                    at=self.clock.now(),
                    carrier="twilio",
                    sequence=command.sequence,
                ),
                reference=command.carrier_ref,
            )

    def _codec_of(self, device: Device) -> Any:
        """The codec that speaks with this band now (a watch is answered as its make speaks), or a new one."""
        return self.intake.codec_of(device.wire_id) or plugins.make_codec(
            device.protocol, None, self.clock.now, self.intake.known
        )

    def _leg_of(self, leg_id: str) -> str:
        return self.ledger.leg_of(leg_id)

    def _read_events(self, after: int, limit: int) -> list[Row]:
        return [
            Row(row["seq"], from_ms(row["at_ms"]), row["payload"])
            for row in self.reader.events(after=after, limit=limit)
        ]

    def _overtaken(self, through_seq: int) -> None:
        """The portal knows an older journal of ours: number on above it, and say again what it missed."""
        log.warning("this journal is younger than the portal's copy of it; numbering on from %d", through_seq)
        missed = self.reader.events(after=self._first_seq, limit=MISSED_EVENTS)
        rows = [EventRow(**{name: row[name] for name in EventRow._fields}) for row in missed]
        self.journal.append(Record(rows, rest=Rest(skip_to=through_seq), urgent=True))

    def _after_commit(self) -> None:
        if self.sync is not None:
            self.sync.wake()

    def _link(self, incident_id: str) -> str:
        """A short address of the incident's page, for the texts; empty where there is no portal."""
        portal, link = self.settings.portal, self.settings.portal_link
        base = portal.public_url if portal else link.public_url or link.url if link else ""
        return f"{base.rstrip('/')}/i/{incident_id}" if base else ""

    def _relay_up(self) -> bool:
        """Whether keys pressed in a Twilio call would reach us."""
        return self.portal_link is not None and self.portal_link.connected

    async def _obey(self, command: PortalCommand) -> ControlAnswer:
        """An order given on this box; answers after its commit."""
        done = asyncio.Event()
        refusal = self.engine.ordered_here(command, lambda _: done.set())
        if refusal is not None:
            return ControlAnswer(done=False, reason=refusal)
        await done.wait()
        made = None
        if command.name == "drill" and command.wearer is not None:
            made = self.incidents.of(command.wearer, command.kind or "sos", drill=True)
        incident, ref = (made.incident_id, made.ref) if made else ("", "")
        return ControlAnswer(done=True, incident=incident, ref=ref)

    def _execute(self, order: LocalOrder) -> AsyncGenerator[LocalAnswer, None]:
        """An order that only this box may give."""
        return self.captures.record(order) if isinstance(order, Capture) else self.look.replay(order)

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
