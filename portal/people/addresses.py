"""Addresses as people write them, and the household of the tree each one means."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.people.models import Organisation

BUILDING: Final = r"(?P<building>\d{1,4})\s*(?:栋|幢|座|号楼|楼|号|#|-)"
FULL: Final = re.compile(
    BUILDING + r"\s*(?:(?P<unit>\d{1,2})\s*(?:单元|门|-))?\s*(?P<room>\d{2,5})\s*(?:室|户|房)?\s*$"
)
HOUSEHOLD: Final = re.compile(r"^(?:(?P<unit>\d{1,2})\s*(?:单元|门|-))?\s*(?P<room>\d{2,5})\s*(?:室|户|房)?$")
NUMBERED: Final = re.compile(r"^(?P<building>\d{1,4})")
DIGITS: Final = re.compile(r"(\d+)")

Spot = tuple[str, str, str]
"""Building, unit and room as digits; the unit is empty where a house has only one."""


def spot_of(address: str) -> Spot | None:
    """Read an address such as "新河苑3栋2单元401室", "3-2-401" or "3号楼401"; None where it is none."""
    found = FULL.search(_plain(address))
    return (found["building"], found["unit"] or "", found["room"]) if found else None


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """The key that sorts "2栋" before "10栋"."""
    parts = [part for part in DIGITS.split(_plain(name)) if part]
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def household_name(unit: int, floor: int, door: int) -> str:
    """The name of a household by unit, floor and door: "2单元401"."""
    return f"{unit}单元{floor}{door:02d}"


def split_name(name: str) -> tuple[str, str]:
    """(unit, room) of the name of a household; a name that is no number is a room of no unit."""
    found = HOUSEHOLD.match(_plain(name))
    return (found["unit"] or "", found["room"]) if found else ("", name)


@dataclass(slots=True)
class Households:
    """Every open household of a community by its spot, read once."""

    by_spot: dict[Spot, Organisation] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    """What a household is called in full, by its id: "3栋2单元401"."""

    def find(self, address: str) -> Organisation | None:
        """The household an address means, None where there is no such one (or no such one any more)."""
        spot = spot_of(address)
        return self.by_spot.get(spot) if spot is not None else None


def households(session: Session, community: str) -> Households:
    """Read the households of a community."""
    above = aliased(Organisation)
    rows = session.execute(
        sa.select(Organisation, above.name)
        .join(above, Organisation.parent_id == above.id)
        .where(Organisation.kind == "household", Organisation.community == community)
    )
    known = Households()
    for household, building in rows:
        known.labels[household.id] = f"{building}{household.name}"
        number = NUMBERED.match(_plain(building))
        if number is None or household.closed_at is not None:
            continue
        unit, room = split_name(household.name)
        known.by_spot[number["building"], unit, room] = household
    return known


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()
