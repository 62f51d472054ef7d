"""Every door of care, walked with and without consents: what may not be seen is in no answer."""

from __future__ import annotations

import io
import re
import zlib
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from gateway.model import Alarm, BloodPressure, Fix, HeartRate, SpO2, Steps, Why, WhyReading
from gateway.told import AlarmRaised
from portal.care.models import Consent
from portal.db import db
from portal.policy import Data

PLACE = ("31.15823", "121.10777")
"""Where 张桂兰 is; no other thing of the samples has these figures."""
FENCE_WORDS = ("秘密花园", "31.15611", "121.10599")
VALUES = ("147", "171", "103", "4321", "93.5")
WRITTEN = {
    "heart": HeartRate(heart_rate_bpm=147),
    "pressure": BloodPressure(systolic_mmhg=171, diastolic_mmhg=103),
    "steps": Steps(steps=4321),
    "oxygen": SpO2(spo2_pct=93.5),
}
EXACT = 5
END = {True: "", False: r"(?!\d)"}
"""Short figures stand alone; a position may have more figures behind it."""
UNTRIED = {"care.map_layer", "share.map_layer", "care.map_style", "share.map_style", "care.stream"}
FILLERS = {
    "wearer_id": "1",
    "code": "inc1",
    "link_id": "1",
    "part": "fences",
    "what": "suspend",
    "kind": "csv",
}
KINDS = {"tracks.export": ("gpx", "kml", "csv"), "consents.decide": ("location",)}


@pytest.fixture
def told(gateway, samples):
    """张桂兰 with positions, numbers, fences, a closed incident and two alarms that tell much."""
    fix = Fix(lat=31.15823, lon=121.10777, valid=True, accuracy_m=8.0, source="gnss")
    secret = {"name": "秘密花园", "centre": (31.15611, 121.10599)}
    zhang = msgspec.structs.replace(
        samples.ZHANG, fences=tuple(msgspec.structs.replace(one, **secret) for one in samples.WANG.fences)
    )
    fences = tuple(msgspec.structs.replace(one, **secret) for one in samples.ZHANG_PROFILE.fences)
    profile = msgspec.structs.replace(samples.ZHANG_PROFILE, fences=fences)
    gateway.send(
        msgspec.structs.replace(samples.ROSTER, wearers=(zhang, samples.WANG)),
        samples.profile_told(1, samples.ZHANG_PROFILE),
        samples.profile_told(2, profile),
        *(samples.telemetry(fix, *WRITTEN.values(), ago_s=ago) for ago in (900, 600, 300, 60)),
    )
    for number, (kind, why) in enumerate((("fence", left()), ("vitals", raced(samples)))):
        gateway.send(
            AlarmRaised(
                alarm=Alarm(
                    alarm_id=f"a{number}",
                    wearer="zhang-guilan",
                    kind=kind,
                    severity="notice" if number else "warning",
                    why=why,
                    at=samples.NOW - timedelta(minutes=20),
                    lat=31.15823,
                    lon=121.10777,
                ),
                incident=None,
            )
        )
    closed = samples.incident("resolved", kind="vitals", why=raced(samples), lat=31.15823, lon=121.10777)
    gateway.send(closed)
    return gateway


def left() -> Why:
    return Why(code="fence_exit", place="秘密花园", value=188.0, limit=20.0)


def raced(samples) -> Why:
    at = samples.NOW - timedelta(minutes=20)
    return Why(
        code="heart_rate_high",
        value=147.0,
        limit=125.0,
        unit="bpm",
        readings=(WhyReading(at=at, value=147.0),),
    )


def withdraw(app, samples, *kinds: Data) -> None:
    with app.app_context():
        names = [kind.value for kind in kinds]
        db.session.execute(sa.update(Consent).where(Consent.data.in_(names)).values(withdrawn_at=samples.NOW))
        db.session.commit()


def doors(app):
    """Every address of care that is read, and every one that answers a post with a page."""
    for rule in app.url_map.iter_rules():
        if not str(rule.rule).startswith(("/care", "/api/care", "/i/")) or rule.endpoint in UNTRIED:
            continue
        for kind in KINDS.get(rule.endpoint, ("location",)):
            values = {name: FILLERS.get(name, kind) for name in rule.arguments} | {
                name: value
                for name, value in {"data": "location", "audience": "guardians", "kind": kind}.items()
                if name in rule.arguments
            }
            if rule.arguments <= set(values):
                path = str(rule.rule)
                for name, value in values.items():
                    path = re.sub(rf"<[^<>]*\b{name}>", value, path)
                yield rule, path


def answers(app, browser):
    """Everything a signed-in person is answered with, by address, as text."""
    token = browser.token("/me/")
    for rule, path in doors(app):
        if "GET" in rule.methods:
            for query in ("?why=alarm&day=2026-11-23&date=2026-11-23&id=1&after=0&span=day", "?id=home"):
                got = browser.get(path + query)
                assert got.status_code < 500, path
                yield path, text_of(got)
        if "POST" in rule.methods and "withdraw" not in path and "/lost" not in path:
            form = {"csrf_token": token, "preset": "here", "days": "7", "name": "locate_now", "answer": "no"}
            got = browser.client.post(path, data=form)
            assert got.status_code < 500, path
            yield f"POST {path}", text_of(got)


