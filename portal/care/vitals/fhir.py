"""Vital signs as HL7 FHIR: a Bundle of a Patient and Observations of the Vital Signs Profile, piece by piece.

FHIR R4 (4.0.1) and R5 (5.0.0) agree on every element used here; which one is asked for is only said.
Vital Signs Profile: https://hl7.org/fhir/R4/observation-vitalsigns.html ; LOINC and UCUM codes are its own.
An oxygen saturation carries 2708-6, which its profile demands, beside 59408-5, "by pulse oximetry".
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from portal.care.vitals.history import Reading
from portal.care.vitals.measures import possible
from portal.care.vitals.stats import MS, SHANGHAI

VERSIONS: Mapping[str, str] = {"R4": "4.0", "R5": "5.0"}
"""What `fhirVersion` of the media type says (R4 3.1.0.1.10)."""
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PROFILES = "http://hl7.org/fhir/StructureDefinition/"
DEVICE = "BeiDou wristband, not a medical device"
DOUBTFUL = "Doubtful: the band was off the wrist, the wearer was moving, or the value is not plausible."
LATE = "Sent later, from the store of the band."
CUT = "Too many readings: the older ones of this period are left out."
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Coded:
    """A LOINC code with its name, and the UCUM unit of its value."""

    code: str
    display: str
    unit: str = ""
    ucum: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of reading is told: its profile, its codes, and its components where it is a panel."""

    profile: str
    codes: tuple[Coded, ...]
    components: tuple[Coded, ...] = ()


KINDS: Mapping[str, Kind] = {
    "heart_rate": Kind("heartrate", (Coded("8867-4", "Heart rate", "beats/minute", "/min"),)),
    "blood_pressure": Kind(
        "bp",
        (Coded("85354-9", "Blood pressure panel with all children optional"),),
        (
            Coded("8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]"),
            Coded("8462-4", "Diastolic blood pressure", "mmHg", "mm[Hg]"),
        ),
    ),
    "spo2": Kind(
        "oxygensat",
        (
            Coded("2708-6", "Oxygen saturation in Arterial blood", "%", "%"),
            Coded("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", "%"),
        ),
    ),
    "body_temp": Kind("bodytemp", (Coded("8310-5", "Body temperature", "Cel", "Cel"),)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who was measured; `address` is what names them for ever, for stable identities."""

    address: str
    name: str
    birth_year: int | None


def bundle(
    person: Person, readings: Mapping[str, Iterable[Reading]], *, made_at: dt.datetime, cut: bool
) -> Iterator[bytes]:
    """Give a Bundle of type `collection` as pieces of JSON, as they come.

    The same reading has the same `fullUrl` in every bundle; one stored twice is told once (R4 bdl-7).
    """
    head = {"resourceType": "Bundle", "type": "collection", "timestamp": _instant(made_at)}
    out = bytearray(msgspec.json.encode(head)[:-1] + b',"entry":[')
    for n, entry in enumerate(_entries(person, readings, cut=cut)):
        out += (b",\n" if n else b"\n") + msgspec.json.encode(entry)
        if len(out) >= PIECE_BYTES:
            yield bytes(out)
            out.clear()
    yield bytes(out) + b"\n]}\n"


def _entries(
    person: Person, readings: Mapping[str, Iterable[Reading]], *, cut: bool
) -> Iterator[dict[str, Any]]:
    root = uuid.uuid5(uuid.NAMESPACE_URL, person.address)
    patient: dict[str, Any] = {"resourceType": "Patient", "id": str(root), "name": [{"text": person.name}]}
    if person.birth_year is not None and 1 <= person.birth_year <= dt.MAXYEAR:
        patient["birthDate"] = f"{person.birth_year:04d}"
    yield _entry(root, patient)
    if cut:
        issue = {"severity": "warning", "code": "informational", "diagnostics": CUT}
        outcome = uuid.uuid5(root, "cut")
        yield _entry(outcome, {"resourceType": "OperationOutcome", "id": str(outcome), "issue": [issue]})
    for name, kind in KINDS.items():
        told: set[uuid.UUID] = set()
        last_ms: int | None = None
        for one in readings.get(name, ()):
            if one.at_ms != last_ms:
                told, last_ms = set(), one.at_ms
            identity = uuid.uuid5(root, f"{name}/{one.at_ms}/{one.value!r}/{one.second!r}")
            if identity not in told:
                told.add(identity)
                yield _entry(identity, observation(one, name, kind, identity=identity, patient=root))


def observation(
    reading: Reading, name: str, kind: Kind, *, identity: uuid.UUID, patient: uuid.UUID
) -> dict[str, Any]:
    """Give one reading as an Observation; an impossible value is told as absent, by an error (vs-2, vs-3)."""
    said = possible(name, reading.value, reading.second)
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": str(identity),
        "meta": {"profile": [PROFILES + kind.profile]},
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}],
        "code": _concept(kind.codes),
        "subject": {"reference": f"urn:uuid:{patient}"},
        "effectiveDateTime": _instant(_time(reading.at_ms)),
        "issued": _instant(_time(reading.received_ms)),
        "device": {"display": DEVICE},
    }
    if kind.components:
        values = (reading.value, reading.second)
        found["component"] = [
            {"code": _concept((coded,)), **_value(value, coded, said=said)}
            for coded, value in zip(kind.components, values, strict=True)
        ]
    else:
        found |= _value(reading.value, kind.codes[0], said=said)
    remarks = [words for words, holds in ((DOUBTFUL, reading.doubtful), (LATE, reading.backlog)) if holds]
    if remarks:
        found["note"] = [{"text": words} for words in remarks]
    return found


def _value(value: float | None, coded: Coded, *, said: bool) -> dict[str, Any]:
    if value is None or not said:
        return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": "error", "display": "Error"}]}}
    shown = round(value) if value == round(value) else round(value, 2)
    quantity = {"value": shown, "unit": coded.unit, "system": UCUM, "code": coded.ucum}
    return {"valueQuantity": quantity}


def _concept(codes: Iterable[Coded]) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": one.code, "display": one.display} for one in codes]}


def _entry(identity: uuid.UUID, resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"urn:uuid:{identity}", "resource": resource}


def _instant(at: dt.datetime) -> str:
    """A time with its zone, as `instant` and `dateTime` want it (R4 2.24.0.1)."""
    return at.astimezone(SHANGHAI).isoformat(timespec="milliseconds")


def _time(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / MS, dt.UTC)
