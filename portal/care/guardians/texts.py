"""Texts about guardianships: the family hears of a claim, who asked hears what became of it.

Sent by the gateway's own carriers, in Chinese whoever pressed the button; never to who did it.
What cannot be sent stops nothing: everything stands on the pages as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from portal.care.guardians.models import GuardianClaim
from portal.care.guardians.record import FAMILY, alike
from portal.care.models import Guardianship, Wearer
from portal.i18n import gettext, speaking
from portal.people.language import DEFAULT_LANGUAGE
from portal.people.texts import send_notice

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from portal.people.models import User

MOST: Final = 8
"""So many numbers are texted about one thing."""
QUIET_FOR: Final = dt.timedelta(days=1)
"""So long the same person asking for the same name again is no news."""


def tell_of_claim(session: Session, claim: GuardianClaim, *, at: dt.datetime) -> int:
    """Text the family of the wearer a new claim names, where it is plain who that is; gives to how many."""
    if _asked_before(session, claim, at):
        return 0
    here = sa.select(Wearer).where(Wearer.community == claim.community, Wearer.present)
    number = alike(claim, session.scalars(here.where(Wearer.name == claim.named)))
    wearer = None if number is None else session.get(Wearer, number)
    if wearer is None:
        return 0
    with speaking(DEFAULT_LANGUAGE):
        words = gettext(
            "%(guardian)s 申请做%(name)s的监护人，居委会正在核对。不认识这个人？请打居委会电话。",
            guardian=claim.user.name,
            name=wearer.name,
        )
    return _send(session, family_of(wearer, at), words, but=claim.user, at=at)


def tell_of_answer(session: Session, claim: GuardianClaim, *, at: dt.datetime) -> int:
    """Text who asked what the committee found; where it confirmed, the family as well."""
    row = claim.guardianship
    with speaking(DEFAULT_LANGUAGE):
        if row is None:
            words = gettext(
                "您申请做%(name)s的监护人，居委会没有通过。原因写在网站“我的监护”里。", name=claim.named
            )
            return _send(session, _number(claim.user), words, but=None, at=at)
        mine = gettext("居委会已确认您是%(name)s的监护人，马上生效。", name=row.wearer.name)
        theirs = gettext(
            "居委会已确认%(guardian)s是%(name)s的监护人。不对？请打居委会电话。",
            guardian=claim.user.name,
            name=row.wearer.name,
        )
    told = _send(session, _number(claim.user), mine, but=None, at=at)
    return told + _send(session, family_of(row.wearer, at), theirs, but=claim.user, at=at)


def tell_of_end(session: Session, row: Guardianship, *, at: dt.datetime) -> int:
    """Text who was guardian that the committee ended it."""
    with speaking(DEFAULT_LANGUAGE):
        words = gettext("居委会结束了您对%(name)s的监护。有疑问请打居委会电话。", name=row.wearer.name)
    return _send(session, _number(row.user), words, but=None, at=at)


def tell_of_leaving(session: Session, row: Guardianship, *, at: dt.datetime) -> int:
    """Text the family that a guardian stepped down."""
    with speaking(DEFAULT_LANGUAGE):
        words = gettext(
            "%(guardian)s 自己不再做%(name)s的监护人了。", guardian=row.user.name, name=row.wearer.name
        )
    return _send(session, family_of(row.wearer, at), words, but=row.user, at=at)


def family_of(wearer: Wearer, at: dt.datetime) -> list[str]:
    """The numbers of a wearer's family: who is called as family, who guards them, themselves; each once."""
    own = wearer.resident.account if wearer.resident is not None else None
    numbers = [contact.phone for contact in wearer.contacts if contact.role == FAMILY]
    held = (row for row in wearer.guardianships if row.holds(at) and row.objected_at is None)
    numbers += [row.user.phone for row in held if row.user.phone]
    return list(dict.fromkeys([*numbers, *_number(own)]))


def _number(user: User | None) -> list[str]:
    return [user.phone] if user is not None and user.phone else []


def _send(session: Session, numbers: Iterable[str], words: str, *, but: User | None, at: dt.datetime) -> int:
    own = None if but is None else but.phone
    wanted = [number for number in numbers if number != own][:MOST]
    return sum(send_notice(session, number, words, now=at) for number in wanted)


def _asked_before(session: Session, claim: GuardianClaim, at: dt.datetime) -> bool:
    """Whether this person asked for this name a short while ago, in whatever words."""
    query = sa.select(GuardianClaim.id).where(
        GuardianClaim.user_id == claim.user_id,
        GuardianClaim.named == claim.named,
        GuardianClaim.id != claim.id,
        GuardianClaim.made_at > at - QUIET_FOR,
    )
    return session.scalar(query.limit(1)) is not None
