"""Fences as somebody pastes them: GeoJSON, or tables as in `config.toml`, as TOML or JSON; pure."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec

OWN_KEYS = (
    "exit_margin_m",
    "keep",
    "hysteresis_m",
    "dwell_s",
    "schedule",
    "approach_m",
    "escalate_m",
)
"""Columns of a drawn feature that mean the same in a table."""


class TextError(ValueError):
    """A text that is neither."""


def tables_of(text: str) -> list[Any]:
    """Give the tables of a text, to be judged; raises TextError for one that is none of the three."""
    try:
        found = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        try:
            found = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise TextError(str(error)) from error
    if isinstance(found, dict) and found.get("type") in ("Feature", "FeatureCollection"):
        return _features(found)
    while isinstance(found, dict) and found:
        inner = found.get("fences", found.get("wearers"))
        if inner is None:
            found = [found]
        elif isinstance(inner, list) and inner and "wearers" in found:
            found = inner[0]
        else:
            found = inner
    if not isinstance(found, list) or not found:
        raise TextError("no fences")
    return found


def _features(found: dict[str, Any]) -> list[Any]:
    features = found.get("features") if found["type"] == "FeatureCollection" else [found]
    if not isinstance(features, list):
        raise TextError("features")
    return [_table(number, one) for number, one in enumerate(features, start=1)]


def _table(number: int, feature: Any) -> dict[str, Any]:
    """One feature as a table; raises TextError for one that is no point, line or polygon."""
    if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
        raise TextError(f"feature {number} has no geometry")
    about = feature.get("properties")
    about = about if isinstance(about, dict) else {}
    name = str(about.get("name") or about.get("id") or number)
    table = {"id": str(about.get("id") or name), "name": name}
    table |= {key: about[key] for key in OWN_KEYS if about.get(key) is not None}
    geometry = feature["geometry"]
    kind, places = geometry.get("type"), geometry.get("coordinates")
    try:
        if kind in ("MultiPolygon", "MultiPoint", "MultiLineString"):
            parts = [_part(kind.removeprefix("Multi"), one, about) for one in places]
            return table | {"parts": parts}
        return table | _part(kind, places, about)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise TextError(f"feature {number}") from error


def _part(kind: Any, places: Any, about: dict[str, Any]) -> dict[str, Any]:
    if kind == "Point":
        return {"centre": _place(places), "radius_m": about.get("radius_m")}
    if kind == "LineString":
        return {"line": [_place(one) for one in places], "half_width_m": about.get("half_width_m")}
    if kind != "Polygon":
        raise ValueError(kind)
    rings = [_ring(one) for one in places]
    return {"polygon": rings[0]} | ({"holes": rings[1:]} if rings[1:] else {})


def _ring(places: Any) -> list[list[Any]]:
    """The corners of a ring, its last one not said twice."""
    corners = [_place(one) for one in places]
    return corners[:-1] if len(corners) > 1 and corners[0] == corners[-1] else corners


def _place(place: Any) -> list[Any]:
    """GeoJSON says longitude first, a table latitude."""
    return [place[1], place[0]]
