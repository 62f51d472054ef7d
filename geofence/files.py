"""Fences out of map files and into them: GeoJSON, GeoPackage, Shapefile, KML.

geopandas costs 0.4 s and 85 MiB, so it is imported only when a file is read or written.
What the columns mean is `geofence.fields`', how a fence is drawn `geofence.features`',
whether a drawing is any good `geofence.judging`'s.

Everything becomes longitude and latitude of WGS-84; CGCS2000 (EPSG:4490) is the same at this accuracy.
A file that names no coordinate system is taken as WGS-84, with a note.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from geofence.dbf import encoding_of
from geofence.features import Feature, MapFence, geometry_of
from geofence.fields import FIELDS, Value, written
from geofence.findings import Finding, Weight

WGS84 = "EPSG:4326"
LIKE_WGS84 = frozenset({4326, 4979, 4490, 4480})
"""WGS-84 and CGCS2000, in degrees, without and with heights."""
EXACT_M = 5.0
UNREADABLE = (RuntimeError, ValueError, IndexError, NameError)
"""What pyogrio and pyproj raise of a broken file; a .prj of wild bytes trips pyogrio (NameError)."""
HEAD_BYTES = 4096
MOST_BYTES = 64 * 1024 * 1024
MOST_FEATURES = 2_000
DRIVERS = MappingProxyType(
    {
        ".geojson": "GeoJSON",
        ".json": "GeoJSON",
        ".gpkg": "GPKG",
        ".shp": "ESRI Shapefile",
        ".kml": "LIBKML",
    }
)
"""The formats, by the end of the file's name; what GDAL calls them."""
MARKS = MappingProxyType(
    {
        "GeoJSON": b"{",
        "GPKG": b"SQLite format 3\0",
        "ESRI Shapefile": b"\x00\x00\x27\x0a",
        "LIBKML": b"<kml",
    }
)
"""What a file of each format has in its beginning."""


