"""Key pairs for orders of bands: one an order, their private halves in the session's cookie and nowhere else.

A pair is made with the form, so that the same press twice has the same pair, and is forgotten
when the key was written down, when newer ones push it out, and when the session ends.
"""

from __future__ import annotations

import re
import secrets

from flask import session

from gateway.bands.sealing import new_pair

SESSION = "band_pairs"
MOST_PAIRS = 6
"""A cookie holds some 4 kB; a pair takes about a hundred bytes of it."""
ONCE_BYTES = 8
ONCE = re.compile(r"[0-9a-f]{16}")


def begin() -> str:
    """Make a pair and give the name of the press it is for."""
    once = new_once()
    _make(once)
    return once


def new_once() -> str:
    """The name of a press that needs no pair."""
    return secrets.token_hex(ONCE_BYTES)


def checked(once: str) -> str:
    """The name of a press as a form sent it; another one where that is none."""
    return once if ONCE.fullmatch(once) else new_once()


def public_of(once: str) -> tuple[str, str]:
    """The name of a press as it is to be used, and its public key; a name nobody gave out is made anew."""
    once = checked(once)
    pair = _pairs().get(once)
    return once, (pair or _make(once))[1]


def private_of(once: str) -> str:
    """The private key of a press; empty where this session has none (any more)."""
    pair = _pairs().get(once)
    return pair[0] if pair else ""


def forget(once: str) -> None:
    """Let a pair go."""
    session[SESSION] = [[name, *pair] for name, pair in _pairs().items() if name != once]


def _pairs() -> dict[str, tuple[str, str]]:
    """Every pair by the press it is for, the oldest first."""
    return {name: (private, public) for name, private, public in session.get(SESSION, ())}


def _make(once: str) -> tuple[str, str]:
    """Make a pair; the oldest goes when there are too many."""
    pair = new_pair()
    kept = {name: known for name, known in _pairs().items() if name != once} | {once: pair}
    session[SESSION] = [[name, *known] for name, known in kept.items()][-MOST_PAIRS:]
    return pair
