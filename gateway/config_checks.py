"""What must hold between the keys of a configuration: ids are unique, references lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, get_args

import phonenumbers

from gateway import plugins
from gateway.config_tables import Checker
from gateway.fences import shape_of, view_of
from gateway.model import AlarmKind
from geofence.schedule import parse_line
from sos.beidou import MOST_NUMBER
from sos.events import Channel
from sos.plan import diallable
from sos.shifts import parse_shift

CARD = re.compile(r"[0-9]{6,7}", re.ASCII)
AT_LEAST = {
    "ring_timeout_s": 1,
    "rounds": 1,
    "ack_timeout_s": 1,
    "repeat_after_s": 1,
    "acks_wanted": 1,
    "calls_after_s": 0,
    "position_text_interval_s": 0,
    "cancel_window_s": 0,
}
AT_MOST = 604_800
"""A week of seconds: no clock can hold what some larger numbers ask for."""
MOST_CONTACTS = 100
MOST_FENCES = 200
MOST_LINES = 100
"""Of a fence's schedule and of its escalation.
Every fix is held against all of this while nobody else is heard; a map of the town is not one wearer's."""


def cross_check(
    checker: Checker,
    document: dict[str, Any],
    *,
    wearers: Sequence[Any],
    staff: Sequence[Any],
    sos: Any,
    transports: Mapping[str, Any],
    models: Mapping[str, Any],
    mode: str,
) -> None:
    """Note every contradiction; the single keys have been checked before."""
    _wearers(checker, wearers, staffed=bool(staff), models=models)
    _staff(checker, staff)
    _one_name_each(checker, wearers, staff, sos.stations if sos is not None else ())
    for name, table in transports.items():
        for path, entry in _doors(name, table):
            _protocol(checker, path, entry)
    if sos is not None:
        _sos(checker, document, sos, mode=mode)


def _wearers(checker: Checker, wearers: Sequence[Any], *, staffed: bool, models: Mapping[str, Any]) -> None:
    _unique(checker, "wearers", [wearer.id for wearer in wearers])
    devices = [device for wearer in wearers for device in wearer.devices]
    _unique(checker, "wearers[].devices", [device.id for device in devices])
    for device in devices:
        _protocol(checker, f"devices.{device.id}", device)
        _model(checker, f"devices.{device.id}", device, models)
    numbers = [wearer.beidou_number for wearer in wearers if wearer.beidou_number is not None]
    _unique(checker, "wearers[].beidou_number", numbers)
    for wearer in wearers:
        check_profile(checker, f"wearers.{wearer.id}", wearer, staffed=staffed)


def check_profile(checker: Checker, path: str, profile: Any, *, staffed: bool) -> None:
    """Note what is wrong with one wearer's profile, seen alone; `staffed`: there is somebody else to tell."""
    number = profile.beidou_number
    if number is not None and not 0 <= number <= MOST_NUMBER:
        checker.add(f"{path}.beidou_number", number, f"0 to {MOST_NUMBER}")
    _at_most(checker, f"{path}.contacts", profile.contacts, MOST_CONTACTS)
    _unique(checker, f"{path}.contacts", [contact.id for contact in profile.contacts])
    if not profile.contacts and not staffed:
        checker.add(f"{path}.contacts", "(empty)", "at least one person to tell, or [[staff]]")
    for contact in profile.contacts:
        _phone(checker, f"{path}.contacts.{contact.id}.phone", contact.phone)
    _unique(checker, f"{path}.fences", [fence.id for fence in profile.fences])
    if not _at_most(checker, f"{path}.fences", profile.fences, MOST_FENCES):
        return
    for fence in profile.fences:
        check_fence(checker, f"{path}.fences.{fence.id}", fence)


def _staff(checker: Checker, staff: Sequence[Any]) -> None:
    _unique(checker, "staff", [person.id for person in staff])
    for person in staff:
        _phone(checker, f"staff.{person.id}.phone", person.phone)
        for shift in person.shifts:
            try:
                parse_shift(shift)
            except ValueError as error:
                checker.add(f"staff.{person.id}.shifts", shift, str(error))


def _one_name_each(
    checker: Checker, wearers: Sequence[Any], staff: Sequence[Any], stations: Sequence[Any]
) -> None:
    """An id stands for one telephone in an incident: staff of a relative's id would never be rung."""
    others = {person.id: person.phone for person in staff}
    for station in stations:
        if station.id in others:
            checker.add("sos.stations", station.id, "an id no member of the staff has")
        others[station.id] = station.card
    for wearer in wearers:
        check_names(checker, f"wearers.{wearer.id}", wearer.contacts, others)


def check_names(checker: Checker, path: str, contacts: Iterable[Any], others: Mapping[str, str]) -> None:
    """Note contacts whose id is that of another telephone; `others` maps staff and stations to theirs."""
    for contact in contacts:
        if others.get(contact.id, contact.phone) != contact.phone:
            expected = "an id that no other person of [[staff]] and no station has"
            checker.add(f"{path}.contacts", contact.id, expected)


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


