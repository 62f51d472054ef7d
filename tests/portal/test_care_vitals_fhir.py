"""Vital signs as FHIR: every rule of the R4 Vital Signs Profile that concerns them, clause by clause.

Clauses are those of https://hl7.org/fhir/R4/ : bundle.html, observation.html, observation-vitalsigns.html,
heartrate, bp, oxygensat and bodytemp (the profiles), datatypes.html, references.html, http.html.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from rigs import vitals

from gateway.model import BloodPressure, BodyTemp, HeartRate, SpO2, Worn
from portal.care.history import HistoryRows
from portal.care.models import AuditEntry
from portal.care.vitals.fhir import KINDS, Person, bundle
from portal.care.vitals.history import Reading
from portal.db import db, writing

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
BUNDLE = {"resourceType", "type", "timestamp", "entry"}
PATIENT = {"resourceType", "id", "name", "birthDate"}
OBSERVATION = {
    *("resourceType", "id", "meta", "status", "category", "code", "subject", "effectiveDateTime"),
    *("issued", "device", "note", "valueQuantity", "dataAbsentReason", "component"),
}
PROFILE = "http://hl7.org/fhir/StructureDefinition/"
DEMANDED = {
    PROFILE + "heartrate": ("8867-4", {"/min"}),
    PROFILE + "bp": ("85354-9", None),
    PROFILE + "oxygensat": ("2708-6", {"%"}),
    PROFILE + "bodytemp": ("8310-5", {"Cel", "[degF]"}),
}
"""What each profile demands: the magic code, and the UCUM codes of its value."""


def codes(concept: dict) -> set[str]:
    """The LOINC codes of a CodeableConcept."""
    return {one["code"] for one in concept["coding"] if one["system"] == "http://loinc.org"}


def check_quantity(quantity: dict, allowed: set[str]) -> None:
    """Profiles: value, unit, system and code are all there; the system is UCUM, the code a fixed one."""
    assert set(quantity) == {"value", "unit", "system", "code"}
    assert isinstance(quantity["value"], int | float)
    assert not isinstance(quantity["value"], bool)
    assert quantity["unit"]
    assert quantity["system"] == "http://unitsofmeasure.org"
    assert quantity["code"] in allowed


def check_value(holder: dict, allowed: set[str]) -> None:
    """obs-6: a reason for absence only without a value; vs-2, vs-3: one of both."""
    assert ("valueQuantity" in holder) != ("dataAbsentReason" in holder)
    if "valueQuantity" in holder:
        check_quantity(holder["valueQuantity"], allowed)
        return
    (coding,) = holder["dataAbsentReason"]["coding"]
    assert coding["system"] == "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    assert coding["code"] == "error"


def check_observation(one: dict, full_urls: set[str]) -> None:
    """observation-vitalsigns.html, "Profile: vitalsigns", and the profile the resource claims."""
    assert set(one) <= OBSERVATION
    assert one["status"] in {
        "final",
        "preliminary",
        "amended",
        "corrected",
        "entered-in-error",
    }  # 1..1, required
    category = {(c["system"], c["code"]) for concept in one["category"] for c in concept["coding"]}
    assert (
        "http://terminology.hl7.org/CodeSystem/observation-category",
        "vital-signs",
    ) in category  # VSCat 1..1
    assert one["subject"]["reference"] in full_urls  # subject 1..1, a Patient; references.html: it resolves
    effective = one["effectiveDateTime"]  # effective[x] 1..1; vs-1: to the day; with a time there is a zone
    assert INSTANT.fullmatch(effective)
    assert datetime.fromisoformat(effective).utcoffset() == timedelta(hours=8)
    assert INSTANT.fullmatch(one["issued"])
    assert set(one["device"]) == {"display"}
    assert all(set(note) == {"text"} for note in one.get("note", ()))
    (profile,) = one["meta"]["profile"]
    magic, allowed = DEMANDED[profile]
    assert magic in codes(one["code"])
    if allowed is not None:
        check_value(one, allowed)
        assert "component" not in one
        return
    assert not {"valueQuantity", "dataAbsentReason"} & set(one)  # bp: value[x] 0..0
    assert [codes(part["code"]) for part in one["component"]] == [
        {"8480-6"},
        {"8462-4"},
    ]  # SystolicBP, DiastolicBP
    assert all(not codes(part["code"]) & codes(one["code"]) for part in one["component"])  # obs-7
    for part in one["component"]:
        assert set(part) <= {"code", "valueQuantity", "dataAbsentReason"}
        check_value(part, {"mm[Hg]"})


def check_bundle(said: bytes) -> list[dict]:
    """bundle.html; gives the resources."""
    found = json.loads(said)
    assert set(found) <= BUNDLE  # bdl-1: no total in a collection
    assert (found["resourceType"], found["type"]) == ("Bundle", "collection")
    assert INSTANT.fullmatch(found["timestamp"])
    assert all(
        set(entry) == {"fullUrl", "resource"} for entry in found["entry"]
    )  # bdl-2, bdl-3, bdl-4, bdl-5
    urls = [entry["fullUrl"] for entry in found["entry"]]
    assert len(set(urls)) == len(urls)  # bdl-7
    resources = [entry["resource"] for entry in found["entry"]]
    for url, resource in zip(urls, resources, strict=True):
        assert url == f"urn:uuid:{uuid.UUID(resource['id'])}"  # bdl-8: no version in it
    patients = [one for one in resources if one["resourceType"] == "Patient"]
    (patient,) = patients
    assert set(patient) <= PATIENT
    assert DATE.fullmatch(patient.get("birthDate", "1943"))
    for one in resources:
        if one["resourceType"] == "Observation":
            check_observation(one, {f"urn:uuid:{patient['id']}"})
        else:
            assert one["resourceType"] in {"Patient", "OperationOutcome"}
    return resources


@pytest.fixture
def wearer(app, gateway, samples) -> int:
    """One of each measurement, a doubtful and an impossible one, one that came late, one stored twice."""
    gateway.send(samples.ROSTER, samples.profile_told())
    found = vitals.wearer_id(app)
    rows = HistoryRows()
    for hours, reading in (
        (6, HeartRate(heart_rate_bpm=72)),
        (5, HeartRate(heart_rate_bpm=255)),
        (4, HeartRate(heart_rate_bpm=50)),
        (4, Worn(worn=False)),
        (3, BloodPressure(systolic_mmhg=132, diastolic_mmhg=84)),
        (3, SpO2(spo2_pct=97)),
        (3, SpO2(spo2_pct=97)),
        (3, BodyTemp(body_temp_c=36.45)),
    ):
        vitals.add(rows, found, reading, samples.NOW - timedelta(hours=hours))
    vitals.add(rows, found, HeartRate(heart_rate_bpm=80), samples.NOW - timedelta(hours=2), backlog=True)
    with app.app_context(), writing() as session:
        rows.write(session)
    return found


def test_a_day_is_a_valid_bundle_with_the_codes_and_units_of_the_field(people, wearer):
    answer = people["guardian"].get(f"/care/wearers/{wearer}/vitals.fhir.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "application/fhir+json; fhirVersion=4.0",
    )
    patient, *found = check_bundle(answer.data)
    assert (patient["name"], patient["birthDate"]) == ([{"text": "张桂兰"}], "1943")
    by_profile = {}
    for one in found:
        by_profile.setdefault(one["meta"]["profile"][0].rsplit("/", 1)[1], []).append(one)
    assert {name: len(rows) for name, rows in by_profile.items()} == {
        "heartrate": 4,
        "bp": 1,
        "oxygensat": 1,
        "bodytemp": 1,
    }
    first, impossible, doubtful, late = by_profile["heartrate"]
    assert first["valueQuantity"] == {
        "value": 72,
        "unit": "beats/minute",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }
    assert first["effectiveDateTime"] == "2026-11-23T08:00:00.000+08:00"
    assert "valueQuantity" not in impossible
    assert "Doubtful" in doubtful["note"][0]["text"]
    assert (late["effectiveDateTime"][11:16], late["issued"][11:16]) == ("12:00", "14:00")
    (pressure,) = by_profile["bp"]
    assert [part["valueQuantity"]["value"] for part in pressure["component"]] == [132, 84]
    assert codes(by_profile["oxygensat"][0]["code"]) == {"2708-6", "59408-5"}
    assert by_profile["bodytemp"][0]["valueQuantity"]["value"] == 36.45


def test_the_same_reading_has_the_same_name_in_every_bundle(people, wearer):
    guardian = people["guardian"]
    day, week = (
        {
            one["id"]
            for one in check_bundle(guardian.get(f"/care/wearers/{wearer}/vitals.fhir.json{query}").data)
        }
        for query in ("", "?span=week&release=R5")
    )
    assert day == week


def test_r5_is_said_and_an_unknown_release_is_not_found(people, wearer):
    guardian = people["guardian"]
    answer = guardian.get(f"/care/wearers/{wearer}/vitals.fhir.json?release=R5")
    assert answer.headers["Content-Type"] == "application/fhir+json; fhirVersion=5.0"
    assert guardian.get(f"/care/wearers/{wearer}/vitals.fhir.json?release=R9").status_code == 404


def test_nobody_else_gets_it_and_a_download_is_on_record(app, people, wearer):
    assert people["resident"].get(f"/care/wearers/{wearer}/vitals.fhir.json").status_code == 404
    assert people["guardian"].get(f"/care/wearers/{wearer + 1}/vitals.fhir.json").status_code == 404
    people["guardian"].get(f"/care/wearers/{wearer}/vitals.fhir.json?span=month")
    with app.app_context():
        (entry,) = db.session.scalars(sa.select(AuditEntry)).all()
        assert (entry.action, entry.detail) == ("export_vitals", "care fhir R4 2026-11-23 30 d")


READINGS = st.builds(
    Reading,
    at_ms=st.integers(946_684_800_000, 4_000_000_000_000),
    value=st.floats(-1e6, 1e6, allow_nan=False),
    second=st.floats(-1e6, 1e6, allow_nan=False),
    backlog=st.booleans(),
    received_ms=st.integers(0, 4_000_000_000_000),
    doubtful=st.booleans(),
)


@given(
    st.dictionaries(st.sampled_from(sorted(KINDS)), st.lists(READINGS, max_size=12)), st.text(), st.booleans()
)
def test_whatever_was_measured_makes_a_valid_bundle(readings, name, cut):
    rows = {
        kind: sorted(
            (
                one
                if kind == "blood_pressure"
                else Reading(one.at_ms, one.value, None, False, one.received_ms, True)
                for one in found
            ),
            key=lambda one: one.at_ms,
        )
        for kind, found in readings.items()
    }
    person = Person(address="https://portal.example/care/wearers/1/", name=name, birth_year=1943)
    made_at = datetime.fromisoformat("2026-11-23T06:00:00+00:00")
    said = b"".join(bundle(person, rows, made_at=made_at, cut=cut))
    resources = check_bundle(said)
    assert ("OperationOutcome" in {one["resourceType"] for one in resources}) == cut


def test_a_long_bundle_comes_in_pieces():
    rows = {
        "heart_rate": [Reading(n * 60_000, 70.0 + n % 9, None, False, n * 60_000, False) for n in range(2000)]
    }
    person = Person(address="https://portal.example/care/wearers/1/", name="张桂兰", birth_year=None)
    made_at = datetime.fromisoformat("2026-11-23T06:00:00+00:00")
    pieces = list(bundle(person, rows, made_at=made_at, cut=False))
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 70_000
    assert len(check_bundle(b"".join(pieces))) == 2001
