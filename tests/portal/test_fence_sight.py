"""Who may edit a fence but not see where somebody is: the editor shows no position, and tries nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from portal.audit import AuditEntry
from portal.care.models import Consent
from portal.db import db
from portal.policy import Data

FENCE = "/care/wearers/1/profile/fence"
CIRCLE = {"kind": "circle", "lat": "31.15535", "lon": "121.1046", "radius_m": "90", "datum": "wgs84"}
FORM = {"name": "家", "keep": "in", "when": "always", **CIRCLE}
JSON = {"Accept": "application/json"}


@pytest.fixture
def withdrawn(app, gateway, samples):
    """张桂兰 known and placed; then nobody may see one kind of her data any more."""

    def withdraw(data: Data) -> None:
        gateway.send(samples.ROSTER, samples.at_home(), samples.profile_told())
        with app.app_context():
            db.session.execute(
                sa.update(Consent).where(Consent.data == data.value).values(withdrawn_at=samples.NOW)
            )
            db.session.commit()

    return withdraw


def post(browser, path: str, **answers):
    data = {"csrf_token": browser.token("/me/"), **FORM, **answers}
    return browser.client.post(path, data=data, headers=JSON)


def test_without_consent_the_editor_has_no_position_and_no_trial(withdrawn, people):
    withdrawn(Data.LOCATION)
    browser = people["guardian"]
    page = browser.get(FENCE).text
    assert 'value="house"' in page
    for hidden in ('value="here"', 'value="walk"', 'id="try"', "31.1559"):
        assert hidden not in page
    for name in ("here", "walk"):
        assert post(browser, f"{FENCE}/begin", preset=name).status_code == 404
    assert post(browser, f"{FENCE}/begin", preset="house").status_code == 200
    assert post(browser, f"{FENCE}/check").json["errors"] == {}


@pytest.mark.parametrize("path", [f"{FENCE}/try", f"{FENCE}?try=1", "/care/wearers/1/fences/trial"])
def test_without_consent_no_fence_is_tried_by_any_door(withdrawn, people, path):
    browser = people["guardian"]
    withdrawn(Data.LOCATION)
    assert post(browser, path, **{"try": "1"}).status_code == 404


def test_each_trial_asks_for_the_consent_of_its_own_data(withdrawn, people):
    withdrawn(Data.HEALTH)
    browser = people["guardian"]
    page = browser.get("/care/wearers/1/trial").text
    assert 'id="try-fence"' in page
    assert 'id="try-limit"' not in page
    limits = "/care/wearers/1/limits/trial"
    assert post(browser, limits, days="7", heart_rate_high_bpm="110").status_code == 404
    assert 'id="try"' not in browser.get("/care/wearers/1/profile/limits").text
    assert 'id="try"' in browser.get(FENCE).text


def test_without_any_consent_there_is_no_page_of_trials(withdrawn, people):
    for data in (Data.LOCATION, Data.HEALTH):
        withdrawn(data)
    assert people["guardian"].get("/care/wearers/1/trial").status_code == 404


def test_a_look_at_the_usual_walk_is_on_record(app, withdrawn, people):
    withdrawn(Data.FACE)
    assert post(people["guardian"], f"{FENCE}/begin", preset="here").status_code == 200
    with app.app_context():
        rows = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.detail == "fence here")).all()
        assert [(row.action, row.subject) for row in rows] == [("view_track", "wearer:1")]
