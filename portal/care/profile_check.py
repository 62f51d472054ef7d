"""Everything that is wrong with a profile somebody sent, by its path; pure.

The gateway has the last word: it knows the rules' settings and the other wearers.
"""

from __future__ import annotations

import re
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
ID = re.compile(r"\S{1,64}")


def read_profile(raw: Any) -> tuple[Profile | None, Problems]:
    """Give the profile, or None and every path that is wrong."""
    problems = dict(_shape(raw, Profile, ""))
    if problems:
        return None, problems
    profile = msgspec.convert(raw, Profile)
    problems = dict(_contacts(profile)) | dict(_fences(profile))
    return (None, problems) if problems else (profile, {})


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


def _contacts(profile: Profile) -> Iterator[tuple[str, str]]:
    if not profile.name.strip():
        yield "name", "a name"
    yield from _ids("contacts", profile.contacts)
    for place, contact in enumerate(profile.contacts):
        if not contact.name.strip():
            yield f"contacts[{place}].name", "a name"
        if not _is_e164(contact.phone):
            yield f"contacts[{place}].phone", "a telephone number in E.164, such as +8613800138001"


def _fences(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from _ids("fences", profile.fences)
    for place, fence in enumerate(profile.fences):
        path = f"fences[{place}]"
        if not fence.name.strip():
            yield f"{path}.name", "a name"
        for field, expected in fence_problems(fence).items():
            yield f"{path}.{field}".rstrip("."), expected


def _ids(path: str, pieces: Any) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for place, piece in enumerate(pieces):
        if piece.id in seen or not ID.fullmatch(piece.id):
            yield f"{path}[{place}].id", "ids that differ, without spaces"
        seen.add(piece.id)


def _is_e164(phone: str) -> bool:
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return False
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written == phone and phonenumbers.is_valid_number(number)
