"""Who is told about an alarm, how, and in which order; pure data with its defaults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sos.shifts import Duty, Shift, on_duty

E164 = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)
CHINESE_E164 = re.compile(r"\+86[1-9][0-9]{9,11}", re.ASCII)

CARD = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person who can be told; `phone` is E.164, `lang` is "zh" or "en".

    `shifts` are the weekly hours of a person of the staff, empty where always; `duty` are the turns that
    a duty calendar gives them, and `rota` says that only the calendar names them.
    A station's `phone` is its BeiDou card number and its role "station"; the siren's role is "site".
    """

    contact: str
    name: str
    phone: str
    role: str = "family"
    relation: str = ""
    lang: str = "zh"
    shifts: tuple[Shift, ...] = ()
    duty: tuple[Duty, ...] = ()
    rota: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """[sos.plans.KIND]: how loud an alarm of one kind is; the defaults are those of an SOS.

    `calls_after_s` is 0 when ringing starts at once;
    a gentler plan texts first and rings only if nobody acknowledged in that time.
    `position_text_interval_s` 0 sends no position texts.
    `acks_wanted` people must press 1 before nobody else is rung.
    `call_back` offers key 3: take it, and have the wearer's band ring this telephone.
    `siren` sounds the siren on the spot when everybody was rung in vain, or nobody could be reached.
    """

    texts: bool = True
    calls: bool = True
    calls_after_s: int = 0
    ring_timeout_s: int = 25
    rounds: int = 3
    ack_timeout_s: int = 900
    repeat_after_s: int = 300
    position_text_interval_s: int = 120
    cancel_window_s: int = 60
    acks_wanted: int = 1
    call_back: bool = True
    siren: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Manner):
    """Whom to tell, and how.

    `family` and `staff` are in ringing order; staff are rung after `rounds` rounds of the family.
    `stations` receive a BeiDou short message when no telephone can be reached.
    `call_back` is true only where the wearer's band can ring a telephone,
    `siren` only where the gateway has one.
    """

    family: tuple[Contact, ...]
    staff: tuple[Contact, ...] = ()
    stations: tuple[Contact, ...] = ()


def on_duty_now(staff: Sequence[Contact], at: datetime) -> tuple[Contact, ...]:
    """Whose business it is at that time, in ringing order.

    1. Those whose turn of the calendar it is, by its order.
    2. Where it is nobody's, those whose weekly hours it is, without those whom only the calendar names.
    """

    def turn(one: Contact) -> int:
        return min(duty.order for duty in one.duty if duty.covers(at))

    called = [one for one in staff if any(duty.covers(at) for duty in one.duty)]
    if called:
        return tuple(sorted(called, key=turn))
    return tuple(one for one in staff if not one.rota and on_duty(one.shifts, at))


def diallable(phone: str) -> bool:
    """Whether the machine may ring or text this number.

    E.164 only (ITU-T E.164: 8 to 15 digits here), so no short number in any form:
    not 110, 119, 120 or 122, not +86110, and not an area code before one of them (+86755110),
    because a whole Chinese number has at least ten digits behind +86.
    """
    return bool((CHINESE_E164 if phone.startswith("+86") else E164).fullmatch(phone))


def problems(plan: Plan) -> tuple[str, ...]:
    """Everything wrong with a plan, as sentences; empty when it can be used."""
    found = [
        f"{person.name} ({person.contact}): {person.phone!r} is no full telephone number in E.164; "
        "emergency and other short numbers are never dialled by the machine"
        for person in (*plan.family, *plan.staff)
        if not diallable(person.phone)
    ]
    found += [
        f"{station.name} ({station.contact}): {station.phone!r} is no BeiDou card number (digits only)"
        for station in plan.stations
        if not CARD.fullmatch(station.phone)
    ]
    for ladder, people in (("family", plan.family), ("staff", plan.staff), ("stations", plan.stations)):
        names = [person.contact for person in people]
        found += [
            f"{ladder}: {name} stands there twice" for name in sorted(set(names)) if names.count(name) > 1
        ]
    at_least = {
        "ring_timeout_s": 5,
        "rounds": 1,
        "ack_timeout_s": 30,
        "repeat_after_s": 10,
        "calls_after_s": 0,
        "position_text_interval_s": 0,
        "cancel_window_s": 0,
        "acks_wanted": 1,
    }
    found += [
        f"{key} is {getattr(plan, key)}: at least {least}"
        for key, least in at_least.items()
        if getattr(plan, key) < least
    ]
    return tuple(found)