def text_of(got) -> str:
    """An answer as text: of a PDF its streams, of a workbook its sheets."""
    raw = got.get_data()
    if raw.startswith(b"PK"):
        import zipfile  # only for the workbook

        with zipfile.ZipFile(io.BytesIO(raw)) as book:
            return " ".join(book.read(name).decode("utf-8", "replace") for name in book.namelist())
    if raw.startswith(b"%PDF"):
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", raw, re.DOTALL)
        return " ".join(zlib.decompressobj().decompress(one).decode("latin-1") for one in streams[:1])
    drawn = re.sub(r"<svg.*?</svg>", "", got.text, flags=re.DOTALL)
    return re.sub(r'href="[^"]*"|id="[^"]*"|nonce="[^"]*"|value="[0-9a-f]{16}"', "", drawn)


def says(text: str, figure: str) -> bool:
    return re.search(rf"(?<![\d.]){re.escape(figure)}{END[len(figure) > EXACT]}", text) is not None


def told_of(app, browser, figures):
    return {
        path: found
        for path, text in answers(app, browser)
        if (
            found := [
                one
                for one in figures
                if re.search(rf"(?<![\d.]){re.escape(one)}{END[len(one) > EXACT]}", text)
            ]
        )
    }


@pytest.mark.parametrize("role", ["guardian", "staff", "grid_worker", "admin"])
def test_without_consents_no_answer_has_a_place_or_a_number(app, told, people, samples, role):
    withdraw(app, samples, Data.LOCATION, Data.HEALTH)
    assert told_of(app, people[role], (*PLACE, *FENCE_WORDS, *VALUES)) == {}


@pytest.mark.parametrize("role", ["guardian", "staff"])
def test_without_the_consent_to_location_no_answer_has_a_place(app, told, people, samples, role):
    withdraw(app, samples, Data.LOCATION)
    assert told_of(app, people[role], (*PLACE, *FENCE_WORDS)) == {}
    assert "147" in people[role].get("/care/wearers/1/vitals?date=2026-11-23&why=alarm").text


@pytest.mark.parametrize("role", ["guardian", "staff"])
def test_without_the_consent_to_health_no_answer_has_a_number(app, told, people, samples, role):
    withdraw(app, samples, Data.HEALTH)
    assert told_of(app, people[role], VALUES) == {}
    assert PLACE[0] in people[role].get("/care/wearers/1/track.csv?why=alarm&day=2026-11-23").text


def test_with_both_consents_the_same_walk_finds_places_and_numbers(app, told, people):
    found = told_of(app, people["guardian"], (*PLACE, *FENCE_WORDS, *VALUES))
    assert {one for figures in found.values() for one in figures} >= {PLACE[0], "秘密花园", "147", "171"}
    for path in ("track.gpx", "track.json", "profile", "vitals.csv", "alarms.csv"):
        assert any(door.endswith(path) for door in found), path
    assert "/care/markers.json" in found


def test_an_emergency_shows_where_she_is_and_its_end_hides_it_again(app, told, people, samples):
    withdraw(app, samples, Data.LOCATION, Data.HEALTH)
    guardian = people["guardian"]
    told.send(samples.incident("notifying", incident_id="inc2", ref="B2B2", lat=31.15823, lon=121.10777))
    assert PLACE[0] in guardian.get("/care/markers.json").text
    told.send(samples.incident("resolved", incident_id="inc2", ref="B2B2", lat=31.15823, lon=121.10777))
    assert PLACE[0] not in guardian.get("/care/markers.json").text
    assert PLACE[0] not in people["staff"].get("/care/incidents/inc2/report").text


def test_a_drill_is_no_emergency(app, told, people, samples):
    withdraw(app, samples, Data.LOCATION, Data.HEALTH)
    told.send(samples.incident("notifying", incident_id="inc3", drill=True, lat=31.15823, lon=121.10777))
    assert PLACE[0] not in people["guardian"].get("/care/markers.json").text


def test_a_search_shows_where_she_is_and_no_numbers_and_ends_with_the_search(app, told, people, samples):
    withdraw(app, samples, Data.LOCATION, Data.HEALTH)
    guardian = people["guardian"]
    fields = {"called": "张奶奶", "description": "灰色毛衣", "phone": "13800138002"}
    token = guardian.token("/care/wearers/1/lost")
    assert guardian.post("/care/wearers/1/lost", token=token, **fields).status_code == 302
    assert PLACE[0] in guardian.get("/care/wearers/1/lost.json").text
    assert "147" not in guardian.get("/care/wearers/1/").text
    told.send(samples.telemetry(Fix(lat=31.15901, lon=121.10777, valid=True), HeartRate(heart_rate_bpm=139)))
    assert "31.15901" in guardian.get("/care/markers.json").text
    guardian.post("/care/wearers/1/lost/end", token=token, outcome="found")
    assert "31.15901" not in guardian.get("/care/markers.json").text
