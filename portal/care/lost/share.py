"""Links for helpers without an account: a secret in the address, an end, and nothing once it is over.

The store knows the hash of a token, so whoever reads it cannot use a link.
The token itself is made again from its seed and the portal's secret key, to be shown to whoever gave it out;
after the key was changed old links still work and can no longer be shown.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from portal import audit
from portal.care.lost.models import LostSearch, ShareLink
from portal.policy import Viewer

HOURS = (2, 6, 12, 24)
TOKEN_BYTES = 24
TOKEN_CHARACTERS = 32
SEED_BYTES = 16
MOST_LINKS = 20
"""A search has no more that are open: whoever needs another ends one."""


def make(
    session: Session, search: LostSearch, *, purpose: str, hours: int, key: str, who: Viewer, now: datetime
) -> ShareLink | None:
    """Make a link in the session's transaction; None where too many are open."""
    if len([link for link in links(session, search) if is_open(link, now)]) >= MOST_LINKS:
        return None
    seed = secrets.token_hex(SEED_BYTES)
    link = ShareLink(
        search_id=search.id,
        wearer_id=search.wearer_id,
        token_hash=hash_of(token_of(seed, key)),
        seed=seed,
        purpose=purpose,
        made_by=who.name,
        made_at=now,
        until=now + timedelta(hours=hours),
    )
    session.add(link)
    session.flush()
    _record(session, link, "share_make", who=who, now=now, detail=f"link {link.id}, {hours} h")
    return link


def revoke(session: Session, link: ShareLink, *, who: Viewer, now: datetime) -> None:
    """End a link at once; idempotent."""
    if link.revoked_at is None:
        link.revoked_at = now
        _record(session, link, "share_revoke", who=who, now=now, detail=f"link {link.id}")


def opened(session: Session, token: str, now: datetime) -> ShareLink | None:
    """The link of a token while it leads anywhere."""
    if len(token) != TOKEN_CHARACTERS:
        return None
    query = sa.select(ShareLink).where(ShareLink.token_hash == hash_of(token))
    query = query.options(joinedload(ShareLink.search).joinedload(LostSearch.wearer))
    link = session.scalar(query)
    return link if link is not None and is_open(link, now) else None


def links(session: Session, search: LostSearch) -> list[ShareLink]:
    """The links of a search, newest first."""
    query = sa.select(ShareLink).where(ShareLink.search_id == search.id).options(joinedload(ShareLink.search))
    return list(session.scalars(query.order_by(ShareLink.made_at.desc(), ShareLink.id.desc())))


def is_open(link: ShareLink, now: datetime) -> bool:
    """Whether a link leads anywhere: not ended, not past its time, and the search goes on."""
    return link.revoked_at is None and now < link.until and link.search.ended_at is None


def shown(link: ShareLink, key: str) -> str:
    """The token of a link; empty where the portal's key has changed since."""
    token = token_of(link.seed, key)
    return token if hmac.compare_digest(hash_of(token), link.token_hash) else ""


def token_of(seed: str, key: str) -> str:
    """The token of a seed: 192 bits of HMAC-SHA-256 (RFC 2104) in base64url (RFC 4648, 5)."""
    made = hmac.digest(key.encode(), f"share:{seed}".encode(), "sha256")[:TOKEN_BYTES]
    return base64.urlsafe_b64encode(made).decode()


def hash_of(token: str) -> str:
    """What the store knows of a token: its SHA-256. It is as long as random, so it needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _record(
    session: Session, link: ShareLink, action: str, *, who: Viewer, now: datetime, detail: str
) -> None:
    subject = f"wearer:{link.wearer_id}"
    audit.record(session, at=now, actor=f"user:{who.user}", action=action, subject=subject, detail=detail)
