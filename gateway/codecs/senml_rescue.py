"""The cry for help in a pack that is spoiled, or that is no SenML at all. Pure.

An impossible heart rate, a number that a firmware printed as `nan`, text where a number must stand:
none of them must cost an SOS. Nothing else of such a pack is believed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.codecs.senml_pack import LABELS, NO_JSON, Base, Record, SpoiledError, cbor_items, press_of
from gateway.model import BandAlarm, Uplink

_NO_NUMBER = re.compile(rb'("(?:v|t|bt|bv)"\s*:\s*)[+-]?(?:nan|inf(?:inity)?)(?=\s*[,}])', re.IGNORECASE)
_NOT_SET = frozenset({"0", "false", "off", "no"})
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Record)}


def rescued(found: list[Record], raw: bytes) -> Uplink | None:
    """Give the alarms of a spoiled pack, None when it has none.

    Everything else of the pack is left out, and the raw frame keeps it.
    The alarms have no device time, because the spoiled value may be the time;
    one whose own value cannot be read is taken as set.
    """
    base = Base()
    alarms: set[str] = set()
    press: str | None = None
    for record in found:
        try:
            base.take(record)
        except SpoiledError as spoiled:
            if spoiled.name != "bver":
                continue
        try:
            name = base.full_name(record.n)
            if name in ("sos", "fall") and _is_set(record, base.v):
                alarms.add(name)
            elif name == "press":
                press = press_of(record)
        except SpoiledError:
            continue
    readings = [BandAlarm(alarm="sos", press_id=press)] if "sos" in alarms else []
    if "fall" in alarms:
        readings.append(BandAlarm(alarm="fall"))
    return Uplink(device=base.device, readings=tuple(readings), raw=raw) if readings else None


def pieces(pack: bytes) -> list[Record]:
    """The records of a pack that is no SenML, with those of their fields that can be read."""
    items: Any
    if pack[:1] == b"[":
        try:
            items = msgspec.json.decode(_NO_NUMBER.sub(rb"\1null", pack))
        except NO_JSON:
            return []
    else:
        items = cbor_items(pack)
    return [_piece(item) for item in items or () if isinstance(item, dict)]


def _piece(item: dict[Any, Any]) -> Record:
    record = Record()
    for label, value in item.items():
        name = LABELS.get(label)
        if name is not None:
            try:
                setattr(record, name, msgspec.convert(value, _TYPES[name], strict=False))
            except (msgspec.ValidationError, ArithmeticError):
                continue
    return record


def _is_set(record: Record, base_v: float) -> bool:
    if record.vb is not None:
        return record.vb
    if record.v is not None:
        return record.v + base_v != 0
    return (record.vs or "").strip().lower() not in _NOT_SET
