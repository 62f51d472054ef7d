"""Taking a table of residents in: every row checked against the register first, then all right rows at once.

A row finds the same person by the identity number, else by name and household; an empty cell changes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.i18n import gettext
from portal.people import identity, register, register_forms, wearer_links
from portal.people.addresses import Households
from portal.people.models import Resident
from portal.people.register_table import Table
from portal.policy import Viewer
from portal.words import fill

SEXES: Final = {"男": "male", "女": "female", "m": "male", "f": "female", "male": "male", "female": "female"}
TAG_NAMES: Final = {
    "独居": "lives_alone",
    "独居老人": "lives_alone",
    "空巢": "empty_nest",
    "失能": "needs_care",
    "残疾": "disabled",
    "低保": "low_income",
    "退役军人": "veteran",
    "党员": "party_member",
    "租户": "tenant",
}
DATE: Final = re.compile(r"^(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?$")
SEPARATORS: Final = re.compile(r"[、,，;；|/\s]+")


@dataclass(slots=True, kw_only=True)
class Checked:
    """One row: what it would do (`add`, `change`, `same`, `wrong`) and to whom; what is wrong, by column."""

    number: int
    cells: dict[str, str]
    does: str = "wrong"
    problems: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    id_number: str = ""
    person: Resident | None = None


@dataclass(slots=True)
class Known:
    """The register of one community, as rows are matched with it."""

    by_digest: dict[str, Resident]
    by_home: dict[tuple[str, int], list[Resident]]


def check(
    session: Session, table: Table, homes: Households, *, community: str, today: dt.date, secret_key: str
) -> list[Checked]:
    """Check every row of a table; changes nothing."""
    known = _known(session, community)
    seen: dict[str, int] = {}
    found = []
    for number, cells in zip(table.numbers, table.rows, strict=True):
        named = {column: cell for column, cell in zip(table.columns, cells, strict=True) if column}
        row = _row(number, named, homes, today=today)
        _match(row, known, secret_key=secret_key)
        key = row.id_number or f"{row.values.get('name')}@{row.values.get('household_id')}"
        if not row.problems and key in seen:
            column = "id_number" if row.id_number else "name"
            row.problems[column] = gettext("和第 %(row)s 行是同一个人。", row=seen[key])
        seen.setdefault(key, number)
        if row.problems:
            row.does = "wrong"
        found.append(row)
    return found


def take(
    session: Session, rows: Iterable[Checked], *, community: str, by: Viewer, at: dt.datetime, secret_key: str
) -> int:
    """Write all right rows of a check in the session's transaction and give how many people that concerns."""
    touched = []
    for row in rows:
        if row.does not in {"add", "change"}:
            continue
        person = row.person or Resident(community=community, name="", tags=[], sex="", created_at=at)
        for name, value in row.values.items():
            setattr(person, name, value)
        if row.id_number:
            person.id_number_digest = identity.digest(row.id_number, secret_key=secret_key)
            person.id_number_sealed = identity.seal(row.id_number, secret_key=secret_key)
        person.changed_at = at
        session.add(person)
        touched.append(person)
    session.flush()
    register.index(session, touched)
    wearer_links.follow(session, touched)
    for person in touched:
        register.note(session, person, "import_resident", by=by, at=at)
    return len(touched)


def _known(session: Session, community: str) -> Known:
    query = sa.select(Resident).where(Resident.community == community, Resident.left_at.is_(None))
    known = Known({}, {})
    for person in session.scalars(query):
        if person.id_number_digest:
            known.by_digest[person.id_number_digest] = person
        if person.household_id:
            known.by_home.setdefault((person.name, person.household_id), []).append(person)
    return known


def _row(number: int, cells: dict[str, str], homes: Households, *, today: dt.date) -> Checked:
    """Read one row with the same questions as the form for one person."""
    raw = _as_typed(cells)
    form = fill(register_forms.fields(known_number=False), raw)
    values = register_forms.read(form, homes, today=today)
    problems = dict(form.errors)
    if cells.get("sex") and raw["sex"][0] not in {"male", "female"}:
        problems["sex"] = gettext("性别请写男或女。")
    unknown = [name for name in raw["tags"] if name not in register.TAGS]
    if unknown:
        problems["tags"] = gettext("没有这个标签：%(tags)s", tags=gettext("、").join(unknown))
    if "home" in problems and "home" not in cells:
        problems["room"] = problems.pop("home")
    number_typed = str(form.values.get("id_number", ""))
    given = {name: value for name, value in values.items() if value not in ("", None, [])}
    return Checked(number=number, cells=cells, problems=problems, values=given, id_number=number_typed)


def _as_typed(cells: Mapping[str, str]) -> dict[str, list[str]]:
    home = cells.get("home", "")
    if not home and cells.get("room"):
        building = re.sub(r"\D", "", cells.get("building", ""))
        unit = re.sub(r"\D", "", cells.get("unit", ""))
        home = "-".join(part for part in (building, unit, cells["room"]) if part)
    sex = cells.get("sex", "").casefold()
    date = DATE.match(cells.get("birth_date", ""))
    born = f"{date[1]}-{int(date[2]):02d}-{int(date[3]):02d}" if date else cells.get("birth_date", "")
    words = {word: tag for tag, word in register_forms.tag_words().items()} | TAG_NAMES
    tags = [words.get(name, name) for name in SEPARATORS.split(cells.get("tags", "")) if name]
    return {
        "name": [cells.get("name", "")],
        "home": [home],
        "id_number": [cells.get("id_number", "")],
        "sex": [SEXES.get(sex, sex)],
        "birth_date": [born],
        "phone": [cells.get("phone", "")],
        "relation": [cells.get("relation", "")],
        "tags": tags,
        "note": [cells.get("note", "")],
    }


def _match(row: Checked, known: Known, *, secret_key: str) -> None:
    """Find who the row means, and whether it would change anything about them."""
    if row.problems:
        return
    if row.id_number:
        row.person = known.by_digest.get(identity.digest(row.id_number, secret_key=secret_key))
        if row.person is not None and row.person.name != row.values["name"]:
            words = gettext("这个号码登记在 %(name)s 名下，和表里的姓名不同，请核对。", name=row.person.name)
            row.problems["name"] = words
            return
    if row.person is None and row.values.get("household_id"):
        alike = known.by_home.get((row.values["name"], row.values["household_id"]), [])
        alike = [one for one in alike if not row.id_number or not one.id_number_digest]
        if len(alike) > 1:
            row.problems["name"] = gettext("这一户有几个同名的人，请写上身份证号码。")
            return
        row.person = alike[0] if alike else None
    if row.person is None:
        row.does = "add"
        return
    changed = any(getattr(row.person, name) != value for name, value in row.values.items())
    row.does = "change" if changed or (row.id_number and not row.person.id_number_digest) else "same"
