"""The simulated side of a site's configuration: what must stand at the other end of each of its wires."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from firmware_sim.settings import (
    LinkKind,
    SimBand,
    SimPhone,
    SimPhones,
    SimSettings,
    SimSky,
    SimTwilio,
    scenario_path,
)

OWN_LINKS: MappingProxyType[str, LinkKind] = MappingProxyType({"iw": "iw", "jt808": "jt808"})
"""Protocols of a TCP port with a link of their own; the others are watches."""


def settings_of(settings: Any) -> SimSettings:
    """A band for every device, on the wire its protocol has here, and the far end of every carrier.

    `settings` is the checked configuration (`gateway.config.Settings`), taken as it is:
    the simulator stands outside and knows no type of the gateway.
    """
    modem, siren, rdss = (settings.carriers.get(name) for name in ("gsm_modem", "siren", "rdss"))
    return SimSettings(
        community=settings.site.community,
        scenario=scenario_path(settings.demo.scenario),
        seed_dir=Path(settings.site.map_dir),
        bands=_bands(settings),
        twilio=_twilio(settings),
        modem_path=None if modem is None else Path(modem.path),
        siren_path=None if siren is None or not siren.path else Path(siren.path),
        sky=None
        if rdss is None
        else SimSky(
            path=Path(rdss.path),
            generation=rdss.generation,
            stations=tuple(station.card for station in settings.sos.stations),
        ),
        phones=_phones(settings),
        seed=settings.demo.seed,
        speed=settings.demo.speed,
    )


def _bands(settings: Any) -> tuple[SimBand, ...]:
    wires = settings.transports
    coap_bands = set(settings.demo.coap_bands)
    bands = []
    for wearer in settings.wearers:
        for device in wearer.devices:
            key = device.key
            if device.protocol == "senml" and device.id in coap_bands:
                wire = wires["coap"]
                bands.append(SimBand(device=device.id, link="coap", host=wire.host, port=wire.port, key=key))
            elif device.protocol == "senml":
                wire = wires["mqtt_listener"]
                bands.append(SimBand(device=device.id, link="mqtt", host=wire.host, port=wire.port, key=key))
            elif device.protocol == "nmea":
                port = next(port for port in wires["serial"].ports if port.device == device.id)
                bands.append(SimBand(device=device.id, link="serial", path=Path(port.path)))
            else:
                wire = next(one for one in wires["tcp"].listeners if one.protocol == device.protocol)
                link = OWN_LINKS.get(device.protocol, "tcp")
                bands.append(SimBand(device=device.id, link=link, host=wire.host, port=wire.port))
    return tuple(bands)


def _twilio(settings: Any) -> SimTwilio | None:
    twilio = settings.carriers.get("twilio")
    if twilio is None:
        return None
    address = urlsplit(twilio.base_url)
    return SimTwilio(
        host=address.hostname or "127.0.0.1",
        port=address.port or 0,
        account_sid=twilio.account_sid,
        auth_token=twilio.auth_token,
        text_url=f"{twilio.callback_url}/{settings.site.gateway}/text",
    )


def _phones(settings: Any) -> SimPhones | None:
    """A telephone for everybody who may be told, once."""
    if not settings.demo.phones_port:
        return None
    family = [
        SimPhone(phone=contact.phone, name=contact.name, relation=contact.relation, of=wearer.name)
        for wearer in settings.wearers
        for contact in wearer.contacts
    ]
    staff = [SimPhone(phone=person.phone, name=person.name, relation="值班") for person in settings.staff]
    phones = {one.phone: one for one in (*family, *staff)}
    return SimPhones(
        host="127.0.0.1",
        port=settings.demo.phones_port,
        phones=tuple(phones.values()),
        portal_url=settings.portal.public_url if settings.portal else "",
    )
