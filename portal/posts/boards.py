"""What a board is: a file in `data/boards/`, no code."""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

from portal.fields import Words
from portal.offers import DATA, load
from portal.policy import WATCHERS, Role, Viewer

PUBLISHERS = frozenset({Role.STAFF, Role.ADMIN})
"""Who may write where only staff write."""


class Board(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One board.

    `read`: "anyone", or "members" for people with an account in this community.
    `write`: "staff", or "members".
    `empty`: what its page says while nothing stands there.
    """

    title: Words
    about: Words
    icon: str
    order: int
    read: Literal["anyone", "members"]
    write: Literal["staff", "members"]
    comments: bool
    likes: bool
    empty: Words


@cache
def boards() -> dict[str, Board]:
    """Give every board by its short name, in their order."""
    found = load(DATA / "boards", Board)
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def may_read(board: Board, viewer: Viewer, *, community: str) -> bool:
    """Whether somebody may read a board of a community."""
    return board.read == "anyone" or (viewer.signed_in and viewer.community == community)


def may_write(board: Board, viewer: Viewer, *, community: str) -> bool:
    """Whether somebody may write on a board of a community."""
    if not viewer.signed_in or viewer.community != community:
        return False
    return board.write == "members" or bool(viewer.roles & PUBLISHERS)


def may_moderate(viewer: Viewer, *, community: str) -> bool:
    """Whether somebody may hide comments and see who has read what."""
    return viewer.signed_in and viewer.community == community and bool(viewer.roles & (PUBLISHERS & WATCHERS))
