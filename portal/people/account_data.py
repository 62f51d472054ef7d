"""What is kept of one account as a ZIP of JSON, CSV and pictures (PIPL art. 45: to copy and take along).

Of others it holds only what its owner reads on the pages anyway: who handled a case, who is guarded.
"""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from portal import media
from portal.audits.words import action_words
from portal.care.consent.purposes import PURPOSES, split
from portal.care.consent.who_looked import NUMBER_LOOK, actor_names
from portal.care.guardians.models import GuardianClaim
from portal.care.models import AuditEntry, Guardianship
from portal.cases.models import Case, CaseEvent
from portal.people import identity
from portal.people.account_models import AccessCard, SignIn
from portal.people.join_models import HouseholdClaim
from portal.people.models import Passkey, Resident, User
from portal.posts.models import Comment, Post, PostLike, PostRead
from portal.sheets import csv_chunks

MOST_ROWS = 20_000
"""Of one table, the newest."""
MOST_PICTURES = 300
SPOOL_BYTES = 4 * 1024 * 1024
SIGN_INS = ("started_at", "seen_at", "ended_at", "way", "browser", "address", "capacity")
POSTS = ("id", "board", "state", "title", "body", "title_en", "body_en", "created_at", "updated_at")
COMMENTS = ("post_id", "body", "created_at", "hidden_at", "hidden_reason")
CASES = (
    *("number", "service", "state", "contact_name", "contact_phone", "place", "lat", "lon"),
    *("handler", "rating", "created_at", "updated_at"),
)
EVENTS = ("case_id", "at", "action", "state", "actor_name", "note")
DEEDS = ("at", "what", "purpose")
RESIDENT = ("name", "sex", "birth_date", "phone", "relation", "tags", "note", "created_at", "changed_at")

log = logging.getLogger(__name__)


def packed(session: Session, user: User, *, at: dt.datetime, secret_key: str) -> IO[bytes]:
    """The archive, ready to be read from its beginning; the caller closes it."""
    file = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # whoever sends it closes it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        about = msgspec.json.encode(_about(session, user, at, secret_key))
        archive.writestr("data.json", msgspec.json.format(about))
        for name, heads, rows in _tables(session, user):
            with archive.open(f"{name}.csv", "w") as table:
                for chunk in csv_chunks(_with_heads(heads, rows)):
                    table.write(chunk)
        for picture in _pictures(session, user):
            data = _load(picture)
            if data is not None:
                archive.writestr(f"pictures/{picture.id}.jpg", data, zipfile.ZIP_STORED)
    file.seek(0)
    return file


def _about(session: Session, user: User, at: dt.datetime, secret_key: str) -> dict[str, Any]:
    mine = sa.select(Guardianship).where(Guardianship.user_id == user.id)
    guarding = session.scalars(mine.options(joinedload(Guardianship.wearer)))
    homes = session.scalars(sa.select(HouseholdClaim).where(HouseholdClaim.user_id == user.id))
    claims = session.scalars(sa.select(GuardianClaim).where(GuardianClaim.user_id == user.id))
    keys = session.scalars(sa.select(Passkey).where(Passkey.user_id == user.id))
    cards = session.scalars(sa.select(AccessCard).where(AccessCard.user_id == user.id))
    return {
        "made_at": at,
        "account": {
            **_columns(user, ("name", "phone", "made_at")),
            "password": user.password is not None,
            "authenticator": user.tf_totp_secret is not None,
            "passkeys": [_columns(key, ("name", "create_datetime", "lastuse_datetime")) for key in keys],
            "recovery_codes_left": len(user.mf_recovery_codes or []),
            "cards": [_columns(card, ("made_at", "used_at", "revoked_at")) for card in cards],
        },
        "roles": [
            {"role": grant.role.name, "place": grant.organisation.name, "given_at": grant.given_at}
            for grant in user.grants
        ],
        "register": [_resident(session, row, secret_key) for row in _residents(session, user)],
        "households": [
            {"household": row.household.name}
            | _columns(row, ("said", "state", "reason", "made_at", "judged_at"))
            for row in homes
        ],
        "guardian_of": [
            {"wearer": row.wearer.name}
            | _columns(row, ("relation", "basis", "state", "decides", "claimed_at", "until", "ended_at"))
            for row in guarding
        ],
        "guardian_claims": [
            _columns(row, ("named", "home", "relation", "basis", "proof", "state", "reason", "made_at"))
            for row in claims
        ],
        "answers": {row.number: row.answers for row in _cases(session, user)},
        "most_rows_a_table": MOST_ROWS,
    }


