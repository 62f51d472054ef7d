"""Everything that is wrong with a profile somebody sent, by its path; pure.

The gateway has the last word: it knows the rules' settings and the other wearers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_type_hints

import msgspec
import phonenumbers

from gateway.fences import shape_of, view_of
from gateway.profile import ContactTable, FenceTable, Profile
from geofence.schedule import parse_line

PIECES: dict[str, type[msgspec.Struct]] = {"contacts": ContactTable, "fences": FenceTable}
Problems = dict[str, str]
"""Path to what was expected there: `contacts[0].phone`, `fences[2].schedule[0]`, `rules.vitals`."""
ID_CHARACTERS = 64
CHARACTERS = {"name": 80, "home": 160, "relation": 40}
"""What the stores of portal and gateway hold of each text."""
BORN = (1900, 2100)
MOST_BYTES = 1024 * 1024
MOST_DEPTH = 12
"""Lists and tables within each other: a hole of a part of a fence is the deepest that means anything."""
MOST_NUMBER = 2**53
ONLY_STAFF = "what it is now: staff change it"
LIMIT_KEYS = frozenset(
    {
        "heart_rate_low_bpm",
        "heart_rate_high_bpm",
        "systolic_low_mmhg",
        "systolic_high_mmhg",
        "diastolic_low_mmhg",
        "diastolic_high_mmhg",
        "spo2_low_pct",
        "body_temp_high_c",
    }
)
"""The limits that pages say in numbers."""


def read_profile(raw: Any) -> tuple[Profile | None, Problems]:
    """Give the profile, or None and every path that is wrong."""
    problems = dict(_unfit(raw, "", 0))
    if not problems and len(msgspec.json.encode(raw)) > MOST_BYTES:
        problems["profile"] = f"at most {MOST_BYTES} bytes as JSON"
    problems = problems or dict(_shape(raw, Profile, ""))
    if problems:
        return None, problems
    profile = msgspec.convert(raw, Profile)
    problems = dict(_person(profile)) | dict(_contacts(profile)) | dict(_fences(profile))
    return (None, problems) if problems else (profile, {})


def staff_only(before: Profile, after: Profile) -> Problems:
    """Give every path that only staff may change (`portal.policy.tunes_rules`) and that is changed."""
    found: Problems = {}
    if before.beidou_number != after.beidou_number:
        found["beidou_number"] = ONLY_STAFF
    for rule in sorted({*before.rules, *after.rules}):
        old, new = before.rules.get(rule, {}), after.rules.get(rule, {})
        for key in sorted({*old, *new}):
            family = rule == "vitals" and key in LIMIT_KEYS
            if not family and old.get(key) != new.get(key):
                found[f"rules.{rule}.{key}"] = ONLY_STAFF
    return found


def is_id(text: str) -> bool:
    """Whether a contact or a fence can be called so."""
    return 0 < len(text) <= ID_CHARACTERS and text.isprintable() and " " not in text


def fence_problems(fence: FenceTable) -> Problems:
    """What is wrong with a fence of the right types, by field; its shape under the empty field."""
    found: Problems = {}
    for place, line in enumerate(fence.schedule):
        try:
            parse_line(line)
        except ValueError as error:
            found[f"schedule[{place}]"] = str(error)
    steps = (0.0, *fence.escalate_m)
    if any(before >= after for before, after in pairwise(steps)):
        found["escalate_m"] = "metres that rise, such as [300, 1000]"
    try:
        shape_of(view_of(fence))
    except ValueError as error:
        found[""] = str(error)
    return found


def _unfit(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every value that cannot be sent on, or kept: no text, no number, or too deep."""
    if isinstance(value, str):
        if any(unicodedata.category(one) in {"Cc", "Cs"} for one in value):
            yield path, "text without control characters"
    elif isinstance(value, int | float):
        if not abs(value) <= MOST_NUMBER:
            yield path, "a number that is not so large"
    elif isinstance(value, dict | list):
        if depth > MOST_DEPTH:
            yield path, "nothing so deep"
            return
        named = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in named:
            if isinstance(key, str) and not key.isprintable():
                yield path or "profile", "keys of visible characters"
            else:
                where = f"[{key}]" if isinstance(key, int) else f".{key}"
                yield from _unfit(inner, f"{path}{where}".removeprefix("."), depth + 1)


def _shape(raw: Any, kind: type[msgspec.Struct], path: str) -> Iterator[tuple[str, str]]:
    """Every key of a table that is missing, unknown or of the wrong type."""
    if not isinstance(raw, dict):
        yield path or "profile", "a table"
        return
    hints = get_type_hints(kind, include_extras=True)
    dot = f"{path}." if path else ""
    for key in raw:
        if key not in hints:
            yield f"{dot}{key}", "no such key"
    for field in msgspec.structs.fields(kind):
        where = f"{dot}{field.name}"
        if field.name not in raw:
            if field.required:
                yield where, "missing"
        elif field.name in PIECES and isinstance(raw[field.name], list):
            for place, piece in enumerate(raw[field.name]):
                yield from _shape(piece, PIECES[field.name], f"{where}[{place}]")
        elif (expected := _wrong(raw[field.name], hints[field.name])) is not None:
            yield where, expected


def _wrong(value: Any, kind: Any) -> str | None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _person(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from _texts(profile, "")
    if profile.birth_year is not None and not BORN[0] <= profile.birth_year <= BORN[1]:
        yield "birth_year", f"a year from {BORN[0]} to {BORN[1]}"
    own = profile.rules.get("vitals", {})
    for key in LIMIT_KEYS & own.keys():
        if isinstance(own[key], bool) or not isinstance(own[key], int | float):
            yield f"rules.vitals.{key}", "a number"


def _texts(piece: msgspec.Struct, path: str) -> Iterator[tuple[str, str]]:
    """The texts of a table that are empty where a name must be, or too long."""
    for field, most in CHARACTERS.items():
        text = getattr(piece, field, "")
        if len(text) > most:
            yield f"{path}{field}", f"at most {most} characters"
        elif field == "name" and not text.strip():
            yield f"{path}name", "a name"


def _contacts(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from _ids("contacts", profile.contacts)
    for place, contact in enumerate(profile.contacts):
        yield from _texts(contact, f"contacts[{place}].")
        if not _is_e164(contact.phone):
            yield f"contacts[{place}].phone", "a telephone number in E.164, such as +8613800138001"


def _fences(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from _ids("fences", profile.fences)
    for place, fence in enumerate(profile.fences):
        path = f"fences[{place}]"
        yield from _texts(fence, f"{path}.")
        for field, expected in fence_problems(fence).items():
            yield f"{path}.{field}".rstrip("."), expected


def _ids(path: str, pieces: Any) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for place, piece in enumerate(pieces):
        if piece.id in seen or not is_id(piece.id):
            yield f"{path}[{place}].id", "ids that differ, of visible characters without spaces"
        seen.add(piece.id)


def _is_e164(phone: str) -> bool:
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return False
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written == phone and phonenumbers.is_valid_number(number)
