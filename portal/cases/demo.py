"""Two cases for the demonstration: a report under way and one that was solved; never called while live."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.cases.models import Case
from portal.cases.queries import Place, act, open_case
from portal.cases.services import services
from portal.cases.workflow import Action
from portal.policy import Viewer


def seed(session: Session, *, resident: Viewer, staff: Viewer, key: str, now: dt.datetime) -> int:
    """Make the sample cases where there are none; gives how many."""
    community = staff.community
    if session.scalar(sa.select(Case.id).where(Case.community == community).limit(1)) is not None:
        return 0
    service = services()["snapshot"]
    bins = now - dt.timedelta(days=6)
    drain = now - dt.timedelta(hours=5)
    solved = _report(
        session,
        resident,
        key=key,
        at=bins,
        place=Place(words="9栋 垃圾房旁", lat=31.15490, lon=121.10545),
        answers={"category": "waste", "description": "垃圾满出来没人清，味道很大。", "building": "9栋"},
    )
    open_one = _report(
        session,
        resident,
        key=key,
        at=drain,
        place=Place(words="12栋 3单元门口", lat=31.15430, lon=121.10580),
        answers={
            "category": "drain",
            "description": "下水道堵了，水漫到门口，老人出不来。",
            "building": "12栋",
        },
    )
    steps = (
        (solved, Action.ACCEPT, 1.0, "", ""),
        (solved, Action.FORWARD, 2.0, "已联系街道和城管中队，对接物业。", "城管中队"),
        (solved, Action.FINISH, 120.0, "新增三组分类垃圾桶，每天清运两次，已在公告里说明怎么分类。", ""),
        (open_one, Action.ACCEPT, 0.3, "", ""),
        (open_one, Action.FORWARD, 0.5, "物业疏通班已出发。", "物业服务处"),
        (open_one, Action.START, 1.0, "", ""),
    )
    for case, action, after_h, note, handler in steps:
        act(
            session,
            case,
            action=action,
            side="staff",
            viewer=staff,
            service=service,
            now=case.created_at + dt.timedelta(hours=after_h),
            note=note,
            level=("street" if handler == "城管中队" else "community") if action is Action.FORWARD else "",
            handler=handler,
        )
    solved.public = True
    return 2


def _report(
    session: Session,
    resident: Viewer,
    *,
    key: str,
    at: dt.datetime,
    place: Place,
    answers: dict[str, str | list[str]],
) -> Case:
    case, _code = open_case(
        session,
        name="snapshot",
        service=services()["snapshot"],
        community=resident.community,
        viewer=resident,
        for_other=False,
        contact=(resident.name, resident.phone),
        values=answers,
        place=place,
        key=key,
        now=at,
        day=at.date(),
    )
    return case