def _tables(session: Session, user: User) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[object]]]]:
    sign_ins = sa.select(SignIn).where(SignIn.user_id == user.id).order_by(SignIn.id.desc())
    posts = sa.select(Post).where(Post.author_id == user.id).order_by(Post.id.desc())
    comments = sa.select(Comment).where(Comment.author_id == user.id).order_by(Comment.id.desc())
    cases = sa.select(Case).where(Case.reporter_id == user.id).order_by(Case.id.desc())
    events = sa.select(CaseEvent).join(Case, Case.id == CaseEvent.case_id)
    events = events.where(Case.reporter_id == user.id).order_by(CaseEvent.id.desc())
    reads = sa.select(PostRead).where(PostRead.user_id == user.id).order_by(PostRead.read_at.desc())
    likes = sa.select(PostLike).where(PostLike.user_id == user.id).order_by(PostLike.liked_at.desc())
    for name, query, heads in (
        ("sign_ins", sign_ins, SIGN_INS),
        ("posts", posts, POSTS),
        ("comments", comments, COMMENTS),
        ("cases", cases, CASES),
        ("case_events", events, EVENTS),
        ("reads", reads, ("post_id", "read_at", "confirmed_at")),
        ("likes", likes, ("post_id", "liked_at")),
    ):
        rows = session.scalars(query.limit(MOST_ROWS).execution_options(yield_per=500))
        yield name, heads, ([_cell(getattr(row, head)) for head in heads] for row in rows)
    yield "deeds", DEEDS, _deeds(session, user)


def _deeds(session: Session, user: User) -> Iterator[Sequence[object]]:
    """What the audit record says this person did; about whom is theirs to know, and left out."""
    query = sa.select(AuditEntry).where(AuditEntry.actor == f"user:{user.id}").order_by(AuditEntry.seq.desc())
    for entry in session.scalars(query.limit(MOST_ROWS).execution_options(yield_per=500)):
        purpose, _ = split(entry.detail)
        yield (_time(entry), action_words(entry.action), str(PURPOSES[purpose]) if purpose else "")


def _residents(session: Session, user: User) -> Sequence[Resident]:
    query = sa.select(Resident).where(Resident.user_id == user.id).options(joinedload(Resident.household))
    return session.scalars(query).all()


def _resident(session: Session, row: Resident, secret_key: str) -> dict[str, Any]:
    """The register's entry of this person, with who opened their identity number."""
    query = sa.select(AuditEntry).where(
        AuditEntry.subject == f"resident:{row.id}", AuditEntry.action == NUMBER_LOOK
    )
    looks = session.scalars(query.order_by(AuditEntry.seq.desc()).limit(MOST_ROWS)).all()
    names = actor_names(session, looks)
    return {
        **_columns(row, RESIDENT),
        "household": "" if row.household is None else row.household.name,
        "id_number": _number(row, secret_key),
        "id_number_opened": [
            {
                "who": names.get(look.actor, look.actor),
                "at": _time(look),
                "purpose": str(PURPOSES.get(look.detail, "")),
            }
            for look in looks
        ],
    }


def _number(row: Resident, secret_key: str) -> str:
    """The identity number with its middle hidden: a file that was lost gives it to nobody."""
    if row.id_number_sealed is None:
        return ""
    try:
        return identity.masked(identity.unseal(row.id_number_sealed, secret_key=secret_key))
    except identity.Unreadable:
        return ""


def _cases(session: Session, user: User) -> Sequence[Case]:
    query = sa.select(Case).where(Case.reporter_id == user.id).order_by(Case.id.desc())
    return session.scalars(query.limit(MOST_ROWS)).all()


def _pictures(session: Session, user: User) -> Sequence[media.Media]:
    query = sa.select(media.Media).where(media.Media.owner_id == user.id)
    return session.scalars(query.order_by(media.Media.created_at.desc()).limit(MOST_PICTURES)).all()


def _load(picture: media.Media) -> bytes | None:
    """A picture's file; one that is gone keeps nobody from the rest."""
    try:
        return media.store().load(picture.id, small=False)
    except OSError:
        log.warning("picture %s of an export is not there", picture.id)
        return None


def _columns(row: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _cell(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, dt.datetime) else value


def _time(entry: AuditEntry) -> str:
    return dt.datetime.fromtimestamp(entry.at_ms / 1000, dt.UTC).isoformat(timespec="seconds")


def _with_heads(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[Sequence[object]]:
    yield heads
    yield from rows
