"""What a band says in one go, and the SenML packs (RFC 8428) it says it in. Pure.

Names and units are those of docs/protocols/senml.md; blood pressure goes in pascals, as the registry wants.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cbor2

from firmware_sim.band import Sample

PA_PER_MMHG = 133.322387415
LABELS = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "t": 6}
"""CBOR labels (RFC 8428, table 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One press of the button: every resend carries the same `press_id` and the same time."""

    press_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One message of a band: where and how its wearer is, and perhaps a press.

    `stored` marks a report that waited in the band because the line was down.
    """

    at: datetime
    sample: Sample
    press: Press | None = None
    stored: bool = False


def records(device: str, report: Report) -> list[dict[str, Any]]:
    """The SenML records of a report, with base name and base time in the first."""
    sample = report.sample
    rows: list[dict[str, Any]] = [
        {"n": "lat", "u": "lat", "v": sample.lat},
        {"n": "lon", "u": "lon", "v": sample.lon},
        {"n": "alt", "u": "m", "v": sample.alt_m},
        {"n": "acc", "u": "m", "v": sample.accuracy_m},
        {"n": "speed", "u": "m/s", "v": sample.speed_m_s},
        {"n": "batt", "u": "/100", "v": sample.battery_pct},
        {"n": "steps", "u": "count", "v": sample.steps},
        {"n": "worn", "vb": sample.worn},
    ]
    vitals = sample.vitals
    if vitals is not None:
        rows += [
            {"n": "hr", "u": "beat/min", "v": vitals.heart_rate_bpm},
            {"n": "bp/sys", "u": "Pa", "v": round(vitals.systolic_mmhg * PA_PER_MMHG)},
            {"n": "bp/dia", "u": "Pa", "v": round(vitals.diastolic_mmhg * PA_PER_MMHG)},
            {"n": "spo2", "u": "/100", "v": vitals.spo2_pct},
            {"n": "temp", "u": "Cel", "v": vitals.body_temp_c},
        ]
    at = report.at
    if report.press is not None:
        at = report.press.at
        rows = [{"n": "sos", "vb": True}, {"n": "press", "vs": report.press.press_id}, *rows]
    rows[0] = {"bn": f"urn:dev:sw:{device}:", "bt": round(at.timestamp(), 3), **rows[0]}
    return rows


def senml_json(device: str, report: Report) -> bytes:
    """A pack as application/senml+json."""
    return json.dumps(records(device, report), separators=(",", ":")).encode()


def senml_cbor(device: str, report: Report) -> bytes:
    """A pack as application/senml+cbor."""
    packed = [{LABELS[name]: value for name, value in row.items()} for row in records(device, report)]
    return cbor2.dumps(packed)


def order_in(payload: bytes) -> str:
    """The name of the order in a SenML pack from the gateway, or a message's words; "" when there is none."""
    try:
        rows = json.loads(payload)
    except ValueError:
        return ""
    plain = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    said = {row.get("n"): str(row.get("vs", "")) for row in plain}
    return said.get("text") or said.get("cmd", "")
