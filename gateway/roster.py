"""Who is watched and who is told: the configured people as rules, cascade and portal see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol
from zlib import crc32

import msgspec

from gateway import plugins
from gateway.bands.allow_list import Known, StoredDevice
from gateway.bands.keys import derive
from gateway.bands.registry import Device, Registry
from gateway.config import DEFAULT_PLANS, DeviceTable, Settings, StaffTable, WearerTable
from gateway.fences import view_of
from gateway.journal.records import EventRow, Record, Rest, from_ms, to_ms
from gateway.model import ContactView, WearerView
from gateway.profile import ContactTable
from gateway.told import Roster
from gateway.told_orders import BandsTold, BandView
from sos.events import Channel
from sos.plan import Contact, Manner, Plan
from sos.shifts import parse_shift


class Duty(Protocol):
    """What is asked of the duty calendar (`gateway.duty`)."""

    def staff(self, configured: Sequence[Contact], at: datetime) -> tuple[Contact, ...]:
        """The staff of an alarm that opens at that time."""
        ...

    def find(self, contact: str) -> Contact | None:
        """A person of the staff, by the id of the configuration or of the calendar."""
        ...


Made = Mapping[tuple[str, DeviceTable], Device]


class People:
    """All wearers of this gateway and their bands; both may change while it runs.

    `renew` and `become` are the only ways in which wearers, contacts and plans change.
    An incident holds the plan and the name it was opened with; a new plan is for the next one.
    """

    def __init__(self, settings: Settings, *, before: People | None = None) -> None:
        """`before` knows the bands of the configuration before: one that is the same keeps its keys."""
        self.wearers: dict[str, WearerView] = {}
        self.beidou_numbers: dict[str, int | None] = {}
        self._plans: dict[tuple[str, str], Plan] = {}
        self._family: dict[str, tuple[Contact, ...]] = {}
        self.duty: Duty | None = None
        self._community = settings.site.community
        self._write(settings, settings.wearers)
        self.made: Made = _made(settings, {} if before is None else before.made)
        self.configured = tuple(self.made.values())
        self.registry = Registry(self.configured)
        self.take(self.configured)

    def _write(self, settings: Settings, wearers: Iterable[WearerTable]) -> None:
        plans = DEFAULT_PLANS | settings.sos.plans
        sounds = any(Channel.SIREN in plugins.get("carrier", name).channels for name in settings.sos.carriers)
        self._site_name = settings.site.name
        self.staff = tuple(_contact(table, "staff") for table in settings.staff)
        for wearer in wearers:
            self._family[wearer.id] = tuple(_contact(table, "family") for table in wearer.contacts)
            self.wearers[wearer.id] = _view(wearer, settings)
            self.beidou_numbers[wearer.id] = wearer.beidou_number
            for kind, plan in plans.items():
                self._plans[wearer.id, kind] = _plan(wearer, plan, settings, siren=sounds)

    def renew(self, settings: Settings, wearers: Collection[str]) -> None:
        """These wearers are as the settings say from now on; one who was not known is known then."""
        self._write(settings, [wearer for wearer in settings.wearers if wearer.id in wearers])
        self.take(self.registry)

    def become(self, other: People) -> None:
        """Everybody is as in `other`, made beside the loop; the bands admitted now stay as they are."""
        self.wearers, self.beidou_numbers = other.wearers, other.beidou_numbers
        self._plans, self.made, self.configured = other._plans, other.made, other.configured
        self._family, self.staff, self._site_name = other._family, other.staff, other._site_name
        self.take(self.registry)

    def take(self, devices: Iterable[Device]) -> tuple[str, ...]:
        """Take a new list of bands; gives the wire ids that are gone, or whose band or key is another now."""
        gone = self.registry.replace(devices)
        bands: dict[str, list[str]] = {}
        for device in self.registry:
            bands.setdefault(device.wearer, []).append(device.device)
        for name, view in self.wearers.items():
            self.wearers[name] = msgspec.structs.replace(view, devices=tuple(bands.get(name, ())))
        self._call_back = {device.wearer for device in self.registry if calls_back(device.protocol)}
        self.roster = Roster(community=self._community, wearers=tuple(self.wearers.values()))
        return gone

    def plan(self, wearer: str, kind: str, at: datetime | None = None) -> Plan | None:
        """How an alarm of this kind is told; None: the portal shows it and nobody is rung.

        `at` is when it opens: who has a turn of the duty calendar from then on is among the staff.
        """
        plan = self._plans.get((wearer, kind))
        if plan is None:
            return None
        staff = plan.staff if at is None or self.duty is None else self.duty.staff(plan.staff, at)
        calls_back = plan.call_back and wearer in self._call_back
        return dataclasses.replace(plan, call_back=calls_back, staff=staff)

    def person(self, wearer: str, contact: str) -> tuple[Contact, str] | None:
        """A contact of a wearer, or without a wearer one of the staff; and about whom they are told."""
        if wearer and wearer not in self.wearers:
            return None
        people = self._family.get(wearer, ()) if wearer else self.staff
        found = next((one for one in people if one.contact == contact), None)
        if not wearer and self.duty is not None:
            found = self.duty.find(contact)
        about = self.wearers[wearer].name if wearer else self._site_name
        return None if found is None else (found, about)

    def rules(self, wearer: str, settings: Settings, known: Mapping[str, Any]) -> dict[str, Any]:
        """The wearer's rules, built with the wearer's own settings."""
        return {
            name: rule(self.wearers[wearer], settings.wearer_rules[wearer, name])
            for name, rule in known.items()
        }


def configured(settings: Settings) -> tuple[Device, ...]:
    """The bands of config.toml."""
    return tuple(_made(settings, {}).values())


def _made(settings: Settings, before: Made) -> Made:
    """The bands of config.toml by wearer and table; keys are salted, so those made before are used again."""
    return {
        (wearer.id, device): before.get((wearer.id, device))
        or Device(
            device=device.id,
            protocol=device.protocol,
            wearer=wearer.id,
            keys=derive(device.key),
            model=device.model,
            serial=device.serial,
            name=device.name,
        )
        for wearer in settings.wearers
        for device in wearer.devices
    }


def known_to(settings: Settings) -> Known:
    """What a band of this gateway may refer to."""
    return Known(
        wearers=frozenset(wearer.id for wearer in settings.wearers),
        protocols=frozenset(plugins.names("codec")),
        models={name: profile.protocol for name, (profile, _) in settings.models.items()},
    )


def announcement(roster: Roster, at: datetime) -> tuple[int, Record]:
    """The digest of a roster, and the record that tells it to the portal and remembers the digest."""
    body = msgspec.json.encode(roster)
    digest, at_ms = crc32(body), to_ms(at)
    row = EventRow(at_ms, at_ms, "roster", None, None, None, body, None)
    return digest, Record([row], rest=Rest(marks={"roster_digest": digest}))


class Announcer:
    """Tells the portal who is watched, whenever that is not what it was told last; `digest` is of that."""

    def __init__(self, people: People, digest: int) -> None:
        self._people = people
        self._digest = digest

    def tell(self, record: Record, at: datetime) -> None:
        """Write it into a record, first of all: what comes behind may be about somebody new."""
        digest, told = announcement(self._people.roster, at)
        if digest != self._digest:
            self._digest = digest
            record.events[:0] = told.events
            record.rest.marks |= told.rest.marks


class BandsAnnouncer:
    """Tells the portal every band, whenever they are not what it was told last; `digest` is of that."""

    def __init__(self, digest: int) -> None:
        self._digest = digest

    def tell(
        self, stored: Sequence[StoredDevice], configured: Sequence[Device], record: Record, at: datetime
    ) -> None:
        """Write them into a record: those of the store, and those of the file it does not speak of."""
        told = BandsTold(bands=tuple(_band_views(stored, configured)))
        body = msgspec.json.encode(told)
        digest, at_ms = crc32(body), to_ms(at)
        if digest != self._digest:
            self._digest = digest
            record.events.append(EventRow(at_ms, at_ms, "bands", None, None, None, body, None))
            record.rest.marks["bands_digest"] = digest


def _band_views(stored: Sequence[StoredDevice], configured: Sequence[Device]) -> Iterable[BandView]:
    known = {row.device for row in stored}
    for row in stored:
        at = from_ms(row.changed_ms)
        yield msgspec.structs.replace(_band_view(row.as_device(), row.state, "store"), changed_at=at)
    for device in configured:
        if device.device not in known:
            yield _band_view(device, "active", "file")


def _band_view(
    device: Device, state: Literal["active", "revoked"], source: Literal["file", "store"]
) -> BandView:
    return BandView(
        device=device.device,
        wire_id=device.wire_id,
        protocol=device.protocol,
        wearer=device.wearer,
        state=state,
        key="set" if device.keys.verifier else "none",
        source=source,
        model=device.model,
        serial=device.serial,
        name=device.name,
    )


def calls_back(protocol: str) -> bool:
    """Whether a band of this protocol can be told to ring a telephone."""
    return getattr(plugins.get("codec", protocol), "calls_back", False)


def _contact(table: ContactTable, role: str) -> Contact:
    return Contact(
        contact=table.id,
        name=table.name,
        phone=table.phone,
        role=role,
        relation=table.relation,
        lang=table.lang,
        shifts=tuple(map(parse_shift, table.shifts)) if isinstance(table, StaffTable) else (),
    )


def _plan(wearer: WearerTable, manner: Manner, settings: Settings, *, siren: bool) -> Plan:
    """`siren`: this site has one. Whether a band can ring back is asked when the plan is used."""
    plain = dataclasses.asdict(manner)
    return Plan(
        **plain
        | {
            "family": tuple(_contact(table, "family") for table in wearer.contacts),
            "staff": tuple(_contact(table, "staff") for table in settings.staff),
            "stations": tuple(
                Contact(contact=one.id, name=one.name, phone=one.card, role="station")
                for one in settings.sos.stations
            ),
            "siren": manner.siren and siren,
        }
    )


def _contact_view(table: ContactTable, role: Literal["family", "staff"]) -> ContactView:
    return ContactView(
        contact=table.id, name=table.name, phone=table.phone, relation=table.relation, role=role
    )


def _view(wearer: WearerTable, settings: Settings) -> WearerView:
    return WearerView(
        wearer=wearer.id,
        name=wearer.name,
        birth_year=wearer.birth_year,
        home=wearer.home,
        contacts=(
            *(_contact_view(table, "family") for table in wearer.contacts),
            *(_contact_view(table, "staff") for table in settings.staff),
        ),
        fences=tuple(view_of(fence) for fence in wearer.fences),
    )
