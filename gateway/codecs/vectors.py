"""Rows of `tests/vectors/*.jsonl` against our codecs: where we agree with what their source asserts. Pure.

A row holds captured bytes and what another decoder's tests say of them (`tests/vectors/README.md`).
A row we read otherwise needs a note with its reason, and a note without a difference is a mistake too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gateway import plugins
from gateway.codecs.decode import for_captures
from gateway.codecs.watch import unescape as unescape_watch
from gateway.errors import FrameError
from gateway.model import BandAlarm, Fix, Reading, Uplink

CODECS = {"trv": "iw", "wristband": "yx"}
"""What a row's `protocol` is called here, where it is called otherwise."""
CUT_OFF = {"trv": b"#"}
"""The end of a frame that the source had taken away before it tested."""
UNESCAPE: dict[str, Callable[[bytes], bytes]] = {"watch": unescape_watch}
READINGS = {
    "batteryLevel": "battery_pct",
    "bloodOxygen": "spo2_pct",
    "heartRate": "heart_rate_bpm",
    "sat": "satellites",
    "steps": "steps",
    "temp1": "body_temp_c",
}
ALARMS = {
    "door": "other",
    "fallDown": "fall",
    "geofenceEnter": "geofence_enter",
    "geofenceExit": "geofence_exit",
    "lowBattery": "low_battery",
    "powerCut": "power_cut",
    "removing": "removed",
    "tampering": "removed",
}
TEXT_OF_OTHERS = "a text, no alarm of ours"
PLACE_TOLERANCE_DEG = 1e-5


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `differs.toml` says of a row, or of several: why we read it otherwise, or whose model it is of."""

    row: int | tuple[int, ...]
    reason: str = ""
    model: str = ""


class Verdict(NamedTuple):
    """One row compared: `trouble` says what differs, empty where we agree; `reason` why that is right."""

    file: str
    row: int
    codec: str
    kind: str
    expected: str
    trouble: str
    reason: str

    @property
    def is_settled(self) -> bool:
        """Whether we agree, or differ for a reason that is written down."""
        return bool(self.trouble) == bool(self.reason)

    def __str__(self) -> str:
        verdict = (
            f"differs: {self.trouble} ({self.reason or 'no reason given'})" if self.trouble else "agrees"
        )
        idle = " (but a reason to differ is given)" if self.reason and not self.trouble else ""
        asserted = f"{self.kind} {self.expected}".strip()
        return f"{self.file}:{self.row} {self.codec} {asserted}: {verdict}{idle}"


def verdicts(
    file: str, lines: Iterable[str], *, notes: Iterable[Note] = (), models: Mapping[str, Any] | None = None
) -> Iterator[Verdict]:
    """Compare every row of a file (its name without `.jsonl`).

    `models` are settings by the model's name. Raises KeyError for a note of a model that does not exist.
    """
    by_row = {row: note for note in notes for row in ([note.row] if isinstance(note.row, int) else note.row)}
    for number, line in enumerate(lines, start=1):
        row = msgspec.json.decode(line)
        note = by_row.get(number, Note(row=number))
        codec = row.get("protocol", file)
        codec = CODECS.get(codec, codec)
        settings = (models or {})[note.model] if note.model else None
        yield Verdict(
            file=file,
            row=number,
            codec=codec,
            kind=row.get("kind", "sentence"),
            expected=_expected(row),
            trouble=_trouble(codec, row, settings),
            reason=note.reason,
        )


def wire(row: Mapping[str, Any]) -> bytes:
    """The bytes of a row as they stand on the wire."""
    if "wire_hex" in row:
        return bytes.fromhex(row["wire_hex"])
    if row["encoding"] == "hex":
        return bytes.fromhex(row["frame"])
    frame: bytes = row["frame"].encode("latin-1")
    end = CUT_OFF.get(row.get("protocol", ""), b"")
    return frame if frame.endswith(end) else frame + end


def _expected(row: Mapping[str, Any]) -> str:
    """What the source asserts, in a few characters."""
    if "kind" not in row:
        return f"{row['type']}, checksum right"
    if row["attribute"] == "deframed":
        return "deframed"
    if row["attribute"]:
        return f"{row['attribute']} = {row['expected']!r}"
    if isinstance(row["expected"], dict):
        return ", ".join(f"{name} {value}" for name, value in row["expected"].items())
    return ""


def _trouble(codec: str, row: Mapping[str, Any], settings: Any) -> str:
    if codec not in plugins.names("codec"):
        return "no codec reads it"
    reader = for_captures(plugins.get("codec", codec), settings=settings, now=None)
    reader.feed(wire(row) + (b"\r\n" if "kind" not in row else b""))
    reader.end_of_message()
    uplinks: list[Uplink] = []
    reasons: list[str] = []
    while True:
        try:
            uplink = reader.next_event()
        except FrameError as error:
            reasons.append(error.reason)
            continue
        if uplink is None:
            break
        uplinks.append(uplink)
    if "kind" not in row:
        return next((reason for reason in reasons if reason != TEXT_OF_OTHERS), "")
    if reasons:
        return reasons[0]
    if row["kind"] == "frame":
        return _cut_otherwise(codec, row, uplinks)
    return _RULES[row["kind"]](row, [reading for uplink in uplinks for reading in uplink.readings])


def _cut_otherwise(codec: str, row: Mapping[str, Any], uplinks: list[Uplink]) -> str:
    if [uplink.raw for uplink in uplinks] != [wire(row)]:
        return "cut otherwise"
    plain = UNESCAPE[codec](uplinks[0].raw) if codec in UNESCAPE else uplinks[0].raw
    return "" if plain == bytes.fromhex(row["expected"]) else "unescaped otherwise"


def _position(row: Mapping[str, Any], readings: list[Reading]) -> str:
    """One plausible fix, and the one expected where the source says which."""
    fixes = [reading for reading in readings if isinstance(reading, Fix)]
    if len(fixes) != 1:
        return f"{len(fixes)} fixes"
    (fix,) = fixes
    if fix.at is None:
        return "a fix without a time"
    wanted = row["expected"]
    if not wanted:
        return ""
    at = datetime.fromisoformat(wanted["fixTime"]).astimezone(UTC)
    near = all(
        math.isclose(mine, theirs, abs_tol=PLACE_TOLERANCE_DEG)
        for mine, theirs in ((fix.lat, wanted["latitude"]), (fix.lon, wanted["longitude"]))
    )
    return "" if near and (fix.at, fix.valid) == (at, wanted["valid"]) else f"another fix: {fix}"


def _positions(row: Mapping[str, Any], readings: list[Reading]) -> str:
    """At least one fix; where the source looked at no place, at least a reading."""
    wanted = any(isinstance(reading, Fix) for reading in readings)
    return "" if wanted or (readings and row.get("check_location") is False) else "no fix"


def _attribute(row: Mapping[str, Any], readings: list[Reading]) -> str:
    name, wanted = row["attribute"], row["expected"]
    if name == "alarm":
        alarms: set[str] = {reading.alarm for reading in readings if isinstance(reading, BandAlarm)}
        missing = {ALARMS.get(one, one) for one in wanted.split(",")} - alarms
        return f"no alarm {', '.join(sorted(missing))}" if missing else ""
    if name not in READINGS:
        return f"{name} is no reading of ours"
    found = [getattr(reading, READINGS[name], None) for reading in readings]
    same = any(value is not None and math.isclose(value, wanted) for value in found)
    return "" if same else f"no {READINGS[name]} of {wanted}"


_RULES: dict[str, Callable[[Mapping[str, Any], list[Reading]], str]] = {
    "attribute": _attribute,
    "attributes": lambda _, readings: "" if readings else "no reading",
    "not_null": lambda _, readings: "" if readings else "no reading",
    "null": lambda _, readings: f"{len(readings)} readings" if readings else "",
    "position": _position,
    "positions": _positions,
}
