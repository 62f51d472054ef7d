"""Whether the record is whole: checked by who reads it, and once a day by the portal itself.

Each check is an entry of the record: when, by whom, up to which entry, and what was found.
Once a day the end of the record is also said in the log, where who has only the database cannot reach it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import Session

from portal import audit
from portal.audit import Broken
from portal.audits.words import VERIFIED
from portal.care.models import AuditEntry
from portal.db import reading, writing

ACTION, SUBJECT, ACTOR = VERIFIED, "portal", "portal"
EVERY = timedelta(days=1)
MOST_AT_ONCE = 50_000
"""So many entries are checked while somebody waits: a second or two."""
MOST_A_DAY = 500_000
"""So many are checked by the portal itself; a longer record has the command."""
GROUP = 4

log = logging.getLogger("portal.audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The last check: when, by whom (as the record names them), up to which entry, and what was wrong."""

    at: datetime
    actor: str
    seq: int
    reason: str

    @property
    def whole(self) -> bool:
        """Whether nothing was wrong."""
        return not self.reason


def verify(*, actor: str, at: datetime) -> Broken | None:
    """Check the whole record now and put that on it; what is first wrong, None where it is whole.

    Needs an application context, and no transaction open in the request's own session.
    """
    with reading() as session:
        broken = audit.verify(session, key=current_app.config["PORTAL"].secret_key)
        line = audit.anchor_line(session)
    seq = line.split(" ")[0] if line else "0"
    detail = f"whole {seq}" if broken is None else f"{broken.reason} {broken.seq or 0}"
    with writing() as session:
        audit.record(session, at=at, actor=actor, action=ACTION, subject=SUBJECT, detail=detail)
    return broken


def last_check(session: Session) -> Checked | None:
    """The newest check on record."""
    query = sa.select(AuditEntry).where(AuditEntry.subject == SUBJECT, AuditEntry.action == ACTION)
    entry = session.scalar(query.order_by(AuditEntry.seq.desc()).limit(1))
    if entry is None:
        return None
    word, _, seq = entry.detail.partition(" ")
    return Checked(
        at=datetime.fromtimestamp(entry.at_ms / 1000, UTC),
        actor=entry.actor,
        seq=int(seq) if seq.isdecimal() else 0,
        reason="" if word == "whole" else word,
    )


def anchor_daily(at: datetime) -> bool:
    """Where none was today: check the record, and say in the log where it ends; gives whether it did.

    The line is `audit anchor seq=… entries=… seal=… record=…`, to be given back to
    `shouwang portal audit verify --told`. Its numbers are written in groups, because the log hides
    every long row of digits as a telephone number. Needs an application context.
    """
    entry = {"actor": ACTOR, "action": ACTION, "subject": SUBJECT}
    with reading() as session:
        if audit.recorded_since(session, **entry, since=at - EVERY):
            return False
        many = audit.length(session) > MOST_A_DAY
    if many:
        with writing() as session:
            audit.record(session, at=at, **entry, detail="unchecked 0")
        record = "unchecked"
    else:
        broken = verify(actor=ACTOR, at=at)
        record = "whole" if broken is None else f"{broken.reason}:{broken.seq or 0}"
    with reading() as session:
        line = audit.anchor_line(session)
    say = log.info if record in {"whole", "unchecked"} else log.error
    say("audit anchor %s record=%s", told(line), record)
    return True


def told(line: str) -> str:
    """An anchor line as the log says it: `seq=1_234_567 entries=1_234_567 seal=ab12-…`."""
    seq, entries, seal = line.split(" ")
    return f"seq={int(seq):_} entries={int(entries):_} seal={'-'.join(_groups(seal))}"


def line_of(text: str) -> str:
    """The anchor line in what was told: the line itself, or as the log says it; raises `ValueError`."""
    words = [word.rpartition("=")[2] for word in text.split() if not word.startswith("record=")]
    words = [word for word in words if word not in {"audit", "anchor"}]
    if len(words) != len(("seq", "entries", "seal")):
        raise ValueError("expected a line of `shouwang portal audit anchor`, or of the log")
    seq, entries, seal = words
    plain = seal.replace("-", "")
    if len(plain) != len(audit.FIRST_SEAL) or set(plain) - set("0123456789abcdef"):
        raise ValueError("the seal is 64 hexadecimal digits")
    return f"{int(seq)} {int(entries)} {plain}"


def _groups(seal: str) -> Iterable[str]:
    return (seal[start : start + GROUP] for start in range(0, len(seal), GROUP))
