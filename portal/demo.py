"""The demonstration: an account of each role with one fixed password, notices, cases; only in demo mode."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Flask
from flask_security import hash_password

from portal.care.duty import demo as duty
from portal.cases import demo as cases
from portal.db import writing
from portal.people import demo_people as people
from portal.people import organisations
from portal.people.models import Grant, Organisation, Role, User
from portal.policy import Role as RoleName
from portal.posts import demo as posts
from portal.words import now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from portal.settings import PortalSettings

DEMO_PASSWORD = "shouwang-demo"  # noqa: S105  # printed by `make run`, refused while the portal is live


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLogin:
    """An account of the demonstration, as it is printed at start."""

    phone: str
    name: str
    role: RoleName
    what: str
    place: str = "committee"
    """The kind of body or place the role is given at."""


LOGINS = (
    DemoLogin(phone="+8613800138002", name="李晓梅", role=RoleName.GUARDIAN, what="张桂兰的女儿"),
    DemoLogin(phone="+8613800138090", name="周敏", role=RoleName.STAFF, what="居委会值班"),
    DemoLogin(phone="+8613800138091", name="陈强", role=RoleName.GRID_WORKER, what="网格员"),
    DemoLogin(phone="+8613800138092", name="王秀英", role=RoleName.RESIDENT, what="居民"),
    DemoLogin(phone="+8613800138093", name="林静", role=RoleName.ADMIN, what="管理员"),
    DemoLogin(phone="+8613800138095", name="吴勇", role=RoleName.VOLUNTEER, what="志愿者"),
    DemoLogin(phone="+8613800138096", name="马经理", role=RoleName.PROPERTY, what="物业", place="property"),
    DemoLogin(phone="+8613800138097", name="高主任", role=RoleName.OWNERS, what="业委会", place="owners"),
    DemoLogin(
        phone="+8613800138098", name="郑科长", role=RoleName.DEPARTMENT, what="城管", place="department"
    ),
    DemoLogin(phone="+8613800138099", name="孔宁", role=RoleName.STREET, what="街道", place="street"),
    DemoLogin(phone="+8613800138100", name="袁处", role=RoleName.DISTRICT, what="区里", place="district"),
    DemoLogin(
        phone="+8613800138088", name="张桂兰", role=RoleName.WEARER, what="戴手环的人", place="household"
    ),
)


class DemoRefused(RuntimeError):
    """A live portal was asked to make demonstration accounts."""


def seed(app: Flask) -> tuple[DemoLogin, ...]:
    """Make the community and the demonstration accounts where they are missing; idempotent.

    Raises `DemoRefused` unless mode = "demo".
    """
    settings: PortalSettings = app.config["PORTAL"]
    if settings.mode != "demo":
        raise DemoRefused(f"mode is {settings.mode}")
    with app.app_context(), writing() as session:
        places = _places(session, settings)
        _neighbourhood(session, settings, places)
        for login in LOGINS:
            _account(session, login, places[login.place])
        session.flush()
        for login in LOGINS:
            if login.role in {RoleName.WEARER, RoleName.RESIDENT}:
                people.tie(session, _known(session, login.phone), settings.community)
        people.joining(
            session,
            guest=_known(session, "+8613800138002"),
            staff=_known(session, "+8613800138090"),
            place=_community(places),
            secret_key=settings.secret_key,
        )
        _contents(session, settings)
    return LOGINS


def _neighbourhood(session: Session, settings: PortalSettings, places: dict[str, Organisation]) -> None:
    """Grids, buildings, households and who lives there; the home of who wears a band joins `places`."""
    community = _community(places)
    people.tree(session, community, map_dir=settings.map_dir)
    people.residents(session, community=settings.community, secret_key=settings.secret_key)
    wearer = next(login for login in LOGINS if login.role is RoleName.WEARER)
    own = people.own_household(session, wearer.name, settings.community)
    places["household"] = own if own is not None else community


def _community(places: dict[str, Organisation]) -> Organisation:
    found = places["committee"].parent
    assert found is not None
    return found


def _contents(session: Session, settings: PortalSettings) -> None:
    """Notices and two reports, so that no page of the demonstration is empty."""
    who = {login.role: _known(session, login.phone) for login in LOGINS}
    resident, staff = who[RoleName.RESIDENT], who[RoleName.STAFF]
    readers = [who[role].id for role in (RoleName.RESIDENT, RoleName.GUARDIAN, RoleName.GRID_WORKER)]
    posts.seed(session, community=settings.community, author=staff.id, residents=readers, now=now())
    cases.seed(session, resident=resident.viewer, staff=staff.viewer, key=settings.secret_key, now=now())


def fill_duty(app: Flask) -> None:
    """Put somebody on duty where nobody is; idempotent.

    Raises `DemoRefused` unless mode = "demo"; needs the accounts `seed` makes.
    """
    settings: PortalSettings = app.config["PORTAL"]
    if settings.mode != "demo":
        raise DemoRefused(f"mode is {settings.mode}")
    staff = next(login.phone for login in LOGINS if login.role is RoleName.STAFF)
    with app.app_context(), writing() as session:
        duty.seed(session, settings.community, staff=_known(session, staff).viewer, now=now())


def _known(session: Session, phone: str) -> User:
    return session.scalars(sa.select(User).where(User.phone == phone)).one()


def prepare(app: Flask) -> None:
    """Make what every portal needs before its first visitor: its community and the roles; idempotent."""
    with app.app_context(), writing() as session:
        settings: PortalSettings = app.config["PORTAL"]
        if settings.mode == "demo":
            _places(session, settings)
        else:
            _organisations(session, settings)
        for role in RoleName:
            _role(session, role)


def _places(session: Session, settings: PortalSettings) -> dict[str, Organisation]:
    """The demonstration's tree from the district down, and the bodies in it; by kind."""
    code, name = settings.community, settings.community_name
    district = _organisation(session, "demo-district", "示例区", "district", None)
    street = _organisation(session, "demo-street", "示例镇", "street", district)
    committee = _organisations(session, settings, street)
    community = committee.parent
    return {
        "district": district,
        "street": street,
        "committee": committee,
        "property": _organisation(session, f"{code}-property", f"{name}物业", "property", community),
        "owners": _organisation(session, f"{code}-owners", f"{name}业委会", "owners", community),
        "department": _organisation(session, f"{code}-department", "示例镇城管中队", "department", community),
    }


def _organisations(
    session: Session, settings: PortalSettings, above: Organisation | None = None
) -> Organisation:
    community = _organisation(session, settings.community, settings.community_name, "community", above)
    name = f"{settings.community_name}居委会"
    return _organisation(session, f"{settings.community}-committee", name, "committee", community)


def _organisation(
    session: Session, code: str, name: str, kind: str, parent: Organisation | None
) -> Organisation:
    found = organisations.find(session, code)
    if found is None:
        found = organisations.add(session, code=code, name=name, kind=kind, parent=parent)
    return found


def _role(session: Session, name: RoleName) -> Role:
    found = session.scalar(sa.select(Role).where(Role.name == name.value))
    if found is None:
        found = Role(name=name.value)
        session.add(found)
        session.flush()
    return found


def _account(session: Session, login: DemoLogin, place: Organisation) -> None:
    role = _role(session, login.role)
    known = session.scalar(sa.select(User).where(User.phone == login.phone))
    if known is not None:
        return
    session.add(
        User(
            phone=login.phone,
            name=login.name,
            password=hash_password(DEMO_PASSWORD),
            active=True,
            fs_uniquifier=uuid.uuid4().hex,
            demo=True,
            grants=[Grant(role=role, organisation=place)],
        )
    )
