"""The invented people of the demonstration: a tree with grids and buildings, residents, and their accounts.

Everything is found by its code or its digest first, so seeding twice changes nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.fields import ID_CHECKS, ID_WEIGHTS
from portal.people import identity, invitations, organisations, register
from portal.people.addresses import Households, household_name, households
from portal.people.join_models import HouseholdClaim, Invitation
from portal.people.models import Organisation, Resident, User
from portal.words import now

GRIDS: Final = {"1": range(1, 5), "2": range(5, 9), "3": range(9, 13)}
"""Grid -> the numbers of its buildings."""
DOORS: Final = 2
KNOWN: Final = (
    ("张桂兰", "female", 1943, "3栋2单元401", ("lives_alone",), "户主"),
    ("王德顺", "male", 1947, "5栋1单元102", ("needs_care",), "户主"),
    ("陈秀英", "female", 1950, "8栋3单元601", ("lives_alone",), "户主"),
    ("赵永年", "male", 1945, "1栋1单元201", ("veteran",), "户主"),
    ("刘素珍", "female", 1948, "10栋2单元302", ("empty_nest",), "户主"),
    ("徐文彬", "male", 1944, "12栋1单元501", ("party_member",), "户主"),
    ("王秀英", "female", 1968, "6栋1单元301", (), "户主"),
)
"""The wearers of the shipped configuration and the demonstration's resident, by where they live."""
FAMILIES: Final = "赵钱孙李周吴郑冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜"
GIVEN: Final = ("建华", "玉梅", "志强", "淑芬", "国庆", "丽娟", "文斌", "晓燕", "海涛", "秀珍", "伟", "敏")
MORE: Final = 36
CLAIMED: Final = "3栋2单元401"
POSTER_DAYS: Final = 90
AREA: Final = "990000"
"""An area code no county has: no number of the demonstration is somebody's."""


def tree(session: Session, community: Organisation, *, map_dir: str) -> None:
    """Grids, the buildings of the sample map and their households, where they are missing."""
    grids = {name: _grid(session, community, name) for name in GRIDS}
    path = Path(map_dir) / "buildings.geojson"
    features = json.loads(path.read_text(encoding="utf-8"))["features"] if path.exists() else []
    for feature in features:
        said = feature["properties"]
        number = int(said["number"])
        code = f"{community.code}-b{number}"
        if organisations.find(session, code) is not None:
            continue
        grid = next((grids[name] for name, numbers in GRIDS.items() if number in numbers), grids["1"])
        building = organisations.add(session, code=code, name=said["name"], kind="building", parent=grid)
        named = [
            (f"{code}-{unit}-{floor}{door:02d}", household_name(unit, floor, door))
            for unit in range(1, int(said["units"]) + 1)
            for floor in range(1, int(said["floors"]) + 1)
            for door in range(1, DOORS + 1)
        ]
        organisations.add_many(session, building, kind="household", named=named)


def residents(session: Session, *, community: str, secret_key: str) -> None:
    """The people of the register, once: a register that has anybody in it is left alone."""
    if session.scalar(sa.select(Resident.id).where(Resident.community == community).limit(1)) is not None:
        return
    homes = households(session, community)
    at = now()
    people = [*_known(community, homes, at), *_crowd(community, homes, at)]
    for serial, person in enumerate(people, start=100):
        assert person.birth_date is not None
        number = _number(person.birth_date, serial, person.sex)
        person.id_number_digest = identity.digest(number, secret_key=secret_key)
        person.id_number_sealed = identity.seal(number, secret_key=secret_key)
    session.add_all(people)
    session.flush()
    register.index(session, people)


def own_household(session: Session, name: str, community: str) -> Organisation | None:
    """Where somebody of the register lives, by name."""
    query = sa.select(Resident).where(Resident.community == community, Resident.name == name)
    found = session.scalar(query.limit(1))
    return found.household if found is not None else None