class NoMapFile(OSError):
    """A file that cannot be read or written as a map; `words` say why."""

    def __init__(self, path: Path, words: str) -> None:
        super().__init__(f"{path}: {words}")
        self.path = path
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The features of a file in WGS-84, and what was found on the way."""

    features: tuple[Feature, ...]
    findings: tuple[Finding, ...]


def read(path: Path) -> Reading:
    """Read every layer of a map file.

    Raises NoMapFile, in words for the installer, when it cannot be read at all.
    """
    driver = _recognised(path)
    found: list[Finding] = []
    encoding = _encoding(path, found) if driver == "ESRI Shapefile" else None
    features: list[Feature] = []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", RuntimeWarning)  # GDAL's complaints, told as notes
        try:
            for frame in _layers(path, encoding):
                features += _features(_in_wgs84(frame, found), after=len(features))
                if len(features) > MOST_FEATURES:
                    words = f"more than {MOST_FEATURES} features"
                    found.append(Finding(code="too_many_features", weight="error", words=words))
                    break
        except UNREADABLE as error:
            raise NoMapFile(path, f"is no map file that can be read ({error})") from error
    found += (Finding(code="gdal_says", weight="note", words=str(one.message)) for one in heard)
    return Reading(features=tuple(features), findings=tuple(dict.fromkeys(found)))


def _layers(path: Path, encoding: str | None) -> Iterator[Any]:
    """Each layer with drawings as a table; not one without, such as the styles QGIS keeps."""
    import geopandas  # noqa: PLC0415 (0.4 s and 85 MiB: only who reads a file pays)

    layers = geopandas.list_layers(path)
    for name, kind in zip(layers["name"], layers["geometry_type"], strict=True):
        if isinstance(kind, str):
            yield geopandas.read_file(path, layer=name, encoding=encoding, on_invalid="ignore")


def _recognised(path: Path) -> str:
    """The format of a file whose beginning is what its name says: nothing else is shown to GDAL."""
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise NoMapFile(path, "is none of " + ", ".join(DRIVERS))
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise NoMapFile(path, f"cannot be read ({error.strerror})") from error
    if size > MOST_BYTES:
        raise NoMapFile(path, f"is larger than {MOST_BYTES // 1024**2} MiB")
    mark = MARKS[driver]
    if (
        mark not in head
        if driver == "LIBKML"
        else not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(mark)
    ):
        raise NoMapFile(path, f"is no {driver.removeprefix('LIB')}, whatever its name says")
    if driver == "ESRI Shapefile":
        missing = [end for end in (".shx", ".dbf") if not _beside(path, end)]
        if missing:
            raise NoMapFile(path, "needs its " + " and ".join(missing) + " beside it: copy all of its files")
    return driver


def _beside(path: Path, end: str) -> Path | None:
    """The file of the same name with another end, in small or capital letters."""
    for one in (path.with_suffix(end), path.with_suffix(end.upper())):
        if one.exists():
            return one
    return None


def _encoding(path: Path, found: list[Finding]) -> str:
    table, declared = _beside(path, ".dbf"), _beside(path, ".cpg")
    assert table is not None
    try:
        said = declared.read_text(encoding="ascii", errors="replace") if declared else ""
        encoding = encoding_of(table.read_bytes(), said)
    except (OSError, ValueError) as error:
        raise NoMapFile(path, str(error)) from error
    about: dict[str, tuple[Weight, str]] = {
        "guessed": ("note", f"no .cpg file says how its names are written; read as {encoding.name}"),
        "wrong": ("warning", f"its names are not {said.strip()} as its .cpg says; read as {encoding.name}"),
        "unknown": ("warning", "its names are neither UTF-8 nor GBK; read as Latin-1"),
    }
    if encoding.how in about:
        weight, words = about[encoding.how]
        found.append(Finding(code=f"encoding_{encoding.how}", weight=weight, words=words))
    return encoding.name


def _in_wgs84(frame: Any, found: list[Finding]) -> Any:
    if frame.crs is None:
        words = "names no coordinate system; taken as WGS-84"
        found.append(Finding(code="crs_missing", weight="note", words=words))
        return frame
    if frame.crs.to_epsg() in LIKE_WGS84:
        return frame
    if not _near_wgs84(frame.crs):
        words = f"{frame.crs.name}: nothing here knows how far that is from WGS-84, 100 m and more in China"
        found.append(Finding(code="crs_inexact", weight="error", words=words))
    try:
        return frame.to_crs(WGS84)
    except RuntimeError as error:  # pyproj's ProjError is one
        words = f"its coordinate system {frame.crs.name!r} cannot be converted ({error})"
        found.append(Finding(code="crs_unusable", weight="error", words=words))
        return frame


def _near_wgs84(crs: Any) -> bool:
    """Whether the way from a system's datum to WGS-84 is known to `EXACT_M`, or is none at all.

    PROJ takes an unknown way as none: Beijing 1954 and Xi'an 1980 would pass for WGS-84 unnoticed.
    """
    from pyproj import Transformer  # noqa: PLC0415 (geopandas brings it along)

    ground = crs.geodetic_crs
    if ground is None or ground.to_epsg() in LIKE_WGS84:
        return ground is not None
    return 0 <= Transformer.from_crs(ground, WGS84, always_xy=True).accuracy <= EXACT_M


def _features(frame: Any, *, after: int) -> Iterator[Feature]:
    import shapely  # noqa: PLC0415 (90 ms and 29 MiB: only who reads a file pays)
    import shapely.geometry  # noqa: PLC0415 (the same)

    columns = frame.drop(columns=frame.geometry.name).astype(object)
    rows = columns.where(columns.notna(), None).to_dict("records")
    for number, (row, drawn) in enumerate(zip(rows, frame.geometry, strict=True), start=after + 1):
        nothing = drawn is None or drawn.is_empty
        geometry = None if nothing else shapely.geometry.mapping(shapely.force_2d(drawn))
        yield Feature(number=number, columns=row, geometry=geometry)


def write(path: Path, fences: Sequence[MapFence], *, encoding: str = "UTF-8") -> None:
    """Write the fences as a new file of the format its name says; `read` and `judge` give them back.

    `encoding` is that of a Shapefile's names ("UTF-8" or "GBK"), told by its .cpg file.
    A Shapefile holds one kind of drawing only, and no GeometryCollection.
    Raises NoMapFile when the file exists already, or the format cannot hold these fences.
    """
    import geopandas  # noqa: PLC0415 (0.4 s and 85 MiB: only who writes a file pays)
    import shapely.geometry  # noqa: PLC0415 (the same)

    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise NoMapFile(path, "is none of " + ", ".join(DRIVERS))
    if path.exists():
        raise NoMapFile(path, "exists already; nothing was written")
    drawn = [geometry_of(fence.shape) for fence in fences]
    shapefile = driver == "ESRI Shapefile"
    if shapefile:
        _one_kind(path, {geometry["type"] for geometry, _ in drawn})
    rows = [
        written(_columns(fence, sizes), short=shapefile)
        for fence, (_, sizes) in zip(fences, drawn, strict=True)
    ]
    frame = geopandas.GeoDataFrame(
        _table(rows, short=shapefile),
        geometry=[shapely.geometry.shape(geometry) for geometry, _ in drawn],
        crs=WGS84,
    )
    options = {"encoding": encoding} if shapefile else {}
    try:
        frame.to_file(path, driver=driver, index=False, **options)
    except (RuntimeError, ValueError, UnicodeEncodeError) as error:
        raise NoMapFile(path, f"cannot be written ({error})") from error


def _one_kind(path: Path, kinds: set[str]) -> None:
    simple = {kind.replace("MultiPolygon", "Polygon").replace("MultiLine", "Line") for kind in kinds}
    if len(simple) > 1 or "GeometryCollection" in simple:
        raise NoMapFile(path, "a Shapefile holds one kind of drawing; use .gpkg, .geojson or .kml")


def _columns(fence: MapFence, sizes: dict[str, Value]) -> dict[str, Value]:
    return {"id": fence.id, "name": fence.name, **sizes, **fence.extra}


def _table(
    rows: Sequence[dict[str, str | float | None]], *, short: bool
) -> dict[str, list[str | float | None]]:
    """The columns that any fence needs, in our order; one with a text in it is text throughout."""
    table = {}
    for name in written(dict.fromkeys(FIELDS), short=short):
        column = [row.get(name) for row in rows]
        if any(value is not None for value in column):
            mixed = any(isinstance(value, str) for value in column)
            table[name] = [None if v is None else str(v) if mixed else v for v in column]
    return table
