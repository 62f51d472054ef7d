"""What must hold between the keys of a configuration: ids are unique, references lead somewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import phonenumbers

from gateway import plugins
from gateway.config_tables import Checker
from gateway.model import AlarmKind
from geofence.shape import Circle, Polygon
from sos.plan import diallable

POSITIVE_SECONDS = ("ring_timeout_s", "rounds", "ack_timeout_s", "repeat_after_s")


def cross_check(
    checker: Checker,
    document: dict[str, Any],
    *,
    wearers: Sequence[Any],
    staff: Sequence[Any],
    sos: Any,
    transports: Mapping[str, Any],
) -> None:
    """Note every contradiction; the single keys have been checked before."""
    _unique(checker, "wearers", [wearer.id for wearer in wearers])
    devices = [device for wearer in wearers for device in wearer.devices]
    _unique(checker, "wearers[].devices", [device.id for device in devices])
    for device in devices:
        _protocol(checker, f"devices.{device.id}", device)
    for wearer in wearers:
        _unique(checker, f"wearers.{wearer.id}.contacts", [contact.id for contact in wearer.contacts])
        if not wearer.contacts and not staff:
            checker.add(
                f"wearers.{wearer.id}.contacts", "(empty)", "at least one person to tell, or [[staff]]"
            )
        for contact in wearer.contacts:
            _phone(checker, f"wearers.{wearer.id}.contacts.{contact.id}.phone", contact.phone)
        for fence in wearer.fences:
            _fence(checker, f"wearers.{wearer.id}.fences.{fence.id}", fence)
    for person in staff:
        _phone(checker, f"staff.{person.id}.phone", person.phone)
    for name, table in transports.items():
        for path, entry in _doors(name, table):
            _protocol(checker, path, entry)
    if sos is not None:
        _sos(checker, document, sos)


def _doors(name: str, table: Any) -> Iterable[tuple[str, Any]]:
    """Everything in a transport's table that names a protocol: the table itself, its ports, its listeners."""
    path = f"transports.{name}"
    if hasattr(table, "protocol") and isinstance(table.protocol, str):
        yield path, table
    for part in ("listeners", "ports"):
        for index, entry in enumerate(getattr(table, part, ())):
            yield f"{path}.{part}[{index}]", entry


def _protocol(checker: Checker, path: str, entry: Any) -> None:
    """A protocol must be known, and the table for its codec must be right."""
    codecs = plugins.names("codec")
    if entry.protocol not in codecs:
        checker.add(f"{path}.protocol", entry.protocol, "one of " + ", ".join(codecs))
    elif getattr(entry, "codec", None) is not None:
        checker.table(entry.codec, plugins.settings_of("codec", entry.protocol), f"{path}.codec")


def _sos(checker: Checker, document: dict[str, Any], sos: Any) -> None:
    configured = document.get("carriers", {})
    for name in sos.carriers:
        if name not in configured:
            checker.add("sos.carriers", name, "carriers that have a [carriers.NAME] table")
    if not sos.carriers:
        checker.add("sos.carriers", "(empty)", "at least one carrier, or nobody can be called")
    kinds = get_args(AlarmKind)
    for kind, plan in sos.plans.items():
        if kind not in kinds:
            checker.add(f"sos.plans.{kind}", "(table)", "one of " + ", ".join(kinds))
        if plan is not None:
            for name in POSITIVE_SECONDS:
                if getattr(plan, name) < 1:
                    checker.add(f"sos.plans.{kind}.{name}", getattr(plan, name), "at least 1")


def _unique(checker: Checker, path: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            checker.add(path, name, "ids that differ")
        seen.add(name)


def _phone(checker: Checker, path: str, phone: str) -> None:
    expected = "a telephone number a person answers, in E.164, such as +8613800138001"
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        checker.add(path, phone, expected)
        return
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if written != phone or not phonenumbers.is_valid_number(number) or not diallable(phone):
        checker.add(path, phone, expected)


def _fence(checker: Checker, path: str, fence: Any) -> None:
    if (fence.centre is None) == (not fence.polygon):
        checker.add(path, "(table)", "a circle (centre and radius_m) or a polygon, one of the two")
        return
    try:
        if fence.centre is None:
            Polygon(corners=fence.polygon)
        elif fence.radius_m is None:
            checker.add(f"{path}.radius_m", "(missing)", "a number")
        else:
            Circle(lat=fence.centre[0], lon=fence.centre[1], radius_m=fence.radius_m)
    except ValueError as error:
        checker.add(path, "(table)", str(error))
