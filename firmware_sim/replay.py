"""Replays a real receiver's log somewhere else and now. Pure.

Time and position of each sentence are replaced and its checksum computed again;
satellites, signal strengths, dilution and the receiver's own noise stay as recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import xor

KNOTS_PER_M_S = 3600 / 1852

POSITION_AT = {"RMC": 3, "GGA": 2, "GLL": 1}
"""Sentence -> the field of the latitude (0 is the address)."""
ALTITUDE_AT = 9
TIME_AT = {"RMC": 1, "GGA": 1, "GLL": 5, "ZDA": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where and when an epoch is replayed: UTC, WGS-84 degrees, m above the sea, m/s, degrees from north."""

    at: datetime
    lat: float
    lon: float
    alt_m: float = 0.0
    speed_m_s: float = 0.0
    course_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A log cut into epochs, and the middle of its positions in degrees."""

    epochs: tuple[tuple[str, ...], ...]
    lat: float
    lon: float

    def forever(self) -> Iterator[tuple[str, ...]]:
        """The epochs, from the start again after the last."""
        while True:
            yield from self.epochs

    def replayed(self, epoch: tuple[str, ...], moment: Moment) -> bytes:
        """An epoch at another place and time, with the distance from the middle kept as noise."""
        return b"".join(self._sentence(text, moment) for text in epoch)

    def _sentence(self, text: str, moment: Moment) -> bytes:
        fields = text[1:].partition("*")[0].split(",")
        kind = fields[0][2:]
        if kind in TIME_AT and fields[TIME_AT[kind]]:
            fields[TIME_AT[kind]] = f"{moment.at:%H%M%S}.{moment.at.microsecond // 1000:03d}"
        place = POSITION_AT.get(kind)
        if place is not None and fields[place]:
            lat, lon = _degrees(fields[place : place + 4])
            fields[place : place + 4] = _minutes(moment.lat + lat - self.lat, moment.lon + lon - self.lon)
        if kind == "RMC":
            fields[9] = f"{moment.at:%d%m%y}"
            fields[7:9] = [f"{moment.speed_m_s * KNOTS_PER_M_S:.2f}", f"{moment.course_deg:.2f}"]
        elif kind == "GGA" and fields[ALTITUDE_AT]:
            fields[ALTITUDE_AT] = f"{moment.alt_m:.1f}"
        elif kind == "VTG":
            fields[1] = f"{moment.course_deg:.2f}"
            fields[5] = f"{moment.speed_m_s * KNOTS_PER_M_S:.2f}"
            fields[7] = f"{moment.speed_m_s * 3.6:.2f}"
        elif kind == "ZDA":
            fields[2:5] = [f"{moment.at:%d}", f"{moment.at:%m}", f"{moment.at:%Y}"]
        return sentence(",".join(fields))


def sentence(body: str) -> bytes:
    """`$body*HH` with its checksum (NMEA 0183: XOR of every byte between `$` and `*`)."""
    return f"${body}*{reduce(xor, body.encode('ascii'), 0):02X}\r\n".encode("ascii")


def read_recording(text: str) -> Recording:
    """Cut a log into epochs, one from each GGA to the sentence before the next.

    Lines that are no sentence (comments) and what stands before the first GGA are left out.
    Raises ValueError for a log without a single position.
    """
    epochs: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith("$"):
            continue
        if line[3:6] == "GGA":
            epochs.append([])
        if epochs:
            epochs[-1].append(line)
    fixes = [
        _degrees(fields[2:6])
        for fields in (epoch[0].split(",") for epoch in epochs)
        if len(fields) > 6 and fields[2]  # noqa: PLR2004 - GGA has its quality in field 6
    ]
    if not fixes:
        raise ValueError("the recording has no position")
    lat = sum(fix[0] for fix in fixes) / len(fixes)
    lon = sum(fix[1] for fix in fixes) / len(fixes)
    return Recording(tuple(tuple(epoch) for epoch in epochs), lat, lon)


def _degrees(fields: list[str]) -> tuple[float, float]:
    """`ddmm.mmmm,N,dddmm.mmmm,E` in degrees."""
    lat = int(fields[0][:2]) + float(fields[0][2:]) / 60
    lon = int(fields[2][:3]) + float(fields[2][3:]) / 60
    return (-lat if fields[1] == "S" else lat), (-lon if fields[3] == "W" else lon)


def _minutes(lat: float, lon: float) -> list[str]:
    """Degrees as `ddmm.mmmmm,N,dddmm.mmmmm,E`, as this receiver writes them (1e-5 minute is 2 cm)."""
    lat_units, lon_units = round(abs(lat) * 6_000_000), round(abs(lon) * 6_000_000)
    return [
        f"{lat_units // 6_000_000:02d}{lat_units % 6_000_000 / 100_000:08.5f}",
        "S" if lat < 0 else "N",
        f"{lon_units // 6_000_000:03d}{lon_units % 6_000_000 / 100_000:08.5f}",
        "W" if lon < 0 else "E",
    ]


def whole_second(at: datetime) -> datetime:
    """The moment in UTC without its fraction: a receiver at 1 Hz reports on the second."""
    return at.astimezone(UTC).replace(microsecond=0)
