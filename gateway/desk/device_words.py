"""Bands in words and in JSON, for the terminal; never a secret."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.bands.allow_list import StoredDevice
from gateway.bands.store import Change

CHINA = ZoneInfo("Asia/Shanghai")
HEAD = ("device", "id", "protocol", "model", "wearer", "name", "key", "state")


def as_table(rows: Sequence[StoredDevice], stored: Collection[str]) -> str:
    """Every band on a line."""
    cells = [
        (
            row.device,
            row.wire_id,
            row.protocol,
            row.model,
            row.wearer,
            row.name,
            _key(row),
            _state(row, stored),
        )
        for row in rows
    ]
    return columns([HEAD, *cells])


def as_json(rows: Sequence[StoredDevice], stored: Collection[str]) -> str:
    """Every band, as a list of objects."""
    found: list[dict[str, Any]] = [
        {
            "device": row.device,
            "id": row.wire_id,
            "protocol": row.protocol,
            "model": row.model,
            "serial": row.serial,
            "wearer": row.wearer,
            "name": row.name,
            "has_key": bool(row.keys.verifier),
            "state": row.state,
            "source": "store" if row.device in stored else "config",
        }
        for row in rows
    ]
    return json.dumps(found, ensure_ascii=False, indent=2)


def described(row: StoredDevice, changes: Iterable[Change], *, stored: bool) -> str:
    """One band and its log."""
    cells = [
        ("device", row.device),
        ("id", row.wire_id),
        ("protocol", row.protocol + (f", model {row.model}" if row.model else "")),
        ("wearer", row.wearer),
        ("name", row.name or "-"),
        ("serial", row.serial or "-"),
        ("key", _key(row)),
        ("state", row.state + ("" if stored else ", of config.toml")),
    ]
    log = [("  " + moment(one.at_ms), one.who, one.what) for one in changes]
    return columns(cells) + ("\nwhat was done\n" + columns(log) if log else "")


def as_claims(claims: Sequence[sqlite3.Row]) -> str:
    """Who was heard that nobody knows; ids come from outside, so only printable signs of them are shown."""
    if not claims:
        return "no unknown band was heard"
    cells = [
        (
            printable(row["device"]),
            row["protocol"],
            str(row["frames"]),
            moment(row["first_ms"]),
            moment(row["last_ms"]),
            printable(row["peer"]),
        )
        for row in claims
    ]
    return columns([("id", "protocol", "frames", "first", "last", "from"), *cells])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows under each other, each column as wide as its widest cell on a terminal."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def printable(text: str) -> str:
    """Text from outside without what could steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def harmless(line: str) -> str:
    """A line of JSON with what could steer a terminal, or turn its text round, as escapes: the same JSON."""
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in line)


def moment(at_ms: int) -> str:
    """A time as the clock on the wall shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _key(row: StoredDevice) -> str:
    return "yes" if row.keys.verifier else "none"


def _state(row: StoredDevice, stored: Collection[str]) -> str:
    return row.state if row.device in stored else f"{row.state} (config)"
