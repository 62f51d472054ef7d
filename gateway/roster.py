"""Who is watched and who is told: the configured people as rules, cascade and portal see them."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from gateway import plugins
from gateway.config import DEFAULT_PLANS, ContactTable, Settings, StaffTable, WearerTable
from gateway.keys import derive
from gateway.model import ContactView, FenceView, Roster, WearerView
from gateway.registry import Device, Registry
from sos.events import Channel
from sos.plan import Contact, Manner, Plan
from sos.shifts import parse_shift


class People:
    """All wearers of this gateway, frozen at start."""

    def __init__(self, settings: Settings) -> None:
        self.wearers: dict[str, WearerView] = {
            wearer.id: _view(wearer, settings) for wearer in settings.wearers
        }
        self.roster = Roster(community=settings.site.community, wearers=tuple(self.wearers.values()))
        self.registry = Registry(
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
        self.beidou_numbers = {wearer.id: wearer.beidou_number for wearer in settings.wearers}
        plans = DEFAULT_PLANS | settings.sos.plans
        sounds = any(Channel.SIREN in plugins.get("carrier", name).channels for name in settings.sos.carriers)
        self._plans = {
            (wearer.id, kind): _plan(
                wearer, plan, settings, siren=sounds, call_back=can_call_back(self.registry, wearer.id)
            )
            for wearer in settings.wearers
            for kind, plan in plans.items()
        }

    def plan(self, wearer: str, kind: str) -> Plan | None:
        """How an alarm of this kind is told; None: the portal shows it and nobody is rung."""
        return self._plans.get((wearer, kind))

    def rules(self, wearer: str, settings: Settings, known: dict[str, Any]) -> dict[str, Any]:
        """The wearer's rules, built with the wearer's own settings."""
        return {
            name: rule(self.wearers[wearer], settings.wearer_rules[wearer, name])
            for name, rule in known.items()
        }


def can_call_back(registry: Registry, wearer: str) -> bool:
    """Whether a band of this wearer can be told to ring a telephone."""
    return any(
        getattr(plugins.get("codec", device.protocol), "calls_back", False)
        for device in registry.of_wearer(wearer)
    )


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


def _plan(wearer: WearerTable, manner: Manner, settings: Settings, *, siren: bool, call_back: bool) -> Plan:
    """`siren`: this site has one; `call_back`: this wearer's band can ring a telephone."""
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
            "call_back": manner.call_back and call_back,
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
        devices=tuple(device.id for device in wearer.devices),
        contacts=(
            *(_contact_view(table, "family") for table in wearer.contacts),
            *(_contact_view(table, "staff") for table in settings.staff),
        ),
        fences=tuple(
            FenceView(
                fence=fence.id,
                name=fence.name,
                polygon=fence.polygon,
                centre=fence.centre,
                radius_m=fence.radius_m,
                exit_margin_m=fence.exit_margin_m,
            )
            for fence in wearer.fences
        ),
    )
