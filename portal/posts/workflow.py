"""How a post lives: one total table, and the question whether it stands on its board now. Pure.

draft --publish--> published --withdraw--> withdrawn --publish--> published
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What its author or the staff made of a post."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    """What can be done with a post."""

    SAVE = "save"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"


class Standing(StrEnum):
    """How a post stands at a moment."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    LIVE = "live"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


REFUSED: Final = None
"""The action means nothing in this state and changes nothing."""

TABLE: Final[dict[tuple[State, Action], State | None]] = {
    (State.DRAFT, Action.SAVE): State.DRAFT,
    (State.DRAFT, Action.PUBLISH): State.PUBLISHED,
    (State.DRAFT, Action.WITHDRAW): REFUSED,  # nobody saw it: there is nothing to take back
    (State.PUBLISHED, Action.SAVE): State.PUBLISHED,  # a correction of what stands
    (State.PUBLISHED, Action.PUBLISH): State.PUBLISHED,
    (State.PUBLISHED, Action.WITHDRAW): State.WITHDRAWN,
    (State.WITHDRAWN, Action.SAVE): State.WITHDRAWN,
    (State.WITHDRAWN, Action.PUBLISH): State.PUBLISHED,
    (State.WITHDRAWN, Action.WITHDRAW): REFUSED,  # it is withdrawn already
}


def standing(
    state: State, *, publish_at: dt.datetime | None, expires_at: dt.datetime | None, now: dt.datetime
) -> Standing:
    """Give how a post stands: only LIVE is listed, EXPIRED can still be opened by its address."""
    if state is not State.PUBLISHED:
        return Standing.DRAFT if state is State.DRAFT else Standing.WITHDRAWN
    if publish_at is not None and publish_at > now:
        return Standing.SCHEDULED
    if expires_at is not None and expires_at <= now:
        return Standing.EXPIRED
    return Standing.LIVE


SEEN_BY_READERS: Final = frozenset({Standing.LIVE, Standing.EXPIRED})
