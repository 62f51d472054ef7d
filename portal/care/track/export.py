"""A way for other programs: GPX 1.1, KML 2.2 and CSV, in pieces that are sent as they are made.

GPX 1.1: https://www.topografix.com/GPX/1/1/ ; KML 2.2: OGC 07-147r2.
Nothing but positions and times leaves: no heart rate, no telephone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from portal.care.sentences import SOURCE_WORDS
from portal.care.track.read import Way
from portal.care.track.way import SOURCES
from portal.care.track.words import Line
from portal.i18n import gettext
from portal.sheets import BOM
from portal.words import SHANGHAI

CHUNK = 1_000
"""So many fixes, or rows, a piece."""


def as_gpx(found: Way, told: Sequence[Line], *, name: str) -> Iterator[str]:
    """The way as GPX 1.1: a segment a piece between gaps, stays and alarms as way points."""
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx version="1.1" creator="Shouwang" xmlns="http://www.topografix.com/GPX/1/1">\n'
        f"<metadata><name>{escape(name)}</name></metadata>\n"
    )
    for line in told:
        if line.lat is not None and line.lon is not None and line.kind in {"stay", "alarm"}:
            yield (
                f'<wpt lat="{line.lat:.6f}" lon="{line.lon:.6f}"><time>{_utc(line.at_ms)}</time>'
                f"<name>{escape(line.title)}</name><type>{line.kind}</type></wpt>\n"
            )
    yield f"<trk><name>{escape(name)}</name>\n"
    for first, last in found.pieces:
        yield "<trkseg>\n"
        for rows in _chunks(found, first, last):
            yield "".join(
                f'<trkpt lat="{lat:.6f}" lon="{lon:.6f}"><time>{_utc(at_ms)}</time>'
                f"{f'<src>{source}</src>' if source else ''}</trkpt>\n"
                for at_ms, lat, lon, source in rows
            )
        yield "</trkseg>\n"
    yield "</trk>\n</gpx>\n"


def as_kml(found: Way, told: Sequence[Line], *, name: str) -> Iterator[str]:
    """The way as KML 2.2: a line a piece between gaps with its time span, stays and alarms as points."""
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>{escape(name)}</name>\n"
        '<Style id="way"><LineStyle><color>ff695a0b</color><width>4</width></LineStyle></Style>\n'
    )
    for line in told:
        if line.lat is not None and line.lon is not None and line.kind in {"stay", "alarm"}:
            yield (
                f"<Placemark><name>{escape(line.title)}</name>{_span(line.at_ms, line.end_ms)}"
                f"<Point><coordinates>{line.lon:.6f},{line.lat:.6f}</coordinates></Point></Placemark>\n"
            )
    times = found.exact.at_ms
    for number, (first, last) in enumerate(found.pieces, 1):
        if first == last:
            continue
        yield (
            f"<Placemark><name>{escape(name)} {number}</name>{_span(int(times[first]), int(times[last]))}"
            "<styleUrl>#way</styleUrl><LineString><tessellate>1</tessellate><coordinates>\n"
        )
        for rows in _chunks(found, first, last):
            yield "".join(f"{lon:.6f},{lat:.6f}\n" for _, lat, lon, _ in rows)
        yield "</coordinates></LineString></Placemark>\n"
    yield "</Document></kml>\n"


def as_csv(rows: Iterable[Any]) -> Iterator[str]:
    """Stored fixes as a table with a byte order mark; every cell is a number, a time or a word of ours."""
    words = {name: str(SOURCE_WORDS.get(name, "")) for name in SOURCES}
    yes, no = gettext("是"), gettext("否")
    heads = (
        gettext("时间"),
        gettext("协调世界时"),
        gettext("纬度"),
        gettext("经度"),
        gettext("误差（米）"),
        gettext("速度（米/秒）"),
        gettext("怎样得来"),
        gettext("有效"),
        gettext("事后补传"),
    )
    yield BOM + _table([heads])
    kept: list[Sequence[Any]] = []
    for row in rows:
        at = datetime.fromtimestamp(row.at_ms / 1000, UTC)
        kept.append(
            (
                f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
                _utc(row.at_ms),
                f"{row.lat:.6f}",
                f"{row.lon:.6f}",
                "" if row.accuracy_m is None else f"{row.accuracy_m:.0f}",
                "" if row.speed_m_s is None else f"{row.speed_m_s:.1f}",
                words.get(row.source or "", ""),
                yes if row.valid else no,
                yes if row.backlog else no,
            )
        )
        if len(kept) == CHUNK:
            yield _table(kept)
            kept = []
    yield _table(kept)


def _table(rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _chunks(found: Way, first: int, last: int) -> Iterator[Iterator[tuple[int, float, float, str]]]:
    track = found.exact
    for begin in range(first, last + 1, CHUNK):
        part = slice(begin, min(begin + CHUNK, last + 1))
        names = (SOURCES[number] for number in track.source[part].tolist())
        yield zip(
            track.at_ms[part].tolist(), track.lat[part].tolist(), track.lon[part].tolist(), names, strict=True
        )


def _utc(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def _span(start_ms: int, end_ms: int) -> str:
    if start_ms == end_ms:
        return f"<TimeStamp><when>{_utc(start_ms)}</when></TimeStamp>"
    return f"<TimeSpan><begin>{_utc(start_ms)}</begin><end>{_utc(end_ms)}</end></TimeSpan>"
