"""Who is watched and who is told: the configured people as rules, cascade and portal see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from zlib import crc32

import msgspec

from gateway import plugins
from gateway.bands.allow_list import Known
from gateway.bands.keys import derive
from gateway.bands.registry import Device, Registry
from gateway.config import DEFAULT_PLANS, Settings, StaffTable, WearerTable
from gateway.fences import view_of
from gateway.journal.records import EventRow, Record, Rest, to_ms
from gateway.model import ContactView, WearerView
from gateway.profile import ContactTable
from gateway.told import Roster
from sos.events import Channel
from sos.plan import Contact, Manner, Plan
from sos.shifts import parse_shift


class People:
    """All wearers of this gateway, frozen at start, and their bands, which may change while it runs."""

    def __init__(self, settings: Settings) -> None:
        self.wearers: dict[str, WearerView] = {
            wearer.id: _view(wearer, settings) for wearer in settings.wearers
        }
        self.configured = configured(settings)
        self.registry = Registry(self.configured)
        self.beidou_numbers = {wearer.id: wearer.beidou_number for wearer in settings.wearers}
        plans = DEFAULT_PLANS | settings.sos.plans
        sounds = any(Channel.SIREN in plugins.get("carrier", name).channels for name in settings.sos.carriers)
        self._plans = {
            (wearer.id, kind): _plan(wearer, plan, settings, siren=sounds)
            for wearer in settings.wearers
            for kind, plan in plans.items()
        }
        self._community = settings.site.community
        self.take(self.configured)

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

    def plan(self, wearer: str, kind: str) -> Plan | None:
        """How an alarm of this kind is told; None: the portal shows it and nobody is rung."""
        plan = self._plans.get((wearer, kind))
        if plan is None or not plan.call_back or wearer in self._call_back:
            return plan
        return dataclasses.replace(plan, call_back=False)

    def rules(self, wearer: str, settings: Settings, known: dict[str, Any]) -> dict[str, Any]:
        """The wearer's rules, built with the wearer's own settings."""
        return {
            name: rule(self.wearers[wearer], settings.wearer_rules[wearer, name])
            for name, rule in known.items()
        }


def configured(settings: Settings) -> tuple[Device, ...]:
    """The bands of config.toml."""
    return tuple(
        Device(
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
    )


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