def _model(checker: Checker, path: str, device: Any, models: Mapping[str, Any]) -> None:
    """A band's model must be there, and speak the band's protocol."""
    if not device.model:
        return
    model = models.get(device.model)
    if model is None:
        checker.add(f"{path}.model", device.model, "a file of site.models_dir: " + ", ".join(models))
    elif model.protocol != device.protocol:
        checker.add(f"{path}.model", device.model, f"a model that speaks {device.protocol}")


def _sos(checker: Checker, document: dict[str, Any], sos: Any, *, mode: str) -> None:
    channels = _carriers(checker, document, sos, mode=mode)
    if not channels & {Channel.CALL, Channel.TEXT}:
        shown = "(empty)" if not sos.carriers else ", ".join(sos.carriers)
        checker.add("sos.carriers", shown, "at least one carrier of calls or texts, or nobody can be told")
    if sos.stations and Channel.BEIDOU not in channels:
        checker.add("sos.stations", "(table)", 'a carrier of BeiDou short messages in sos.carriers ("rdss")')
    _unique(checker, "sos.stations", [station.id for station in sos.stations])
    for station in sos.stations:
        if not CARD.fullmatch(station.card):
            expected = "a BeiDou card number of 6 or 7 digits"
            checker.add(f"sos.stations.{station.id}.card", station.card, expected)
    if sos.max_commit_wait_ms < 1:
        checker.add(
            "sos.max_commit_wait_ms", sos.max_commit_wait_ms, "at least 1, or nothing waits for the disk"
        )
    if not sos.settle_s > 0:
        checker.add("sos.settle_s", sos.settle_s, "more than 0, or an unclear call is made twice")
    for kind, plan in sos.plans.items():
        _plan(checker, kind, plan)


def _carriers(checker: Checker, document: dict[str, Any], sos: Any, *, mode: str) -> set[Channel]:
    """What the named carriers can do together."""
    configured = document.get("carriers", {})
    channels: set[Channel] = set()
    for name in sos.carriers:
        if name not in configured:
            checker.add("sos.carriers", name, "carriers that have a [carriers.NAME] table")
        if name in plugins.names("carrier"):
            carrier = plugins.get("carrier", name)
            channels |= carrier.channels
            if getattr(carrier, "demo_only", False) and mode != "demo":
                checker.add("sos.carriers", name, 'real carriers; this one only pretends, in mode = "demo"')
    return channels


def _plan(checker: Checker, kind: str, plan: Any) -> None:
    kinds = get_args(AlarmKind)
    if kind not in kinds:
        checker.add(f"sos.plans.{kind}", "(table)", "one of " + ", ".join(kinds))
    if plan is not None:
        for name, least in AT_LEAST.items():
            value = getattr(plan, name)
            if value < least:
                checker.add(f"sos.plans.{kind}.{name}", value, f"at least {least}")
            elif value > AT_MOST:
                checker.add(f"sos.plans.{kind}.{name}", value, f"at most {AT_MOST}")
        if not (plan.texts or plan.calls):
            checker.add(f"sos.plans.{kind}", "(table)", "texts or calls, or nobody is told")


def _at_most(checker: Checker, path: str, many: Sequence[Any], most: int) -> bool:
    if len(many) > most:
        checker.add(path, f"({len(many)})", f"at most {most}")
    return len(many) <= most


def _unique(checker: Checker, path: str, ids: Iterable[Any]) -> None:
    seen: set[Any] = set()
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


def check_schedules(
    checker: Checker, wearers: Sequence[Any], wearer_rules: Mapping[tuple[str, str], Any]
) -> None:
    """Note schedules of fences that cannot be read, or name holidays where none are known."""
    for wearer in wearers:
        check_schedule(checker, f"wearers.{wearer.id}", wearer.fences, wearer_rules.get((wearer.id, "fence")))


def check_schedule(checker: Checker, path: str, fences: Iterable[Any], settings: Any) -> None:
    """Note the same of one wearer's fences; `settings` are those of the rule, None where they are wrong."""
    for fence in fences:
        for line in fence.schedule:
            here = f"{path}.fences.{fence.id}.schedule"
            try:
                on = parse_line(line).on
            except ValueError as error:
                checker.add(here, line, str(error))
                continue
            if on != "any" and settings is not None and not settings.holidays:
                checker.add(here, line, "a list of public holidays in site.holidays_file")


def check_fence(checker: Checker, path: str, fence: Any) -> None:
    """Note what is wrong with one `[[wearers.fences]]` table."""
    for name in ("schedule", "escalate_m"):
        _at_most(checker, f"{path}.{name}", getattr(fence, name), MOST_LINES)
    if any(before >= after for before, after in pairwise((0.0, *fence.escalate_m))):
        checker.add(f"{path}.escalate_m", list(fence.escalate_m), "metres that rise, such as [300, 1000]")
    try:
        shape_of(view_of(fence))
    except ValueError as error:
        checker.add(path, "(table)", str(error))
