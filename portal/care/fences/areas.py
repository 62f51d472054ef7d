"""The stored fences of a wearer as the map draws them: every kind of ground as areas with corners."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from gateway.fences import shape_of
from gateway.model import FenceView
from geofence.outline import outline

log = logging.getLogger(__name__)

MOST_KEPT = 4_096
"""Outlines of so many fences are kept; the one not asked for longest is drawn anew."""


def fence_areas(stored: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each fence's `name` and its `area`, a GeoJSON MultiPolygon; one that is no shape is left out."""
    views = [msgspec.convert(one, FenceView) for one in stored]
    return [{"name": view.name, "area": area} for view in views if (area := _area(view)) is not None]


@lru_cache(maxsize=MOST_KEPT)
def _area(view: FenceView) -> dict[str, Any] | None:
    try:
        areas = outline(shape_of(view))
    except ValueError as error:
        log.warning("the fence %s is left out of the map: %s", view.fence, error)
        return None
    return {
        "type": "MultiPolygon",
        "coordinates": [[[[lon, lat] for lat, lon in ring] for ring in rings] for rings in areas],
    }
