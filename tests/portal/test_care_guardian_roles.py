"""Whoever is called for a wearer is let in: the role comes with the proved number, and shows nobody else."""

from __future__ import annotations

import uuid

import msgspec
import pytest
import sqlalchemy as sa

from portal.db import db
from portal.people.models import User

SON = "+8613800138001"


@pytest.fixture
def account(store_app, samples):
    """Makes an account of a number, with the password of the demonstration."""

    def make(phone: str = SON) -> None:
        with store_app.app_context():
            password = db.session.scalar(sa.select(User.password).where(User.name == "王秀英"))
            db.session.add(
                User(phone=phone, name="李建国", password=password, demo=True, fs_uniquifier=uuid.uuid4().hex)
            )
            db.session.commit()

    return make


def roles(app, phone: str = SON) -> list[str]:
    with app.app_context():
        user = db.session.scalar(sa.select(User).where(User.phone == phone))
        return [grant.role.name for grant in user.grants]


def test_a_contact_who_signs_in_for_the_first_time_is_a_guardian_and_sees_whom_they_are_called_for(
    store_app, store_gateway, samples, account
):
    store_gateway.send(samples.ROSTER, samples.at_home())
    account()
    son = samples.Browser(store_app).sign_in(SON)
    assert roles(store_app) == ["guardian"]
    page = son.get("/care/").text
    assert "张桂兰" in page
    assert "王德顺" not in page
    samples.Browser(store_app).sign_in(SON)
    assert roles(store_app) == ["guardian"]


def test_an_account_is_a_guardian_as_soon_as_a_gateway_names_its_number(
    store_app, store_gateway, samples, account
):
    account()
    son = samples.Browser(store_app).sign_in(SON)
    assert roles(store_app) == []
    store_gateway.send(samples.ROSTER, samples.at_home())
    assert roles(store_app) == ["guardian"]
    assert "张桂兰" in son.get("/care/").text


def test_nobody_else_gets_the_role(store_app, store_gateway, samples, account):
    duty = msgspec.structs.replace(samples.SON, role="staff", phone="+8613800138055")
    zhang = msgspec.structs.replace(samples.ZHANG, contacts=(samples.DAUGHTER, duty))
    store_gateway.send(msgspec.structs.replace(samples.ROSTER, wearers=(zhang,)))
    for phone in (SON, "+8613800138055"):
        account(phone)
        samples.Browser(store_app).sign_in(phone)
        assert roles(store_app, phone) == []


def test_whoever_is_no_contact_any_more_sees_nobody(store_app, store_gateway, samples, account):
    account()
    store_gateway.send(samples.ROSTER, samples.at_home())
    son = samples.Browser(store_app).sign_in(SON)
    zhang = msgspec.structs.replace(samples.ZHANG, contacts=(samples.DAUGHTER,))
    store_gateway.send(msgspec.structs.replace(samples.ROSTER, wearers=(zhang, samples.WANG)))
    assert "张桂兰" not in son.get("/care/").text
    assert son.get("/care/wearers/1/").status_code == 404
