"""Fences drawn on a map: a GeoJSON file a wearer in `[site] fences_dir`, beside those of `config.toml`.

The file `<wearer>.geojson` holds what `shouwang fence import` put there, and may be changed in a map program.
It is plain GeoJSON (RFC 7946: longitude before latitude, WGS-84), so nothing heavy is imported to start.
It is checked like the configuration: every wrong feature is listed, and nothing starts with one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.config_tables import Checker
from gateway.fences import shape_of, view_for
from gateway.model import FenceView
from geofence.features import MapFence, geometry_of, shape_of_geometry
from geofence.fields import FIELDS, GEOMETRY_FIELDS, Value, known, strangers, written

END = ".geojson"
MOST_BYTES = 16 * 1024 * 1024
SAME_AS_WGS84 = ("CRS84", ":4326", ":4490")

T = TypeVar("T")


def with_drawn(wearers: Sequence[Any], folder: Path, checker: Checker, kind: type[T]) -> list[Any]:
    """Give the wearers with the fences of their files behind their own; `kind` is the table of a fence.

    A missing folder holds no fences. Every wrong file, feature and value is noted.
    """
    drawn: dict[str, list[T]] = {}
    for path in sorted(folder.glob("*" + END)) if folder.is_dir() else ():
        if path.stem not in {wearer.id for wearer in wearers}:
            checker.add(str(path), "(file)", f"the id of one of [[wearers]] before {END}")
            continue
        drawn[path.stem] = checked(path, checker, kind)
    return [
        msgspec.structs.replace(wearer, fences=(*wearer.fences, *drawn[wearer.id]))
        if wearer.id in drawn
        else wearer
        for wearer in wearers
    ]


def checked(path: Path, checker: Checker, kind: type[T]) -> list[T]:
    """Give the fences of one file that are right, as tables of `kind`; what is wrong is noted."""
    found: list[T] = []
    for number, feature in enumerate(_features(path, checker), start=1):
        where = f"{path} feature {number}"
        try:
            fence = _fence(feature)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            checker.add(where, "(feature)", f"a fence as `shouwang fence import` writes it ({error})")
            continue
        table = checker.table(table_of(fence), kind, where)
        if table is not None:
            found.append(table)
    return found


def _features(path: Path, checker: Checker) -> list[Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            checker.add(str(path), "(file)", f"at most {MOST_BYTES} bytes")
            return []
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        checker.add(str(path), "(unreadable)", f"GeoJSON in UTF-8 ({error})")
        return []
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        checker.add(str(path), "(file)", "a GeoJSON FeatureCollection")
        return []
    if "crs" in document and not any(one in json.dumps(document["crs"]) for one in SAME_AS_WGS84):
        checker.add(f"{path} crs", document["crs"], "WGS-84; bring it in with `shouwang fence import`")
        return []
    return features


def _fence(feature: Any) -> MapFence:
    columns = feature["properties"] or {}
    if odd := strangers(columns):
        raise ValueError("no such property: " + ", ".join(odd) + "; known: " + ", ".join(FIELDS))
    values, wrong = known(columns)
    if wrong:
        raise ValueError("; ".join(wrong))
    return MapFence(
        id=str(values.get("id", "")),
        name=str(values.get("name", "")),
        shape=shape_of_geometry(feature["geometry"], values),
        extra={name: value for name, value in values.items() if name not in GEOMETRY_FIELDS},
    )


def save(path: Path, fences: Sequence[MapFence]) -> None:
    """Write the file of a wearer's fences, for its owner alone: whole and on the disk, or not at all.

    Raises OSError.
    """
    rows = []
    for fence in fences:
        geometry, sizes = geometry_of(fence.shape)
        columns = written({"id": fence.id, "name": fence.name, **sizes, **fence.extra})
        rows.append(
            json.dumps({"type": "Feature", "properties": columns, "geometry": geometry}, ensure_ascii=False)
        )
    text = '{"type": "FeatureCollection", "features": [\n' + ",\n".join(rows) + "\n]}\n"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def drawn(view: FenceView) -> MapFence:
    """Give a fence as everybody sees it as a fence of a map file; raises ValueError when it is no shape."""
    plain = {field.name: field.default for field in msgspec.structs.fields(FenceView)}
    extra: dict[str, Value] = {
        name: getattr(view, name)
        for name in FIELDS
        if name not in GEOMETRY_FIELDS and name in plain and getattr(view, name) != plain[name]
    }
    return MapFence(id=view.fence, name=view.name, shape=shape_of(view), extra=extra)


def table_of(fence: MapFence) -> dict[str, Any]:
    """Give a fence of a map file as a `[[wearers.fences]]` table; what it leaves out has its default."""
    plain: dict[str, Any] = msgspec.to_builtins(view_for(fence.shape, fence=fence.id, name=fence.name))
    name = plain.pop("fence")
    if "parts" in plain:
        plain["parts"] = list(plain["parts"])  # an array of tables is a list in a configuration
    return {**({"id": name} if name else {}), **plain, **fence.extra}


def view_of_drawn(fence: MapFence) -> FenceView:
    """Give a fence of a map file as everybody sees it; raises ValueError for a column that does not fit."""
    plain: dict[str, Any] = msgspec.to_builtins(view_for(fence.shape, fence=fence.id, name=fence.name))
    return msgspec.convert(plain | dict(fence.extra), FenceView)
