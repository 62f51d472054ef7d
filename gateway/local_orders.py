"""Orders that only a person on the box may give, and what the gateway answers; never the portal's.

Each order is one JSON line at the gateway's door (`gateway.transports.control`) with its name in `order`.
The answer is a `ControlAnswer` line, and where that says `done`, lines of the order's own kind behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.capture_format import Header, Piece
from gateway.told import ControlAnswer


class ReplayQuarantine(msgspec.Struct, frozen=True, kw_only=True, tag_field="order", tag="replay_quarantine"):
    """Decode these quarantined frames again; answered with one `Replayed` a number, in their order.

    `dry_run` only says what would become of them.
    `without_login` believes frames of a protocol with a login of its own though they are judged alone:
    whoever orders it has looked at them.
    """

    numbers: tuple[Annotated[int, Meta(ge=1, le=2**63 - 1)], ...]
    dry_run: bool = False
    without_login: bool = False


class Replayed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one quarantined frame.

    "taken": it is an event now, and has left the quarantine (in a dry run: it would);
    "stays": `reason` says why; "gone": the quarantine has no such number.
    """

    number: int
    what: Literal["taken", "stays", "gone"]
    reason: str = ""
    device: str = ""
    readings: tuple[str, ...] = ()


class Capture(msgspec.Struct, frozen=True, kw_only=True, tag_field="order", tag="capture"):
    """Record what passes over this transport; answered with lines of `gateway.capture_format`, for ever."""

    transport: str


class Reload(msgspec.Struct, frozen=True, kw_only=True, tag_field="order", tag="reload"):
    """Read config.toml, the drawn fences and the holidays again; answered with one `Reloaded`.

    Refused with every wrong key, a line each, when anything is wrong: then nothing has changed.
    """


class Reloaded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a reload.

    `applied`: what holds now, such as `wearers.zhang (version 3)`, `staff`, `rules.fence`.
    `kept`: wearers of whom the file says something else than the version in force, which stays.
    `waits`: keys that are others in the file now, and hold when the gateway starts again.
    """

    applied: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


LocalOrder = ReplayQuarantine | Capture | Reload
"""Every order of this kind."""

LocalAnswer = ControlAnswer | Replayed | Reloaded | Header | Piece

Execute = Callable[[LocalOrder], AsyncGenerator[LocalAnswer, None]]
"""Carries a local order out; the iterator ends with it, and is closed when whoever asked has hung up."""
