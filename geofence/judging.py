"""A file of fences judged: every feature by number and name, what it is good for and what is wrong with it.

For each feature, in this order: its columns hold what they should; something is drawn, in degrees;
the drawing is simple ground (`geofence.drawing`); it lies where the site is (`geofence.site`);
it makes a shape. Then all of them together: ids, names and drawings are there once.
A feature with an error is no fence; the others are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from geofence.drawing import put_right
from geofence.ellipsoid import MAX_LAT_DEG, MAX_LON_DEG
from geofence.features import Feature, Geometry, MapFence, flat, moved, numbers, shape_of_parts
from geofence.fields import GEOMETRY_FIELDS, Value, known, strangers
from geofence.findings import Finding
from geofence.site import TO_WGS84, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The fences of a file that are right, and everything found."""

    fences: tuple[MapFence, ...]
    findings: tuple[Finding, ...]


def judge(features: Sequence[Feature], *, site: Site | None, datum: str = "", repair: bool = False) -> Judged:
    """Judge the features of a file.

    `datum` is what the installer says the file is in ("wgs84", "gcj02", "bd09"), or empty:
    then nothing is converted, and a feature that would fit the site in another datum is an error.
    `repair` is the consent to change drawings, each change being told.
    """
    found: list[Finding] = []
    if not features:
        found.append(Finding(code="no_fences", weight="error", words="nothing is in it"))
    if site is None:
        found.append(Finding(code="no_site", weight="note", words="no boundary of the site to compare with"))
    columns = {column: None for feature in features for column in feature.columns}
    if odd := strangers(columns):
        words = "columns that mean nothing here: " + ", ".join(odd)
        found.append(Finding(code="columns_ignored", weight="note", words=words))
    fences: list[tuple[int, MapFence]] = []
    for feature in features:
        fence, about = _one(feature, site=site, datum=datum, repair=repair)
        found += about
        if fence is not None:
            fences.append((feature.number, fence))
    named = _named(fences, found)
    return Judged(fences=tuple(named), findings=tuple(found))


def _one(
    feature: Feature, *, site: Site | None, datum: str, repair: bool
) -> tuple[MapFence | None, list[Finding]]:
    """One feature as a fence, None when it has an error; its id is empty when the file gives none."""
    found: list[Finding] = []
    fence: MapFence | None = None
    values, wrong = known(feature.columns)
    found += (Finding(code="bad_property", weight="error", words=words) for words in wrong)
    parts = _parts(feature.geometry, found)
    if not wrong:
        _sizes(parts, values, found)
    if not _any_error(found):
        parts = tuple(moved(part, TO_WGS84[datum]) for part in parts) if datum in TO_WGS84 else parts
        parts, about = put_right(parts, repair=repair)
        found += about
    if not _any_error(found) and site is not None and (odd := site.finding(parts, values, datum)):
        found.append(odd)
    name = str(values.get("name", ""))
    if not _any_error(found):
        try:
            fence = MapFence(
                id=str(values.get("id", "")),
                name=name,
                shape=shape_of_parts(
                    parts,
                    radii_m=numbers(values.get("radius_m")),
                    widths_m=numbers(values.get("half_width_m")),
                ),
                extra={key: value for key, value in values.items() if key not in GEOMETRY_FIELDS},
            )
        except ValueError as error:
            found.append(Finding(code="refused", weight="error", words=str(error)))
    return fence, [replace(one, number=feature.number, name=name) for one in found]


def _parts(geometry: Geometry | None, found: list[Finding]) -> tuple[Geometry, ...]:
    if geometry is None:
        found.append(Finding(code="no_geometry", weight="error", words="nothing is drawn"))
        return ()
    try:
        parts = tuple(part for part in flat(geometry) if part["coordinates"])
    except ValueError as error:
        found.append(Finding(code="unsupported_geometry", weight="error", words=str(error)))
        return ()
    if not parts:
        found.append(Finding(code="no_geometry", weight="error", words="nothing is drawn"))
    places = [place for part in parts for place in _places(part["coordinates"])]
    if not all(_in_degrees(lat, lon) for lon, lat in places):
        if all(_in_degrees(lat, lon) for lat, lon in places):
            words = "latitudes beyond 85 degrees; exchanged they are places on the Earth"
            found.append(Finding(code="axes_swapped", weight="error", words=words))
        else:
            words = "coordinates that are no degrees of longitude and latitude"
            found.append(Finding(code="not_degrees", weight="error", words=words))
    return parts


def _places(coordinates: Any) -> Iterable[tuple[float, float]]:
    if not coordinates:
        return
    if isinstance(coordinates[0], int | float):
        yield coordinates[0], coordinates[1]
        return
    for inner in coordinates:
        yield from _places(inner)


def _in_degrees(lat: float, lon: float) -> bool:
    return -MAX_LAT_DEG <= lat <= MAX_LAT_DEG and -MAX_LON_DEG < lon < MAX_LON_DEG


def _sizes(parts: Sequence[Geometry], values: dict[str, Value], found: list[Finding]) -> None:
    for kind, column, code, words in (
        ("Point", "radius_m", "radius_missing", "a point without radius_m"),
        ("LineString", "half_width_m", "width_missing", "a line without half_width_m"),
    ):
        if any(part["type"] == kind for part in parts) and column not in values:
            found.append(Finding(code=code, weight="error", words=words))


def _any_error(found: Iterable[Finding]) -> bool:
    return any(finding.weight == "error" for finding in found)


def _named(fences: Sequence[tuple[int, MapFence]], found: list[Finding]) -> list[MapFence]:
    """The fences that are there once, each with an id: its own, else its name, else its number."""
    given = {fence.id for _, fence in fences if fence.id}
    ids: set[str] = set()
    names: dict[str, int] = {}
    shapes: dict[Any, int] = {}
    kept: list[MapFence] = []
    for number, fence in fences:
        if fence.id and fence.id in ids:
            words = f"the id {fence.id!r} is there twice"
            found.append(
                Finding(code="duplicate_id", weight="error", words=words, number=number, name=fence.name)
            )
            continue
        if fence.name and fence.name in names:
            words = f"feature {names[fence.name]} has the same name"
            found.append(
                Finding(code="duplicate_name", weight="warning", words=words, number=number, name=fence.name)
            )
        if fence.shape in shapes:
            words = f"feature {shapes[fence.shape]} is the same drawing"
            found.append(
                Finding(code="duplicate_shape", weight="warning", words=words, number=number, name=fence.name)
            )
        names.setdefault(fence.name, number)
        shapes.setdefault(fence.shape, number)
        name = fence.id or _free(fence.name or f"fence-{number}", ids | given)
        ids.add(name)
        kept.append(replace(fence, id=name, name=fence.name or name))
    return kept


def _free(wish: str, taken: set[str]) -> str:
    """The wish, or the wish with the first number behind it that is free."""
    name, count = wish, 1
    while name in taken:
        count += 1
        name = f"{wish}-{count}"
    return name
