"""What differs between two profiles, piece by piece; pure.

A piece is a contact, a fence, one setting of a rule, the order of the contacts, or a fact about the person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from gateway.profile import ContactTable, FenceTable, Profile

SHOWN_DIGITS = 4
PERSON = ("name", "birth_year", "home", "beidou_number")
GROUND = ("centre", "radius_m", "polygon", "holes", "line", "half_width_m", "parts", "datum")
"""The fields of a fence that say where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field: what it was and what it is; None where there was, or is, no value."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One piece that was added, removed or changed, or the contacts' order (`moved`).

    `id` and `name` are those of the contact or the fence; of a setting, its rule and its key.
    """

    part: Literal["person", "contact", "fence", "rule"]
    kind: Literal["added", "removed", "changed", "moved"]
    id: str = ""
    name: str = ""
    fields: tuple[Difference, ...] = ()


def changes(before: Profile, after: Profile) -> list[Change]:
    """Give what is to be done to `before` to make it `after`; nothing where they are alike."""
    found = list(_person(before, after))
    found += _pieces("contact", before.contacts, after.contacts)
    kept = {one.id for one in before.contacts} & {one.id for one in after.contacts}
    if _order(before.contacts, kept) != _order(after.contacts, kept):
        found.append(Change(part="contact", kind="moved"))
    found += _pieces("fence", before.fences, after.fences)
    return [*found, *_rules(before.rules, after.rules)]


def audit_words(found: Sequence[Change]) -> str:
    """Say changes in codes for the record: telephone numbers masked, places not at all."""
    return "; ".join(_audit(change) for change in found)


def masked_phone(phone: str) -> str:
    """Give a telephone number with all but its last digits hidden."""
    return f"****{phone[-SHOWN_DIGITS:]}"


def digest(piece: object) -> str:
    """Give a short name of what a piece says, to tell later whether it still says so."""
    return hashlib.sha256(msgspec.json.encode(piece, order="sorted")).hexdigest()[:16]


def _person(before: Profile, after: Profile) -> Iterator[Change]:
    fields = _fields(before, after, PERSON)
    if fields:
        yield Change(part="person", kind="changed", name=after.name, fields=fields)


def _pieces(
    part: Literal["contact", "fence"],
    before: Sequence[ContactTable] | Sequence[FenceTable],
    after: Sequence[ContactTable] | Sequence[FenceTable],
) -> Iterator[Change]:
    old = {one.id: one for one in before}
    new = {one.id: one for one in after}
    for name, piece in old.items():
        if name not in new:
            yield Change(part=part, kind="removed", id=name, name=piece.name)
    for name, piece in new.items():
        if name not in old:
            yield Change(part=part, kind="added", id=name, name=piece.name)
        elif fields := _fields(old[name], piece, piece.__struct_fields__):
            yield Change(part=part, kind="changed", id=name, name=piece.name, fields=fields)


def _rules(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[Change]:
    for rule in sorted({*before, *after}):
        old, new = before.get(rule, {}), after.get(rule, {})
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                said = Difference(field=key, before=old.get(key), after=new.get(key))
                yield Change(part="rule", kind="changed", id=rule, name=key, fields=(said,))


def _fields(before: object, after: object, names: Sequence[str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(field=name, before=getattr(before, name), after=getattr(after, name))
        for name in names
        if getattr(before, name) != getattr(after, name)
    )


def _order(contacts: Sequence[ContactTable], kept: set[str]) -> list[str]:
    return [one.id for one in contacts if one.id in kept]


def _audit(change: Change) -> str:
    if change.kind == "moved":
        return "contacts: order"
    what = f"{change.part} {change.id}".strip()
    if change.kind != "changed":
        return f"{what}: {change.kind}"
    return f"{what}: " + ", ".join(_audit_field(field) for field in change.fields)


def _audit_field(field: Difference) -> str:
    if field.field == "phone":
        return f"phone {masked_phone(field.before)} -> {masked_phone(field.after)}"
    if field.field in {"centre", "polygon", "holes", "line", "parts", "home"}:
        return field.field
    return f"{field.field} {_plain(field.before)} -> {_plain(field.after)}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value is None or value == "" else str(value)
