"""Journal rows -> the bytes of a SyncBatch, without decoding the payloads: they are JSON already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec


class Row(NamedTuple):
    """One event as the journal has it; `payload` is the JSON of a SyncPayload."""

    seq: int
    at: datetime
    payload: bytes


class _Event(msgspec.Struct):
    seq: int
    at: datetime
    payload: msgspec.Raw


class _Batch(msgspec.Struct):
    gateway: str
    events: list[_Event]


def batch_of(gateway: str, rows: Sequence[Row]) -> bytes:
    """The JSON of a `gateway.told.SyncBatch`."""
    events = [_Event(row.seq, row.at, msgspec.Raw(row.payload)) for row in rows]
    return msgspec.json.encode(_Batch(gateway, events))
