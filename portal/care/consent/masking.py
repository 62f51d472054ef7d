"""What an alarm or an incident says beyond that it happened, as far as who looks may see: pure.

That somebody raised an alarm, and which kind, is seen by whoever sees them.
Which place they left, where they were and what was measured is location and health like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from gateway.model import Why
from portal.policy import Sight

if TYPE_CHECKING:
    from gateway.told import IncidentView
    from portal.care.models import IncidentLine

WITHHELD = Why(code="withheld")
"""In place of the reasons that may not be seen: a code of no rule, so it is told by its kind alone."""
TELL_HEALTH = frozenset({"vitals"})
TELL_LOCATION = frozenset({"fence"})
WHERE_LINES = frozenset({"moved"})
"""The lines of a story that say where somebody was."""


def shown_why(kind: str, why: Why, sight: Sight) -> Why:
    """The reasons of an alarm of a kind, or `WITHHELD`."""
    if kind in TELL_HEALTH and not sight.health:
        return WITHHELD
    return WITHHELD if kind in TELL_LOCATION and not sight.location else why


def shown_incident(view: IncidentView, sight: Sight) -> IncidentView:
    """An incident without what may not be seen of it."""
    if sight.location and sight.health:
        return view
    why = shown_why(view.kind, view.why, sight)
    if sight.location:
        return msgspec.structs.replace(view, why=why)
    return msgspec.structs.replace(view, why=why, lat=None, lon=None)


def shown_story(lines: Iterable[IncidentLine], sight: Sight) -> list[IncidentLine]:
    """A story without the lines that say where somebody was, where that may not be seen."""
    return [line for line in lines if sight.location or line.what not in WHERE_LINES]