def tie(session: Session, user: User, community: str) -> None:
    """Say who an account of the demonstration is in the register."""
    query = sa.select(Resident).where(
        Resident.community == community, Resident.name == user.name, Resident.user_id.is_(None)
    )
    found = session.scalar(query.limit(1))
    taken = session.scalar(sa.select(Resident.id).where(Resident.user_id == user.id))
    if found is not None and taken is None:
        found.user_id = user.id
        session.flush()


def joining(session: Session, *, guest: User, staff: User, place: Organisation, secret_key: str) -> None:
    """One claim that waits for the committee and one poster that holds, where there is none of either."""
    at = now()
    home = households(session, place.community).find(CLAIMED)
    if home is not None and session.scalar(sa.select(HouseholdClaim.id).limit(1)) is None:
        said = "我妈妈住这里"
        claim = HouseholdClaim(user_id=guest.id, household_id=home.id, said=said, state="waiting", made_at=at)
        session.add(claim)
    if session.scalar(sa.select(Invitation.id).limit(1)) is None:
        until = at + dt.timedelta(days=POSTER_DAYS)
        invitations.keep(
            session, place, role=None, by=staff.id, at=at, until=until, uses=500, secret_key=secret_key
        )


def _known(community: str, homes: Households, at: dt.datetime) -> list[Resident]:
    people = []
    for serial, (name, sex, year, home, tags, relation) in enumerate(KNOWN, start=1):
        found = homes.find(home)
        person = Resident(
            community=community,
            household_id=found.id if found is not None else None,
            name=name,
            sex=sex,
            birth_date=dt.date(year, 1 + serial, 3 + serial),
            phone="",
            relation=relation,
            tags=list(tags),
            note="",
            created_at=at,
            changed_at=at,
        )
        people.append(person)
    return people


def _crowd(community: str, homes: Households, at: dt.datetime) -> list[Resident]:
    chance = random.Random(20_261_127)  # noqa: S311  # invented people, the same every time
    taken = {home for _, _, _, home, _, _ in KNOWN}
    free = sorted(spot for number, spot in homes.labels.items() if spot not in taken)
    by_label = {label: number for number, label in homes.labels.items()}
    people = []
    for home in chance.sample(free, min(len(free), MORE * 2 // 3)):
        family = chance.choice(FAMILIES)
        year = chance.randint(1936, 1990)
        people.append(_person(community, family, year, by_label[home], chance, at, "户主"))
        if len(people) < MORE and chance.random() < 0.6:  # noqa: PLR2004  # how many live as two
            other = chance.choice(FAMILIES)
            people.append(_person(community, other, year + 2, by_label[home], chance, at, "配偶"))
    return people


def _person(
    community: str, family: str, year: int, home: int, chance: random.Random, at: dt.datetime, relation: str
) -> Resident:
    old = year < 1947 and relation == "户主"  # noqa: PLR2004  # 80 and over live alone here
    return Resident(
        community=community,
        household_id=home,
        name=family + chance.choice(GIVEN),
        sex=chance.choice(("male", "female")),
        birth_date=dt.date(year, chance.randint(1, 12), chance.randint(1, 28)),
        phone="",
        relation=relation,
        tags=["lives_alone"] if old and chance.random() < 0.5 else [],  # noqa: PLR2004  # half of them
        note="",
        created_at=at,
        changed_at=at,
    )


def _grid(session: Session, community: Organisation, name: str) -> Organisation:
    code = f"{community.code}-g{name}"
    found = organisations.find(session, code)
    if found is None:
        found = organisations.add(session, code=code, name=f"第{name}网格", kind="grid", parent=community)
    return found


def _number(born: dt.date, serial: int, sex: str) -> str:
    """An identity number that is well formed and nobody's."""
    order = serial * 2 + (sex == "male")
    body = f"{AREA}{born:%Y%m%d}{order:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, ID_WEIGHTS, strict=True))
    return body + ID_CHECKS[total % 11]
