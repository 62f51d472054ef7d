"""A wearer's profile: who they are, whom to tell, their fences and limits; pure.

It is the part of a `[[wearers]]` table that may change while the gateway runs:
from `config.toml` for a gateway that stands alone, or from the portal (`gateway.told`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from gateway.model import FencePart
from geofence.datum import Datum


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Root of the tables below: frozen, by keyword, unknown keys refused."""


class ContactTable(Table, frozen=True):
    """One person to tell; `phone` is E.164, `lang` the language of their texts and calls."""

    id: str
    name: str
    phone: str
    relation: str = ""
    lang: Literal["zh", "en"] = "zh"


class FenceTable(Table, frozen=True):
    """One fence, a piece of ground or several `parts`, each with its places as [lat, lon] of `datum`.

    A piece of ground is a circle (`centre`, `radius_m`); a `polygon` of corners, less its `holes`;
    or a corridor, everything within `half_width_m` of a `line`.
    `keep = "out"`: a place to keep away from. `schedule`: when it counts (`geofence.schedule`).
    """

    id: str
    name: str
    centre: tuple[float, float] | None = None
    radius_m: float | None = None
    polygon: tuple[tuple[float, float], ...] = ()
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()
    line: tuple[tuple[float, float], ...] = ()
    half_width_m: float | None = None
    parts: tuple[FencePart, ...] = ()
    datum: Datum = "wgs84"
    exit_margin_m: Annotated[float, msgspec.Meta(le=5_000)] = 0.0
    keep: Literal["in", "out"] = "in"
    hysteresis_m: Annotated[float, msgspec.Meta(ge=0, le=5_000)] | None = None
    dwell_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None
    schedule: tuple[str, ...] = ()
    approach_m: Annotated[float, msgspec.Meta(ge=0, le=5_000)] = 0.0
    escalate_m: tuple[Annotated[float, msgspec.Meta(gt=0, le=1_000_000)], ...] = ()


class Profile(Table, frozen=True, kw_only=True):
    """What is known of a wearer but their bands; `rules` overrides the community's rule settings by key."""

    name: str
    contacts: tuple[ContactTable, ...]
    birth_year: int | None = None
    home: str = ""
    beidou_number: int | None = None
    fences: tuple[FenceTable, ...] = ()
    rules: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
