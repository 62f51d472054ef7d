"""Where somebody is and was is told by consent: withdrawn, it is told nowhere, through links neither."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.care.consent.sights import first_end
from portal.care.lost.models import LostSearch
from portal.care.models import Consent, Wearer
from portal.db import db
from portal.policy import Data

LOST = "/care/wearers/1/lost"
TRACK = "/care/wearers/1/track"
TOLD = {"called": "张奶奶", "description": "灰色毛衣", "phone": "13800138002"}


def withdraw(app, samples, data: Data) -> None:
    with app.app_context():
        db.session.execute(
            sa.update(Consent).where(Consent.data == data.value).values(withdrawn_at=samples.NOW)
        )
        db.session.commit()


@pytest.fixture
def shared(app, gateway, people, samples):
    """A search for 张桂兰 with a link; gives the path of the link."""
    gateway.send(samples.ROSTER, samples.at_home(ago_s=600))
    people["guardian"].post(LOST, **TOLD)
    people["guardian"].post(f"{LOST}/links", hours="2")
    return re.findall(r"18088(/s/[\w-]+)", people["guardian"].get(LOST).text)[0]


@pytest.mark.parametrize("role", ["guardian", "staff"])
def test_without_consent_there_is_no_track_no_search_and_no_link(app, shared, people, samples, role):
    """Once the search is over: while it is open, place alone is shown, as in an emergency."""
    people["guardian"].post(f"{LOST}/end", outcome="found")
    withdraw(app, samples, Data.LOCATION)
    paths = [f"{TRACK}{kind}?why=care" for kind in ("", ".json", ".gpx", ".kml", ".csv")]
    paths += [f"{LOST}.json", "/care/wearers/1/fences.json"]
    assert [people[role].get(path).status_code for path in paths] == [404] * len(paths)
    for part in ("", "/trail.json", "/style.json"):
        assert app.test_client().get(shared + part).status_code == 404


def test_without_consent_no_page_leads_there_and_no_marker_has_a_place(app, shared, people, samples):
    people["guardian"].post(f"{LOST}/end", outcome="found")
    withdraw(app, samples, Data.LOCATION)
    page = people["guardian"].get("/care/wearers/1/").text
    assert TRACK not in page
    assert LOST in page, "somebody lost is looked for all the same"
    (marker,) = people["guardian"].get("/care/markers.json").json["wearers"]
    assert "lat" not in marker
    assert marker["fences"] == []


def test_a_search_shows_who_never_consented_for_a_day_and_once_more_when_begun_anew(
    app, shared, people, samples
):
    withdraw(app, samples, Data.LOCATION)
    assert "张桂兰最后在" in people["guardian"].get(LOST).text
    with app.app_context():
        wearers = db.session.scalars(sa.select(Wearer).where(Wearer.name == "张桂兰")).all()
        assert first_end(wearers, samples.NOW) == samples.NOW + timedelta(hours=24), "open pages end with it"
    with app.app_context():
        db.session.execute(sa.update(LostSearch).values(started_at=samples.NOW - timedelta(hours=24)))
        db.session.commit()
    page = people["guardian"].get(LOST).text
    assert "找张桂兰超过 24 小时了" in page
    assert "最后在" not in page
    assert people["guardian"].get(f"{LOST}.json").status_code == 404
    assert app.test_client().get(shared).status_code == 404
    people["guardian"].post(f"{LOST}/end", outcome="stopped")
    people["guardian"].post(LOST, **TOLD)
    assert "张桂兰最后在" in people["guardian"].get(LOST).text


def test_an_emergency_opens_them_again(app, shared, people, gateway, samples):
    withdraw(app, samples, Data.LOCATION)
    gateway.send(samples.incident())
    assert people["staff"].get(f"{TRACK}?why=alarm").status_code == 200
    assert app.test_client().get(shared).status_code == 200


def test_without_consent_to_health_a_track_has_no_heart_rate(app, shared, people, samples):
    shown = people["guardian"].get(f"{TRACK}.json").json
    assert shown["heart"]["bpm"] == [76]
    withdraw(app, samples, Data.HEALTH)
    hidden = people["guardian"].get(f"{TRACK}.json").json
    assert "heart" not in hidden
    assert hidden["fixes"] == shown["fixes"] == 1
    assert "心率" not in people["guardian"].get(TRACK).text.split("data-words")[0]
