"""What a service is: a file in `data/services/`, no code."""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

from portal.cases.workflow import State
from portal.fields import Field, Words
from portal.offers import DATA, load

Kind = Literal["guide", "application", "report"]


class Guide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person wants to know before going anywhere."""

    steps: tuple[Words, ...]
    who: Words = ""
    materials: tuple[Words, ...] = ()
    where: Words
    hours: Words
    phone: str
    cost: Words
    basis: Words = ""


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage a case of this service goes through; `limit_h` is how long it may stay there, in hours."""

    state: State
    title: Words
    limit_h: float | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One service.

    `kind`: "guide" is only read, "application" is applied for online, "report" is for residents' reports.
    `version` rises when the form changes; a case remembers with which one it was filled in.
    `photo_to_finish`: staff close it with a photo of the result.
    """

    kind: Kind
    title: Words
    summary: Words
    icon: str
    order: int
    handler: Words
    guide: Guide
    version: int = 1
    consent: Words = ""
    fields: tuple[Field, ...] = ()
    stages: tuple[Stage, ...] = ()
    photo_to_finish: bool = False

    def limit_h(self, state: State) -> float | None:
        """Give how many hours a case may stay in a state; None where there is no limit."""
        return next((stage.limit_h for stage in self.stages if stage.state is state), None)


@cache
def services() -> dict[str, Service]:
    """Give every service by its short name, in their order."""
    found = load(DATA / "services", Service)
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
