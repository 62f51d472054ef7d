"""What a fence would be as its form stands, half filled or not: what is wrong, what it does, what to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.profile import FenceTable
from portal.care.fences.answers import GROUND, fence_so_far
from portal.care.fences.effects import fence_effects, whole_words
from portal.care.fences.rings import ground_of, rings_of
from portal.fields import Field, Raw
from portal.words import fill

SO_FAR = "so-far"
"""Under this name a fence is looked at that has none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A form looked at: `errors` by question; `said` a sentence by question; `whole` the fence in one breath.

    `ground` is what an editor takes up, None where it cannot be read;
    `rings` are areas to draw, none where the ground is no shape.
    """

    errors: Mapping[str, str]
    said: Mapping[str, str]
    whole: str
    ground: Mapping[str, Any] | None
    rings: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The same for the page's script."""
        return {name: getattr(self, name) for name in ("errors", "said", "whole", "ground", "rings")}


def checked(
    fields: Sequence[Field], raw: Raw, old: FenceTable | None, standards: Mapping[str, float]
) -> Checked:
    """Look at the answers of a fence's form; `standards` hold where nothing is typed. Raises nothing."""
    form = fill(fields, raw)
    found = fence_so_far(form, old, SO_FAR)
    readable = not GROUND & form.errors.keys()
    rings = _rings(found, standards) if readable else {}
    said = fence_effects(found, standards)
    if {"when", "days", "begin", "end", "schedule"} & form.errors.keys():
        said.pop("when")
    for field in form.errors.keys() & said.keys():
        said.pop(field)
    return Checked(
        errors=form.errors,
        said=said,
        whole=whole_words(found, standards) if rings else "",
        ground=ground_of(found) if readable or rings else None,
        rings=rings,
    )


def _rings(fence: FenceTable, standards: Mapping[str, float]) -> Mapping[str, Any]:
    try:
        return rings_of(fence, standards)
    except ValueError:
        return {}
