"""What every service keeps, whatever its file says: a guide, login, CSRF, a form that can be filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from portal import create_app, demo
from portal.cases.forms import buildings, case_form
from portal.cases.models import Case
from portal.cases.services import services
from portal.cases.workflow import ENDS, State
from portal.collect_vendor import ICONS
from portal.db import db, upgrade
from portal.settings import PortalSettings

PHONES = {login.role.value: login.phone for login in demo.LOGINS}
MAP = Path(__file__).parents[2] / "data" / "seed"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("services")
    settings = PortalSettings(
        mode="demo",
        community="xinhe",
        community_name="新河苑",
        map_dir=str(MAP),
        gateways={},
        database_url=f"sqlite:///{folder / 'portal.db'}",
        media_url=str(folder / "media"),
        secret_key="secret-key-for-tests-only-0123456789",
        password_salt="salt-for-tests-only-0123456789",
    )
    app = create_app(settings)
    upgrade(app)
    demo.seed(app)
    yield app
    with app.app_context():
        db.engine.dispose()


def token(page) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


@pytest.fixture(scope="module")
def resident(app):
    client = app.test_client()
    client.post(
        "/login",
        data={
            "csrf_token": token(client.get("/login")),
            "phone": PHONES["resident"],
            "password": demo.DEMO_PASSWORD,
        },
    )
    return client


def good_answer(field) -> str:
    """An answer its question takes."""
    if field.choices:
        return field.choices[0].value
    return {
        "phone": "13800138000",
        "id_number": "11010519491231002X",
        "date": "2026-11-01",
        "number": "2",
        "spot": "31.1553,121.105",
        "agree": "yes",
        "building": buildings(str(MAP))[0].value,
    }.get(field.kind, "张桂兰")


every_service = pytest.mark.parametrize("name", list(services()))
every_form = pytest.mark.parametrize(
    "name", [name for name, found in services().items() if found.kind != "guide"]
)


@every_service
def test_its_file_is_complete(name):
    service = services()[name]
    assert service.icon in ICONS
    assert service.guide.steps
    assert bool(service.fields) is (service.kind != "guide")
    assert bool(service.stages) is (service.kind != "guide")
    names = [field.name for field in service.fields]
    assert len(names) == len(set(names))
    assert not set(names) & {"contact_name", "contact_phone", "consent", "csrf_token", "kept_photo", "for"}
    for at, field in enumerate(service.fields):
        assert not field.when_field or field.when_field in names[:at]
        assert all(not choice.icon or choice.icon in ICONS for choice in field.choices)
        assert bool(field.choices) is (field.kind in {"select", "choice", "choices", "cards"})


@every_service
def test_its_stages_begin_with_received_and_end(name):
    stages = services()[name].stages
    if stages:
        assert stages[0].state is State.RECEIVED
        assert stages[-1].state in ENDS
        assert all(stage.limit_h for stage in stages[:-1])


@every_service
def test_personal_papers_are_asked_for_only_with_consent(name):
    service = services()[name]
    if any(field.kind == "id_number" for field in service.fields):
        assert service.consent


@every_service
def test_its_guide_is_open_to_everybody(app, name):
    page = app.test_client().get(f"/services/{name}/")
    assert page.status_code == 200
    assert len(re.findall(r"<h1[ >]", page.text)) == 1
    assert services()[name].guide.phone in page.text


@every_service
def test_applying_needs_an_account_and_a_form(app, resident, name):
    guide = services()[name].kind == "guide"
    assert app.test_client().get(f"/services/{name}/apply").status_code == 302
    assert resident.get(f"/services/{name}/apply").status_code == (404 if guide else 200)


@every_form
def test_a_form_without_the_token_is_refused(resident, name):
    assert resident.post(f"/services/{name}/apply", data={}).status_code == 400


@every_form
def test_an_empty_form_names_every_question_that_must_be_answered(app, resident, name):
    page = resident.get(f"/services/{name}/apply")
    answer = resident.post(f"/services/{name}/apply", data={"csrf_token": token(page)})
    assert answer.status_code == 422
    with app.test_request_context():
        fields = case_form(services()[name], map_dir=str(MAP), for_other=False)
    for field in fields:
        asked = field.required and not field.when_field and field.kind != "photos"
        assert (f'href="#field-{field.name}"' in answer.text) is asked, field.name


@every_form
def test_a_good_form_becomes_a_case_with_a_number_and_a_code(app, resident, name):
    page = resident.get(f"/services/{name}/apply")
    with app.test_request_context():
        fields = case_form(services()[name], map_dir=str(MAP), for_other=False)
    answers = {field.name: good_answer(field) for field in fields if field.kind != "photos"}
    answer = resident.post(f"/services/{name}/apply", data={"csrf_token": token(page), **answers})
    assert answer.status_code == 302, re.findall(r'href="#field[^<]*', answer.text)
    receipt = resident.get(answer.headers["Location"]).text
    number = re.search(r'class="number">(\d{8}-\d{4})<', receipt)[1]
    assert re.search(r'class="number">[0-9A-Z]{4} [0-9A-Z]{4}<', receipt)
    assert number in resident.get("/cases/").text
    with app.app_context():
        case = db.session.scalars(sa.select(Case).where(Case.number == number)).one()
        assert case.service == name
        assert case.due_at is not None
